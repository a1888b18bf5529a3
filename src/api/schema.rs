//! From the types to the CustomResourceDefinitions that are installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use super::{DcsInstance, instance, rules::Rule};

/// Every CustomResourceDefinition, ready to be applied.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![installable(DcsInstance::crd(), instance::rules::OBJECT)]
}

/// What the derive macro leaves to be done.
fn installable(mut crd: CustomResourceDefinition, rules: &[Rule]) -> CustomResourceDefinition {
    let schemas = crd.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut());
    for root in schemas.filter_map(|validation| validation.open_api_v3_schema.as_mut()) {
        tidy(root);
        root.x_kubernetes_validations = Some(rules.iter().map(Into::into).collect());
        // A new object never looks finished to kstatus, which takes one without conditions for current.
        if let Some(status) = root.properties.as_mut().and_then(|properties| properties.get_mut("status")) {
            status.default = Some(JSON(serde_json::json!({ "observedGeneration": -1 })));
        }
    }
    crd
}

/// - No `nullable`: `field: null` would be stored, and counts as set in some rules and as absent in others.
/// - No `default`: a persisted default becomes a declared wish. It comes from `#[serde(default)]`, without which a
///   field that has a schema of its own (`schema_with`) would be required, `Option` or not.
/// - One line per paragraph of a description.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.default = None;
    if let Some(text) = &mut schema.description {
        let paragraphs =
            text.split("\n\n").map(|lines| lines.split_whitespace().collect::<Vec<_>>().join(" "));
        *text = paragraphs.collect::<Vec<_>>().join("\n\n");
    }
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(tidy);
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => tidy(items),
        Some(JSONSchemaPropsOrArray::Schemas(schemas)) => schemas.iter_mut().for_each(tidy),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}
