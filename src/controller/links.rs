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
    /// The id of the backup that the object needs until it has ended.
    backup: Option<Box<str>>,
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
        links.set_backup(id, backup);
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
        let by_name = links.with_relation(backup, Relation::Source).next().cloned();
        by_name.or_else(|| {
            let instances = links.instances_of(backup);
            let mut needs = instances.iter().flat_map(|instance| links.needed_backups(instance));
            needs.find(|(_, needed)| Some(*needed) == id).map(|(object, _)| object.clone())
        })
    }

    /// Whether an object that has not ended needs a backup.
    pub fn is_used(&self, backup: &ObjectId, id: Option<&str>) -> bool {
        self.user_of(backup, id).is_some()
    }

    /// The ids of the backups that objects about an instance need until they have ended, and those objects.
    pub fn needed_backups(&self, instance: &ObjectId) -> Vec<(ObjectId, String)> {
        let links = self.lock();
        links.needed_backups(instance).map(|(object, id)| (object.clone(), id.to_owned())).collect()
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

    fn set_backup(&mut self, object: &ObjectId, backup: Option<String>) {
        if let Some(entry) = self.by_object.get_mut(object) {
            entry.backup = backup.map(String::into_boxed_str);
        }
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

    /// The objects about an instance that need a backup, and its id.
    fn needed_backups(&self, instance: &ObjectId) -> impl Iterator<Item = (&ObjectId, &str)> {
        let needed = |object| Some((object, self.by_object.get(object)?.backup.as_deref()?));
        self.about(instance).filter_map(needed)
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

    fn facts(links: impl IntoIterator<Item = Link>, backup: Option<&str>) -> LinkFacts {
        LinkFacts {
            links: links.into_iter().collect(),
            backup: backup.map(str::to_owned),
            ..LinkFacts::default()
        }
    }

    #[test]
    fn who_made_an_object_follows_it() {
        let index = LinkIndex::default();
        let (schedule, backup) = (id("DcsBackupSchedule", "nightly"), id("DcsBackup", "nightly-1"));
        index.on_object(&schedule, LinkFacts::default());
        let made_by = || facts([Link::object(Relation::Owner, schedule.clone())], None);
        assert_eq!(
            index.on_object(&backup, LinkFacts { projection: 7, ..made_by() }).wake,
            [schedule.clone()]
        );
        assert_eq!(index.owned(&schedule), [backup.clone()]);
        assert!(index.on_object(&backup, LinkFacts { projection: 7, ..made_by() }).wake.is_empty());
        assert_eq!(
            index.on_object(&backup, LinkFacts { projection: 8, ..made_by() }).wake,
            [schedule.clone()]
        );
        assert_eq!(index.on_gone(&backup).wake, [schedule.clone(), backup]);
        assert!(index.owned(&schedule).is_empty());
    }

    /// By its object, or by its id where no object stands for it yet.
    #[test]
    fn a_backup_is_used_until_the_job_has_ended() {
        let index = LinkIndex::default();
        let (instance, backup) = (id("DcsInstance", "a"), id("DcsBackup", "b"));
        let (by_name, by_id) = (id("DcsRestore", "r"), id("DcsRestore", "s"));
        let about = || Link::object(Relation::Instance, instance.clone());
        index.on_object(&backup, facts([about()], None));
        assert!(!index.is_used(&backup, Some("1")));
        index.on_object(&by_id, facts([about()], Some("1")));
        assert_eq!(index.user_of(&backup, Some("1")), Some(by_id.clone()));
        assert!(!index.is_used(&backup, Some("2")) && !index.is_used(&backup, None));
        assert_eq!(index.needed_backups(&instance), [(by_id.clone(), "1".to_owned())]);
        index.on_object(&by_id, facts([about()], None));
        assert!(!index.is_used(&backup, Some("1")));
        let source = Link::object(Relation::Source, backup.clone());
        index.on_object(&by_name, facts([about(), source], None));
        assert_eq!(index.user_of(&backup, None), Some(by_name.clone()));
        assert_eq!(
            index.on_object(&by_name, facts([about()], None)).wake,
            [backup.clone()],
            "it may have waited"
        );
        assert!(!index.is_used(&backup, None));
    }

    /// What an object that cannot be decoded asks for is not known.
    #[test]
    fn claims_are_unknown_while_an_object_of_the_namespace_cannot_be_decoded() {
        let index = LinkIndex::default();
        let (instance, backup) = (id("DcsInstance", "a"), id("DcsBackup", "b"));
        assert_eq!(index.claims(&instance), None, "not every kind is listed");
        index.on_complete();
        assert_eq!(index.claims(&instance), Some(Vec::new()));
        index.on_unreadable(backup.clone());
        assert_eq!(index.claims(&instance), None);
        assert!(index.claims(&ObjectId::new("DcsInstance", "another", "a")).is_some());
        index.on_object(&backup, LinkFacts::default());
        assert!(index.claims(&instance).is_some(), "it can be decoded");
        index.on_unreadable(backup.clone());
        index.on_unreadable_gone(&backup);
        assert!(index.claims(&instance).is_some(), "it is gone");
        index.on_unreadable(backup);
        index.on_list("DcsBackup");
        assert!(index.claims(&instance).is_some(), "the list that begins shows it again, if it exists");
    }

    #[test]
    fn an_object_that_goes_wakes_the_others_of_its_instance() {
        let index = LinkIndex::default();
        let instance = id("DcsInstance", "a");
        let facts = || LinkFacts {
            links: [Link::object(Relation::Instance, instance.clone())].into(),
            ..LinkFacts::default()
        };
        let (one, other) = (id("DcsBackup", "one"), id("DcsBackup", "other"));
        for backup in [&one, &other] {
            index.on_object(backup, facts());
        }
        let woken = index.on_gone(&one).wake;
        assert!(woken.contains(&one) && woken.contains(&other), "{woken:?}");
        assert_eq!(index.in_namespace("DcsBackup", "shop"), [other]);
        assert_eq!(index.in_namespace("DcsBackup", "sho"), []);
    }
}
