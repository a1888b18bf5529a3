//! Open enums in the status.
//!
//! An older operator must decode what a newer one wrote. `Other` keeps an unknown value, so decoding never fails, and
//! every match decides what an unknown value means.

/// Declares open enums: the name of a variant is its value in the API, and `Other` holds any other value.
macro_rules! open_enums {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$word_meta:meta])* $variant:ident,)* }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$word_meta])* $variant,)*
            /// A value of another version of the operator.
            Other(String),
        }

        impl $name {
            /// The value in the API.
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

            /// A string, not an enum: the API server must accept a value of another version.
            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "maxLength": 63 })
            }
        }
    )*};
}

open_enums! {
    /// Type of an operation on an instance.
    pub enum OperationType {
        /// Create the instance.
        Create,
        /// Add the ownership tags.
        Adopt,
        /// Remove the ownership tags.
        Release,
        /// Delete the instance.
        Delete,
        /// Delete an instance in status CREATEFAILED.
        DeleteFailed,
        /// Change name, description or maintenance window.
        Update,
        /// Change tags.
        UpdateTags,
        /// Change capacity or flavor.
        Resize,
        /// Change the password.
        ResetPassword,
    }

    /// Outcome of an attempt.
    pub enum OperationOutcome {
        /// DCS accepted the request; it may still be working on it.
        Accepted,
        /// DCS accepted the request and then failed to carry it out.
        Failed,
        /// DCS refused the request and changed nothing.
        Refused,
    }

    /// Impact of a change on the clients of the instance.
    pub enum Impact {
        /// Clients notice nothing.
        Online,
        /// Connections break, or the instance pauses briefly.
        Disruptive,
        /// Data is lost, or may be.
        Destructive,
        /// The change is not possible.
        Immutable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_another_version_is_kept() {
        let known: OperationType = serde_json::from_str("\"Resize\"").unwrap();
        assert_eq!(known, OperationType::Resize);
        let unknown: OperationType = serde_json::from_str("\"Defragment\"").unwrap();
        assert_eq!(unknown, OperationType::Other("Defragment".to_owned()));
        assert_eq!(serde_json::to_string(&unknown).unwrap(), "\"Defragment\"");
    }
}
