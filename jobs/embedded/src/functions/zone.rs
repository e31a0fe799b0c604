//! Time zones, and ISO 8601 text.

use super::Family;
use super::function::{Gives, Takes, collect, function, text_at, texts};
use super::moment::{Moments, number, parse_date, parse_time, stored};
use chrono::{NaiveDateTime, SecondsFormat, TimeDelta};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{Array, ArrayRef, Date32Array, StringViewArray, TimestampMillisecondArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// The functions of this family.
pub(super) fn functions() -> Family {
    use Takes::{Moment, Text};
    let zoned =
        |name, keeps| ScalarUDF::from(Zoned { name, keeps, signature: Signature::user_defined(Volatility::Immutable) });
    vec![
        zoned("at_timezone", Keeps::Instant),
        zoned("with_timezone", Keeps::Clock),
        function("to_iso8601", &[Moment], Gives::Text, to_iso8601),
        function("from_iso8601_timestamp", &[Text], Gives::Timestamp, |args| from_iso8601_timestamp(args, false)),
        function("try_from_iso8601_timestamp", &[Text], Gives::Timestamp, |args| from_iso8601_timestamp(args, true)),
        function("from_iso8601_date", &[Text], Gives::Date, from_iso8601_date),
    ]
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
        if zone.parse::<Tz>().is_err() {
            return plan_err!("'{zone}' is not a time zone");
        }
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
            _ => moment.clone(),
        };
        moment.cast_to(args.return_field.data_type(), None)
    }
}

fn to_iso8601(args: &[ArrayRef]) -> Result<ArrayRef> {
    let moments = Moments::argument(args, 0)?;
    collect::<StringViewArray, _>(moments.len(), |row| {
        let (Some(utc), Some(local)) = (moments.utc(row)?, moments.local(row)?) else { return Ok(None) };
        if moments.is_date() {
            return Ok(Some(local.date().to_string()));
        }
        let mut text = local.and_utc().to_rfc3339_opts(SecondsFormat::Millis, true);
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

/// An ISO 8601 time in UTC. Trino keeps the text's own offset as the zone; here the result is plain, as it is of
/// `from_unixtime`.
fn from_iso8601_timestamp(args: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let text = texts(args, 0)?;
    collect::<TimestampMillisecondArray, _>(text.len(), |row| {
        let Some(text) = text_at(text, row) else { return Ok(None) };
        match parse_iso(text).and_then(|time| stored(time, TimeUnit::Millisecond)) {
            None if !lenient => Err(exec_datafusion_err!("Invalid format: \"{text}\"")),
            time => Ok(time),
        }
    })
}

fn from_iso8601_date(args: &[ArrayRef]) -> Result<ArrayRef> {
    let text = texts(args, 0)?;
    let dates = collect::<Date32Array, _>(text.len(), |row| {
        let Some(text) = text_at(text, row) else { return Ok(None) };
        let date = parse_date(text).ok_or_else(|| exec_datafusion_err!("Invalid format: \"{text}\""))?;
        Ok(Some((date - chrono::NaiveDate::default()).num_days() as i32))
    })?;
    Ok(cast(&dates, &DataType::Date32)?)
}

fn parse_iso(text: &str) -> Option<NaiveDateTime> {
    let (date, rest) = text.split_once(['T', 't']).unwrap_or((text, ""));
    let at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(at);
    let time = match time {
        "" => Default::default(),
        hour if hour.len() == 2 => parse_time(&format!("{hour}:00"))?,
        time => parse_time(time)?,
    };
    Some(parse_date(date)?.and_time(time) - TimeDelta::try_minutes(parse_offset(zone)?)?)
}

/// Minutes ahead of UTC: nothing, `Z`, `+09`, `+0900` or `+09:00`.
fn parse_offset(zone: &str) -> Option<i64> {
    if matches!(zone, "" | "Z" | "z") {
        return Some(0);
    }
    let (sign, digits) = zone.split_at_checked(1)?;
    let digits = digits.replace(':', "");
    let (hours, minutes) = digits.split_at_checked(2)?;
    let minutes = i64::from(number(hours)?) * 60 + if minutes.is_empty() { 0 } else { i64::from(number(minutes)?) };
    Some(if sign == "-" { -minutes } else { minutes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::answer;

    #[test]
    fn iso_times_are_read_in_utc() {
        let time = |text: &str| parse_iso(text).map(|time| time.to_string());
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
