//! The facts about an instance that the list and the detail share and that change only when something happens to it.

use super::{
    Capacity,
    instance::{InstanceDetail, InstanceSummary, Tag},
    words::{CpuType, InstanceStatus},
};

/// Declares the facts that are copied as they are.
macro_rules! facts {
    ($($(#[$meta:meta])* $field:ident: $type:ty,)*) => {
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
            $($(#[$meta])* pub $field: $type,)*
        }

        impl From<&InstanceSummary> for InstanceFacts {
            fn from(summary: &InstanceSummary) -> Self {
                Self {
                    id: summary.instance_id.clone(),
                    capacity: summary.capacity(),
                    security_group_id: summary.security_group().map(str::to_owned),
                    tags: sorted(&summary.tags),
                    $($field: summary.$field.clone(),)*
                }
            }
        }
    };
}

facts! {
    /// Name; not unique.
    name: Option<String>,
    /// Description by the user.
    description: Option<String>,
    /// Lifecycle status.
    status: Option<InstanceStatus>,
    /// Detail of the status.
    sub_status: Option<String>,
    /// Such as `6.0`.
    engine_version: Option<String>,
    /// Flavor code.
    spec_code: Option<String>,
    /// Processor architecture.
    cpu_type: Option<CpuType>,
    /// IP address; several, separated by commas, for a cluster.
    ip: Option<String>,
    /// Port.
    port: Option<i64>,
    /// Name in the private DNS.
    domain_name: Option<String>,
    /// Name of the read-only endpoint.
    readonly_domain_name: Option<String>,
    /// Whether clients need no password.
    no_password_access: Option<bool>,
    /// VPC id.
    vpc_id: Option<String>,
    /// Subnet id.
    subnet_id: Option<String>,
    /// Beginning of the maintenance window, UTC, `HH:mm:ss`.
    maintain_begin: Option<String>,
    /// End of the maintenance window, UTC, `HH:mm:ss`.
    maintain_end: Option<String>,
    /// 0 for pay-per-use.
    charging_mode: Option<i64>,
    /// Enterprise project id.
    enterprise_project_id: Option<String>,
}

// === impl InstanceFacts ===

impl From<&InstanceDetail> for InstanceFacts {
    fn from(detail: &InstanceDetail) -> Self {
        Self::from(&detail.summary)
    }
}

impl InstanceFacts {
    /// The value of a tag; empty for a tag without value.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags().find(|(own, _)| *own == key).map(|(_, value)| value)
    }

    /// Tags, keys and values.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tags.iter().map(|tag| (tag.key.as_str(), tag.value.as_deref().unwrap_or_default()))
    }
}

fn sorted(tags: &[Tag]) -> Vec<Tag> {
    let mut tags = tags.to_vec();
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
        let facts = InstanceFacts::from(&summary);
        assert_eq!(facts, InstanceFacts::from(&detail));
        assert_eq!(facts.capacity, Some(Capacity::from_mib(512)));
        assert_eq!(facts.security_group_id, None);
        assert_eq!(facts.tags().collect::<Vec<_>>(), [("a", ""), ("b", "2")]);
    }

    #[test]
    fn used_memory_and_the_order_of_tags_are_no_change() {
        let facts = |used: i64, tags: serde_json::Value| {
            let seen = json!({"instance_id": "i", "used_memory": used, "updated_at": used.to_string(), "tags": tags});
            InstanceFacts::from(&serde_json::from_value::<InstanceSummary>(seen).unwrap())
        };
        let (a, b) = (json!({"key": "a", "value": "1"}), json!({"key": "b", "value": "2"}));
        assert_eq!(facts(1, json!([a, b])), facts(2, json!([b, a])));
        assert_ne!(facts(1, json!([a, b])), facts(1, json!([a])));
    }
}
