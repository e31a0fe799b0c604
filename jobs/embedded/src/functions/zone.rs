//! Time zones, and ISO 8601 text.

use super::Family;
use super::function::{Gives, Takes, collect, function, text_at, texts};
use super::moment::{Moments, number, parse_date, parse_time, per_second};
use super::zoned_text::{ZonedTime, zoned_texts};
use chrono::{NaiveDate, SecondsFormat, Weekday};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{Array, ArrayRef, Date32Array, StringViewArray, new_empty_array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// The functions of this family.
pub(super) fn functions() -> Family {
    use Takes::{Moment, Text};
    let zoned =
        |name, keeps| ScalarUDF::from(Zoned { name, keeps, signature: Signature::user_defined(Volatility::Immutable) });
    let mut family = vec![
        zoned("at_timezone", Keeps::Instant),
        zoned("with_timezone", Keeps::Clock),
        function("to_iso8601", &[Moment], Gives::Text, to_iso8601),
        function("from_iso8601_date", &[Text], Gives::Date, from_iso8601_date),
        function("timezone_hour", &[Moment], Gives::Int, |args| ahead(args, |seconds| seconds / 3600)),
        function("timezone_minute", &[Moment], Gives::Int, |args| ahead(args, |seconds| seconds / 60 % 60)),
    ];
    family.extend(zoned_texts("from_iso8601_timestamp", 1, |texts| match texts {
        [text] => parse_iso(text).ok_or_else(|| exec_datafusion_err!("Invalid format: \"{text}\"")),
        _ => internal_err!("from_iso8601_timestamp takes one argument"),
    }));
    family
}

/// What Trino calls a zone: the many names of UTC are one, and an offset has hours and minutes.
pub(super) fn zone_name(zone: &str) -> Option<String> {
    let lower = zone.to_ascii_lowercase();
    let utc = lower.strip_prefix("etc/").unwrap_or(&lower);
    if matches!(utc, "utc" | "z" | "ut" | "uct" | "gmt" | "gmt0" | "greenwich" | "universal" | "zulu") {
        return Some("UTC".to_owned());
    }
    if zone.starts_with(['+', '-']) {
        return parse_offset(zone).filter(|seconds| seconds.abs() <= 14 * 3600).map(offset_name);
    }
    // Java takes no abbreviations for names.
    (zone.parse::<Tz>().is_ok() && !matches!(zone, "EST" | "HST" | "MST")).then(|| zone.to_owned())
}

/// `+09:00`, and UTC for none.
pub(super) fn offset_name(seconds: i32) -> String {
    let sign = if seconds < 0 { '-' } else { '+' };
    match seconds.abs() {
        0 => "UTC".to_owned(),
        seconds => format!("{sign}{:02}:{:02}", seconds / 3600, seconds / 60 % 60),
    }
}

fn ahead(args: &[ArrayRef], of: fn(i64) -> i64) -> Result<ArrayRef> {
    let moments = Moments::argument(args, 0)?;
    collect::<datafusion::arrow::array::Int64Array, _>(moments.len(), |row| {
        let Some(utc) = moments.utc(row)? else { return Ok(None) };
        match moments.offset(&utc) {
            Some(seconds) => Ok(Some(of(seconds.into()))),
            None => exec_err!("a timestamp without a time zone has no hours and minutes of one"),
        }
    })
}

/// What stays when a moment moves into a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Keeps {
    /// `at_timezone`: the same instant, another clock. A plain timestamp is read in the session's zone, UTC.
    Instant,
    /// `with_timezone`: the same clock time, another instant.
    Clock,
}

/// The zone is part of the result's type, so it must be written in the query.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Zoned {
    name: &'static str,
    keeps: Keeps,
    signature: Signature,
}

impl ScalarUDFImpl for Zoned {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        match (self.keeps, args) {
            (Keeps::Instant, [moment @ DataType::Timestamp(..), _])
            | (Keeps::Clock, [moment @ DataType::Timestamp(_, None), _]) => Ok(vec![moment.clone(), DataType::Utf8]),
            (_, [DataType::Null | DataType::Date32, _]) => {
                Ok(vec![DataType::Timestamp(TimeUnit::Millisecond, None), DataType::Utf8])
            }
            _ => plan_err!("{} takes a timestamp and the name of a zone", self.name),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {} follows from its zone", self.name)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let zone = match args.scalar_arguments {
            [_, Some(ScalarValue::Utf8(Some(zone)) | ScalarValue::Utf8View(Some(zone)))] => zone,
            _ => return plan_err!("{}: the embedded engine needs a zone that is written in the query", self.name),
        };
        let Some(zone) = zone_name(zone) else { return plan_err!("'{zone}' is not a time zone") };
        let unit = match args.arg_fields.first().map(|field| field.data_type()) {
            Some(DataType::Timestamp(unit, _)) => *unit,
            _ => TimeUnit::Millisecond,
        };
        Ok(Arc::new(Field::new(self.name, DataType::Timestamp(unit, Some(zone.as_str().into())), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some(moment) = args.args.first() else { return internal_err!("{} without arguments", self.name) };
        let moment = match (self.keeps, moment.data_type()) {
            // Arrow reads a plain timestamp as a clock time of the zone it is cast to. One with a zone is an instant.
            (Keeps::Instant, DataType::Timestamp(unit, None)) => {
                moment.cast_to(&DataType::Timestamp(unit, Some("UTC".into())), None)?
            }
            (Keeps::Clock, _) => {
                let zone = args.return_field.data_type();
                return Ok(match moment {
                    ColumnarValue::Array(array) => ColumnarValue::Array(with_clock(array, zone)?),
                    ColumnarValue::Scalar(scalar) => {
                        let array = with_clock(&scalar.to_array()?, zone)?;
                        ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)
                    }
                });
            }
            _ => moment.clone(),
        };
        moment.cast_to(args.return_field.data_type(), None)
    }
}

/// The instants at which a zone's clock shows these times. Arrow knows none for a time that a clock change skips or repeats.
fn with_clock(times: &ArrayRef, zoned: &DataType) -> Result<ArrayRef> {
    let (times, zone) = (Moments::new(times)?, Moments::new(&new_empty_array(zoned))?);
    let instants = (0..times.len()).map(|row| Ok(times.utc(row)?.map(|local| zone.instant(local))));
    zone.like(instants.collect::<Result<_>>()?)
}

fn to_iso8601(args: &[ArrayRef]) -> Result<ArrayRef> {
    let moments = Moments::argument(args, 0)?;
    let digits = match args.first().map(|moments| moments.data_type()) {
        Some(DataType::Timestamp(unit, _)) => match per_second(*unit) {
            1 => SecondsFormat::Secs,
            1_000 => SecondsFormat::Millis,
            1_000_000 => SecondsFormat::Micros,
            _ => SecondsFormat::Nanos,
        },
        _ => SecondsFormat::Secs,
    };
    collect::<StringViewArray, _>(moments.len(), |row| {
        let (Some(utc), Some(local)) = (moments.utc(row)?, moments.local(row)?) else { return Ok(None) };
        if moments.is_date() {
            return Ok(Some(local.date().to_string()));
        }
        let mut text = local.and_utc().to_rfc3339_opts(digits, true);
        text.pop();
        text.push_str(&match moments.offset(&utc) {
            None => String::new(),
            Some(0) => "Z".into(),
            Some(ahead) => {
                let sign = if ahead < 0 { '-' } else { '+' };
                format!("{sign}{:02}:{:02}", ahead.abs() / 3600, ahead.abs() / 60 % 60)
            }
        });
        Ok(Some(text))
    })
}

fn from_iso8601_date(args: &[ArrayRef]) -> Result<ArrayRef> {
    let text = texts(args, 0)?;
    let dates = collect::<Date32Array, _>(text.len(), |row| {
        let Some(text) = text_at(text, row) else { return Ok(None) };
        let date = parse_iso_date(text).ok_or_else(|| exec_datafusion_err!("Invalid format: \"{text}\""))?;
        Ok(Some((date - NaiveDate::default()).num_days() as i32))
    })?;
    Ok(cast(&dates, &DataType::Date32)?)
}

/// `2023-01-31`, the day of a year `2023-031`, and the week of a year `2023-W05`, with or without a day `2023-W05-2`.
fn parse_iso_date(text: &str) -> Option<NaiveDate> {
    let (year, rest) = text.split_once('-').filter(|(year, _)| year.len() == 4).unwrap_or(("", ""));
    let year: Option<i32> = number(year).and_then(|year| year.try_into().ok());
    if let Some(week) = rest.strip_prefix('W') {
        let (week, day) = week.split_once('-').unwrap_or((week, "1"));
        let day = number(day).filter(|day| (1..=7).contains(day))?;
        let weekday = Weekday::try_from(u8::try_from(day - 1).ok()?).ok()?;
        return NaiveDate::from_isoywd_opt(year?, number(week).filter(|_| week.len() == 2)?, weekday);
    }
    if rest.len() == 3 {
        return NaiveDate::from_yo_opt(year?, number(rest)?);
    }
    parse_date(text)
}

/// A local time, and its zone if it is written.
fn parse_iso(text: &str) -> Option<ZonedTime> {
    let (date, rest) = text.split_once(['T', 't']).unwrap_or((text, ""));
    let at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(at);
    let time = match time {
        "" => Default::default(),
        hour if hour.len() == 2 => parse_time(&format!("{hour}:00"))?,
        time => parse_time(time)?,
    };
    let ahead = if zone.is_empty() { None } else { Some(parse_offset(zone)?) };
    Some(ZonedTime { local: parse_date(date)?.and_time(time), ahead })
}

/// Seconds ahead of UTC: `Z`, `+09`, `+0900` or `+09:00`.
pub(super) fn parse_offset(zone: &str) -> Option<i32> {
    if matches!(zone, "Z" | "z") {
        return Some(0);
    }
    let (sign, digits) = zone.split_at_checked(1)?;
    let digits = digits.replace(':', "");
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = number(hours)? * 60 + if minutes.is_empty() { 0 } else { number(minutes)? };
    let seconds = i32::try_from(minutes).ok()? * 60;
    Some(if sign == "-" { -seconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::answer;

    #[test]
    fn iso_times_are_read_in_utc() {
        let time = |text: &str| parse_iso(text).and_then(|time| time.utc()).map(|time| time.to_string());
        assert_eq!(time("2020-05-11").as_deref(), Some("2020-05-11 00:00:00"));
        assert_eq!(time("2020-05-11T11:15:05Z").as_deref(), Some("2020-05-11 11:15:05"));
        assert_eq!(time("2020-05-11T11:15:05.055+01:00").as_deref(), Some("2020-05-11 10:15:05.055"));
        assert_eq!(time("2020-05-11T11:15-0330").as_deref(), Some("2020-05-11 14:45:00"));
        assert_eq!(time("2020-05-11 11:15:05"), None);
        assert_eq!(time("yesterday"), None);
    }

    #[test]
    fn a_zone_moves_the_clock_or_the_instant() {
        let at = "at_timezone(TIMESTAMP '2022-11-01 09:08:07.321', 'America/Los_Angeles')";
        let with = "with_timezone(TIMESTAMP '2022-11-01 09:08:07.321', 'America/Los_Angeles')";
        assert_eq!(answer(&format!("SELECT to_iso8601({at})")), "2022-11-01T02:08:07.321-07:00");
        assert_eq!(answer(&format!("SELECT to_iso8601({with})")), "2022-11-01T09:08:07.321-07:00");
    }

    #[test]
    fn an_unknown_zone_is_named() {
        assert_eq!(answer("SELECT now() AT TIME ZONE 'Mars/Base'"), "'Mars/Base' is not a time zone");
    }
}
