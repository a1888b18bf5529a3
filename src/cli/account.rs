//! The account of a command, from flags, the environment or a file, in this order.

use std::{collections::BTreeMap, convert::Infallible, fs, path::PathBuf, sync::Arc};

use clap::Args;
use k8s_openapi::ByteString;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use super::Failure;
use crate::{
    clock::{Clock, SystemClock},
    dcs::{
        AccountConfig, Client, Credentials, RetryPolicy,
        account::{dcs_endpoint, endpoint_or, iam_endpoint},
    },
};

/// The account of a command.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Account")]
pub(crate) struct AccountArgs {
    /// Region code, such as cn-north-4.
    #[arg(long, env = "HUAWEICLOUD_SDK_REGION", global = true)]
    region: Option<String>,
    /// Project ID. The default is the project that is named like the region.
    #[arg(long, env = "HUAWEICLOUD_SDK_PROJECT_ID", global = true)]
    project_id: Option<String>,
    /// Access key ID.
    #[arg(long, env = "HUAWEICLOUD_SDK_AK", global = true, hide_env_values = true, value_parser = secret)]
    access_key: Option<SecretString>,
    /// Secret access key. Other users of this machine can see flags: prefer the variable or a file.
    #[arg(long, env = "HUAWEICLOUD_SDK_SK", global = true, hide_env_values = true, value_parser = secret)]
    secret_key: Option<SecretString>,
    /// Security token of temporary credentials.
    #[arg(long, env = "HUAWEICLOUD_SDK_SECURITY_TOKEN", global = true, hide_env_values = true, value_parser = secret)]
    security_token: Option<SecretString>,
    /// DCS endpoint: https, or http on a loopback address. The default is the public endpoint of the region.
    #[arg(long, env = "DCS_ENDPOINT", global = true, hide_env_values = true)]
    endpoint: Option<String>,
    /// IAM endpoint. The default is the public endpoint of the region.
    #[arg(long, env = "DCS_IAM_ENDPOINT", global = true, hide_env_values = true)]
    iam_endpoint: Option<String>,
    /// YAML or JSON file with accessKey, secretKey and securityToken, or username, password and domainName; optionally
    /// region, projectId, endpoint, iamEndpoint, caBundle. With a file, flags and variables for keys are ignored.
    #[arg(long, env = "DCS_CREDENTIALS_FILE", global = true)]
    credentials: Option<PathBuf>,
}

/// Keys of a credentials file. The operator's credentials Secret has the same keys.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct CredentialsFile {
    #[serde(deserialize_with = "hidden")]
    access_key: Option<SecretString>,
    #[serde(deserialize_with = "hidden")]
    secret_key: Option<SecretString>,
    #[serde(deserialize_with = "hidden")]
    security_token: Option<SecretString>,
    username: Option<String>,
    #[serde(deserialize_with = "hidden")]
    password: Option<SecretString>,
    domain_name: Option<String>,
    region: Option<String>,
    project_id: Option<String>,
    endpoint: Option<String>,
    iam_endpoint: Option<String>,
    ca_bundle: Option<String>,
}

fn secret(text: &str) -> Result<SecretString, Infallible> {
    Ok(SecretString::from(text))
}

fn hidden<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(SecretString::from))
}

// === impl AccountArgs ===

impl AccountArgs {
    /// Merges flags, environment and file.
    ///
    /// # Errors
    /// [`Failure::Usage`] with the missing or invalid value.
    pub(crate) fn resolve(mut self) -> Result<AccountConfig, Failure> {
        self.credentials = self.credentials.filter(|path| !path.as_os_str().is_empty());
        let file = self.read_file()?;
        self.merge(file)
    }

    fn merge(self, file: Option<CredentialsFile>) -> Result<AccountConfig, Failure> {
        let has_file = file.is_some();
        let file = file.unwrap_or_default();
        let region = set(self.region).or(set(file.region)).ok_or_else(|| {
            Failure::Usage(
                "the region is missing: set --region, HUAWEICLOUD_SDK_REGION or region in the credentials file".into(),
            )
        })?;
        let endpoint = set(self.endpoint).or(set(file.endpoint));
        let endpoint = endpoint_or(endpoint.as_deref(), || dcs_endpoint(&region))?;
        let iam = set(self.iam_endpoint).or(set(file.iam_endpoint));
        let iam_endpoint = endpoint_or(iam.as_deref(), || iam_endpoint(&region))?;
        // All keys come from one source: an access key with the secret of another fails, and failures lock the key.
        let credentials = if has_file {
            credentials(
                [file.access_key, file.secret_key, file.security_token, file.password],
                [file.domain_name, file.username],
            )
        } else {
            credentials([self.access_key, self.secret_key, self.security_token, None], [None, None])
        }?;
        let project_id = set(self.project_id).or(set(file.project_id));
        Ok(AccountConfig {
            region,
            endpoint,
            iam_endpoint,
            project_id,
            credentials,
            ca_bundle: file.ca_bundle,
        })
    }

    fn read_file(&self) -> Result<Option<CredentialsFile>, Failure> {
        let Some(path) = &self.credentials else { return Ok(None) };
        let shown = path.display();
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::Usage(format!("credentials file {shown}: {error}")))?;
        // The message of the parser may quote a secret.
        serde_saphyr::from_str(&text).map(Some).map_err(|_| {
            Failure::Usage(format!(
                "credentials file {shown} is not YAML or JSON with the keys accessKey, secretKey, securityToken, \
                 username, password, domainName, region, projectId, endpoint, iamEndpoint, caBundle"
            ))
        })
    }
}

/// The account of a Secret with credentials: its keys are those of a credentials file, and defaults for new instances.
///
/// # Errors
/// [`Failure::Usage`] with the missing or invalid key, never its value.
pub(super) fn account_of_secret(data: BTreeMap<String, ByteString>) -> Result<AccountConfig, Failure> {
    let text = |value: ByteString| String::from_utf8(value.0).ok().map(SecretString::from);
    let mut values: BTreeMap<String, SecretString> =
        data.into_iter().filter_map(|(key, value)| Some((key, text(value)?))).collect();
    let mut secret = |key: &str| values.remove(key);
    let (access_key, secret_key) = (secret("accessKey"), secret("secretKey"));
    let (security_token, password) = (secret("securityToken"), secret("password"));
    let mut plain = |key: &str| secret(key).map(|value| value.expose_secret().to_owned());
    let file = CredentialsFile {
        access_key,
        secret_key,
        security_token,
        username: plain("username"),
        password,
        domain_name: plain("domainName"),
        region: plain("region"),
        project_id: plain("projectId"),
        endpoint: plain("endpoint"),
        iam_endpoint: plain("iamEndpoint"),
        ca_bundle: plain("caBundle"),
    };
    AccountArgs::default().merge(Some(file))
}

/// A client of an account for one command.
///
/// # Errors
/// [`Failure::Usage`] if a setting of the account is invalid.
pub(super) fn client(account: AccountConfig) -> Result<Client, Failure> {
    let clock = SystemClock::default();
    // The seed spreads the retries of commands that start together.
    let seed = clock.now().timestamp_subsec_nanos().into();
    Ok(Client::new(account, RetryPolicy::default(), Arc::new(clock), seed)?)
}

/// Treats an empty value as absent, because scripts pass on unset variables.
fn set(value: Option<String>) -> Option<String> {
    value.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn credentials(
    secrets: [Option<SecretString>; 4],
    [domain_name, user_name]: [Option<String>; 2],
) -> Result<Credentials, Failure> {
    let trimmed = |secret: SecretString| SecretString::from(secret.expose_secret().trim());
    let given = |secret: &SecretString| !secret.expose_secret().is_empty();
    let [access_key, secret_key, security_token, password] =
        secrets.map(|secret| secret.map(trimmed).filter(given));
    match (access_key, secret_key) {
        (Some(id), Some(secret)) => {
            Ok(Credentials::AccessKey { id: id.expose_secret().to_owned(), secret, security_token })
        }
        (Some(_), None) => Err(Failure::Usage("the secret key is missing: an access key needs one".into())),
        (None, Some(_)) => Err(Failure::Usage("the access key is missing: a secret key needs one".into())),
        (None, None) => match (set(domain_name), set(user_name), password) {
            (Some(domain_name), Some(user_name), Some(password)) => {
                Ok(Credentials::Password { domain_name, user_name, password })
            }
            (None, None, None) => Err(Failure::Usage(
                "credentials are missing: set --access-key and --secret-key, HUAWEICLOUD_SDK_AK and \
                 HUAWEICLOUD_SDK_SK, or --credentials FILE"
                    .into(),
            )),
            _ => Err(Failure::Usage(
                "credentials of a user need domainName, username and password together".into(),
            )),
        },
    }
}
