//! The facts about an instance that the list and the detail share and that change only when something happens to it.
//!
//! They are what the operator believes of an answer: texts fit the fields of a status, and an address is one.

use super::{
    Capacity,
    address::{are_addresses, is_host, is_port},
    instance::{InstanceDetail, InstanceSummary, Tag},
    text,
    words::{CpuType, InstanceStatus},
};

/// The longest key and value of a tag of any site.
const MAX_TAG: (usize, usize) = (128, 255);

/// Declares the facts, and how each follows from the field of the same name in an answer.
macro_rules! facts {
    ($($(#[$meta:meta])* $field:ident: $type:ty = $check:expr,)*) => {
        /// A snapshot of an instance. Equal snapshots mean that nothing happened in between: figures that change
        /// constantly (used memory, time of the last update) are left out, and tags are sorted.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct InstanceFacts {
            /// Id.
            pub id: String,
            /// Capacity, also below 1 GB.
            pub capacity: Option<Capacity>,
            /// Security group id, without the placeholder.
            pub security_group_id: Option<String>,
            /// Tags, sorted by key.
            pub tags: Vec<Tag>,
            /// Fields of the address that the answer has and that cannot be used, with the reason.
            pub unusable: Vec<&'static str>,
            $($(#[$meta])* pub $field: $type,)*
        }

        impl From<InstanceSummary> for InstanceFacts {
            fn from(summary: InstanceSummary) -> Self {
                Self {
                    capacity: summary.capacity(),
                    security_group_id: summary.security_group().map(|id| text::bounded(id, 64)),
                    unusable: unusable(&summary),
                    id: summary.instance_id,
                    tags: sorted(summary.tags),
                    $($field: $check(summary.$field),)*
                }
            }
        }
    };
}

facts! {
    /// Name; not unique.
    name: Option<String> = at_most(64),
    /// Description by the user.
    description: Option<String> = at_most(1024),
    /// Lifecycle status.
    status: Option<InstanceStatus> = as_it_is,
    /// Detail of the status.
    sub_status: Option<String> = at_most(64),
    /// Such as `6.0`.
    engine_version: Option<String> = at_most(63),
    /// Flavor code.
    spec_code: Option<String> = at_most(128),
    /// Processor architecture.
    cpu_type: Option<CpuType> = as_it_is,
    /// IP address; several, separated by commas, for a cluster.
    ip: Option<String> = addresses,
    /// Port.
    port: Option<i64> = port,
    /// Name in the private DNS.
    domain_name: Option<String> = host,
    /// Name of the read-only endpoint.
    readonly_domain_name: Option<String> = host,
    /// Whether clients need no password.
    no_password_access: Option<bool> = as_it_is,
    /// VPC id.
    vpc_id: Option<String> = at_most(64),
    /// Subnet id.
    subnet_id: Option<String> = at_most(64),
    /// Beginning of the maintenance window, UTC, `HH:mm:ss`.
    maintain_begin: Option<String> = at_most(16),
    /// End of the maintenance window, UTC, `HH:mm:ss`.
    maintain_end: Option<String> = at_most(16),
    /// 0 for pay-per-use.
    charging_mode: Option<i64> = as_it_is,
    /// Enterprise project id.
    enterprise_project_id: Option<String> = at_most(64),
}

// === impl InstanceFacts ===

impl From<&InstanceDetail> for InstanceFacts {
    fn from(detail: &InstanceDetail) -> Self {
        Self::from(detail.summary.clone())
    }
}

impl InstanceFacts {
    /// The value of a tag; empty for a tag without value.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags().find(|(own, _)| *own == key).map(|(_, value)| value)
    }

    /// Whether the description is `text`, as answers show it.
    pub fn is_described_as(&self, text: &str) -> bool {
        self.description.as_deref().unwrap_or_default() == text::bounded(text, 1024)
    }

    /// Tags, keys and values.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_deref().unwrap_or_default()))
    }
}

fn as_it_is<T>(value: T) -> T {
    value
}

fn at_most(longest: usize) -> impl Fn(Option<String>) -> Option<String> {
    move |text| text.map(|text| text::bound(text, longest))
}

fn host(name: Option<String>) -> Option<String> {
    name.filter(|name| is_host(name))
}

fn addresses(ips: Option<String>) -> Option<String> {
    ips.filter(|ips| are_addresses(ips))
}

fn port(port: Option<i64>) -> Option<i64> {
    port.filter(|port| is_port(*port))
}

fn unusable(summary: &InstanceSummary) -> Vec<&'static str> {
    let InstanceSummary { domain_name, readonly_domain_name, ip, port, .. } = summary;
    let wrong = [
        (domain_name.as_deref().is_some_and(|name| !is_host(name)), "domain_name is no host name"),
        (
            readonly_domain_name.as_deref().is_some_and(|name| !is_host(name)),
            "readonly_domain_name is no host name",
        ),
        (ip.as_deref().is_some_and(|ips| !are_addresses(ips)), "ip is no IP address"),
        (port.is_some_and(|port| !is_port(port)), "port is not from 1 to 65535"),
    ];
    wrong.into_iter().filter(|(wrong, _)| *wrong).map(|(_, reason)| reason).collect()
}

fn sorted(tags: Vec<Tag>) -> Vec<Tag> {
    let tag = |Tag { key, value }| Tag {
        key: text::bound(key, MAX_TAG.0),
        value: value.map(|value| text::bound(value, MAX_TAG.1)),
    };
    let mut tags: Vec<_> = tags.into_iter().map(tag).collect();
    tags.sort_by(|one, other| one.key.cmp(&other.key));
    tags
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn list_and_detail_give_equal_facts() {
        let seen = json!({
            "instance_id": "i", "name": "n", "status": "RUNNING", "capacity": 0, "capacity_minor": ".5",
            "security_group_id": "securityGroupId", "tags": [{"key": "b", "value": "2"}, {"key": "a"}],
            "no_password_access": "false", "used_memory": 7,
        });
        let summary: InstanceSummary = serde_json::from_value(seen.clone()).unwrap();
        let detail: InstanceDetail = serde_json::from_value(seen).unwrap();
        let facts = InstanceFacts::from(summary);
        assert_eq!(facts, InstanceFacts::from(&detail));
        assert_eq!(facts.capacity, Some(Capacity::from_mib(512)));
        assert_eq!(facts.security_group_id, None);
        assert_eq!(facts.tags().collect::<Vec<_>>(), [("a", ""), ("b", "2")]);
    }

    #[test]
    fn only_addresses_pass() {
        let facts = |fields: serde_json::Value| {
            let mut seen =
                json!({"instance_id": "i", "domain_name": "redis.example", "ip": "10.0.0.2", "port": 6379});
            seen.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            InstanceFacts::from(serde_json::from_value::<InstanceSummary>(seen).unwrap())
        };
        assert_eq!(facts(json!({})).unusable, Vec::<&str>::new());
        assert_eq!(facts(json!({"domain_name": "", "port": null, "ip": {}})).unusable, Vec::<&str>::new());
        for name in ["a\nPASSWORD=x", "a b", "a@b", "a/b", "a:1", "-"] {
            let facts = facts(json!({"domain_name": name, "readonly_domain_name": name, "ip": name}));
            assert_eq!(
                (&facts.domain_name, &facts.readonly_domain_name, &facts.ip),
                (&None, &None, &None),
                "{name}"
            );
            assert_eq!(facts.unusable.len(), 3, "{name}");
        }
        for port in [-1, 0, 70_000] {
            let facts = facts(json!({"port": port}));
            assert_eq!((facts.port, facts.unusable), (None, vec!["port is not from 1 to 65535"]), "{port}");
        }
    }

    #[test]
    fn a_description_of_several_lines_is_recognised() {
        let facts = |text: &str| {
            let seen = json!({"instance_id": "i", "description": text});
            InstanceFacts::from(serde_json::from_value::<InstanceSummary>(seen).unwrap())
        };
        let long = "é\n".repeat(512);
        for text in ["two\nlines", long.as_str(), ""] {
            assert!(facts(text).is_described_as(text), "{text:?}");
        }
        assert!(!facts("two\nlines").is_described_as("two"));
    }

    #[test]
    fn used_memory_and_the_order_of_tags_are_no_change() {
        let facts = |used: i64, tags: serde_json::Value| {
            let seen = json!({"instance_id": "i", "used_memory": used, "updated_at": used.to_string(), "tags": tags});
            InstanceFacts::from(serde_json::from_value::<InstanceSummary>(seen).unwrap())
        };
        let (a, b) = (json!({"key": "a", "value": "1"}), json!({"key": "b", "value": "2"}));
        assert_eq!(facts(1, json!([a, b])), facts(2, json!([b, a])));
        assert_ne!(facts(1, json!([a, b])), facts(1, json!([a])));
    }
}
