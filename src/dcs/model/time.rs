//! The timestamp formats of the service. All are UTC.

use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};

/// ISO 8601 without a zone, the migration detail's, the step times', and the compact ones.
const FORMATS: [&str; 5] =
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S%.f", "%Y%m%d%H%M%S", "%Y%m%d%H%M"];

/// Parses any of the known formats, epoch milliseconds as text included.
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Some(time.to_utc());
    }
    // 13 digits are milliseconds since 1970; 12 and 14 are a date.
    if text.len() == 13
        && let Ok(millis) = text.parse()
    {
        return DateTime::from_timestamp_millis(millis);
    }
    FORMATS
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|time| time.and_utc())
}

/// Formats a time as most answers do: `2017-03-31T12:24:46.297Z`.
pub fn format(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Formats a time as query parameters do: `20200609160000`.
pub fn format_query(time: DateTime<Utc>) -> String {
    time.format("%Y%m%d%H%M%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_form() {
        for (text, expected) in [
            ("2017-03-31T12:24:46.297Z", "2017-03-31T12:24:46.297Z"),
            ("2020-06-17T08:18:06.597", "2020-06-17T08:18:06.597Z"),
            ("2024-01-02T03:04:05+08:00", "2024-01-01T19:04:05.000Z"),
            ("2019/10/22 14:44:30", "2019-10-22T14:44:30.000Z"),
            ("2022-09-01 11:52:24", "2022-09-01T11:52:24.000Z"),
            ("1684191545379", "2023-05-15T22:59:05.379Z"),
            ("202404011057", "2024-04-01T10:57:00.000Z"),
            ("20200609160000", "2020-06-09T16:00:00.000Z"),
        ] {
            assert_eq!(parse(text).map(format), Some(expected.to_owned()), "{text}");
        }
        for text in ["", "soon", "2020-13-01T00:00:00Z", "99999999999999999999"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn query_form_round_trips() {
        let time = parse("2020-06-09T16:00:00Z").expect("a time");
        assert_eq!(format_query(time), "20200609160000");
        assert_eq!(parse(&format_query(time)), Some(time));
    }
}
