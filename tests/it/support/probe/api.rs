//! The custom resource.

use std::collections::BTreeSet;

use dcs_operator::{
    api::{
        instance::{Holder, OperationStatus},
        time,
    },
    controller::{Link, ManagedResource, ObjectId, Relation},
    plan::{
        claims::{Claim, Urgency},
        operation::HasOperation,
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::{CustomResource, ResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tags an instance once.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "dcs.huaweicloud.com", version = "v1alpha1", kind = "Probe", namespaced)]
#[kube(status = "ProbeStatus", derive = "PartialEq")]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProbeSpec {
    /// The instance to tag.
    pub(crate) probed_instance_id: String,
    /// The value of the tag.
    pub(crate) value: String,
    /// The DcsInstance to wait for, if any.
    pub(crate) instance: Option<String>,
}

/// What became of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProbeStatus {
    /// The operation.
    pub(crate) operation: Option<OperationStatus>,
    /// Complete, or why not.
    #[serde(default)]
    pub(crate) conditions: Vec<Condition>,
}

impl HasOperation for ProbeStatus {
    fn operation(&self) -> Option<&OperationStatus> {
        self.operation.as_ref()
    }

    fn operation_mut(&mut self) -> Option<&mut OperationStatus> {
        self.operation.as_mut()
    }

    fn conditions(&self) -> &[Condition] {
        &self.conditions
    }
}

impl ManagedResource for Probe {
    type Status = ProbeStatus;

    const KIND: &'static str = "Probe";

    fn status(&self) -> Option<&ProbeStatus> {
        self.status.as_ref()
    }

    fn credentials_ref(&self) -> Option<&str> {
        None
    }

    fn from_metadata(metadata: ObjectMeta) -> Self {
        Self { metadata, spec: ProbeSpec::default(), status: None }
    }

    fn links(&self) -> BTreeSet<Link> {
        let namespace = self.namespace().unwrap_or_default();
        let instance = self.spec.instance.iter();
        instance
            .map(|name| Link::object(Relation::Instance, ObjectId::new("DcsInstance", &namespace, name)))
            .collect()
    }

    /// It needs the instance until it is complete.
    fn claim(&self) -> Option<Claim> {
        let is_complete = |condition: &Condition| {
            condition.status == "True" && condition.observed_generation == self.metadata.generation
        };
        let conditions = self.status.iter().flat_map(|status| &status.conditions);
        if self.spec.instance.is_none() || conditions.into_iter().any(is_complete) || self.is_deleting() {
            return None;
        }
        let holder = Holder {
            kind: Self::KIND.to_owned(),
            name: self.name_any(),
            uid: self.uid().unwrap_or_default(),
        };
        let since = self.creation_timestamp().map(|since| time::from_kube(&since)).unwrap_or_default();
        Some(Claim { holder, urgency: Urgency::Requested, since })
    }
}
