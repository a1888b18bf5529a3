//! Interprets an HTTP answer as a value or a failure. Pure.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, NaiveDateTime, Utc};
use http::{HeaderMap, header};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_json::error::Category;
use url::Url;

use super::{
    error::{Failure, Refusal, parse_refusal},
    model::{MAX_LIST, TOO_MANY},
    redact,
    transport::HttpResponse,
};

/// The gateway's header with the request id.
const REQUEST_ID: &str = "x-request-id";
/// Upper limit of `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(600);

/// The answer of an operation without result: no body, or an object, which is ignored. A text, a list or a page does not
/// prove that the operation was executed.
#[derive(Debug)]
pub(crate) struct Nothing;

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<HashMap<String, IgnoredAny>>::deserialize(deserializer).map(|_| Self)
    }
}

/// The value of a successful `answer`.
///
/// A refusal is recognised by its body under any HTTP status, and its texts are redacted of `secrets`. An empty body reads
/// as JSON `null`: see [`Nothing`].
pub(crate) fn interpret<'a, T: DeserializeOwned>(
    answer: &HttpResponse,
    signed_at: DateTime<Utc>,
    secrets: impl Iterator<Item = &'a str> + Clone,
) -> Result<T, Failure> {
    let HttpResponse { status, headers, body } = answer;
    if (300..400).contains(status) {
        let host = redirect_host(headers).map(|host| redact::word(&host, secrets));
        return Err(Failure::Redirected { status: *status, host });
    }
    let success = (200..300).contains(status);
    let refusal = parse_refusal(body);
    if !success || refusal.is_some() {
        let mut refusal = refusal.unwrap_or_else(|| unexplained(headers, body));
        refusal.status = *status;
        let word = |word: &str| redact::word(word, secrets.clone());
        refusal.code = refusal.code.as_deref().map(word);
        refusal.request_id = header(headers, REQUEST_ID).or(refusal.request_id.as_deref()).map(word);
        refusal.message = redact::text(&refusal.message, secrets);
        refusal.retry_after = retry_after(headers);
        refusal.clock_ahead = date(headers).map(|date| (date - signed_at).num_seconds());
        return Err(Failure::Refused(refusal));
    }
    decode(body).map_err(|error: serde_path_to_error::Error<serde_json::Error>| {
        if error.inner().to_string().starts_with(TOO_MANY) {
            return Failure::TooMany(MAX_LIST);
        }
        Failure::Unreadable {
            status: *status,
            // The path may have keys of the answer.
            reason: redact::text(&format!("{} ({})", explain(&error), describe(headers, body)), secrets),
        }
    })
}

/// The empty list that HTTP 204 states. An empty body under any other status is no list.
pub(crate) fn empty<T: Default>(answer: &HttpResponse) -> Option<T> {
    (answer.status == 204 && answer.body.iter().all(u8::is_ascii_whitespace)).then(T::default)
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, serde_path_to_error::Error<serde_json::Error>> {
    let body: &[u8] = if body.iter().all(u8::is_ascii_whitespace) { b"null" } else { body };
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer)?;
    let end = deserializer.end();
    end.map_err(|error| serde_path_to_error::Error::new(serde_path_to_error::Track::new().path(), error))?;
    Ok(value)
}

/// The decoding error and its path, without the value, which may be a secret.
fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let reason = match error.inner().classify() {
        Category::Eof => "JSON that ends too early".to_owned(),
        Category::Syntax | Category::Io => "no JSON".to_owned(),
        Category::Data => {
            // These messages quote at most the field's name; the parser's other messages quote values.
            let text = error.inner().to_string();
            let text = text.split(" at line ").next().unwrap_or_default();
            let is_plain =
                text.starts_with("missing field") || ["invalid id", "invalid code"].contains(&text);
            if is_plain { text.to_owned() } else { "unexpected value".to_owned() }
        }
    };
    match error.path().to_string().as_str() {
        "." => reason,
        path => format!("{reason} at {path}"),
    }
}

fn describe(headers: &HeaderMap, body: &[u8]) -> String {
    let kind = header(headers, header::CONTENT_TYPE.as_str()).unwrap_or("no content type");
    format!("{}, {} bytes", redact::text(kind, []), body.len())
}

/// A refusal for an error status without a known error body.
fn unexplained(headers: &HeaderMap, body: &[u8]) -> Refusal {
    Refusal {
        message: format!("no error code in the answer ({})", describe(headers, body)),
        ..Refusal::default()
    }
}

fn redirect_host(headers: &HeaderMap) -> Option<String> {
    let location = Url::parse(header(headers, header::LOCATION.as_str())?).ok()?;
    location.host_str().map(str::to_owned)
}

/// The wait of `Retry-After`, in seconds or as a date, which is compared with the service's clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = header(headers, header::RETRY_AFTER.as_str())?.trim();
    let asked = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (http_date(text)? - date(headers)?).to_std().ok()?,
    };
    Some(asked.min(MAX_RETRY_AFTER))
}

/// The service's time.
pub(crate) fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    http_date(header(headers, header::DATE.as_str())?)
}

fn http_date(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text.trim(), "%a, %d %b %Y %H:%M:%S GMT").ok().map(|time| time.and_utc())
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};
    use serde_json::Value;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Page {
        instances: Vec<Value>,
    }

    fn answer(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> HttpResponse {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        HttpResponse { status, headers, body: body.as_bytes().to_vec() }
    }

    fn read<T: DeserializeOwned>(answer: &HttpResponse) -> Result<T, Failure> {
        interpret(answer, DateTime::UNIX_EPOCH, ["canary"].into_iter())
    }

    fn refusal(answer: &HttpResponse) -> Refusal {
        match read::<Page>(answer) {
            Err(Failure::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }

    fn unreadable(body: &str) -> String {
        match read::<Page>(&answer(200, &[("content-type", "text/html")], body)) {
            Err(Failure::Unreadable { status: 200, reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn success() {
        assert_eq!(read(&answer(200, &[], r#"{"instances": []}"#)), Ok(Page { instances: vec![] }));
        for body in ["", " \n", "{}", r#"{"any": "thing"}"#] {
            assert!(read::<Nothing>(&answer(204, &[], body)).is_ok(), "{body:?}");
        }
        for body in ["[]", "\"denied\"", "true", "<html>login</html>"] {
            assert!(
                read::<Nothing>(&answer(200, &[], body)).is_err(),
                "{body}: no proof that anything was done"
            );
        }
    }

    #[test]
    fn a_success_that_is_none() {
        assert_eq!(unreadable("<html>canary</html>"), "no JSON (text/html, 19 bytes)");
        assert_eq!(
            unreadable(r#"{"instances": ["#),
            "JSON that ends too early at instances (text/html, 15 bytes)"
        );
        assert_eq!(unreadable("{}"), "missing field `instances` (text/html, 2 bytes)");
        assert_eq!(
            unreadable(r#"{"instances": "canary"}"#),
            "unexpected value at instances (text/html, 23 bytes)"
        );
        assert_eq!(unreadable(r#"{"instances": []} canary"#), "no JSON (text/html, 24 bytes)");
        assert_eq!(unreadable(""), "unexpected value (text/html, 0 bytes)");
    }

    #[test]
    fn only_a_status_states_an_empty_list() {
        let list = |status, body| empty::<Vec<u8>>(&answer(status, &[], body));
        assert_eq!((list(204, ""), list(204, " \n")), (Some(vec![]), Some(vec![])));
        for (status, body) in [(200, ""), (200, "[]"), (204, "[1]"), (404, ""), (500, "")] {
            assert_eq!(list(status, body), None, "{status} {body:?}");
        }
    }

    #[test]
    fn a_refusal_keeps_what_helps_and_hides_what_must_not_be_seen() {
        let headers = [
            ("x-request-id", "from-header"),
            ("retry-after", "17"),
            ("date", "Thu, 01 Jan 1970 00:05:00 GMT"),
        ];
        let body = r#"{"error_code": "DCS.4845", "error_msg": "canary is weak", "request_id": "from-body"}"#;
        for status in [200, 400] {
            assert_eq!(
                refusal(&answer(status, &headers, body)),
                Refusal {
                    status,
                    code: Some("DCS.4845".to_owned()),
                    message: "*** is weak".to_owned(),
                    request_id: Some("from-header".to_owned()),
                    retry_after: Some(Duration::from_secs(17)),
                    clock_ahead: Some(300),
                }
            );
        }
    }

    #[test]
    fn an_error_without_a_code_is_one_even_with_http_200() {
        for body in
            [r#"{"error": {"message": "denied"}}"#, r#"{"error_msg": "denied"}"#, r#"{"error": "denied"}"#]
        {
            assert_eq!(refusal(&answer(200, &[], body)).message, "denied", "{body}");
        }
    }

    #[test]
    fn nothing_of_a_refusal_is_taken_over_unchecked() {
        let long = "c".repeat(1000);
        let body =
            format!(r#"{{"error_code": "canary\n{long}", "error_msg": "m", "request_id": "canary {long}"}}"#);
        let refusal = refusal(&answer(400, &[], &body));
        for text in [refusal.code.as_deref(), refusal.request_id.as_deref()] {
            assert!(text.is_some_and(|text| text.starts_with("*** c") && text.len() < 80), "{text:?}");
        }
    }

    #[test]
    fn an_error_without_an_envelope() {
        let page = answer(502, &[("content-type", "text/html")], "<html>canary</html>");
        assert_eq!(refusal(&page).message, "no error code in the answer (text/html, 19 bytes)");
    }

    #[test]
    fn retry_after_as_a_date_follows_the_service_s_clock() {
        let headers =
            [("date", "Mon, 23 Nov 2026 10:00:00 GMT"), ("retry-after", "Mon, 23 Nov 2026 10:00:30 GMT")];
        assert_eq!(refusal(&answer(503, &headers, "")).retry_after, Some(Duration::from_secs(30)));
        let past =
            [("date", "Mon, 23 Nov 2026 10:00:00 GMT"), ("retry-after", "Mon, 23 Nov 2026 09:00:00 GMT")];
        assert_eq!(refusal(&answer(503, &past, "")).retry_after, None);
        let absurd = [("retry-after", "18446744073709551615")];
        assert_eq!(refusal(&answer(503, &absurd, "")).retry_after, Some(MAX_RETRY_AFTER));
    }

    #[test]
    fn a_redirect_names_the_place() {
        let redirect = answer(302, &[("location", "https://login.example.com/x?secret=1")], "");
        let host = Some("login.example.com".to_owned());
        assert_eq!(read::<Page>(&redirect), Err(Failure::Redirected { status: 302, host }));
        let nowhere = answer(307, &[], "");
        assert_eq!(read::<Page>(&nowhere), Err(Failure::Redirected { status: 307, host: None }));
    }
}
