//! Every known notation of a value decodes.

use dcs_operator::dcs::model::{
    AvailabilityZones, BusyTask, Capacity, Flavors, InstanceDetail, InstancePage, InstanceStatus, Job,
    JobStatus, MaintenanceWindows, Quotas, Statistics, StatusCounts, TaskPage, time,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn read<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error} in {value}"))
}

fn detail(extra: Value) -> InstanceDetail {
    let mut value = json!({ "instance_id": "i1" });
    value.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    read(value)
}

#[test]
fn capacities_below_one_gb() {
    for value in [
        json!({ "capacity": 0, "capacity_minor": ".125" }),
        json!({ "capacity": 0, "capacity_minor": "0.125" }),
        json!({ "capacity": 0.125 }),
        json!({ "capacity": "0.125", "capacity_minor": null }),
        json!({ "capacity": "0", "capacity_minor": 0.125 }),
    ] {
        assert_eq!(detail(value.clone()).capacity(), Some(Capacity::from_mib(128)), "{value}");
    }
    assert_eq!(
        detail(json!({ "capacity": 4, "capacity_minor": null })).capacity(),
        Some(Capacity::from_mib(4096))
    );
    assert_eq!(
        detail(json!({ "capacity": 4, "capacity_minor": {} })).capacity(),
        Some(Capacity::from_mib(4096))
    );
    assert_eq!(detail(json!({})).capacity(), None);
}

#[test]
fn booleans_in_three_spellings() {
    for value in [json!(true), json!("true"), json!("TRUE")] {
        assert_eq!(detail(json!({ "no_password_access": value })).no_password_access, Some(true));
    }
    assert_eq!(detail(json!({ "no_password_access": "false" })).no_password_access, Some(false));
}

#[test]
fn the_placeholder_of_a_security_group_reads_as_absent() {
    for value in [json!("securityGroupId"), json!(""), json!(null), json!({})] {
        assert_eq!(detail(json!({ "security_group_id": value.clone() })).security_group(), None, "{value}");
    }
    assert_eq!(detail(json!({ "security_group_id": "sg-1" })).security_group(), Some("sg-1"));
}

#[test]
fn any_task_value_means_busy() {
    let running = |task: Value| detail(json!({ "status": "RUNNING", "task": task }));
    for idle in [json!(null), json!(""), json!({})] {
        assert!(!running(idle.clone()).is_busy(), "{idle}");
    }
    for busy in [json!("BACKUPING"), json!({ "name": "BACKUPING" }), json!(["x"]), json!(7), json!(true)] {
        assert!(running(busy.clone()).is_busy(), "{busy}");
    }
    assert_eq!(running(json!("BACKUPING")).task, Some(BusyTask("BACKUPING".to_owned())));
    assert!(!detail(json!({ "status": "RUNNING" })).is_busy());
    assert!(detail(json!({ "status": "EXTENDING" })).is_busy());
    assert!(detail(json!({})).is_busy(), "unknown is not idle");
}

#[test]
fn known_unknown_and_absent_statuses() {
    let status = |value: Value| detail(json!({ "status": value })).summary.status;
    assert_eq!(status(json!("RUNNING")), Some(InstanceStatus::Running));
    assert_eq!(status(json!("deleting")), Some(InstanceStatus::Deleting));
    assert_eq!(status(json!("HIBERNATING")), Some(InstanceStatus::Other("HIBERNATING".to_owned())));
    assert_eq!(status(json!(null)), None);
}

#[test]
fn both_names_of_the_change_time() {
    let (early, late) = ("2022-07-06T09:32:16.502Z", "2022-07-06T10:00:00.000Z");
    for value in [
        json!({ "update_at": early }),
        json!({ "updated_at": early }),
        json!({ "update_at": early, "updated_at": late }),
    ] {
        assert_eq!(detail(value.clone()).changed_at().map(time::format).as_deref(), Some(early), "{value}");
    }
    assert_eq!(detail(json!({ "created_at": "soon" })).created_at, None);
}

#[test]
fn fields_of_a_wrong_type_read_as_absent() {
    let odd = detail(json!({
        "name": {}, "port": "6379", "replica_count": {}, "db_number": "many", "domain_name_info": null,
        "features": [], "instance_backup_policy": "", "bandwidth_info": { "begin_time": 1684191545379u64 },
        "az_codes": null, "tags": null, "order_id": {}, "charging_mode": "0", "spec_code": 7, "new_field": [1],
    }));
    let common = odd.summary.clone();
    assert_eq!((common.name, common.port, odd.replica_count, odd.db_number), (None, Some(6379), None, None));
    assert_eq!((odd.domain_name_info, common.features, odd.instance_backup_policy), (None, None, None));
    assert_eq!(odd.bandwidth_info.and_then(|info| info.begin_time), Some(1_684_191_545_379));
    assert_eq!(
        (common.az_codes, common.tags, common.order_id, common.charging_mode),
        (vec![], vec![], None, Some(0))
    );
    assert_eq!(common.spec_code.as_deref(), Some("7"));
}

#[test]
fn tags_with_and_without_values() {
    let tags = detail(
        json!({ "tags": [{ "key": "a", "value": "1" }, { "key": "b", "value": null }, { "key": "c" }] }),
    );
    let tags: Vec<_> = tags.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_deref())).collect();
    assert_eq!(tags, [("a", Some("1")), ("b", None), ("c", None)]);
}

#[test]
fn a_page_with_an_invalid_entry_is_an_error() {
    let page: InstancePage = read(json!({ "instance_num": "2", "instances": null }));
    assert_eq!((page.instance_num, page.instances.len()), (2, 0));
    for partial in [
        json!({}),
        json!({ "instances": [] }),
        json!({ "instance_num": 1 }),
        json!({ "instance_num": {}, "instances": [] }),
        json!({ "instance_num": 1, "instances": [{ "name": "without id" }] }),
        json!({ "instance_num": 1, "instances": [{ "instance_id": "" }] }),
        json!({ "instance_num": 1, "instances": [null] }),
        json!({ "instance_num": 1, "instances": { "0": {} } }),
    ] {
        assert!(serde_json::from_value::<InstancePage>(partial.clone()).is_err(), "{partial}");
    }
}

#[test]
fn identifying_fields_are_required() {
    assert!(serde_json::from_value::<InstanceDetail>(json!({ "status": "RUNNING" })).is_err());
    assert!(serde_json::from_value::<Job>(json!({ "job_id": "j1" })).is_err());
    assert!(serde_json::from_value::<Job>(json!({ "status": "SUCCESS" })).is_err());
    for empty in [json!({}), json!(null)] {
        assert!(serde_json::from_value::<Flavors>(empty.clone()).is_err());
        assert!(serde_json::from_value::<Statistics>(empty.clone()).is_err());
        assert!(serde_json::from_value::<TaskPage>(empty.clone()).is_err());
        assert!(serde_json::from_value::<MaintenanceWindows>(empty.clone()).is_err());
        assert!(serde_json::from_value::<AvailabilityZones>(empty.clone()).is_err());
        assert!(serde_json::from_value::<Quotas>(empty).is_err());
    }
}

#[test]
fn times_of_jobs_and_tasks() {
    let job: Job = read(json!({
        "job_id": "ff80", "status": "FAIL", "begin_time": "1684191545379", "end_time": 1684191548248u64,
        "fail_reason": "no capacity",
    }));
    assert_eq!(job.status, JobStatus::Fail);
    assert_eq!(job.begin_time.map(time::format).as_deref(), Some("2023-05-15T22:59:05.379Z"));
    assert_eq!(job.end_time.map(time::format).as_deref(), Some("2023-05-15T22:59:08.248Z"));
    for count in [json!("1"), json!(1)] {
        let page: TaskPage = read(json!({
            "task_count": count,
            "tasks": [{
                "id": "8abf", "name": "EXTEND", "status": "EXECUTING", "error_code": {}, "job_id": "ff80",
                "details": { "old_capacity": "0.125", "new_capacity": 0.25, "rename_commands": null },
                "created_at": "2020-06-17T07:38:42.503Z", "updated_at": null,
            }],
        }));
        assert_eq!(page.task_count, 1);
        let details = page.tasks[0].details.as_ref().unwrap();
        assert_eq!(details.new_capacity.as_deref(), Some("0.25"));
        assert_eq!(
            (page.tasks[0].error_code.as_deref(), page.tasks[0].job_id.as_deref()),
            (None, Some("ff80"))
        );
    }
}

#[test]
fn flavors_decode() {
    let flavors: Flavors = read(json!({ "flavors": [{
        "spec_code": "redis.ha.xu1.large.r2.4", "cache_mode": "ha_rw_split", "engine": "redis",
        "engine_version": "4.0;5.0", "cpu_type": "aarch64", "capacity": ["0.125", 4, "8"], "replica_count": "2",
        "pricing_type": "tier", "billing_factor": "1.5", "inquery_spec_code": "x", "is_dec": "FALSE",
        "attrs": [{ "capacity": "4", "name": "sharding_num", "value": 3 }],
        "flavors_available_zones": [{ "capacity": "4", "unit": "GB", "az_codes": ["az1"], "available_zones": null }],
    }]}));
    let flavor = &flavors.flavors[0];
    assert_eq!(flavor.engine_versions().collect::<Vec<_>>(), ["4.0", "5.0"]);
    assert_eq!(flavor.capacity, [128, 4096, 8192].map(Capacity::from_mib));
    let four = Capacity::from_mib(4096);
    assert_eq!(flavor.attribute(four, "sharding_num"), Some("3"));
    assert_eq!(flavor.zones(four).collect::<Vec<_>>(), ["az1"]);
    assert_eq!(flavor.zones(Capacity::from_mib(8192)).count(), 0);
    assert_eq!((flavor.billing_factor, flavor.is_dec), (Some(1.5), Some(false)));
}

#[test]
fn quota_zones_windows_statistics_and_counts_decode() {
    let quotas: Quotas = read(json!({ "quotas": { "resources": [
        { "unit": {}, "min": 1, "max": 10, "quota": "10", "used": 3, "type": "instance" },
    ]}}));
    let quota = &quotas.quotas.resources[0];
    assert_eq!(
        (quota.kind.as_deref(), quota.unit.as_deref(), quota.quota),
        (Some("instance"), None, Some(10))
    );
    let zones: AvailabilityZones = read(json!({ "region_id": "r1", "available_zones": [
        { "code": "az1", "resource_availability": "true", "port": 8403 }, { "code": "az2", "resource_availability": "false" },
    ]}));
    assert_eq!(zones.region_id.as_deref(), Some("r1"));
    assert_eq!(
        zones.available_zones.iter().map(|zone| zone.resource_availability).collect::<Vec<_>>(),
        [Some(true), Some(false)]
    );
    let windows: MaintenanceWindows =
        read(json!({ "maintain_windows": [{ "seq": "1", "begin": "22", "end": "02", "default": "true" }] }));
    assert_eq!(windows.maintain_windows[0].default, Some(true));
    let statistics: Statistics = read(
        json!({ "statistics": [{ "instance_id": "i1", "input_kbps": "0.03", "keys": "7", "used_cpu": 0 }] }),
    );
    assert_eq!(statistics.statistics[0].input_kbps, Some(0.03));
    assert_eq!((statistics.statistics[0].keys, statistics.statistics[0].used_cpu), (Some(7), Some(0.0)));
    let counts: StatusCounts =
        read(json!({ "running_count": "16", "redis": { "running_count": 8 }, "memcached": null }));
    assert_eq!(
        (counts.total.running_count, counts.redis.and_then(|redis| redis.running_count)),
        (Some(16), Some(8))
    );
}
