//! Persistent names in Kubernetes: annotations, finalizers, field manager, Secrets.

/// Annotation by which a user approves a pending change: its value is the token from status.
pub const APPROVE_ANNOTATION: &str = "dcs.huaweicloud.com/approve";
/// Annotation by which a user asks for a retry of what was refused: each new value is one retry.
pub const RETRY_ANNOTATION: &str = "dcs.huaweicloud.com/retry";
/// Annotation by which a user asks for a new generated password, once for each value. The record notes the value that it
/// has served under the same key.
pub const ROTATE_PASSWORD_ANNOTATION: &str = "dcs.huaweicloud.com/rotate-password";
/// Label of the Secrets of a DcsInstance: the name of the object.
pub const INSTANCE_LABEL: &str = "dcs.huaweicloud.com/instance";
/// Annotation of the Secrets of a DcsInstance: the ID of the instance that they are about. A record without it is about
/// the instance that its object creates.
pub const INSTANCE_ID_ANNOTATION: &str = "dcs.huaweicloud.com/instance-id";
/// Annotation of a record: where its password comes from.
pub const PASSWORD_SOURCE_ANNOTATION: &str = "dcs.huaweicloud.com/password-source";
/// Annotation of a record with a pending password: a random name of it, and where it comes from.
pub const PENDING_PASSWORD_ANNOTATION: &str = "dcs.huaweicloud.com/pending-password";
/// Annotation of a binding Secret: uid and resourceVersion of the record that it was made from.
pub const RECORD_ANNOTATION: &str = "dcs.huaweicloud.com/record";
/// Annotation of a binding Secret: the address in it, as `host:port`, then the host for reads if there is one, then `open`
/// if clients need no password.
pub const ADDRESS_ANNOTATION: &str = "dcs.huaweicloud.com/address";
/// Finalizer of a DcsInstance that may have an instance in the cloud.
pub const INSTANCE_FINALIZER: &str = "dcs.huaweicloud.com/instance";
/// Finalizer of a DcsBackup that may have a backup in the cloud.
pub const BACKUP_FINALIZER: &str = "dcs.huaweicloud.com/backup";
/// Label of a DcsBackup that a DcsBackupSchedule has made: the name of that object.
pub const SCHEDULE_LABEL: &str = "dcs.huaweicloud.com/schedule";
/// Label of a DcsBackup that a DcsRestore has made: the name of that object.
pub const RESTORE_LABEL: &str = "dcs.huaweicloud.com/restore";
/// Finalizer of a DcsRestore. No version puts it on an object: nothing in the cloud belongs to one.
pub const RESTORE_FINALIZER: &str = "dcs.huaweicloud.com/restore";
/// Finalizer of a Secret that the operator needs until no object uses it.
pub const IN_USE_FINALIZER: &str = "dcs.huaweicloud.com/in-use";
/// Field manager of status and Secrets.
pub const FIELD_MANAGER: &str = "dcs-operator";

/// The keys of a binding Secret that notes this address.
pub fn binding_keys(address: &str) -> impl Iterator<Item = &'static str> {
    let last = address.split_once(' ').map_or("", |(_, last)| last);
    let open = last == "open" || last.ends_with(" open");
    let has_read_host = !last.is_empty() && last != "open";
    let optional = [(!open, "password"), (has_read_host, "read-host")];
    let optional = optional.into_iter().filter(|(present, _)| *present).map(|(_, key)| key);
    ["type", "provider", "host", "port", "uri"].into_iter().chain(optional)
}

/// Name of the binding Secret, for clients.
pub fn binding_secret_name(instance: &str) -> String {
    format!("{instance}-redis")
}

/// Name of the record of the password.
pub fn auth_secret_name(instance: &str) -> String {
    format!("{instance}-auth")
}

/// Name of the record of the password of an instance that the object has given up.
pub fn former_auth_secret_name(instance: &str, instance_id: &str) -> String {
    format!("{instance}-auth-{instance_id}")
}

/// Name of the Secret in which versions before the record kept a password until the cloud had accepted it.
pub fn pending_auth_secret_name(instance: &str) -> String {
    format!("{instance}-pending-auth")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        assert_eq!(APPROVE_ANNOTATION, "dcs.huaweicloud.com/approve");
        assert_eq!(RETRY_ANNOTATION, "dcs.huaweicloud.com/retry");
        assert_eq!(INSTANCE_FINALIZER, "dcs.huaweicloud.com/instance");
        assert_eq!(BACKUP_FINALIZER, "dcs.huaweicloud.com/backup");
        assert_eq!(RESTORE_FINALIZER, "dcs.huaweicloud.com/restore");
        assert_eq!(SCHEDULE_LABEL, "dcs.huaweicloud.com/schedule");
        assert_eq!(RESTORE_LABEL, "dcs.huaweicloud.com/restore");
        assert_eq!(IN_USE_FINALIZER, "dcs.huaweicloud.com/in-use");
        assert_eq!(FIELD_MANAGER, "dcs-operator");
        assert_eq!(ROTATE_PASSWORD_ANNOTATION, "dcs.huaweicloud.com/rotate-password");
        assert_eq!(INSTANCE_LABEL, "dcs.huaweicloud.com/instance");
        assert_eq!(INSTANCE_ID_ANNOTATION, "dcs.huaweicloud.com/instance-id");
        assert_eq!(PASSWORD_SOURCE_ANNOTATION, "dcs.huaweicloud.com/password-source");
        assert_eq!(PENDING_PASSWORD_ANNOTATION, "dcs.huaweicloud.com/pending-password");
        assert_eq!(RECORD_ANNOTATION, "dcs.huaweicloud.com/record");
        assert_eq!(ADDRESS_ANNOTATION, "dcs.huaweicloud.com/address");
        assert_eq!(auth_secret_name("sessions"), "sessions-auth");
        assert_eq!(former_auth_secret_name("sessions", "4a9c"), "sessions-auth-4a9c");
        assert_eq!(binding_secret_name("sessions"), "sessions-redis");
        assert_eq!(pending_auth_secret_name("sessions"), "sessions-pending-auth");
    }
}
