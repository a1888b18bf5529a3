//! Taking secrets out of what others wrote: the service repeats passwords in answers and error texts.

use serde_json::Value;

/// Stands where a secret stood.
pub const MASK: &str = "***";

/// Longest text taken over from an answer, in characters.
const LONGEST: usize = 512;
/// Longest code or id taken over from an answer, in characters.
const LONGEST_WORD: usize = 64;

/// Anything shorter is no secret, and may be part of any word.
const SHORTEST_SECRET: usize = 6;

/// Words in the name of a field whose value is a secret whatever it holds.
const NAMES: [&str; 5] = ["password", "passwd", "secret", "token", "authorization"];

/// Names that hold one of those words but say something harmless about it.
const HARMLESS: [&str; 1] = ["no_password_access"];

/// `text` without any of `secrets`, control characters or undue length: fit for a log or a status.
pub fn text<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    clean(text, secrets, LONGEST)
}

/// The same for a code or an id, which is shorter.
pub fn word<'a>(word: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    clean(word, secrets, LONGEST_WORD)
}

/// `text` on one line: control characters could forge lines or move a terminal's cursor.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn clean<'a>(text: &str, secrets: impl IntoIterator<Item = &'a str>, longest: usize) -> String {
    let mut clean = text.to_owned();
    for secret in secrets {
        if secret.len() >= SHORTEST_SECRET {
            clean = clean.replace(secret, MASK);
        }
    }
    let clean = one_line(&clean);
    match clean.char_indices().nth(longest) {
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
        let secrets = ["Hunter2!", "", "AK"];
        assert_eq!(
            text("password Hunter2! of AK is weak: Hunter2!", secrets),
            "password *** of AK is weak: ***"
        );
        assert_eq!(text("two\nlines\t", []), "two lines");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let long = "缓".repeat(LONGEST + 1);
        assert_eq!(text(&long, []).chars().count(), LONGEST + 1, "with the ellipsis");
        assert_eq!(word(&long, []).chars().count(), LONGEST_WORD + 1);
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
