//! Differences that come back: drift, changes without effect, and changes that something else undoes.

use super::*;

/// The instance is scaled, or opened, in the console.
#[test]
fn a_change_in_the_cloud_that_is_not_put_back_is_reported_and_blocks_nothing() {
    let spec = json!({"capacity": "4Gi", "description": "sessions"});
    let described = |text: &str| InstanceFacts { description: Some(text.to_owned()), ..ours(ID) };
    let before = in_sync(spec.clone(), described("sessions"));
    let fields = &before.status.applied.as_ref().unwrap().fields;
    assert_eq!(fields.get("capacity").map(String::as_str), Some("4Gi"));
    let scaled = |text: &str| InstanceFacts { capacity: Some(Capacity::from_mib(8192)), ..described(text) };
    let drifted = ["True/Available", "False/DriftDetected", FINE, FINE];
    for keeps_memory in [true, false] {
        let mut o = before.clone();
        if !keeps_memory {
            o.status.applied = None;
        }
        list(&mut o, &[scaled("sessions")]);
        o.lookups.detail = found(scaled("sessions"));
        let plan = expect(&o, "nothing", drifted, "idle", resync_interval());
        assert_eq!(plan.status.pending_changes[0].field, "capacity");
        // Other changes go on, also after an edit of the spec.
        let mut edited = edited(
            Observed { status: plan.status, ..o.clone() },
            json!({"capacity": "4Gi", "description": "carts"}),
        );
        expect(&edited, &format!("update {ID}"), CHANGING, "active, every list", 30);
        list(&mut edited, &[scaled("carts")]);
        edited.lookups.detail = found(scaled("carts"));
        expect(&edited, "nothing", drifted, "idle", resync_interval());
    }
    // An edit of the same field is not drift.
    let mut o = edited(before, json!({"capacity": "16Gi", "description": "sessions"}));
    list(&mut o, &[scaled("sessions")]);
    o.lookups.detail = found(scaled("sessions"));
    expect_stalled_serving(&o, "UnsupportedChange", resync_interval());
}

/// The cloud accepts a change and does nothing, and keeps answering the old value.
#[test]
fn a_change_without_effect_is_asked_for_at_growing_intervals() {
    for more in [
        json!({"name": "renamed"}),
        json!({"description": "carts"}),
        json!({"tags": {"team": "shop"}}),
        json!({"maintenanceWindow": {"begin": "18:00", "end": "19:00"}}),
    ] {
        let mut o = edited_and_read(more.clone(), ours(ID));
        let window = serde_json::from_value(json!({"begin": "18", "end": "19"})).unwrap();
        o.lookups.windows = Some(Ok(vec![window].into()));
        let (mut requests, mut reported) = (Vec::new(), None);
        for minute in 0..600 {
            o.now.monotonic = s(1000 + 60 * minute);
            o.now.wall = wall(WALL + 60 * minute as i64);
            o.lists = Some(listed_at(990 + 60 * minute, 995 + 60 * minute));
            list(&mut o, &[ours(ID)]);
            let plan = plan(&o);
            if let Some(intent) = plan.intent {
                requests.push(minute);
                o.status = *intent;
                o.status.operation.as_mut().unwrap().outcome = Some(OperationOutcome::Accepted);
                o.local.intent_seen = Some(o.now.monotonic);
            } else {
                o.status = plan.status;
                let [ready, synced, reconciling, stalled] = values(&o.status);
                assert_eq!([ready.as_str(), stalled.as_str()], ["True/Available", FINE], "{more}");
                if synced == "False/ChangeIneffective" {
                    assert_eq!(reconciling, FINE);
                    assert_eq!(demand_of(plan.demand), "idle");
                    reported.get_or_insert(minute);
                }
            }
        }
        assert_eq!(requests[..4], [0, 1, 3, 7], "{more}");
        assert!(requests.windows(2).all(|pair| pair[1] - pair[0] <= 60), "{more}: {requests:?}");
        assert!(requests.len() < 18, "{more}: {requests:?}");
        assert!(reported.is_some_and(|minute| minute < 3), "{more}: {reported:?}");
    }
}

/// Something else undoes the change after it took effect: the count is in the status, and the operation is not.
#[test]
fn a_change_that_is_undone_each_time_is_made_at_growing_intervals() {
    let described = |text: &str| InstanceFacts { description: Some(text.to_owned()), ..ours(ID) };
    let mut o = in_sync(json!({"description": "ours"}), described("ours"));
    let mut requests = Vec::new();
    for minute in 0..600 {
        o.now.monotonic = s(1000 + 60 * minute);
        o.now.wall = wall(WALL + 60 * minute as i64);
        o.lists = Some(listed_at(990 + 60 * minute, 995 + 60 * minute));
        o.lookups.detail = found(described("theirs"));
        let plan = plan(&o);
        let Some(intent) = plan.intent else {
            o.status = plan.status;
            continue;
        };
        requests.push(minute);
        o.status = *intent;
        o.status.operation.as_mut().unwrap().outcome = Some(OperationOutcome::Accepted);
        // It takes effect, and is in sync until the next minute. The process may be another by then.
        o.local.intent_seen = None;
        o.lookups.detail = found(described("ours"));
        o.status = super::plan(&o).status;
        assert_eq!(values(&o.status), IN_SYNC.map(str::to_owned));
        assert_eq!(o.status.operation, None);
    }
    assert_eq!(requests[..5], [0, 1, 3, 7, 15], "{requests:?}");
    assert!(requests.len() < 18, "{requests:?}");
}

/// The clock was set back after the last request: its age is unknown, and the request is made again.
#[test]
fn a_request_from_the_future_delays_no_other() {
    let described = |text: &str| InstanceFacts { description: Some(text.to_owned()), ..ours(ID) };
    let mut o = in_sync(json!({"description": "ours"}), described("ours"));
    list(&mut o, &[described("theirs")]);
    o.lookups.detail = found(described("theirs"));
    for (last, step) in [(WALL - 5, "nothing".to_owned()), (WALL + 86_400, format!("update {ID}"))] {
        o.status.repeated_changes = vec![RepeatedChange {
            field: "description".to_owned(),
            times: 3,
            generation: 1,
            last_at: time::to_kube(wall(last)),
        }];
        assert_eq!(step_of(&plan(&o)), step, "last asked for at {last}");
    }
}
