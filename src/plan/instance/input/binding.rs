//! The content of the binding Secret. It refers to the password and does not contain it.

/// The content that the binding Secret must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Host name or address for reads and writes.
    pub host: String,
    /// Port of `host`.
    pub port: i32,
    /// Host name for reads only.
    pub read_host: Option<String>,
    /// Which password clients use.
    pub password: WhichPassword,
}

/// Which password clients use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichPassword {
    /// None: the instance is open to its network.
    Open,
    /// The one that the cloud accepted, by its keyed hash.
    Accepted(String),
    /// The one in the user's Secret: only the user knows the password of an adopted instance.
    Chosen {
        /// Name of the Secret.
        name: String,
        /// Key in the Secret.
        key: String,
    },
    /// Unknown: the operator's own Secrets may still hold it.
    Unrecorded,
}

/// The binding Secret as a lookup found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingState {
    /// It has the required content.
    Current,
    /// It has the required content, and the Secret with the pending password still exists.
    Superseded,
    /// It is missing, or has other content.
    Outdated,
    /// A Secret of its name exists and does not belong to the object.
    Foreign,
    /// No Secret holds the accepted password.
    PasswordLost,
}
