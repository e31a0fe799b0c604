//! `CAST(json_parse(text) AS ROW(…))`: an object of JSON text, read once, straight into the row's columns.

use super::Family;
use super::cast::print::double_text;
use super::function::{Gives, Takes, function, is_text, texts};
use super::row_json::{Reader, Value};
use super::type_names::trino_name;
use datafusion::arrow::array::{Array, ArrayRef, StringViewBuilder, StructArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Fields};
use datafusion::common::{Result, exec_datafusion_err, internal_err, not_impl_err};
use std::borrow::Cow;
use std::sync::Arc;

/// The functions of this family. `dialect` makes them of casts, with a NULL of the row's type as second argument.
pub(super) fn functions() -> Family {
    use Takes::{Text, Type};
    vec![
        function("json_to_row", &[Text, Type], Gives::Argument(1), |args| rows(args, false)),
        function("try_json_to_row", &[Text, Type], Gives::Argument(1), |args| rows(args, true)),
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
    let mut columns: Vec<Column<'_>> = fields.iter().map(|_| Column::new(lines.len())).collect();
    let mut keys = Keys::new(fields);
    let mut valid = Vec::with_capacity(lines.len());
    for row in 0..lines.len() {
        let found =
            if lines.is_null(row) { Err(Refusal::Null) } else { read(lines.value(row), &mut keys, &mut columns) };
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
    let columns = columns.into_iter().zip(fields).map(|(column, field)| column.finish(field.data_type()));
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

/// Reads a row: an object by its keys, an array by position.
fn read<'a>(line: &'a str, keys: &mut Keys, columns: &mut [Column<'a>]) -> Result<(), Refusal> {
    let mut reader = Reader::new(line);
    match reader.peek() {
        Some(b'{') => object(&mut reader, keys, columns)?,
        Some(b'[') => array(&mut reader, columns)?,
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

fn object<'a>(reader: &mut Reader<'a>, keys: &mut Keys, columns: &mut [Column<'a>]) -> Result<(), Refusal> {
    reader.eat(b'{');
    if reader.eat(b'}') {
        return Ok(());
    }
    let mut number = 0;
    loop {
        let position = keys.position(number, reader).ok_or(NO_JSON)?;
        let value = reader.value().ok_or(NO_JSON)?;
        if let Some(at) = position {
            if columns[at].written {
                return Err(Refusal::Because("a field comes twice"));
            }
            columns[at].set(value)?;
        }
        if !reader.eat(b',') {
            return if reader.eat(b'}') { Ok(()) } else { Err(NO_JSON) };
        }
        number += 1;
    }
}

fn array<'a>(reader: &mut Reader<'a>, columns: &mut [Column<'a>]) -> Result<(), Refusal> {
    const COUNT: Refusal = Refusal::Because("the array has not as many items as the row has fields");
    reader.eat(b'[');
    let mut more = !reader.eat(b']');
    for column in columns {
        if !more {
            return Err(COUNT);
        }
        column.set(reader.value().ok_or(NO_JSON)?)?;
        more = reader.eat(b',');
        if !more && !reader.eat(b']') {
            return Err(NO_JSON);
        }
    }
    if more { Err(COUNT) } else { Ok(()) }
}

/// How many keys of a line are kept to compare those of the next line with.
const MOST_KEPT_KEYS: usize = 64;

/// Which field a key means. Upper and lower case are the same.
struct Keys {
    names: Vec<String>,
    /// The keys of lines so far as they were written, `"key":`, by their place in the line, with the fields that they mean.
    /// Lines of a log mostly have the same keys in the same order, and then none of them is read again.
    kept: Vec<(String, Option<usize>)>,
}

impl Keys {
    fn new(fields: &Fields) -> Self {
        Self { names: fields.iter().map(|field| field.name().to_lowercase()).collect(), kept: Vec::new() }
    }

    /// Reads a line's key with this number, counted from zero, and its colon: the field that it means, if any; none where the
    /// text is no JSON.
    fn position(&mut self, number: usize, reader: &mut Reader<'_>) -> Option<Option<usize>> {
        if let Some((kept, position)) = self.kept.get(number)
            && reader.eat_written(kept)
        {
            return Some(*position);
        }
        let key = reader.key()?;
        let position = if key.is_ascii() {
            self.names.iter().position(|name| name.eq_ignore_ascii_case(&key))
        } else {
            let key = key.to_lowercase();
            self.names.iter().position(|name| *name == key)
        };
        // A key with escapes is written otherwise than it is read.
        if let Cow::Borrowed(key) = key {
            let entry = (format!("\"{key}\":"), position);
            if number < self.kept.len() {
                self.kept[number] = entry;
            } else if number == self.kept.len() && number < MOST_KEPT_KEYS {
                self.kept.push(entry);
            }
        }
        Some(position)
    }
}

/// Texts of one field.
struct Column<'a> {
    texts: StringViewBuilder,
    /// The value of the row that is being read, and whether there was one.
    pending: Option<Cow<'a, str>>,
    written: bool,
}

impl<'a> Column<'a> {
    fn new(rows: usize) -> Self {
        // Views into the lines would save the copies. But arrow checks each such view, which takes longer than to copy it.
        Self { texts: StringViewBuilder::with_capacity(rows), pending: None, written: false }
    }

    fn set(&mut self, value: Value<'a>) -> Result<(), Refusal> {
        self.written = true;
        self.pending = match value {
            Value::Null => None,
            Value::Nested => return Err(Refusal::Because("a field holds an object or an array")),
            Value::Boolean(value) => Some(if value { "true" } else { "false" }.into()),
            Value::Text(text) => Some(text),
            Value::Integer(number) => Some(number.into()),
            Value::Float(number) => Some(double_text(number.parse().unwrap_or(f64::NAN)).into()),
        };
        Ok(())
    }

    fn end_row(&mut self, keep: bool) {
        self.written = false;
        self.texts.append_option(self.pending.take().filter(|_| keep));
    }

    fn finish(mut self, data_type: &DataType) -> Result<ArrayRef> {
        Ok(cast(&self.texts.finish(), data_type)?)
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
    fn keys_are_found_wherever_the_lines_before_had_them() {
        let lines = [
            r#"{"a":"1","user":"x"}"#,
            r#"{"user":"y","a":"2"}"#,
            r#"{"\u0061":"3","user":"z"}"#,
            r#"{ "a" : "4" , "user" : "w" }"#,
            r#"{"A":"5","z":0,"user":"v"}"#,
            r#"{"a":"6","user"}"#,
            r#"{"a":"7"}"#,
            r#"{"a":"8","ab":"9","user":"u"}"#,
        ];
        let rows: Vec<String> = lines.iter().enumerate().map(|(n, line)| format!("({n}, '{line}')")).collect();
        let row = "try(CAST(json_parse(line) AS ROW(a varchar, \"user\" varchar)))";
        let sql = format!(
            "SELECT array_join(array_agg(coalesce(r.a, '~') || coalesce(r.\"user\", '~') ORDER BY n), ' ')
             FROM (SELECT n, {row} AS r FROM (VALUES {}) AS t(n, line))",
            rows.join(", ")
        );
        assert_eq!(answer(&sql), "1x 2y 3z 4w 5v ~~ 7~ 8u");
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
        assert_eq!(answer("SELECT CAST(json_parse('{\"n\":1}') AS ROW(n bigint))"), "{n: 1}");
    }
}
