//! Site-specific formats, applied to a finished response.
//!
//! Every deviation is known from a real site. Formats that all sites share are in `render`: a capacity of 0 with
//! `capacity_minor`, `no_password_access` as text in the details, null for what an instance does not have.

use serde_json::{Map, Value, json};

use crate::{
    dcs::error,
    simulator::{Site, call::Reply},
};

/// Formats of a site.
#[derive(Debug, Default)]
struct Style {
    /// Numbers written as strings, also within lists.
    numbers_as_text: &'static [&'static str],
    /// Booleans written as `TRUE` and `FALSE`.
    booleans_as_upper_text: &'static [&'static str],
    /// Booleans written as `true` and `false` strings.
    booleans_as_text: &'static [&'static str],
    /// Null written as `{}`.
    null_as_object: &'static [&'static str],
    /// Replacement for a missing security group, known from sites with the first API version. The vendor's Terraform
    /// provider expects none: its plan right after a creation is empty.
    no_security_group: Option<&'static str>,
    /// Empty lists written as null.
    empty_is_null: bool,
    /// Renamed fields.
    renamed: &'static [(&'static str, &'static str)],
    /// Whether errors have the old format, with numeric codes where they exist.
    old_envelope: bool,
}

/// What older sites write for a missing security group.
const PLACEHOLDER: &str = "securityGroupId";

const MAIN: Style = Style {
    numbers_as_text: &[],
    booleans_as_upper_text: &[],
    booleans_as_text: &[],
    null_as_object: &[],
    no_security_group: None,
    empty_is_null: false,
    renamed: &[],
    old_envelope: false,
};

const fn style(site: Site) -> Style {
    match site {
        Site::Main => MAIN,
        Site::Newer => {
            Style { no_security_group: Some(""), booleans_as_text: &["no_password_access"], ..MAIN }
        }
        Site::Older => Style {
            empty_is_null: true,
            no_security_group: Some(PLACEHOLDER),
            // Spelling of the reference, which no SDK uses.
            renamed: &[("backend_addrs", "backend_addresses"), ("inquery_spec_code", "inquiry_spec_code")],
            old_envelope: true,
            ..MAIN
        },
        Site::Quirky => Style {
            numbers_as_text: &[
                "backup_at",
                "bandwidth",
                "capacity",
                "charging_mode",
                "instance_num",
                "keys",
                "max_memory",
                "new_port",
                "old_port",
                "port",
                "quota",
                "replica_count",
                "running_count",
                "save_days",
                "sharding_count",
                "size",
                "task_count",
                "total_num",
                "used_memory",
            ],
            booleans_as_upper_text: &[
                "default",
                "enable_ssl",
                "is_dec",
                "no_password_access",
                "service_upgrade",
                "support_ssl",
            ],
            booleans_as_text: &["transparent_client_ip_enable"],
            null_as_object: &[
                "access_user",
                "backup_remark",
                "capacity_minor",
                "description",
                "error_code",
                "fail_reason",
                "order_id",
                "period",
                "publicip_id",
                "readonly_domain_name",
                "remark",
                "restore_remark",
                "service_task_id",
                "task",
            ],
            no_security_group: Some(PLACEHOLDER),
            empty_is_null: true,
            old_envelope: true,
            ..MAIN
        },
    }
}

/// Applies the formats of a site.
pub(super) fn apply(site: Site, mut reply: Reply) -> Reply {
    let style = style(site);
    if reply.status >= 400 {
        if style.old_envelope {
            reply.body = old_envelope(&reply.body);
        }
    } else {
        style.rewrite(&mut reply.body);
    }
    reply
}

/// Converts an error to `{"error": {"code", "message"}}`; codes without a number keep the current format.
fn old_envelope(body: &Value) -> Value {
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let known = error::lookup(field("error_code"));
    match known.and_then(|code| code.names.get(1)) {
        Some(number) => json!({"error": {"code": number, "message": field("error_msg"), "ext_message": ""}}),
        None => body.clone(),
    }
}

// === impl Style ===

impl Style {
    fn rewrite(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (from, to) in self.renamed {
                    if let Some(value) = fields.remove(*from) {
                        fields.insert((*to).to_owned(), value);
                    }
                }
                fields.iter_mut().for_each(|(name, value)| self.rewrite_field(name, value));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.rewrite(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn rewrite_field(&self, name: &str, value: &mut Value) {
        self.rewrite(value);
        let is_group = matches!(name, "security_group_id" | "security_group_name");
        let replacement = match value {
            Value::Null if is_group => self.no_security_group.map(Value::from),
            Value::Null => self.null_as_object.contains(&name).then(|| Value::Object(Map::new())),
            Value::Bool(flag) if self.booleans_as_upper_text.contains(&name) => {
                Some(flag.to_string().to_uppercase().into())
            }
            Value::Bool(flag) if self.booleans_as_text.contains(&name) => Some(flag.to_string().into()),
            Value::String(text) if self.booleans_as_upper_text.contains(&name) => {
                Some(text.to_uppercase().into())
            }
            Value::Number(number) if self.numbers_as_text.contains(&name) => Some(number.to_string().into()),
            Value::Array(items) if items.is_empty() => self.empty_is_null.then_some(Value::Null),
            Value::Array(items) if self.numbers_as_text.contains(&name) => {
                items.iter_mut().for_each(|item| *item = item.to_string().trim_matches('"').into());
                None
            }
            Value::Bool(_) | Value::String(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        };
        if let Some(replacement) = replacement {
            *value = replacement;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dcs::model::{InstanceDetail, InstancePage},
        simulator::{Options, service::fixtures::Cloud},
    };

    #[test]
    fn the_client_reads_the_same_from_every_site() {
        let read = |site| {
            let mut cloud = Cloud::new(Options { site, ..Options::default() });
            let backup = json!({"backup_type": "auto", "save_days": 7, "periodical_backup_plan":
                {"backup_at": [1, 2], "period_type": "weekly", "begin_at": "00:00-01:00"}});
            let more = json!({"instance_backup_policy": backup,
                "maintain_begin": null, "maintain_end": null, "name": "same-name"});
            let id = cloud.create("redis.ha.xu1.tiny.r2.128", 0.125, more);
            cloud.wait(100);
            let mut detail: InstanceDetail = serde_json::from_value(cloud.show(&id)).unwrap();
            let page = cloud.get("ListInstances", &[], &[]).body;
            let mut page: InstancePage = serde_json::from_value(page).unwrap();
            // These fields differ between sites or are not read.
            let group =
                (detail.security_group().filter(|id| !id.is_empty()).map(str::to_owned), page.instance_num);
            for own in [
                &mut detail.summary.security_group_id,
                &mut detail.security_group_name,
                &mut detail.inquery_spec_code,
            ] {
                *own = None;
            }
            (detail.summary.maintain_begin, detail.summary.maintain_end) = (None, None);
            page.instances.iter_mut().for_each(|one| {
                (one.security_group_id, one.maintain_begin, one.maintain_end) = (None, None, None);
            });
            (detail, page, group)
        };
        let main = read(Site::Main);
        for site in Site::ALL {
            assert_eq!(read(site), main, "{site}");
        }
    }

    #[test]
    fn only_older_sites_have_a_placeholder_for_a_missing_security_group() {
        for (site, expected) in [
            (Site::Main, Value::Null),
            (Site::Newer, json!("")),
            (Site::Older, json!(PLACEHOLDER)),
            (Site::Quirky, json!(PLACEHOLDER)),
        ] {
            let mut cloud = Cloud::new(Options { site, ..Options::default() });
            let id = cloud.running("redis.ha.xu1.large.r2.4", 4.0);
            let (body, quota) = (cloud.show(&id), cloud.get("ShowQuotaOfTenant", &[], &[]).body);
            assert_eq!(
                (&body["security_group_id"], &body["security_group_name"]),
                (&expected, &expected),
                "{site}"
            );
            let listed = &cloud.get("ListInstances", &[], &[]).body["instances"][0];
            assert_eq!(listed["security_group_id"], expected, "{site}");
            let units: Vec<_> =
                quota["quotas"]["resources"].as_array().unwrap().iter().map(|row| &row["unit"]).collect();
            assert_eq!(units, [&Value::Null, &json!("GB")], "{site}");
        }
    }

    #[test]
    fn the_quirky_site_combines_all_deviations() {
        let mut cloud = Cloud::new(Options { site: Site::Quirky, ..Options::default() });
        let id = cloud.running("redis.ha.xu1.tiny.r2.128", 0.125);
        let body = cloud.show(&id);
        for (name, value) in [
            ("capacity", json!("0")),
            ("capacity_minor", json!(".125")),
            ("port", json!("6379")),
            ("description", json!({})),
            ("task", json!({})),
            ("no_password_access", json!("FALSE")),
            ("enable_ssl", json!("FALSE")),
            ("security_group_id", json!("securityGroupId")),
            ("tags", Value::Null),
            ("status", json!("RUNNING")),
        ] {
            assert_eq!(body[name], value, "{name}");
        }
        // Only strings are written as `{}`; this field is a number.
        assert_eq!(body["bandwidth_info"]["end_time"], Value::Null);
    }

    #[test]
    fn error_formats_per_site() {
        for (site, code, expected) in [
            (
                Site::Main,
                "ListInstances",
                json!({"error_code": "DCS.4800",
                "error_msg": "Invalid limit in the request.", "error_ext_msg": null}),
            ),
            (
                Site::Older,
                "ListInstances",
                json!({"error":
                {"code": "111400800", "message": "Invalid limit in the request.", "ext_message": ""}}),
            ),
        ] {
            let mut cloud = Cloud::new(Options { site, ..Options::default() });
            assert_eq!(cloud.get(code, &[], &[("limit", "0")]).body, expected, "{site}");
        }
        // A code without a numeric equivalent keeps the current format.
        let mut cloud = Cloud::new(Options { site: Site::Older, ..Options::default() });
        let body = cloud.try_create("redis.nothing", 4.0, json!({})).body;
        assert_eq!(body["error_code"], "DCS.4927");
    }
}
