//! Casts that round: numbers to integers, and times to fewer digits.

use super::super::moment::{Moments, out_of_range, per_second};
use super::super::type_names::trino_name;
use super::print;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringViewArray};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Float64Type, TimeUnit};
use datafusion::common::{Result, exec_datafusion_err, internal_err};
use std::sync::Arc;

/// A number as an integer, half away from zero, where DataFusion cuts off.
pub(super) fn rounded(values: &ArrayRef, to: &DataType, lenient: bool) -> Result<ArrayRef> {
    let whole = match values.data_type() {
        DataType::Decimal128(..) => cast(values, &DataType::Decimal128(38, 0))?,
        _ => {
            let doubles = cast(values, &DataType::Float64)?;
            Arc::new(doubles.as_primitive::<Float64Type>().unary::<_, Float64Type>(f64::round))
        }
    };
    let options = CastOptions { safe: lenient, ..CastOptions::default() };
    cast_with_options(&whole, to, &options)
        .map_err(|_| exec_datafusion_err!("a value is out of range for {}", trino_name(to)))
}

/// Times to the millisecond, rounded, as `CAST(x AS varchar)` writes such.
pub(crate) fn millisecond_texts(times: &ArrayRef) -> Result<StringViewArray> {
    let zone = match times.data_type() {
        DataType::Timestamp(_, zone) => zone.clone(),
        other => return internal_err!("{other} is no time"),
    };
    print::texts(&local_timestamps(times, TimeUnit::Millisecond, zone)?)
}

/// The clock times of timestamps, rounded half up to another precision.
pub(super) fn local_timestamps(values: &ArrayRef, unit: TimeUnit, zone: Option<Arc<str>>) -> Result<ArrayRef> {
    let moments = Moments::new(values)?;
    let step = 1_000_000_000 / i128::from(per_second(unit));
    let stored = (0..moments.len())
        .map(|row| {
            let time = if zone.is_none() { moments.local(row)? } else { moments.utc(row)? };
            let Some(time) = time.map(|time| time.and_utc()) else { return Ok(None) };
            let nanos = i128::from(time.timestamp()) * 1_000_000_000 + i128::from(time.timestamp_subsec_nanos());
            i64::try_from((nanos + step / 2).div_euclid(step)).map(Some).map_err(|_| out_of_range())
        })
        .collect::<Result<Int64Array>>()?;
    Ok(cast(&stored, &DataType::Timestamp(unit, zone))?)
}
