//! Whose credentials an object uses, and where they lead: the Secret that its spec names, else `dcs-credentials` of
//! its namespace, else the operator's own where the installer allows it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use kube::ResourceExt;

use super::Instances;
use crate::{
    api::{DcsInstance, DcsInstanceSpec, Reason, instance::CloudAccount},
    controller::{
        account::{ClientFactory, ParsedCredentials, read_credentials},
        ports::{ClusterError, NamespacedName, ObjectApi, SecretApi},
        projects::ProjectError,
        reconcile::has_finalizer,
    },
    formats::IN_USE_FINALIZER,
    inventory::AccountKey,
    plan::instance::observed::{Blocker, CredentialsSource, ResolvedAccount},
};

/// The Secret with credentials where the spec names none.
const DEFAULT_CREDENTIALS: &str = "dcs-credentials";
/// More than there are Secrets with credentials; beyond it, they are read anew.
const MOST: usize = 1000;

/// The operator's own credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnCredentials {
    /// The Secret that holds them.
    pub secret: NamespacedName,
    /// For objects of which namespaces.
    pub namespaces: Namespaces,
    /// Which of these may name anything in the account by its ID.
    pub trusted: Namespaces,
}

/// Some namespaces, or all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// All.
    All,
    /// These.
    Some(Vec<String>),
}

/// Secrets with credentials, read and understood, by the version that the watch shows.
#[derive(Debug, Default)]
pub struct CredentialsCache {
    known: Mutex<HashMap<NamespacedName, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    version: String,
    read: Arc<Read>,
}

/// A Secret with credentials.
#[derive(Debug)]
struct Read {
    credentials: Result<ParsedCredentials, Blocker>,
    held: bool,
    leaving: bool,
}

/// What credentials lead to.
pub(super) type Joined<C> = Result<(ResolvedAccount, (AccountKey, Arc<C>)), AccountUnavailable>;

/// Why credentials lead nowhere.
pub(super) enum AccountUnavailable {
    /// Something has to be mended, or to pass.
    Blocker(Blocker),
    /// It is being found out, for another object.
    InProgress,
}

impl From<Blocker> for AccountUnavailable {
    fn from(blocker: Blocker) -> Self {
        Self::Blocker(blocker)
    }
}

/// The Secret in the object's namespace that it takes its credentials from, if there is one.
pub fn credentials_secret(spec: &DcsInstanceSpec) -> &str {
    spec.credentials_ref.as_ref().map_or(DEFAULT_CREDENTIALS, |named| named.name.as_str())
}

// === impl Instances ===

impl<O: ObjectApi<DcsInstance>, S: SecretApi, N: ClientFactory> Instances<O, S, N> {
    /// The credentials for an object.
    pub(super) async fn credentials(
        &self,
        key: &NamespacedName,
        object: &DcsInstance,
    ) -> Result<Result<(ParsedCredentials, CredentialsSource), Blocker>, ClusterError> {
        let name = credentials_secret(&object.spec);
        if let Some(read) = self.read_credentials(&NamespacedName::new(&key.namespace, name)).await? {
            let source = CredentialsSource::Namespace {
                secret: name.to_owned(),
                held: read.held,
                leaving: read.leaving,
            };
            return Ok(read.credentials.clone().map(|found| (found, source)));
        }
        let own = self
            .own_credentials
            .as_ref()
            .filter(|own| object.spec.credentials_ref.is_none() && own.namespaces.contain(&key.namespace));
        let Some(own) = own else {
            let message = format!(
                "there is no Secret {name} with credentials in namespace {}: make it, or name another one by \
                 credentialsRef",
                key.namespace
            );
            return Ok(Err(Blocker { reason: Reason::CredentialsMissing, message }));
        };
        Ok(match self.read_credentials(&own.secret).await? {
            Some(read) => {
                let source = CredentialsSource::Operator { trusted: own.trusted.contain(&key.namespace) };
                read.credentials.clone().map(|found| (found, source))
            }
            None => {
                let message = format!("the operator's own credentials, Secret {}, are missing", own.secret);
                Err(Blocker { reason: Reason::CredentialsMissing, message })
            }
        })
    }

    /// A Secret with credentials: read once for all objects that use it, and again when it changes.
    async fn read_credentials(&self, key: &NamespacedName) -> Result<Option<Arc<Read>>, ClusterError> {
        let shown = self.secrets.version(key);
        if let Some(read) = shown.as_ref().and_then(|shown| self.credentials_cache.get(key, shown)) {
            return Ok(Some(read));
        }
        let Some(secret) = self.secrets.get_secret(key).await? else {
            self.credentials_cache.forget(key);
            return Ok(None);
        };
        let read = Arc::new(Read {
            credentials: read_credentials(&secret, &self.hash_key, &self.endpoints),
            held: has_finalizer(&secret, IN_USE_FINALIZER),
            leaving: secret.metadata.deletion_timestamp.is_some(),
        });
        if let Some(version) = secret.resource_version() {
            self.credentials_cache.put(key, version, &read);
        }
        Ok(Some(read))
    }

    /// The account that the credentials lead to, and the way there.
    pub(super) async fn join(
        &self,
        found: &ParsedCredentials,
        source: CredentialsSource,
    ) -> Joined<N::Cloud> {
        let connect = || {
            self.connect.connect(&found.account).map_err(|error| Blocker {
                reason: Reason::CredentialsInvalid,
                message: format!("the credentials cannot be used: {error}"),
            })
        };
        let endpoint = found.account.endpoint.to_string();
        let project_id = match &found.account.project_id {
            Some(id) => id.clone(),
            None => self.find_project(found, connect).await?,
        };
        let account = AccountKey {
            endpoint: endpoint.clone(),
            project_id: project_id.clone(),
            credentials: found.hash.clone(),
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
                region: Some(found.account.region.clone()),
                project_id: Some(project_id),
                endpoint: Some(endpoint),
            },
            credentials_hash: found.hash.clone(),
            defaults: found.defaults.clone(),
            source,
        };
        Ok((resolved, (account, cloud)))
    }

    /// The project of the region, which the credentials do not name.
    async fn find_project(
        &self,
        found: &ParsedCredentials,
        connect: impl FnOnce() -> Result<N::Cloud, Blocker>,
    ) -> Result<String, AccountUnavailable> {
        let account = &found.account;
        let key = format!("{} {} {} {}", account.endpoint, account.iam_endpoint, account.region, found.hash);
        let found = self.projects.find(key, connect, self.clock.as_ref(), &self.settings.requeue).await;
        found.ok_or(AccountUnavailable::InProgress)?.map_err(|problem| match problem {
            ProjectError::Connect(blocker) => AccountUnavailable::Blocker(blocker),
            ProjectError::Cloud(error) => {
                let what = format!("the project of region {} cannot be looked up", account.region);
                AccountUnavailable::Blocker(Blocker::of(&what, &error))
            }
        })
    }

    /// Keeps the Secret with the credentials from going while the object needs it.
    pub(super) async fn hold_credentials(&self, object: &DcsInstance) -> Result<(), ClusterError> {
        let key =
            NamespacedName::new(&NamespacedName::of(object).namespace, credentials_secret(&object.spec));
        let Some(mut secret) = self.secrets.get_secret(&key).await? else { return Err(ClusterError::Gone) };
        if !has_finalizer(&secret, IN_USE_FINALIZER) {
            secret.metadata.finalizers.get_or_insert_default().push(IN_USE_FINALIZER.to_owned());
            self.secrets.replace_secret(&secret).await?;
        }
        self.credentials_cache.forget(&key);
        Ok(())
    }
}

// === impl Namespaces ===

impl Namespaces {
    /// Whether `namespace` is one of them.
    pub fn contain(&self, namespace: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.iter().any(|name| name == namespace),
        }
    }
}

// === impl CredentialsCache ===

impl CredentialsCache {
    fn get(&self, key: &NamespacedName, version: &str) -> Option<Arc<Read>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(key).filter(|known| known.version == version).map(|known| Arc::clone(&known.read))
    }

    fn put(&self, key: &NamespacedName, version: String, read: &Arc<Read>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key.clone(), Known { version, read: Arc::clone(read) });
    }

    /// Forgets a Secret.
    pub fn forget(&self, key: &NamespacedName) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
