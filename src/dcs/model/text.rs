//! Texts of the cloud: one line, without characters that control a terminal, and bounded. Whatever an answer says passes
//! through here before it reaches a status, a log line or a message.

/// `text` in one line: every character that breaks a line, controls a terminal or reorders what is shown reads as a
/// space.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_plain(c) { c } else { ' ' }).collect()
}

/// `text` with at most `longest` characters; an ellipsis ends a text that was cut.
pub fn shortened(text: &str, longest: usize) -> String {
    if text.len() <= longest || text.chars().count() <= longest {
        return text.to_owned();
    }
    let kept = text.chars().take(longest.saturating_sub(1));
    kept.chain(std::iter::once('…')).collect()
}

/// [`one_line`] and [`shortened`].
pub fn bounded(text: &str, longest: usize) -> String {
    bound(text.to_owned(), longest)
}

/// [`bounded`], without a copy of an ordinary text.
pub fn bound(text: String, longest: usize) -> String {
    let is_ordinary = text.len() <= longest && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if is_ordinary { text } else { shortened(&one_line(&text), longest) }
}

/// Whether `text` looks like a code: of a flavor, a zone or a version.
pub fn is_code(text: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=MAX_CODE).contains(&text.len()) && text.chars().all(is_plain)
}

/// The longest code and the longest id.
pub(super) const MAX_CODE: usize = 64;

/// Control characters, and those that break lines or reorder text although they are none (Unicode TR 9 and 14).
fn is_plain(c: char) -> bool {
    !(c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// Whether this is an ID that the cloud gives to instances and networks: a UUID in lower case.
pub fn is_uuid(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_escape_codes_end_in_one_line() {
        for hostile in
            ["a\nb", "a\rb", "a\u{1b}b", "a\u{85}b", "a\u{2028}b", "a\u{202e}b", "a\u{2066}b", "a\0b"]
        {
            assert_eq!(one_line(hostile), "a b", "{hostile:?}");
            assert_eq!(bounded(hostile, 9), "a b", "{hostile:?}");
        }
        assert_eq!(bounded("缓存-é", 9), "缓存-é");
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        for (text, cut) in
            [("abcd", "abcd"), ("abcde", "abc…"), ("缓缓缓缓", "缓缓缓缓"), ("缓缓缓缓缓", "缓缓缓…")]
        {
            assert_eq!(bounded(text, 4), cut);
        }
    }

    #[test]
    fn codes() {
        for code in ["redis.ha.xu1.large.r2.4", "cn-north-4a", "6.0"] {
            assert!(is_code(code), "{code}");
        }
        for other in ["", "a b", "a/b", "a\n", "é", &"a".repeat(65)] {
            assert!(!is_code(other), "{other}");
        }
    }
}
