//! `CAST(json AS …)`: JSON text to numbers, times, arrays, maps and rows.

use super::Family;
use super::cast::cast_as;
use super::function::{is_text, text_at, texts, typed};
use super::json::{Entries, array, canonical, scalar, varchar};
use super::maps::{entry_types, map_array};
use super::type_names::trino_name;
use datafusion::arrow::array::{Array, ArrayRef, ListArray, StringViewArray, StructArray, new_null_array};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err};
use std::sync::Arc;

/// The functions of this family. `dialect` makes them of casts, with a NULL of the type as second argument.
pub(super) fn functions() -> Family {
    vec![
        typed("json_to_value", types, |args| values(args, false)),
        typed("try_json_to_value", types, |args| values(args, true)),
        // An item of an array, map or row that is JSON itself.
        typed(
            "json_type",
            |args| Ok((args.to_vec(), DataType::LargeUtf8)),
            |args| Ok(new_null_array(&DataType::LargeUtf8, args.first().map_or(1, |arg| arg.len()))),
        ),
    ]
}

fn types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match args {
        [_, to] => Ok((vec![DataType::Utf8View, to.clone()], to.clone())),
        _ => internal_err!("a cast of JSON takes a text and a type"),
    }
}

fn values(args: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let (json, to) = (texts(args, 0)?, args.get(1).map_or(&DataType::Null, |to| to.data_type()));
    let all: Vec<Option<&str>> = (0..json.len()).map(|row| text_at(json, row)).collect();
    match as_type(&all, to) {
        Err(_) if lenient => {
            let one = |json: &Option<&str>| as_type(&[*json], to).unwrap_or_else(|_| new_null_array(to, 1));
            let rows: Vec<ArrayRef> = all.iter().map(one).collect();
            Ok(concat(&rows.iter().map(AsRef::as_ref).collect::<Vec<_>>())?)
        }
        found => found,
    }
}

/// JSON texts as values of a type. JSON's null is NULL.
fn as_type(json: &[Option<&str>], to: &DataType) -> Result<ArrayRef> {
    let json: Vec<Option<&str>> = json.iter().map(|json| json.filter(|json| json.trim() != "null")).collect();
    match to {
        DataType::List(item) => lists(&json, item),
        DataType::Map(..) => maps(&json, to),
        DataType::Struct(fields) => rows(&json, fields, to),
        // As `json_type` marks it.
        DataType::LargeUtf8 => {
            let texts = json.iter().map(|json| json.map(|json| canonical(json, true)).transpose());
            Ok(cast_as(&(Arc::new(texts.collect::<Result<StringViewArray>>()?) as ArrayRef), to, false)?)
        }
        _ => scalars(&json, to),
    }
}

fn refused<T>(json: &str, to: &DataType) -> Result<T> {
    let json: String = json.chars().take(200).collect();
    exec_err!("Cannot cast '{json}' to {}", trino_name(to))
}

fn lists(json: &[Option<&str>], item: &FieldRef) -> Result<ArrayRef> {
    let (mut items, mut lengths) = (Vec::new(), Vec::with_capacity(json.len()));
    for json in json {
        let before = items.len();
        if let Some(json) = json {
            let Some(found) = array(json) else { return refused(json, &DataType::List(Arc::clone(item))) };
            items.extend(found.into_iter().map(|item| Some(item.get())));
        }
        lengths.push(items.len() - before);
    }
    let values = as_type(&items, item.data_type())?;
    let valid: NullBuffer = json.iter().map(Option::is_some).collect();
    let item = Field::new_list_field(item.data_type().clone(), true);
    Ok(Arc::new(ListArray::try_new(Arc::new(item), OffsetBuffer::from_lengths(lengths), values, Some(valid))?))
}

fn entries<'a>(json: &'a str, to: &DataType) -> Result<Entries<'a>> {
    serde_json::from_str(json).or_else(|_| refused(json, to))
}

fn maps(json: &[Option<&str>], to: &DataType) -> Result<ArrayRef> {
    let (key_type, value_type) = entry_types(to)?;
    let (mut keys, mut values, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(json.len()));
    for json in json {
        let before = keys.len();
        for (key, value) in json.map(|json| entries(json, to)).transpose()?.into_iter().flat_map(|entries| entries.0) {
            keys.push(Some(key.into_owned()));
            values.push(Some(value.get()));
        }
        lengths.push(keys.len() - before);
    }
    let keys: ArrayRef = Arc::new(keys.into_iter().collect::<StringViewArray>());
    let valid: NullBuffer = json.iter().map(Option::is_some).collect();
    map_array(cast_as(&keys, key_type, false)?, as_type(&values, value_type)?, lengths, Some(valid))
}

/// A row of an object by its keys, whatever their case, or of an array by position.
fn rows(json: &[Option<&str>], fields: &[FieldRef], to: &DataType) -> Result<ArrayRef> {
    let mut columns: Vec<Vec<Option<&str>>> = vec![Vec::with_capacity(json.len()); fields.len()];
    for json in json {
        let Some(json) = json else {
            columns.iter_mut().for_each(|column| column.push(None));
            continue;
        };
        if let Some(items) = array(json) {
            if items.len() != fields.len() {
                return refused(json, to);
            }
            columns.iter_mut().zip(items).for_each(|(column, item)| column.push(Some(item.get())));
            continue;
        }
        let entries = entries(json, to)?.0;
        for (column, field) in columns.iter_mut().zip(fields) {
            let mut found = entries.iter().filter(|(key, _)| key.to_lowercase() == field.name().to_lowercase());
            column.push(found.next().map(|(_, value)| value.get()));
            if found.next().is_some() {
                return refused(json, to);
            }
        }
    }
    let columns = columns.iter().zip(fields).map(|(column, field)| as_type(column, field.data_type()));
    let fields = fields.iter().map(|field| Field::new(field.name(), field.data_type().clone(), true)).collect();
    let valid: NullBuffer = json.iter().map(Option::is_some).collect();
    Ok(Arc::new(StructArray::try_new(fields, columns.collect::<Result<_>>()?, Some(valid))?))
}

/// A string is cast as a text is; a number and a boolean as such.
fn scalars(json: &[Option<&str>], to: &DataType) -> Result<ArrayRef> {
    let text = |json: &Option<&str>| {
        let Some(json) = json else { return Ok(None) };
        let first = json.trim_start().bytes().next().unwrap_or_default();
        let text = if is_text(to) { varchar(json) } else { scalar(json) };
        let Some(text) = text else { return refused(json, to) };
        let is_time = matches!(to, DataType::Date32 | DataType::Timestamp(..));
        Ok(Some(match first {
            b'"' => text,
            _ if is_text(to) => text,
            b't' | b'f' if to.is_numeric() => if first == b't' { "1" } else { "0" }.to_owned(),
            b't' | b'f' if *to == DataType::Boolean => text,
            b'-' | b'0'..=b'9' if *to == DataType::Boolean => {
                let number: f64 = text.parse().map_err(|_| exec_datafusion_err!("Cannot cast '{text}' to boolean"))?;
                (number != 0.0).to_string()
            }
            b'-' | b'0'..=b'9' if to.is_integer() && text.contains(['.', 'e', 'E']) => {
                let number: f64 = text.parse().map_err(|_| exec_datafusion_err!("Cannot cast '{text}' to a number"))?;
                format!("{:.0}", number.round())
            }
            b'-' | b'0'..=b'9' if !is_time => text,
            _ => return refused(json, to),
        }))
    };
    let texts: ArrayRef = Arc::new(json.iter().map(text).collect::<Result<StringViewArray>>()?);
    cast_as(&texts, to, false)
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn json_is_cast_by_what_it_holds() {
        for (json, to, expected) in [
            ("1.5", "bigint", "2"),
            ("\"12\"", "bigint", "12"),
            ("true", "integer", "1"),
            ("1", "boolean", "true"),
            ("1.5", "decimal(5,2)", "1.50"),
            ("[1, null, 2.5]", "array(double)", "[1.0, , 2.5]"),
            ("{\"a\":1,\"b\":2}", "map(varchar, integer)", "{a: 1, b: 2}"),
            ("{\"b\":\"x\",\"A\":1}", "row(a integer, b varchar)", "{a: 1, b: x}"),
            ("[1, \"x\"]", "row(a integer, b varchar)", "{a: 1, b: x}"),
            ("[{\"a\":[1]}]", "array(map(varchar, json))", "[{a: [1]}]"),
            ("[1]", "bigint", "Cannot cast '[1]' to bigint"),
            ("{\"a\":1}", "array(bigint)", "Cannot cast '{\"a\":1}' to array(bigint)"),
        ] {
            assert_eq!(answer(&format!("SELECT CAST(JSON '{json}' AS {to})")), expected, "{json} AS {to}");
        }
        assert_eq!(answer("SELECT try_cast(JSON '[\"x\"]' AS array(bigint)) IS NULL"), "true");
        assert_eq!(answer("SELECT CAST(JSON 'null' AS map(varchar, bigint)) IS NULL"), "true");
    }
}
