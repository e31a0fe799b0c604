//! Functions of numbers: instants from seconds, rounding, `sign` and `sqrt`.

use super::Family;
use super::function::{Gives, Run, Takes, collect, function, int_at, ints, typed};
use super::type_names::trino_name;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Int32Array, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Decimal128Type, Float32Type, Float64Type, Int64Type, TimeUnit, TimestampNanosecondType,
};
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err, plan_err};
use std::sync::Arc;

/// The functions of this family.
pub(super) fn functions() -> Family {
    let from_unixtime: Run = from_unixtime;
    vec![
        function("from_unixtime", &[Takes::Number], Gives::Instant, from_unixtime),
        function("from_unixtime_nanos", &[Takes::Int], Gives::NanoInstant, |args| {
            let nanos = ints(args, 0)?.reinterpret_cast::<TimestampNanosecondType>();
            Ok(Arc::new(nanos.with_timezone("UTC")))
        }),
        typed("ceil", whole_types, |args| whole(args, f64::ceil, |x, one| -(-x).div_euclid(one))),
        typed("floor", whole_types, |args| whole(args, f64::floor, i128::div_euclid)),
        typed("truncate_whole", whole_types, |args| whole(args, f64::trunc, |x, one| x / one)),
        typed(
            "sqrt",
            |_| Ok((vec![DataType::Float64], DataType::Float64)),
            |args| {
                let [number] = args else { return internal_err!("sqrt takes one argument") };
                Ok(Arc::new(number.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::sqrt)))
            },
        ),
        function("round_digits", &[Takes::Int], Gives::Integer, round_digits),
        typed("sign", |args| number_types(args, |_, _| 1), sign),
    ]
}

/// Seconds since 1970 to a timestamp in the session's zone, UTC, rounded half up to the millisecond.
fn from_unixtime(args: &[ArrayRef]) -> Result<ArrayRef> {
    Ok(cast(&milliseconds(args)?, &DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())))?)
}

/// Seconds as milliseconds. A decimal is never made a double on the way: its milliseconds are exact.
fn milliseconds(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [seconds] = args else { return internal_err!("from_unixtime takes one argument") };
    let rows = seconds.len();
    let too_far = || exec_datafusion_err!("from_unixtime: the time is too far from 1970");
    match seconds.data_type() {
        DataType::Int64 => {
            let seconds = seconds.as_primitive::<Int64Type>();
            collect::<Int64Array, _>(rows, |row| {
                let value = seconds.is_valid(row).then(|| seconds.value(row));
                value.map(|value| value.checked_mul(1000).ok_or_else(too_far)).transpose()
            })
        }
        DataType::Float64 => {
            let seconds = seconds.as_primitive::<Float64Type>();
            collect::<Int64Array, _>(rows, |row| {
                if seconds.is_null(row) {
                    return Ok(None);
                }
                let millis = (seconds.value(row) * 1000.0 + 0.5).floor();
                // Beyond 2^53 a double no longer tells one millisecond from the next.
                if millis.is_nan() || millis.abs() > 9_007_199_254_740_992.0 {
                    Err(too_far())
                } else {
                    Ok(Some(millis as i64))
                }
            })
        }
        DataType::Decimal128(_, scale) => {
            let unit = 10_i128.pow(u32::try_from(*scale).unwrap_or(0));
            let seconds = seconds.as_primitive::<Decimal128Type>();
            collect::<Int64Array, _>(rows, |row| {
                if seconds.is_null(row) {
                    return Ok(None);
                }
                let millis = seconds.value(row).checked_mul(2000).and_then(|twice| twice.checked_add(unit));
                let millis = millis.map(|twice| twice.div_euclid(2 * unit)).ok_or_else(too_far)?;
                i64::try_from(millis).map(Some).map_err(|_| too_far())
            })
        }
        other => internal_err!("from_unixtime of {other}"),
    }
}

fn whole_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    number_types(args, whole_digits)
}

/// A number's own type, but for a decimal's: it loses its scale, and has so many digits.
fn number_types(args: &[DataType], digits: fn(u8, i8) -> u8) -> Result<(Vec<DataType>, DataType)> {
    let result = match args {
        [DataType::Decimal128(precision, scale)] => DataType::Decimal128(digits(*precision, *scale), 0),
        [DataType::Null] => return Ok((vec![DataType::Int64], DataType::Int64)),
        [number] if number.is_integer() || number.is_floating() => number.clone(),
        _ => return plan_err!("a number is needed here, not {}", args.iter().map(trino_name).collect::<String>()),
    };
    Ok((args.to_vec(), result))
}

/// A number without its fraction: a decimal without its scale, too.
fn whole(args: &[ArrayRef], of_double: fn(f64) -> f64, of_decimal: fn(i128, i128) -> i128) -> Result<ArrayRef> {
    let [number] = args else { return internal_err!("a function of one number") };
    Ok(match number.data_type() {
        DataType::Float64 => Arc::new(number.as_primitive::<Float64Type>().unary::<_, Float64Type>(of_double)),
        // A whole double beyond what a real can tell apart comes from such a real.
        DataType::Float32 => {
            let whole = |x: f32| of_double(f64::from(x)) as f32;
            Arc::new(number.as_primitive::<Float32Type>().unary::<_, Float32Type>(whole))
        }
        DataType::Decimal128(precision, scale) => {
            let one = 10_i128.pow(u32::try_from(*scale).unwrap_or(0));
            let wholes: Decimal128Array = number.as_primitive::<Decimal128Type>().unary(|x| of_decimal(x, one));
            Arc::new(wholes.with_precision_and_scale(whole_digits(*precision, *scale), 0)?)
        }
        _ => Arc::clone(number),
    })
}

/// The digits of `round`, refused beyond 38: there Trino fails for some numbers.
fn round_digits(args: &[ArrayRef]) -> Result<ArrayRef> {
    let digits = ints(args, 0)?;
    collect::<Int32Array, _>(digits.len(), |row| match int_at(digits, row) {
        Some(digits @ (..-38 | 39..)) => exec_err!("the embedded engine rounds to 38 digits at most, not to {digits}"),
        digits => Ok(digits.map(|digits| digits as i32)),
    })
}

/// How many digits a decimal can have before the point once it is rounded.
pub(super) fn whole_digits(precision: u8, scale: i8) -> u8 {
    let digits = i16::from(precision) - i16::from(scale) + i16::from(scale > 0);
    u8::try_from(digits.clamp(1, 38)).unwrap_or(38)
}

/// -1, 0 or 1 in the type of the number, of a decimal without its scale.
fn sign(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [number] = args else { return internal_err!("sign takes one argument") };
    Ok(match number.data_type() {
        DataType::Decimal128(..) => {
            let signs: Decimal128Array = number.as_primitive::<Decimal128Type>().unary(i128::signum);
            Arc::new(signs.with_precision_and_scale(1, 0)?)
        }
        data_type if data_type.is_floating() => {
            let doubles = cast(number, &DataType::Float64)?;
            // Zero keeps its sign, and what is no number stays none.
            let signs = doubles
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(|x| if x == 0.0 { x } else { x.signum() });
            cast(&signs, data_type)?
        }
        data_type => {
            let integers = cast(number, &DataType::Int64)?;
            cast(&integers.as_primitive::<Int64Type>().unary::<_, Int64Type>(i64::signum), data_type)?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::Float64Array;

    fn millis(seconds: ArrayRef) -> Vec<Option<i64>> {
        milliseconds(&[seconds]).unwrap().as_primitive::<Int64Type>().iter().collect()
    }

    #[test]
    fn every_kind_of_number_is_exact_to_the_millisecond() {
        let exact = Some(1_702_989_821_543);
        let decimal = Decimal128Array::from(vec![17_029_898_215_430]).with_precision_and_scale(20, 4).unwrap();
        assert_eq!(millis(Arc::new(decimal)), [exact]);
        assert_eq!(millis(Arc::new(Float64Array::from(vec![1_702_989_821.543]))), [exact]);
        assert_eq!(millis(Arc::new(Int64Array::from(vec![Some(1), None]))), [Some(1000), None]);
    }

    #[test]
    fn half_a_millisecond_is_rounded_up() {
        let decimal = Decimal128Array::from(vec![15, 14, -15]).with_precision_and_scale(10, 4).unwrap();
        assert_eq!(millis(Arc::new(decimal)), [Some(2), Some(1), Some(-1)]);
        assert_eq!(millis(Arc::new(Float64Array::from(vec![0.0015, -0.0015]))), [Some(2), Some(-1)]);
    }
}
