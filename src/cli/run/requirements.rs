//! Requirements for readiness, as `/readyz` shows them.

pub(super) const DEFINITION: &str = "CustomResourceDefinition dcsinstances.dcs.huaweicloud.com";
pub(super) const WATCHES: &str = "initial list of DcsInstances and Secrets";
