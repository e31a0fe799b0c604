//! `CAST(x AS JSON)`: any value to exact JSON text.

use super::Family;
use super::cast::print;
use super::function::{Gives, Takes, collect, function, is_null, is_text};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, FieldRef, Float64Type};
use datafusion::common::{Result, internal_err, not_impl_err};
use std::fmt::Write;

/// The functions of this family.
pub(super) fn functions() -> Family {
    vec![function("cast_to_json", &[Takes::Any], Gives::Text, cast_to_json)]
}

fn cast_to_json(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [values] = args else { return internal_err!("cast_to_json takes one argument") };
    let mut json = writer(values)?;
    collect::<StringViewArray, _>(values.len(), |row| {
        // NULL as JSON is NULL; only inside an array is it written, as `null`.
        if is_null(values, row) {
            return Ok(None);
        }
        let mut text = String::new();
        json(row, &mut text);
        Ok(Some(text))
    })
}

/// Appends the JSON text of one row.
type Writer = Box<dyn FnMut(usize, &mut String)>;

fn writer(values: &ArrayRef) -> Result<Writer> {
    Ok(match values.data_type() {
        DataType::List(_) => {
            let lists = values.as_list::<i32>().clone();
            let items = lists.values().clone();
            let mut item = writer(&items)?;
            Box::new(move |row, out| {
                out.push('[');
                let offsets = lists.value_offsets();
                let (from, to) = (offsets[row] as usize, offsets[row + 1] as usize);
                for i in from..to {
                    if i > from {
                        out.push(',');
                    }
                    if items.is_null(i) { out.push_str("null") } else { item(i, out) }
                }
                out.push(']');
            })
        }
        DataType::Struct(fields) => {
            let columns = values.as_struct().columns().to_vec();
            let mut writers = columns.iter().map(writer).collect::<Result<Vec<_>>>()?;
            // The key of a field without a name is empty.
            let name = |(at, field): (usize, &FieldRef)| match *field.name() == format!("field{at}") {
                true => String::new(),
                false => field.name().clone(),
            };
            let names: Vec<String> = fields.iter().enumerate().map(name).collect();
            Box::new(move |row, out| {
                out.push('{');
                for (at, (column, write)) in columns.iter().zip(&mut writers).enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    write_string(&names[at], out);
                    out.push(':');
                    if column.is_null(row) { out.push_str("null") } else { write(row, out) }
                }
                out.push('}');
            })
        }
        DataType::Map(..) => {
            let maps = values.as_map().clone();
            if !matches!(maps.key_type(), text if is_text(text)) && !maps.key_type().is_integer() {
                let name = super::type_names::trino_name(values.data_type());
                return not_impl_err!("the embedded engine cannot CAST {name} AS JSON: make its keys varchar");
            }
            let keys = print::texts(maps.keys())?;
            let items = maps.values().clone();
            let mut item = writer(&items)?;
            Box::new(move |row, out| {
                let (from, to) = (maps.value_offsets()[row] as usize, maps.value_offsets()[row + 1] as usize);
                let mut places: Vec<usize> = (from..to).collect();
                // Trino sorts the keys.
                places.sort_by(|a, b| keys.value(*a).cmp(keys.value(*b)));
                out.push('{');
                for (number, at) in places.into_iter().enumerate() {
                    if number > 0 {
                        out.push(',');
                    }
                    write_string(keys.value(at), out);
                    out.push(':');
                    if items.is_null(at) { out.push_str("null") } else { item(at, out) }
                }
                out.push('}');
            })
        }
        DataType::Float32 | DataType::Float64 => {
            let numbers = cast(values, &DataType::Float64)?;
            Box::new(move |row, out| {
                let number = numbers.as_primitive::<Float64Type>().value(row);
                if number.is_finite() {
                    out.push_str(&print::java_double(number));
                } else {
                    write_string(&print::java_double(number), out);
                }
            })
        }
        DataType::Null => Box::new(|_, out| out.push_str("null")),
        DataType::Boolean | DataType::Decimal128(..) => plain(values)?,
        integer if integer.is_integer() => plain(values)?,
        DataType::Date32 | DataType::Timestamp(..) => quoted(print::texts(values)?),
        text if is_text(text) => quoted(cast(values, &DataType::Utf8View)?.as_string_view().clone()),
        other => {
            let name = super::type_names::trino_name(other);
            return not_impl_err!("the embedded engine cannot CAST {name} AS JSON");
        }
    })
}

fn plain(values: &ArrayRef) -> Result<Writer> {
    let texts = cast(values, &DataType::Utf8View)?;
    Ok(Box::new(move |row, out| out.push_str(texts.as_string_view().value(row))))
}

fn quoted(texts: StringViewArray) -> Writer {
    Box::new(move |row, out| write_string(texts.value(row), out))
}

/// A string in quotes, escaped to the letter as Trino's JSON library does it, since texts are compared and hashed.
pub(super) fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c < ' ' => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn arrays_of_strings_are_exact() {
        assert_eq!(
            answer("SELECT CAST(ARRAY['a\"b', 'c\\d', NULL, 'é\u{1f}\t'] AS JSON)"),
            r#"["a\"b","c\\d",null,"é\u001F\t"]"#
        );
        assert_eq!(answer("SELECT CAST(ARRAY[ARRAY[1, NULL], ARRAY[]] AS JSON)"), "[[1,null],[]]");
        assert_eq!(answer("SELECT CAST(ARRAY[NULL, NULL] AS JSON)"), "[null,null]");
        assert_eq!(answer("SELECT CAST(NULL AS JSON) IS NULL"), "true");
    }

    #[test]
    fn primitives_keep_their_json_types() {
        assert_eq!(answer("SELECT CAST('x' AS JSON)"), "\"x\"");
        assert_eq!(answer("SELECT CAST(1.50 AS JSON)"), "1.50");
        assert_eq!(answer("SELECT CAST(1e0 AS JSON)"), "1.0");
        assert_eq!(answer("SELECT CAST(true AS JSON)"), "true");
        assert_eq!(answer("SELECT CAST(DATE '2024-01-02' AS JSON)"), "\"2024-01-02\"");
        assert_eq!(answer("SELECT CAST(CAST(NULL AS varchar) AS JSON) IS NULL"), "true");
    }
}
