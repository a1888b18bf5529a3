//! The CustomResourceDefinition of an object, as a ground for destroying something: while it is being deleted, all its
//! objects are deleted with it; and the API server drops each field of a spec that it lacks.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};

/// What the definition in the API server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Definition {
    /// It stays, and has every field of the spec.
    Complete,
    /// It is being deleted.
    BeingDeleted,
    /// It lacks these fields of the spec.
    Lacks(Vec<String>),
}

// === impl Definition ===

impl Definition {
    /// What to do about a definition that lacks fields.
    pub(crate) fn outdated(fields: &[String]) -> String {
        format!(
            "the CustomResourceDefinition lacks {}, so the API server may have dropped a policy of this object: apply the \
             CustomResourceDefinitions of this version of the operator",
            fields.join(", ")
        )
    }

    /// Compares the definition in the API server with the one of this version.
    pub fn of(live: &CustomResourceDefinition, own: &CustomResourceDefinition) -> Self {
        if live.metadata.deletion_timestamp.is_some() {
            return Self::BeingDeleted;
        }
        let mut missing = Vec::new();
        for version in &own.spec.versions {
            let find = |crd: &CustomResourceDefinition| {
                let mut versions = crd.spec.versions.iter();
                let schema = versions.find(|found| found.name == version.name)?.schema.as_ref();
                schema?.open_api_v3_schema.as_ref()?.properties.as_ref()?.get("spec").cloned()
            };
            if let Some(own) = find(own) {
                compare("spec", &own, find(live).as_ref(), &mut missing);
            }
        }
        if missing.is_empty() { Self::Complete } else { Self::Lacks(missing) }
    }
}

fn compare(path: &str, own: &JSONSchemaProps, live: Option<&JSONSchemaProps>, missing: &mut Vec<String>) {
    let Some(live) = live else {
        missing.push(path.to_owned());
        return;
    };
    if live.x_kubernetes_preserve_unknown_fields == Some(true) {
        return;
    }
    for (name, own) in own.properties.iter().flatten() {
        let live = live.properties.as_ref().and_then(|properties| properties.get(name));
        compare(&format!("{path}.{name}"), own, live, missing);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(own)) = &own.items {
        let live = match &live.items {
            Some(JSONSchemaPropsOrArray::Schema(live)) => Some(live.as_ref()),
            Some(JSONSchemaPropsOrArray::Schemas(_)) | None => None,
        };
        compare(&format!("{path}[]"), own, live, missing);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(own)) = &own.additional_properties {
        match &live.additional_properties {
            Some(JSONSchemaPropsOrBool::Bool(true)) => {}
            Some(JSONSchemaPropsOrBool::Schema(live)) => {
                compare(&format!("{path}[]"), own, Some(live.as_ref()), missing);
            }
            Some(JSONSchemaPropsOrBool::Bool(false)) | None => missing.push(format!("{path}[]")),
        }
    }
}

#[cfg(test)]
mod tests {
    use kube::CustomResourceExt;

    use super::*;
    use crate::api::{DcsInstance, time};

    fn live(change: impl FnOnce(&mut JSONSchemaProps)) -> Definition {
        let own = DcsInstance::crd();
        let mut live = own.clone();
        let schema = live.spec.versions[0].schema.as_mut().unwrap().open_api_v3_schema.as_mut().unwrap();
        change(schema.properties.as_mut().unwrap().get_mut("spec").unwrap());
        Definition::of(&live, &own)
    }

    #[test]
    fn a_definition_needs_every_field_of_the_spec() {
        assert_eq!(live(|_| ()), Definition::Complete);
        let without = |field: &str| live(|spec| drop(spec.properties.as_mut().unwrap().remove(field)));
        assert_eq!(without("deletionPolicy"), Definition::Lacks(vec!["spec.deletionPolicy".to_owned()]));
        assert_eq!(without("adopt"), Definition::Lacks(vec!["spec.adopt".to_owned()]));
        let nested = live(|spec| {
            let adopt = spec.properties.as_mut().unwrap().get_mut("adopt").unwrap();
            adopt.properties.as_mut().unwrap().clear();
        });
        assert_eq!(nested, Definition::Lacks(vec!["spec.adopt.instanceId".to_owned()]));
        // It keeps what it does not know.
        let open = live(|spec| {
            spec.properties.as_mut().unwrap().clear();
            spec.x_kubernetes_preserve_unknown_fields = Some(true);
        });
        assert_eq!(open, Definition::Complete);
    }

    #[test]
    fn a_definition_that_is_being_deleted_counts_as_such() {
        let own = DcsInstance::crd();
        let mut live = own.clone();
        live.metadata.deletion_timestamp = Some(time::to_kube(chrono::DateTime::default()));
        live.spec.versions.clear();
        assert_eq!(Definition::of(&live, &own), Definition::BeingDeleted);
        live.metadata.deletion_timestamp = None;
        assert_eq!(Definition::of(&live, &own), Definition::Lacks(vec!["spec".to_owned()]));
    }
}
