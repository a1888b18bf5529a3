//! Sets of words with tolerance for unknown ones: the cloud, and other versions of the operator, use more words than
//! this version knows. An unknown word is kept and never fails decoding, so every match must handle it.

/// Declares enums of words with a variant `Other` for unknown words. A word is its variant's name unless given.
macro_rules! words {
    ($(
        $(#[$meta:meta])*
        pub enum $name:ident { $($(#[$word_meta:meta])* $variant:ident $(= $word:literal)?,)* }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$word_meta])* $variant,)*
            /// An unknown word.
            Other(String),
        }

        impl $name {
            /// The known words.
            pub const KNOWN: &'static [&'static str] = &[$($crate::words::word!($variant $($word)?)),*];

            /// The word itself.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $crate::words::word!($variant $($word)?),)*
                    Self::Other(word) => word,
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::Other(String::new())
            }
        }

        impl From<&str> for $name {
            /// Ignores case: the cloud is not consistent.
            fn from(word: &str) -> Self {
                $(if word.eq_ignore_ascii_case($crate::words::word!($variant $($word)?)) {
                    return Self::$variant;
                })*
                Self::Other(word.to_owned())
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
                <String as serde::Deserialize>::deserialize(deserializer).map(|word| Self::from(word.as_str()))
            }
        }

        impl $crate::words::Word for $name {}
    )*};
}

/// The word of a variant.
macro_rules! word {
    ($variant:ident) => {
        stringify!($variant)
    };
    ($variant:ident $word:literal) => {
        $word
    };
}

pub(crate) use word;
pub(crate) use words;

/// Implemented by every enum that [`words!`] declares.
pub(crate) trait Word: for<'a> From<&'a str> {}
