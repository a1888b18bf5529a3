//! From a Secret to an account of the cloud.

use k8s_openapi::api::core::v1::Secret;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::endpoints::Endpoints;
use crate::{
    api::Reason,
    dcs::{
        AccountConfig, Cloud, Credentials,
        account::{InvalidAccount, dcs_endpoint, iam_endpoint},
    },
    formats::{HashKey, Purpose},
    plan::instance::{Defaults, observed::Blocker},
};

/// Makes clients for accounts. Production has HTTP behind it.
pub trait ClientFactory: Send + Sync {
    /// What it makes.
    type Cloud: Cloud;

    /// A client for `account`. Nothing is called yet.
    ///
    /// # Errors
    /// [`InvalidAccount`] where the account's settings do not allow for it.
    fn connect(&self, account: &AccountConfig) -> Result<Self::Cloud, InvalidAccount>;
}

/// What a Secret with credentials holds.
#[derive(Debug, Clone)]
pub struct ParsedCredentials {
    /// Whom we speak for and where.
    pub account: AccountConfig,
    /// What new instances of the namespace get unless their spec says otherwise.
    pub defaults: Defaults,
    /// A keyed hash of all that proves who we are.
    pub hash: String,
}

/// Reads a Secret with credentials.
///
/// # Errors
/// An [`Blocker`] that names the key to mend; never its value.
pub fn read_credentials(
    secret: &Secret,
    key: &HashKey,
    endpoints: &Endpoints,
) -> Result<ParsedCredentials, Blocker> {
    let fields = Fields { secret };
    let region = fields.needed("region")?;
    let credentials = credentials(&fields)?;
    let invalid = |error: InvalidAccount| fields.wrong(&redacted_message(&error));
    let usual = dcs_endpoint(&region).map_err(invalid)?;
    let endpoint = match fields.text("endpoint")? {
        Some(text) => fields.endpoint("endpoint", &text, endpoints)?,
        None => usual,
    };
    let iam_endpoint = match fields.text("iamEndpoint")? {
        Some(text) => fields.endpoint("iamEndpoint", &text, endpoints)?,
        None => iam_endpoint(&region).map_err(invalid)?,
    };
    let project_id = fields.text("projectId")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if project_id.as_ref().is_some_and(|id| id.len() > 64 || !id.chars().all(plain)) {
        return Err(fields.wrong("its projectId is none: a project's ID has 32 letters and digits, mostly"));
    }
    let defaults = Defaults {
        vpc_id: fields.text("vpcId")?,
        subnet_id: fields.text("subnetId")?,
        availability_zones: fields.text("availabilityZones")?.map(|zones| {
            zones.split(',').map(|zone| zone.trim().to_owned()).filter(|zone| !zone.is_empty()).collect()
        }),
        cpu_type: fields.text("cpuType")?,
    };
    let hash = hash(&credentials, key);
    let account = AccountConfig {
        region,
        endpoint,
        iam_endpoint,
        project_id,
        credentials,
        ca_bundle: fields.text("caBundle")?,
    };
    Ok(ParsedCredentials { account, defaults, hash })
}

/// What is wrong, without the value: whoever mixes keys up may have put a password there.
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

/// An access key, or a user of IAM.
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

fn hash(credentials: &Credentials, key: &HashKey) -> String {
    let values = match credentials {
        Credentials::AccessKey { id, secret, security_token } => {
            let token = security_token.as_ref().map(|token| token.expose_secret());
            vec!["access-key", id, secret.expose_secret(), token.unwrap_or_default()]
        }
        Credentials::Password { domain_name, user_name, password } => {
            vec!["password", domain_name, user_name, password.expose_secret()]
        }
    };
    key.hash(Purpose::Credentials, values)
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
        let text =
            std::str::from_utf8(&value.0).map_err(|_| self.wrong(&format!("its {key} is not text")))?;
        // A line break at the end comes from a file or an editor, and is meant by nobody.
        let text = text.trim();
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    fn needed(&self, key: &str) -> Result<String, Blocker> {
        self.text(key)?.ok_or_else(|| self.wrong(&format!("it has no {key}")))
    }

    fn endpoint(&self, key: &str, text: &str, endpoints: &Endpoints) -> Result<Url, Blocker> {
        endpoints
            .parse(key, text)
            .map_err(|blocker| Blocker { reason: blocker.reason, ..self.wrong(&blocker.message) })
    }

    fn wrong(&self, what: &str) -> Blocker {
        let name = self.secret.metadata.name.as_deref().unwrap_or_default();
        let message = format!("the credentials in Secret {name} cannot be used: {what}");
        Blocker { reason: Reason::CredentialsInvalid, message }
    }
}
