//! Which hosts are reached without the proxy of the environment, as NO_PROXY says.
//!
//! kube compares NO_PROXY with the address of the proxy instead of the API server's.

use std::{env, net::IpAddr};

use http::Uri;

/// Whether `server` is reached without a proxy.
pub(super) fn is_bypassed(server: &Uri) -> bool {
    let set = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    let list = set("NO_PROXY").or_else(|| set("no_proxy")).unwrap_or_default();
    matches(server, &list)
}

/// The rules of Go, which kubectl follows: names with their subdomains, addresses, networks, each perhaps with a port.
/// Loopback addresses always match.
fn matches(server: &Uri, list: &str) -> bool {
    let host = server.host().unwrap_or_default().trim_matches(['[', ']']).trim_end_matches('.');
    let host = host.to_ascii_lowercase();
    let address: Option<IpAddr> = host.parse().ok();
    let port = server.port_u16().unwrap_or(443);
    if host == "localhost" || address.is_some_and(|address| address.is_loopback()) {
        return true;
    }
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.to_ascii_lowercase();
        if entry == "*" {
            return true;
        }
        if let Some((network, bits)) = entry.split_once('/') {
            let network = network.parse().ok().zip(bits.parse().ok());
            return address
                .zip(network)
                .is_some_and(|(address, (network, bits))| contains(network, bits, address));
        }
        let (name, wanted) = split_port(&entry);
        if wanted.is_some_and(|wanted| wanted != port) {
            return false;
        }
        if let (Some(address), Ok(own)) = (address, name.parse::<IpAddr>()) {
            return address == own;
        }
        let below = name.strip_prefix('*').unwrap_or(name);
        match below.strip_prefix('.') {
            Some(_) => host.ends_with(below),
            None => host == below || host.ends_with(&format!(".{below}")),
        }
    })
}

/// Name or address, and port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    if let Some((address, rest)) = entry.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, rest.strip_prefix(':').and_then(|port| port.parse().ok()));
    }
    match entry.rsplit_once(':') {
        // More than one colon: an address of version 6.
        Some((name, port)) if !name.contains(':') => (name, port.parse().ok()),
        Some(_) | None => (entry, None),
    }
}

/// Whether the first `bits` bits are equal.
fn contains(network: IpAddr, bits: u32, address: IpAddr) -> bool {
    let (network, address, length) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (network.to_bits().into(), address.to_bits().into(), 32)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
    };
    let Some(ignored) = u32::checked_sub(length, bits) else { return false };
    let differing: u128 = network ^ address;
    differing.checked_shr(ignored).unwrap_or_default() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_names_hosts_networks_and_ports() {
        for (server, list, expected) in [
            ("https://127.0.0.1:6443", "", true),
            ("https://localhost:6443", "", true),
            ("https://[::1]:6443", "", true),
            ("https://10.96.0.1:443", "", false),
            ("https://10.96.0.1:443", "10.96.0.1", true),
            ("https://10.96.0.1:443", "localhost, 10.0.0.0/8,", true),
            ("https://10.96.0.1:443", "11.0.0.0/8,10.0.0.0/33", false),
            ("https://[fd00::1]:443", "fd00::/8", true),
            ("https://[fd00::1]:443", "fd00::1", true),
            ("https://[fd00::1]:443", "[fd00::1]:443", true),
            ("https://10.96.0.1:443", "10.96.0.1:6443", false),
            ("https://api.example.com:6443", "example.com", true),
            ("https://api.example.com:6443", ".example.com", true),
            ("https://api.example.com:6443", "*.example.com:6443", true),
            ("https://API.example.com:6443", "api.Example.com", true),
            ("https://api.example.com:6443", "le.com", false),
            ("https://example.com", ".example.com", false),
            ("https://api.example.com:6443", "api.example.com:443", false),
            ("https://api.example.com", "other.example.com,*", true),
        ] {
            assert_eq!(matches(&server.parse().unwrap(), list), expected, "{server} {list:?}");
        }
    }
}
