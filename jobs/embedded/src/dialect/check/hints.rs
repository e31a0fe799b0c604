//! What to write where types do not meet.

use super::types::Type;
use datafusion::sql::sqlparser::ast::{Expr, Value, ValueWithSpan};

/// The longest expression that is repeated in an error.
const LONGEST: usize = 40;

/// An expression as a reader knows it again.
fn short(expr: &Expr) -> String {
    let text = expr.to_string();
    if text.chars().count() <= LONGEST { text } else { "x".to_owned() }
}

fn text_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text),
        Expr::Nested(inner) => text_of(inner),
        _ => None,
    }
}

fn number_of(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) => Some(number),
        Expr::Nested(inner) => number_of(inner),
        _ => None,
    }
}

/// How an expression becomes a value of a type; `None`: nothing is likely to be meant.
pub(super) fn converted(expr: &Expr, from: &Type, to: &Type) -> Option<String> {
    let value = short(expr);
    Some(match (from, to) {
        (from, to) if from.is_text() && to.is_number() => match text_of(expr) {
            // A number in quotes.
            Some(text) if text.trim().parse::<f64>().is_ok() => text.trim().to_owned(),
            Some(_) => return None,
            None => format!("CAST({value} AS {})", number_type(to)),
        },
        (from, Type::Date) if from.is_text() => match text_of(expr) {
            Some(text) => format!("DATE '{text}'"),
            None => format!("CAST({value} AS date)"),
        },
        (from, Type::Timestamp(_)) if from.is_text() => match text_of(expr) {
            Some(text) if text.contains(':') => format!("TIMESTAMP '{text}'"),
            Some(text) => format!("TIMESTAMP '{text} 00:00:00'"),
            None => format!("CAST({value} AS timestamp)"),
        },
        (from, Type::Boolean) if from.is_text() => format!("CAST({value} AS boolean)"),
        (from, Type::Varbinary) if from.is_text() => format!("to_utf8({value})"),
        (from, Type::Json) if from.is_text() => format!("json_parse({value})"),
        (Type::Varbinary, to) if to.is_text() => format!("from_utf8({value})"),
        (Type::Json, to) if to.is_text() => format!("CAST({value} AS varchar)"),
        (Type::Json, to) if to.is_number() => format!("CAST({value} AS {})", number_type(to)),
        (Type::Array(_), to) if to.is_text() => format!("array_join({value}, ', ')"),
        (Type::Map(..) | Type::Row(_), to) if to.is_text() => format!("json_format(CAST({value} AS json))"),
        (from, to) if to.is_text() => match number_of(expr) {
            Some(number) => format!("'{number}'"),
            None if from.is_number()
                || matches!(from, Type::Boolean | Type::Date | Type::Timestamp(_) | Type::Time(_)) =>
            {
                format!("CAST({value} AS varchar)")
            }
            None => return None,
        },
        (from, Type::Boolean) if from.is_number() => format!("{value} <> 0"),
        (Type::Boolean, to) if to.is_whole() => format!("CAST({value} AS {})", number_type(to)),
        (from, Type::Timestamp(_)) if from.is_number() => format!("from_unixtime({value})"),
        (Type::Date | Type::Timestamp(_), to) if to.is_number() => format!("to_unixtime({value})"),
        (Type::Timestamp(own), Type::Timestamp(wanted)) if own.has_zone && !wanted.has_zone => {
            format!("CAST({value} AS timestamp)")
        }
        (from, to) if from.is_number() && to.is_number() => format!("CAST({value} AS {})", number_type(to)),
        _ => return None,
    })
}

/// A type to cast to: of a literal's type one that holds more.
fn number_type(wanted: &Type) -> String {
    match wanted {
        Type::Tinyint | Type::Smallint | Type::Integer => Type::Bigint.to_string(),
        Type::Decimal(None) => Type::Double.to_string(),
        other => other.to_string(),
    }
}

/// What to write in place of one of two operands that do not meet.
pub(super) fn pair(left: (&Expr, &Type), right: (&Expr, &Type)) -> Option<String> {
    let (literal, other) = match (text_of(left.0), text_of(right.0)) {
        (Some(_), None) => (left, right),
        (None, Some(_)) => (right, left),
        _ if number_of(right.0).is_some() && left.1.is_text() => (right, left),
        _ if number_of(left.0).is_some() && right.1.is_text() => (left, right),
        _ if right.1.is_text() || matches!(right.1, Type::Json) => (right, left),
        _ => (left, right),
    };
    converted(literal.0, literal.1, other.1).or_else(|| converted(other.0, other.1, literal.1))
}

/// What to write in place of one of two values that must become one type: mostly the text of the other.
pub(super) fn alike(left: (&Expr, &Type), right: (&Expr, &Type)) -> Option<String> {
    match (left.1.is_text(), right.1.is_text()) {
        (true, false) => converted(right.0, right.1, left.1),
        (false, true) => converted(left.0, left.1, right.1),
        _ => pair(left, right),
    }
}

/// What to write in place of a sum with a date or a timestamp.
pub(super) fn moved(time: &Expr, amount: &Expr, sign: &str) -> String {
    match number_of(amount) {
        Some(number) => format!("{} {sign} INTERVAL '{number}' DAY", short(time)),
        None => format!("date_add('day', {}{}, {})", if sign == "-" { "-" } else { "" }, short(amount), short(time)),
    }
}
