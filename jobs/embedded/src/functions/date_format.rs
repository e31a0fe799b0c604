//! Moments as text and back by a pattern: MySQL's (`date_format`, `date_parse`) and Joda's (`format_datetime`).

use super::Family;
use super::function::{Gives, Memo, Takes, collect, function, text_at, texts};
use super::moment::{Moments, stored};
use super::zone::parse_offset;
use super::zoned_text::{ZonedTime, zoned_texts};
use chrono::{Datelike, NaiveDate, NaiveDateTime, NaiveTime, Timelike};
use datafusion::arrow::array::{Array, ArrayRef, StringViewArray, TimestampMillisecondArray};
use datafusion::arrow::datatypes::TimeUnit;
use datafusion::common::{Result, exec_datafusion_err, exec_err, internal_err};

/// The functions of this family.
pub(super) fn functions() -> Family {
    use Takes::{Moment, Text};
    let mut family = vec![
        function("date_format", &[Moment, Text], Gives::Text, |args| format(args, mysql_pattern)),
        function("format_datetime", &[Moment, Text], Gives::Text, |args| format(args, joda_pattern)),
        function("date_parse", &[Text, Text], Gives::Timestamp, |args| parse(args, false)),
        function("try_date_parse", &[Text, Text], Gives::Timestamp, |args| parse(args, true)),
    ];
    family.extend(zoned_texts("parse_datetime", 2, |texts| match texts {
        [text, pattern] => parse_datetime(text, pattern),
        _ => internal_err!("parse_datetime takes two arguments"),
    }));
    family
}

/// A time by a pattern of Joda's.
fn parse_datetime(text: &str, pattern: &str) -> Result<ZonedTime> {
    let pieces = joda_pattern(pattern)?;
    let is_read = |piece: &Piece| {
        let unread = [Field::Week, Field::WeekYear, Field::DayOfWeek, Field::Hour24, Field::Hour11];
        !matches!(piece, Piece::ShortYear | Piece::DayName(_))
            && !matches!(piece, Piece::Number(field, _) if unread.contains(field))
    };
    if !pieces.iter().all(is_read) {
        return exec_err!(
            "the embedded engine cannot read '{pattern}' in parse_datetime: it reads y, M, d, D, H, h, a, m, s, S and Z"
        );
    }
    read(text, &pieces).ok_or_else(|| exec_datafusion_err!("Invalid format: \"{text}\" does not follow '{pattern}'"))
}

/// A part of a pattern.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Literal(String),
    /// A number of a moment, written with at least so many digits.
    Number(Field, usize),
    /// The year's last two digits.
    ShortYear,
    /// So many digits of the fraction of a second.
    Fraction(usize),
    MonthName(Length),
    DayName(Length),
    Half,
    /// How far the zone is ahead of UTC, with or without a colon.
    Offset(bool),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Field {
    Year,
    Month,
    Day,
    Hour,
    Hour12,
    /// From 0 to 11.
    Hour11,
    /// From 1 to 24.
    Hour24,
    Minute,
    Second,
    DayOfYear,
    Week,
    WeekYear,
    DayOfWeek,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Length {
    Short,
    Full,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl Length {
    fn of(self, name: &str) -> &str {
        match self {
            Self::Short => &name[..3],
            Self::Full => name,
        }
    }
}

fn mysql_pattern(pattern: &str) -> Result<Vec<Piece>> {
    use Field::*;
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let specifier = if c == '%' { chars.next() } else { None };
        pieces.push(match specifier {
            None => Piece::Literal(c.into()),
            Some('Y') => Piece::Number(Year, 4),
            Some('y') => Piece::ShortYear,
            Some('m') => Piece::Number(Month, 2),
            Some('c') => Piece::Number(Month, 1),
            Some('d') => Piece::Number(Day, 2),
            Some('e') => Piece::Number(Day, 1),
            Some('H') => Piece::Number(Hour, 2),
            Some('k') => Piece::Number(Hour, 1),
            Some('h' | 'I') => Piece::Number(Hour12, 2),
            Some('l') => Piece::Number(Hour12, 1),
            Some('i') => Piece::Number(Minute, 2),
            Some('s' | 'S') => Piece::Number(Second, 2),
            Some('f') => Piece::Fraction(6),
            Some('p') => Piece::Half,
            Some('j') => Piece::Number(DayOfYear, 3),
            Some('v') => Piece::Number(Week, 2),
            Some('x') => Piece::Number(WeekYear, 4),
            Some('M') => Piece::MonthName(Length::Full),
            Some('b') => Piece::MonthName(Length::Short),
            Some('W') => Piece::DayName(Length::Full),
            Some('a') => Piece::DayName(Length::Short),
            Some('T') => {
                pieces.extend(mysql_pattern("%H:%i:%s")?);
                continue;
            }
            Some('r') => {
                pieces.extend(mysql_pattern("%h:%i:%s %p")?);
                continue;
            }
            Some(c @ ('D' | 'U' | 'u' | 'V' | 'w' | 'X')) => {
                return exec_err!("%{c} not supported in date format string");
            }
            Some(other) => Piece::Literal(other.into()),
        });
    }
    Ok(pieces)
}

fn joda_pattern(pattern: &str) -> Result<Vec<Piece>> {
    use Field::*;
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix('\'') {
            // Two quotes in a row stand for one, outside of a quoted text and within it.
            if let Some(tail) = quoted.strip_prefix('\'') {
                pieces.push(Piece::Literal("'".into()));
                rest = tail;
                continue;
            }
            let (mut literal, mut tail) = (String::new(), quoted);
            loop {
                let Some((part, behind)) = tail.split_once('\'') else {
                    return exec_err!("Invalid format: '{pattern}' has a quote that does not end");
                };
                literal.push_str(part);
                tail = behind;
                match tail.strip_prefix('\'') {
                    Some(behind) => {
                        literal.push('\'');
                        tail = behind;
                    }
                    None => break,
                }
            }
            pieces.push(Piece::Literal(literal));
            rest = tail;
            continue;
        }
        let tail = rest.trim_start_matches(c);
        let count = (rest.len() - tail.len()) / c.len_utf8();
        let name = if count >= 4 { Length::Full } else { Length::Short };
        pieces.push(match c {
            'y' | 'Y' if count == 2 => Piece::ShortYear,
            'y' | 'Y' => Piece::Number(Year, count),
            'x' => Piece::Number(WeekYear, count),
            'M' if count >= 3 => Piece::MonthName(name),
            'M' => Piece::Number(Month, count),
            'd' => Piece::Number(Day, count),
            'D' => Piece::Number(DayOfYear, count),
            'w' => Piece::Number(Week, count),
            'e' => Piece::Number(DayOfWeek, count),
            'E' => Piece::DayName(name),
            'a' => Piece::Half,
            'H' => Piece::Number(Hour, count),
            'h' => Piece::Number(Hour12, count),
            'K' => Piece::Number(Hour11, count),
            'k' => Piece::Number(Hour24, count),
            'Z' if count < 3 => Piece::Offset(count == 2),
            'm' => Piece::Number(Minute, count),
            's' => Piece::Number(Second, count),
            'S' => Piece::Fraction(count),
            letter if letter.is_ascii_alphabetic() => {
                return exec_err!("the embedded engine has no '{letter}' in a format_datetime pattern");
            }
            other => Piece::Literal(other.to_string().repeat(count)),
        });
        rest = tail;
    }
    Ok(pieces)
}

fn format(args: &[ArrayRef], read: fn(&str) -> Result<Vec<Piece>>) -> Result<ArrayRef> {
    let (moments, pattern) = (Moments::argument(args, 0)?, texts(args, 1)?);
    let mut patterns = Memo::new();
    collect::<StringViewArray, _>(moments.len(), |row| {
        let (Some(time), Some(utc), Some(pattern)) = (moments.local(row)?, moments.utc(row)?, text_at(pattern, row))
        else {
            return Ok(None);
        };
        let pieces = patterns.get(pattern, read)?;
        let ahead = moments.offset(&utc);
        if ahead.is_none() && pieces.iter().any(|piece| matches!(piece, Piece::Offset(_))) {
            return exec_err!("format_datetime: a timestamp without a time zone has no 'Z'");
        }
        Ok(Some(pieces.iter().map(|piece| written(piece, time, ahead.unwrap_or(0))).collect::<String>()))
    })
}

fn written(piece: &Piece, time: NaiveDateTime, ahead: i32) -> String {
    match piece {
        Piece::Offset(has_colon) => {
            let sign = if ahead < 0 { '-' } else { '+' };
            let colon = if *has_colon { ":" } else { "" };
            format!("{sign}{:02}{colon}{:02}", ahead.abs() / 3600, ahead.abs() / 60 % 60)
        }
        Piece::Literal(text) => text.clone(),
        Piece::Number(field, width) => format!("{:0width$}", number(*field, time)),
        Piece::ShortYear => format!("{:02}", time.year().rem_euclid(100)),
        Piece::Fraction(digits) => {
            // Trino formats by the millisecond.
            let millis = format!("{:03}", time.nanosecond() / 1_000_000 % 1000);
            format!("{millis:0<digits$}")[..*digits].to_owned()
        }
        Piece::MonthName(length) => length.of(MONTHS[time.month0() as usize]).into(),
        Piece::DayName(length) => length.of(DAYS[time.weekday().num_days_from_monday() as usize]).into(),
        Piece::Half => if time.hour() < 12 { "AM" } else { "PM" }.into(),
    }
}

fn number(field: Field, time: NaiveDateTime) -> i64 {
    match field {
        Field::Year => time.year().into(),
        Field::Month => time.month().into(),
        Field::Day => time.day().into(),
        Field::Hour => time.hour().into(),
        Field::Hour12 => time.hour12().1.into(),
        Field::Hour11 => (time.hour() % 12).into(),
        Field::Hour24 => if time.hour() == 0 { 24 } else { time.hour() }.into(),
        Field::Minute => time.minute().into(),
        Field::Second => time.second().into(),
        Field::DayOfYear => time.ordinal().into(),
        Field::Week => time.iso_week().week().into(),
        Field::WeekYear => time.iso_week().year().into(),
        Field::DayOfWeek => time.weekday().number_from_monday().into(),
    }
}

fn parse(args: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let (text, pattern) = (texts(args, 0)?, texts(args, 1)?);
    let mut patterns = Memo::new();
    collect::<TimestampMillisecondArray, _>(text.len(), |row| {
        let (Some(text), Some(pattern)) = (text_at(text, row), text_at(pattern, row)) else { return Ok(None) };
        let time = read(text, patterns.get(pattern, mysql_pattern)?);
        match time.and_then(|time| stored(time.local, TimeUnit::Millisecond)) {
            None if !lenient => Err(exec_datafusion_err!("Invalid format: \"{text}\" does not follow '{pattern}'")),
            time => Ok(time),
        }
    })
}

/// The moment that a text gives by a pattern; what the pattern leaves out is that of 1970-01-01 00:00.
fn read(text: &str, pattern: &[Piece]) -> Option<ZonedTime> {
    let (mut year, mut month, mut day) = (1970, 1, 1);
    let (mut hour, mut half, mut minute, mut second, mut nanos) = (0, None, 0, 0, 0);
    let (mut ordinal, mut ahead) = (None, None);
    let mut rest = text;
    for piece in pattern {
        match piece {
            Piece::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
            Piece::Offset(_) => {
                let digits = rest.strip_prefix(['+', '-']);
                let length = match digits {
                    Some(digits) => {
                        1 + digits.bytes().take_while(|byte| byte.is_ascii_digit() || *byte == b':').count()
                    }
                    None => usize::from(rest.starts_with(['Z', 'z'])),
                };
                let (zone, tail) = rest.split_at(length);
                // Hours alone are none.
                (length == 1 || length >= 5).then_some(())?;
                ahead = Some(parse_offset(zone)?);
                rest = tail;
            }
            Piece::MonthName(length) => {
                month = 1 + u32::try_from(MONTHS.iter().position(|name| skip(&mut rest, length.of(name)))?).ok()?;
            }
            Piece::DayName(length) => {
                DAYS.iter().position(|name| skip(&mut rest, length.of(name)))?;
            }
            Piece::Half => half = Some(["AM", "PM"].iter().position(|name| skip(&mut rest, name))?),
            Piece::ShortYear => {
                let short = i32::try_from(digits(&mut rest, 2)?.0).ok()?;
                year = if short < 70 { 2000 + short } else { 1900 + short };
            }
            Piece::Fraction(_) => {
                let (value, length) = digits(&mut rest, 9)?;
                nanos = value * 10_u32.pow(9 - length);
            }
            Piece::Number(field, _) => {
                let most = match field {
                    Field::Year | Field::WeekYear => 4,
                    Field::DayOfYear => 3,
                    _ => 2,
                };
                let (value, _) = digits(&mut rest, most)?;
                match field {
                    Field::Year => year = i32::try_from(value).ok()?,
                    Field::Month => month = value,
                    Field::Day => day = value,
                    Field::Hour => hour = value,
                    Field::Hour12 => hour = (1..=12).contains(&value).then_some(value % 12)?,
                    Field::Minute => minute = value,
                    Field::Second => second = value,
                    Field::DayOfYear => ordinal = Some(value),
                    Field::Week | Field::WeekYear | Field::DayOfWeek | Field::Hour11 | Field::Hour24 => return None,
                }
            }
        }
    }
    let date = match ordinal {
        Some(ordinal) => NaiveDate::from_yo_opt(year, ordinal)?,
        None => NaiveDate::from_ymd_opt(year, month, day)?,
    };
    let hour = if half == Some(1) && hour < 12 { hour + 12 } else { hour };
    let local = date.and_time(NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)?);
    rest.is_empty().then_some(ZonedTime { local, ahead })
}

/// Takes a word off the front, in upper or lower case.
fn skip(rest: &mut &str, word: &str) -> bool {
    match rest.split_at_checked(word.len()) {
        Some((front, tail)) if front.eq_ignore_ascii_case(word) => {
            *rest = tail;
            true
        }
        _ => false,
    }
}

/// Takes up to so many digits off the front: their value, and how many they were.
fn digits(rest: &mut &str, most: usize) -> Option<(u32, u32)> {
    let length = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let (front, tail) = rest.split_at(length);
    *rest = tail;
    Some((front.parse().ok()?, u32::try_from(length).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::answer;

    const TIME: &str = "TIMESTAMP '2001-08-22 03:04:05.321'";

    #[test]
    fn mysql_patterns_are_written() {
        for (pattern, expected) in [
            ("%Y-%m-%d %H:%i:%s", "2001-08-22 03:04:05"),
            ("%y/%c/%e %k %l %h%p", "01/8/22 3 3 03AM"),
            ("%W %a %M %b %j", "Wednesday Wed August Aug 234"),
            ("%T.%f %r %%", "03:04:05.321000 03:04:05 AM %"),
            ("%x-%v", "2001-34"),
        ] {
            assert_eq!(answer(&format!("SELECT date_format({TIME}, '{pattern}')")), expected);
        }
    }

    #[test]
    fn joda_patterns_are_written() {
        for (pattern, expected) in [
            ("yyyy-MM-dd''T''HH:mm:ss.SSS", "2001-08-22T03:04:05.321"),
            ("EEE, d MMM yy h:mm a", "Wed, 22 Aug 01 3:04 AM"),
            ("EEEE MMMM", "Wednesday August"),
        ] {
            assert_eq!(answer(&format!("SELECT format_datetime({TIME}, '{pattern}')")), expected);
        }
    }

    #[test]
    fn joda_patterns_are_read() {
        for (text, pattern, expected) in [
            ("2023-01-31 06:22:15", "yyyy-MM-dd HH:mm:ss", "2023-01-31 06:22:15.000 UTC"),
            ("31/Jan/2023:06:22:15 +0900", "dd/MMM/yyyy:HH:mm:ss Z", "2023-01-31 06:22:15.000 +09:00"),
            ("2023-01", "yyyy-MM", "2023-01-01 00:00:00.000 UTC"),
        ] {
            let time = format!("CAST(parse_datetime('{text}', '{pattern}') AS varchar)");
            assert_eq!(answer(&format!("SELECT {time}")), expected);
        }
        assert_eq!(answer("SELECT parse_datetime('x', 'yyyy')"), "Invalid format: \"x\" does not follow 'yyyy'");
        assert_eq!(answer("SELECT try(parse_datetime('x', 'yyyy')) IS NULL"), "true");
        assert!(answer("SELECT parse_datetime('23', 'yy')").starts_with("the embedded engine cannot read 'yy'"));
    }

    #[test]
    fn quotes_and_zones_are_written() {
        assert_eq!(answer(&format!("SELECT format_datetime({TIME}, 'h ''o''''clock''')")), "3 o'clock");
        let zoned = "TIMESTAMP '2023-01-05 00:00:00 +05:30'";
        assert_eq!(answer(&format!("SELECT format_datetime({zoned}, 'k K Z ZZ')")), "24 0 +0530 +05:30");
        assert!(answer(&format!("SELECT format_datetime({TIME}, 'Z')")).starts_with("format_datetime: a timestamp"));
    }

    #[test]
    fn a_text_is_read_by_its_pattern() {
        let time =
            |text: &str, pattern: &str| read(text, &mysql_pattern(pattern).unwrap()).map(|time| time.local.to_string());
        assert_eq!(time("2022/10/20/05", "%Y/%m/%d/%H").as_deref(), Some("2022-10-20 05:00:00"));
        assert_eq!(time("19/Dec/2023:12:43:41", "%d/%b/%Y:%H:%i:%s").as_deref(), Some("2023-12-19 12:43:41"));
        assert_eq!(time("69 12:30 PM", "%y %h:%i %p").as_deref(), Some("2069-01-01 12:30:00"));
        assert_eq!(time("2022-10-20 tail", "%Y-%m-%d"), None);
        assert_eq!(time("2022-13-20", "%Y-%m-%d"), None);
    }
}
