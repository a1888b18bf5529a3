//! Endpoints, project and credentials of one account in one region.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// The configuration of a [`Client`](super::Client): one account in one region.
#[derive(Debug, Clone)]
pub struct AccountConfig {
    /// Region code such as `cn-north-4`; also the name of the region's default project.
    pub region: String,
    /// Endpoint of DCS.
    pub endpoint: Url,
    /// Endpoint of IAM, which issues tokens and looks up a project id that is not given.
    pub iam_endpoint: Url,
    /// The project of the instances; looked up by the region's name if absent.
    pub project_id: Option<String>,
    /// How requests authenticate.
    pub credentials: Credentials,
    /// PEM certificates to trust besides the system's, for an endpoint with a private authority.
    pub ca_bundle: Option<String>,
}

/// How requests authenticate.
#[derive(Clone)]
pub enum Credentials {
    /// By a signature (API reference 3.2, "AK/SK").
    AccessKey {
        /// Access key id.
        id: String,
        /// Secret access key.
        secret: SecretString,
        /// Token of temporary credentials.
        security_token: Option<SecretString>,
    },
    /// By a token of IAM (API reference 3.2, "Token").
    Password {
        /// Name of the user's account (IAM "domain").
        domain_name: String,
        /// IAM user name.
        user_name: String,
        /// The user's password.
        password: SecretString,
    },
}

/// An error in an account's configuration, found before any call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAccount {
    /// The region cannot be part of a host name.
    #[error("region {0:?} is not a region code: write one such as cn-north-4")]
    Region(String),
    /// The endpoint is not a URL.
    #[error(
        "endpoint {url:?} is not a URL ({reason}): write one such as https://dcs.cn-north-4.myhuaweicloud.com"
    )]
    Endpoint {
        /// The endpoint without user information.
        url: String,
        /// Why.
        reason: String,
    },
    /// The endpoint would receive credentials unencrypted.
    #[error(
        "endpoint {0} is not https: use https; http is allowed only for a loopback address (a simulator)"
    )]
    Insecure(String),
    /// The CA bundle has no readable certificate.
    #[error("the CA bundle has no readable PEM certificate: {0}")]
    CaBundle(String),
    /// A header cannot carry a credential value.
    #[error(
        "the {0} has characters that a header cannot carry: remove line breaks and spaces that were copied with it"
    )]
    Unprintable(&'static str),
    /// The HTTP client cannot be built.
    #[error("the HTTP client cannot be built: {0}")]
    HttpClient(String),
}

/// The provider's public DCS endpoint of a region.
///
/// # Errors
/// [`InvalidAccount::Region`] if the code has characters that no region code has.
pub fn dcs_endpoint(region: &str) -> Result<Url, InvalidAccount> {
    regional("dcs", region)
}

/// The provider's public IAM endpoint of a region.
///
/// # Errors
/// [`InvalidAccount::Region`] if the code has characters that no region code has.
pub fn iam_endpoint(region: &str) -> Result<Url, InvalidAccount> {
    regional("iam", region)
}

fn regional(service: &str, region: &str) -> Result<Url, InvalidAccount> {
    let invalid = || InvalidAccount::Region(region.to_owned());
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if region.is_empty() || region.len() > 40 || !region.chars().all(plain) {
        return Err(invalid());
    }
    Url::parse(&format!("https://{service}.{region}.myhuaweicloud.com")).map_err(|_| invalid())
}

/// Whether `value` can be an ID in a path: not empty, and only letters, digits, hyphens and underscores. An empty ID
/// would name the whole collection, dots another path.
pub fn is_identifier(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Parses an endpoint from user input. Anything but scheme, host, port and path is refused, since it would be dropped
/// or leak; plain http is allowed for loopback addresses only.
///
/// # Errors
/// [`InvalidAccount::Endpoint`] or [`InvalidAccount::Insecure`].
pub fn parse_endpoint(text: &str) -> Result<Url, InvalidAccount> {
    let refuse = |reason: &str| {
        // The part before an `@` may be a password.
        let shown = text.rsplit('@').next().unwrap_or_default();
        InvalidAccount::Endpoint { url: shown.to_owned(), reason: reason.to_owned() }
    };
    let url = Url::parse(text.trim()).map_err(|error| refuse(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("it carries a user name"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("it carries a query or a fragment"));
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => Err(InvalidAccount::Insecure(url.to_string())),
        _ => Err(refuse("it is not https")),
    }
}

/// The given endpoint, or else `default`.
///
/// # Errors
/// Those of [`parse_endpoint`], and of `default`.
pub fn endpoint_or(
    given: Option<&str>,
    default: impl FnOnce() -> Result<Url, InvalidAccount>,
) -> Result<Url, InvalidAccount> {
    given.map_or_else(default, parse_endpoint)
}

/// Whether the host is certainly this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

// === impl Credentials ===

impl Credentials {
    /// All secret values, for redaction of external texts.
    pub(crate) fn secrets(&self) -> Vec<&str> {
        match self {
            Self::AccessKey { id, secret, security_token } => {
                let values = [Some(secret), security_token.as_ref()];
                let values = values.into_iter().flatten().map(|value| value.expose_secret());
                std::iter::once(id.as_str()).chain(values).collect()
            }
            Self::Password { domain_name: _, user_name: _, password } => vec![password.expose_secret()],
        }
    }
}

impl fmt::Debug for Credentials {
    /// Shows the kind and no value: an access key id is sensitive too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessKey { security_token: None, .. } => f.write_str("AccessKey(..)"),
            Self::AccessKey { security_token: Some(_), .. } => f.write_str("AccessKey(.., temporary)"),
            Self::Password { .. } => f.write_str("Password(..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_a_region() {
        let host = |url: Result<Url, _>| url.map(|url| url.to_string());
        assert_eq!(
            host(dcs_endpoint("cn-north-4")),
            Ok("https://dcs.cn-north-4.myhuaweicloud.com/".to_owned())
        );
        assert_eq!(
            host(iam_endpoint("eu-west-101")),
            Ok("https://iam.eu-west-101.myhuaweicloud.com/".to_owned())
        );
        for region in ["", "cn north", "evil.example.com/", "a@b", "CN-NORTH-4"] {
            assert_eq!(dcs_endpoint(region), Err(InvalidAccount::Region(region.to_owned())));
        }
    }

    #[test]
    fn endpoints_from_user_input() {
        for good in [
            "https://dcs.example.com",
            "https://dcs.example.com:8443/prefix",
            "http://127.0.0.1:80",
            "http://[::1]:1",
            "http://localhost:8080",
        ] {
            assert!(parse_endpoint(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "dcs.example.com",
            "ftp://x",
            "https://user:hunter2@example.com",
            "https://x?y",
            "https://x#y",
            "http://dcs.example.com",
            "http://10.0.0.1",
            "http://localhost.example.com",
        ] {
            let error = parse_endpoint(bad).expect_err(bad).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let secret = || SecretString::from("canary-secret");
        let all = [
            Credentials::AccessKey {
                id: "canary-id".into(),
                secret: secret(),
                security_token: Some(secret()),
            },
            Credentials::Password {
                domain_name: "canary-d".into(),
                user_name: "canary-u".into(),
                password: secret(),
            },
        ];
        for credentials in all {
            assert!(!format!("{credentials:?}").contains("canary"));
        }
    }
}
