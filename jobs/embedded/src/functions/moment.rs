//! Dates and timestamps of any precision and zone as calendar times, and back.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type, TimeUnit};
use datafusion::common::{Result, exec_datafusion_err, internal_err};

/// A column of dates or timestamps.
pub(super) struct Moments {
    data_type: DataType,
    values: Int64Array,
    zone: Option<Tz>,
}

impl Moments {
    pub(super) fn new(array: &ArrayRef) -> Result<Self> {
        let (values, zone) = match array.data_type() {
            DataType::Date32 => (cast(array, &DataType::Int32)?, None),
            DataType::Timestamp(_, zone) => (array.clone(), zone.as_deref().map(str::parse).transpose()?),
            other => return internal_err!("{other} is not a date or timestamp"),
        };
        let values = cast(&values, &DataType::Int64)?.as_primitive::<Int64Type>().clone();
        Ok(Self { data_type: array.data_type().clone(), values, zone })
    }

    /// Argument `i` of a call that declares it as a moment.
    pub(super) fn argument(args: &[ArrayRef], i: usize) -> Result<Self> {
        args.get(i).map_or_else(|| internal_err!("argument {i} is missing"), Self::new)
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn is_date(&self) -> bool {
        self.data_type == DataType::Date32
    }

    /// The time in UTC.
    pub(super) fn utc(&self, row: usize) -> Result<Option<NaiveDateTime>> {
        if self.values.is_null(row) {
            return Ok(None);
        }
        let value = self.values.value(row);
        let (seconds, nanos) = match &self.data_type {
            DataType::Timestamp(unit, _) => {
                let each = per_second(*unit);
                (value.div_euclid(each), value.rem_euclid(each) * (1_000_000_000 / each))
            }
            _ => (value * 86_400, 0),
        };
        let nanos = u32::try_from(nanos).unwrap_or(0);
        DateTime::from_timestamp(seconds, nanos).map(|time| Some(time.naive_utc())).ok_or_else(out_of_range)
    }

    /// The time on a clock in the column's zone.
    pub(super) fn local(&self, row: usize) -> Result<Option<NaiveDateTime>> {
        let utc = self.utc(row)?;
        Ok(match (self.zone, utc) {
            (Some(zone), Some(utc)) => Some(utc + zone.offset_from_utc_datetime(&utc).fix()),
            _ => utc,
        })
    }

    /// How far the zone's clock is ahead of UTC, in seconds; none for a plain timestamp.
    pub(super) fn offset(&self, utc: &NaiveDateTime) -> Option<i32> {
        self.zone.map(|zone| zone.offset_from_utc_datetime(utc).fix().local_minus_utc())
    }

    /// A column like this one, of times in UTC.
    pub(super) fn like(&self, utc: Vec<Option<NaiveDateTime>>) -> Result<ArrayRef> {
        let values = utc.into_iter().map(|time| time.map(|time| self.stored(time)).transpose());
        self.like_stored(values.collect::<Result<_>>()?)
    }

    /// A timestamp so many milliseconds later, as it is stored; none for NULL, and where it needs the calendar: for a date, for
    /// whole seconds, and for a time outside the years 1 to 9999.
    pub(super) fn stored_later(&self, row: usize, millis: i64) -> Option<i64> {
        let DataType::Timestamp(unit, _) = &self.data_type else { return None };
        if self.values.is_null(row) {
            return None;
        }
        let each = per_second(*unit);
        let is_near = |value: i64| (-62_135_596_800..253_402_300_800).contains(&value.div_euclid(each));
        let later = self.values.value(row).checked_add(millis.checked_mul(each)? / 1_000)?;
        (each >= 1_000 && is_near(self.values.value(row)) && is_near(later)).then_some(later)
    }

    /// Whether all days have 24 hours: those of a zone may not.
    pub(super) fn has_equal_days(&self) -> bool {
        self.zone.is_none()
    }

    /// A column like this one, of values as they are stored.
    pub(super) fn like_stored(&self, values: Vec<Option<i64>>) -> Result<ArrayRef> {
        let values = Int64Array::from(values);
        let narrow = if self.is_date() { DataType::Int32 } else { DataType::Int64 };
        Ok(cast(&cast(&values, &narrow)?, &self.data_type)?)
    }

    /// The instant at which the zone's clock shows a time: the earlier of two, and after a gap the first there is.
    pub(super) fn instant(&self, local: NaiveDateTime) -> NaiveDateTime {
        let Some(zone) = self.zone else { return local };
        match zone.offset_from_local_datetime(&local).earliest() {
            Some(offset) => local - offset.fix(),
            None => {
                let day_before = local.checked_sub_days(Days::new(1)).unwrap_or(local);
                local - zone.offset_from_utc_datetime(&day_before).fix()
            }
        }
    }

    /// A time in UTC as this column stores it, rounded half up.
    pub(super) fn stored_rounded(&self, utc: NaiveDateTime) -> Result<i64> {
        match &self.data_type {
            DataType::Timestamp(unit, _) => rounded(utc, *unit).ok_or_else(out_of_range),
            _ => self.stored(utc),
        }
    }

    /// A time in UTC as this column stores it.
    pub(super) fn stored(&self, utc: NaiveDateTime) -> Result<i64> {
        let seconds = utc.and_utc().timestamp();
        match &self.data_type {
            DataType::Timestamp(unit, _) => stored(utc, *unit).ok_or_else(out_of_range),
            _ => Ok(seconds.div_euclid(86_400)),
        }
    }
}

/// A time in UTC as a timestamp of this precision stores it, cut off at the precision.
pub(super) fn stored(utc: NaiveDateTime, unit: TimeUnit) -> Option<i64> {
    let each = per_second(unit);
    let part = i64::from(utc.and_utc().timestamp_subsec_nanos()) / (1_000_000_000 / each);
    utc.and_utc().timestamp().checked_mul(each)?.checked_add(part)
}

/// The same, rounded half up.
pub(super) fn rounded(utc: NaiveDateTime, unit: TimeUnit) -> Option<i64> {
    let (each, nanos) = (per_second(unit), i64::from(utc.and_utc().timestamp_subsec_nanos()));
    let step = 1_000_000_000 / each;
    utc.and_utc().timestamp().checked_mul(each)?.checked_add((nanos + step / 2) / step)
}

pub(super) fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

pub(super) fn out_of_range() -> datafusion::error::DataFusionError {
    exec_datafusion_err!("the time is outside the range of the calendar")
}

/// `2024-1-2`: year, month and day.
pub(super) fn parse_date(text: &str) -> Option<NaiveDate> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut parts = digits.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() < 4 || month.len() > 2 || day.len() > 2 {
        return None;
    }
    NaiveDate::from_ymd_opt(sign * i32::try_from(number(year)?).ok()?, number(month)?, number(day)?)
}

/// `1:02`, `01:02:03` or `01:02:03.456`.
pub(super) fn parse_time(text: &str) -> Option<NaiveTime> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute, seconds) = (parts.next()?, parts.next()?, parts.next().unwrap_or("0"));
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    if hour.len() > 2 || minute.len() > 2 || second.len() > 2 || fraction.len() > 12 {
        return None;
    }
    number(fraction.get(..fraction.len().min(9))?)?;
    let nanos = number(&format!("{fraction:0<9.9}"))?;
    NaiveTime::from_hms_nano_opt(number(hour)?, number(minute)?, number(second)?, nanos)
}

/// Digits and nothing else.
pub(super) fn number(text: &str) -> Option<u32> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}
