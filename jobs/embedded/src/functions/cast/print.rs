//! Values as Trino writes them.

use super::super::moment::Moments;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float32Type, Float64Type, TimeUnit};
use datafusion::common::Result;

/// A column as `CAST(x AS varchar)` writes it.
pub(crate) fn texts(values: &ArrayRef) -> Result<StringViewArray> {
    match values.data_type() {
        DataType::Timestamp(unit, zone) => {
            let pattern = match unit {
                TimeUnit::Second => "%Y-%m-%d %H:%M:%S",
                TimeUnit::Millisecond => "%Y-%m-%d %H:%M:%S%.3f",
                TimeUnit::Microsecond => "%Y-%m-%d %H:%M:%S%.6f",
                TimeUnit::Nanosecond => "%Y-%m-%d %H:%M:%S%.9f",
            };
            let zone = zone.as_deref().map(|zone| format!(" {zone}")).unwrap_or_default();
            let moments = Moments::new(values)?;
            let text = |row| Ok(moments.local(row)?.map(|time| format!("{}{zone}", time.format(pattern))));
            (0..moments.len()).map(text).collect()
        }
        DataType::Float64 => {
            let numbers = values.as_primitive::<Float64Type>();
            Ok(numbers.iter().map(|number| number.map(double_text)).collect())
        }
        DataType::Float32 => {
            let numbers = values.as_primitive::<Float32Type>();
            Ok(numbers.iter().map(|number| number.map(|number| scientific(format!("{number:e}")))).collect())
        }
        _ => Ok(cast(values, &DataType::Utf8View)?.as_string_view().clone()),
    }
}

/// A double as `CAST(x AS varchar)` writes it.
pub(crate) fn double_text(number: f64) -> String {
    scientific(format!("{number:e}"))
}

/// `1.5e3` as `1.5E3`, and `1e0` as `1.0E0`: a mantissa with a point, always with an exponent.
fn scientific(text: String) -> String {
    match text.split_once('e') {
        // Zero has no point, of all numbers.
        Some(("0" | "-0", _)) => text.replace('e', "E"),
        Some((mantissa, exponent)) if mantissa.contains('.') => format!("{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}.0E{exponent}"),
        None => text.replace("inf", "Infinity"),
    }
}

/// A double as Java writes it: plain from a thousandth up to ten million, else with an exponent.
pub(crate) fn java_double(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) { format!("{number:?}") } else { scientific(format!("{number:e}")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::answer;

    #[test]
    fn doubles_are_written_with_an_exponent() {
        assert_eq!(answer("SELECT CAST(1e0 AS varchar)"), "1.0E0");
        assert_eq!(answer("SELECT CAST(0e0 AS varchar)"), "0E0");
        assert_eq!(answer("SELECT CAST(37.7e0 AS varchar)"), "3.77E1");
        assert_eq!(answer("SELECT CAST(1e0 / 0e0 AS varchar)"), "Infinity");
        assert_eq!(java_double(1234.5), "1234.5");
        assert_eq!(java_double(1e7), "1.0E7");
        assert_eq!(java_double(0.0), "0.0");
    }
}
