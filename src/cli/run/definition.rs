//! Whether the CustomResourceDefinition in the cluster is older than the operator: the API server then rejects what this
//! version writes.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion,
};
use serde_json::{Map, Value};

/// The longest list in a log line.
const MAX_SHOWN: usize = 10;

/// What the definition in the cluster lacks, by path; empty if it has all that `own` has.
pub(super) fn gaps(own: &CustomResourceDefinition, found: &CustomResourceDefinition) -> Vec<String> {
    let schemas = |definition: &CustomResourceDefinition| -> Map<String, Value> {
        let version = |version: &CustomResourceDefinitionVersion| -> Option<(String, Value)> {
            let schema = version.schema.as_ref()?.open_api_v3_schema.as_ref()?;
            Some((version.name.clone(), serde_json::to_value(schema).ok()?))
        };
        definition.spec.versions.iter().filter_map(version).collect()
    };
    let mut gaps = Vec::new();
    let found = schemas(found);
    for (version, schema) in &schemas(own) {
        match found.get(version) {
            Some(found) => compare("", schema, found, &mut gaps),
            None => gaps.push(format!("version {version}")),
        }
    }
    gaps
}

/// A few gaps, for a log line.
pub(super) fn shown(gaps: &[String]) -> String {
    let more = gaps.len().saturating_sub(MAX_SHOWN);
    let first = gaps.iter().take(MAX_SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{first} and {more} more") } else { first }
}

fn compare(path: &str, own: &Value, found: &Value, gaps: &mut Vec<String>) {
    let properties = |schema: &Value| schema.get("properties").and_then(Value::as_object).cloned();
    if let Some(own) = properties(own) {
        let found = properties(found).unwrap_or_default();
        for (name, schema) in &own {
            let path = format!("{path}.{name}");
            match found.get(name) {
                Some(found) => compare(&path, schema, found, gaps),
                None => gaps.push(path),
            }
        }
    }
    for (part, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let (Some(own), Some(found)) = (own.get(part), found.get(part)) {
            compare(&format!("{path}{suffix}"), own, found, gaps);
        }
    }
    if own.get("type") != found.get("type") || is_narrower(own, found) {
        gaps.push(format!("{path} (with the bounds of this version)"));
    }
}

/// Whether `found` refuses values that `own` allows.
fn is_narrower(own: &Value, found: &Value) -> bool {
    let number = |schema: &Value, bound: &str| schema.get(bound).and_then(Value::as_i64).unwrap_or(i64::MAX);
    let lower = ["maxLength", "maxItems", "maxProperties", "maximum"]
        .into_iter()
        .any(|bound| number(found, bound) < number(own, bound));
    let words = |schema: &Value| schema.get("enum").and_then(Value::as_array).cloned();
    let fewer = match (words(own), words(found)) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(own), Some(found)) => own.iter().any(|word| !found.contains(word)),
    };
    lower || fewer
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(status: Value) -> CustomResourceDefinition {
        serde_json::from_value(json!({
            "metadata": {"name": "examples.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced",
                "names": {"plural": "examples", "kind": "Example"},
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"status": status}}},
                }],
            },
        }))
        .unwrap()
    }

    #[test]
    fn an_older_definition_has_gaps() {
        let object = |properties: Value| json!({"type": "object", "properties": properties});
        let own = definition(object(json!({
            "id": {"type": "string", "maxLength": 64},
            "list": {"type": "array", "items": object(json!({"a": {"type": "string"}, "b": {"type": "string"}}))},
            "word": {"type": "string", "enum": ["One", "Two"]},
        })));
        assert_eq!(gaps(&own, &own), [""; 0]);
        let older = definition(object(json!({
            "id": {"type": "string", "maxLength": 36},
            "list": {"type": "array", "items": object(json!({"a": {"type": "string"}}))},
            "word": {"type": "string", "enum": ["One"]},
            "former": {"type": "string"},
        })));
        let bounds = "(with the bounds of this version)";
        let expected =
            [format!(".status.id {bounds}"), ".status.list[].b".to_owned(), format!(".status.word {bounds}")];
        assert_eq!(gaps(&own, &older), expected);
        assert_eq!(shown(&vec!["x".to_owned(); 12]), format!("{}x and 2 more", "x, ".repeat(9)));
    }

    #[test]
    fn the_own_definitions_have_no_gaps() {
        for own in crate::api::crds() {
            assert_eq!(gaps(&own, &own), [""; 0]);
        }
    }
}
