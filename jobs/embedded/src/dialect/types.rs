//! Trino's types and literals in the forms that DataFusion knows.

use super::build::{call, cast, null, number, text};
use super::calls::one;
use anyhow::{Result, bail};
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CastKind, CharacterLength, DataType, ExactNumberInfo, Expr, TimezoneInfo, TypedString, Value,
};

/// Gives a type the precision and the name that DataFusion has for Trino's.
pub(super) fn rewrite_type(data_type: &mut DataType) -> Result<()> {
    match data_type {
        DataType::Timestamp(digits, zone) => {
            // Arrow keeps seconds, thousandths, millionths and billionths.
            if !matches!(digits, None | Some(0 | 3 | 6 | 9)) {
                bail!("the embedded engine has timestamp(0), (3), (6) and (9), not ({})", digits.unwrap_or(3));
            }
            // Trino's default is thousandths.
            *digits = Some(digits.unwrap_or(3));
            if *zone == TimezoneInfo::WithoutTimeZone {
                *zone = TimezoneInfo::None;
            }
        }
        DataType::Decimal(info) => {
            *info = match *info {
                ExactNumberInfo::None => ExactNumberInfo::PrecisionAndScale(38, 0),
                ExactNumberInfo::Precision(precision) => ExactNumberInfo::PrecisionAndScale(precision, 0),
                both => both,
            };
        }
        DataType::Char(_) | DataType::Character(_) => {
            bail!("the embedded engine has no char(n), which pads with blanks: write varchar")
        }
        DataType::Numeric(_) => bail!("Unknown type: {data_type}: write decimal"),
        DataType::Text | DataType::String(_) => bail!("Unknown type: {data_type}: write varchar"),
        DataType::Varbinary(_) => *data_type = DataType::Bytea,
        DataType::Array(ArrayElemTypeDef::AngleBracket(item)) => rewrite_type(item)?,
        DataType::Struct(fields, _) => fields.iter_mut().try_for_each(|field| rewrite_type(&mut field.field_type))?,
        // A value of type json is its text.
        DataType::JSON => *data_type = DataType::Varchar(None),
        DataType::Custom(name, _) => bail!("the embedded engine has no type `{name}`"),
        _ => {}
    }
    Ok(())
}

/// Rewrites a cast whose parts are rewritten already.
pub(super) fn rewrite_cast(kind: CastKind, value: Expr, mut data_type: DataType) -> Result<Expr> {
    let json = gives_json(&value);
    if data_type == DataType::JSON {
        return Ok(if json { value } else { call("cast_to_json", vec![value]) });
    }
    if json && matches!(data_type, DataType::Struct(..)) {
        return json_to_row(kind, value, data_type);
    }
    let value = match (&data_type, json) {
        (DataType::Array(ArrayElemTypeDef::AngleBracket(item)), true) => {
            let items = if **item == DataType::JSON { "json_to_json_array" } else { "json_to_array" };
            call(items, vec![value])
        }
        (DataType::Varchar(_), true) => call("json_to_varchar", vec![value]),
        (_, true) => call("json_to_scalar", vec![value]),
        _ => value,
    };
    let length = match &data_type {
        DataType::Varchar(Some(CharacterLength::IntegerLength { length, .. })) => Some(*length),
        _ => None,
    };
    rewrite_type(&mut data_type)?;
    let cast = Expr::Cast { kind, expr: Box::new(value), data_type, array: false, format: None };
    Ok(match length {
        // DataFusion takes the length for a comment.
        Some(length) => call("substr", vec![cast, number(1), number(i64::try_from(length)?)]),
        None => cast,
    })
}

/// A row of JSON text is read in one go: the text is not parsed on its own before.
fn json_to_row(kind: CastKind, json: Expr, mut row: DataType) -> Result<Expr> {
    rewrite_type(&mut row)?;
    let lenient = kind != CastKind::Cast;
    let text = match json {
        // try_cast catches what the cast itself refuses, and not what is no JSON.
        Expr::Function(function) if !lenient && function.name.to_string() == "json_parse" => one(function)?,
        json => json,
    };
    // The type goes along as that of a NULL.
    let name = if lenient { "try_json_to_row" } else { "json_to_row" };
    Ok(call(name, vec![text, cast(null(), row)]))
}

/// Whether an expression is of type json, as far as its text tells.
pub(super) fn gives_json(expr: &Expr) -> bool {
    match expr {
        Expr::Function(function) => {
            matches!(
                function.name.to_string().as_str(),
                "json_parse" | "try_json_parse" | "json_extract" | "cast_to_json"
            )
        }
        Expr::Nested(inner) => gives_json(inner),
        _ => false,
    }
}

/// `DATE '…'`, `TIMESTAMP '…'`, `DECIMAL '…'` and the like.
pub(super) fn rewrite_literal(literal: &TypedString) -> Result<Expr> {
    let Value::SingleQuotedString(value) = &literal.value.value else {
        bail!("{literal} needs a text in single quotes");
    };
    let data_type = match &literal.data_type {
        DataType::JSON => return Ok(call("json_parse", vec![text(value)])),
        DataType::Timestamp(..) => return timestamp_literal(value),
        DataType::Decimal(ExactNumberInfo::None) => {
            let (whole, fraction) = value.split_once('.').unwrap_or((value, ""));
            // Zeros in front do not count.
            let whole = whole.trim_start_matches(['+', '-', '0', ' ']);
            let digits = (whole.bytes().filter(u8::is_ascii_digit).count() + fraction.len()).max(1);
            DataType::Decimal(ExactNumberInfo::PrecisionAndScale(digits as u64, fraction.len() as i64))
        }
        other => {
            let mut other = other.clone();
            rewrite_type(&mut other)?;
            other
        }
    };
    Ok(cast(text(value), data_type))
}

/// A timestamp has the precision that it is written with, three digits at least, and the zone that it is written with.
fn timestamp_literal(value: &str) -> Result<Expr> {
    let clock = value.find(' ').map_or(value.len(), |space| space + 1);
    let zone = value[clock..].find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.')));
    let (local, zone) = value.split_at(zone.map_or(value.len(), |at| clock + at));
    let digits = match local.split_once('.').map_or(0, |(_, fraction)| fraction.trim_end().len()) {
        0..=3 => 3,
        4..=6 => 6,
        7..=9 => 9,
        more => bail!("the embedded engine keeps nine digits of a second, not {more}: {value}"),
    };
    let timestamp = cast(text(local.trim_end()), DataType::Timestamp(Some(digits), TimezoneInfo::None));
    Ok(match zone.trim() {
        "" => timestamp,
        zone => call("with_timezone", vec![timestamp, text(zone)]),
    })
}

/// `1e3` is a double in Trino, where DataFusion reads a decimal.
pub(super) fn is_double(number: &str) -> bool {
    number.contains(['e', 'E'])
}
