//! Requirements for readiness, as `/readyz` shows them.

pub(super) const DEFINITION: &str = "CustomResourceDefinition dcsinstances.dcs.huaweicloud.com";
/// Met until the API server refuses a status.
pub(super) const STATUS_WRITES: &str =
    "statuses that the API server accepts; apply the CustomResourceDefinitions of this version";
pub(super) const WATCHES: &str = "initial list of DcsInstances and Secrets";
