//! The binding Secret: its lookups, its writes and its condition.

use super::*;
use crate::plan::instance::{
    binding::{Content, WhichPassword},
    observed::Published,
};

/// In sync, with an accepted password; the binding Secret was not read yet.
fn unread() -> Observed {
    let mut o = in_sync(json!({}), ours(ID));
    o.status.applied = Some(Applied { auth_hash: Some("password-1".to_owned()), ..Applied::default() });
    o.status.binding = None;
    o.status.conditions.retain(|condition| condition.type_ != "BindingPublished");
    o.lookups.binding = None;
    o
}

fn unread_with(state: BindingState) -> Observed {
    let mut o = unread();
    o.lookups.binding = Some(Ok(state));
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

/// The operator wrote version 7 of the Secret; the watch shows version `shown`, and `seen` says whether it showed 7.
fn written(shown: Option<&str>, seen: bool) -> Observed {
    let mut o = unread();
    o.local.published =
        Some(Published { content: content(), version: "7".to_owned(), source: None, shown: seen });
    o.secrets.binding = shown.map(str::to_owned);
    o
}

fn binding_of(plan: &Plan) -> String {
    let condition = plan.status.conditions.iter().find(|c| c.type_ == "BindingPublished").unwrap();
    let binding = plan.status.binding.as_ref().map_or("-", |binding| binding.name.as_str());
    format!("{}/{} {binding}", condition.status, condition.reason)
}

#[test]
fn the_secret_is_read_unless_its_written_version_is_current() {
    let published = "True/Published sessions-redis";
    for (shown, seen, step) in [
        (None, false, "nothing"),
        (Some("6"), true, "nothing"),
        (Some("7"), true, "nothing"),
        (Some("8"), true, "read binding"),
        (None, true, "read binding"),
        (Some("odd"), true, "read binding"),
    ] {
        let plan = plan(&written(shown, seen));
        assert_eq!(step_of(&plan), step, "{shown:?} {seen}");
        assert_eq!(binding_of(&plan) == published, step == "nothing", "{shown:?} {seen}");
    }
    let mut o = written(Some("7"), true);
    o.secrets.pending = Some("3".to_owned());
    assert_eq!(step_of(&plan(&o)), "read binding", "the pending Secret still exists");
    let mut o = written(Some("7"), true);
    o.status.applied.as_mut().unwrap().auth_hash = Some("password-2".to_owned());
    assert_eq!(step_of(&plan(&o)), "read binding", "another password was accepted");
}

#[test]
fn the_binding_state_decides_the_step() {
    let needs_user = 600;
    for (state, step, expected, wait) in [
        (Ok(BindingState::Current), "nothing", "True/Published sessions-redis", resync_interval()),
        (Ok(BindingState::Superseded), "delete pending Secret", "False/Applying -", resync_interval()),
        (Ok(BindingState::Outdated), "write binding Secret", "False/Applying -", resync_interval()),
        (Ok(BindingState::Foreign), "nothing", "False/SecretConflict -", needs_user),
        (Ok(BindingState::PasswordLost), "nothing", "False/SecretNotFound -", needs_user),
        (Err(blocker(Reason::ClusterError)), "nothing", "False/ClusterError -", 5),
    ] {
        let mut o = unread();
        o.lookups.binding = Some(state.clone());
        let plan = plan(&o);
        assert_eq!((step_of(&plan).as_str(), binding_of(&plan).as_str()), (step, expected), "{state:?}");
        assert_eq!(plan.wait.as_secs(), wait, "{state:?}");
        assert_eq!(values(&plan.status), IN_SYNC.map(str::to_owned), "the other conditions do not change");
    }
}

#[test]
fn the_content_refers_to_the_known_password() {
    let password_of = |o: &Observed| match plan(o).step {
        Step::Lookup(Lookup::Binding(content)) => content.password,
        step => panic!("{step:?}"),
    };
    assert_eq!(password_of(&unread()), WhichPassword::Accepted("password-1".to_owned()));
    let mut o = unread();
    o.status.applied = None;
    assert_eq!(password_of(&o), WhichPassword::Unrecorded);
    let chosen = json!({"auth": {"type": "SecretRef", "secretRef": {"name": "mine"}}});
    let mut o = in_sync(chosen, ours(ID));
    o.lookups.binding = None;
    let expected = WhichPassword::Chosen { name: "mine".to_owned(), key: "password".to_owned() };
    assert_eq!(password_of(&o), expected);
    let open = InstanceFacts { no_password_access: Some(true), ..ours(ID) };
    let mut o = in_sync(json!({}), open);
    o.lookups.binding = None;
    assert_eq!(password_of(&o), WhichPassword::Open);
}

#[test]
fn the_binding_secret_is_read_again_after_the_users_secret_changed() {
    let chosen = json!({"auth": {"type": "SecretRef", "secretRef": {"name": "mine"}}});
    let mut o = in_sync(chosen, ours(ID));
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
    assert_eq!(step_of(&plan(&o)), "read binding");
}

#[test]
fn nothing_is_published_before_the_instance_serves_or_during_deletion() {
    let mut o = unread();
    list(&mut o, &[with_status("RESTARTING", ours(ID))]);
    assert_eq!(
        (step_of(&plan(&o)).as_str(), binding_of(&plan(&o)).as_str()),
        ("nothing", "False/WaitingForEndpoint -")
    );
    o.status.conditions = plan(&unread_with(BindingState::Current)).status.conditions;
    assert_eq!(step_of(&plan(&o)), "read binding", "a published Secret stays current");
    let mut o = written(None, true);
    o.subject.deleting = true;
    assert!(step_of(&plan(&o)).starts_with("read detail"), "garbage collection deletes the Secret");
}

#[test]
fn a_rejected_secret_is_retried_after_a_delay() {
    let mut o = unread();
    o.local.refusal = Some(("exceeded quota: secrets=10".to_owned(), s(900)));
    let refused = plan(&o);
    assert_eq!(
        (step_of(&refused).as_str(), binding_of(&refused).as_str()),
        ("nothing", "False/SecretRefused -")
    );
    assert_eq!(refused.wait.as_secs(), 500);
    assert_eq!(values(&refused.status), IN_SYNC.map(str::to_owned));
    o.local.refusal = Some(("exceeded quota: secrets=10".to_owned(), s(300)));
    assert_eq!(step_of(&plan(&o)), "read binding");
}

#[test]
fn no_operation_starts_with_credentials_that_can_be_deleted() {
    let credentials = |o: &mut Observed, in_use, deleting| {
        let secret = "dcs-credentials".to_owned();
        o.account.as_mut().unwrap().source = CredentialsSource::Namespace { secret, in_use, deleting };
    };
    let mut o = super::create::ready();
    assert_eq!(step_of(&plan(&o)), "create");
    credentials(&mut o, false, false);
    assert_eq!(step_of(&plan(&o)), "add in-use finalizer");
    o.local.refusal = Some(("not allowed".to_owned(), s(990)));
    expect_stalled(&o, "SecretRefused", "idle", 590);
    o.local.refusal = None;
    credentials(&mut o, true, true);
    expect_stalled(&o, "CredentialsMissing", "idle", resync_interval());
    let mut o = in_sync(json!({}), ours(ID));
    credentials(&mut o, false, true);
    expect(&o, "nothing", IN_SYNC, "idle", resync_interval());
}

#[test]
fn a_bare_id_needs_permission_with_the_operators_credentials() {
    let operator_credentials = |o: &mut Observed, trusted| {
        o.account.as_mut().unwrap().source = CredentialsSource::Operator { trusted };
    };
    let mut o = super::create::ready();
    operator_credentials(&mut o, false);
    expect_stalled(&o, "NotAllowed", "idle", resync_interval());
    operator_credentials(&mut o, true);
    assert_eq!(step_of(&plan(&o)), "create");

    for more in [json!({}), json!({"managementPolicy": "Observe"})] {
        let mut spec = json!({"adopt": {"instanceId": ID}, "network": null});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut o = observed(spec);
        o.subject.finalizer = more == json!({});
        list(&mut o, &[instance(ID, Vec::new())]);
        o.lookups.detail = found(instance(ID, Vec::new()));
        operator_credentials(&mut o, false);
        let refused = plan(&o);
        assert_eq!(step_of(&refused), "nothing", "{more}");
        assert_eq!(values(&refused.status)[3], "True/NotAllowed", "{more}");
        let allowed = vec![("dcs-operator-allow-namespace".to_owned(), "shop".to_owned())];
        list(&mut o, &[instance(ID, allowed.clone())]);
        o.lookups.detail = found(instance(ID, allowed));
        assert_ne!(values(&plan(&o).status)[3], "True/NotAllowed", "{more}");
    }
}
