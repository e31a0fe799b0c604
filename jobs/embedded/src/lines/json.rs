//! One JSON object a line, as the OpenX and Hive SerDes read it.

use std::fmt;

use meterlake_core::catalog::{Column, StorageFormat};
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::openx::{self, Key, Value};
use super::{Fields, Malformed};

/// What becomes of a line that is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnMalformed {
    /// It is a row of NULLs.
    Nulls,
    /// The statement fails.
    Fail,
}

/// Which keys belong to which columns.
#[derive(Debug, Clone)]
pub(crate) struct JsonLines {
    /// The key of each of the table's columns, in the table's order.
    keys: Vec<String>,
    case_insensitive: bool,
    pub(super) on_malformed: OnMalformed,
    /// Lines are read as OpenX reads them, else as Hive does.
    as_openx: bool,
}

impl JsonLines {
    /// Takes the SerDe's settings `mapping.<column>`, `case.insensitive` and `ignore.malformed.json`.
    pub(crate) fn new(columns: &[&Column], format: &StorageFormat) -> Self {
        let setting = |key: &str| format.serde_parameters.get(key);
        let key = |column: &&Column| setting(&format!("mapping.{}", column.name)).unwrap_or(&column.name).clone();
        let ignores = setting("ignore.malformed.json").is_some_and(|text| text.eq_ignore_ascii_case("true"));
        Self {
            keys: columns.iter().map(key).collect(),
            case_insensitive: setting("case.insensitive").is_none_or(|text| text != "false"),
            on_malformed: if ignores { OnMalformed::Nulls } else { OnMalformed::Fail },
            as_openx: format.serde.starts_with("org.openx."),
        }
    }

    /// Reads a line's object; `wanted[column]` says where the column's value goes, if anywhere.
    ///
    /// To Hive, a string's value is its text, `null` is NULL, and anything else is its JSON text.
    pub(super) fn read(&self, line: &str, wanted: &[Option<usize>], fields: &mut Fields) -> Result<(), Malformed> {
        if self.as_openx {
            return self.read_as_openx(line, wanted, fields);
        }
        let mut deserializer = serde_json::Deserializer::from_str(line);
        let mut reader = ObjectReader { format: self, wanted, fields, next: 0 };
        let read = deserializer.deserialize_map(&mut reader).and_then(|()| deserializer.end());
        read.map_err(|error| error.to_string())
    }

    fn read_as_openx(&self, line: &str, wanted: &[Option<usize>], fields: &mut Fields) -> Result<(), Malformed> {
        openx::read(line, |key, value| {
            let column = match key {
                Key::Name(name) => self.column_of(name, 0),
                Key::Place(place) => Some(place),
            };
            let Some(Some(at)) = column.and_then(|column| wanted.get(column)) else { return };
            match value {
                Value::Null => fields.set(*at, None),
                Value::String(text) => fields.set(*at, Some(&text)),
                Value::Other(text) => fields.set(*at, Some(&text)),
            }
        })
    }

    fn column_of(&self, key: &str, guess: usize) -> Option<usize> {
        let matches = |column: &String| {
            if self.case_insensitive { column.eq_ignore_ascii_case(key) } else { column == key }
        };
        // A log's lines have their keys in one order, mostly that of the columns.
        if self.keys.get(guess).is_some_and(matches) { Some(guess) } else { self.keys.iter().position(matches) }
    }
}

struct ObjectReader<'a> {
    format: &'a JsonLines,
    wanted: &'a [Option<usize>],
    fields: &'a mut Fields,
    next: usize,
}

impl<'de> Visitor<'de> for &mut ObjectReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(column) = map.next_key_seed(KeyReader { format: self.format, guess: self.next })? {
            let Some(column) = column else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            self.next = column + 1;
            let raw = map.next_value::<&RawValue>()?.get();
            let is_null = raw == "null";
            let Some(at) = self.wanted[column] else { continue };
            match raw.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
                Some(text) if text.contains('\\') => {
                    let text: String = serde_json::from_str(raw).map_err(serde::de::Error::custom)?;
                    self.fields.set(at, Some(&text));
                }
                Some(text) => self.fields.set(at, Some(text)),
                None if is_null => self.fields.set(at, None),
                None => self.fields.set(at, Some(raw)),
            }
        }
        Ok(())
    }
}

/// Reads a key straight into the column it belongs to.
struct KeyReader<'a> {
    format: &'a JsonLines,
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for KeyReader<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyReader<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.format.column_of(key, self.guess))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Vec<Option<String>>, Malformed> {
        let columns = ["requestid", "status", "user"].map(|name| Column {
            name: name.to_owned(),
            data_type: "string".to_owned(),
            comment: None,
        });
        let format = StorageFormat {
            input_format: String::new(),
            output_format: String::new(),
            serde: "org.apache.hive.hcatalog.data.JsonSerDe".to_owned(),
            serde_parameters: Default::default(),
        };
        let format = JsonLines::new(&columns.iter().collect::<Vec<_>>(), &format);
        let mut fields = Fields::default();
        fields.clear(3);
        format.read(line, &[Some(0), Some(1), Some(2)], &mut fields)?;
        Ok((0..3).map(|at| fields.get(at).map(str::to_owned)).collect())
    }

    fn values(line: &str) -> [Option<String>; 3] {
        read(line).unwrap().try_into().unwrap()
    }

    #[test]
    fn values_are_taken_as_they_are_written() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            values(r#"{"requestId": "a", "status": 9007199254740993, "user": "a \"q\" \u00e9"}"#),
            [some("a"), some("9007199254740993"), some("a \"q\" é")]
        );
        assert_eq!(values(r#" {"USER":null,"status":1.50,"requestid":""} "#), [some(""), some("1.50"), None]);
        assert_eq!(
            values(r#"{"user":{"a": [1]},"x":{"y":"z"},"status":true}"#),
            [None, some("true"), some(r#"{"a": [1]}"#)]
        );
    }

    #[test]
    fn a_key_that_comes_twice_counts_the_last_time() {
        assert_eq!(values(r#"{"status":"1","status":"2"}"#)[1].as_deref(), Some("2"));
        assert_eq!(values(r#"{"user":"x","status":"1","STATUS":null}"#)[1], None);
    }

    #[test]
    fn what_is_no_object_is_malformed() {
        for line in [
            "{",
            r#"{"status": -}"#,
            r#"{"status": 1} {"status": 2}"#,
            r#"{"status": "1"#,
            "[]",
            "1",
            "\"x\"",
            "null",
            r#"{"status": 1,}"#,
            r#"{'status': 1}"#,
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }
}
