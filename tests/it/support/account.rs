//! Accounts with canary secrets, which must not appear in any output.

use dcs_operator::dcs::{AccountConfig, Credentials};
use secrecy::SecretString;
use url::Url;

pub(crate) const ACCESS_KEY: &str = "CANARYACCESSKEY";
pub(crate) const SECRET_KEY: &str = "canary-secret-key";
pub(crate) const PASSWORD: &str = "canary-Pass-w0rd";
pub(crate) const PROJECT: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const REGION: &str = "test-region-1";

/// An account with an access key and a project id.
pub(crate) fn signing(endpoint: &str) -> AccountConfig {
    let endpoint = Url::parse(endpoint).unwrap();
    AccountConfig {
        region: REGION.to_owned(),
        iam_endpoint: endpoint.clone(),
        endpoint,
        project_id: Some(PROJECT.to_owned()),
        credentials: Credentials::AccessKey {
            id: ACCESS_KEY.to_owned(),
            secret: SecretString::from(SECRET_KEY),
            security_token: None,
        },
        ca_bundle: None,
    }
}

/// An account with name and password; its project is looked up by the region's name.
pub(crate) fn with_password(endpoint: &str) -> AccountConfig {
    AccountConfig {
        project_id: None,
        credentials: Credentials::Password {
            domain_name: "shop".to_owned(),
            user_name: "operator".to_owned(),
            password: SecretString::from(PASSWORD),
        },
        ..signing(endpoint)
    }
}

/// Fails if `text` contains a canary.
#[track_caller]
pub(crate) fn assert_no_canary(text: &str) {
    assert!(!text.to_lowercase().contains("canary"), "a secret shows in: {text}");
}
