//! What the kinds that do one job share: the reference to their instance, their end, and their account.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    operation::CloudAccount,
    rules::{self, validations},
};

/// A DcsInstance of the same namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceRef {
    /// Name of the DcsInstance.
    #[schemars(length(min = 1, max = 253), extend("x-kubernetes-validations" = validations(rules::OBJECT_NAME)))]
    pub name: String,
}

/// The account of the job, and the Secret with its credentials: the DcsInstance that they came from may be gone when they are
/// needed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobAccount {
    /// Region, project and endpoint.
    #[serde(flatten)]
    pub account: CloudAccount,
    /// Name of the Secret with the credentials; absent with the operator's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub credentials: Option<String>,
}

/// A step that waits for approval by the annotation dcs.huaweicloud.com/approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingApproval {
    /// The value of the annotation that approves the step of this object, and no other one.
    #[schemars(length(max = 63))]
    pub token: String,
    /// What the step does.
    #[schemars(length(max = 1024))]
    pub reason: String,
    /// Makes the token one that cannot be known before.
    #[schemars(length(max = 63))]
    pub nonce: String,
}
