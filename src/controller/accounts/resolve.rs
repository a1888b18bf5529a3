//! Resolves the account of an object: the Secret that its spec names, else `dcs-credentials` of its namespace, else
//! the operator's own credentials where the installer allows them.

use std::sync::Arc;

use kube::ResourceExt;

use super::{
    cache::CredentialsSecret,
    credentials::{ClientFactory, ParsedCredentials, read_credentials},
};
use crate::{
    api::{Reason, instance::CloudAccount},
    controller::{
        ids::NamespacedName,
        ports::{ClusterError, DEFAULT_CREDENTIALS, ManagedResource, SecretApi, has_finalizer},
        projects::ProjectError,
        shared::Shared,
    },
    formats::IN_USE_FINALIZER,
    inventory::AccountKey,
    plan::{
        Blocker,
        instance::observed::{CredentialsSource, ResolvedAccount},
    },
};

/// The Secret that an object takes its credentials from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialsChoice {
    /// The Secret.
    pub secret: NamespacedName,
    /// No object names it: the operator's own credentials take its place where it does not exist.
    pub is_default: bool,
}

// === impl CredentialsChoice ===

impl CredentialsChoice {
    /// What an object itself names.
    pub fn of(object: &impl ManagedResource) -> Self {
        Self { secret: object.credentials_secret(), is_default: object.credentials_ref().is_none() }
    }

    /// A Secret of a namespace; the default one if none is named.
    pub fn named(namespace: &str, name: Option<&str>) -> Self {
        let secret = NamespacedName::new(namespace, name.unwrap_or(DEFAULT_CREDENTIALS));
        Self { secret, is_default: name.is_none() }
    }
}

/// The account of an object, and the client for it.
pub(in crate::controller) type Resolved<C> =
    Result<(ResolvedAccount, (AccountKey, Arc<C>)), AccountUnavailable>;

/// Why an object has no account.
pub(in crate::controller) enum AccountUnavailable {
    /// The user has to act, or the cause has to pass.
    Blocker(Blocker),
    /// Another reconcile is looking it up.
    InProgress,
}

impl From<Blocker> for AccountUnavailable {
    fn from(blocker: Blocker) -> Self {
        Self::Blocker(blocker)
    }
}

// === impl Shared ===

impl<S: SecretApi, N: ClientFactory> Shared<S, N> {
    /// The account of an object. With `retry`, the user asks to try again what was refused.
    pub(in crate::controller) async fn resolve_account(
        &self,
        choice: &CredentialsChoice,
        retry: bool,
    ) -> Result<Resolved<N::Cloud>, ClusterError> {
        Ok(match self.credentials(choice).await? {
            Ok((parsed, source)) => self.join(&parsed, source, retry).await,
            Err(blocker) => Err(blocker.into()),
        })
    }

    /// The credentials of an object.
    async fn credentials(
        &self,
        choice: &CredentialsChoice,
    ) -> Result<Result<(ParsedCredentials, CredentialsSource), Blocker>, ClusterError> {
        let key = &choice.secret;
        if let Some(secret) = self.read_credentials(key).await? {
            let source = CredentialsSource::Namespace {
                secret: key.name.clone(),
                in_use: secret.in_use,
                deleting: secret.deleting,
            };
            return Ok(secret.credentials.clone().map(|parsed| (parsed, source)));
        }
        let own = self
            .own_credentials
            .as_ref()
            .filter(|own| choice.is_default && own.namespaces.contain(&key.namespace));
        let Some(own) = own else {
            let message = format!(
                "namespace {} has no Secret {} with credentials: create it, or name another one in credentialsRef",
                key.namespace, key.name
            );
            return Ok(Err(Blocker { reason: Reason::CredentialsMissing, message }));
        };
        Ok(match self.read_credentials(&own.secret).await? {
            Some(secret) => {
                let source = CredentialsSource::Operator { trusted: own.trusted.contain(&key.namespace) };
                secret.credentials.clone().map(|parsed| (parsed, source))
            }
            None => {
                let message =
                    format!("the Secret {} with the operator's own credentials is missing", own.secret);
                Err(Blocker { reason: Reason::CredentialsMissing, message })
            }
        })
    }

    /// A Secret with credentials: read once for all objects that use it, and again when it changes.
    async fn read_credentials(
        &self,
        key: &NamespacedName,
    ) -> Result<Option<Arc<CredentialsSecret>>, ClusterError> {
        let shown = self.secrets.version(key);
        if let Some(secret) = shown.as_ref().and_then(|shown| self.credentials_cache.get(key, shown)) {
            return Ok(Some(secret));
        }
        let Some(secret) = self.secrets.get_secret(key).await? else {
            self.credentials_cache.forget(key);
            return Ok(None);
        };
        let parsed = Arc::new(CredentialsSecret {
            credentials: read_credentials(&secret, &self.hash_key, &self.endpoints),
            in_use: has_finalizer(&secret, IN_USE_FINALIZER),
            deleting: secret.metadata.deletion_timestamp.is_some(),
        });
        if let Some(version) = secret.resource_version() {
            self.credentials_cache.put(key, version, &parsed);
        }
        Ok(Some(parsed))
    }

    /// The account of some credentials, joined to the inventory.
    async fn join(
        &self,
        parsed: &ParsedCredentials,
        source: CredentialsSource,
        retry: bool,
    ) -> Resolved<N::Cloud> {
        let connect = || {
            self.client_factory.connect(&parsed.account).map_err(|error| Blocker {
                reason: Reason::CredentialsInvalid,
                message: format!("the credentials cannot be used: {error}"),
            })
        };
        let endpoint = parsed.account.endpoint.to_string();
        let project_id = match &parsed.account.project_id {
            Some(id) => id.clone(),
            None => self.find_project(parsed, &source, connect, retry).await?,
        };
        let account = AccountKey {
            endpoint: endpoint.clone(),
            project_id: project_id.clone(),
            credentials: parsed.hash.clone(),
        };
        let cloud = match self.inventory.cloud(&account) {
            Some(cloud) => cloud,
            None => {
                let made = connect()?;
                self.inventory.join(&account, || made)
            }
        };
        let resolved = ResolvedAccount {
            account: CloudAccount {
                region: Some(parsed.account.region.clone()),
                project_id: Some(project_id),
                endpoint: Some(endpoint),
            },
            credentials_hash: parsed.hash_with_defaults.clone(),
            defaults: parsed.defaults.clone(),
            source,
        };
        Ok((resolved, (account, cloud)))
    }

    /// The project of the region, if the credentials do not name one.
    async fn find_project(
        &self,
        parsed: &ParsedCredentials,
        source: &CredentialsSource,
        connect: impl FnOnce() -> Result<N::Cloud, Blocker>,
        retry: bool,
    ) -> Result<String, AccountUnavailable> {
        let account = &parsed.account;
        let found = self
            .projects
            .find(parsed.hash.clone(), connect, self.clock.as_ref(), &self.settings.requeue, retry)
            .await;
        found.ok_or(AccountUnavailable::InProgress)?.map_err(|problem| match problem {
            ProjectError::Connect(blocker) => AccountUnavailable::Blocker(blocker),
            ProjectError::Cloud(error) => {
                let what = format!("the project of region {} cannot be looked up", account.region);
                AccountUnavailable::Blocker(Blocker::of_account(&what, &error, &source.describe()))
            }
        })
    }

    /// Adds the in-use finalizer to a Secret with credentials.
    ///
    /// # Errors
    /// [`ClusterError`] if the Secret cannot be read or written.
    pub async fn add_in_use_finalizer(&self, key: &NamespacedName) -> Result<(), ClusterError> {
        let Some(mut secret) = self.secrets.get_secret(key).await? else { return Err(ClusterError::Gone) };
        if !has_finalizer(&secret, IN_USE_FINALIZER) {
            secret.metadata.finalizers.get_or_insert_default().push(IN_USE_FINALIZER.to_owned());
            self.secrets.replace_secret(&secret).await?;
        }
        self.credentials_cache.forget(key);
        Ok(())
    }
}
