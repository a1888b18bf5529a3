//! What the list and the detail both say about an instance, and what stays the same while nothing happens to it.

use super::{
    Capacity,
    instance::{InstanceDetail, InstanceSummary, Tag},
    words::{CpuType, InstanceStatus},
};

/// Declares the facts and how both forms of an instance give them.
macro_rules! facts {
    ($($(#[$meta:meta])* $field:ident: $type:ty,)*) => {
        /// What is known about an instance. Two that are equal say that nothing happened in between: figures that
        /// change by themselves (used memory, the time of the last update) are left out, and tags are in order.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct InstanceFacts {
            /// Its id.
            pub id: String,
            /// What it holds, small sizes included.
            pub capacity: Option<Capacity>,
            /// Its security group, if it has one.
            pub security_group_id: Option<String>,
            /// Its tags, by key.
            pub tags: Vec<Tag>,
            $($(#[$meta])* pub $field: $type,)*
        }

        impl From<&InstanceSummary> for InstanceFacts {
            fn from(seen: &InstanceSummary) -> Self {
                Self {
                    id: seen.instance_id.clone(),
                    capacity: seen.capacity(),
                    security_group_id: seen.security_group().map(str::to_owned),
                    tags: in_order(&seen.tags),
                    $($field: seen.$field.clone(),)*
                }
            }
        }

        impl From<&InstanceDetail> for InstanceFacts {
            fn from(seen: &InstanceDetail) -> Self {
                Self {
                    id: seen.instance_id.clone(),
                    capacity: seen.capacity(),
                    security_group_id: seen.security_group().map(str::to_owned),
                    tags: in_order(&seen.tags),
                    $($field: seen.$field.clone(),)*
                }
            }
        }
    };
}

facts! {
    /// Its name; need not be unique.
    name: Option<String>,
    /// What people wrote about it.
    description: Option<String>,
    /// What it is doing.
    status: Option<InstanceStatus>,
    /// More on what it is doing.
    sub_status: Option<String>,
    /// Such as `6.0`.
    engine_version: Option<String>,
    /// The flavor.
    spec_code: Option<String>,
    /// Processor architecture.
    cpu_type: Option<CpuType>,
    /// Its address, several separated by commas for a cluster.
    ip: Option<String>,
    /// Its port.
    port: Option<i64>,
    /// Its name in the private DNS.
    domain_name: Option<String>,
    /// The name for reading, where there is one.
    readonly_domain_name: Option<String>,
    /// Whether it can be used without a password.
    no_password_access: Option<bool>,
    /// VPC it is in.
    vpc_id: Option<String>,
    /// Subnet it is in.
    subnet_id: Option<String>,
    /// Beginning of the maintenance window, UTC, `HH:mm:ss`.
    maintain_begin: Option<String>,
    /// End of the maintenance window, UTC, `HH:mm:ss`.
    maintain_end: Option<String>,
    /// 0 when paid by the hour.
    charging_mode: Option<i64>,
    /// Enterprise project it belongs to.
    enterprise_project_id: Option<String>,
}

// === impl InstanceFacts ===

impl InstanceFacts {
    /// The value of a tag; a tag without value counts as empty.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags().find(|(own, _)| *own == key).map(|(_, value)| value)
    }

    /// Its tags, keys and values.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_deref().unwrap_or_default()))
    }
}

fn in_order(tags: &[Tag]) -> Vec<Tag> {
    let mut tags = tags.to_vec();
    tags.sort_by(|one, other| one.key.cmp(&other.key));
    tags
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn list_and_detail_say_the_same() {
        let seen = json!({
            "instance_id": "i", "name": "n", "status": "RUNNING", "capacity": 0, "capacity_minor": ".5",
            "security_group_id": "securityGroupId", "tags": [{"key": "b", "value": "2"}, {"key": "a"}],
            "no_password_access": "false", "used_memory": 7,
        });
        let summary: InstanceSummary = serde_json::from_value(seen.clone()).unwrap();
        let detail: InstanceDetail = serde_json::from_value(seen).unwrap();
        let facts = InstanceFacts::from(&summary);
        assert_eq!(facts, InstanceFacts::from(&detail));
        assert_eq!(facts.capacity, Some(Capacity::from_mib(512)));
        assert_eq!(facts.security_group_id, None);
        assert_eq!(facts.tags().collect::<Vec<_>>(), [("a", ""), ("b", "2")]);
    }

    #[test]
    fn used_memory_and_the_order_of_tags_are_no_news() {
        let facts = |used: i64, tags: serde_json::Value| {
            let seen = json!({"instance_id": "i", "used_memory": used, "updated_at": used.to_string(), "tags": tags});
            InstanceFacts::from(&serde_json::from_value::<InstanceSummary>(seen).unwrap())
        };
        let (a, b) = (json!({"key": "a", "value": "1"}), json!({"key": "b", "value": "2"}));
        assert_eq!(facts(1, json!([a, b])), facts(2, json!([b, a])));
        assert_ne!(facts(1, json!([a, b])), facts(1, json!([a])));
    }
}
