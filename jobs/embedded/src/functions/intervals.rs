//! Intervals: times numbers, between two times, and as text.
//!
//! Trino has intervals of months and intervals of milliseconds. Arrow has one type for both, so one of no months is one of
//! milliseconds: a literal of no months is refused.

use super::arithmetic::Operation;
use super::calendar::add_months;
use super::function::typed;
use super::moment::{Moments, out_of_range};
use super::type_names::trino_name;
use chrono::TimeDelta;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, IntervalMonthDayNanoArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{
    DataType, Float64Type, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
};
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err, plan_err};
use datafusion::logical_expr::Expr;
use std::sync::Arc;

/// The functions of this family.
pub(super) fn functions() -> super::Family {
    let bigint = |_: &[DataType]| Ok((vec![DataType::Interval(IntervalUnit::MonthDayNano)], DataType::Int64));
    vec![typed("to_milliseconds", bigint, |args| {
        let [intervals] = args else { return internal_err!("to_milliseconds takes one argument") };
        let millis = intervals.as_primitive::<IntervalMonthDayNanoType>().iter();
        let millis = millis.map(|of| of.map(|of| i64::from(of.days) * DAY + of.nanoseconds / 1_000_000));
        Ok(Arc::new(millis.collect::<Int64Array>()))
    })]
}

/// An interval times a number, or divided by one.
pub(super) fn scaled(interval: Expr, operation: Operation, by: Expr) -> Expr {
    let udf = match operation {
        Operation::Divide => typed("interval_divide", types, |args| each(args, true)),
        _ => typed("interval_multiply", types, |args| each(args, false)),
    };
    udf.call(vec![interval, by])
}

fn types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    match args {
        [DataType::Interval(_), by] if by.is_integer() => Ok((vec![interval.clone(), DataType::Int64], interval)),
        [DataType::Interval(_), by] if by.is_numeric() => Ok((vec![interval.clone(), DataType::Float64], interval)),
        [_, by] => plan_err!("an interval is multiplied by a number, not by {}", trino_name(by)),
        _ => internal_err!("an interval is multiplied by one number"),
    }
}

const DAY: i64 = 86_400_000;

/// The time from the second moment to the first.
pub(super) fn difference(left: Expr, right: Expr) -> Expr {
    let udf = typed(
        "interval_between",
        |args| Ok((args.to_vec(), DataType::Interval(IntervalUnit::MonthDayNano))),
        |args| {
            let (later, earlier) = (Moments::argument(args, 0)?, Moments::argument(args, 1)?);
            let between = (0..later.len()).map(|row| {
                let (Some(later), Some(earlier)) = (later.utc(row)?, earlier.utc(row)?) else { return Ok(None) };
                let between = later - earlier;
                if between.subsec_nanos() % 1_000_000 != 0 {
                    return exec_err!(
                        "the embedded engine has intervals of milliseconds: cast both times to timestamp(3)"
                    );
                }
                of_millis(between.num_milliseconds()).map(Some)
            });
            Ok(Arc::new(between.collect::<Result<IntervalMonthDayNanoArray>>()?))
        },
    );
    udf.call(vec![left, right])
}

/// A moment, and an interval before or behind it.
pub(super) fn moved(moment: Expr, interval: Expr, is_back: bool) -> Expr {
    let udf = if is_back {
        typed("moment_minus", moved_types, |args| moved_by(args, -1))
    } else {
        typed("moment_plus", moved_types, |args| moved_by(args, 1))
    };
    udf.call(vec![moment, interval])
}

fn moved_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let [moment, _] = args else { return internal_err!("a moment is moved by one interval") };
    let moment = match moment {
        // Milliseconds have a place in the sum.
        DataType::Timestamp(TimeUnit::Second, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        other => other.clone(),
    };
    Ok((vec![moment.clone(), DataType::Interval(IntervalUnit::MonthDayNano)], moment))
}

/// Months are a step on the calendar of the zone, and milliseconds one in time.
fn moved_by(args: &[ArrayRef], sign: i64) -> Result<ArrayRef> {
    let (moments, intervals) = (Moments::argument(args, 0)?, args[1].as_primitive::<IntervalMonthDayNanoType>());
    let sums = (0..moments.len()).map(|row| {
        let (Some(utc), Some(local)) = (moments.utc(row)?, moments.local(row)?) else { return Ok(None) };
        if intervals.is_null(row) {
            return Ok(None);
        }
        let IntervalMonthDayNano { months, days, nanoseconds } = intervals.value(row);
        if months != 0 {
            let later = add_months(local, sign, months.into()).ok_or_else(out_of_range)?;
            return moments.stored(moments.instant(later)).map(Some);
        }
        let millis = sign * (i64::from(days) * DAY + nanoseconds / 1_000_000);
        if moments.is_date() && millis % DAY != 0 {
            return exec_err!("Cannot add hour, minutes or seconds to a date, or subtract them");
        }
        let later = TimeDelta::try_milliseconds(millis).and_then(|millis| utc.checked_add_signed(millis));
        moments.stored(later.ok_or_else(out_of_range)?).map(Some)
    });
    moments.like_stored(sums.collect::<Result<_>>()?)
}

fn of_millis(millis: i64) -> Result<IntervalMonthDayNano> {
    let days = i32::try_from(millis / DAY).map_err(|_| exec_datafusion_err!("the interval is too long"))?;
    Ok(IntervalMonthDayNano { months: 0, days, nanoseconds: millis % DAY * 1_000_000 })
}

/// `1-2` or `2 03:04:05.678`, as Trino writes an interval.
pub(crate) fn interval_text(interval: IntervalMonthDayNano) -> String {
    let IntervalMonthDayNano { months, days, nanoseconds } = interval;
    if months != 0 {
        let sign = if months < 0 { "-" } else { "" };
        let months = months.unsigned_abs();
        return format!("{sign}{}-{}", months / 12, months % 12);
    }
    let millis = i64::from(days) * DAY + nanoseconds / 1_000_000;
    let (sign, millis) = (if millis < 0 { "-" } else { "" }, millis.unsigned_abs());
    let (seconds, day) = (millis / 1_000, 86_400);
    let (hour, minute, second) = (seconds % day / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{sign}{} {hour:02}:{minute:02}:{second:02}.{:03}", seconds / day, millis % 1_000)
}

/// Trino has intervals of months and intervals of milliseconds, and cuts off what is less.
fn each(args: &[ArrayRef], divides: bool) -> Result<ArrayRef> {
    let [intervals, by] = args else { return internal_err!("an interval is multiplied by one number") };
    let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
    let exact = by.as_primitive_opt::<Int64Type>();
    let doubles = cast(by, &DataType::Float64)?;
    let doubles = doubles.as_primitive::<Float64Type>();
    let too_far = || exec_datafusion_err!("the interval is too long");
    let one = |amount: i64, row: usize| {
        let by = doubles.value(row);
        if divides && by == 0.0 {
            return exec_err!("Division by zero");
        }
        if let (Some(exact), false) = (exact, divides) {
            return amount.checked_mul(exact.value(row)).ok_or_else(too_far);
        }
        let result = if divides { amount as f64 / by } else { amount as f64 * by };
        if result.is_finite() && result.abs() < 9e15 { Ok(result as i64) } else { Err(too_far()) }
    };
    let scaled = (0..intervals.len()).map(|row| {
        if intervals.is_null(row) || by.is_null(row) {
            return Ok(None);
        }
        let IntervalMonthDayNano { months, days, nanoseconds } = intervals.value(row);
        let months = i32::try_from(one(months.into(), row)?).map_err(|_| too_far())?;
        let millis = one(i64::from(days) * DAY + nanoseconds / 1_000_000, row)?;
        if intervals.value(row).months != 0 && months == 0 {
            return exec_err!("the embedded engine has no interval of no months");
        }
        Ok(Some(IntervalMonthDayNano { months, ..of_millis(millis)? }))
    });
    Ok(Arc::new(scaled.collect::<Result<IntervalMonthDayNanoArray>>()?))
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn an_interval_is_multiplied() {
        for (expression, expected) in [
            ("TIMESTAMP '2023-01-01 00:00:00' + INTERVAL '15' MINUTE * 3", "2023-01-01 00:45:00.000"),
            ("TIMESTAMP '2023-01-01 00:00:00' + 2 * INTERVAL '1' DAY", "2023-01-03 00:00:00.000"),
            ("TIMESTAMP '2023-01-01 00:00:00' + INTERVAL '90' MINUTE / 2", "2023-01-01 00:45:00.000"),
            ("TIMESTAMP '2023-01-31 00:00:00.000' + INTERVAL '1' MONTH * 1", "2023-02-28 00:00:00.000"),
            ("TIMESTAMP '2023-01-01 00:00:00' + INTERVAL '1 02:03:04.005' DAY TO SECOND", "2023-01-02 02:03:04.005"),
            ("TIMESTAMP '2023-01-01 00:00:00.000' + INTERVAL '1-2' YEAR TO MONTH", "2024-03-01 00:00:00.000"),
            (
                "TIMESTAMP '2023-03-25 12:00:00.000 Europe/Berlin' + INTERVAL '1' DAY",
                "2023-03-26 13:00:00.000 Europe/Berlin",
            ),
            ("DATE '2023-01-31' + INTERVAL '1' MONTH", "2023-02-28"),
            ("DATE '2023-01-31' - INTERVAL '24' HOUR", "2023-01-30"),
            (
                "DATE '2023-01-31' + INTERVAL '1' HOUR * 1",
                "Cannot add hour, minutes or seconds to a date, or subtract them",
            ),
            ("INTERVAL '2' DAY * 3", "6 00:00:00.000"),
            ("INTERVAL '-5' HOUR", "-0 05:00:00.000"),
            ("INTERVAL '14' MONTH", "1-2"),
            ("TIMESTAMP '2023-01-02 00:00:00' - TIMESTAMP '2023-01-01 12:00:00'", "0 12:00:00.000"),
            ("DATE '2023-02-01' - DATE '2023-03-01'", "-28 00:00:00.000"),
        ] {
            assert_eq!(answer(&format!("SELECT CAST({expression} AS varchar)")), expected, "{expression}");
        }
    }

    #[test]
    fn equal_intervals_are_equal() {
        let rows = "(VALUES INTERVAL '25' HOUR, INTERVAL '1' DAY, INTERVAL '24' HOUR, INTERVAL '1440' MINUTE) AS t(x)";
        assert_eq!(answer(&format!("SELECT count(DISTINCT x) FROM {rows}")), "2");
        assert_eq!(answer(&format!("SELECT CAST(max(x) AS varchar) FROM {rows}")), "1 01:00:00.000");
        assert_eq!(answer(&format!("SELECT count_if(x = INTERVAL '1' DAY) FROM {rows}")), "3");
        assert_eq!(answer("SELECT INTERVAL '-30' HOUR < INTERVAL '-1' DAY"), "true");
    }
}
