//! Specs for tests.

use serde_json::{Value, json};

use crate::{api::instance::DcsInstanceSpec, plan::instance::Desired};

/// A minimal valid spec of a new instance, extended by `more`; null removes a field.
pub(in crate::plan::instance) fn spec(more: Value) -> DcsInstanceSpec {
    let mut spec = json!({"engineVersion": "6.0", "capacity": "4Gi"});
    let fields = spec.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    fields.retain(|_, value| !value.is_null());
    serde_json::from_value(spec).unwrap()
}

/// The parsed spec of [`spec`].
pub(in crate::plan::instance) fn desired(more: Value) -> Desired {
    Desired::parse(&spec(more)).unwrap()
}
