//! Generates the CustomResourceDefinitions from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use super::{
    DcsBackup, DcsBackupSchedule, DcsInstance, DcsRestore, backup, backup_schedule, instance, restore,
    rules::Rule,
};

/// Every CustomResourceDefinition, ready to apply.
pub fn crds() -> Vec<CustomResourceDefinition> {
    vec![
        complete(DcsInstance::crd(), instance::rules::OBJECT),
        complete(DcsBackup::crd(), backup::rules::OBJECT),
        complete(DcsRestore::crd(), restore::rules::OBJECT),
        complete(DcsBackupSchedule::crd(), backup_schedule::rules::OBJECT),
    ]
}

/// Adds what the derive macro does not generate.
fn complete(mut crd: CustomResourceDefinition, rules: &[Rule]) -> CustomResourceDefinition {
    let schemas = crd.spec.versions.iter_mut().filter_map(|version| version.schema.as_mut());
    for root in schemas.filter_map(|validation| validation.open_api_v3_schema.as_mut()) {
        normalize(root);
        root.x_kubernetes_validations = Some(rules.iter().map(Into::into).collect());
        // kstatus reports an object without conditions as Current; generation -1 makes a new object InProgress.
        if let Some(status) = root.properties.as_mut().and_then(|properties| properties.get_mut("status")) {
            status.default = Some(JSON(serde_json::json!({ "observedGeneration": -1 })));
        }
    }
    crd
}

/// Normalizes a schema:
///
/// - Removes `nullable`: the API server would store `field: null`, which some rules treat as set and others as absent.
/// - Removes `default`: the API server would store it as if the user had set it. It comes from `#[serde(default)]`,
///   without which a field with `schema_with` is required even if it is an `Option`.
/// - Joins the lines of each paragraph of a description.
fn normalize(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.default = None;
    if let Some(text) = &mut schema.description {
        let paragraphs =
            text.split("\n\n").map(|lines| lines.split_whitespace().collect::<Vec<_>>().join(" "));
        *text = paragraphs.collect::<Vec<_>>().join("\n\n");
    }
    schema.properties.iter_mut().flat_map(|properties| properties.values_mut()).for_each(normalize);
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => normalize(items),
        Some(JSONSchemaPropsOrArray::Schemas(schemas)) => schemas.iter_mut().for_each(normalize),
        None => {}
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        normalize(values);
    }
}
