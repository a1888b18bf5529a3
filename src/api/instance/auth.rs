//! How clients authenticate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::{
    rules::{self, Rule, validations},
    transform::described_by_field,
};

/// The rules for `auth`.
pub const RULES: &[Rule] = &[
    Rule {
        at: "",
        holds: "self.type != 'SecretRef' || has(self.secretRef)",
        message: "type SecretRef needs secretRef: set secretRef.name to the Secret that holds the password, or \
                  choose type Generated",
    },
    Rule {
        at: ".secretRef",
        holds: "self.type == 'SecretRef' || !has(self.secretRef)",
        message: "secretRef is for type SecretRef only: set type to SecretRef, or remove secretRef",
    },
];

/// How clients authenticate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = validations(RULES)))]
pub struct Auth {
    /// Generated: the operator generates a password and publishes it in the binding Secret. SecretRef: the password comes
    /// from a Secret of yours. None: no password; every client in the network can read and write.
    #[serde(rename = "type")]
    pub type_: AuthType,

    /// The password, for type SecretRef.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<PasswordSecretRef>,
}

/// Where the password comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = described_by_field)]
pub enum AuthType {
    /// The operator generates it.
    Generated,
    /// A Secret of the user holds it.
    SecretRef,
    /// No password.
    None,
}

/// A key of a Secret in the same namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PasswordSecretRef {
    /// Name of a Secret in the same namespace. A new instance gets this password; for an adopted instance the operator
    /// publishes it. When the content of the Secret changes later, the operator sets the new password in DCS.
    #[schemars(length(min = 1, max = 253), extend("x-kubernetes-validations" = validations(rules::OBJECT_NAME)))]
    pub name: String,

    /// Key that holds the password; "password" if absent. A password has 8 to 32 characters (64 on newer sites)
    /// of at least three of these: lower case, upper case, digits, `~!@#$%^&*()-_=+|{},<.>/?
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: Option<String>,
}
