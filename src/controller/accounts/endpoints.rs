//! The endpoints that credentials may name. Without this check, the author of a Secret could aim the operator at any
//! address of the network.

use url::Url;

use crate::{
    api::Reason,
    dcs::account::{InvalidAccount, parse_endpoint},
    plan::Blocker,
};

/// The provider's own domains.
const PROVIDER: [&str; 2] = ["myhuaweicloud.com", "myhuaweicloud.eu"];

/// The endpoints that the installer allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Hosts besides the provider's own. A leading dot stands for all hosts below the domain.
    pub hosts: Vec<String>,
    /// Hosts that may be called without TLS, such as a simulator.
    pub insecure: Vec<String>,
}

// === impl Endpoints ===

impl Endpoints {
    /// Parses the endpoint under the key `what` of a Secret.
    ///
    /// # Errors
    /// A [`Blocker`] if it is not an endpoint, or not an allowed one.
    pub fn parse(&self, what: &str, text: &str) -> Result<Url, Blocker> {
        let url = match parse_endpoint(text) {
            Ok(url) => url,
            Err(InvalidAccount::Insecure(url)) => {
                Url::parse(&url).map_err(|error| invalid(what, &error.to_string()))?
            }
            Err(error) => return Err(invalid(what, &redacted_message(&error))),
        };
        if self.allows(&url) {
            return Ok(url);
        }
        let host = url.host_str().unwrap_or_default();
        let how = if url.scheme() == "https" { "--allow-endpoint" } else { "--allow-insecure-endpoint" };
        let message = format!(
            "{what} names {host}, which the operator may not call: correct it, or let the installer of the operator add \
             {how} {host}"
        );
        Err(Blocker { reason: Reason::EndpointNotAllowed, message })
    }

    fn allows(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let insecure = self.insecure.iter().any(|allowed| allowed.eq_ignore_ascii_case(host));
        if url.scheme() != "https" {
            return insecure;
        }
        let provider = PROVIDER.iter().any(|domain| is_below(host, domain));
        insecure || provider || self.hosts.iter().any(|allowed| matches(host, allowed))
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

fn invalid(what: &str, error: &str) -> Blocker {
    Blocker { reason: Reason::CredentialsInvalid, message: format!("{what}: {error}") }
}

fn matches(host: &str, allowed: &str) -> bool {
    match allowed.strip_prefix('.') {
        Some(domain) => is_below(host, domain),
        None => host.eq_ignore_ascii_case(allowed),
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.strip_suffix(&domain.to_ascii_lowercase()).is_some_and(|rest| rest.ends_with('.') && rest.len() > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_allowed_endpoints_are_parsed() {
        let endpoints = Endpoints {
            hosts: vec!["dcs.example.com".to_owned(), ".cloud.example.org".to_owned()],
            insecure: vec!["127.0.0.1".to_owned(), "simulator.dev".to_owned(), "::1".to_owned()],
        };
        for good in [
            "https://dcs.cn-north-4.myhuaweicloud.com",
            "https://DCS.eu-west-101.MyHuaweiCloud.eu/",
            "https://dcs.example.com:8443/prefix",
            "https://a.b.cloud.example.org",
            "http://127.0.0.1:8686",
            "http://[::1]:1",
            "http://simulator.dev:80",
            "https://simulator.dev",
        ] {
            assert_eq!(endpoints.parse("endpoint", good).err(), None, "{good}");
        }
        for bad in [
            "https://myhuaweicloud.com.evil.example",
            "https://evilmyhuaweicloud.com",
            "https://.myhuaweicloud.com.",
            "https://cloud.example.org",
            "https://dcs.example.com.evil.example",
            "http://dcs.cn-north-4.myhuaweicloud.com",
            "http://localhost:80",
            "http://169.254.169.254/latest",
            "https://10.0.0.1",
            "https://user:canary@dcs.cn-north-4.myhuaweicloud.com",
            "canary-Passw0rd",
            "https://dcs.example.com/canary?canary#canary",
            "ftp://dcs.example.com",
            "nonsense",
        ] {
            let blocker = endpoints.parse("endpoint", bad).expect_err(bad);
            assert!(!blocker.message.contains("canary"), "{}", blocker.message);
        }
        let refused = Endpoints::default().parse("endpoint", "http://127.0.0.1:1").unwrap_err();
        assert_eq!(refused.reason, Reason::EndpointNotAllowed);
        assert!(refused.message.contains("--allow-insecure-endpoint 127.0.0.1"), "{}", refused.message);
    }
}
