//! Whatever the cloud answers, the status fits its definition: the API server rejects any other, and then the object
//! says nothing and cannot be deleted.

use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use proptest::prelude::*;

use super::{world::cases, *};
use crate::{
    api::crds,
    dcs::model::{InstanceDetail, InstancePage, InstanceSummary},
    plan::instance::observed::ListedBackups,
};

/// The fields of an instance that reach a status, and some that do not.
const FIELDS: &[&str] = &[
    "name",
    "description",
    "status",
    "sub_status",
    "engine",
    "engine_version",
    "capacity",
    "capacity_minor",
    "spec_code",
    "cpu_type",
    "az_codes",
    "ip",
    "port",
    "domain_name",
    "readonly_domain_name",
    "no_password_access",
    "vpc_id",
    "subnet_id",
    "security_group_id",
    "maintain_begin",
    "maintain_end",
    "charging_mode",
    "enterprise_project_id",
    "task",
    "cache_mode",
    "replica_count",
    "sharding_count",
    "available_zones",
];

/// Values that a hostile or broken cloud may send for any field.
fn any_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just(String::new()),
        Just("a\nPASSWORD=evil".to_owned()),
        Just("a b".to_owned()),
        Just("user@host/path".to_owned()),
        Just("\u{1b}[31mred\u{202e}".to_owned()),
        Just("..".to_owned()),
        Just("../../v2/other".to_owned()),
        Just("RUNNING".to_owned()),
        Just("redis.example.com".to_owned()),
        Just("10.0.0.2".to_owned()),
        Just(["10.0.0.2"; 700].join(",")),
        (1..40_000_usize).prop_map(|length| "x".repeat(length)),
        (1..9_000_usize).prop_map(|length| "缓".repeat(length)),
        any::<String>(),
    ];
    let scalar = prop_oneof![
        4 => text.prop_map(Value::from),
        1 => Just(Value::Null),
        1 => Just(json!({})),
        1 => Just(json!({"nested": [1, "x"]})),
        1 => prop_oneof![Just(-1_i64), Just(0), Just(70_000), Just(6379), Just(i64::MAX), any::<i64>()].prop_map(Value::from),
        1 => any::<f64>().prop_map(|number| json!(number)),
        1 => any::<bool>().prop_map(Value::from),
    ]
    .boxed();
    let many = (scalar.clone(), 1..80_usize).prop_map(|(value, count)| Value::from(vec![value; count]));
    prop_oneof![5 => scalar.clone(), 1 => many, 1 => proptest::collection::vec(scalar, 0..4).prop_map(Value::from)]
}

/// An instance with hostile fields and tags, besides those of its owner.
fn any_answer() -> impl Strategy<Value = Value> {
    let fields = proptest::collection::vec((proptest::sample::select(FIELDS), any_value()), 0..FIELDS.len());
    let tags = proptest::collection::vec((any_value(), any_value()), 0..4);
    (fields, tags).prop_map(|(fields, tags)| {
        let own = owner_tags(Origin::Created).into_iter().map(|(key, value)| json!({"key": key, "value": value}));
        let tags = tags.into_iter().map(|(key, value)| json!({"key": key, "value": value}));
        let mut answer = json!({
            "instance_id": ID, "name": "sessions", "status": "RUNNING", "capacity": 4, "ip": "10.0.0.2", "port": 6379,
            "tags": own.chain(tags).collect::<Vec<_>>(),
        });
        answer.as_object_mut().unwrap().extend(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
        answer
    })
}

/// Checks the bounds that the API server checks.
fn fits(schema: &JSONSchemaProps, value: &Value, at: &str) -> Result<(), String> {
    let bound =
        |holds: bool, what: &str| if holds { Ok(()) } else { Err(format!("{at}: {what}: {value:.200}")) };
    match value {
        Value::String(text) => {
            let length = i64::try_from(text.chars().count()).unwrap();
            bound(schema.max_length.is_none_or(|most| length <= most), "too long")?;
            bound(schema.min_length.is_none_or(|least| length >= least), "too short")?;
            bound(!text.chars().any(char::is_control), "not one line")
        }
        Value::Number(number) => {
            let number = number.as_f64().unwrap();
            bound(schema.minimum.is_none_or(|least| number >= least), "too small")?;
            bound(schema.maximum.is_none_or(|most| number <= most), "too large")
        }
        Value::Array(items) => {
            let count = i64::try_from(items.len()).unwrap();
            bound(schema.max_items.is_none_or(|most| count <= most), "too many")?;
            let Some(JSONSchemaPropsOrArray::Schema(schema)) = &schema.items else { return Ok(()) };
            items.iter().try_for_each(|item| fits(schema, item, &format!("{at}[]")))
        }
        Value::Object(fields) => fields.iter().try_for_each(|(name, value)| {
            let inner = schema.properties.as_ref().and_then(|properties| properties.get(name));
            let inner = inner.or(match &schema.additional_properties {
                Some(JSONSchemaPropsOrBool::Schema(any)) => Some(any),
                Some(JSONSchemaPropsOrBool::Bool(_)) | None => None,
            });
            let inner = inner.ok_or_else(|| format!("{at}.{name} is not defined"))?;
            fits(inner, value, &format!("{at}.{name}"))
        }),
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

static SCHEMA: LazyLock<JSONSchemaProps> = LazyLock::new(|| {
    let crd = crds().remove(0);
    let schema = crd.spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
    schema.properties.unwrap().remove("status").unwrap()
});

fn check(status: &DcsInstanceStatus) -> Result<(), TestCaseError> {
    fits(&SCHEMA, &serde_json::to_value(status).unwrap(), "status").map_err(TestCaseError::fail)
}

#[test]
fn every_text_and_list_of_a_status_is_bounded() {
    assert_eq!(unbounded(&SCHEMA, "status"), Vec::<String>::new());
}

/// The texts and lists of a status that have no bound.
fn unbounded(schema: &JSONSchemaProps, at: &str) -> Vec<String> {
    let is_open = match schema.type_.as_deref() {
        Some("string") => schema.max_length.is_none() && schema.enum_.is_none() && schema.format.is_none(),
        Some("array") => schema.max_items.is_none(),
        _ => false,
    };
    let own = is_open.then(|| at.to_owned());
    let fields = schema.properties.iter().flatten();
    let inner = fields.flat_map(|(name, inner)| unbounded(inner, &format!("{at}.{name}")));
    let items = match &schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => unbounded(items, &format!("{at}[]")),
        _ => Vec::new(),
    };
    own.into_iter().chain(inner).chain(items).collect()
}

/// The object with this answer, as a list and as a detail.
fn seen(answer: &Value, deleting: bool) -> Option<Observed> {
    let detail: InstanceDetail = serde_json::from_value(answer.clone()).ok()?;
    let summary: InstanceSummary = serde_json::from_value(answer.clone()).ok()?;
    let facts = InstanceFacts::from(summary);
    assert_eq!(facts, InstanceFacts::from(&detail));
    let mut o = observed(json!({
        "name": "renamed", "description": "two\nlines", "port": 6380, "tags": {"team": "shop"},
        "availabilityZones": ["z-a"], "network": {"vpcId": VPC, "subnetId": SUBNET, "privateIp": "192.168.0.10"},
        "maintenanceWindow": {"begin": "18:00", "end": "19:00"},
    }));
    o.status.id = Some(ID.to_owned());
    o.subject.deleting = deleting;
    // None of them can be restored.
    o.backups = Some(ListedBackups { instance: ID.to_owned(), begun: s(990), records: Arc::from([]) });
    list(&mut o, std::slice::from_ref(&facts));
    o.lookups.detail = read(Detail::Found(Box::new(InstanceSnapshot {
        facts,
        task: detail.task.as_ref().map(|task| task.0.clone()),
        cache_mode: detail.cache_mode.as_ref().map(|mode| mode.as_str().to_owned()),
        replicas: detail.replica_count,
        shards: detail.sharding_count,
        zones: detail.zones(),
    })));
    Some(o)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(500), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_answer_gives_a_status_that_the_definition_accepts(answer in any_answer(), deleting in any::<bool>()) {
        let Some(o) = seen(&answer, deleting) else { return Ok(()) };
        let first = plan(&o);
        let mut statuses = std::iter::once(&first.status).chain(first.intent.as_deref());
        statuses.try_for_each(check)?;
        // The next visit keeps what the first one recorded.
        let later = plan(&Observed { status: first.status.clone(), ..o.clone() });
        check(&later.status)?;
        // Only addresses are published.
        for endpoint in later.status.endpoints.iter().flat_map(|all| [&all.primary, &all.read_only]).flatten() {
            let host = endpoint.host.as_deref().unwrap();
            prop_assert!(host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_:".contains(c)), "{}", host);
            prop_assert!(endpoint.port.is_none_or(|port| (1..=65_535).contains(&port)));
        }
    }

    #[test]
    fn an_object_stays_deletable(answer in any_answer()) {
        let Some(o) = seen(&answer, true) else { return Ok(()) };
        let plan = plan(&o);
        check(&plan.status)?;
        let facts = &o.snapshot().unwrap().facts;
        let said = plan.status.conditions.iter().find(|condition| condition.type_ == "Reconciling").unwrap();
        match &plan.step {
            Step::CloudAction(CloudAction::Delete { id, .. }) => prop_assert_eq!(id, ID),
            // It is busy, prepaid or already being deleted, or the answer hides whose it is.
            step => {
                prop_assert_eq!(step, &Step::Nothing);
                prop_assert!(!said.message.is_empty() || plan.status.conditions.iter().any(|c| c.type_ == "Stalled" && c.status == "True"), "{:?}", facts);
            }
        }
    }

    #[test]
    fn every_message_fits(text in any::<String>(), times in 1..2000_usize) {
        let message = text.repeat(times);
        let mut o = observed(json!({}));
        let blocker = Blocker { reason: Reason::CloudError, message: message.clone() };
        o.lists.as_mut().unwrap().trouble = Some(blocker.clone());
        check(&plan(&o).status)?;
        o.account = Err(blocker);
        o.subject.deleting = true;
        o.status.operation = Some(attempt(OperationType::Delete, None));
        check(&plan(&o).status)?;
        for outcome in [
            ChangeOutcome::Refused { reason: Reason::CloudError, message: message.clone() },
            ChangeOutcome::Unknown { reason: None, message },
        ] {
            intent::record_outcome(&mut o.status, &outcome);
            check(&plan(&o).status)?;
        }
    }
}

#[test]
fn a_page_with_an_id_that_is_none_cannot_be_read() {
    for id in ["..", "a/b", "a?b", "a b", "a\n", "", &"a".repeat(65)] {
        let page = json!({"instance_num": 1, "instances": [{"instance_id": id}]});
        assert!(serde_json::from_value::<InstancePage>(page).is_err(), "{id:?}");
    }
}
