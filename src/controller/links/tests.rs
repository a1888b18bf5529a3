//! Who is woken, and what is known of objects that others refer to.

use std::slice::from_ref;

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
    assert_eq!(index.on_object(&backup, LinkFacts { projection: 7, ..made_by() }).wake, from_ref(&schedule));
    assert_eq!(index.owned(&schedule), from_ref(&backup));
    assert!(index.on_object(&backup, LinkFacts { projection: 7, ..made_by() }).wake.is_empty());
    assert_eq!(index.on_object(&backup, LinkFacts { projection: 8, ..made_by() }).wake, from_ref(&schedule));
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
    assert_eq!(index.needed_backups(), [(by_id.clone(), "1".to_owned())]);
    assert_eq!(index.on_object(&by_id, facts([about()], None)).wake, from_ref(&backup), "it may have waited");
    assert!(!index.is_used(&backup, Some("1")));
    let source = Link::object(Relation::Source, backup.clone());
    index.on_object(&by_name, facts([about(), source], None));
    assert_eq!(index.user_of(&backup, None), Some(by_name.clone()));
    assert_eq!(
        index.on_object(&by_name, facts([about()], None)).wake,
        from_ref(&backup),
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
