//! Open enums in the status.
//!
//! An older operator may have to read what a newer one wrote, so an unknown word is kept and never fails decoding.

use crate::words::words;

/// Implements the schema of words: a string, not an enum, since the API server must accept words of other versions.
macro_rules! string_schema {
    ($($name:ident),*) => {$(
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "maxLength": 63 })
            }
        }
    )*};
}

string_schema!(OperationType, OperationOutcome, JobOutcome, Impact);

words! {
    /// An operation on an instance.
    pub enum OperationType {
        /// Creates it.
        Create,
        /// Adds the ownership tags.
        Adopt,
        /// Removes the ownership tags.
        Release,
        /// Deletes it.
        Delete,
        /// Deletes the entry of a failed creation.
        DeleteFailed,
        /// Changes name, description, maintenance window and other settings.
        Update,
        /// Changes tags.
        UpdateTags,
        /// Changes capacity or flavor.
        Resize,
        /// Changes the password.
        ResetPassword,
        /// Backs it up.
        Backup,
        /// Deletes a backup.
        DeleteBackup,
        /// Replaces its data by that of a backup.
        Restore,
    }

    /// How a job ended.
    pub enum JobOutcome {
        /// It did what was asked for.
        Succeeded,
        /// It did not, and is not tried again.
        Failed,
    }

    /// The outcome of an attempt.
    pub enum OperationOutcome {
        /// The cloud accepted the request; the work may still be running.
        Accepted,
        /// The cloud accepted the request, and the work failed later.
        Failed,
        /// The cloud refused the request; nothing changed.
        Refused,
    }

    /// The effect of a change on clients of the instance.
    pub enum Impact {
        /// None.
        Online,
        /// Connections break, or the instance pauses briefly.
        Disruptive,
        /// Data is lost, or may be.
        Destructive,
        /// The change is impossible.
        Immutable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_are_kept() {
        let known: OperationType = serde_json::from_str("\"Resize\"").unwrap();
        assert_eq!(known, OperationType::Resize);
        let unknown: OperationType = serde_json::from_str("\"Defragment\"").unwrap();
        assert_eq!(unknown, OperationType::Other("Defragment".to_owned()));
        assert_eq!(serde_json::to_string(&unknown).unwrap(), "\"Defragment\"");
    }
}
