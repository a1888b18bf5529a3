//! Parses a Secret with credentials.

use k8s_openapi::api::core::v1::Secret;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::endpoints::{Endpoints, redacted_message};
use crate::{
    api::Reason,
    dcs::{
        AccountConfig, Cloud, Credentials,
        account::{InvalidAccount, dcs_endpoint, iam_endpoint, is_identifier},
        operation::Service,
    },
    formats::{HashKey, Purpose},
    plan::{Blocker, instance::Defaults},
};

const CA_BUNDLE: &str = "caBundle";
/// The longest CA bundle, in bytes: some 80 certificates. Every account with credentials stays in memory.
const MAX_CA_BUNDLE: usize = 128 * 1024;
/// The longest other value, in bytes.
const MAX_VALUE: usize = 16 * 1024;

/// Makes clients for accounts: over HTTP in production.
pub trait ClientFactory: Send + Sync {
    /// The client.
    type Cloud: Cloud;

    /// Makes a client for `account`. Sends nothing.
    ///
    /// # Errors
    /// [`InvalidAccount`] if a setting of the account is invalid.
    fn connect(&self, account: &AccountConfig) -> Result<Self::Cloud, InvalidAccount>;
}

/// The content of a Secret with credentials.
#[derive(Debug, Clone)]
pub struct ParsedCredentials {
    /// The credentials and the endpoints.
    pub account: AccountConfig,
    /// Defaults for new instances of the namespace.
    pub defaults: Defaults,
    /// A keyed hash of every input of the connection: credential values, project, region, endpoints and trust.
    pub hash: String,
    /// A keyed hash of the same and of the defaults.
    pub hash_with_defaults: String,
}

/// Parses a Secret with credentials.
///
/// # Errors
/// A [`Blocker`] that names the key to correct, never its value.
pub fn read_credentials(
    secret: &Secret,
    key: &HashKey,
    endpoints: &Endpoints,
) -> Result<ParsedCredentials, Blocker> {
    let fields = Fields { secret };
    let region = fields.needed("region")?;
    let credentials = credentials(&fields)?;
    let invalid = |error: InvalidAccount| fields.wrong(&redacted_message(&error));
    // A region leads to a host as well.
    let usual = (dcs_endpoint(&region).map_err(invalid)?, iam_endpoint(&region).map_err(invalid)?);
    let endpoint = fields.endpoint(Service::Dcs, "endpoint", &usual.0, endpoints)?;
    let iam_endpoint = fields.endpoint(Service::Iam, "iamEndpoint", &usual.1, endpoints)?;
    let project_id = fields.text("projectId")?;
    if project_id.as_ref().is_some_and(|id| id.len() > 64 || !is_identifier(id)) {
        return Err(fields.wrong("its projectId is not the ID of a project: mostly 32 letters and digits"));
    }
    let defaults = Defaults {
        vpc_id: fields.text("vpcId")?,
        subnet_id: fields.text("subnetId")?,
        availability_zones: fields.text("availabilityZones")?.map(|zones| {
            zones.split(',').map(|zone| zone.trim().to_owned()).filter(|zone| !zone.is_empty()).collect()
        }),
        cpu_type: fields.text("cpuType")?,
    };
    let account = AccountConfig {
        region,
        endpoint,
        iam_endpoint,
        project_id,
        credentials,
        ca_bundle: fields.text(CA_BUNDLE)?,
    };
    let mut inputs = connection(&account);
    let hash = key.hash(Purpose::Credentials, inputs.iter().copied());
    let values = defaults_of(&defaults);
    inputs.extend(values.iter().map(String::as_str));
    let hash_with_defaults = key.hash(Purpose::Credentials, inputs);
    Ok(ParsedCredentials { account, defaults, hash, hash_with_defaults })
}

/// An access key or an IAM user.
fn credentials(fields: &Fields<'_>) -> Result<Credentials, Blocker> {
    if let Some(id) = fields.text("accessKey")? {
        let secret = SecretString::from(fields.needed("secretKey")?);
        let security_token = fields.text("securityToken")?.map(SecretString::from);
        return Ok(Credentials::AccessKey { id, secret, security_token });
    }
    let Some(user_name) = fields.text("username")? else {
        return Err(
            fields.wrong("it has neither accessKey and secretKey, nor username, password and domainName")
        );
    };
    let password = SecretString::from(fields.needed("password")?);
    Ok(Credentials::Password { domain_name: fields.needed("domainName")?, user_name, password })
}

/// Every input of the connection, in a fixed order.
fn connection(account: &AccountConfig) -> Vec<&str> {
    let AccountConfig { region, endpoint, iam_endpoint, project_id, credentials, ca_bundle } = account;
    let mut inputs = match credentials {
        Credentials::AccessKey { id, secret, security_token } => {
            let token = security_token.as_ref().map(|token| token.expose_secret()).unwrap_or_default();
            vec!["access-key", id, secret.expose_secret(), token]
        }
        Credentials::Password { domain_name, user_name, password } => {
            vec!["password", domain_name, user_name, password.expose_secret()]
        }
    };
    let optional = [project_id, ca_bundle].map(|value| value.as_deref().unwrap_or_default());
    inputs.extend([region.as_str(), endpoint.as_str(), iam_endpoint.as_str()]);
    inputs.extend(optional);
    inputs
}

fn defaults_of(defaults: &Defaults) -> [String; 4] {
    let Defaults { vpc_id, subnet_id, availability_zones, cpu_type } = defaults;
    let zones = availability_zones.as_ref().map(|zones| zones.join(","));
    [vpc_id, subnet_id, &zones, cpu_type].map(|value| value.clone().unwrap_or_default())
}

/// The values of a Secret.
struct Fields<'a> {
    secret: &'a Secret,
}

// === impl Fields ===

impl Fields<'_> {
    /// The value of a key; empty counts as absent.
    fn text(&self, key: &str) -> Result<Option<String>, Blocker> {
        let Some(value) = self.secret.data.as_ref().and_then(|data| data.get(key)) else { return Ok(None) };
        let longest = if key == CA_BUNDLE { MAX_CA_BUNDLE } else { MAX_VALUE };
        if value.0.len() > longest {
            return Err(self.wrong(&format!("its {key} is longer than {} KiB", longest / 1024)));
        }
        let text =
            std::str::from_utf8(&value.0).map_err(|_| self.wrong(&format!("its {key} is not text")))?;
        // Files and editors add a line break at the end.
        let text = text.trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn needed(&self, key: &str) -> Result<String, Blocker> {
        self.text(key)?.ok_or_else(|| self.wrong(&format!("it has no {key}")))
    }

    /// The endpoint under `key`, else the `usual` one of the region.
    fn endpoint(
        &self,
        service: Service,
        key: &str,
        usual: &Url,
        endpoints: &Endpoints,
    ) -> Result<Url, Blocker> {
        let parsed = match self.text(key)? {
            Some(text) => endpoints.parse(service, key, &text),
            None => endpoints.parse(service, &format!("the region, without {key},"), usual.as_str()),
        };
        parsed.map_err(|blocker| Blocker { reason: blocker.reason, ..self.wrong(&blocker.message) })
    }

    fn wrong(&self, what: &str) -> Blocker {
        let name = self.secret.metadata.name.as_deref().unwrap_or_default();
        let message = format!("the credentials in Secret {name} cannot be used: {what}");
        Blocker { reason: Reason::CredentialsInvalid, message }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use k8s_openapi::ByteString;

    use super::*;

    const ACCESS_KEY: &[(&str, &str)] = &[("accessKey", "AK"), ("secretKey", "SK")];
    const USER: &[(&str, &str)] = &[("username", "user"), ("password", "secret"), ("domainName", "domain")];

    fn read(values: &[(&str, &str)]) -> Result<ParsedCredentials, Blocker> {
        let value = |(key, text): &(&str, &str)| ((*key).to_owned(), ByteString(text.as_bytes().to_vec()));
        let data = Some(values.iter().map(value).collect());
        read_credentials(
            &Secret { data, ..Secret::default() },
            &HashKey::new(vec![7; 32]),
            &Endpoints::default(),
        )
    }

    /// The values, where those of `changes` replace others of their keys.
    fn with<'a>(values: &[(&'a str, &'a str)], changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let kept = values.iter().filter(|(key, _)| changes.iter().all(|(changed, _)| changed != key));
        kept.chain(changes).copied().collect()
    }

    /// A client serves one hash: a change that leaves it would have no effect before a restart.
    #[test]
    fn every_input_of_the_connection_changes_the_hash() {
        let key = [("accessKey", "AK2"), ("secretKey", "SK2"), ("securityToken", "token")];
        let user = [("username", "user-2"), ("password", "secret-2"), ("domainName", "domain-2")];
        let connection = [
            ("region", "cn-north-1"),
            ("projectId", "0123456789abcdef0123456789abcdef"),
            ("endpoint", "https://dcs.cn-north-9.myhuaweicloud.com"),
            ("iamEndpoint", "https://iam.cn-north-9.myhuaweicloud.com"),
            ("caBundle", "-----BEGIN CERTIFICATE-----"),
        ];
        for (kind, own) in [(ACCESS_KEY, key), (USER, user)] {
            let before = with(kind, &[("region", "cn-north-4")]);
            let changed = own.iter().chain(&connection).map(|change| with(&before, &[*change]));
            let hashes: BTreeSet<_> =
                changed.chain([before.clone()]).map(|values| read(&values).unwrap().hash).collect();
            assert_eq!(hashes.len(), own.len() + connection.len() + 1, "{kind:?}");
        }
    }

    #[test]
    fn defaults_change_only_their_own_hash() {
        let before = with(ACCESS_KEY, &[("region", "cn-north-4")]);
        let plain = read(&before).unwrap();
        for change in [("vpcId", "a"), ("subnetId", "a"), ("availabilityZones", "a, b"), ("cpuType", "arm64")]
        {
            let changed = read(&with(&before, &[change])).unwrap();
            assert_eq!(changed.hash, plain.hash, "{change:?}");
            assert_ne!(changed.hash_with_defaults, plain.hash_with_defaults, "{change:?}");
        }
    }

    #[test]
    fn a_value_that_is_too_long_is_refused_by_its_key() {
        let before = with(USER, &[("region", "cn-north-4")]);
        for (key, longest) in [("password", MAX_VALUE), ("vpcId", MAX_VALUE), (CA_BUNDLE, MAX_CA_BUNDLE)] {
            let (long, longer) = ("a".repeat(longest), "a".repeat(longest + 1));
            assert!(read(&with(&before, &[(key, &long)])).is_ok(), "{key}");
            let blocker = read(&with(&before, &[(key, &longer)])).unwrap_err();
            let expected = format!("its {key} is longer than {} KiB", longest / 1024);
            assert!(blocker.message.ends_with(&expected), "{}", blocker.message);
            assert_eq!(blocker.reason, Reason::CredentialsInvalid);
        }
    }
}
