//! Which objects refer to what: an index from a referent to its referrers, for all kinds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::ids::{NamespacedName, ObjectId};
use crate::plan::claims::Claim;

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
    /// The object was made by this one, which follows it.
    Owner,
    /// The object needs this one until it has ended.
    Source,
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
    /// Objects that exist and cannot be decoded: what they ask for is not known.
    unreadable: BTreeSet<ObjectId>,
    /// The ids of backups that objects need until they have ended, in any namespace: several DcsInstances can name one instance.
    needs: BTreeMap<ObjectId, String>,
}

#[derive(Debug, Default)]
struct Entry {
    /// In order. A set would take several times the memory.
    links: Box<[Link]>,
    /// A hash of what referrers of the object depend on.
    projection: u64,
    /// The claim of the object to operate on the instance that it is about.
    claim: Option<Box<Claim>>,
    /// The instance must not be deleted while the object exists.
    pins: bool,
}

/// What the index keeps of an object.
#[derive(Debug, Clone, Default)]
pub struct LinkFacts {
    /// What the object refers to.
    pub links: BTreeSet<Link>,
    /// A hash of what referrers of the object depend on.
    pub projection: u64,
    /// The claim of the object to operate on the instance that it is about.
    pub claim: Option<Claim>,
    /// The instance must not be deleted while the object exists.
    pub pins: bool,
    /// The id of the backup that the object needs until it has ended.
    pub backup: Option<String>,
}

/// What follows from a change of an object.
#[derive(Debug, Default)]
pub struct LinkChange {
    /// Other objects that have to be woken.
    pub wake: Vec<ObjectId>,
    /// Links that the object no longer has.
    pub dropped: BTreeSet<Link>,
}

/// The links of all objects: the watches write them, and reconciles read the claims.
#[derive(Debug, Default)]
pub struct LinkIndex {
    links: Mutex<Links>,
    /// The first list of every kind is complete.
    is_complete: AtomicBool,
}

// === impl LinkIndex ===

impl LinkIndex {
    /// Records an object as a watch shows it.
    pub fn on_object(&self, id: &ObjectId, facts: LinkFacts) -> LinkChange {
        let LinkFacts { links: new, projection, claim, pins, backup } = facts;
        let mut links = self.lock();
        links.unreadable.remove(id);
        let mut wake = BTreeSet::new();
        let before = links.asked_instances(id);
        let dropped = links.set(id, new);
        if links.set_projection(id, projection) {
            wake.extend(links.referrers(&Referent::Object(id.clone())).cloned());
            wake.extend(links.linked(id, Relation::Owner));
        }
        if links.set_need(id, backup) {
            wake.extend(links.instances_of(id).iter().flat_map(|of| links.about(of)).cloned());
            wake.remove(id);
        }
        // Something may have waited until it was not needed any more.
        let sources = dropped.iter().filter(|link| link.relation == Relation::Source);
        wake.extend(sources.filter_map(Link::object_id).cloned());
        let is_new = links.set_asks(id, claim, pins);
        let asked = links.asked_instances(id);
        if is_new || before != asked {
            wake.extend(before.into_iter().chain(asked));
        }
        LinkChange { wake: wake.into_iter().collect(), dropped }
    }

    /// Removes an object that is gone, or cannot be decoded any more. It is woken itself, so that its state is dropped, and so
    /// are the others that are about the same instance: there may be room for them.
    pub fn on_gone(&self, id: &ObjectId) -> LinkChange {
        let mut links = self.lock();
        let mut asked = links.asked_instances(id);
        asked.extend(links.linked(id, Relation::Owner));
        asked.extend(links.linked(id, Relation::Source));
        let others: BTreeSet<_> =
            links.instances_of(id).iter().flat_map(|of| links.about(of)).cloned().collect();
        let dropped = links.remove(id);
        let referrers = links.referrers(&Referent::Object(id.clone())).cloned();
        LinkChange { wake: referrers.chain(asked).chain(others).chain([id.clone()]).collect(), dropped }
    }

    /// The first list of every kind is complete: what no watch shows does not exist. Returns the objects that may have waited
    /// for it, to be woken: those that are about an instance, and their instances.
    pub fn on_complete(&self) -> Vec<ObjectId> {
        if self.is_complete.swap(true, Ordering::AcqRel) {
            return Vec::new();
        }
        let links = self.lock();
        let both = |object: &ObjectId| {
            let mut all = links.instances_of(object);
            if !all.is_empty() {
                all.push(object.clone());
            }
            all
        };
        links.by_object.keys().flat_map(both).collect()
    }

    /// Whether the first list of every kind is complete.
    pub fn is_complete(&self) -> bool {
        self.is_complete.load(Ordering::Acquire)
    }

    /// An object exists and cannot be decoded.
    pub fn on_unreadable(&self, id: ObjectId) {
        self.lock().unreadable.insert(id);
    }

    /// An object that could not be decoded does not exist any more.
    pub fn on_unreadable_gone(&self, id: &ObjectId) {
        self.lock().unreadable.remove(id);
    }

    /// A list of all objects of a kind begins.
    pub fn on_list(&self, kind: &str) {
        self.lock().unreadable.retain(|id| id.kind != kind);
    }

    /// Whether an object of another kind exists in the namespace of an instance that cannot be decoded.
    pub fn has_unreadable(&self, instance: &ObjectId) -> bool {
        self.lock().has_unreadable(instance)
    }

    /// The objects of a kind in a namespace.
    pub fn in_namespace(&self, kind: &'static str, namespace: &str) -> Vec<ObjectId> {
        let first = ObjectId::new(kind, namespace, "");
        let links = self.lock();
        let is_in = |id: &&ObjectId| id.kind == kind && id.namespace == namespace;
        links.by_object.range(first..).map(|(id, _)| id).take_while(is_in).cloned().collect()
    }

    /// The objects that an object has made.
    pub fn owned(&self, owner: &ObjectId) -> Vec<ObjectId> {
        self.lock().with_relation(owner, Relation::Owner).cloned().collect()
    }

    /// The object that needs a backup until it has ended, if there is one: it names the DcsBackup, or the id of the backup.
    pub fn user_of(&self, backup: &ObjectId, id: Option<&str>) -> Option<ObjectId> {
        let links = self.lock();
        let by_name = links.with_relation(backup, Relation::Source).next();
        let by_id =
            || links.needs.iter().find(|(_, needed)| Some(needed.as_str()) == id).map(|(object, _)| object);
        by_name.or_else(by_id).cloned()
    }

    /// Whether an object that has not ended needs a backup.
    pub fn is_used(&self, backup: &ObjectId, id: Option<&str>) -> bool {
        self.user_of(backup, id).is_some()
    }

    /// The ids of the backups that objects of any namespace need until they have ended.
    pub fn needed_backups(&self) -> Vec<(ObjectId, String)> {
        self.lock().needs.iter().map(|(object, id)| (object.clone(), id.clone())).collect()
    }

    /// The claims to operate on an instance; `None` while some may be unknown.
    pub fn claims(&self, instance: &ObjectId) -> Option<Vec<Claim>> {
        let links = self.lock();
        (self.is_complete() && !links.has_unreadable(instance)).then(|| links.claims(instance))
    }

    /// The links, for reading more of them at once.
    pub(super) fn lock(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    /// The object that it leads to.
    fn object_id(&self) -> Option<&ObjectId> {
        match &self.referent {
            Referent::Object(object) => Some(object),
            Referent::Secret(_) => None,
        }
    }

    /// The Secret, where this is a use of its credentials.
    pub fn credentials(&self) -> Option<&NamespacedName> {
        match (self.relation, &self.referent) {
            (Relation::Credentials, Referent::Secret(secret)) => Some(secret),
            (
                Relation::Credentials
                | Relation::Content
                | Relation::Instance
                | Relation::Owner
                | Relation::Source,
                _,
            ) => None,
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

    /// Records what an object asks of its instance. Returns whether that is new.
    fn set_asks(&mut self, object: &ObjectId, claim: Option<Claim>, pins: bool) -> bool {
        let claim = claim.map(Box::new);
        match self.by_object.get_mut(object) {
            Some(entry) if entry.claim != claim || entry.pins != pins => {
                (entry.claim, entry.pins) = (claim, pins);
                true
            }
            Some(_) | None => false,
        }
    }

    /// The instances that an object claims or pins.
    fn asked_instances(&self, object: &ObjectId) -> Vec<ObjectId> {
        let asks = self.by_object.get(object).is_some_and(|entry| entry.claim.is_some() || entry.pins);
        if asks { self.instances_of(object) } else { Vec::new() }
    }

    /// Records the backup that an object needs. Returns whether it needs another one, or none any more.
    fn set_need(&mut self, object: &ObjectId, backup: Option<String>) -> bool {
        let before = match backup {
            Some(id) => self.needs.insert(object.clone(), id.clone()).filter(|before| *before != id),
            None => self.needs.remove(object),
        };
        before.is_some()
    }

    /// The objects that an object refers to in this relation.
    fn linked(&self, object: &ObjectId, relation: Relation) -> Vec<ObjectId> {
        let links = self.by_object.get(object).into_iter().flat_map(|entry| &entry.links);
        links.filter(|link| link.relation == relation).filter_map(Link::object_id).cloned().collect()
    }

    /// The instances that an object is about.
    fn instances_of(&self, object: &ObjectId) -> Vec<ObjectId> {
        self.linked(object, Relation::Instance)
    }

    /// The objects that refer to an object in this relation.
    fn with_relation(&self, object: &ObjectId, relation: Relation) -> impl Iterator<Item = &ObjectId> {
        let referrers = self.referrers.get(&Referent::Object(object.clone())).into_iter().flatten();
        referrers.filter(move |(_, own)| *own == relation).map(|(object, _)| object)
    }

    /// The objects that are about an instance.
    fn about(&self, instance: &ObjectId) -> impl Iterator<Item = &ObjectId> {
        self.with_relation(instance, Relation::Instance)
    }

    /// The claims to operate on an instance.
    fn claims(&self, instance: &ObjectId) -> Vec<Claim> {
        self.about(instance)
            .filter_map(|object| self.by_object.get(object)?.claim.as_deref().cloned())
            .collect()
    }

    fn has_unreadable(&self, instance: &ObjectId) -> bool {
        self.unreadable.iter().any(|id| id.kind != instance.kind && id.namespace == instance.namespace)
    }

    /// Removes an object. Returns the links that it had.
    pub fn remove(&mut self, object: &ObjectId) -> BTreeSet<Link> {
        self.needs.remove(object);
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
mod tests;
