//! Persistent names in Kubernetes: annotations, finalizers, field manager, Secrets.

/// Annotation by which a user approves a pending change: its value is the token from status.
pub const APPROVE_ANNOTATION: &str = "dcs.huaweicloud.com/approve";
/// Finalizer of a DcsInstance that may have an instance in the cloud.
pub const INSTANCE_FINALIZER: &str = "dcs.huaweicloud.com/instance";
/// Finalizer of a Secret that the operator needs until no object uses it.
pub const IN_USE_FINALIZER: &str = "dcs.huaweicloud.com/in-use";
/// Annotation of the record Secret: ID of the instance whose password it holds.
pub const INSTANCE_ID_ANNOTATION: &str = "dcs.huaweicloud.com/instance-id";
/// Field manager of status and Secrets.
pub const FIELD_MANAGER: &str = "dcs-operator";

/// Name of the binding Secret, for clients.
pub fn binding_secret_name(instance: &str) -> String {
    format!("{instance}-redis")
}

/// Name of the Secret that holds a password until the cloud has accepted it.
pub fn pending_auth_secret_name(instance: &str) -> String {
    format!("{instance}-pending-auth")
}

/// Name of the Secret that records the password of an instance.
pub fn auth_record_secret_name(instance: &str) -> String {
    format!("{instance}-auth")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        assert_eq!(APPROVE_ANNOTATION, "dcs.huaweicloud.com/approve");
        assert_eq!(INSTANCE_FINALIZER, "dcs.huaweicloud.com/instance");
        assert_eq!(IN_USE_FINALIZER, "dcs.huaweicloud.com/in-use");
        assert_eq!(FIELD_MANAGER, "dcs-operator");
        assert_eq!(binding_secret_name("sessions"), "sessions-redis");
        assert_eq!(INSTANCE_ID_ANNOTATION, "dcs.huaweicloud.com/instance-id");
        assert_eq!(auth_record_secret_name("sessions"), "sessions-auth");
        assert_eq!(pending_auth_secret_name("sessions"), "sessions-pending-auth");
    }
}
