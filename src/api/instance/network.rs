//! The network of an instance.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::rules::{self, Rule, validations};

/// The rules for `network`.
pub const RULES: &[Rule] = &[Rule {
    at: "",
    holds: "has(self.vpcId) == has(self.subnetId)",
    message: "a subnet belongs to one VPC: set vpcId and subnetId together, or neither to use the namespace's defaults",
}];

/// The rules for an address.
pub const ADDRESS: &[Rule] = &[Rule {
    at: "",
    holds: "isIP(self) && ip(self).family() == 4",
    message: "write a free IPv4 address of the subnet, such as 192.168.0.10",
}];

/// The network of the instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = validations(RULES)))]
pub struct Network {
    /// ID of the VPC. If absent, `vpcId` of the credentials Secret. Cannot change once the instance exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36), extend("x-kubernetes-validations" = validations(rules::UUID)))]
    pub vpc_id: Option<String>,

    /// Network ID of the subnet. If absent, `subnetId` of the credentials Secret. Cannot change once the instance
    /// exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36), extend("x-kubernetes-validations" = validations(rules::UUID)))]
    pub subnet_id: Option<String>,

    /// IPv4 address in the subnet; if absent, DCS chooses one. Cannot change once the instance exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 15), extend("x-kubernetes-validations" = validations(ADDRESS)))]
    pub private_ip: Option<String>,

    /// ID of the security group; needed for Redis 3.0, not offered for later versions. This version cannot change it on
    /// an existing instance (Stalled/UnsupportedChange).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36), extend("x-kubernetes-validations" = validations(rules::UUID)))]
    pub security_group_id: Option<String>,
}
