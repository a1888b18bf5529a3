//! Request parsing with the strictness of the service: types must match, but a number may be a string, and an empty
//! string or null means absent.

use serde_json::{Map, Value};

use super::api_error::{ApiError, Result};
use crate::dcs::model::Capacity;

/// Request body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body<'a>(&'a Map<String, Value>);

/// Query parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Query<'a>(pub(super) &'a [(String, String)]);

/// `DCS.4005` for a field of the wrong type.
fn malformed(field: &str) -> ApiError {
    ApiError::with_detail("DCS.4005", format!("The field {field} of the message body is not valid."))
}

// === impl Body ===

impl<'a> Body<'a> {
    /// Requires a JSON object: `DCS.4004` without a body, `DCS.4005` for any other value.
    pub(super) fn new(body: &'a Value) -> Result<Self> {
        match body {
            Value::Object(fields) => Ok(Self(fields)),
            Value::Null => Err(ApiError::new("DCS.4004")),
            _ => Err(ApiError::new("DCS.4005")),
        }
    }

    /// A field; `None` if it is absent.
    pub(super) fn value(self, field: &str) -> Option<&'a Value> {
        self.0.get(field).filter(|value| !value.is_null() && value.as_str() != Some(""))
    }

    /// A string, which may be empty.
    pub(super) fn text(self, field: &str) -> Result<Option<&'a str>> {
        match self.0.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(malformed(field)),
        }
    }

    /// A non-empty string.
    pub(super) fn nonempty(self, field: &str) -> Result<Option<&'a str>> {
        Ok(self.text(field)?.filter(|text| !text.is_empty()))
    }

    /// An integer.
    pub(super) fn integer(self, field: &str) -> Result<Option<i64>> {
        self.value(field).map(|value| integer(value).ok_or_else(|| malformed(field))).transpose()
    }

    /// A boolean.
    pub(super) fn boolean(self, field: &str) -> Result<Option<bool>> {
        self.value(field).map(|value| boolean(value).ok_or_else(|| malformed(field))).transpose()
    }

    /// A list of strings; empty if absent.
    pub(super) fn texts(self, field: &str) -> Result<Vec<&'a str>> {
        let Some(value) = self.value(field) else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(|| malformed(field))?;
        items.iter().map(|item| item.as_str().ok_or_else(|| malformed(field))).collect()
    }

    /// A list of objects; empty if absent.
    pub(super) fn objects(self, field: &str) -> Result<Vec<Body<'a>>> {
        let Some(value) = self.value(field) else { return Ok(Vec::new()) };
        let items = value.as_array().ok_or_else(|| malformed(field))?;
        items.iter().map(|item| item.as_object().map(Body).ok_or_else(|| malformed(field))).collect()
    }

    pub(super) fn object(self, field: &str) -> Result<Option<Body<'a>>> {
        let object = |value: &'a Value| value.as_object().map(Body).ok_or_else(|| malformed(field));
        self.value(field).map(object).transpose()
    }

    pub(super) fn fields(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

// === impl Query ===

impl<'a> Query<'a> {
    /// The first non-empty value of a parameter.
    pub(super) fn nonempty(self, name: &str) -> Option<&'a str> {
        let given = self.0.iter().find(|(key, _)| key == name)?;
        Some(given.1.as_str()).filter(|text| !text.is_empty())
    }

    /// Whether a parameter is `true`; any other value is false, as the reference defines.
    pub(super) fn flag(self, name: &str) -> bool {
        self.nonempty(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    /// An integer within bounds: `DCS.4800`.
    pub(super) fn bounded(self, name: &str, least: i64, most: i64) -> Result<Option<usize>> {
        let Some(text) = self.nonempty(name) else { return Ok(None) };
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        let number = number.and_then(|number| usize::try_from(number).ok());
        number.map(Some).ok_or_else(|| ApiError::invalid_field(name))
    }

    /// A capacity in GB: `DCS.4800`.
    pub(super) fn capacity(self) -> Result<Option<Capacity>> {
        let Some(text) = self.nonempty("capacity") else { return Ok(None) };
        let capacity = text.parse().ok().and_then(Capacity::from_gib);
        capacity.map(Some).ok_or_else(|| ApiError::invalid_field("capacity"))
    }

    /// Offset and limit of a page.
    pub(super) fn page(self) -> Result<(usize, usize)> {
        let offset = self.bounded("offset", 0, i64::from(u32::MAX))?.unwrap_or(0);
        let limit = self.bounded("limit", 1, 1000)?.unwrap_or(10);
        Ok((offset, limit))
    }
}

/// An integer, or a string with one.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_i64().or_else(|| whole(other.as_f64()?)),
    }
}

/// A number, or a string with one.
fn decimal(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    }
}

/// A capacity in GB, as a number or a string.
pub(super) fn capacity(value: &Value) -> Option<Capacity> {
    decimal(value).and_then(Capacity::from_gib)
}

/// A boolean, or a string with one.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Accepts `4.0` as an integer: some clients send floats only.
fn whole(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn code<T: std::fmt::Debug>(result: Result<T>) -> &'static str {
        result.expect_err("an error").code
    }

    #[test]
    fn missing_and_malformed_bodies_are_rejected() {
        assert_eq!(code(Body::new(&Value::Null)), "DCS.4004");
        for body in [json!([]), json!("{"), json!(1)] {
            assert_eq!(code(Body::new(&body)), "DCS.4005", "{body}");
        }
        assert!(Body::new(&json!({})).is_ok());
    }

    #[test]
    fn fields_are_parsed_by_type() {
        let body =
            json!({"t": "a", "e": "", "n": null, "i": "7", "f": 4.0, "b": "TRUE", "l": ["x"], "o": {}});
        let body = Body::new(&body).unwrap();
        assert_eq!(body.text("e"), Ok(Some("")));
        assert_eq!(
            (body.nonempty("e"), body.nonempty("n"), body.nonempty("t")),
            (Ok(None), Ok(None), Ok(Some("a")))
        );
        assert_eq!(
            (body.integer("i"), body.integer("f"), body.integer("e")),
            (Ok(Some(7)), Ok(Some(4)), Ok(None))
        );
        assert_eq!(body.boolean("b"), Ok(Some(true)));
        assert_eq!(body.texts("l"), Ok(vec!["x"]));
        assert_eq!(code(body.nonempty("i").and(body.nonempty("f"))), "DCS.4005");
        assert_eq!(code(body.integer("t")), "DCS.4005");
        assert_eq!(code(body.boolean("t")), "DCS.4005");
        assert_eq!(code(body.texts("t")), "DCS.4005");
        assert_eq!(code(body.objects("l")), "DCS.4005");
        assert_eq!(code(body.object("l")), "DCS.4005");
    }

    #[test]
    fn page_bounds() {
        let query = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        for (pairs, page) in [
            (vec![], Some((0, 10))),
            (vec![("limit", "")], Some((0, 10))),
            (vec![("limit", "1")], Some((0, 1))),
            (vec![("limit", "1000"), ("offset", "7")], Some((7, 1000))),
            (vec![("limit", "0")], None),
            (vec![("limit", "1001")], None),
            (vec![("limit", "-1")], None),
            (vec![("limit", "ten")], None),
            (vec![("offset", "-1")], None),
            (vec![("offset", "99999999999999999999")], None),
        ] {
            let given = query(&pairs);
            let result = Query(&given).page();
            match page {
                Some(page) => assert_eq!(result, Ok(page), "{pairs:?}"),
                None => assert_eq!(code(result), "DCS.4800", "{pairs:?}"),
            }
        }
    }
}
