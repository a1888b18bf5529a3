//! Words of the operator's own that travel through status.
//!
//! An older operator may have to read what a newer one wrote, so a word that is not known is kept and never stops
//! the decoding: whoever matches on it has to say what an unknown one means.

/// Declares a set of words: one variant each, and `Other` for what is not among them.
macro_rules! words {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$word_meta:meta])* $variant:ident,)* }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$word_meta])* $variant,)*
            /// Written by another version of the operator.
            Other(String),
        }

        impl $name {
            /// The word itself.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $(stringify!($variant) => Self::$variant,)*
                    _ => Self::Other(word),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                serde::Deserialize::deserialize(deserializer).map(<Self as From<String>>::from)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            /// A string, not an enum: the API server must not refuse a word of another version either.
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "maxLength": 63 })
            }
        }
    )*};
}

words! {
    /// What the operator is doing to an instance, or may do.
    pub enum OperationType {
        /// Make it.
        Create,
        /// Put our mark on it.
        Adopt,
        /// Take our mark off it.
        Release,
        /// Remove it.
        Delete,
        /// Remove the record of one that could not be made.
        DeleteFailed,
        /// Change name, description, maintenance window and the like.
        Update,
        /// Change tags.
        UpdateTags,
        /// Change capacity or flavor.
        Resize,
        /// Change the password.
        ResetPassword,
    }

    /// What became of an attempt.
    pub enum OperationOutcome {
        /// The cloud took the request; it may still be working on it.
        Accepted,
        /// The cloud took the request and later failed to carry it out.
        Failed,
        /// The cloud refused the request: nothing was changed.
        Refused,
    }

    /// What a change does to those who use the instance.
    pub enum Impact {
        /// Nothing that a client would notice.
        Online,
        /// Connections break, or the instance pauses for a moment.
        Disruptive,
        /// Data is, or may be, lost.
        Destructive,
        /// It cannot be made.
        Immutable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_another_version_are_kept() {
        let known: OperationType = serde_json::from_str("\"Resize\"").unwrap();
        assert_eq!(known, OperationType::Resize);
        let unknown: OperationType = serde_json::from_str("\"Defragment\"").unwrap();
        assert_eq!(unknown, OperationType::Other("Defragment".to_owned()));
        assert_eq!(serde_json::to_string(&unknown).unwrap(), "\"Defragment\"");
    }
}
