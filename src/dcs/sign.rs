//! SDK-HMAC-SHA256, the provider's request signature: pure functions over the parts of a request.
//!
//! The client signs its requests, and the simulator recomputes the signature over the headers that a request names as
//! signed.

use std::{fmt, str::FromStr};

use aws_lc_rs::{digest, hmac};
use chrono::{DateTime, NaiveDateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use secrecy::{ExposeSecret, SecretString};

/// Name of the scheme, the first word of the `Authorization` header.
pub const ALGORITHM: &str = "SDK-HMAC-SHA256";
/// Header with the signing time, `YYYYMMDDTHHMMSSZ`.
pub const DATE_HEADER: &str = "x-sdk-date";
/// Header that replaces the hash of the body, if present (`UNSIGNED-PAYLOAD` for an unsigned body).
pub const CONTENT_SHA256_HEADER: &str = "x-sdk-content-sha256";

const DATE_FORMAT: &str = "%Y%m%dT%H%M%SZ";

/// All characters except the unreserved ones of RFC 3986 are encoded, in upper case.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The parts of a request that a signature covers.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// HTTP method, upper-case.
    pub method: &'a str,
    /// Path as on the wire, percent-encoded.
    pub path: &'a str,
    /// Query as on the wire, without the question mark; empty if there is none.
    pub query: &'a str,
    /// The headers to sign, in any order and case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The exact bytes of the body.
    pub body: &'a [u8],
}

/// The `Authorization` header of a signed request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// Access key id.
    pub access_key: String,
    /// Names of the signed headers: lower-case, sorted.
    pub signed_headers: Vec<String>,
    /// Signature, lower-case hex.
    pub signature: String,
}

/// The `Authorization` header is of another scheme, or incomplete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Authorization header is not `{ALGORITHM} Access=…, SignedHeaders=…, Signature=…`")]
pub struct NotOurScheme;

/// Percent-encodes one path segment, query key or query value as the signature requires.
pub fn encode(text: &str) -> String {
    percent_encode(text.as_bytes(), ENCODED).to_string()
}

/// The sorted and encoded query string of `pairs`, as it is signed and sent.
pub fn canonical_query<K: AsRef<str>, V: AsRef<str>>(pairs: &[(K, V)]) -> String {
    let mut sorted: Vec<_> = pairs.iter().map(|(key, value)| (key.as_ref(), value.as_ref())).collect();
    sorted.sort_unstable();
    let encoded: Vec<_> =
        sorted.into_iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
    encoded.join("&")
}

/// The value of [`DATE_HEADER`] for a signing time.
pub fn format_date(time: DateTime<Utc>) -> String {
    time.format(DATE_FORMAT).to_string()
}

/// The signing time in a [`DATE_HEADER`]; `None` in another format.
pub fn parse_date(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, DATE_FORMAT).ok().map(|time| time.and_utc())
}

/// Signs `message`, whose headers must include `date` as [`DATE_HEADER`].
pub fn sign(access_key: &str, secret: &SecretString, date: &str, message: &Message<'_>) -> Authorization {
    let tag = hmac::sign(&key(secret), string_to_sign(date, message).as_bytes());
    Authorization {
        access_key: access_key.to_owned(),
        signed_headers: message.sorted_headers().into_iter().map(|(name, _)| name).collect(),
        signature: hex::encode(tag),
    }
}

/// Whether `signature` (hex) is that of `secret` for `message`. Compares in constant time.
pub fn verify(secret: &SecretString, date: &str, message: &Message<'_>, signature: &str) -> bool {
    let Ok(signature) = hex::decode(signature) else { return false };
    hmac::verify(&key(secret), string_to_sign(date, message).as_bytes(), &signature).is_ok()
}

fn key(secret: &SecretString) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes())
}

fn string_to_sign(date: &str, message: &Message<'_>) -> String {
    format!("{ALGORITHM}\n{date}\n{}", sha256_hex(message.canonical_request().as_bytes()))
}

/// SHA-256 as lower-case hex, as the scheme writes the hash of a body.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

// === impl Message ===

impl Message<'_> {
    /// The canonical request, which is hashed and signed.
    pub fn canonical_request(&self) -> String {
        let headers = self.sorted_headers();
        let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        let payload = headers
            .iter()
            .find(|(name, _)| name == CONTENT_SHA256_HEADER)
            .map_or_else(|| sha256_hex(self.body), |(_, value)| value.clone());
        format!(
            "{}\n{}\n{}\n{lines}\n{}\n{payload}",
            self.method,
            self.canonical_path(),
            self.sorted_query(),
            names.join(";"),
        )
    }

    fn sorted_headers(&self) -> Vec<(String, String)> {
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        headers.sort_unstable();
        headers
    }

    /// The signature requires a final slash even if the path has none.
    fn canonical_path(&self) -> String {
        let encoded: Vec<_> = self.path.split('/').map(|segment| encode(&decode(segment))).collect();
        let mut path = encoded.join("/");
        if !path.ends_with('/') {
            path.push('/');
        }
        path
    }

    fn sorted_query(&self) -> String {
        let pairs: Vec<_> = self
            .query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                (decode(key), decode(value))
            })
            .collect();
        canonical_query(&pairs)
    }
}

// === impl Authorization ===

impl fmt::Display for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { access_key, signed_headers, signature } = self;
        let signed = signed_headers.join(";");
        write!(f, "{ALGORITHM} Access={access_key}, SignedHeaders={signed}, Signature={signature}")
    }
}

impl FromStr for Authorization {
    type Err = NotOurScheme;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fields =
            text.strip_prefix(ALGORITHM).and_then(|rest| rest.strip_prefix(' ')).ok_or(NotOurScheme)?;
        let field = |name: &str| {
            fields
                .split(',')
                .find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
                .map(str::to_owned)
                .ok_or(NotOurScheme)
        };
        Ok(Self {
            access_key: field("Access")?,
            signed_headers: field("SignedHeaders")?.split(';').map(str::to_ascii_lowercase).collect(),
            signature: field("Signature")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: &str = "20191115T033655Z";
    const ACCESS_KEY: &str = "QTWAOYTTINDUT2QVKYUC";
    const SECRET_KEY: &str = "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc";
    const QUERY: &str = "limit=2&marker=13551d6b-755d-4757-b956-536f674975c0";
    const THREE: &[(&str, &str)] =
        &[("Content-Type", "application/json"), ("Host", "service.region.example.com"), ("X-Sdk-Date", DATE)];
    const GO_DATE: &str = "20060102T150405Z";
    const GO_HEADERS: &[(&str, &str)] = &[("X-Sdk-Date", GO_DATE)];

    fn get<'a>(path: &'a str, query: &'a str, headers: &'a [(&'a str, &'a str)]) -> Message<'a> {
        Message { method: "GET", path, query, headers, body: b"" }
    }

    fn signature(access_key: &str, secret: &str, date: &str, message: &Message<'_>) -> String {
        let secret = SecretString::from(secret);
        let authorization = sign(access_key, &secret, date, message);
        assert!(verify(&secret, date, message, &authorization.signature));
        assert!(!verify(&SecretString::from("another"), date, message, &authorization.signature));
        assert_eq!(authorization.to_string().parse(), Ok(authorization.clone()));
        authorization.signature
    }

    #[test]
    fn vector_a_the_signing_guide() {
        let message = get("/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs", QUERY, THREE);
        assert_eq!(
            sha256_hex(message.canonical_request().as_bytes()),
            "b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a"
        );
        assert_eq!(
            signature(ACCESS_KEY, SECRET_KEY, DATE, &message),
            "7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe"
        );
    }

    #[test]
    fn vector_a2_two_headers() {
        let message = get("/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs", QUERY, &THREE[1..]);
        assert_eq!(
            signature(ACCESS_KEY, SECRET_KEY, DATE, &message),
            "faafba090046ef84c81ca330e77576d8746733ddfcf0317aaeb59cff50da39a7"
        );
    }

    #[test]
    fn vector_b_the_date_alone() {
        let message = get("/path", "limit=1", GO_HEADERS);
        assert_eq!(
            sha256_hex(message.canonical_request().as_bytes()),
            "85c3b7730f308aee452b16138a42a914397e43a8f0d732dfa521c0ef2afa98a4"
        );
        assert_eq!(
            signature("AccessKey", "SecretKey", GO_DATE, &message),
            "5a2ce64c865e0e6046321c6f3d5a77ba8413eeaf355c3166c03d58d02ac79624"
        );
    }

    #[test]
    fn vector_c_a_body_to_the_byte() {
        let message = |body| Message { method: "POST", body, ..get("/path", "key=value", GO_HEADERS) };
        assert_eq!(
            signature("AccessKey", "SecretKey", GO_DATE, &message(b"{\"Name\":\"test\",\"Id\":1}\n")),
            "cecc2af119b18ab70b4d094c0750f3b42c02f254903179a0fc2cc72fc9db4f59"
        );
        assert_eq!(
            signature("AccessKey", "SecretKey", GO_DATE, &message(b"{\"Name\":\"test\",\"Id\":1}")),
            "83599e5230b5b31fb58837c5760b4c2d407542df1f9493834ead538696e17a35"
        );
    }

    #[test]
    fn vector_d_other_keys() {
        let message = get("/v5/iotps/77b6a44cba5143ab91d13ab9a8ff44fd/certificates", QUERY, THREE);
        assert_eq!(
            signature("testAK", "testSK", DATE, &message),
            "2f1e228b4e2c68e428f7377c12a15526f26c27795dcf4cb641cc90c5b3fba962"
        );
    }

    #[test]
    fn vector_query_every_kind_of_character() {
        let expected = "enable=true&limit=1&multi=1&multi=2&multi=3&path=%2Ftmp%2F123&test=%E4%B8%80%20%28%26%3D%3F%21%23%25.%2A%29";
        let pairs = [
            ("limit", "1"),
            ("enable", "true"),
            ("test", "一 (&=?!#%.*)"),
            ("path", "/tmp/123"),
            ("multi", "3"),
            ("multi", "1"),
            ("multi", "2"),
        ];
        assert_eq!(canonical_query(&pairs), expected);
        assert_eq!(
            get("/", expected, &[]).sorted_query(),
            expected,
            "what went over the wire reads the same"
        );
    }

    #[test]
    fn a_stated_body_hash_replaces_the_computed_one() {
        let headers = [("x-sdk-date", GO_DATE), (CONTENT_SHA256_HEADER, "UNSIGNED-PAYLOAD")];
        let message = Message { body: b"anything", ..get("/path", "", &headers) };
        assert!(message.canonical_request().ends_with("\nUNSIGNED-PAYLOAD"));
    }

    #[test]
    fn other_schemes_are_refused() {
        for text in [
            "",
            "Bearer abc",
            "SDK-HMAC-SHA256",
            "SDK-HMAC-SHA256 Access=a, SignedHeaders=host",
            "SDK-HMAC-SHA256-X Access=a, SignedHeaders=host, Signature=00",
        ] {
            assert_eq!(text.parse::<Authorization>(), Err(NotOurScheme), "{text:?}");
        }
    }

    #[test]
    fn dates_round_trip() {
        let time = parse_date(DATE).expect("a date in the scheme's form");
        assert_eq!(format_date(time), DATE);
        assert_eq!(parse_date("2019-11-15T03:36:55Z"), None);
    }
}
