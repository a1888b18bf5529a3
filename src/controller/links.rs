//! Which objects refer to what: an index from a referent to its referrers, for all kinds. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::ids::{NamespacedName, ObjectId};

/// What an object can refer to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Referent {
    /// A Secret.
    Secret(NamespacedName),
    /// An object of a kind that the operator manages.
    Object(ObjectId),
}

/// Why an object refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// The object uses the credentials in the Secret, which stays while it does.
    Credentials,
    /// The object reads or writes the content of the Secret.
    Content,
    /// The object is about this DcsInstance.
    Instance,
    /// The object waits for an operation of this object to end.
    Holder,
}

/// One reference of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// Why.
    pub relation: Relation,
    /// To what.
    pub referent: Referent,
}

/// The links of all objects, in both directions.
#[derive(Debug, Default)]
pub struct Links {
    by_object: BTreeMap<ObjectId, Entry>,
    referrers: BTreeMap<Referent, BTreeSet<(ObjectId, Relation)>>,
}

#[derive(Debug, Default)]
struct Entry {
    /// In order. A set would take several times the memory.
    links: Box<[Link]>,
    /// A hash of what referrers of the object depend on.
    projection: u64,
}

// === impl Link ===

impl Link {
    /// A link to a Secret.
    pub fn secret(relation: Relation, secret: NamespacedName) -> Self {
        Self { relation, referent: Referent::Secret(secret) }
    }

    /// A link to an object.
    pub fn object(relation: Relation, object: ObjectId) -> Self {
        Self { relation, referent: Referent::Object(object) }
    }

    /// The Secret, where this is a use of its credentials.
    pub fn credentials(&self) -> Option<&NamespacedName> {
        match (self.relation, &self.referent) {
            (Relation::Credentials, Referent::Secret(secret)) => Some(secret),
            (Relation::Credentials | Relation::Content | Relation::Instance | Relation::Holder, _) => None,
        }
    }
}

// === impl Links ===

impl Links {
    /// Replaces the links of an object. Returns those that it no longer has.
    pub fn set(&mut self, object: &ObjectId, links: BTreeSet<Link>) -> BTreeSet<Link> {
        let entry = self.by_object.entry(object.clone()).or_default();
        if entry.links.iter().eq(&links) {
            return BTreeSet::new();
        }
        let new = links.iter().cloned().collect();
        let mut dropped: BTreeSet<_> = std::mem::replace(&mut entry.links, new).into_iter().collect();
        dropped.retain(|link| !links.contains(link));
        dropped.iter().for_each(|link| self.unlink(object, link));
        for Link { relation, referent } in links {
            self.referrers.entry(referent).or_default().insert((object.clone(), relation));
        }
        dropped
    }

    /// Records what referrers of an object depend on. Returns whether that is new.
    pub fn set_projection(&mut self, object: &ObjectId, projection: u64) -> bool {
        match self.by_object.get_mut(object) {
            Some(entry) => std::mem::replace(&mut entry.projection, projection) != projection,
            None => false,
        }
    }

    /// Removes an object. Returns the links that it had.
    pub fn remove(&mut self, object: &ObjectId) -> BTreeSet<Link> {
        let links: BTreeSet<_> =
            self.by_object.remove(object).unwrap_or_default().links.into_iter().collect();
        links.iter().for_each(|link| self.unlink(object, link));
        links
    }

    fn unlink(&mut self, object: &ObjectId, link: &Link) {
        let Some(referrers) = self.referrers.get_mut(&link.referent) else { return };
        referrers.remove(&(object.clone(), link.relation));
        if referrers.is_empty() {
            self.referrers.remove(&link.referent);
        }
    }

    /// The objects that refer to it, for any reason, each once.
    pub fn referrers<'a>(&'a self, referent: &Referent) -> impl Iterator<Item = &'a ObjectId> + use<'a> {
        let mut last = None;
        let all = self.referrers.get(referent).into_iter().flatten().map(|(object, _)| object);
        all.filter(move |object| last.replace(*object) != Some(*object))
    }

    /// Whether an object of any kind uses the credentials in a Secret.
    pub fn has_credentials_from(&self, secret: &NamespacedName) -> bool {
        let users = self.referrers.get(&Referent::Secret(secret.clone()));
        users.into_iter().flatten().any(|(_, relation)| *relation == Relation::Credentials)
    }

    /// All objects of all kinds.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectId> {
        self.by_object.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(kind: &'static str, name: &str) -> ObjectId {
        ObjectId::new(kind, "shop", name)
    }

    fn secret(name: &str) -> NamespacedName {
        NamespacedName::new("shop", name)
    }

    fn credentials(name: &str) -> Link {
        Link::secret(Relation::Credentials, secret(name))
    }

    fn content(name: &str) -> Link {
        Link::secret(Relation::Content, secret(name))
    }

    fn users(links: &Links, name: &str) -> Vec<String> {
        links.referrers(&Referent::Secret(secret(name))).map(ToString::to_string).collect()
    }

    #[test]
    fn each_secret_leads_to_its_users_of_every_kind() {
        let mut links = Links::default();
        let (instance, backup) = (id("DcsInstance", "a"), id("DcsBackup", "a"));
        assert!(links.set(&instance, [credentials("x"), content("x"), content("a-redis")].into()).is_empty());
        assert!(links.set(&backup, [credentials("x")].into()).is_empty());
        assert_eq!(users(&links, "x"), ["DcsBackup/shop/a", "DcsInstance/shop/a"]);
        assert_eq!(users(&links, "a-redis"), ["DcsInstance/shop/a"]);
        assert!(links.has_credentials_from(&secret("x")) && !links.has_credentials_from(&secret("a-redis")));

        let dropped = links.set(&instance, [credentials("y"), content("x")].into());
        assert_eq!(dropped, [credentials("x"), content("a-redis")].into());
        assert!(links.has_credentials_from(&secret("x")), "the backup still uses them");
        assert_eq!(links.remove(&backup), [credentials("x")].into());
        assert!(!links.has_credentials_from(&secret("x")), "the instance only reads the content");
        assert_eq!(users(&links, "x"), ["DcsInstance/shop/a"]);
        links.remove(&instance);
        assert!(links.by_object.is_empty() && links.referrers.is_empty());
        assert!(links.remove(&instance).is_empty());
    }

    #[test]
    fn a_projection_is_new_once() {
        let mut links = Links::default();
        let (instance, backup) = (id("DcsInstance", "a"), id("DcsBackup", "b"));
        links.set(&instance, BTreeSet::new());
        links.set(&backup, [Link::object(Relation::Instance, instance.clone())].into());
        assert!(links.set_projection(&instance, 7) && !links.set_projection(&instance, 7));
        assert!(links.set_projection(&instance, 8));
        let referrers: Vec<_> = links.referrers(&Referent::Object(instance)).collect();
        assert_eq!(referrers, [&backup]);
    }
}
