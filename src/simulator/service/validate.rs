//! Validation of the documented constraints, with their documented codes.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::{
    api_error::{ApiError, Result},
    catalogue::{self, Flavor, Size},
    password,
    request::{self, Body},
};
use crate::{
    dcs::model::{BackupPlan, BackupPolicy, BackupType, CacheMode, Tag},
    simulator::options::SiteRules,
};

/// Commands that can be renamed.
const RENAMABLE: [&str; 9] =
    ["command", "keys", "flushdb", "flushall", "scan", "hscan", "sscan", "zscan", "hgetall"];
/// Maximum length of a name.
pub(super) const MAX_NAME: usize = 64;
/// Maximum number of tags of an instance.
pub(super) const MAX_TAGS: usize = 20;

/// A flavor by its name: `DCS.4927`.
pub(super) fn flavor(body: Body<'_>) -> Result<&'static Flavor> {
    body.nonempty("spec_code")?.and_then(catalogue::find).ok_or_else(|| ApiError::new("DCS.4927"))
}

/// The size of `flavor` with the capacity in `field`: `DCS.4012`.
pub(super) fn size<'a>(body: Body<'_>, field: &str, flavor: &'a Flavor) -> Result<&'a Size> {
    let size = body.value(field).and_then(request::capacity).and_then(|capacity| flavor.size(capacity));
    size.ok_or_else(|| ApiError::new("DCS.4012"))
}

/// The password in `field`, or `None` for password-free access: `DCS.4843`, `DCS.4845`, `DCS.4019`, and `conflict`
/// for both.
pub(super) fn password<'a>(
    body: Body<'a>,
    field: &str,
    longest: usize,
    conflict: &'static str,
) -> Result<Option<&'a str>> {
    let open = body.boolean("no_password_access").map_err(|_| ApiError::new("DCS.4843"))?.unwrap_or(false);
    match (open, body.nonempty(field).map_err(|_| ApiError::new("DCS.4845"))?) {
        (true, None) => Ok(None),
        (true, Some(_)) => Err(ApiError::new(conflict)),
        (false, None) => Err(ApiError::new("DCS.4845")),
        (false, Some(password)) => password::check_complexity(password, longest).map(|()| Some(password)),
    }
}

/// Requires 4 to `longest` letters, digits, hyphens and underscores: `DCS.4010`. A creation accepts a leading digit,
/// an update does not.
pub(super) fn name(name: &str, longest: usize, leading_digit: bool) -> Result<()> {
    let first = name.bytes().next().unwrap_or_default();
    let begins = first.is_ascii_alphabetic() || (leading_digit && first.is_ascii_digit());
    let allowed = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if begins && allowed && (4..=longest).contains(&name.len()) {
        Ok(())
    } else {
        Err(ApiError::new("DCS.4010"))
    }
}

/// Requires at most 1,024 characters: `DCS.4011`.
pub(super) fn description(text: &str) -> Result<()> {
    if text.chars().count() <= 1024 { Ok(()) } else { Err(ApiError::new("DCS.4011")) }
}

/// Requires at most 128 characters, or bytes on some sites: `DCS.4098`.
pub(super) fn remark(body: Body<'_>, rules: &SiteRules) -> Result<Option<String>> {
    let Some(remark) = body.nonempty("remark")? else { return Ok(None) };
    let length = if rules.remarks_in_bytes { remark.len() } else { remark.chars().count() };
    if length <= 128 { Ok(Some(remark.to_owned())) } else { Err(ApiError::new("DCS.4098")) }
}

/// Requires 1 to 65535, and the default port for Redis 3.0: `DCS.4063`.
pub(super) fn port(body: Body<'_>, version_3: bool) -> Result<Option<u16>> {
    let error = || ApiError::invalid_parameter("port");
    let Some(value) = body.value("port") else { return Ok(None) };
    let port = request::integer(value).and_then(|port| u16::try_from(port).ok()).ok_or_else(error)?;
    if port == 0 || (version_3 && port != 6379) { Err(error()) } else { Ok(Some(port)) }
}

/// Parses renamed commands, which Redis 3.0 does not support: `DCS.4063`.
pub(super) fn rename_commands(body: Body<'_>, version_3: bool) -> Result<Option<BTreeMap<String, String>>> {
    let error = || ApiError::invalid_parameter("rename_commands");
    let Some(object) = body.object("rename_commands")? else { return Ok(None) };
    let mut renamed = BTreeMap::new();
    // The SDK sends null for commands that keep their names.
    for (command, name) in object.fields().filter(|(_, name)| !name.is_null()) {
        let name = name.as_str().filter(|name| is_command(name)).ok_or_else(error)?;
        if !RENAMABLE.contains(&command) || version_3 {
            return Err(error());
        }
        renamed.insert(command.to_owned(), name.to_owned());
    }
    let distinct: HashSet<_> = renamed.values().collect();
    if distinct.len() == renamed.len() { Ok(Some(renamed)) } else { Err(error()) }
}

fn is_command(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

/// Requires both ends of one of the site's windows: `DCS.4106`.
pub(super) fn window(body: Body<'_>, rules: &SiteRules) -> Result<Option<(String, String)>> {
    match (body.nonempty("maintain_begin")?, body.nonempty("maintain_end")?) {
        (None, None) => Ok(None),
        (Some(begin), Some(end))
            if windows(rules).any(|window| window == (begin.to_owned(), end.to_owned())) =>
        {
            Ok(Some((begin.to_owned(), end.to_owned())))
        }
        _ => Err(ApiError::new("DCS.4106")),
    }
}

/// Maintenance windows of the site in the format of an instance, the default one first.
pub(super) fn windows(rules: &SiteRules) -> impl Iterator<Item = (String, String)> + use<> {
    let (hours, first) = rules.window;
    let hour = |hour: u32| format!("{:02}:00:00", hour % 24);
    (0..24 / hours).map(move |n| (hour(first + n * hours), hour(first + (n + 1) * hours)))
}

/// Parses the backup policy: `DCS.4086`, `DCS.4072` to `DCS.4076`. A manual policy keeps the rest of `former`.
pub(super) fn backup_policy(
    body: Body<'_>,
    mode: &CacheMode,
    former: Option<&BackupPolicy>,
) -> Result<Option<BackupPolicy>> {
    let Some(policy) = body.object("instance_backup_policy")? else { return Ok(None) };
    if *mode == CacheMode::Single {
        return Err(ApiError::new("DCS.4086"));
    }
    match policy.value("backup_type").and_then(Value::as_str) {
        Some("auto") => {
            let days = policy.value("save_days").and_then(request::integer);
            let days = days.filter(|days| (1..=7).contains(days)).ok_or_else(|| ApiError::new("DCS.4072"))?;
            Ok(Some(BackupPolicy {
                backup_type: Some(BackupType::Auto),
                save_days: Some(days),
                periodical_backup_plan: Some(backup_plan(policy)?),
            }))
        }
        Some("manual") => Ok(Some(BackupPolicy {
            backup_type: Some(BackupType::Manual),
            ..former.cloned().unwrap_or_default()
        })),
        _ => Err(ApiError::new("DCS.4073")),
    }
}

fn backup_plan(policy: Body<'_>) -> Result<BackupPlan> {
    let no_days = || ApiError::new("DCS.4075");
    let plan = policy.object("periodical_backup_plan")?.ok_or_else(no_days)?;
    if plan.value("period_type").and_then(Value::as_str) != Some("weekly") {
        return Err(ApiError::new("DCS.4074"));
    }
    let days = plan.value("backup_at").and_then(Value::as_array).ok_or_else(no_days)?;
    let days: Option<Vec<i64>> = days.iter().map(request::integer).collect();
    let days = days.filter(|days| !days.is_empty() && days.iter().all(|day| (1..=7).contains(day)));
    let begin = plan.value("begin_at").and_then(Value::as_str).filter(|hours| is_one_hour(hours));
    Ok(BackupPlan {
        timezone_offset: plan.nonempty("timezone_offset")?.map(str::to_owned),
        backup_at: days.ok_or_else(no_days)?,
        period_type: Some("weekly".to_owned()),
        begin_at: Some(begin.ok_or_else(|| ApiError::new("DCS.4076"))?.to_owned()),
    })
}

/// Whether this is exactly one hour: `23:00-00:00`, or `23:00-24:00`.
fn is_one_hour(hours: &str) -> bool {
    (0..24).any(|hour| {
        hours == format!("{hour:02}:00-{:02}:00", hour + 1)
            || hours == format!("{hour:02}:00-{:02}:00", (hour + 1) % 24)
    })
}

/// Checks the site's tag limits and unique keys: `DCS.4800`. With `valued`, each tag needs a value, which may be
/// empty.
pub(super) fn tags(tags: &[Body<'_>], rules: &SiteRules, valued: bool) -> Result<Vec<Tag>> {
    let error = || ApiError::invalid_field("tags");
    let mut seen = HashSet::new();
    let mut result = Vec::new();
    for tag in tags {
        let key = tag.text("key")?.unwrap_or_default();
        let value = tag.text("value")?;
        let fits = is_key(key, rules.max_tag_key) && is_value(value.unwrap_or_default(), rules.max_tag_value);
        if !fits || !seen.insert(key) || (valued && value.is_none()) {
            return Err(error());
        }
        result.push(Tag { key: key.to_owned(), value: value.map(str::to_owned) });
    }
    if result.len() <= MAX_TAGS { Ok(result) } else { Err(error()) }
}

fn is_key(key: &str, longest: usize) -> bool {
    (1..=longest).contains(&key.chars().count())
        && !key.starts_with("_sys_")
        && key.trim() == key
        && key.chars().all(is_tag_character)
}

fn is_value(value: &str, longest: usize) -> bool {
    value.chars().count() <= longest && value.chars().all(|c| is_tag_character(c) || c == '/')
}

fn is_tag_character(c: char) -> bool {
    c.is_alphanumeric() || " _.:=+-@".contains(c)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::simulator::Site;

    fn code<T>(result: Result<T>) -> Option<&'static str> {
        result.err().map(|error| error.code)
    }

    #[test]
    fn names() {
        let long = |length: usize| "n".repeat(length);
        for (text, on_create, on_update) in [
            ("dcs-APItest", true, true),
            ("a_b-", true, true),
            ("9abc", true, false),
            ("abc", false, false),
            ("-abc", false, false),
            ("_abc", false, false),
            ("ab cd", false, false),
            ("café", false, false),
            ("", false, false),
        ] {
            assert_eq!(name(text, 64, true).is_ok(), on_create, "{text}");
            assert_eq!(name(text, 64, false).is_ok(), on_update, "{text}");
        }
        for (length, longest, good) in
            [(4, 64, true), (64, 64, true), (65, 64, false), (56, 56, true), (57, 56, false)]
        {
            assert_eq!(name(&long(length), longest, true).is_ok(), good, "{length} of {longest}");
        }
    }

    #[test]
    fn descriptions_count_characters() {
        assert_eq!(code(description(&"é".repeat(1024))), None);
        assert_eq!(code(description(&"x".repeat(1025))), Some("DCS.4011"));
    }

    #[test]
    fn remarks_count_characters_or_bytes() {
        for (text, main, quirky) in [
            ("x".repeat(128), true, true),
            ("x".repeat(129), false, false),
            ("é".repeat(64), true, true),
            ("é".repeat(65), true, false),
            (String::new(), true, true),
        ] {
            let body = json!({"remark": text});
            for (site, good) in [(Site::Main, main), (Site::Quirky, quirky)] {
                let result = code(remark(Body::new(&body).unwrap(), &site.rules()));
                assert_eq!(result, (!good).then_some("DCS.4098"), "{body} {site}");
            }
        }
    }

    #[test]
    fn ports() {
        for (value, version_3, expected) in [
            (json!(null), true, Ok(None)),
            (json!(""), false, Ok(None)),
            (json!(1), false, Ok(Some(1))),
            (json!(65535), false, Ok(Some(65535))),
            (json!("6380"), false, Ok(Some(6380))),
            (json!(6379), true, Ok(Some(6379))),
            (json!(6380), true, Err("DCS.4063")),
            (json!(0), false, Err("DCS.4063")),
            (json!(65536), false, Err("DCS.4063")),
            (json!(-1), false, Err("DCS.4063")),
            (json!("x"), false, Err("DCS.4063")),
        ] {
            let body = json!({"port": value});
            let result = port(Body::new(&body).unwrap(), version_3).map_err(|error| error.code);
            assert_eq!(result, expected, "{body} {version_3}");
        }
    }

    #[test]
    fn renamed_commands() {
        for (value, version_3, expected) in [
            (json!({"keys": "keys001", "flushdb": "f-1", "zscan": null}), false, None),
            (json!({}), true, None),
            (json!({"get": "got1"}), false, Some("DCS.4063")),
            (json!({"keys": ""}), false, Some("DCS.4063")),
            (json!({"keys": "a b"}), false, Some("DCS.4063")),
            (json!({"keys": 7}), false, Some("DCS.4063")),
            (json!({"keys": "same", "scan": "same"}), false, Some("DCS.4063")),
            (json!({"keys": "keys001"}), true, Some("DCS.4063")),
            (json!("keys"), false, Some("DCS.4005")),
        ] {
            let body = json!({"rename_commands": value});
            assert_eq!(code(rename_commands(Body::new(&body).unwrap(), version_3)), expected, "{body}");
        }
    }

    #[test]
    fn maintenance_windows() {
        for (begin, end, main, newer) in [
            (json!("18:00:00"), json!("19:00:00"), true, false),
            (json!("23:00:00"), json!("00:00:00"), true, false),
            (json!("22:00:00"), json!("02:00:00"), false, true),
            (json!("18:00:00"), json!("22:00:00"), false, true),
            (json!("18:00:00"), json!("20:00:00"), false, false),
            (json!("18:30:00"), json!("19:30:00"), false, false),
            (json!("18:00"), json!("19:00"), false, false),
            (json!("18:00:00"), json!(null), false, false),
            (json!(""), json!("19:00:00"), false, false),
            (json!(""), json!(null), true, true),
        ] {
            let body = json!({"maintain_begin": begin, "maintain_end": end});
            for (site, good) in [(Site::Main, main), (Site::Newer, newer)] {
                let result = code(window(Body::new(&body).unwrap(), &site.rules()));
                assert_eq!(result, (!good).then_some("DCS.4106"), "{body} {site}");
            }
        }
    }

    #[test]
    fn backup_policies() {
        type Change = fn(&mut Value);
        let policy = |change: Change| {
            let mut policy = json!({"backup_type": "auto", "save_days": 7, "periodical_backup_plan":
                {"backup_at": [1, "7"], "period_type": "weekly", "begin_at": "23:00-00:00"}});
            change(&mut policy);
            json!({"instance_backup_policy": policy})
        };
        let cases: [(Change, Option<&str>); 17] = [
            (|_| (), None),
            (|p| p["save_days"] = json!("1"), None),
            (|p| p["periodical_backup_plan"]["begin_at"] = json!("23:00-24:00"), None),
            (|p| *p = json!({"backup_type": "manual"}), None),
            (|p| p["backup_type"] = json!("weekly"), Some("DCS.4073")),
            (|p| p["backup_type"] = json!(null), Some("DCS.4073")),
            (|p| p["save_days"] = json!(0), Some("DCS.4072")),
            (|p| p["save_days"] = json!(8), Some("DCS.4072")),
            (|p| p["save_days"] = json!(null), Some("DCS.4072")),
            (|p| p["periodical_backup_plan"] = json!(null), Some("DCS.4075")),
            (|p| p["periodical_backup_plan"]["period_type"] = json!("daily"), Some("DCS.4074")),
            (|p| p["periodical_backup_plan"]["backup_at"] = json!([]), Some("DCS.4075")),
            (|p| p["periodical_backup_plan"]["backup_at"] = json!([0]), Some("DCS.4075")),
            (|p| p["periodical_backup_plan"]["backup_at"] = json!([8]), Some("DCS.4075")),
            (|p| p["periodical_backup_plan"]["begin_at"] = json!("00:00-02:00"), Some("DCS.4076")),
            (|p| p["periodical_backup_plan"]["begin_at"] = json!("00:30-01:30"), Some("DCS.4076")),
            (|p| p["periodical_backup_plan"]["begin_at"] = json!(null), Some("DCS.4076")),
        ];
        for (change, expected) in cases {
            let body = policy(change);
            let result = |mode| code(backup_policy(Body::new(&body).unwrap(), mode, None));
            assert_eq!(result(&CacheMode::Ha), expected, "{body}");
            assert_eq!(result(&CacheMode::Single), Some("DCS.4086"), "{body}");
        }
        assert_eq!(backup_policy(Body::new(&json!({})).unwrap(), &CacheMode::Single, None), Ok(None));
    }

    #[test]
    fn a_manual_policy_keeps_the_plan() {
        let former = BackupPolicy { save_days: Some(3), ..BackupPolicy::default() };
        let body = json!({"instance_backup_policy": {"backup_type": "manual"}});
        let policy =
            backup_policy(Body::new(&body).unwrap(), &CacheMode::Ha, Some(&former)).unwrap().unwrap();
        assert_eq!((policy.backup_type, policy.save_days), (Some(BackupType::Manual), Some(3)));
    }

    #[test]
    fn tag_limits() {
        let tag = |key: usize, value: usize| json!([{"key": "k".repeat(key), "value": "v".repeat(value)}]);
        for (list, main, newer) in [
            (tag(36, 43), true, true),
            (tag(37, 43), false, true),
            (tag(36, 44), false, true),
            (tag(128, 255), false, true),
            (tag(129, 0), false, false),
            (tag(1, 256), false, false),
            (tag(0, 1), false, false),
            (json!([{"key": "a b_.:=+-@ä", "value": "a/b"}]), true, true),
            (json!([{"key": "a/b", "value": ""}]), false, false),
            (json!([{"key": "a", "value": "*"}]), false, false),
            (json!([{"key": "_sys_a", "value": ""}]), false, false),
            (json!([{"key": "a", "value": ""}, {"key": "a", "value": "x"}]), false, false),
            (json!([{"value": "x"}]), false, false),
        ] {
            let body = json!({"tags": list});
            let objects = Body::new(&body).unwrap().objects("tags").unwrap();
            for (site, good) in [(Site::Main, main), (Site::Newer, newer)] {
                let result = code(tags(&objects, &site.rules(), true));
                assert_eq!(result, (!good).then_some("DCS.4800"), "{body} {site}");
            }
        }
    }

    #[test]
    fn how_many_tags_and_whether_they_need_a_value() {
        for (count, good) in [(0, true), (20, true), (21, false)] {
            let list: Vec<_> = (0..count).map(|n| json!({"key": format!("k{n}")})).collect();
            let body = json!({"tags": list});
            let objects = Body::new(&body).unwrap().objects("tags").unwrap();
            assert_eq!(tags(&objects, &Site::Main.rules(), false).is_ok(), good, "{count}");
            assert_eq!(tags(&objects, &Site::Main.rules(), true).is_ok(), count == 0, "{count}");
        }
    }
}
