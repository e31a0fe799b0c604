//! Reading JSON. A value of type `json` is its text here.

use super::Family;
use super::function::{Gives, Memo, Takes, collect, function, is_text, text_at, texts, typed};
use super::json_text::write_string;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringViewArray};
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, exec_datafusion_err, internal_err, plan_err};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The functions of this family.
///
/// Those whose names Trino does not have are what `dialect` makes of `CAST(json AS …)` and `try(json_parse(…))`.
pub(super) fn functions() -> Family {
    use Takes::Text;
    vec![
        function("json_extract_scalar", &[Text, Text], Gives::Text, |args| at_path(args, |json| Ok(scalar(json)))),
        function("json_extract", &[Text, Text], Gives::Text, |args| {
            at_path(args, |json| canonical(json, false).map(Some))
        }),
        function("json_size", &[Text, Text], Gives::Int, json_size),
        function("json_array_length", &[Text], Gives::Int, json_array_length),
        typed("json_array_contains", contains_types, json_array_contains),
        function("is_json_scalar", &[Text], Gives::Bool, is_json_scalar),
        function("json_parse", &[Text], Gives::Text, json_parse),
        function("try_json_parse", &[Text], Gives::Text, |args| each(args, |json| canonical(json, true).ok())),
        function("is_json", &[Text], Gives::Bool, is_json),
        function("json_format", &[Text], Gives::Text, |args| each(args, |json| Some(json.to_owned()))),
        function("json_to_varchar", &[Text], Gives::Text, |args| each(args, varchar)),
    ]
}

fn each(args: &[ArrayRef], of: fn(&str) -> Option<String>) -> Result<ArrayRef> {
    let json = texts(args, 0)?;
    collect::<StringViewArray, _>(json.len(), |row| Ok(text_at(json, row).and_then(of)))
}

fn json_parse(args: &[ArrayRef]) -> Result<ArrayRef> {
    let json = texts(args, 0)?;
    collect::<StringViewArray, _>(json.len(), |row| {
        let Some(text) = text_at(json, row) else { return Ok(None) };
        canonical(text, true).map(Some).map_err(|_| exec_datafusion_err!("Cannot convert '{text}' to JSON"))
    })
}

/// Whether a text is JSON; NULL is none.
fn is_json(args: &[ArrayRef]) -> Result<ArrayRef> {
    let json = texts(args, 0)?;
    collect::<BooleanArray, _>(json.len(), |row| Ok(Some(text_at(json, row).is_some_and(super::row_json::is_json))))
}

/// What is at a path; NULL where nothing is, and where the text is not JSON.
fn at_path(args: &[ArrayRef], of: fn(&str) -> Result<Option<String>>) -> Result<ArrayRef> {
    let (json, path) = (texts(args, 0)?, texts(args, 1)?);
    let mut steps = Memo::new();
    collect::<StringViewArray, _>(json.len(), |row| {
        let (Some(json), Some(path)) = (text_at(json, row), text_at(path, row)) else { return Ok(None) };
        match walk(json, steps.get(path, parse_path)?) {
            Some(found) => of(found),
            None => Ok(None),
        }
    })
}

/// How many entries the object or array at a path has; a scalar has none.
fn json_size(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (json, path) = (texts(args, 0)?, texts(args, 1)?);
    let mut steps = Memo::new();
    collect::<Int64Array, _>(json.len(), |row| {
        let (Some(json), Some(path)) = (text_at(json, row), text_at(path, row)) else { return Ok(None) };
        let Some(found) = walk(json, steps.get(path, parse_path)?) else { return Ok(None) };
        let size = object(found).map(|object| object.len()).or_else(|| array(found).map(|array| array.len()));
        Ok(Some(size.unwrap_or(0) as i64))
    })
}

fn json_array_length(args: &[ArrayRef]) -> Result<ArrayRef> {
    let json = texts(args, 0)?;
    collect::<Int64Array, _>(json.len(), |row| Ok(text_at(json, row).and_then(array).map(|items| items.len() as i64)))
}

fn contains_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let value = match args {
        [_, value] if value.is_integer() => DataType::Int64,
        [_, value] if value.is_floating() || matches!(value, DataType::Decimal128(..)) => DataType::Float64,
        [_, DataType::Boolean] => DataType::Boolean,
        [_, value] if is_text(value) => DataType::Utf8View,
        _ => return plan_err!("json_array_contains takes JSON, and a number, a boolean or a text"),
    };
    Ok((vec![DataType::Utf8View, value], DataType::Boolean))
}

/// Whether an array has an item of the value's kind that equals it: a double equals no integer. What is no array gives NULL.
fn json_array_contains(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [_, value] = args else { return internal_err!("json_array_contains takes two arguments") };
    let json = texts(args, 0)?;
    let equals = |item: &str, row: usize| match value.data_type() {
        DataType::Int64 => item.parse() == Ok(value.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => {
            item.contains(['.', 'e', 'E']) && item.parse() == Ok(value.as_primitive::<Float64Type>().value(row))
        }
        DataType::Boolean => item.parse() == Ok(value.as_boolean().value(row)),
        _ => item.starts_with('"') && scalar(item).as_deref() == Some(value.as_string_view().value(row)),
    };
    collect::<BooleanArray, _>(json.len(), |row| {
        let items = text_at(json, row).filter(|_| value.is_valid(row)).and_then(array);
        Ok(items.map(|items| items.iter().any(|item| equals(item.get(), row))))
    })
}

/// Whether a JSON text is neither an object nor an array.
fn is_json_scalar(args: &[ArrayRef]) -> Result<ArrayRef> {
    let json = texts(args, 0)?;
    collect::<BooleanArray, _>(json.len(), |row| {
        let Some(json) = text_at(json, row) else { return Ok(None) };
        canonical(json, false).map_err(|_| exec_datafusion_err!("Invalid JSON value: {json}"))?;
        Ok(Some(!json.trim_start().starts_with(['{', '['])))
    })
}

/// One step of a path.
#[derive(Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Reads `$.a.b`, `$['a']`, `$["a"]` and `$.a[0]`.
fn parse_path(path: &str) -> Result<Vec<Step>> {
    let invalid = || exec_datafusion_err!("Invalid JSON path: '{path}'");
    let mut rest = path.strip_prefix('$').ok_or_else(invalid)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step;
        if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(['.', '[']).unwrap_or(name.len());
            (step, rest) = (Step::Key(name[..end].to_owned()), &name[end..]);
        } else if let Some(quoted) = rest.strip_prefix("[\"") {
            let (name, tail) = quoted.split_once("\"]").ok_or_else(invalid)?;
            (step, rest) = (Step::Key(name.replace("\\\"", "\"")), tail);
        } else if let Some(quoted) = rest.strip_prefix("['") {
            let (name, tail) = quoted.split_once("']").ok_or_else(invalid)?;
            (step, rest) = (Step::Key(name.to_owned()), tail);
        } else {
            let (index, tail) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')).ok_or_else(invalid)?;
            (step, rest) = (Step::Index(index.parse().map_err(|_| invalid())?), tail);
        }
        if step == Step::Key(String::new()) {
            return Err(invalid());
        }
        steps.push(step);
    }
    Ok(steps)
}

fn walk<'a>(json: &'a str, steps: &[Step]) -> Option<&'a str> {
    steps.iter().try_fold(serde_json::from_str::<&RawValue>(json).ok()?.get(), |json, step| match step {
        Step::Key(name) => object(json)?.get(name.as_str()).map(|value| value.get()),
        Step::Index(index) => array(json)?.get(*index).map(|value| value.get()),
    })
}

// Values stay raw text on the way, so that a number keeps the digits it was written with.
fn object(json: &str) -> Option<BTreeMap<Cow<'_, str>, &RawValue>> {
    serde_json::from_str(json).ok()
}

pub(super) fn array(json: &str) -> Option<Vec<&RawValue>> {
    serde_json::from_str(json).ok()
}

/// A string without its quotes, a number or a boolean as written; none for null, an object or an array.
pub(super) fn scalar(json: &str) -> Option<String> {
    match json.trim_start().bytes().next()? {
        b'"' => serde_json::from_str(json).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(json.trim().to_owned()),
    }
}

/// The same as `CAST(json AS varchar)` gives it: a number with a point is a double.
pub(super) fn varchar(json: &str) -> Option<String> {
    let text = scalar(json)?;
    let is_double = json.trim_start().starts_with(|c: char| c == '-' || c.is_ascii_digit()) && !is_whole(&text);
    Some(if is_double { super::cast::print::double_text(text.parse().ok()?) } else { text })
}

fn is_whole(number: &str) -> bool {
    !number.contains(['.', 'e', 'E'])
}

/// JSON without white space. Trino sorts the keys of what it parses, and keeps the order of what it extracts.
pub(super) fn canonical(json: &str, is_sorted: bool) -> Result<String> {
    let value: &RawValue = serde_json::from_str(json).map_err(|error| exec_datafusion_err!("not JSON: {error}"))?;
    let mut text = String::new();
    write_canonical(value.get(), is_sorted, &mut text).map_err(|error| exec_datafusion_err!("not JSON: {error}"))?;
    Ok(text)
}

fn write_canonical(json: &str, is_sorted: bool, out: &mut String) -> serde_json::Result<()> {
    match json.trim_start().bytes().next() {
        Some(b'{') => {
            let entries: Entries = serde_json::from_str(json)?;
            let mut entries = entries.0;
            if is_sorted {
                // Of equal keys the last one counts.
                let last: BTreeMap<_, _> = entries.into_iter().collect();
                entries = last.into_iter().collect();
            }
            out.push('{');
            for (i, (name, value)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write_canonical(value.get(), is_sorted, out)?;
            }
            out.push('}');
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(json)?;
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item.get(), is_sorted, out)?;
            }
            out.push(']');
        }
        Some(b'"') => write_string(&serde_json::from_str::<Cow<'_, str>>(json)?, out),
        Some(b'-' | b'0'..=b'9') if json.trim() == "-0" => out.push('0'),
        // Whole numbers keep all their digits.
        Some(b'-' | b'0'..=b'9') if !is_whole(json) => {
            out.push_str(&super::cast::print::java_double(serde_json::from_str(json)?));
        }
        _ => out.push_str(json.trim()),
    }
    Ok(())
}

/// The entries of an object, in their order.
pub(super) struct Entries<'a>(pub(super) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"a": {"b": [1.50, "x\"y", null, true]}, "c d": 1e3, "A": 2}"#;

    fn found(path: &str) -> Option<String> {
        walk(LINE, &parse_path(path).unwrap()).and_then(scalar)
    }

    #[test]
    fn a_path_finds_scalars_as_they_are_written() {
        assert_eq!(found("$.a.b[0]").as_deref(), Some("1.50"));
        assert_eq!(found("$.a.b[1]").as_deref(), Some("x\"y"));
        assert_eq!(found("$['c d']").as_deref(), Some("1e3"));
        assert_eq!(found("$[\"A\"]").as_deref(), Some("2"));
        assert_eq!(found("$.a.b[3]").as_deref(), Some("true"));
    }

    #[test]
    fn what_is_not_there_is_null() {
        for path in ["$.a", "$.a.b", "$.a.b[2]", "$.a.b[9]", "$.z", "$.a.z"] {
            assert_eq!(found(path), None, "{path}");
        }
        assert_eq!(walk("{broken", &[]), None);
    }

    #[test]
    fn json_is_kept_without_spaces_and_with_sorted_keys() {
        assert_eq!(canonical("{ \"b\" : 1, \"a\": [ true , \"é\" ] }", true).unwrap(), r#"{"a":[true,"é"],"b":1}"#);
        assert_eq!(canonical(r#"{"b": 1, "a": 2}"#, false).unwrap(), r#"{"b":1,"a":2}"#);
        assert_eq!(canonical("10000000000000000000000", true).unwrap(), "10000000000000000000000");
        assert_eq!(varchar("1.50").as_deref(), Some("1.5E0"));
        assert_eq!(varchar("15").as_deref(), Some("15"));
    }

    #[test]
    fn a_broken_path_is_an_error() {
        for path in ["a.b", "$.", "$[x]", "$['a'", "$a"] {
            assert!(parse_path(path).is_err(), "{path}");
        }
    }
}
