//! The content of the binding Secret. The password comes from the record and is not part of it.

use std::fmt::Write;

/// The content that the binding Secret must have, besides the password of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The id of the instance.
    pub id: String,
    /// Host name or address for reads and writes.
    pub host: String,
    /// Port of `host`.
    pub port: i32,
    /// Host name for reads only.
    pub read_host: Option<String>,
    /// Clients need no password.
    pub open: bool,
}

/// The binding Secret as a lookup found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindingState {
    /// It has the required content.
    Current,
    /// It is missing, or has other content.
    Outdated,
    /// A Secret of its name exists and does not belong to the object.
    Foreign,
}

// === impl Content ===

impl Content {
    /// The content as the binding Secret notes it in its metadata.
    pub fn address(&self) -> String {
        let Self { id: _, host, port, read_host, open } = self;
        let mut address = format!("{host}:{port}");
        // Writing to a String does not fail.
        if let Some(read_host) = read_host {
            let _ = write!(address, " {read_host}");
        }
        if *open {
            address.push_str(" open");
        }
        address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let content = Content {
            id: "i".to_owned(),
            host: "10.0.0.1".to_owned(),
            port: 6379,
            read_host: None,
            open: false,
        };
        assert_eq!(content.address(), "10.0.0.1:6379");
        let content = Content { read_host: Some("ro.example".to_owned()), open: true, ..content };
        assert_eq!(content.address(), "10.0.0.1:6379 ro.example open");
    }
}
