//! Names in Kubernetes that stay in objects: annotations, finalizers, field manager, Secrets.

/// On an object whose status asks for consent: the token that gives it.
pub const APPROVE_ANNOTATION: &str = "dcs.huaweicloud.com/approve";
/// On a DcsInstance: there may be something in the cloud to be seen to before it goes.
pub const INSTANCE_FINALIZER: &str = "dcs.huaweicloud.com/instance";
/// On a Secret that the operator needs until its last user is gone.
pub const IN_USE_FINALIZER: &str = "dcs.huaweicloud.com/in-use";
/// Who applied a status or a Secret.
pub const FIELD_MANAGER: &str = "dcs-operator";

/// The Secret with what clients need.
pub fn binding_secret_name(instance: &str) -> String {
    format!("{instance}-redis")
}

/// The Secret that holds a password until the cloud has accepted it.
pub fn pending_auth_secret_name(instance: &str) -> String {
    format!("{instance}-pending-auth")
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
        assert_eq!(pending_auth_secret_name("sessions"), "sessions-pending-auth");
    }
}
