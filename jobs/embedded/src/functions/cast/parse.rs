//! Text to a value, or to nothing where Trino says "Cannot cast".

use super::super::moment::{parse_date, parse_time, rounded};
use super::super::type_names::trino_name;
use chrono::{NaiveDate, NaiveDateTime, TimeZone};
use datafusion::arrow::array::timezone::Tz;
use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array, StringViewArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, not_impl_err};
use std::str::FromStr;
use std::sync::Arc;

/// Texts as values of a type; with `lenient`, NULL for a text that is none.
pub(super) fn texts_as(texts: &StringViewArray, to: &DataType, lenient: bool) -> Result<ArrayRef> {
    let refuses: fn(&str) -> Option<&'static str> = match to {
        integer if integer.is_integer() => refused_integer,
        DataType::Float32 | DataType::Float64 => refused_double,
        DataType::Timestamp(_, None) => refused_timestamp,
        _ => |_| None,
    };
    let target = Target { texts, to, lenient, refuses };
    match to {
        DataType::Int8 => target.parsed::<Int8Array, i8>(plain),
        DataType::Int16 => target.parsed::<Int16Array, i16>(plain),
        DataType::Int32 => target.parsed::<Int32Array, i32>(plain),
        DataType::Int64 => target.parsed::<Int64Array, i64>(plain),
        DataType::Float32 => target.parsed::<Float32Array, f32>(float),
        DataType::Float64 => target.parsed::<Float64Array, f64>(|text| digits(text).or_else(|| float(text))),
        DataType::Boolean => target.parsed::<BooleanArray, bool>(boolean),
        DataType::Date32 => target.parsed::<Date32Array, i32>(|text| {
            i32::try_from((parse_date(text.trim())? - NaiveDate::default()).num_days()).ok()
        }),
        DataType::Decimal128(precision, scale) => {
            let values = target.parsed::<Decimal128Array, i128>(|text| decimal(text, *precision, *scale))?;
            Ok(Arc::new(Decimal128Array::from(values.to_data()).with_precision_and_scale(*precision, *scale)?))
        }
        DataType::Timestamp(unit, zone) => {
            let values = target.parsed::<Int64Array, i64>(|text| {
                let (local, written) = timestamp(text.trim())?;
                match (zone, written) {
                    (None, None) => rounded(local, *unit),
                    // Trino passes over an offset that is written.
                    (None, Some(written)) => rounded(local, *unit).filter(|_| is_offset(written)),
                    (Some(session), written) => {
                        let zone: Tz = written.unwrap_or(session).parse().ok()?;
                        rounded(zone.from_local_datetime(&local).earliest()?.naive_utc(), *unit)
                    }
                }
            })?;
            Ok(cast(&values, to)?)
        }
        other => not_impl_err!("the embedded engine cannot cast varchar to {}", trino_name(other)),
    }
}

struct Target<'a> {
    texts: &'a StringViewArray,
    to: &'a DataType,
    lenient: bool,
    /// Why the embedded engine does not tell whether a text is a value, as far as it does not.
    refuses: fn(&str) -> Option<&'static str>,
}

impl Target<'_> {
    fn parsed<A, T>(&self, parse: impl Fn(&str) -> Option<T>) -> Result<ArrayRef>
    where
        A: Array + FromIterator<Option<T>> + 'static,
    {
        let values = self.texts.iter().map(|text| match text.map(|text| (text, parse(text))) {
            Some((text, None)) => match (self.refuses)(text) {
                Some(why) => exec_err!("the embedded engine cannot cast '{text}' to {}: {why}", trino_name(self.to)),
                None if self.lenient => Ok(None),
                None => exec_err!("Cannot cast '{text}' to {}", trino_name(self.to).to_uppercase()),
            },
            parsed => Ok(parsed.and_then(|(_, value)| value)),
        });
        Ok(Arc::new(values.collect::<Result<A>>()?))
    }
}

/// Java's digits, and blanks, which Trino takes off since 2024 and Athena perhaps not yet.
fn refused_integer(text: &str) -> Option<&'static str> {
    let bare = text.trim();
    let digits = bare.strip_prefix(['+', '-']).unwrap_or(bare);
    if digits.is_empty() || !digits.chars().all(char::is_numeric) {
        return None;
    }
    if digits.bytes().any(|byte| !byte.is_ascii_digit()) {
        return Some("it reads the digits 0 to 9 alone");
    }
    (bare.len() < text.len())
        .then_some("whether blanks around a number matter depends on Athena's version: write trim(x)")
}

fn refused_double(text: &str) -> Option<&'static str> {
    let lower = text.trim().to_ascii_lowercase();
    let is_hexadecimal = lower.trim_start_matches(['+', '-']).starts_with("0x") && lower.contains('p');
    is_hexadecimal.then_some("it reads no hexadecimal number")
}

fn refused_timestamp(text: &str) -> Option<&'static str> {
    let (_, zone) = timestamp(text.trim())?;
    zone.filter(|zone| !is_offset(zone))
        .map(|_| "a zone is written: cast to timestamp with time zone first, or cut it off")
}

/// `+09:00`
fn is_offset(zone: &str) -> bool {
    zone.strip_prefix(['+', '-']).is_some_and(|clock| clock.len() == 5 && parse_time(clock).is_some())
}

/// Digits with a sign: neither spaces, nor a fraction, nor an exponent.
fn plain<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// A whole number of so few digits that a double holds it exactly, as most of a log are.
fn digits(text: &str) -> Option<f64> {
    if text.is_empty() || text.len() > 15 {
        return None;
    }
    let digits = text
        .bytes()
        .try_fold(0_u64, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0')))?;
    Some(digits as f64)
}

/// As Java reads a double: spaces around it do not matter, and only `NaN` and `Infinity` are words.
fn float<T: FromStr>(text: &str) -> Option<T> {
    let text = text.trim();
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, "NaN" | "Infinity") {
        return text.parse().ok();
    }
    let digits = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')).then_some(())?;
    digits.parse().ok()
}

fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "true" | "1" => Some(true),
        "f" | "false" | "0" => Some(false),
        _ => None,
    }
}

/// A decimal with an optional exponent, rounded half away from zero to the scale; none if it does not fit.
fn decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (number, exponent) = match text.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, unsigned) = match number.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = format!("{whole}{fraction}");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // How many digits stand before the cut at the scale.
    let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(scale);
    let significant = digits.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    let kept = kept - i64::try_from(digits.len() - significant.len()).ok()?;
    let Ok(kept) = usize::try_from(kept) else { return Some(0) };
    if kept > 38 {
        return None;
    }
    let cut = format!("{significant:0<kept$}");
    let up = i128::from(cut.as_bytes().get(kept).is_some_and(|digit| *digit >= b'5'));
    let value = cut[..kept].bytes().fold(0_i128, |value, digit| value * 10 + i128::from(digit - b'0')) + up;
    (value < 10_i128.pow(u32::from(precision))).then_some(if negative { -value } else { value })
}

/// `2024-01-02`, `2024-01-02 03:04[:05[.678]]`, and either with a zone after it.
pub(super) fn timestamp(text: &str) -> Option<(NaiveDateTime, Option<&str>)> {
    let (date, rest) = text.split_once(' ').unwrap_or((text, ""));
    let end = rest.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.'))).unwrap_or(rest.len());
    let (time, zone) = rest.split_at(end);
    let time = if time.is_empty() { Default::default() } else { parse_time(time)? };
    let zone = Some(zone.trim()).filter(|zone| !zone.is_empty());
    Some((parse_date(date)?.and_time(time), zone))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_half_away_from_zero() {
        for (text, expected) in [
            ("1.235", Some(124)),
            ("-1.235", Some(-124)),
            ("1.234999", Some(123)),
            ("0.005", Some(1)),
            ("0.0049", Some(0)),
            ("+7", Some(700)),
            (".5", Some(50)),
            ("1e3", Some(100_000)),
            ("12E-1", Some(120)),
            ("00012.5", Some(1250)),
            ("0", Some(0)),
            ("99999.994", Some(9_999_999)),
            ("99999.995", None),
            ("", None),
            (" 1", None),
            ("1,5", None),
            ("-", None),
        ] {
            assert_eq!(decimal(text, 7, 2), expected, "{text}");
        }
    }

    #[test]
    fn doubles_are_read_as_java_does() {
        assert_eq!(float::<f64>(" 1.5 "), Some(1.5));
        assert_eq!(float::<f64>("1e3"), Some(1000.0));
        assert_eq!(float::<f64>("-Infinity"), Some(f64::NEG_INFINITY));
        for text in ["inf", "nan", "infinity", "1_0", "", "0x"] {
            assert_eq!(float::<f64>(text), None, "{text}");
        }
    }

    #[test]
    fn digits_alone_are_the_double_that_they_are_otherwise() {
        for text in ["0", "007", "200", "1675146135165", "999999999999999", "100000000000001"] {
            assert_eq!(digits(text), float::<f64>(text), "{text}");
        }
        for text in ["", "-1", "+1", "1.0", " 1", "1e3", "\u{663}", "1000000000000000"] {
            assert_eq!(digits(text), None, "{text}");
        }
    }

    #[test]
    fn a_timestamp_has_a_space_and_no_letter() {
        assert!(timestamp("2024-01-02").is_some());
        assert!(timestamp("2024-01-02 03:04").is_some());
        assert!(timestamp("2024-01-02T03:04:05").is_none());
        assert!(timestamp("2024-02-30 03:04:05").is_none());
        assert_eq!(timestamp("2024-01-02 03:04:05.5 Asia/Seoul").and_then(|(_, zone)| zone), Some("Asia/Seoul"));
    }
}
