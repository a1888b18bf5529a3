//! One page per kind, from its CustomResourceDefinition.

use std::fmt::Write;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool, ValidationRule,
};

use super::{GENERATED, Page, cell, head, row};
use crate::api;

/// A field of a kind.
struct Field<'a> {
    /// From the object's root, such as `spec.network.vpcId`.
    path: String,
    schema: &'a JSONSchemaProps,
    required: bool,
}

/// One page per kind.
pub(super) fn pages() -> Vec<Page> {
    api::crds().iter().map(page).collect()
}

fn page(crd: &CustomResourceDefinition) -> Page {
    let names = &crd.spec.names;
    let mut text = format!("{GENERATED}# {}\n\n", names.kind);
    for version in &crd.spec.versions {
        let schema = version.schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
        let Some(root) = schema else { continue };
        let _ = writeln!(text, "{}\n", root.description.as_deref().unwrap_or_default());
        text += &identity(crd, &version.name);
        for (part, title) in [("spec", "Spec"), ("status", "Status")] {
            let Some(schema) = root.properties.as_ref().and_then(|properties| properties.get(part)) else {
                continue;
            };
            let description = schema.description.as_deref().unwrap_or_default();
            let default = schema.default.as_ref().map(|value| format!("Default: `{}`.\n\n", value.0));
            let _ = write!(
                text,
                "\n## {title}\n\n{description}\n\n{}{}",
                default.unwrap_or_default(),
                table(part, schema)
            );
        }
        text += &rules(root);
        text += &columns(crd, &version.name);
    }
    Page { file: format!("reference/{}.md", names.kind.to_lowercase()), content: text }
}

/// Names and scope.
fn identity(crd: &CustomResourceDefinition, version: &str) -> String {
    let names = &crd.spec.names;
    let list = |words: &Option<Vec<String>>| words.clone().unwrap_or_default().join(", ");
    let rows = [
        ("API version", format!("`{}/{version}`", crd.spec.group)),
        ("Scope", crd.spec.scope.clone()),
        ("Plural", names.plural.clone()),
        ("Short names", list(&names.short_names)),
        ("Categories", list(&names.categories)),
    ];
    let rows = rows.into_iter().map(|(name, value)| row([name.to_owned(), value]));
    format!("| | |\n|---|---|\n{}", rows.collect::<String>())
}

fn table(part: &str, schema: &JSONSchemaProps) -> String {
    let mut fields = Vec::new();
    collect(part, schema, &mut fields);
    let rows = fields.iter().map(|field| {
        let default = field.schema.default.as_ref().map(|value| format!("`{}`", value.0));
        row([
            format!("`{}`", field.path),
            cell(&type_of(field.schema)),
            if field.required { "yes" } else { "no" }.to_owned(),
            default.unwrap_or_else(|| "none".to_owned()),
            cell(&description(field.schema)),
        ])
    });
    let rows: String = rows.collect();
    head(["Field", "Type", "Required", "Default", "Description"]) + &rows
}

/// Every field below `schema`, each before its own fields.
fn collect<'a>(path: &str, schema: &'a JSONSchemaProps, fields: &mut Vec<Field<'a>>) {
    for (name, property) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        let required = schema.required.iter().flatten().any(|required| required == name);
        fields.push(Field { path: path.clone(), schema: property, required });
        collect(&path, property, fields);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        collect(&format!("{path}[]"), items, fields);
    }
}

/// Type and limits, such as `string, at most 36 characters`.
fn type_of(schema: &JSONSchemaProps) -> String {
    let mut text = schema.type_.clone().unwrap_or_default();
    if let Some(format) = schema.format.as_ref().filter(|format| *format == "date-time") {
        let _ = write!(text, " ({format})");
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        let _ = write!(text, " of {}", type_of(items));
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &schema.additional_properties {
        let _ = write!(text, " of string to {}", type_of(values));
    }
    let number = |value: f64| format!("{value}");
    let limits = [
        range(
            schema.min_length.map(|n| n.to_string()),
            schema.max_length.map(|n| n.to_string()),
            " characters",
        ),
        range(schema.min_items.map(|n| n.to_string()), schema.max_items.map(|n| n.to_string()), " items"),
        range(None, schema.max_properties.map(|n| n.to_string()), " entries"),
        range(schema.minimum.map(number), schema.maximum.map(number), ""),
        schema.pattern.as_ref().map(|pattern| format!("pattern {pattern}")),
    ];
    for limit in limits.into_iter().flatten() {
        let _ = write!(text, ", {limit}");
    }
    text
}

fn range(first: Option<String>, last: Option<String>, what: &str) -> Option<String> {
    match (first, last) {
        (None, None) => None,
        (Some(first), None) => Some(format!("at least {first}{what}")),
        (None, Some(last)) => Some(format!("at most {last}{what}")),
        (Some(first), Some(last)) => Some(format!("{first} to {last}{what}")),
    }
}

fn description(schema: &JSONSchemaProps) -> String {
    let text = schema.description.clone().unwrap_or_default().replace("\n\n", " ");
    let words: Vec<_> = schema.enum_.iter().flatten().filter_map(|value| value.0.as_str()).collect();
    if words.is_empty() { text } else { format!("{text} One of: {}.", words.join(", ")) }
}

/// The rules that the API server checks, each with the field that it reports.
fn rules(root: &JSONSchemaProps) -> String {
    let mut rows = String::new();
    rules_of("", root, &mut rows);
    let intro = "The API server checks these rules when an object is written.";
    format!("\n## Validation rules\n\n{intro}\n\n{}{rows}", head(["Field", "Message"]))
}

fn rules_of(path: &str, schema: &JSONSchemaProps, rows: &mut String) {
    let own = schema.x_kubernetes_validations.iter().flatten();
    for ValidationRule { field_path, message, .. } in own {
        let field = format!("{path}{}", field_path.as_deref().unwrap_or_default());
        let field = field.trim_start_matches('.');
        let field = if field.is_empty() { "the object".to_owned() } else { format!("`{field}`") };
        *rows += &row([field, cell(message.as_deref().unwrap_or_default())]);
    }
    for (name, property) in schema.properties.iter().flatten() {
        rules_of(&format!("{path}.{name}"), property, rows);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items {
        rules_of(&format!("{path}[]"), items, rows);
    }
}

/// The columns of `kubectl get`.
fn columns(crd: &CustomResourceDefinition, version: &str) -> String {
    let version = crd.spec.versions.iter().find(|found| found.name == version);
    let columns = version.and_then(|version| version.additional_printer_columns.as_ref());
    let rows = columns.into_iter().flatten().map(|column| {
        let shown = if column.priority.unwrap_or(0) > 0 { "with `-o wide`" } else { "always" };
        row([
            column.name.clone(),
            shown.to_owned(),
            format!("`{}`", column.json_path),
            column.description.clone().unwrap_or_default(),
        ])
    });
    let head = head(["Column", "Shown", "Path", "Description"]);
    format!("\n## Columns of `kubectl get`\n\n{head}{}", rows.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_and_rule_is_on_the_page() {
        let crds = api::crds();
        let pages = pages();
        assert_eq!(pages.len(), crds.len());
        let page = &pages[0].content;
        for text in [
            "| `spec.engineVersion` | string, at most 8 characters | no | none |",
            "| `spec.auth.type` | string | yes | none |",
            "One of: Generated, SecretRef, None.",
            "| `spec.tags` | object of string to string, at most 43 characters, at most 16 entries | no |",
            "| `spec.replicas` | integer, 1 to 10 | no |",
            "| `status.conditions[].reason` | string, 1 to 1024 characters | yes |",
            "| `spec.network.vpcId` | write the ID",
            "| the object | metadata.name is part",
            "Default: `{\"observedGeneration\":-1}`.",
            "| Synced | with `-o wide` |",
        ] {
            assert!(page.contains(text), "{text} is not in\n{page}");
        }
    }
}
