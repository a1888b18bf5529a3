//! Redaction of external texts: the service repeats passwords in answers and error messages.

use serde_json::Value;

use super::model::text::bounded;

/// Replaces a secret.
pub const MASK: &str = "***";

/// Length limit of a text from an answer, in characters.
const MAX_TEXT: usize = 512;
/// Length limit of a code or id from an answer, in characters.
const MAX_WORD: usize = 64;

/// Shorter values are not replaced: they may be part of any word.
const MIN_SECRET: usize = 6;

/// Words in the names of secret fields.
const NAMES: [&str; 5] = ["password", "passwd", "secret", "token", "authorization"];

/// Names of harmless fields with one of those words.
const HARMLESS: [&str; 1] = ["no_password_access"];

/// `text` for a log or a status: redacted, shortened, without control characters.
pub fn text<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    clean(text, secrets, MAX_TEXT)
}

/// As [`text`], for a code or an id.
pub fn word<'a>(word: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    clean(word, secrets, MAX_WORD)
}

fn clean<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>, longest: usize) -> String {
    let mut clean = text.to_owned();
    for secret in secrets {
        if secret.len() >= MIN_SECRET {
            clean = clean.replace(secret, MASK);
        }
    }
    bounded(clean.trim(), longest)
}

/// Masks all fields of `value` with the name of a secret, nested ones too.
pub fn fields(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                if is_secret(name) {
                    if !value.is_null() {
                        *value = Value::String(MASK.to_owned());
                    }
                } else {
                    fields(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    !HARMLESS.contains(&name.as_str()) && NAMES.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn known_secrets_leave_texts() {
        let secrets = ["Hunter2!", "", "AK"];
        assert_eq!(
            text("password Hunter2! of AK is weak: Hunter2!", secrets),
            "password *** of AK is weak: ***"
        );
        assert_eq!(text("two\nlines\t", []), "two lines");
        assert_eq!(text("\u{1b}[31mred", []), " [31mred");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "缓".repeat(MAX_TEXT + 1);
        assert_eq!(text(&long, []).chars().count(), MAX_TEXT, "with the ellipsis");
        assert_eq!(word(&long, []).chars().count(), MAX_WORD);
    }

    #[test]
    fn fields_named_like_secrets_are_masked() {
        let mut value = json!({
            "source_instance": {"name": "a", "password": "canary", "Task_Token": ["canary"]},
            "no_password_access": "true",
            "list": [{"new_password": {"nested": "canary"}, "secret": null}],
        });
        fields(&mut value);
        assert_eq!(
            value,
            json!({
                "source_instance": {"name": "a", "password": MASK, "Task_Token": MASK},
                "no_password_access": "true",
                "list": [{"new_password": MASK, "secret": null}],
            })
        );
    }
}
