//! JSON values that languages write in several ways.

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Serialize};

use crate::core::model::quantity::MAX_UNITS;

/// A whole number. Languages whose numbers are doubles write `900.0` or `9e2`. A number with a
/// fraction, or beyond 2^53 - 1 and so not exact, is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Whole(pub i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WholeVisitor)
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = Whole;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, n: i64) -> Result<Whole, E> {
        Ok(Whole(n))
    }

    fn visit_u64<E: Error>(self, n: u64) -> Result<Whole, E> {
        i64::try_from(n).map(Whole).map_err(|_| E::invalid_value(Unexpected::Unsigned(n), &self))
    }

    fn visit_f64<E: Error>(self, n: f64) -> Result<Whole, E> {
        if n.fract() == 0.0 && n.abs() <= MAX_UNITS as f64 {
            Ok(Whole(n as i64))
        } else {
            Err(E::invalid_value(Unexpected::Float(n), &self))
        }
    }
}

/// An array. JSON libraries of Lua write an empty one as `{}`, which is accepted.
///
/// # Errors
/// serde's own (`invalid type`): neither an array nor an empty object.
pub fn list<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_any(ListVisitor(std::marker::PhantomData))
}

struct ListVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(items)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<T>, A::Error> {
        match map.next_key::<IgnoredAny>()? {
            None => Ok(Vec::new()),
            Some(_) => Err(A::Error::invalid_type(Unexpected::Map, &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_in_all_their_forms() {
        for (text, number) in [
            ("900", Some(900)),
            ("900.0", Some(900)),
            ("9e2", Some(900)),
            ("-0", Some(0)),
            ("-3.0", Some(-3)),
            ("9007199254740991.0", Some(MAX_UNITS)),
            ("9223372036854775807", Some(i64::MAX)),
            ("9007199254740992.0", None),
            ("9223372036854775808", None),
            ("0.5", None),
            ("1e400", None),
            ("\"1\"", None),
            ("null", None),
            ("true", None),
        ] {
            assert_eq!(serde_json::from_str::<Whole>(text).ok(), number.map(Whole), "{text}");
        }
    }

    #[test]
    fn an_empty_object_is_an_empty_list() {
        #[derive(Deserialize)]
        struct Holder {
            #[serde(deserialize_with = "list")]
            items: Vec<i64>,
        }
        let read = |text: &str| serde_json::from_str::<Holder>(text).ok().map(|holder| holder.items);
        assert_eq!(read(r#"{"items":[1,2]}"#), Some(vec![1, 2]));
        assert_eq!(read(r#"{"items":[]}"#), Some(vec![]));
        assert_eq!(read(r#"{"items":{}}"#), Some(vec![]));
        assert_eq!(read(r#"{"items":{"a":1}}"#), None);
        assert_eq!(read(r#"{"items":null}"#), None);
        assert_eq!(read(r#"{"items":5}"#), None);
    }
}
