//! Values as Trino writes them.

use super::super::intervals::interval_text;
use super::super::moment::Moments;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Float32Type, Float64Type, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
};
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
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            let intervals = values.as_primitive::<IntervalMonthDayNanoType>();
            Ok(intervals.iter().map(|interval| interval.map(interval_text)).collect())
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
    scientific(whole_digits(number).unwrap_or_else(|| format!("{number:e}")))
}

/// A double from 2^53 up to 2^63 as Java's `DecimalFormat` writes it, which Trino uses; none for other numbers.
///
/// Java writes more digits of these than the double needs. The rule is that of `dtoa` in the JDK's
/// `jdk.internal.math.FloatingDecimal`.
fn whole_digits(number: f64) -> Option<String> {
    let size = number.abs();
    if !((1_u64 << 53) as f64..(1_u64 << 63) as f64).contains(&size) {
        return None;
    }
    let whole = size as u64;
    // Doubles here are multiples of a power of two. As many last digits as half of it has are rounded to zeros.
    let half_step = 1_u64 << (whole.ilog2() - 53).saturating_sub(1);
    let insignificant = (1..).take_while(|digits| 10_u64.pow(*digits) < half_step).count() as u32;
    let unit = 10_u64.pow(insignificant);
    let (mut digits, rest) = (whole / unit, whole % unit);
    digits += u64::from(rest > 0 && rest >= unit / 2);
    let text = digits.to_string();
    let exponent = text.len() as u32 - 1 + insignificant;
    let (first, others) = text.split_at(1);
    let others = others.trim_end_matches('0');
    let sign = if number < 0.0 { "-" } else { "" };
    let point = if others.is_empty() { "" } else { "." };
    Some(format!("{sign}{first}{point}{others}e{exponent}"))
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
    fn whole_doubles_have_the_digits_that_java_writes() {
        // What `new DecimalFormat("0.0###################E0")` of JDK 25 gives.
        for (number, text) in [
            (1.724730198823753e18, "1.72473019882375296E18"),
            (9_007_199_254_740_992.0, "9.007199254740992E15"),
            (9_007_199_254_740_994.0, "9.007199254740994E15"),
            (27_021_597_764_222_976.0, "2.7021597764222976E16"),
            (123_456_789_012_345_678.0, "1.2345678901234568E17"),
            (4_611_686_018_427_387_904.0, "4.6116860184273879E18"),
            (-9_223_372_036_854_774_784.0, "-9.2233720368547748E18"),
            (9e15, "9.0E15"),
            (9e18, "9.0E18"),
        ] {
            assert_eq!(double_text(number), text);
        }
    }

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
