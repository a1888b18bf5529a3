//! Authenticates requests: signatures, security tokens, IAM tokens, and the project they address.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::{
    call::Reply,
    directory::{AccessKey, Directory, constant_time_eq},
    error_response,
    journal::Caller,
    message::Request,
};
use crate::dcs::sign::{self, Authorization, Message, sha256_hex};

/// Maximum difference between the signing time and the wall clock.
const MAX_CLOCK_SKEW: TimeDelta = TimeDelta::minutes(15);
/// Consecutive failures after which a key is locked, if locking is enabled.
const MAX_FAILURES: u32 = 5;
const LOCK_DURATION: TimeDelta = TimeDelta::minutes(5);

const SIGNATURE_MISMATCH: &str = "verify aksk signature fail";
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// Authenticates requests and tracks failures per key.
#[derive(Debug, Clone, Default)]
pub(super) struct Authenticator {
    locks_keys: bool,
    /// By access key id. Unknown ids are not tracked, so the map stays bounded.
    failures: BTreeMap<String, FailureCount>,
}

#[derive(Debug, Clone, Copy, Default)]
struct FailureCount {
    consecutive: u32,
    locked_until: Option<DateTime<Utc>>,
}

// === impl Authenticator ===

impl Authenticator {
    pub(super) fn new(locks_keys: bool) -> Self {
        Self { locks_keys, failures: BTreeMap::new() }
    }

    /// Returns the caller, or the error response for an unauthenticated request. `project_id` comes from the path.
    ///
    /// A signature takes precedence over a token if a request has both, as at the gateway.
    pub(super) fn authenticate(
        &mut self,
        wall: DateTime<Utc>,
        request: &Request,
        project_id: Option<&str>,
        directory: &Directory,
    ) -> Result<Caller, Reply> {
        let served = directory.projects().first().map(|project| project.id.as_str());
        let named = [project_id, request.header("x-project-id")];
        let elsewhere = named.iter().flatten().any(|id| Some(*id) != served);
        if request.headers.contains_key("authorization") {
            let caller = self.verify_signature(wall, request, directory)?;
            return if elsewhere { Err(project_mismatch()) } else { Ok(caller) };
        }
        let Some(value) = request.header("x-auth-token") else {
            return Err(error_response::service(401, "DCS.1003", "No token in the request."));
        };
        let Some(token) = directory.token(value) else {
            return Err(error_response::service(401, "DCS.1001", "Invalid token."));
        };
        if token.expires_at <= wall {
            return Err(error_response::service(401, "DCS.1002", "Token expired."));
        }
        // A path without a project accepts a token for any project.
        let matches = project_id.is_none() || token.project_id.as_deref() == project_id;
        if matches && !elsewhere { Ok(Caller::Token) } else { Err(project_mismatch()) }
    }

    /// Verifies a signature and counts the failures of its key.
    fn verify_signature(
        &mut self,
        wall: DateTime<Utc>,
        request: &Request,
        directory: &Directory,
    ) -> Result<Caller, Reply> {
        let authorization: Authorization = request
            .header("authorization")
            .and_then(|text| text.parse().ok())
            .ok_or_else(|| error_response::signature("the Authorization header cannot be read"))?;
        let Some(key) = directory.key(&authorization.access_key) else {
            return Err(error_response::signature(SIGNATURE_MISMATCH));
        };
        let failures = self.failures.entry(authorization.access_key.clone()).or_default();
        if failures.locked_until.is_some_and(|until| wall < until) {
            return Err(error_response::signature("AK access failed to reach the limit,forbidden"));
        }
        match verify(wall, request, &authorization, key) {
            Ok(caller) => {
                *failures = FailureCount::default();
                Ok(caller)
            }
            Err(reason) => {
                failures.consecutive += 1;
                let locks = self.locks_keys && failures.consecutive >= MAX_FAILURES;
                failures.locked_until = locks.then(|| wall + LOCK_DURATION);
                Err(error_response::signature(&reason))
            }
        }
    }
}

fn project_mismatch() -> Reply {
    error_response::service(401, "DCS.1004", "Project ID does not match the token.")
}

/// Recomputes the signature over the headers it covers; `Err` holds the reason for the rejection.
fn verify(
    wall: DateTime<Utc>,
    request: &Request,
    authorization: &Authorization,
    key: &AccessKey,
) -> Result<Caller, String> {
    let signed = signed_headers(request, authorization).ok_or(SIGNATURE_MISMATCH)?;
    let date = signed.iter().find(|(name, _)| *name == sign::DATE_HEADER).map(|(_, value)| *value);
    let date = date.ok_or("X-Sdk-Date is not signed")?;
    let time = sign::parse_date(date).ok_or("X-Sdk-Date cannot be read")?;
    if (wall - time).abs() > MAX_CLOCK_SKEW {
        let server = sign::format_date(wall);
        return Err(format!("signature expired, signature time: {date}, server time: {server}"));
    }
    let message = Message {
        method: request.method.as_str(),
        path: &request.path,
        query: &request.query,
        headers: &signed,
        body: &request.body,
    };
    let body_is_as_stated = signed
        .iter()
        .filter(|(name, _)| *name == sign::CONTENT_SHA256_HEADER)
        .all(|(_, stated)| *stated == UNSIGNED_PAYLOAD || *stated == sha256_hex(&request.body));
    if !body_is_as_stated || !sign::verify(&key.secret, date, &message, &authorization.signature) {
        return Err(SIGNATURE_MISMATCH.to_owned());
    }
    check_security_token(wall, request, key)
}

/// Returns the headers that the signature covers; `None` if one of them is missing.
fn signed_headers<'a>(
    request: &'a Request,
    authorization: &'a Authorization,
) -> Option<Vec<(&'a str, &'a str)>> {
    let header = |name: &'a String| Some((name.as_str(), request.header(name)?));
    authorization.signed_headers.iter().map(header).collect()
}

/// A temporary key requires its security token; a permanent key must not have one.
fn check_security_token(wall: DateTime<Utc>, request: &Request, key: &AccessKey) -> Result<Caller, String> {
    let given = request.header("x-security-token");
    match (&key.security_token, given) {
        _ if key.expires_at.is_some_and(|end| end <= wall) => Err("security token expired".to_owned()),
        (None, None) => Ok(Caller::AccessKey),
        (Some(known), Some(given)) if constant_time_eq(known, given) => Ok(Caller::TemporaryKey),
        (Some(_), None) => Err("X-Security-Token is missing".to_owned()),
        (Some(_), Some(_)) | (None, Some(_)) => Err("X-Security-Token does not belong to the AK".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Method};
    use secrecy::SecretString;

    use super::*;

    const PROJECT: &str = "0123456789abcdef0123456789abcdef";
    const AGENT: &str = "huaweicloud-usdk-python/3.0";

    fn wall() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_000_000, 0).expect("a time")
    }

    fn directory() -> Directory {
        let mut directory = Directory::new("d").with_key("AK", "SK").with_project("other", "elsewhere");
        directory.serve_project(PROJECT, "region-1");
        let temporary =
            |expires_at| AccessKey { secret: "SK".into(), security_token: Some("STS".into()), expires_at };
        directory.put_key("TEMP", temporary(None));
        directory.put_key("OLD", temporary(Some(wall())));
        directory
    }

    fn put(request: &mut Request, name: &'static str, value: &str) {
        let value = HeaderValue::from_str(value).expect("a header value");
        request.headers.insert(HeaderName::from_static(name), value);
    }

    fn unsigned() -> Request {
        let mut request = Request {
            method: Method::POST,
            path: format!("/v2/{PROJECT}/instances"),
            query: "b=%E4%B8%80&a=1".to_owned(),
            headers: HeaderMap::new(),
            body: br#"{"name":"a"}"#.to_vec(),
        };
        put(&mut request, "host", "127.0.0.1:8080");
        put(&mut request, "user-agent", AGENT);
        put(&mut request, "content-type", "application/json;charset=utf-8");
        put(&mut request, "x-project-id", PROJECT);
        put(&mut request, "x-sdk-date", &sign::format_date(wall()));
        request
    }

    /// Signs `request` with `key` over the `listed` headers.
    fn signed(mut request: Request, key: &str, secret: &str, listed: &[&str]) -> Request {
        let headers: Vec<_> =
            listed.iter().map(|name| (*name, request.header(name).unwrap_or_default())).collect();
        let message = Message {
            method: request.method.as_str(),
            path: &request.path,
            query: &request.query,
            headers: &headers,
            body: &request.body,
        };
        let date = request.header("x-sdk-date").unwrap_or_default();
        let authorization = sign::sign(key, &SecretString::from(secret), date, &message).to_string();
        put(&mut request, "authorization", &authorization);
        request
    }

    /// Returns the caller, or status, code and text of the error response.
    fn admit(request: &Request) -> Result<Caller, String> {
        let mut authenticator = Authenticator::default();
        authenticator
            .authenticate(wall(), request, Some(PROJECT), &directory())
            .map_err(|reply| summary(&reply))
    }

    fn summary(reply: &Reply) -> String {
        let field = |name: &str| reply.body.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        format!("{} {} {}", reply.status, field("error_code"), field("error_msg"))
    }

    const ALL: &[&str] = &["content-type", "host", "user-agent", "x-project-id", "x-sdk-date"];

    fn refused(request: &Request, reason: &str) {
        let summary = admit(request).expect_err(reason);
        assert!(summary.starts_with("401 APIGW.0301") && summary.contains(reason), "{reason}: {summary}");
    }

    #[test]
    fn any_header_selection_with_the_date_is_accepted() {
        for listed in [ALL, &["x-sdk-date"], &["host", "x-sdk-date"], &["x-sdk-date", "content-type"]] {
            assert_eq!(admit(&signed(unsigned(), "AK", "SK", listed)), Ok(Caller::AccessKey), "{listed:?}");
        }
        let mut later = signed(unsigned(), "AK", "SK", &["x-sdk-date"]);
        put(&mut later, "user-agent", "proxy");
        assert_eq!(admit(&later), Ok(Caller::AccessKey), "an unsigned header may change");
    }

    #[test]
    fn changing_any_signed_part_is_rejected() {
        refused(&signed(unsigned(), "AK", "KS", ALL), SIGNATURE_MISMATCH);
        refused(&signed(unsigned(), "WHO", "SK", ALL), SIGNATURE_MISMATCH);
        refused(&signed(unsigned(), "AK", "SK", &["host"]), "X-Sdk-Date is not signed");
        refused(&signed(unsigned(), "AK", "SK", &["x-sdk-date", "x-absent"]), SIGNATURE_MISMATCH);
        let changes: [fn(&mut Request); 6] = [
            |request| request.body.push(b' '),
            |request| request.path.push_str("/x"),
            |request| request.query.push_str("&c=1"),
            |request| request.method = Method::PUT,
            |request| put(request, "host", "127.0.0.1:8081"),
            |request| put(request, "x-sdk-date", &sign::format_date(wall() + TimeDelta::seconds(1))),
        ];
        for change in changes {
            let mut request = signed(unsigned(), "AK", "SK", ALL);
            change(&mut request);
            refused(&request, SIGNATURE_MISMATCH);
        }
        for garbage in ["Bearer x", "SDK-HMAC-SHA256 Access=AK"] {
            let mut request = unsigned();
            put(&mut request, "authorization", garbage);
            refused(&request, "cannot be read");
        }
    }

    #[test]
    fn a_signed_body_hash_must_match() {
        let with_hash = |hash: &str| {
            let mut request = unsigned();
            put(&mut request, "x-sdk-content-sha256", hash);
            signed(request, "AK", "SK", &["x-sdk-content-sha256", "x-sdk-date"])
        };
        assert_eq!(admit(&with_hash(UNSIGNED_PAYLOAD)), Ok(Caller::AccessKey));
        assert_eq!(admit(&with_hash(&sha256_hex(br#"{"name":"a"}"#))), Ok(Caller::AccessKey));
        refused(&with_hash(&sha256_hex(b"another body")), SIGNATURE_MISMATCH);
    }

    #[test]
    fn the_signing_time_must_be_close() {
        let at = |minutes| {
            let mut request = unsigned();
            put(&mut request, "x-sdk-date", &sign::format_date(wall() + TimeDelta::minutes(minutes)));
            signed(request, "AK", "SK", ALL)
        };
        for minutes in [-15, 0, 15] {
            assert_eq!(admit(&at(minutes)), Ok(Caller::AccessKey), "{minutes}");
        }
        for minutes in [-16, 16] {
            refused(&at(minutes), "signature expired");
        }
        let mut odd = unsigned();
        put(&mut odd, "x-sdk-date", "2026-11-24T00:00:00Z");
        refused(&signed(odd, "AK", "SK", ALL), "cannot be read");
    }

    #[test]
    fn temporary_keys_need_their_token() {
        let with = |key: &str, token: Option<&str>| {
            let mut request = unsigned();
            if let Some(token) = token {
                put(&mut request, "x-security-token", token);
            }
            signed(request, key, "SK", ALL)
        };
        assert_eq!(admit(&with("TEMP", Some("STS"))), Ok(Caller::TemporaryKey));
        refused(&with("TEMP", None), "X-Security-Token is missing");
        refused(&with("TEMP", Some("STX")), "does not belong");
        refused(&with("AK", Some("STS")), "does not belong");
        refused(&with("OLD", Some("STS")), "security token expired");
    }

    #[test]
    fn tokens_are_checked() {
        let mut directory = directory().with_token_lifetime(std::time::Duration::from_secs(60));
        let mut issue =
            |project: Option<&str>| directory.issue_token(1, wall(), "u", project.map(str::to_owned)).0;
        let (good, other, none) = (issue(Some(PROJECT)), issue(Some("other")), issue(None));
        let admit = |token: Option<&str>, seconds, project| {
            let mut request = unsigned();
            if let Some(token) = token {
                put(&mut request, "x-auth-token", token);
            }
            let later = wall() + TimeDelta::seconds(seconds);
            let code = |reply: Reply| summary(&reply).split(' ').nth(1).map(str::to_owned);
            Authenticator::default().authenticate(later, &request, project, &directory).map_err(code)
        };
        let code = |text: &str| Err(Some(text.to_owned()));
        assert_eq!(admit(Some(&good), 59, Some(PROJECT)), Ok(Caller::Token));
        assert_eq!(admit(Some(&none), 0, None), Ok(Caller::Token), "a path without a project");
        assert_eq!(admit(None, 0, Some(PROJECT)), code("DCS.1003"));
        assert_eq!(admit(Some("nonsense"), 0, Some(PROJECT)), code("DCS.1001"));
        assert_eq!(admit(Some(&good), 60, Some(PROJECT)), code("DCS.1002"));
        assert_eq!(admit(Some(&other), 0, Some(PROJECT)), code("DCS.1004"));
        assert_eq!(admit(Some(&none), 0, Some(PROJECT)), code("DCS.1004"));
        assert_eq!(admit(Some(&other), 0, Some("other")), code("DCS.1004"), "not the served project");
    }

    #[test]
    fn a_signature_for_another_project_is_rejected() {
        let request = signed(unsigned(), "AK", "SK", &["x-sdk-date"]);
        let reply = Authenticator::default().authenticate(wall(), &request, Some("other"), &directory());
        assert!(summary(&reply.expect_err("refused")).starts_with("401 DCS.1004"));
        let mut mismatch = request;
        put(&mut mismatch, "x-project-id", "other");
        assert!(admit(&mismatch).expect_err("refused").starts_with("401 DCS.1004"));
    }

    #[test]
    fn keys_lock_only_if_enabled() {
        let (right, wrong) = (signed(unsigned(), "AK", "SK", ALL), signed(unsigned(), "AK", "KS", ALL));
        for (locks, expected) in [(true, false), (false, true)] {
            let mut authenticator = Authenticator::new(locks);
            let mut ok = |request: &Request, seconds| {
                let at = wall() + TimeDelta::seconds(seconds);
                authenticator.authenticate(at, request, Some(PROJECT), &directory()).is_ok()
            };
            assert!((0..4).all(|_| !ok(&wrong, 0)) && ok(&right, 0), "four failures, then a success");
            assert!((0..5).all(|_| !ok(&wrong, 0)));
            assert_eq!(ok(&right, 299), expected, "locks: {locks}");
            assert!(ok(&right, 300));
        }
    }
}
