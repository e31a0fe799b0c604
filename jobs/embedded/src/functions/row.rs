//! `CAST(json_parse(text) AS ROW(…))`: an object of JSON text, read once, straight into the row's columns.

use super::Family;
use super::cast::print::double_text;
use super::function::{Gives, Takes, function, is_text, texts};
use super::row_json::{Reader, Value};
use super::sized::view_of_part;
use super::type_names::trino_name;
use datafusion::arrow::array::MAX_INLINE_VIEW_LEN;
use datafusion::arrow::array::{Array, ArrayRef, StringViewArray, StructArray, make_view, new_null_array};
use datafusion::arrow::buffer::{Buffer, NullBuffer};
use datafusion::arrow::datatypes::{DataType, Fields};
use datafusion::common::{Result, exec_datafusion_err, internal_err, not_impl_err};
use std::borrow::Cow;
use std::sync::Arc;

/// The functions of this family. `dialect` makes them of casts, with a NULL of the row's type as second argument.
pub(super) fn functions() -> Family {
    use Takes::{Any, Text};
    vec![
        function("json_to_row", &[Text, Any], Gives::Argument(1), |args| rows(args, false)),
        function("try_json_to_row", &[Text, Any], Gives::Argument(1), |args| rows(args, true)),
    ]
}

fn rows(args: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let lines = texts(args, 0)?;
    let Some(DataType::Struct(fields)) = args.get(1).map(|row| row.data_type()) else {
        return internal_err!("a row of JSON needs the row's type");
    };
    if let Some(field) = fields.iter().find(|field| !is_text(field.data_type())) {
        let data_type = trino_name(field.data_type());
        return not_impl_err!(
            "a row of JSON with the field {} of type {data_type}: make it varchar, and cast what it holds",
            field.name()
        );
    }
    let mut columns: Vec<Column> = fields.iter().map(|_| Column::new(lines)).collect();
    let names: Vec<String> = fields.iter().map(|field| field.name().to_lowercase()).collect();
    let mut valid = Vec::with_capacity(lines.len());
    for row in 0..lines.len() {
        let found = if lines.is_null(row) {
            Err(Refusal::Null)
        } else {
            let line = Line { text: lines.value(row), view: lines.views()[row] };
            read(line, &names, &mut columns)
        };
        match found {
            Err(Refusal::Because(why)) if !lenient => {
                let line: String = lines.value(row).chars().take(200).collect();
                return Err(exec_datafusion_err!("Cannot cast '{line}' to {}: {why}", trino_name(args[1].data_type())));
            }
            _ => valid.push(found.is_ok()),
        }
        // What was read of a line that turned out to be none is taken back.
        columns.iter_mut().for_each(|column| column.end_row(found.is_ok()));
    }
    let nulls = Some(NullBuffer::from(valid)).filter(|nulls| nulls.null_count() > 0);
    let columns = columns.into_iter().zip(fields).map(|(column, field)| column.finish(lines, field.data_type()));
    Ok(Arc::new(StructArray::try_new(Fields::clone(fields), columns.collect::<Result<_>>()?, nulls)?))
}

/// Why a text gives no row.
#[derive(Debug, PartialEq)]
enum Refusal {
    /// It is NULL, or JSON's null.
    Null,
    Because(&'static str),
}

const NO_JSON: Refusal = Refusal::Because("it is not JSON");

#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a str,
    view: u128,
}

/// Reads a row: an object by its keys, an array by position.
fn read(line: Line<'_>, names: &[String], columns: &mut [Column]) -> Result<(), Refusal> {
    let mut reader = Reader::new(line.text);
    match reader.peek() {
        Some(b'{') => object(&mut reader, line, names, columns)?,
        Some(b'[') => array(&mut reader, line, columns)?,
        _ => {
            let value = reader.value().filter(|_| reader.at_end());
            return Err(match value {
                None => NO_JSON,
                Some(Value::Null) => Refusal::Null,
                Some(_) => Refusal::Because("it is neither an object nor an array"),
            });
        }
    }
    if reader.at_end() { Ok(()) } else { Err(NO_JSON) }
}

fn object(reader: &mut Reader<'_>, line: Line<'_>, names: &[String], columns: &mut [Column]) -> Result<(), Refusal> {
    reader.eat(b'{');
    if reader.eat(b'}') {
        return Ok(());
    }
    // Keys mostly come in the order of the last line, which is often that of the columns.
    let mut expected = 0;
    loop {
        let key = reader.key().ok_or(NO_JSON)?;
        let value = reader.value().ok_or(NO_JSON)?;
        if let Some(at) = position(names, &key, expected) {
            expected = at + 1;
            if columns[at].written {
                return Err(Refusal::Because("a field comes twice"));
            }
            columns[at].set(line, value)?;
        }
        if !reader.eat(b',') {
            return if reader.eat(b'}') { Ok(()) } else { Err(NO_JSON) };
        }
    }
}

fn array(reader: &mut Reader<'_>, line: Line<'_>, columns: &mut [Column]) -> Result<(), Refusal> {
    const COUNT: Refusal = Refusal::Because("the array has not as many items as the row has fields");
    reader.eat(b'[');
    let mut more = !reader.eat(b']');
    for column in columns {
        if !more {
            return Err(COUNT);
        }
        column.set(line, reader.value().ok_or(NO_JSON)?)?;
        more = reader.eat(b',');
        if !more && !reader.eat(b']') {
            return Err(NO_JSON);
        }
    }
    if more { Err(COUNT) } else { Ok(()) }
}

/// Which field a key means. Upper and lower case are the same.
fn position(names: &[String], key: &str, expected: usize) -> Option<usize> {
    let is_key = |name: &String| name.eq_ignore_ascii_case(key);
    if names.get(expected).is_some_and(is_key) {
        return Some(expected);
    }
    if key.is_ascii() {
        return names.iter().position(is_key);
    }
    let key = key.to_lowercase();
    names.iter().position(|name| *name == key)
}

/// Texts of one field, mostly views into the lines' own buffers.
struct Column {
    views: Vec<u128>,
    valid: Vec<bool>,
    /// Texts that stand in no line as they are.
    own: Vec<u8>,
    own_block: u32,
    /// The value of the row that is being read, and whether there was one.
    pending: Option<u128>,
    written: bool,
}

impl Column {
    fn new(lines: &StringViewArray) -> Self {
        let rows = lines.len();
        Self {
            views: Vec::with_capacity(rows),
            valid: Vec::with_capacity(rows),
            own: Vec::new(),
            own_block: u32::try_from(lines.data_buffers().len()).unwrap_or(u32::MAX),
            pending: None,
            written: false,
        }
    }

    fn set(&mut self, line: Line<'_>, value: Value<'_>) -> Result<(), Refusal> {
        self.written = true;
        self.pending = match value {
            Value::Null => None,
            Value::Nested => return Err(Refusal::Because("a field holds an object or an array")),
            Value::Boolean(value) => Some(make_view(if value { b"true" } else { b"false" }, 0, 0)),
            Value::Text(Cow::Borrowed(text)) => Some(view_of_part(line.view, line.text.as_bytes(), text.as_bytes())),
            Value::Text(Cow::Owned(text)) => Some(self.keep(&text)),
            Value::Integer(number) => Some(view_of_part(line.view, line.text.as_bytes(), number.as_bytes())),
            Value::Float(number) => Some(self.keep(&double_text(number.parse().unwrap_or(f64::NAN)))),
        };
        Ok(())
    }

    fn keep(&mut self, text: &str) -> u128 {
        let offset = u32::try_from(self.own.len()).unwrap_or(u32::MAX);
        let view = make_view(text.as_bytes(), self.own_block, offset);
        if text.len() > MAX_INLINE_VIEW_LEN as usize {
            self.own.extend_from_slice(text.as_bytes());
        }
        view
    }

    fn end_row(&mut self, keep: bool) {
        let value = self.pending.take().filter(|_| keep);
        self.written = false;
        self.valid.push(value.is_some());
        self.views.push(value.unwrap_or(0));
    }

    fn finish(self, lines: &StringViewArray, data_type: &DataType) -> Result<ArrayRef> {
        let mut buffers = lines.data_buffers().to_vec();
        if !self.own.is_empty() {
            buffers.push(Buffer::from_vec(self.own));
        }
        let nulls = NullBuffer::from(self.valid);
        if nulls.null_count() == nulls.len() {
            return Ok(new_null_array(data_type, nulls.len()));
        }
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        let texts: ArrayRef = Arc::new(StringViewArray::try_new(self.views.into(), buffers, nulls)?);
        Ok(datafusion::arrow::compute::cast(&texts, data_type)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    /// The row of a line, which is a column of a table here, or NULL.
    fn row(line: &str) -> String {
        let line = line.replace('\'', "''");
        let row = "try(CAST(json_parse(line) AS ROW(a varchar, \"user\" varchar)))";
        answer(&format!(
            "SELECT IF(r IS NULL, 'none', coalesce(r.a, '~') || '|' || coalesce(r.\"user\", '~'))
             FROM (SELECT {row} AS r FROM (VALUES ('{line}')) AS t(line))"
        ))
    }

    #[test]
    fn an_object_is_a_row_by_its_keys() {
        assert_eq!(row(r#"{"a":"x","user":"y"}"#), "x|y");
        assert_eq!(
            row(r#" { "USER" : "a text of more than twelve bytes" , "z" : [ {} ] } "#),
            "~|a text of more than twelve bytes"
        );
        assert_eq!(row("{}"), "~|~");
        assert_eq!(row(r#"{"rawData":"x","z":1,"z":2}"#), "~|~");
        assert_eq!(row(r#"{"a":null,"\u0061b":1}"#), "~|~");
        assert_eq!(row(r#"{"\u0061":"é"}"#), "é|~");
        // A long s is no s, though its capital letter is S.
        assert_eq!(row(r#"{"uſer":"x"}"#), "~|~");
    }

    #[test]
    fn an_array_is_a_row_by_position() {
        assert_eq!(row("[1, null]"), "1|~");
        for line in ["[]", "[1]", "[1,2,3]", "[1,[2]]", "[1,2", "[1 2]"] {
            assert_eq!(row(line), "none", "{line}");
        }
    }

    #[test]
    fn values_are_written_as_trino_writes_them() {
        for (value, text) in [
            ("1.0", "1.0E0"),
            ("1e3", "1.0E3"),
            ("1.50", "1.5E0"),
            ("0.1e-7", "1.0E-8"),
            ("-0", "-0"),
            ("0.0", "0E0"),
            ("-0.0", "-0E0"),
            ("1e400", "Infinity"),
            ("12345678901234567890123", "12345678901234567890123"),
            ("true", "true"),
            ("false", "false"),
            (r#""\ud800""#, "?"),
            (r#""a \"quoted\" text, longer than twelve""#, "a \"quoted\" text, longer than twelve"),
        ] {
            assert_eq!(row(&format!("{{\"a\":{value}}}")), format!("{text}|~"), "{value}");
        }
    }

    #[test]
    fn what_is_no_such_object_is_no_row() {
        for line in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"A":2}"#,
            r#"{"a":{}}"#,
            r#"{"a":[1]}"#,
            r#"{"a":1} x"#,
            r#"{"a":1}{"a":2}"#,
            r#"{"a":1,}"#,
            "{'a':1}",
            r#"{"a":NaN}"#,
            r#"{"a":01}"#,
            r#"{"a":-}"#,
            "\u{feff}{}",
            "x",
            "",
            "\"x\"",
            "1",
            "null",
            r#"{"a":"x"#,
            r#"{"z":[1}"#,
        ] {
            assert_eq!(row(line), "none", "{line}");
        }
        let deep = format!("{{\"z\":{}{},\"a\":\"x\"}}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(row(&deep), "x|~");
    }

    #[test]
    fn without_try_it_is_an_error() {
        assert_eq!(answer("SELECT r.a FROM (SELECT CAST(json_parse('{\"a\":1}') AS ROW(a varchar)) AS r)"), "1");
        assert_eq!(
            answer("SELECT CAST(json_parse('{\"a\":1,\"A\":2}') AS ROW(a varchar))"),
            "Cannot cast '{\"a\":1,\"A\":2}' to row(a varchar): a field comes twice"
        );
        assert_eq!(
            answer("SELECT CAST(json_parse('{}') AS ROW(n bigint))"),
            "the embedded engine does not support: a row of JSON with the field n of type bigint: make it varchar, and cast what it holds"
        );
    }
}
