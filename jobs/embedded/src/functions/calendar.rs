//! The calendar: the parts of a moment, and arithmetic by units.

use super::Family;
use super::function::{Gives, Memo, Run, Takes, collect, function, int_at, ints, text_at, texts};
use super::moment::{Moments, out_of_range};
use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use datafusion::arrow::array::{ArrayRef, Date32Array, Float64Array, Int64Array};
use datafusion::common::{Result, exec_err};

/// The functions of this family.
pub(super) fn functions() -> Family {
    use Takes::{Int, Moment, Text};
    let parts: [(&[&'static str], Run); 12] = [
        (&["year"], |args| part(args, |time| time.year().into())),
        (&["quarter"], |args| part(args, |time| time.quarter().into())),
        (&["month"], |args| part(args, |time| time.month().into())),
        (&["week", "week_of_year"], |args| part(args, |time| time.iso_week().week().into())),
        (&["year_of_week", "yow"], |args| part(args, |time| time.iso_week().year().into())),
        (&["day", "day_of_month"], |args| part(args, |time| time.day().into())),
        (&["day_of_week", "dow"], |args| part(args, |time| time.weekday().number_from_monday().into())),
        (&["day_of_year", "doy"], |args| part(args, |time| time.ordinal().into())),
        (&["hour"], |args| part(args, |time| time.hour().into())),
        (&["minute"], |args| part(args, |time| time.minute().into())),
        (&["second"], |args| part(args, |time| time.second().into())),
        (&["millisecond"], |args| part(args, |time| (time.nanosecond() / 1_000_000).into())),
    ];
    let parts = parts
        .into_iter()
        .flat_map(|(names, run)| names.iter().map(move |name| function(name, &[Moment], Gives::Int, run)));
    let arithmetic = [
        function("date_add", &[Text, Int, Moment], Gives::Argument(2), date_add),
        function("date_diff", &[Text, Moment, Moment], Gives::Int, date_diff),
        function("date_trunc", &[Text, Moment], Gives::Argument(1), date_trunc),
        function("last_day_of_month", &[Moment], Gives::Date, last_day_of_month),
        function("to_unixtime", &[Moment], Gives::Double, to_unixtime),
    ];
    parts.chain(arithmetic).collect()
}

fn part(args: &[ArrayRef], of: fn(NaiveDateTime) -> i64) -> Result<ArrayRef> {
    let moments = Moments::argument(args, 0)?;
    collect::<Int64Array, _>(moments.len(), |row| Ok(moments.local(row)?.map(of)))
}

fn to_unixtime(args: &[ArrayRef]) -> Result<ArrayRef> {
    let moments = Moments::argument(args, 0)?;
    collect::<Float64Array, _>(moments.len(), |row| {
        Ok(moments.utc(row)?.map(|utc| {
            let utc = utc.and_utc();
            // The division makes the double nearest to the decimal value; adding a fraction would not.
            utc.timestamp_micros() as f64 / 1e6
        }))
    })
}

fn last_day_of_month(args: &[ArrayRef]) -> Result<ArrayRef> {
    let moments = Moments::argument(args, 0)?;
    collect::<Date32Array, _>(moments.len(), |row| {
        let Some(time) = moments.local(row)? else { return Ok(None) };
        let first = time.date().with_day(1).and_then(|first| first.checked_add_months(Months::new(1)));
        let last = first.and_then(|next| next.pred_opt()).ok_or_else(out_of_range)?;
        Ok(Some(last.num_days_from_ce() - NaiveDate::default().num_days_from_ce()))
    })
}

/// A unit of time: so many milliseconds, or so many months.
#[derive(Clone, Copy)]
enum Unit {
    Millis(i64),
    Days(i64),
    Months(i64),
}

fn parse_unit(text: &str, date: bool) -> Result<Unit> {
    Ok(match text.to_lowercase().as_str() {
        "day" => Unit::Days(1),
        "week" => Unit::Days(7),
        "month" => Unit::Months(1),
        "quarter" => Unit::Months(3),
        "year" => Unit::Months(12),
        "millisecond" if !date => Unit::Millis(1),
        "second" if !date => Unit::Millis(1_000),
        "minute" if !date => Unit::Millis(60_000),
        "hour" if !date => Unit::Millis(3_600_000),
        _ => return exec_err!("'{text}' is not a valid {} field", if date { "DATE" } else { "TIMESTAMP" }),
    })
}

fn date_add(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (unit, count, moments) = (texts(args, 0)?, ints(args, 1)?, Moments::argument(args, 2)?);
    let mut units = Memo::new();
    let mut sums = Vec::with_capacity(moments.len());
    for row in 0..moments.len() {
        let (Some(unit), Some(count)) = (text_at(unit, row), int_at(count, row)) else {
            sums.push(None);
            continue;
        };
        let unit = *units.get(unit, |text| parse_unit(text, moments.is_date()))?;
        // Trino narrows the amount (trinodb/trino#27899).
        if i32::try_from(count).is_err() {
            return exec_err!(
                "date_add: integer overflow: {count} does not fit 32 bits, as in Trino: add days first, then the rest"
            );
        }
        // Most sums need no calendar, which takes much longer.
        let millis = match unit {
            Unit::Millis(millis) => Some(millis),
            Unit::Days(days) if moments.has_equal_days() => Some(days * 86_400_000),
            Unit::Days(_) | Unit::Months(_) => None,
        };
        let later = millis.and_then(|millis| moments.stored_later(row, count.checked_mul(millis)?));
        if later.is_some() {
            sums.push(later);
            continue;
        }
        let sum = match unit {
            Unit::Millis(millis) => match moments.utc(row)? {
                None => None,
                Some(utc) => Some(add_millis(utc, count, millis).ok_or_else(out_of_range)?),
            },
            // A day or a month is a step on the calendar of the zone, whatever number of hours that takes.
            Unit::Days(days) => match moments.local(row)? {
                None => None,
                Some(local) => Some(moments.instant(add_days(local, count, days).ok_or_else(out_of_range)?)),
            },
            Unit::Months(months) => match moments.local(row)? {
                None => None,
                Some(local) => Some(moments.instant(add_months(local, count, months).ok_or_else(out_of_range)?)),
            },
        };
        // Milliseconds that the precision has no place for are rounded.
        sums.push(sum.map(|sum| moments.stored_rounded(sum)).transpose()?);
    }
    moments.like_stored(sums)
}

fn add_millis(time: NaiveDateTime, count: i64, millis: i64) -> Option<NaiveDateTime> {
    time.checked_add_signed(TimeDelta::try_milliseconds(count.checked_mul(millis)?)?)
}

fn add_days(time: NaiveDateTime, count: i64, days: i64) -> Option<NaiveDateTime> {
    let days = count.checked_mul(days)?;
    let step = Days::new(days.unsigned_abs());
    if days < 0 { time.checked_sub_days(step) } else { time.checked_add_days(step) }
}

/// The same day some months on, or the month's last where it has no such day.
pub(super) fn add_months(time: NaiveDateTime, count: i64, months: i64) -> Option<NaiveDateTime> {
    let months = count.checked_mul(months)?;
    let step = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    if months < 0 { time.checked_sub_months(step) } else { time.checked_add_months(step) }
}

/// How many whole units lie between two moments; fewer than none if the second is the earlier.
fn date_diff(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (unit, from, to) = (texts(args, 0)?, Moments::argument(args, 1)?, Moments::argument(args, 2)?);
    let dates = from.is_date() && to.is_date();
    let mut units = Memo::new();
    collect::<Int64Array, _>(from.len(), |row| {
        let Some(unit) = text_at(unit, row) else { return Ok(None) };
        Ok(match *units.get(unit, |text| parse_unit(text, dates))? {
            Unit::Millis(millis) => between(from.utc(row)?, to.utc(row)?, |a, b| whole_millis(a, b) / millis),
            Unit::Days(days) => {
                between(from.local(row)?, to.local(row)?, |a, b| whole_millis(a, b) / (86_400_000 * days))
            }
            Unit::Months(months) => between(from.local(row)?, to.local(row)?, |a, b| whole_months(a, b) / months),
        })
    })
}

fn between(
    from: Option<NaiveDateTime>,
    to: Option<NaiveDateTime>,
    count: impl Fn(NaiveDateTime, NaiveDateTime) -> i64,
) -> Option<i64> {
    Some(count(from?, to?))
}

fn whole_millis(from: NaiveDateTime, to: NaiveDateTime) -> i64 {
    to.and_utc().timestamp_millis() - from.and_utc().timestamp_millis()
}

fn whole_months(from: NaiveDateTime, to: NaiveDateTime) -> i64 {
    if to < from {
        return -whole_months(to, from);
    }
    let months = i64::from(to.year() - from.year()) * 12 + i64::from(to.month()) - i64::from(from.month());
    if add_months(from, months, 1).is_some_and(|reached| reached <= to) { months } else { months - 1 }
}

/// The start of the unit that a moment lies in.
fn date_trunc(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (unit, moments) = (texts(args, 0)?, Moments::argument(args, 1)?);
    let mut units = Memo::new();
    let mut starts = Vec::with_capacity(moments.len());
    for row in 0..moments.len() {
        let (Some(unit), Some(local)) = (text_at(unit, row), moments.local(row)?) else {
            starts.push(None);
            continue;
        };
        let unit = *units.get(unit, |text| parse_unit(text, moments.is_date()))?;
        let start = start_of(unit, local).ok_or_else(out_of_range)?;
        starts.push(Some(match (unit, moments.utc(row)?) {
            // Within a day the clock may show a time twice, so what is cut off is taken from the instant itself.
            (Unit::Millis(_), Some(utc)) => utc - (local - start),
            _ => moments.instant(start),
        }));
    }
    moments.like(starts)
}

fn start_of(unit: Unit, time: NaiveDateTime) -> Option<NaiveDateTime> {
    let midnight = |date: NaiveDate| date.and_hms_opt(0, 0, 0);
    match unit {
        Unit::Millis(millis) => {
            let day = midnight(time.date())?;
            let passed = (time - day).num_milliseconds();
            day.checked_add_signed(TimeDelta::try_milliseconds(passed - passed % millis)?)
        }
        Unit::Days(1) => midnight(time.date()),
        Unit::Days(_) => midnight(time.date() - Days::new(u64::from(time.weekday().num_days_from_monday()))),
        Unit::Months(months) => {
            let month0 = time.month0() - time.month0() % u32::try_from(months).ok()?;
            midnight(NaiveDate::from_ymd_opt(time.year(), month0 + 1, 1)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::answer;

    fn day(year: i32, month: u32, day: u32) -> NaiveDateTime {
        NaiveDate::from_ymd_opt(year, month, day).unwrap().into()
    }

    #[test]
    fn whole_months_end_where_the_month_does() {
        assert_eq!(whole_months(day(2023, 1, 31), day(2023, 2, 28)), 1);
        assert_eq!(whole_months(day(2023, 1, 31), day(2023, 2, 27)), 0);
        assert_eq!(whole_months(day(2023, 2, 28), day(2023, 1, 31)), -1);
        assert_eq!(whole_months(day(2022, 12, 15), day(2024, 1, 14)), 12);
    }

    #[test]
    fn a_day_in_a_zone_starts_at_its_own_midnight() {
        let sql = "SELECT date_trunc('day', TIMESTAMP '2024-01-01 20:00:00' AT TIME ZONE 'Asia/Seoul')";
        assert_eq!(answer(&format!("SELECT CAST(({sql}) AS varchar)")), "2024-01-02 00:00:00 Asia/Seoul");
    }

    #[test]
    fn a_day_over_a_clock_change_has_not_24_hours() {
        let before = "with_timezone(TIMESTAMP '2024-03-30 12:00:00', 'Europe/Berlin')";
        assert_eq!(answer(&format!("SELECT date_diff('hour', {before}, date_add('day', 1, {before}))")), "23");
    }

    #[test]
    fn an_amount_has_32_bits() {
        let error = answer("SELECT date_add('millisecond', 1675146135164, TIMESTAMP '1970-01-01 00:00:00.000')");
        assert!(error.starts_with("date_add: integer overflow: 1675146135164 does not fit 32 bits"), "{error}");
    }

    #[test]
    fn a_date_has_no_hours() {
        assert_eq!(answer("SELECT date_add('hour', 1, DATE '2024-01-01')"), "'hour' is not a valid DATE field");
    }
}
