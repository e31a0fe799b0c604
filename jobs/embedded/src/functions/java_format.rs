//! `format`: values by a pattern of Java's `Formatter`.

use super::Family;
use super::cast::print::java_double;
use super::function::{Memo, is_null, is_text, text_at, texts, typed};
use super::moment::Moments;
use super::type_names::trino_name;
use chrono::{NaiveDateTime, Timelike};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type, Int64Type};
use datafusion::common::{Result, exec_err, plan_err};

/// The functions of this family.
pub(super) fn functions() -> Family {
    vec![typed("format", types, format)]
}

fn types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let [pattern, values @ ..] = args else { return plan_err!("format takes a pattern and values") };
    if !is_text(pattern) && !pattern.is_null() {
        return plan_err!("format takes a pattern, not {}", trino_name(pattern));
    }
    let taken = values.iter().map(|value| match value {
        text if is_text(text) => Ok(DataType::Utf8View),
        integer if integer.is_integer() => Ok(DataType::Int64),
        DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Boolean
        | DataType::Date32
        | DataType::Timestamp(..)
        | DataType::Null => Ok(value.clone()),
        other => plan_err!("the embedded engine has no format of {}: CAST it to varchar", trino_name(other)),
    });
    let taken = std::iter::once(Ok(DataType::Utf8View)).chain(taken).collect::<Result<Vec<_>>>()?;
    Ok((taken, DataType::Utf8View))
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    Literal(String),
    Value(Specifier),
}

#[derive(Debug, Clone, PartialEq)]
struct Specifier {
    /// Which value, counted from zero.
    at: usize,
    is_left: bool,
    is_zero_filled: bool,
    has_sign: bool,
    has_groups: bool,
    width: usize,
    precision: Option<usize>,
    conversion: char,
    /// Of a date or time.
    suffix: Option<char>,
}

/// A value of a row.
enum Given<'a> {
    Null,
    Text(&'a str),
    Whole(i64),
    Double(f64),
    /// Digits with a point.
    Decimal(String),
    Boolean(bool),
    Date(NaiveDateTime),
    Time(NaiveDateTime),
}

fn parse(pattern: &str) -> Result<Vec<Piece>> {
    let (mut pieces, mut rest, mut next) = (Vec::new(), pattern, 0);
    while let Some((before, after)) = rest.split_once('%') {
        pieces.push(Piece::Literal(before.to_owned()));
        let end = after.find(|c: char| c.is_ascii_alphabetic() || c == '%').map(|at| at + 1);
        let Some(end) = end else { return exec_err!("Invalid format string: {pattern}: a % stands alone") };
        let (specifier, mut tail) = after.split_at(end);
        let conversion = specifier.chars().last().unwrap_or('%');
        let suffix = if conversion == 't' { tail.chars().next() } else { None };
        tail = &tail[suffix.map_or(0, char::len_utf8)..];
        rest = tail;
        let flags = &specifier[..specifier.len() - 1];
        match conversion {
            '%' if flags.is_empty() => pieces.push(Piece::Literal("%".into())),
            'n' if flags.is_empty() => pieces.push(Piece::Literal("\n".into())),
            _ => {
                let (index, flags) = match flags.split_once('$') {
                    Some((index, flags)) => (index.parse::<usize>().ok(), flags),
                    None => (None, flags),
                };
                let at = index.map_or(next, |index| index.saturating_sub(1));
                next += usize::from(index.is_none());
                let digits = flags.trim_start_matches(['-', '0', '+', ',']);
                let (marks, (width, precision)) =
                    (&flags[..flags.len() - digits.len()], digits.split_once('.').unwrap_or((digits, "")));
                let number = |text: &str| text.parse::<usize>().ok();
                let is_known = (width.is_empty() || number(width).is_some())
                    && (!digits.contains('.') || number(precision).is_some())
                    && "sdfxXbt".contains(conversion);
                if !is_known {
                    return exec_err!("the embedded engine has no %{specifier} in a format");
                }
                pieces.push(Piece::Value(Specifier {
                    at,
                    is_left: marks.contains('-'),
                    is_zero_filled: marks.contains('0'),
                    has_sign: marks.contains('+'),
                    has_groups: marks.contains(','),
                    width: number(width).unwrap_or(0),
                    precision: number(precision),
                    conversion,
                    suffix,
                }));
            }
        }
    }
    pieces.push(Piece::Literal(rest.to_owned()));
    Ok(pieces)
}

fn format(args: &[ArrayRef]) -> Result<ArrayRef> {
    let patterns = texts(args, 0)?;
    let mut read = Memo::new();
    let rows = (0..patterns.len()).map(|row| {
        let Some(pattern) = text_at(patterns, row) else { return Ok(None) };
        let pieces = read.get(pattern, parse)?;
        let mut text = String::new();
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Value(specifier) => {
                    let Some(column) = args.get(specifier.at + 1) else {
                        return exec_err!("Invalid format string: {pattern}: it takes more values than there are");
                    };
                    text.push_str(&filled(specifier, &written(specifier, &given(column, row)?)?));
                }
            }
        }
        Ok(Some(text))
    });
    Ok(std::sync::Arc::new(rows.collect::<Result<StringViewArray>>()?))
}

fn given(column: &ArrayRef, row: usize) -> Result<Given<'_>> {
    if is_null(column, row) {
        return Ok(Given::Null);
    }
    Ok(match column.data_type() {
        DataType::Int64 => Given::Whole(column.as_primitive::<Int64Type>().value(row)),
        DataType::Float64 => Given::Double(column.as_primitive::<Float64Type>().value(row)),
        DataType::Boolean => Given::Boolean(column.as_boolean().value(row)),
        DataType::Decimal128(..) => {
            let text = cast(&column.slice(row, 1), &DataType::Utf8View)?;
            Given::Decimal(text.as_string_view().value(0).to_owned())
        }
        DataType::Date32 => Given::Date(Moments::new(&column.slice(row, 1))?.local(0)?.unwrap_or_default()),
        DataType::Timestamp(..) => Given::Time(Moments::new(&column.slice(row, 1))?.local(0)?.unwrap_or_default()),
        _ => Given::Text(column.as_string_view().value(row)),
    })
}

fn written(specifier: &Specifier, value: &Given<'_>) -> Result<String> {
    let sign = |text: String, is_negative: bool| {
        if specifier.has_sign && !is_negative { format!("+{text}") } else { text }
    };
    Ok(match (specifier.conversion, value) {
        ('b', Given::Null) => "false".to_owned(),
        ('b', Given::Boolean(value)) => value.to_string(),
        ('b', _) => "true".to_owned(),
        // Java cuts it to the digits that a number would have.
        (_, Given::Null) => "null".chars().take(specifier.precision.unwrap_or(4)).collect(),
        ('s', value) => {
            let text = match value {
                Given::Text(text) => (*text).to_owned(),
                Given::Whole(value) => value.to_string(),
                Given::Double(value) => java_double(*value),
                Given::Decimal(value) => value.clone(),
                Given::Boolean(value) => value.to_string(),
                Given::Date(value) => value.date().to_string(),
                Given::Null | Given::Time(_) => {
                    return exec_err!("the embedded engine has no %s of a timestamp in a format: CAST it to varchar");
                }
            };
            specifier.precision.map_or_else(|| text.clone(), |most| text.chars().take(most).collect())
        }
        ('d', Given::Whole(value)) => {
            let digits = grouped(specifier, &value.unsigned_abs().to_string());
            sign(if *value < 0 { format!("-{digits}") } else { digits }, *value < 0)
        }
        ('x', Given::Whole(value)) => format!("{value:x}"),
        ('X', Given::Whole(value)) => format!("{value:X}"),
        ('f', Given::Double(value)) if value.is_finite() => {
            let text = half_up(&value.abs().to_string(), specifier.precision.unwrap_or(6));
            let text = grouped(specifier, &text);
            sign(if value.is_sign_negative() { format!("-{text}") } else { text }, value.is_sign_negative())
        }
        ('f', Given::Decimal(value)) => {
            let text = grouped(specifier, &half_up(value.trim_start_matches('-'), specifier.precision.unwrap_or(6)));
            let is_negative = value.starts_with('-');
            sign(if is_negative { format!("-{text}") } else { text }, is_negative)
        }
        ('t', Given::Date(time)) if "YymdeBbAaFj".contains(specifier.suffix.unwrap_or(' ')) => clock(specifier, *time),
        ('t', Given::Time(time)) if "YymdeBbAaFjHMSLTR".contains(specifier.suffix.unwrap_or(' ')) => {
            clock(specifier, *time)
        }
        (conversion, value) => {
            let of = match value {
                Given::Text(_) => "varchar",
                Given::Whole(_) => "bigint",
                Given::Double(_) => "double",
                Given::Decimal(_) => "decimal",
                Given::Boolean(_) => "boolean",
                Given::Null | Given::Date(_) | Given::Time(_) => "this time",
            };
            let suffix = specifier.suffix.map(String::from).unwrap_or_default();
            return exec_err!("Invalid format string: %{conversion}{suffix} takes no {of}");
        }
    })
}

fn clock(specifier: &Specifier, time: NaiveDateTime) -> String {
    let pattern = match specifier.suffix {
        Some('L') => return format!("{:03}", time.nanosecond() / 1_000_000),
        Some('e') => "%-d",
        Some('T') => "%H:%M:%S",
        Some('R') => "%H:%M",
        Some('F') => "%Y-%m-%d",
        Some('Y') => "%Y",
        Some('y') => "%y",
        Some('m') => "%m",
        Some('d') => "%d",
        Some('B') => "%B",
        Some('b') => "%b",
        Some('A') => "%A",
        Some('a') => "%a",
        Some('j') => "%j",
        Some('H') => "%H",
        Some('M') => "%M",
        _ => "%S",
    };
    time.format(pattern).to_string()
}

/// Digits with so many behind the point, rounded half up, as Java does.
fn half_up(number: &str, scale: usize) -> String {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let cut: String = fraction.chars().chain(std::iter::repeat('0')).take(scale).collect();
    let mut digits: Vec<u8> = format!("{whole}{cut}").into_bytes();
    if fraction.as_bytes().get(scale).is_some_and(|digit| *digit >= b'5') {
        let mut at = digits.len();
        loop {
            if at == 0 {
                digits.insert(0, b'1');
                break;
            }
            at -= 1;
            if digits[at] < b'9' {
                digits[at] += 1;
                break;
            }
            digits[at] = b'0';
        }
    }
    let digits = String::from_utf8(digits).unwrap_or_default();
    if scale == 0 {
        return digits;
    }
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{whole}.{fraction}")
}

fn grouped(specifier: &Specifier, number: &str) -> String {
    if !specifier.has_groups {
        return number.to_owned();
    }
    let (whole, fraction) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut out = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + fraction
}

fn filled(specifier: &Specifier, text: &str) -> String {
    let missing = specifier.width.saturating_sub(text.chars().count());
    if missing == 0 {
        return text.to_owned();
    }
    if specifier.is_left {
        return text.to_owned() + &" ".repeat(missing);
    }
    let is_number = "dfxX".contains(specifier.conversion) && !text.starts_with('n');
    if specifier.is_zero_filled && is_number {
        let (sign, digits) = text.split_at(usize::from(text.starts_with(['-', '+'])));
        return format!("{sign}{}{digits}", "0".repeat(missing));
    }
    " ".repeat(missing) + text
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn values_are_written_as_java_writes_them() {
        for (call, expected) in [
            ("'%s %d %.2f %05d %,d', 'x', 1, 2.5e0, 42, 1234567", "x 1 2.50 00042 1,234,567"),
            ("'%tY', DATE '2024-01-01'", "2024"),
            ("'%x', 255", "ff"),
            ("'%s|%.2f|%06.3f', NULL, NULL, NULL", "null|nu|   nul"),
            ("'%04d-%02d-%02d', 2023, 1, 5", "2023-01-05"),
            ("'%.2f|%.0f|%.1f', 0.125e0, 2.5e0, -0.05", "0.13|3|-0.1"),
            ("'%-5s|%5s|%2$s', 'ab', 'cd'", "ab   |   cd|cd"),
            ("'%+d%%', 5", "+5%"),
            ("'%.3f', DECIMAL '9.9996'", "10.000"),
        ] {
            assert_eq!(answer(&format!("SELECT format({call})")), expected, "{call}");
        }
        assert_eq!(answer("SELECT format('%d', 'x')"), "Invalid format string: %d takes no varchar");
        assert_eq!(answer("SELECT format('%e', 1e0)"), "the embedded engine has no %e in a format");
    }
}
