//! Which types can be cast to which.

use super::place::place_of_call;
use super::types::Type;
use super::{hints, refused};
use anyhow::Result;
use datafusion::sql::sqlparser::ast::{CastKind, Expr, Spanned, UnaryOperator, Value, ValueWithSpan};

/// Checks a cast, or a cast that gives NULL where it fails.
pub(super) fn check(sql: &str, cast: &Expr, value: &Expr, from: &Type, to: &Type) -> Result<()> {
    if !can_cast(from, to) {
        let message = format!("Cannot cast {from} to {to}");
        // Not a cast again.
        let instead = hints::converted(value, from, to).filter(|instead| !instead.starts_with("CAST("));
        return Err(refused(&place_of_call(sql, cast.span()), &message, instead));
    }
    if let (Some(number), Type::Varchar(Some(length))) = (whole_number(value), to)
        && number.chars().count() as u64 > *length
        && matches!(cast, Expr::Cast { kind: CastKind::Cast, .. })
    {
        let message = format!("Value {number} cannot be represented as varchar({length})");
        return Err(refused(&place_of_call(sql, cast.span()), &message, None));
    }
    Ok(())
}

fn whole_number(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) => {
            number.bytes().all(|byte| byte.is_ascii_digit()).then(|| number.clone())
        }
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => whole_number(expr).map(|number| format!("-{number}")),
        Expr::Nested(inner) => whole_number(inner),
        _ => None,
    }
}

fn can_cast(from: &Type, to: &Type) -> bool {
    use Type::{
        Any, Array, Boolean, Char, Date, DayInterval, Decimal, Double, Json, Map, MonthInterval, Other, Real, Row,
        Time, Timestamp, Unknown, Varbinary, Varchar,
    };
    match (from, to) {
        (Any | Unknown | Other(_), _) | (_, Any | Other(_)) => true,
        (from, to) if from.is_number() && (to.is_number() || matches!(to, Boolean | Varchar(_) | Json)) => true,
        (Boolean, to) if to.is_number() || matches!(to, Boolean | Varchar(_) | Json) => true,
        (Varchar(_), to) => !matches!(to, Array(_) | Map(..) | Row(_)),
        (Char(_), to) => to.is_text() || matches!(to, Json),
        (Varbinary, to) => matches!(to, Varbinary),
        (Json, to) => match to {
            Array(item) => can_cast(&Json, item),
            Map(key, value) => can_cast(&Json, key) && can_cast(&Json, value),
            Row(fields) => fields.iter().all(|field| can_cast(&Json, &field.data_type)),
            to => to.is_whole() || matches!(to, Decimal(_) | Real | Double | Boolean | Varchar(_) | Json),
        },
        (Date, to) => matches!(to, Date | Timestamp(_) | Varchar(_) | Json),
        (Timestamp(clock), Json) => !clock.has_zone,
        (Timestamp(_), to) => matches!(to, Date | Time(_) | Timestamp(_) | Varchar(_)),
        (Time(_), to) => matches!(to, Time(_) | Timestamp(_) | Varchar(_)),
        (DayInterval, to) => matches!(to, DayInterval | Varchar(_)),
        (MonthInterval, to) => matches!(to, MonthInterval | Varchar(_)),
        (Array(own), Array(other)) => can_cast(own, other),
        (Map(key, value), Map(other_key, other_value)) => can_cast(key, other_key) && can_cast(value, other_value),
        (Row(own), Row(others)) => {
            own.len() == others.len() && own.iter().zip(others).all(|(a, b)| can_cast(&a.data_type, &b.data_type))
        }
        (Array(item), Json) => can_cast(item, &Json),
        (Map(_, value), Json) => can_cast(value, &Json),
        (Row(fields), Json) => fields.iter().all(|field| can_cast(&field.data_type, &Json)),
        _ => false,
    }
}
