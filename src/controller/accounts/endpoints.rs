//! The endpoints that credentials may name. Without this check, the author of a Secret could aim the operator at any
//! address of the network, or at a bucket below the provider's domains.

use std::{fmt, str::FromStr};

use url::Url;

use crate::{
    api::Reason,
    dcs::{account::InvalidAccount, model::address::is_host, operation::Service},
    plan::Blocker,
};

/// The provider's domains. Its services have names below them, and so have the buckets of its customers.
const PROVIDER: [&str; 2] = ["myhuaweicloud.com", "myhuaweicloud.eu"];
/// The provider's IAM for all regions.
const GLOBAL_IAM: &str = "iam.myhuaweicloud.com";
/// The port of every endpoint with TLS.
const HTTPS: u16 = 443;

/// The endpoints that the installer allows besides those of DCS and IAM in the provider's regions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Hosts that are called with TLS, on port 443.
    pub hosts: Vec<HostPattern>,
    /// Ports that may be called without TLS, such as a simulator's.
    pub insecure: Vec<HostPort>,
}

/// A host, or all hosts below a domain, which begins with a dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern(String);

/// A host and one of its ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// Lower case; an IPv6 address without brackets.
    host: String,
    port: u16,
}

/// An endpoint: nothing but scheme, host and port.
struct Endpoint {
    secure: bool,
    at: HostPort,
}

// === impl Endpoints ===

impl Endpoints {
    /// Parses the endpoint of `service` under the key `what` of a Secret.
    ///
    /// # Errors
    /// A [`Blocker`] if it is not an endpoint, or not an allowed one.
    pub fn parse(&self, service: Service, what: &str, text: &str) -> Result<Url, Blocker> {
        let Some((endpoint, url)) = Endpoint::parse(text) else {
            let message = format!(
                "{what} is not an endpoint: write https and the host alone, such as \
                 https://dcs.cn-north-4.myhuaweicloud.com"
            );
            return Err(Blocker { reason: Reason::CredentialsInvalid, message });
        };
        if self.allow(service, &endpoint) {
            return Ok(url);
        }
        let at = &endpoint.at;
        let remedy = match (endpoint.secure, at.port) {
            (true, HTTPS) => format!("--allow-endpoint {}", at.host),
            // With TLS, other ports are those of services inside the network.
            (true, _) | (false, _) => format!("--allow-insecure-endpoint {at}"),
        };
        let message = format!(
            "{what} names {at}, which the operator may not call: correct it, or let the installer of the operator add \
             {remedy}"
        );
        Err(Blocker { reason: Reason::EndpointNotAllowed, message })
    }

    fn allow(&self, service: Service, endpoint: &Endpoint) -> bool {
        let HostPort { host, port } = &endpoint.at;
        let named = self.hosts.iter().any(|allowed| allowed.matches(host)) || is_providers(service, host);
        self.insecure.contains(&endpoint.at) || (endpoint.secure && *port == HTTPS && named)
    }
}

/// The error without the value, which may be a password under the wrong key.
pub(super) fn redacted_message(error: &InvalidAccount) -> String {
    match error {
        InvalidAccount::Region(_) => "region is not a region code: write one such as cn-north-4".to_owned(),
        InvalidAccount::Endpoint { .. } => {
            "it is not a URL: write one such as https://dcs.cn-north-4.myhuaweicloud.com".to_owned()
        }
        InvalidAccount::Insecure(_) => "it is not https".to_owned(),
        InvalidAccount::CaBundle(_) | InvalidAccount::Unprintable(_) | InvalidAccount::HttpClient(_) => {
            error.to_string()
        }
    }
}

/// Whether `host` is the service's in a region of the provider.
fn is_providers(service: Service, host: &str) -> bool {
    let (label, global) = match service {
        Service::Dcs => ("dcs", false),
        Service::Iam => ("iam", host == GLOBAL_IAM),
    };
    let region =
        |domain: &&str| host.strip_prefix(label)?.strip_prefix('.')?.strip_suffix(*domain)?.strip_suffix('.');
    global || PROVIDER.iter().filter_map(region).any(is_region)
}

/// Whether `text` is a code such as `cn-north-4`. A name without a number is a service, such as `obs`, and what stands
/// before it is a customer's.
fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
    match parts.as_slice() {
        [words @ .., number] => {
            words.len() >= 2
                && words.iter().all(is_word)
                && (1..=3).contains(&number.len())
                && number.bytes().all(|byte| byte.is_ascii_digit())
        }
        [] => false,
    }
}

// === impl Endpoint ===

impl Endpoint {
    /// Parses `https://HOST[:PORT][/]`. A URL parser accepts more, and reads some of it unlike a person: blanks and
    /// backslashes, user information, encoded and numeric hosts.
    fn parse(text: &str) -> Option<(Self, Url)> {
        let (scheme, rest) = text.split_once("://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let (host, port) = split(rest.strip_suffix('/').unwrap_or(rest))?;
        let at = HostPort { host, port: port.unwrap_or(if secure { HTTPS } else { 80 }) };
        let url = Url::parse(&format!("{}://{at}", if secure { "https" } else { "http" })).ok()?;
        // The parser agrees about the host: it is no number in disguise.
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        (host == at.host && url.port_or_known_default() == Some(at.port))
            .then_some((Self { secure, at }, url))
    }
}

/// Host in lower case, and port.
fn split(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            let port = if port.is_empty() { None } else { Some(port.strip_prefix(':')?) };
            (host.parse::<std::net::Ipv6Addr>().ok()?.to_string(), port)
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (text.to_owned(), None),
        },
    };
    let is_number = |port: &&str| port.bytes().all(|byte| byte.is_ascii_digit());
    let port = match port {
        Some(port) => Some(Some(port).filter(is_number)?.parse().ok().filter(|port| *port > 0)?),
        None => None,
    };
    is_host(&host).then(|| (host.to_ascii_lowercase(), port))
}

// === impl HostPattern ===

impl HostPattern {
    fn matches(&self, host: &str) -> bool {
        if self.0.starts_with('.') { host.ends_with(&self.0) } else { host == self.0 }
    }
}

impl FromStr for HostPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_pattern = match text.strip_prefix('.') {
            Some(domain) => {
                is_host(domain) && domain.contains('.') && domain.parse::<std::net::IpAddr>().is_err()
            }
            None => is_host(text),
        };
        if is_pattern {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(format!(
                "{text:?} is not a host: write dcs.example.com, or .example.com for every host below it, without scheme \
                 and port"
            ))
        }
    }
}

// === impl HostPort ===

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match split(text) {
            Some((host, Some(port))) => Ok(Self { host, port }),
            Some((_, None)) | None => {
                Err(format!("{text:?} is not HOST:PORT: write a host and its port, such as 127.0.0.1:8686"))
            }
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Endpoints {
        let insecure = ["127.0.0.1:8686", "simulator.dev:80", "[::1]:1", "simulator.dev:8443"];
        Endpoints {
            hosts: ["dcs.example.com", ".cloud.example.org"].map(|host| host.parse().unwrap()).into(),
            insecure: insecure.map(|at| at.parse().unwrap()).into(),
        }
    }

    #[test]
    fn hosts_of_dcs_and_of_the_installer_are_allowed() {
        for (good, url) in [
            ("https://dcs.cn-north-4.myhuaweicloud.com", "https://dcs.cn-north-4.myhuaweicloud.com/"),
            ("HTTPS://DCS.eu-west-101.MyHuaweiCloud.eu:443/", "https://dcs.eu-west-101.myhuaweicloud.eu/"),
            (
                "https://dcs.my-kualalumpur-1.myhuaweicloud.com",
                "https://dcs.my-kualalumpur-1.myhuaweicloud.com/",
            ),
            ("https://dcs.example.com", "https://dcs.example.com/"),
            ("https://a.b.cloud.example.org", "https://a.b.cloud.example.org/"),
            ("http://127.0.0.1:8686", "http://127.0.0.1:8686/"),
            ("http://[::1]:1", "http://[::1]:1/"),
            ("http://simulator.dev", "http://simulator.dev/"),
            ("https://simulator.dev:8443", "https://simulator.dev:8443/"),
        ] {
            let parsed = endpoints().parse(Service::Dcs, "endpoint", good);
            assert_eq!(parsed.as_ref().map(Url::as_str), Ok(url), "{good}");
        }
        for good in ["https://iam.cn-north-4.myhuaweicloud.com", "https://iam.myhuaweicloud.com"] {
            assert!(Endpoints::default().parse(Service::Iam, "iamEndpoint", good).is_ok(), "{good}");
        }
    }

    #[test]
    fn other_hosts_and_ports_are_not_allowed() {
        for foreign in [
            "https://evil-bucket.obs.cn-north-4.myhuaweicloud.com",
            "https://evil.obs-website.cn-north-4.myhuaweicloud.com",
            "https://dcs.obs.myhuaweicloud.com",
            "https://dcs.obs.cn-north-4.myhuaweicloud.com",
            "https://dcs.cn-north-4.obs.myhuaweicloud.com",
            "https://functiongraph.cn-north-4.myhuaweicloud.com",
            "https://iam.cn-north-4.myhuaweicloud.com",
            "https://iam.myhuaweicloud.com",
            "https://dcs.myhuaweicloud.com",
            "https://dcs.cn-north-4.myhuaweicloud.com:8443",
            "https://dcs.cn-north-4.myhuaweicloud.com:22",
            "http://dcs.cn-north-4.myhuaweicloud.com",
            "http://dcs.cn-north-4.myhuaweicloud.com:443",
            "https://myhuaweicloud.com.evil.example",
            "https://dcs.cn-north-4.evilmyhuaweicloud.com",
            "https://dcs.cn-north-4.myhuaweicloud.com.evil.example",
            "https://cloud.example.org",
            "https://evilcloud.example.org",
            "https://dcs.example.com:8443",
            "http://dcs.example.com",
            "http://127.0.0.1:8687",
            "http://127.0.0.1",
            "https://simulator.dev",
            "http://localhost:80",
            "https://10.0.0.1",
            "http://169.254.169.254",
        ] {
            let blocker = endpoints().parse(Service::Dcs, "endpoint", foreign).expect_err(foreign);
            assert_eq!(blocker.reason, Reason::EndpointNotAllowed, "{foreign}");
        }
    }

    #[test]
    fn anything_but_scheme_host_and_port_is_no_endpoint() {
        const HOST: &str = "dcs.cn-north-4.myhuaweicloud.com";
        for (before, after) in [
            ("https://user:canary@", ""),
            ("https://canary@", ""),
            ("https://@", ""),
            ("https:/", ""),
            ("https:", ""),
            ("https:\\\\", ""),
            ("https://evil.example\\.", ""),
            ("https://evil.example\\@", ""),
            ("https://evil.example#@", ""),
            ("https://evil.example/", ""),
            ("https://evil.example%2f.", ""),
            ("https://", "/canary"),
            ("https://", "//"),
            ("https://", "/."),
            ("https://", "?canary"),
            ("https://", "#canary"),
            ("https://", "\\"),
            ("https://", "."),
            ("https://", ".:443"),
            ("https://", ":"),
            ("https://", ":0"),
            ("https://", ":+443"),
            ("https://", ":70000"),
            ("https://", ":443:443"),
            ("https://", " "),
            ("https://", "\n"),
            ("https://", "%00"),
            (" https://", ""),
            ("https://\t", ""),
            ("https://.", ""),
            ("https://\u{2e}", "\u{3002}example"),
            ("https://\u{ff44}cs.", ""),
            ("ftp://", ""),
            ("//", ""),
            ("", ""),
        ] {
            let text = format!("{before}{HOST}{after}");
            let blocker = endpoints().parse(Service::Dcs, "endpoint", &text).expect_err(&text);
            assert_eq!(blocker.reason, Reason::CredentialsInvalid, "{text:?}");
            assert!(!blocker.message.contains("canary"), "{}", blocker.message);
        }
        for text in [
            "canary-Passw0rd",
            "",
            "https://",
            "https://[::1",
            "http://0x7f.1:8686",
            "http://2130706433:8686",
            "http://0x7f.0x1:8686",
        ] {
            let blocker = endpoints().parse(Service::Dcs, "endpoint", text).expect_err(text);
            assert_eq!(blocker.reason, Reason::CredentialsInvalid, "{text:?}");
        }
    }

    #[test]
    fn the_message_names_the_flag() {
        for (text, flag) in [
            ("http://127.0.0.1:1", "--allow-insecure-endpoint 127.0.0.1:1"),
            ("http://[::1]", "--allow-insecure-endpoint [::1]:80"),
            ("https://dcs.example.org:8443", "--allow-insecure-endpoint dcs.example.org:8443"),
            ("https://dcs.example.org", "--allow-endpoint dcs.example.org"),
        ] {
            let message = Endpoints::default().parse(Service::Dcs, "endpoint", text).unwrap_err().message;
            assert!(message.ends_with(flag), "{message}");
        }
    }

    #[test]
    fn flags_that_name_no_host_are_refused() {
        for good in ["dcs.example.com", ".example.com", "10.0.0.1", "DCS.Example.com", "simulator"] {
            assert!(good.parse::<HostPattern>().is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            ".com",
            "*.example.com",
            "https://dcs.example.com",
            "dcs.example.com:443",
            "a b",
            "a/b",
            "a.",
            "..a.b",
        ] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad}");
        }
        for good in ["127.0.0.1:8686", "[::1]:1", "simulator.dev:80"] {
            assert_eq!(good.parse::<HostPort>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:0",
            "127.0.0.1:70000",
            "127.0.0.1:*",
            "::1:1",
            "http://127.0.0.1:1",
            "a b:1",
        ] {
            assert!(bad.parse::<HostPort>().is_err(), "{bad}");
        }
    }
}
