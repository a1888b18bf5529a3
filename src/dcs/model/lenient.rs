//! Tolerant decoding of what the service is known to vary: numbers and booleans as strings, `{}` or `""` for an absent
//! value, null for a list. A value of a wrong type reads as absent. Identifying fields and lists of objects, tags
//! included, are strict: an instance whose ownership tags were dropped silently would look like a foreign one.
//!
//! Every text is made one line and bounded here; ids must be ids, since they become parts of paths.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer, Serializer,
    de::{DeserializeOwned, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use serde_json::Value;

use super::{
    text::{self, MAX_CODE},
    time,
};
use crate::dcs::account::is_identifier;

/// The longest text: the addresses of the largest cluster.
const MAX_TEXT: usize = 16_384;
/// The longest word: a status or a mode.
pub(super) const MAX_WORD: usize = 63;

/// Entries of one list in an answer, at most: a page of instances has 1,000, the catalogue of flavors some hundred. A
/// small entry takes many times as much memory as it has bytes.
pub(in crate::dcs) const MAX_LIST: usize = 3000;
/// The decoding error of a longer list.
pub(in crate::dcs) const TOO_MANY: &str = "too many entries";

/// A field with tolerant decoding. Implemented for whole field types (`Option<String>`, `Vec<Tag>`).
pub(super) trait Lenient: Sized {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// For `#[serde(deserialize_with)]`: decodes by the field's type.
pub(super) fn field<'de, T: Lenient, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::lenient(deserializer)
}

/// For `#[serde(deserialize_with)]`: decodes a value that must be present.
pub(super) fn required<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    Option<T>: Lenient,
    D: Deserializer<'de>,
{
    Option::<T>::lenient(deserializer)?.ok_or_else(|| D::Error::custom("missing field: its value is empty"))
}

/// For `#[serde(deserialize_with)]`: an id, which must be present.
pub(in crate::dcs) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let id: String = required(deserializer)?;
    if id.len() <= MAX_CODE && is_identifier(&id) { Ok(id) } else { Err(D::Error::custom("invalid id")) }
}

/// For `#[serde(deserialize_with)]`: a code, which must be present.
pub(super) fn code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let code: String = required(deserializer)?;
    if text::is_code(&code) { Ok(code) } else { Err(D::Error::custom("invalid code")) }
}

/// For `#[serde(serialize_with)]`: a timestamp in the service's format.
pub(super) fn write_time<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_str(&time::format(*time)),
        None => serializer.serialize_none(),
    }
}

/// For `#[serde(serialize_with)]`: a timestamp as epoch milliseconds in a string, the format of jobs.
pub(super) fn write_millis<S: Serializer>(
    time: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.serialize_str(&time.timestamp_millis().to_string()),
        None => serializer.serialize_none(),
    }
}

/// A JSON value; lists and objects read as `Nothing`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scalar {
    Nothing,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Scalar, E> {
                Ok(Scalar::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Scalar, E> {
                Ok(Scalar::Integer(value))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Scalar, E> {
                Ok(i64::try_from(value).map_or(Scalar::Nothing, Scalar::Integer))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Scalar, E> {
                Ok(Scalar::Float(value))
            }
            fn visit_str<E>(self, value: &str) -> Result<Scalar, E> {
                Ok(Scalar::Text(value.to_owned()))
            }
            fn visit_string<E>(self, value: String) -> Result<Scalar, E> {
                Ok(Scalar::Text(value))
            }
            fn visit_unit<E>(self) -> Result<Scalar, E> {
                Ok(Scalar::Nothing)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Scalar, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nothing)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Scalar, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nothing)
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

/// Conversion of a scalar; `None` if it has no meaning as that type.
pub(super) trait FromScalar: Sized {
    fn from_scalar(scalar: Scalar) -> Option<Self>;
}

impl FromScalar for String {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        match scalar {
            Scalar::Nothing => None,
            Scalar::Bool(value) => Some(value.to_string()),
            Scalar::Integer(value) => Some(value.to_string()),
            Scalar::Float(value) => Some(value.to_string()),
            Scalar::Text(text) => (!text.is_empty()).then(|| text::bound(text, MAX_TEXT)),
        }
    }
}

impl FromScalar for f64 {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        let number = match scalar {
            Scalar::Nothing | Scalar::Bool(_) => None,
            Scalar::Integer(value) => Some(value as f64),
            Scalar::Float(value) => Some(value),
            Scalar::Text(text) => text.trim().parse().ok(),
        };
        number.filter(|number| number.is_finite())
    }
}

impl FromScalar for i64 {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        match scalar {
            Scalar::Integer(value) => Some(value),
            Scalar::Text(ref text) if text.trim().parse::<i64>().is_ok() => text.trim().parse().ok(),
            other => {
                let number = f64::from_scalar(other)?;
                (number.fract() == 0.0 && number.abs() < 9e15).then_some(number as i64)
            }
        }
    }
}

impl FromScalar for bool {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        match scalar {
            Scalar::Bool(value) => Some(value),
            Scalar::Integer(0) => Some(false),
            Scalar::Integer(1) => Some(true),
            Scalar::Text(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Scalar::Text(text) if text.eq_ignore_ascii_case("false") => Some(false),
            Scalar::Nothing | Scalar::Integer(_) | Scalar::Float(_) | Scalar::Text(_) => None,
        }
    }
}

impl FromScalar for DateTime<Utc> {
    fn from_scalar(scalar: Scalar) -> Option<Self> {
        match scalar {
            Scalar::Integer(millis) => DateTime::from_timestamp_millis(millis),
            Scalar::Text(text) => time::parse(&text),
            Scalar::Nothing | Scalar::Bool(_) | Scalar::Float(_) => None,
        }
    }
}

impl<T: FromScalar> Lenient for Option<T> {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Scalar::deserialize(deserializer).map(T::from_scalar)
    }
}

/// Drops elements without meaning, and reads anything but a list as empty: lists of scalars identify nothing.
impl<T: FromScalar> Lenient for Vec<T> {
    fn lenient<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Value::Array(mut values) = Value::deserialize(deserializer)? else { return Ok(Self::new()) };
        values.truncate(MAX_LIST);
        let scalars = values.into_iter().map(Scalar::deserialize).filter_map(Result::ok);
        Ok(scalars.filter_map(T::from_scalar).collect())
    }
}

/// A list of objects. Null, `""` and `{}` are empty lists. An element that cannot be decoded is an error, since a
/// dropped one would read as absent.
pub(super) fn list<'de, T: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct ListVisitor<T>(std::marker::PhantomData<T>);
    impl<'de, T: DeserializeOwned> Visitor<'de> for ListVisitor<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = seq.next_element()? {
                if items.len() >= MAX_LIST {
                    return Err(A::Error::custom(TOO_MANY));
                }
                items.push(item);
            }
            Ok(items)
        }
        fn visit_unit<E>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }
        fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
            if text.is_empty() { Ok(Vec::new()) } else { Err(E::custom("text where a list was expected")) }
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
            match map.next_key::<IgnoredAny>()? {
                None => Ok(Vec::new()),
                Some(_) => Err(A::Error::custom("an object where a list was expected")),
            }
        }
    }
    deserializer.deserialize_any(ListVisitor(std::marker::PhantomData))
}

/// An object; null and scalars read as absent.
pub(super) fn object<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    // These objects are small and rare, so the intermediate tree is cheap.
    let value = serde_json::Value::deserialize(deserializer)?;
    if value.is_object() { T::deserialize(value).map(Some).map_err(D::Error::custom) } else { Ok(None) }
}

/// Declares the objects of answers. [`Lenient`] decodes every field; an absent field is empty, and one under
/// `required` must be present and not empty, under `id` or `code` also be one. The fields of an object under `flatten` are part of this one. Empty fields
/// are written as null, as the service does.
macro_rules! wire {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $(flatten { $(#[$flat_meta:meta])* pub $flat:ident: $flat_type:ty, })?
            $(id { $(#[$id_meta:meta])* pub $id:ident: $id_type:ty, })?
            $(code { $(#[$code_meta:meta])* pub $code:ident: $code_type:ty, })?
            $(required { $($(#[$required_meta:meta])* pub $required:ident: $required_type:ty,)* })?
            $($(#[$field_meta:meta])* pub $field:ident: $type:ty,)*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        pub struct $name {
            $(
                $(#[$flat_meta])*
                #[serde(flatten)]
                pub $flat: $flat_type,
            )?
            $(
                $(#[$id_meta])*
                #[serde(deserialize_with = "crate::dcs::model::lenient::id")]
                pub $id: $id_type,
            )?
            $(
                $(#[$code_meta])*
                #[serde(deserialize_with = "crate::dcs::model::lenient::code")]
                pub $code: $code_type,
            )?
            $($(
                $(#[$required_meta])*
                #[serde(deserialize_with = "crate::dcs::model::lenient::required")]
                pub $required: $required_type,
            )*)?
            $(
                $(#[$field_meta])*
                #[serde(default, deserialize_with = "crate::dcs::model::lenient::field")]
                pub $field: $type,
            )*
        }

        impl crate::dcs::model::lenient::Lenient for Option<$name> {
            fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::dcs::model::lenient::object(deserializer)
            }
        }

        impl crate::dcs::model::lenient::Lenient for Vec<$name> {
            fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::dcs::model::lenient::list(deserializer)
            }
        }
    )*};
}

pub(super) use wire;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read<T: Lenient>(value: Value) -> T {
        T::lenient(value).expect("lenient fields accept any value")
    }

    #[test]
    fn texts() {
        for nothing in [json!(null), json!(""), json!({}), json!({"a": 1}), json!([]), json!(["a"])] {
            assert_eq!(read::<Option<String>>(nothing.clone()), None, "{nothing}");
        }
        for (value, text) in [(json!("a"), "a"), (json!(7), "7"), (json!(true), "true"), (json!(0.5), "0.5")]
        {
            assert_eq!(read::<Option<String>>(value), Some(text.to_owned()));
        }
    }

    #[test]
    fn texts_are_one_line_and_bounded() {
        assert_eq!(read::<Option<String>>(json!("a\nb\u{1b}[2J")), Some("a b [2J".to_owned()));
        let long = read::<Option<String>>(json!("x".repeat(MAX_TEXT + 1)));
        assert_eq!(long.map(|text| text.chars().count()), Some(MAX_TEXT));
    }

    #[test]
    fn ids_and_codes_are_parts_of_paths() {
        for good in [json!("4a9c5f0e-1b2c"), json!(7), json!("a".repeat(64))] {
            assert!(id(good.clone()).is_ok() && code(good.clone()).is_ok(), "{good}");
        }
        assert!(code(json!("redis.ha.xu1")).is_ok());
        for bad in [
            json!(null),
            json!(""),
            json!("a/b"),
            json!(".."),
            json!("a.b"),
            json!("a?b"),
            json!("a b"),
            json!("a\n"),
            json!("a#b"),
            json!("a%2fb"),
            json!("é"),
            json!("a".repeat(65)),
            json!({}),
        ] {
            assert!(id(bad.clone()).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers() {
        for (value, number) in
            [(json!(7), 7), (json!("7"), 7), (json!(7.0), 7), (json!("7.0"), 7), (json!(-1), -1)]
        {
            assert_eq!(read::<Option<i64>>(value.clone()), Some(number), "{value}");
        }
        for value in [
            json!(null),
            json!({}),
            json!(""),
            json!("many"),
            json!(0.5),
            json!(u64::MAX),
            json!("NaN"),
            json!(true),
        ] {
            assert_eq!(read::<Option<i64>>(value.clone()), None, "{value}");
        }
        for (value, number) in
            [(json!(".125"), 0.125), (json!("0.0"), 0.0), (json!(1.19), 1.19), (json!(4), 4.0)]
        {
            assert_eq!(read::<Option<f64>>(value), Some(number));
        }
        assert_eq!(read::<Option<f64>>(json!("inf")), None);
    }

    #[test]
    fn booleans() {
        for value in [json!(true), json!("true"), json!("TRUE"), json!(1)] {
            assert_eq!(read::<Option<bool>>(value), Some(true));
        }
        for value in [json!(false), json!("false"), json!("FALSE"), json!(0)] {
            assert_eq!(read::<Option<bool>>(value), Some(false));
        }
        for value in [json!(null), json!("yes"), json!(2), json!({})] {
            assert_eq!(read::<Option<bool>>(value), None);
        }
    }

    #[test]
    fn lists_of_scalars() {
        assert_eq!(read::<Vec<i64>>(json!(["1", 2, {}, "x"])), [1, 2]);
        for nothing in [json!(null), json!(""), json!({}), json!([]), json!("a"), json!(1), json!({"a": 1})] {
            assert_eq!(read::<Vec<String>>(nothing.clone()), Vec::<String>::new(), "{nothing}");
        }
    }

    #[test]
    fn lists_of_objects_are_strict() {
        let read = |value: Value| list::<Vec<i64>, _>(value);
        for nothing in [json!(null), json!(""), json!({}), json!([])] {
            assert_eq!(read(nothing.clone()).ok(), Some(vec![]), "{nothing}");
        }
        for value in [json!("a"), json!(1), json!({"a": 1}), json!([null])] {
            assert!(read(value.clone()).is_err(), "{value}");
        }
    }
}
