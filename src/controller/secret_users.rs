//! Which object needs which Secrets. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{instance::credentials::credentials_secret, ports::NamespacedName};
use crate::{
    api::DcsInstance,
    formats::{binding_secret_name, pending_auth_secret_name},
};

/// Which object needs which Secrets.
#[derive(Debug, Default)]
pub struct SecretUsers {
    users: BTreeMap<NamespacedName, BTreeSet<NamespacedName>>,
    needs: BTreeMap<NamespacedName, Needs>,
}

/// The Secrets of one object, all in its namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Needs {
    credentials: NamespacedName,
    others: Vec<NamespacedName>,
}

// === impl Needs ===

impl Needs {
    fn of(object: &DcsInstance) -> Self {
        let NamespacedName { namespace, name } = NamespacedName::of(object);
        let secret = |name: &str| NamespacedName::new(&namespace, name);
        let chosen = object.spec.auth.as_ref().and_then(|auth| auth.secret_ref.as_ref());
        let own = [binding_secret_name(&name), pending_auth_secret_name(&name)];
        let others = own.iter().map(String::as_str).chain(chosen.map(|chosen| chosen.name.as_str()));
        Self { credentials: secret(credentials_secret(&object.spec)), others: others.map(secret).collect() }
    }

    fn all(&self) -> impl Iterator<Item = &NamespacedName> {
        self.others.iter().chain([&self.credentials])
    }
}

// === impl SecretUsers ===

impl SecretUsers {
    /// Takes note of an object as it is now. The Secret with credentials that it does not need any more, if it needed
    /// another one before.
    pub fn set(&mut self, object: &DcsInstance) -> Option<NamespacedName> {
        let key = NamespacedName::of(object);
        let needs = Needs::of(object);
        if self.needs.get(&key) == Some(&needs) {
            return None;
        }
        let before = self.remove(&key);
        for secret in needs.all() {
            self.users.entry(secret.clone()).or_default().insert(key.clone());
        }
        let credentials = needs.credentials.clone();
        self.needs.insert(key, needs);
        before.filter(|before| *before != credentials)
    }

    /// Forgets an object; the Secret with its credentials.
    pub fn remove(&mut self, object: &NamespacedName) -> Option<NamespacedName> {
        let needs = self.needs.remove(object)?;
        for secret in needs.all() {
            if let Some(users) = self.users.get_mut(secret) {
                users.remove(object);
                if users.is_empty() {
                    self.users.remove(secret);
                }
            }
        }
        Some(needs.credentials)
    }

    /// The objects that need a Secret, for whatever.
    pub fn of(&self, secret: &NamespacedName) -> impl Iterator<Item = &NamespacedName> {
        self.users.get(secret).into_iter().flatten()
    }

    /// Whether an object takes its credentials from it.
    pub fn has_credentials_from(&self, secret: &NamespacedName) -> bool {
        self.of(secret).any(|object| self.needs.get(object).is_some_and(|needs| needs.credentials == *secret))
    }

    /// All objects.
    pub fn objects(&self) -> impl Iterator<Item = &NamespacedName> {
        self.needs.keys()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, spec: serde_json::Value) -> DcsInstance {
        let mut object = DcsInstance::new(name, serde_json::from_value(spec).unwrap());
        object.metadata.namespace = Some("shop".to_owned());
        object
    }

    fn secret(name: &str) -> NamespacedName {
        NamespacedName::new("shop", name)
    }

    #[test]
    fn each_secret_leads_to_those_who_need_it() {
        let mut users = SecretUsers::default();
        let of = |users: &SecretUsers, name: &str| -> Vec<String> {
            users.of(&secret(name)).map(|key| key.name.clone()).collect()
        };
        assert_eq!(users.set(&object("a", json!({}))), None);
        let chosen = json!({"auth": {"type": "SecretRef", "secretRef": {"name": "mine"}}, "credentialsRef": {"name": "x"}});
        assert_eq!(users.set(&object("b", chosen)), None);
        assert_eq!(of(&users, "dcs-credentials"), ["a"]);
        assert_eq!(of(&users, "x"), ["b"]);
        assert_eq!(of(&users, "mine"), ["b"]);
        assert_eq!(of(&users, "a-redis"), ["a"]);
        assert_eq!(of(&users, "b-pending-auth"), ["b"]);
        assert!(users.has_credentials_from(&secret("x")) && !users.has_credentials_from(&secret("mine")));

        assert_eq!(users.set(&object("b", json!({}))), Some(secret("x")), "it needs other credentials now");
        assert_eq!((of(&users, "dcs-credentials").len(), of(&users, "mine").len()), (2, 0));
        assert_eq!(users.set(&object("b", json!({}))), None);
        assert_eq!(users.remove(&secret("b")), Some(secret("dcs-credentials")));
        assert_eq!(users.remove(&secret("a")), Some(secret("dcs-credentials")));
        assert!(users.users.is_empty() && users.needs.is_empty());
        assert_eq!(users.remove(&secret("a")), None);
    }
}
