//! Timestamps by the precision that they are written with, their zones, and functions that make them.

use super::build::{call, cast, text};
use super::calls::take;
use super::literals::whole;
use anyhow::{Result, anyhow, bail};
use datafusion::sql::sqlparser::ast::{
    DataType, Expr, Function, Ident, Interval, Statement, TimezoneInfo, Value, ValueWithSpan, visit_expressions,
};
use std::ops::ControlFlow;

/// Stands around a timestamp literal whose precision Arrow lacks, until something takes it in which the precision does not show.
const OTHER_PRECISION: &str = "of_other_precision";

/// A timestamp has the precision that it is written with, and the zone that it is written with.
pub(super) fn timestamp_literal(value: &str) -> Result<Expr> {
    let clock = value.find(' ').map_or(value.len(), |space| space + 1);
    let zone = value[clock..].find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.')));
    let (local, zone) = value.split_at(zone.map_or(value.len(), |at| clock + at));
    let written = local.split_once('.').map_or(0, |(_, fraction)| fraction.trim_end().len());
    let digits = match written {
        0 => 0,
        1..=3 => 3,
        4..=6 => 6,
        7..=9 => 9,
        more => bail!("the embedded engine keeps nine digits of a second, not {more}: {value}"),
    };
    let timestamp = cast(text(local.trim_end()), DataType::Timestamp(Some(digits), TimezoneInfo::None));
    let timestamp = match zone.trim() {
        "" => timestamp,
        zone => call("with_timezone", vec![timestamp, text(zone)]),
    };
    let is_kept = usize::try_from(digits).is_ok_and(|digits| digits == written);
    Ok(if is_kept { timestamp } else { call(OTHER_PRECISION, vec![timestamp]) })
}

/// A value that is compared, or cast to another precision: of a literal, its own precision does not show.
pub(super) fn any_precision(mut value: Expr) -> Expr {
    match &mut value {
        Expr::Function(function) if function.name.to_string() == OTHER_PRECISION => match take(function) {
            Ok(mut args) if args.len() == 1 => args.swap_remove(0),
            _ => value,
        },
        _ => value,
    }
}

/// Refuses the literals whose precision would show in what is made of them.
pub(super) fn refuse_other_precisions(statement: &Statement) -> Result<()> {
    let found = visit_expressions(statement, |expr| match expr {
        Expr::Function(function) if function.name.to_string() == OTHER_PRECISION => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    match found {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => bail!(
            "the embedded engine has timestamps with 0, 3, 6 and 9 digits of a second: write so many, '06:22:15.500'"
        ),
    }
}

/// A moment in another zone. Whatever zone a text has, its instant is known.
pub(super) fn at_timezone(moment: Expr, zone: Expr) -> Expr {
    call("at_timezone", vec![any_precision(instant(moment)), zone])
}

/// What gives a zone row by row gives here just the instant.
fn instant(mut moment: Expr) -> Expr {
    if let Expr::Function(function) = &mut moment {
        let name = function.name.to_string();
        if matches!(
            name.as_str(),
            "from_iso8601_timestamp" | "try_from_iso8601_timestamp" | "parse_datetime" | "try_parse_datetime"
        ) {
            function.name = Ident::new(format!("{name}_instant")).into();
        }
    }
    moment
}

/// `at_timezone(x, zone)` as a call.
pub(super) fn at_timezone_call(mut function: Function) -> Result<Expr> {
    let [moment, zone] = super::calls::exactly::<2>(&mut function)?;
    Ok(at_timezone(moment, zone))
}

/// `to_unixtime(x)` depends on the instant alone.
pub(super) fn to_unixtime(mut function: Function) -> Result<Expr> {
    let [moment] = super::calls::exactly::<1>(&mut function)?;
    Ok(call("to_unixtime", vec![any_precision(instant(moment))]))
}

/// `from_unixtime(x)`, in a zone by its name, or so many hours and minutes ahead of UTC.
pub(super) fn from_unixtime(mut function: Function) -> Result<Expr> {
    let mut args = take(&mut function)?.into_iter();
    let (seconds, zone, minutes) = match (args.next(), args.next(), args.next(), args.next()) {
        (Some(seconds), zone, minutes, None) => (call("from_unixtime", vec![seconds]), zone, minutes),
        _ => bail!("from_unixtime takes a number of seconds, and a zone or its hours and minutes"),
    };
    Ok(match (zone, minutes) {
        (None, _) => seconds,
        (Some(zone), None) => call("at_timezone", vec![seconds, zone]),
        (Some(hours), Some(minutes)) => {
            let (Some(hours), Some(minutes)) = (whole(&hours), whole(&minutes)) else {
                bail!("from_unixtime: the embedded engine needs a zone that is written in the query");
            };
            let ahead = hours * 60 + minutes;
            let sign = if ahead < 0 { '-' } else { '+' };
            let zone = format!("{sign}{:02}:{:02}", ahead.abs() / 60, ahead.abs() % 60);
            call("at_timezone", vec![seconds, text(zone)])
        }
    })
}

/// An interval literal in whole days and the rest of a day, or in months: so equal ones are equal to Arrow, too.
pub(super) fn interval(interval: Interval) -> Result<Expr> {
    let Some(from) = &interval.leading_field else {
        bail!("an interval has a unit behind its text: write INTERVAL '1' DAY");
    };
    let to = interval.last_field.as_ref().map(|to| format!(" TO {to}")).unwrap_or_default();
    let fields = format!("{from}{to}").to_uppercase();
    let invalid = || anyhow!("Invalid INTERVAL {fields} value: {}", interval.value);
    let Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(written), .. }) = interval.value.as_ref() else {
        return Err(invalid());
    };
    let (sign, bare) = match written.strip_prefix('-') {
        Some(bare) => (-1, bare),
        None => (1, written.strip_prefix('+').unwrap_or(written)),
    };
    const SECOND: i64 = 1_000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let (is_long, units): (bool, &[i64]) = match fields.as_str() {
        "YEAR" => (true, &[12]),
        "MONTH" => (true, &[1]),
        "YEAR TO MONTH" => (true, &[12, 1]),
        "DAY" => (false, &[DAY]),
        "HOUR" => (false, &[HOUR]),
        "MINUTE" => (false, &[MINUTE]),
        "SECOND" => (false, &[SECOND]),
        "DAY TO HOUR" => (false, &[DAY, HOUR]),
        "DAY TO MINUTE" => (false, &[DAY, HOUR, MINUTE]),
        "DAY TO SECOND" => (false, &[DAY, HOUR, MINUTE, SECOND]),
        "HOUR TO MINUTE" => (false, &[HOUR, MINUTE]),
        "HOUR TO SECOND" => (false, &[HOUR, MINUTE, SECOND]),
        "MINUTE TO SECOND" => (false, &[MINUTE, SECOND]),
        _ => return Err(invalid()),
    };
    let parts: Vec<&str> = bare.split(['-', ' ', ':']).collect();
    if parts.len() != units.len() {
        return Err(invalid());
    }
    let mut total = 0_i64;
    for (part, unit) in parts.iter().zip(units) {
        total = amount(part, *unit).and_then(|amount| total.checked_add(amount)).ok_or_else(invalid)?;
    }
    let total = sign * total;
    let words = match is_long {
        true if total == 0 => bail!("the embedded engine has no interval of no months"),
        true => format!("{total} months"),
        false => format!("{} days {} milliseconds", total / DAY, total % DAY),
    };
    Ok(Expr::Interval(Interval {
        value: Box::new(text(words)),
        leading_field: None,
        leading_precision: None,
        last_field: None,
        fractional_seconds_precision: None,
    }))
}

/// So many units; a second may have three digits behind the point.
fn amount(part: &str, unit: i64) -> Option<i64> {
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = part.split_once('.').unwrap_or((part, "0"));
    if !is_number(whole) || !is_number(fraction) || fraction.len() > 3 || (part.contains('.') && unit != 1_000) {
        return None;
    }
    let millis = format!("{fraction:0<3}").parse::<i64>().ok()?;
    whole.parse::<i64>().ok()?.checked_mul(unit)?.checked_add(millis)
}

/// `typeof(x)`, where only the text of the query knows the type: the length of a varchar, and the kind of an interval.
pub(super) fn type_of(mut function: Function) -> Result<Expr> {
    let [value] = super::calls::exactly::<1>(&mut function)?;
    let name = match &value {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(literal), .. }) => {
            format!("varchar({})", literal.chars().count())
        }
        Expr::Cast { data_type: DataType::Varchar(None), .. } => "varchar".to_owned(),
        Expr::Interval(interval) => {
            let is_long = interval.value.to_string().contains("months");
            if is_long { "interval year to month" } else { "interval day to second" }.to_owned()
        }
        _ => return Ok(call("typeof", vec![value])),
    };
    Ok(text(name))
}
