//! Test fixtures: a service with a manual clock.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::{instance::Instance, state::Service};
use crate::{
    dcs::operation,
    simulator::{
        Options,
        call::{Call, Reply},
    },
};

/// A fixed base time plus `seconds`.
pub(super) fn time(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + seconds, 0).unwrap()
}

/// A detached running instance.
pub(super) fn instance() -> Instance {
    let mut cloud = Cloud::default();
    cloud.running("redis.ha.xu1.large.r2.4", 4.0);
    cloud.service.instances().next().unwrap().clone()
}

/// A service and its clock.
#[derive(Debug, Clone)]
pub(super) struct Cloud {
    pub(super) service: Service,
    pub(super) now: DateTime<Utc>,
    created: u32,
}

/// A main site that still sells Redis 3.0.
impl Default for Cloud {
    fn default() -> Self {
        Self::new(Options { redis_3: true, ..Options::default() })
    }
}

impl Cloud {
    pub(super) fn new(options: Options) -> Self {
        Self { service: Service::new(options), now: time(0), created: 0 }
    }

    pub(super) fn wait(&mut self, seconds: i64) {
        self.now += TimeDelta::seconds(seconds);
        self.service.advance(self.now);
    }

    pub(super) fn call(
        &mut self,
        operation: &str,
        arguments: &[(&'static str, &str)],
        query: &[(&str, &str)],
        body: Value,
    ) -> Reply {
        let operation = operation::by_name(operation).expect(operation);
        let arguments = arguments.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.service.call(self.now, &Call { operation, arguments, query, body })
    }

    /// Makes a call for an instance that must succeed.
    pub(super) fn ok(&mut self, operation: &str, id: &str, body: Value) -> Reply {
        let reply = self.call(operation, &[("instance_id", id)], &[], body);
        assert!(reply.status < 300, "{operation}: {reply:?}");
        reply
    }

    pub(super) fn get(
        &mut self,
        operation: &str,
        arguments: &[(&'static str, &str)],
        query: &[(&str, &str)],
    ) -> Reply {
        self.call(operation, arguments, query, Value::Null)
    }

    pub(super) fn show(&mut self, id: &str) -> Value {
        self.get("ShowInstance", &[("instance_id", id)], &[]).body
    }

    /// A creation request; `more` overrides fields.
    pub(super) fn request(&mut self, spec_code: &str, capacity: f64, more: Value) -> Value {
        self.created += 1;
        let version = if spec_code.starts_with("dcs.") { "3.0" } else { "5.0" };
        let mut body = json!({
            "name": format!("test-{:04}", self.created),
            "engine": "Redis",
            "engine_version": version,
            "capacity": capacity,
            "spec_code": spec_code,
            "az_codes": ["sim-region-1a", "sim-region-1b"],
            "vpc_id": "vpc-1",
            "subnet_id": "subnet-1",
            "password": "Secret-123",
        });
        if version == "3.0" {
            body["security_group_id"] = json!("group-1");
        }
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    pub(super) fn try_create(&mut self, spec_code: &str, capacity: f64, more: Value) -> Reply {
        let body = self.request(spec_code, capacity, more);
        self.call("CreateInstance", &[], &[], body)
    }

    /// Creates an instance and returns the first id.
    pub(super) fn create(&mut self, spec_code: &str, capacity: f64, more: Value) -> String {
        let reply = self.try_create(spec_code, capacity, more);
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body["instances"][0]["instance_id"].as_str().unwrap().to_owned()
    }

    /// Creates an instance and waits until it runs.
    pub(super) fn running(&mut self, spec_code: &str, capacity: f64) -> String {
        let id = self.create(spec_code, capacity, json!({}));
        self.wait(100);
        id
    }
}
