//! Values as text, as Athena prints them.

use anyhow::{Result, bail};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, RecordBatch, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Float32Type, Float64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::functions::{interval_text, millisecond_texts};

/// Appends a batch's rows as text; `None` is NULL.
///
/// # Errors
/// A column's type has no text.
pub(crate) fn append_text(batch: &RecordBatch, rows: &mut Vec<Vec<Option<String>>>) -> Result<()> {
    let columns = batch.columns().iter().map(Printer::new).collect::<Result<Vec<_>>>()?;
    for row in 0..batch.num_rows() {
        rows.push(columns.iter().map(|column| column.value(row)).collect());
    }
    Ok(())
}

/// Prints the values of an array.
struct Printer<'a> {
    array: &'a dyn Array,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// NULLs without a type. Arrow does not count them as NULL.
    Null,
    /// As Arrow prints them, and something behind.
    Plain(ArrayFormatter<'a>, String),
    /// As written here.
    Texts(StringViewArray),
    Interval,
    Double,
    Float,
    Binary(ArrayRef),
    /// `[a, b]`
    List(Box<Printer<'a>>),
    /// `{a=1, b=2}`, by the fields' names.
    Struct(Vec<(&'a str, Printer<'a>)>),
    /// `{a=1, b=2}`, by the keys.
    Map(Box<(Printer<'a>, Printer<'a>)>),
}

impl<'a> Printer<'a> {
    fn new(array: &'a ArrayRef) -> Result<Self> {
        let kind = match array.data_type() {
            DataType::Null => Kind::Null,
            DataType::Interval(IntervalUnit::MonthDayNano) => Kind::Interval,
            DataType::Interval(_) | DataType::Duration(_) => {
                bail!("the embedded engine does not print this interval: write date_diff")
            }
            DataType::Float64 => Kind::Double,
            DataType::Float32 => Kind::Float,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
                Kind::Binary(cast(array, &DataType::BinaryView)?)
            }
            DataType::List(_) => Kind::List(Box::new(Self::new(array.as_list::<i32>().values())?)),
            DataType::Struct(fields) => {
                let columns = fields.iter().zip(array.as_struct().columns());
                let fields = columns.map(|(field, column)| Ok((field.name().as_str(), Self::new(column)?)));
                Kind::Struct(fields.collect::<Result<_>>()?)
            }
            DataType::Map(..) => {
                let map = array.as_map();
                Kind::Map(Box::new((Self::new(map.keys())?, Self::new(map.values())?)))
            }
            // Clients get three digits, whatever the type has.
            DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, _) => {
                Kind::Texts(millisecond_texts(array)?)
            }
            DataType::Timestamp(_, zone) => {
                let format = Some("%Y-%m-%d %H:%M:%S%.3f");
                let options = FormatOptions::new().with_display_error(true).with_timestamp_format(format);
                let formatter = ArrayFormatter::try_new(array, &options.with_timestamp_tz_format(format))?;
                Kind::Plain(formatter, zone.as_ref().map(|zone| format!(" {zone}")).unwrap_or_default())
            }
            _ => Kind::Plain(ArrayFormatter::try_new(array, &FormatOptions::default())?, String::new()),
        };
        Ok(Self { array, kind })
    }

    /// `None` is NULL.
    fn value(&self, row: usize) -> Option<String> {
        if self.array.is_null(row) {
            return None;
        }
        Some(match &self.kind {
            Kind::Null => return None,
            Kind::Plain(formatter, behind) => format!("{}{behind}", formatter.value(row)),
            Kind::Texts(texts) => texts.value(row).to_owned(),
            Kind::Interval => interval_text(self.array.as_primitive::<IntervalMonthDayNanoType>().value(row)),
            Kind::Double => {
                let value = self.array.as_primitive::<Float64Type>().value(row);
                java_number(value, &format!("{value:e}"), value.abs())
            }
            Kind::Float => {
                let value = self.array.as_primitive::<Float32Type>().value(row);
                java_number(value, &format!("{value:e}"), f64::from(value.abs()))
            }
            Kind::Binary(bytes) => {
                let hex: Vec<String> =
                    bytes.as_binary_view().value(row).iter().map(|byte| format!("{byte:02x}")).collect();
                hex.join(" ")
            }
            Kind::List(items) => {
                let offsets = self.array.as_list::<i32>().value_offsets();
                format!("[{}]", entries(offsets, row, |at| items.inner(at)))
            }
            Kind::Struct(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(name, field)| format!("{name}={}", field.inner(row))).collect();
                format!("{{{}}}", fields.join(", "))
            }
            Kind::Map(pairs) => {
                let (keys, values) = &**pairs;
                let offsets = self.array.as_map().value_offsets();
                format!("{{{}}}", entries(offsets, row, |at| format!("{}={}", keys.inner(at), values.inner(at))))
            }
        })
    }

    /// A value within another.
    fn inner(&self, row: usize) -> String {
        self.value(row).unwrap_or_else(|| "null".to_owned())
    }
}

fn entries(offsets: &[i32], row: usize, print: impl Fn(usize) -> String) -> String {
    let at = |row: usize| usize::try_from(offsets[row]).unwrap_or_default();
    (at(row)..at(row + 1)).map(print).collect::<Vec<_>>().join(", ")
}

/// A floating number as Java prints it: `1.0`, `0.001`, `1.0E7`, `NaN`, `-Infinity`.
fn java_number<T: std::fmt::Display>(value: T, scientific: &str, size: f64) -> String {
    if size.is_nan() {
        "NaN".to_owned()
    } else if size.is_infinite() {
        scientific.replace("inf", "Infinity")
    } else if size == 0.0 || (1e-3..1e7).contains(&size) {
        let plain = value.to_string();
        if plain.contains('.') { plain } else { plain + ".0" }
    } else {
        let (digits, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
        let point = if digits.contains('.') { "" } else { ".0" };
        format!("{digits}{point}E{exponent}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::batch;

    fn text(expression: &str) -> Option<String> {
        let mut rows = Vec::new();
        append_text(&batch(&format!("SELECT {expression}")), &mut rows).unwrap();
        rows[0][0].clone()
    }

    #[test]
    fn values_are_printed_as_athena_prints_them() {
        for (expression, expected) in [
            ("true", "true"),
            ("CAST(-5 AS tinyint)", "-5"),
            ("CAST(1.5 AS decimal(10,4))", "1.5000"),
            ("''", ""),
            ("DATE '2023-01-31'", "2023-01-31"),
            ("TIMESTAMP '2023-01-31 06:00:00'", "2023-01-31 06:00:00.000"),
            ("with_timezone(TIMESTAMP '2023-01-31 06:00:00.500', 'UTC')", "2023-01-31 06:00:00.500 UTC"),
            ("from_unixtime_nanos(1675144800000500001)", "2023-01-31 06:00:00.001 UTC"),
            ("(1, 'b')", "{field0=1, field1=b}"),
            ("CAST((1, (2, 'b')) AS row(x bigint, row(integer, varchar)))", "{x=1, field1={field0=2, field1=b}}"),
            ("to_utf8('hey')", "68 65 79"),
            ("ARRAY['a', NULL, 'b c']", "[a, null, b c]"),
            ("ARRAY[ARRAY[1], ARRAY[]]", "[[1], []]"),
            ("ARRAY[CAST(1 AS double)]", "[1.0]"),
        ] {
            assert_eq!(text(expression).as_deref(), Some(expected), "{expression}");
        }
        assert_eq!(text("NULL"), None);
        assert_eq!(text("CAST(NULL AS varchar)"), None);
        assert_eq!(text("CAST(NULL AS double)"), None);
    }

    #[test]
    fn floating_numbers_are_printed_as_java_prints_them() {
        for (number, expected) in [
            ("1", "1.0"),
            ("-0.0", "-0.0"),
            ("1e10", "1.0E10"),
            ("9999999", "9999999.0"),
            ("12345678.9", "1.23456789E7"),
            ("0.001", "0.001"),
            ("0.00012", "1.2E-4"),
            ("-2.5e-7", "-2.5E-7"),
            ("0.1", "0.1"),
        ] {
            assert_eq!(text(&format!("CAST('{number}' AS double)")).as_deref(), Some(expected));
        }
        assert_eq!(text("CAST('0.1' AS real)").as_deref(), Some("0.1"));
        assert_eq!(text("CAST('NaN' AS double)").as_deref(), Some("NaN"));
        assert_eq!(text("CAST('-Infinity' AS double)").as_deref(), Some("-Infinity"));
    }
}
