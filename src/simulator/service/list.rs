//! Instance reads: list, details and counts (API reference 4.1.2, 4.1.4, 4.2.4).

use serde_json::{Map, Value, json};

use super::{api_error::Result, instance::Instance, request::Query, state::Service};
use crate::{
    dcs::model::{Capacity, InstanceStatus},
    simulator::call::Reply,
};

/// Filter of a list request.
#[derive(Debug)]
struct Filter<'a> {
    id: Option<&'a str>,
    name: Option<(&'a str, bool)>,
    status: Option<InstanceStatus>,
    ip: Option<&'a str>,
    capacity: Option<Capacity>,
    tags: Vec<(&'a str, Option<&'a str>)>,
}

/// Counted statuses with the names of their counters.
const COUNTED: [(&str, InstanceStatus); 13] = [
    ("paying_count", InstanceStatus::Paying),
    ("freezing_count", InstanceStatus::Freezing),
    ("migrating_count", InstanceStatus::Migrating),
    ("flushing_count", InstanceStatus::Flushing),
    ("upgrading_count", InstanceStatus::Upgrading),
    ("restoring_count", InstanceStatus::Restoring),
    ("extending_count", InstanceStatus::Extending),
    ("creating_count", InstanceStatus::Creating),
    ("running_count", InstanceStatus::Running),
    ("error_count", InstanceStatus::Error),
    ("frozen_count", InstanceStatus::Frozen),
    ("createfailed_count", InstanceStatus::CreateFailed),
    ("restarting_count", InstanceStatus::Restarting),
];

// === impl Service ===

impl Service {
    /// API reference 4.1.2: one page, newest first, and the total. Failed creations are listed only by their status;
    /// `include_failure` counts them, and also lists them if so configured.
    pub(super) fn list(&mut self, query: Query<'_>) -> Result<Reply> {
        let (offset, limit) = query.page()?;
        let filter = Filter::new(query)?;
        let asked_for = filter.status == Some(InstanceStatus::CreateFailed);
        let include_failure = query.flag("include_failure");
        let list_failed = asked_for || (include_failure && self.options.list_failures);
        let is_failed = |instance: &&Instance| *instance.visible_status().0 == InstanceStatus::CreateFailed;
        let matching: Vec<_> = self.visible().filter(|instance| filter.matches(instance)).collect();
        let listed: Vec<_> = matching.iter().filter(|instance| list_failed || !is_failed(instance)).collect();
        let number = if include_failure { matching.len() } else { listed.len() };
        let page: Vec<_> = listed.into_iter().skip(offset).take(limit).collect();
        let ids: Vec<_> =
            page.iter().filter(|instance| instance.stale_reads > 0).map(|i| i.id.clone()).collect();
        let mut instances: Vec<_> = page.into_iter().map(|instance| self.summary(instance)).collect();
        if self.options.list_without_tags {
            instances.iter_mut().for_each(hide_tags);
        }
        ids.iter().for_each(|id| self.count_read(id));
        Ok(Reply::ok(json!({"instance_num": number, "instances": instances})))
    }

    /// API reference 4.1.4.
    pub(super) fn show(&mut self, id: &str) -> Result<Reply> {
        let reply = Reply::ok(self.detail(self.find(id)?));
        self.count_read(id);
        Ok(reply)
    }

    /// Reduces the number of reads that still show an old status.
    fn count_read(&mut self, id: &str) {
        self.store.update(id, |instance| instance.stale_reads = instance.stale_reads.saturating_sub(1));
    }

    /// API reference 4.2.4. The reference names the parameter `include_failures`, the SDK `include_failure`.
    pub(super) fn count(&self, query: Query<'_>) -> Reply {
        let failed = query.flag("include_failure") || query.flag("include_failures");
        let mut counts = Map::new();
        for (name, status) in &COUNTED {
            let hidden = *status == InstanceStatus::CreateFailed && !failed;
            let count =
                self.visible().filter(|instance| instance.visible_status().0 == status && !hidden).count();
            counts.insert((*name).to_owned(), json!(count));
        }
        let none: Map<_, _> = COUNTED.iter().map(|(name, _)| ((*name).to_owned(), json!(0))).collect();
        let redis = Value::Object(counts.clone());
        counts.extend([("redis".to_owned(), redis), ("memcached".to_owned(), Value::Object(none))]);
        Reply::ok(Value::Object(counts))
    }
}

fn hide_tags(summary: &mut Value) {
    if let Some(tags) = summary.get_mut("tags") {
        *tags = Value::Null;
    }
}

// === impl Filter ===

impl<'a> Filter<'a> {
    fn new(query: Query<'a>) -> Result<Self> {
        Ok(Self {
            id: query.nonempty("instance_id"),
            name: query.nonempty("name").map(|name| (name, query.flag("name_equal"))),
            status: query.nonempty("status").map(InstanceStatus::from),
            ip: query.nonempty("ip"),
            capacity: query.capacity()?,
            tags: query.nonempty("tags").map(tags).unwrap_or_default(),
        })
    }

    fn matches(&self, instance: &Instance) -> bool {
        let name =
            self.name.is_none_or(
                |(name, whole)| {
                    if whole { instance.name == name } else { instance.name.contains(name) }
                },
            );
        let has = |(key, value): &(&str, Option<&str>)| {
            let mut tags = instance.tags.iter().filter(|tag| tag.key == *key);
            tags.any(|tag| value.is_none_or(|value| tag.value.as_deref().unwrap_or_default() == value))
        };
        name && self.id.is_none_or(|id| instance.id == id)
            && self.status.as_ref().is_none_or(|status| instance.visible_status().0 == status)
            && self.ip.is_none_or(|ip| instance.addresses().iter().any(|own| own.to_string() == ip))
            && self.capacity.is_none_or(|capacity| instance.shape.capacity == capacity)
            && self.tags.iter().all(has)
    }
}

/// Parses comma-separated tags. The reference separates key and value with a space, the SDK with `=`.
fn tags(text: &str) -> Vec<(&str, Option<&str>)> {
    let pairs = text.split(',').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| match pair.split_once('=').or_else(|| pair.split_once(' ')) {
            Some((key, value)) => (key, Some(value)),
            None => (pair, None),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::{Options, Site, service::fixtures::Cloud};

    fn names(reply: &Reply) -> Vec<&str> {
        let instances = reply.body["instances"].as_array().unwrap();
        instances.iter().map(|instance| instance["name"].as_str().unwrap()).collect()
    }

    #[test]
    fn the_default_page_size_is_ten() {
        let mut cloud = Cloud::default();
        cloud.create("redis.single.xu1.large.1", 1.0, json!({"instance_num": 12, "name": "demo"}));
        let first = cloud.get("ListInstances", &[], &[]);
        assert_eq!((names(&first).len(), &first.body["instance_num"]), (10, &json!(12)));
        assert_eq!((names(&first)[0], names(&first)[9]), ("demo-011", "demo-002"));
        let rest = cloud.get("ListInstances", &[], &[("offset", "10")]);
        assert_eq!(names(&rest), ["demo-001", "demo-000"]);
        let beyond = cloud.get("ListInstances", &[], &[("offset", "12"), ("limit", "1000")]);
        assert_eq!((names(&beyond).len(), &beyond.body["instance_num"]), (0, &json!(12)));
        for (name, value) in [("limit", "0"), ("limit", "1001"), ("offset", "-1"), ("capacity", "big")] {
            let reply = cloud.get("ListInstances", &[], &[(name, value)]);
            assert_eq!(
                (reply.status, &reply.body["error_code"]),
                (400, &json!("DCS.4800")),
                "{name}={value}"
            );
        }
    }

    #[test]
    fn filters_are_applied() {
        let mut cloud = Cloud::default();
        let tags = json!([{"key": "team", "value": "shop"}, {"key": "empty"}]);
        let web = cloud.create("redis.single.xu1.large.1", 1.0, json!({"name": "shop-web", "tags": tags}));
        cloud.create("redis.ha.xu1.tiny.r2.512", 0.5, json!({"name": "shop-web-2"}));
        cloud.wait(100);
        cloud.create("redis.single.xu1.large.2", 2.0, json!({"name": "other"}));
        for (query, expected) in [
            (vec![("name", "shop")], vec!["shop-web-2", "shop-web"]),
            (vec![("name", "SHOP")], vec![]),
            (vec![("name", "shop-web"), ("name_equal", "true")], vec!["shop-web"]),
            (vec![("name", "shop-web"), ("name_equal", "false")], vec!["shop-web-2", "shop-web"]),
            (vec![("instance_id", web.as_str())], vec!["shop-web"]),
            (vec![("status", "CREATING")], vec!["other"]),
            (vec![("status", "creating")], vec!["other"]),
            (vec![("status", "WALKING")], vec![]),
            (vec![("ip", "10.0.0.2")], vec!["shop-web"]),
            (vec![("ip", "10.0.0.")], vec![]),
            (vec![("capacity", "0.5")], vec!["shop-web-2"]),
            (vec![("tags", "team=shop")], vec!["shop-web"]),
            (vec![("tags", "team shop,empty=")], vec!["shop-web"]),
            (vec![("tags", "team=other")], vec![]),
            (vec![("unknown", "x")], vec!["other", "shop-web-2", "shop-web"]),
        ] {
            let reply = cloud.get("ListInstances", &[], &query);
            assert_eq!(names(&reply), expected, "{query:?}");
            assert_eq!(reply.body["instance_num"], expected.len(), "{query:?}");
        }
    }

    #[test]
    fn failed_creations_are_listed_or_counted() {
        for list_failures in [false, true] {
            let mut cloud = Cloud::new(Options { list_failures, ..Options::default() });
            cloud.running("redis.single.xu1.large.1", 1.0);
            cloud.service.fail_next_creations(1);
            cloud.running("redis.single.xu1.large.1", 1.0);
            for (query, listed, number) in [
                (vec![], 1, 1),
                (vec![("include_failure", "false")], 1, 1),
                (vec![("include_failure", "true")], if list_failures { 2 } else { 1 }, 2),
                (vec![("status", "CREATEFAILED")], 1, 1),
                (vec![("status", "RUNNING")], 1, 1),
            ] {
                let reply = cloud.get("ListInstances", &[], &query);
                assert_eq!(
                    (names(&reply).len(), &reply.body["instance_num"]),
                    (listed, &json!(number)),
                    "{query:?}"
                );
            }
            for (name, failed) in [("other", 0), ("include_failure", 1), ("include_failures", 1)] {
                let body = cloud.get("ListNumberOfInstancesInDifferentStatus", &[], &[(name, "true")]).body;
                assert_eq!(
                    (&body["running_count"], &body["createfailed_count"]),
                    (&json!(1), &json!(failed))
                );
                assert_eq!(body["redis"]["createfailed_count"], failed);
                assert_eq!(body["memcached"]["running_count"], 0);
            }
        }
    }

    #[test]
    fn newer_sites_show_a_stale_status_once() {
        for (site, first) in [(Site::Main, "RUNNING"), (Site::Newer, "RUNNING")] {
            let mut cloud = Cloud::new(Options { site, ..Options::default() });
            let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
            cloud.ok("UpdateInstance", &id, json!({"port": 7000}));
            let lags = site == Site::Newer;
            let body = cloud.show(&id);
            assert_eq!((&body["status"], body["task"].is_null()), (&json!(first), lags), "{site}");
            assert_eq!(cloud.show(&id)["task"], "CONFIGURING", "{site}");
        }
    }
}
