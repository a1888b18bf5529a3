//! The least that can be wished for, and more.

use serde_json::{Value, json};

use crate::{api::instance::DcsInstanceSpec, plan::instance::Desired};

/// The least that is valid for a new instance, 4 GB of 6.0, with `more`; null takes something away.
pub(in crate::plan::instance) fn spec(more: Value) -> DcsInstanceSpec {
    let mut spec = json!({"engineVersion": "6.0", "capacity": "4Gi"});
    let fields = spec.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    fields.retain(|_, value| !value.is_null());
    serde_json::from_value(spec).unwrap()
}

/// The same, parsed.
pub(in crate::plan::instance) fn desired(more: Value) -> Desired {
    Desired::parse(&spec(more)).unwrap()
}
