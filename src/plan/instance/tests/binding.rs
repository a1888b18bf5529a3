//! The binding Secret: when it is written, and what is said about it.

use super::*;
use crate::plan::instance::{
    binding::{Content, WhichPassword},
    observed::Published,
};

/// In sync, with a password that the cloud accepted, and nobody has looked at the Secret yet.
fn unknown() -> Observed {
    let mut o = clear_operation(json!({}), ours(ID));
    o.status.applied = Some(Applied { auth_hash: Some("password-1".to_owned()), ..Applied::default() });
    o.status.binding = None;
    o.status.conditions.retain(|condition| condition.type_ != "BindingPublished");
    o.lookups.binding = None;
    o
}

fn unknown_with(look: BindingState) -> Observed {
    let mut o = unknown();
    o.lookups.binding = Some(Ok(look));
    o
}

fn content() -> Content {
    Content {
        host: "192.168.0.9".to_owned(),
        port: 6379,
        read_host: None,
        password: WhichPassword::Accepted("password-1".to_owned()),
    }
}

/// The Secret was written in version 7, and the watch shows this one.
fn written(shown: Option<&str>, seen: bool) -> Observed {
    let mut o = unknown();
    o.local.published =
        Some(Published { content: content(), version: "7".to_owned(), source: None, shown: seen });
    o.secrets.binding = shown.map(str::to_owned);
    o
}

fn said(plan: &Plan) -> String {
    let condition = plan.status.conditions.iter().find(|c| c.type_ == "BindingPublished").unwrap();
    let binding = plan.status.binding.as_ref().map_or("-", |binding| binding.name.as_str());
    format!("{}/{} {binding}", condition.status, condition.reason)
}

#[test]
fn it_is_looked_at_unless_it_is_known_to_be_as_it_was_written() {
    let published = "True/Published sessions-redis";
    for (shown, seen, step) in [
        (None, false, "nothing"),
        (Some("6"), true, "nothing"),
        (Some("7"), true, "nothing"),
        (Some("8"), true, "look binding"),
        (None, true, "look binding"),
        (Some("odd"), true, "look binding"),
    ] {
        let plan = plan(&written(shown, seen));
        assert_eq!(step_of(&plan), step, "{shown:?} {seen}");
        assert_eq!(said(&plan) == published, step == "nothing", "{shown:?} {seen}");
    }
    let mut o = written(Some("7"), true);
    o.secrets.pending = Some("3".to_owned());
    assert_eq!(step_of(&plan(&o)), "look binding", "the password is still somewhere else, too");
    let mut o = written(Some("7"), true);
    o.status.applied.as_mut().unwrap().auth_hash = Some("password-2".to_owned());
    assert_eq!(step_of(&plan(&o)), "look binding", "another password was accepted");
}

#[test]
fn what_was_found_decides() {
    let needs_user = 600;
    for (look, step, expected, wait) in [
        (Ok(BindingState::Current), "nothing", "True/Published sessions-redis", round()),
        (Ok(BindingState::Superseded), "drop pending", "False/Applying -", round()),
        (Ok(BindingState::Outdated), "write binding", "False/Applying -", round()),
        (Ok(BindingState::Foreign), "nothing", "False/SecretConflict -", needs_user),
        (Ok(BindingState::PasswordLost), "nothing", "False/SecretNotFound -", needs_user),
        (Err(blocker(Reason::ClusterError)), "nothing", "False/ClusterError -", 5),
    ] {
        let mut o = unknown();
        o.lookups.binding = Some(look.clone());
        let plan = plan(&o);
        assert_eq!((step_of(&plan).as_str(), said(&plan).as_str()), (step, expected), "{look:?}");
        assert_eq!(plan.wait.as_secs(), wait, "{look:?}");
        assert_eq!(values(&plan.status), IN_SYNC.map(str::to_owned), "the instance serves all the same");
    }
}

#[test]
fn what_it_holds_follows_from_what_is_known_of_the_password() {
    let in_use = |o: &Observed| match plan(o).step {
        Step::Lookup(Lookup::Binding(content)) => content.password,
        step => panic!("{step:?}"),
    };
    assert_eq!(in_use(&unknown()), WhichPassword::Accepted("password-1".to_owned()));
    let mut o = unknown();
    o.status.applied = None;
    assert_eq!(in_use(&o), WhichPassword::Unrecorded);
    let chosen = json!({"auth": {"type": "SecretRef", "secretRef": {"name": "mine"}}});
    let mut o = clear_operation(chosen, ours(ID));
    o.lookups.binding = None;
    let expected = WhichPassword::Chosen { name: "mine".to_owned(), key: "password".to_owned() };
    assert_eq!(in_use(&o), expected);
    let open = InstanceFacts { no_password_access: Some(true), ..ours(ID) };
    let mut o = clear_operation(json!({}), open);
    o.lookups.binding = None;
    assert_eq!(in_use(&o), WhichPassword::Open);
}

#[test]
fn a_secret_of_the_users_that_changed_is_read_again() {
    let chosen = json!({"auth": {"type": "SecretRef", "secretRef": {"name": "mine"}}});
    let mut o = clear_operation(chosen, ours(ID));
    o.lookups.binding = None;
    let password = WhichPassword::Chosen { name: "mine".to_owned(), key: "password".to_owned() };
    let published = Published {
        content: Content { password, ..content() },
        version: "7".to_owned(),
        source: Some("3".to_owned()),
        shown: true,
    };
    (o.local.published, o.secrets.binding) = (Some(published), Some("7".to_owned()));
    o.secrets.chosen = Some("3".to_owned());
    assert_eq!(step_of(&plan(&o)), "nothing");
    o.secrets.chosen = Some("4".to_owned());
    assert_eq!(step_of(&plan(&o)), "look binding");
}

#[test]
fn nothing_is_published_before_the_instance_serves_or_while_it_goes() {
    let mut o = unknown();
    list(&mut o, &[with_status("RESTARTING", ours(ID))]);
    assert_eq!(
        (step_of(&plan(&o)).as_str(), said(&plan(&o)).as_str()),
        ("nothing", "False/WaitingForEndpoint -")
    );
    o.status.conditions = plan(&unknown_with(BindingState::Current)).status.conditions;
    assert_eq!(step_of(&plan(&o)), "look binding", "once published, it is kept up to date");
    let mut o = written(None, true);
    o.subject.deleting = true;
    assert!(step_of(&plan(&o)).starts_with("look at"), "what goes by itself is not written again");
}

#[test]
fn a_secret_that_kubernetes_refuses_is_left_alone_for_a_while() {
    let mut o = unknown();
    o.local.refusal = Some(("exceeded quota: secrets=10".to_owned(), s(900)));
    let refused = plan(&o);
    assert_eq!((step_of(&refused).as_str(), said(&refused).as_str()), ("nothing", "False/SecretRefused -"));
    assert_eq!(refused.wait.as_secs(), 500);
    assert_eq!(values(&refused.status), IN_SYNC.map(str::to_owned));
    o.local.refusal = Some(("exceeded quota: secrets=10".to_owned(), s(300)));
    assert_eq!(step_of(&plan(&o)), "look binding");
}

#[test]
fn nothing_is_begun_with_credentials_that_could_go_before_it() {
    let of = |o: &mut Observed, in_use, deleting| {
        let secret = "dcs-credentials".to_owned();
        o.account.as_mut().unwrap().source = CredentialsSource::Namespace { secret, in_use, deleting };
    };
    let mut o = super::create::ready();
    assert_eq!(step_of(&plan(&o)), "create");
    of(&mut o, false, false);
    assert_eq!(step_of(&plan(&o)), "hold credentials");
    o.local.refusal = Some(("not allowed".to_owned(), s(990)));
    expect_stalled(&o, "SecretRefused", "steady", 590);
    o.local.refusal = None;
    of(&mut o, true, true);
    expect_stalled(&o, "CredentialsMissing", "steady", round());
    let mut o = clear_operation(json!({}), ours(ID));
    of(&mut o, false, true);
    expect(&o, "nothing", IN_SYNC, "steady", round());
}

#[test]
fn with_the_operators_own_credentials_a_bare_id_needs_permission() {
    let own = |o: &mut Observed, trusted| {
        o.account.as_mut().unwrap().source = CredentialsSource::Operator { trusted };
    };
    let mut o = super::create::ready();
    own(&mut o, false);
    expect_stalled(&o, "NotAllowed", "steady", round());
    own(&mut o, true);
    assert_eq!(step_of(&plan(&o)), "create");

    for more in [json!({}), json!({"managementPolicy": "Observe"})] {
        let mut spec = json!({"adopt": {"instanceId": ID}, "network": null});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut o = observed(spec);
        o.subject.finalizer = more == json!({});
        list(&mut o, &[instance(ID, Vec::new())]);
        o.lookups.detail = found(instance(ID, Vec::new()));
        own(&mut o, false);
        let refused = plan(&o);
        assert_eq!(step_of(&refused), "nothing", "{more}");
        assert_eq!(values(&refused.status)[3], "True/NotAllowed", "{more}");
        let allowed = vec![("dcs-operator-allow-namespace".to_owned(), "shop".to_owned())];
        list(&mut o, &[instance(ID, allowed.clone())]);
        o.lookups.detail = found(instance(ID, allowed));
        assert_ne!(values(&plan(&o).status)[3], "True/NotAllowed", "{more}");
    }
}
