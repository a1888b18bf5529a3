//! CEL validation rules as data.
//!
//! The API server checks what is true on every site of the cloud and needs no request to DCS. The operator checks what
//! depends on the site, such as flavors and zones, because its message can name the valid values.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::ValidationRule;

/// One entry of `x-kubernetes-validations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The field that the API server reports, relative to the schema node of the rule; empty for that node.
    pub at: &'static str,
    /// The CEL expression that must be true.
    pub holds: &'static str,
    /// The message of a violation: what to write instead.
    pub message: &'static str,
}

/// An ID of a VPC, subnet, security group or instance.
pub const UUID: &[Rule] = &[Rule {
    at: "",
    holds: "self.matches('^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$')",
    message: "write the ID, not the name: 36 characters in lower case, such as \
              4a9c5f0e-1b2c-4d3e-8f90-0123456789ab",
}];

/// The name of an object of the same namespace.
pub const OBJECT_NAME: &[Rule] = &[Rule {
    at: "",
    holds: "self.matches('^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$')",
    message: "write the name of an object in the same namespace: lower case letters, digits, '-' and '.'",
}];

/// The rules as a value of `x-kubernetes-validations`.
pub(super) fn validations(rules: &[Rule]) -> serde_json::Value {
    rules.iter().map(|rule| serde_json::json!(ValidationRule::from(rule))).collect()
}

// === impl ValidationRule ===

impl From<&Rule> for ValidationRule {
    fn from(rule: &Rule) -> Self {
        Self {
            rule: rule.holds.to_owned(),
            message: Some(rule.message.to_owned()),
            field_path: (!rule.at.is_empty()).then(|| rule.at.to_owned()),
            ..Self::default()
        }
    }
}
