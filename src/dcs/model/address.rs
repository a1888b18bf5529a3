//! Addresses of an instance. Clients read them from the binding Secret, often as environment variables, so nothing but an
//! address passes.

use std::net::IpAddr;

/// The longest host name (RFC 1035), and the longest label of one.
const MAX_HOST: usize = 253;
const MAX_LABEL: usize = 63;

/// Whether `text` is a host name or an IP address.
pub fn is_host(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok() || is_name(text)
}

/// Whether `port` can be connected to.
pub fn is_port(port: i64) -> bool {
    (1..=i64::from(u16::MAX)).contains(&port)
}

/// Whether `text` is a list of IP addresses, separated by commas.
pub(super) fn are_addresses(text: &str) -> bool {
    text.split(',').all(|ip| ip.trim().parse::<IpAddr>().is_ok())
}

/// Some resolvers read a name that ends in a number as an IPv4 address.
fn is_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=MAX_LABEL).contains(&label.len())
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= MAX_HOST && text.split('.').all(is_label) && last.chars().any(|c| c.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        for good in ["redis-4a9c.dcs.huaweicloud.com", "10.0.0.2", "::1", "localhost", "a_b.example"] {
            assert!(is_host(good), "{good}");
        }
        for bad in [
            "",
            ".",
            "a..b",
            "a.",
            "-a.example",
            "a b",
            "a\n",
            "a\nHOST=evil",
            "a@b",
            "a/b",
            "a:6379",
            "10.0.0.2:6379",
            "[::1]",
            "1.2.3",
            "1.2.3.4.5",
            "a?b",
            "a#b",
            "a%0a",
            "é.example",
            "a\\b",
            "\u{202e}a",
        ] {
            assert!(!is_host(bad), "{bad:?}");
        }
        assert!(!is_host(&"a".repeat(64)) && !is_host(&"a.".repeat(127)) && !is_host(&["a"; 128].join(".")));
        assert!(
            are_addresses("10.0.0.2, 10.0.0.3")
                && !are_addresses("10.0.0.2,")
                && !are_addresses("a,10.0.0.2")
        );
    }

    #[test]
    fn ports() {
        assert!(is_port(1) && is_port(65_535));
        for bad in [i64::MIN, -1, 0, 65_536, 70_000, i64::MAX] {
            assert!(!is_port(bad), "{bad}");
        }
    }
}
