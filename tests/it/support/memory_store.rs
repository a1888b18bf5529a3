//! The object store of an API server, in memory: versions, generations, finalizers, deletion, and server-side apply of
//! a status by one manager. Calls and faults are in `memory_cluster`.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, OnceLock},
};

use chrono::{DateTime, SecondsFormat};
use dcs_operator::{
    api::crds,
    clock::Clock,
    controller::{ClusterError, NamespacedName},
};
use serde_json::{Map, Value, json};

/// How many earlier versions of an object the store keeps for lagging watches.
const PAST: usize = 64;
/// The Unix time of the first write, without a clock.
const BEGIN: u64 = 1_767_225_600;
/// Metadata that only the API server sets.
const SET_BY_SERVER: &[&str] = &[
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "resourceVersion",
    "uid",
];

/// Kind and key.
pub(crate) type Id = (String, NamespacedName);
/// The stored object, or why nothing was stored.
pub(crate) type Stored = Result<Arc<Value>, ClusterError>;

/// A stored version of an object, or its removal.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Write {
    /// The call or user action that wrote it.
    pub(crate) by: &'static str,
    pub(crate) kind: String,
    pub(crate) key: NamespacedName,
    pub(crate) uid: String,
    /// `None`: the object was created.
    pub(crate) before: Option<Arc<Value>>,
    /// `None`: the object was removed.
    pub(crate) after: Option<Arc<Value>>,
}

/// All objects and the history of writes.
#[derive(Default)]
pub(crate) struct Store {
    /// The time of the API server; without it, each write is a second later.
    pub(crate) clock: Option<Arc<dyn Clock>>,
    version: u64,
    uids: u64,
    entries: BTreeMap<Id, Entry>,
    pub(crate) writes: Vec<Write>,
}

/// The objects that had one name, whatever their UIDs.
#[derive(Debug, Default)]
struct Entry {
    now: Option<Arc<Value>>,
    /// The part of the status that was applied and not changed by others since.
    owned: Value,
    /// The number of versions, the current one included.
    versions: usize,
    /// Earlier versions, the latest last.
    past: VecDeque<Option<Arc<Value>>>,
}

/// The default status of the definition.
fn default_status(kind: &str) -> Value {
    static DEFAULTS: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    let read = || {
        let of = |crd| {
            let crd = serde_json::to_value(crd).unwrap();
            let status = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
            (crd["spec"]["names"]["kind"].as_str().unwrap().to_owned(), status["default"].clone())
        };
        crds().into_iter().map(of).collect()
    };
    DEFAULTS.get_or_init(read).get(kind).cloned().unwrap_or_default()
}

fn finalizers(object: &Value) -> Vec<String> {
    let listed = object["metadata"]["finalizers"].as_array();
    listed.into_iter().flatten().map(|finalizer| finalizer.as_str().unwrap().to_owned()).collect()
}

fn is_deleting(object: &Value) -> bool {
    object["metadata"].get("deletionTimestamp").is_some()
}

fn unchanged_since(present: &[String], seen: &[String], id: &Id) -> Result<(), ClusterError> {
    if present == seen {
        return Ok(());
    }
    Err(ClusterError::Conflict(format!("the finalizers of {} are others now", id.1)))
}

fn has_uid(object: &Value, uid: &str) -> bool {
    object["metadata"]["uid"] == uid
}

/// Sets a member, or removes it if the value is null or an empty list.
fn set(object: &mut Value, name: &str, value: Value) {
    let nothing = value.is_null() || value == json!([]);
    let members = object.as_object_mut().unwrap();
    if nothing {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
}

/// Removes from `target` what was applied before and is not now.
fn withdraw(target: &mut Map<String, Value>, owned: &Value, applied: &Value) {
    for (name, owned) in owned.as_object().into_iter().flatten() {
        let still = applied.get(name);
        match (target.get_mut(name), owned) {
            (Some(Value::Object(inner)), Value::Object(_)) => {
                withdraw(inner, owned, still.unwrap_or(&Value::Null));
                if inner.is_empty() {
                    target.remove(name);
                }
            }
            _ if still.is_none() => drop(target.remove(name)),
            _ => {}
        }
    }
}

fn overlay(target: &mut Map<String, Value>, applied: &Value) {
    for (name, value) in applied.as_object().into_iter().flatten() {
        match (target.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Object(_)) => overlay(inner, value),
            _ => drop(target.insert(name.clone(), value.clone())),
        }
    }
}

/// The part of `owned` that others have not written since.
fn still_owned(owned: &Value, now: &Value) -> Value {
    let kept = |(name, value): (&String, &Value)| {
        let now = now.get(name)?;
        match value {
            Value::Object(_) => Some((name.clone(), still_owned(value, now))),
            _ => (value == now).then(|| (name.clone(), value.clone())),
        }
    };
    owned.as_object().into_iter().flatten().filter_map(kept).collect::<Map<_, _>>().into()
}

// === impl Store ===

impl Store {
    pub(crate) fn get(&self, id: &Id) -> Option<Arc<Value>> {
        self.entries.get(id)?.now.clone()
    }

    /// Every object of a kind.
    pub(crate) fn all(&self, kind: &str) -> Vec<Arc<Value>> {
        let of_kind = self.entries.iter().filter(|((own, _), _)| own == kind);
        of_kind.filter_map(|(_, entry)| entry.now.clone()).collect()
    }

    /// The number of versions of an object.
    pub(crate) fn versions(&self, id: &Id) -> usize {
        self.entries.get(id).map_or(0, |entry| entry.versions)
    }

    /// The object as it was `versions` versions ago.
    pub(crate) fn get_past(&self, id: &Id, versions: usize) -> Option<Arc<Value>> {
        let Entry { now, past, .. } = self.entries.get(id)?;
        if versions == 0 {
            return now.clone();
        }
        past.iter().rev().nth(versions - 1).or(past.front()).cloned().flatten()
    }

    pub(crate) fn create(&mut self, by: &'static str, id: &Id, mut object: Value) -> Stored {
        if self.get(id).is_some() {
            return Err(ClusterError::Conflict(format!("{} {} already exists", id.0, id.1)));
        }
        self.uids += 1;
        let metadata = &mut object["metadata"];
        SET_BY_SERVER.iter().for_each(|name| set(metadata, name, Value::Null));
        set(metadata, "uid", format!("00000000-0000-4000-8000-{:012x}", self.uids).into());
        set(metadata, "creationTimestamp", self.time());
        if object.get("spec").is_some() {
            set(&mut object["metadata"], "generation", 1.into());
        }
        set(&mut object, "status", default_status(&id.0));
        self.entries.entry(id.clone()).or_default().owned = Value::Null;
        Ok(self.put(by, id, object))
    }

    /// A write by a user: anything but the status and the metadata of the API server.
    pub(crate) fn change(&mut self, by: &'static str, id: &Id, change: impl FnOnce(&mut Value)) -> Stored {
        let before = self.get(id).ok_or(ClusterError::Gone)?;
        let mut after = (*before).clone();
        change(&mut after);
        set(&mut after, "status", before["status"].clone());
        for name in SET_BY_SERVER {
            set(&mut after["metadata"], name, before["metadata"][name].clone());
        }
        let added = finalizers(&after).iter().any(|finalizer| !finalizers(&before).contains(finalizer));
        if is_deleting(&before) && added {
            return Err(ClusterError::Invalid("no new finalizers: the object is being deleted".to_owned()));
        }
        let listed = finalizers(&after);
        set(&mut after["metadata"], "finalizers", listed.into());
        if after["spec"] != before["spec"] {
            bump_generation(&mut after);
        }
        Ok(if after == *before { before } else { self.put(by, id, after) })
    }

    /// A write of a whole object, guarded by the version that was read.
    pub(crate) fn replace(&mut self, by: &'static str, id: &Id, object: Value) -> Stored {
        let before = self.get(id).ok_or(ClusterError::Gone)?;
        if before["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
            return Err(ClusterError::Conflict(format!("{} {} has been modified", id.0, id.1)));
        }
        self.change(by, id, |now| *now = object)
    }

    /// A write to the status by another manager.
    pub(crate) fn change_status(
        &mut self,
        by: &'static str,
        id: &Id,
        change: impl FnOnce(&mut Value),
    ) -> Stored {
        let before = self.get(id).ok_or(ClusterError::Gone)?;
        let mut status = before["status"].clone();
        change(&mut status);
        if status.is_null() {
            status = default_status(&id.0);
        }
        let entry = self.entries.get_mut(id).unwrap();
        entry.owned = still_owned(&entry.owned, &status);
        let mut after = (*before).clone();
        set(&mut after, "status", status);
        Ok(if after == *before { before } else { self.put(by, id, after) })
    }

    pub(crate) fn delete(&mut self, by: &'static str, id: &Id) -> Result<(), ClusterError> {
        let before = self.get(id).ok_or(ClusterError::Gone)?;
        if finalizers(&before).is_empty() {
            self.store(by, id, None);
        } else if !is_deleting(&before) {
            let mut after = (*before).clone();
            set(&mut after["metadata"], "deletionTimestamp", self.time());
            set(&mut after["metadata"], "deletionGracePeriodSeconds", 0.into());
            bump_generation(&mut after);
            self.put(by, id, after);
        }
        Ok(())
    }

    /// Deletes the version that was read: its uid and resourceVersion.
    pub(crate) fn delete_read(
        &mut self,
        by: &'static str,
        id: &Id,
        (uid, version): &(String, String),
    ) -> Result<(), ClusterError> {
        match self.get(id) {
            None => Ok(()),
            Some(now) if !has_uid(&now, uid) => {
                Err(ClusterError::Conflict("another one has the name".to_owned()))
            }
            Some(now) if now["metadata"]["resourceVersion"] != **version => {
                Err(ClusterError::Conflict("it is another version".to_owned()))
            }
            Some(_) => self.delete(by, id),
        }
    }

    /// Server-side apply by the only applying field manager. `status` contains no empty values; the port prunes them.
    pub(crate) fn apply_status(&mut self, by: &'static str, id: &Id, version: &str, status: Value) -> Stored {
        let before = self.get(id).ok_or(ClusterError::Gone)?;
        if before["metadata"]["resourceVersion"] != version {
            return Err(ClusterError::Conflict(format!("{} {} has been modified", id.0, id.1)));
        }
        let entry = self.entries.get_mut(id).unwrap();
        let mut merged = before["status"].as_object().cloned().unwrap_or_default();
        withdraw(&mut merged, &entry.owned, &status);
        overlay(&mut merged, &status);
        let merged = if merged.is_empty() { default_status(&id.0) } else { merged.into() };
        // A change of the managed fields alone is a new version too.
        let unchanged = merged == before["status"] && status == entry.owned;
        entry.owned = status;
        if unchanged {
            return Ok(before);
        }
        let mut after = (*before).clone();
        set(&mut after, "status", merged);
        Ok(self.put(by, id, after))
    }

    /// `seen`: the finalizers in the caller's copy of the object.
    pub(crate) fn add_finalizer(
        &mut self,
        by: &'static str,
        id: &Id,
        (uid, seen): (&str, &[String]),
        finalizer: &str,
    ) -> Stored {
        let before = self.get(id).filter(|object| has_uid(object, uid)).ok_or(ClusterError::Gone)?;
        let mut present = finalizers(&before);
        if is_deleting(&before) {
            return Err(ClusterError::Conflict(format!("{} is being deleted", id.1)));
        }
        if present.iter().any(|present| present == finalizer) {
            return Ok(before);
        }
        unchanged_since(&present, seen, id)?;
        present.push(finalizer.to_owned());
        Ok(self.put_finalizers(by, id, &before, present))
    }

    pub(crate) fn remove_finalizer(
        &mut self,
        by: &'static str,
        id: &Id,
        (uid, seen): (&str, &[String]),
        finalizer: &str,
    ) -> Result<(), ClusterError> {
        let Some(before) = self.get(id).filter(|object| has_uid(object, uid)) else { return Ok(()) };
        let mut present = finalizers(&before);
        let Some(index) = present.iter().position(|present| present == finalizer) else { return Ok(()) };
        unchanged_since(&present, seen, id)?;
        present.remove(index);
        self.put_finalizers(by, id, &before, present);
        Ok(())
    }

    fn put_finalizers(
        &mut self,
        by: &'static str,
        id: &Id,
        before: &Value,
        finalizers: Vec<String>,
    ) -> Arc<Value> {
        let mut after = before.clone();
        set(&mut after["metadata"], "finalizers", finalizers.into());
        self.put(by, id, after)
    }

    fn time(&self) -> Value {
        let counted = || DateTime::from_timestamp((BEGIN + self.version).cast_signed(), 0).unwrap();
        let time = self.clock.as_ref().map_or_else(counted, |clock| clock.now());
        time.to_rfc3339_opts(SecondsFormat::Secs, true).into()
    }

    /// Stores a new version, or removes an object that is being deleted and has no finalizer left.
    fn put(&mut self, by: &'static str, id: &Id, mut object: Value) -> Arc<Value> {
        if is_deleting(&object) && finalizers(&object).is_empty() {
            self.store(by, id, None);
            return Arc::new(object);
        }
        set(&mut object["metadata"], "resourceVersion", (self.version + 1).to_string().into());
        let object = Arc::new(object);
        self.store(by, id, Some(Arc::clone(&object)));
        object
    }

    fn store(&mut self, by: &'static str, id: &Id, after: Option<Arc<Value>>) {
        self.version += 1;
        let entry = self.entries.entry(id.clone()).or_default();
        let before = std::mem::replace(&mut entry.now, after.clone());
        entry.versions += 1;
        entry.past.push_back(before.clone());
        if entry.past.len() > PAST {
            entry.past.pop_front();
        }
        let either = after.as_ref().or(before.as_ref()).unwrap();
        let uid = either["metadata"]["uid"].as_str().unwrap().to_owned();
        let (kind, key) = id.clone();
        self.writes.push(Write { by, kind, key, uid, before, after });
    }
}

fn bump_generation(object: &mut Value) {
    if let Some(generation) = object["metadata"]["generation"].as_i64() {
        set(&mut object["metadata"], "generation", (generation + 1).into());
    }
}

// === impl Write ===

/// One line of the history of an object.
impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { by, kind, key, uid, .. } = self;
        write!(f, "{by} {kind} {key} {uid}: ")?;
        let Some(after) = &self.after else { return f.write_str("gone") };
        let metadata = &after["metadata"];
        let (version, generation) = (&metadata["resourceVersion"], &metadata["generation"]);
        write!(f, "version {version} generation {generation} finalizers {}", metadata["finalizers"])?;
        if is_deleting(after) {
            f.write_str(" being deleted")?;
        }
        // The content of a Secret is left out.
        write!(f, " status {}", after["status"])
    }
}
