//! Taking secrets out of what others wrote: the service repeats passwords in answers and error texts.

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

/// Stands where a secret stood.
pub const MASK: &str = "***";

/// Longest text taken over from an answer, in characters.
const LONGEST: usize = 512;

/// Words in the name of a field whose value is a secret whatever it holds.
const NAMES: [&str; 5] = ["password", "passwd", "secret", "token", "authorization"];

/// Names that hold one of those words but say something harmless about it.
const HARMLESS: [&str; 1] = ["no_password_access"];

/// `text` without any of `secrets`, control characters or undue length: fit for a log or a status.
pub fn text<'a>(text: &str, secrets: impl IntoIterator<Item = &'a SecretString>) -> String {
    let mut clean = text.to_owned();
    for secret in secrets {
        let secret = secret.expose_secret();
        if !secret.is_empty() {
            clean = clean.replace(secret, MASK);
        }
    }
    let clean: String = clean.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    match clean.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", clean.get(..end).unwrap_or_default()),
        None => clean.trim().to_owned(),
    }
}

/// Masks every field of `value` whose name says that it holds a secret, however deep.
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
        let secrets = [SecretString::from("Hunter2!"), SecretString::from("")];
        assert_eq!(text("password Hunter2! is weak: Hunter2!", &secrets), "password *** is weak: ***");
        assert_eq!(text("two\nlines\t", &[]), "two lines");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let cut = text(&"缓".repeat(LONGEST + 1), &[]);
        assert_eq!(cut.chars().count(), LONGEST + 1, "with the ellipsis");
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
