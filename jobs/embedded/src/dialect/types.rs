//! Trino's types and literals in the forms that DataFusion knows.

use super::build::{call, cast, null, number, text};
use super::calls::one;
use super::times;
use anyhow::{Result, bail};
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CastKind, CharacterLength, DataType, ExactNumberInfo, Expr, Ident, TimezoneInfo, TypedString,
    Value,
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
        DataType::Struct(fields, _) => {
            for (number, field) in fields.iter_mut().enumerate() {
                rewrite_type(&mut field.field_type)?;
                // What clients of Trino call a field without a name.
                field.field_name.get_or_insert_with(|| Ident::new(format!("field{number}")));
            }
        }
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
    let prefix = if kind == CastKind::Cast { "" } else { "try_" };
    if data_type == DataType::JSON {
        return Ok(if json { value } else { call("cast_to_json", vec![value]) });
    }
    if json && is_row_of_texts(&data_type) {
        return json_to_row(kind, value, data_type);
    }
    let length = match &data_type {
        DataType::Varchar(Some(CharacterLength::IntegerLength { length, .. })) => Some(*length),
        _ => None,
    };
    if json && !matches!(data_type, DataType::Varchar(_)) {
        return Ok(call(&format!("{prefix}json_to_value"), vec![value, witness(data_type)?]));
    }
    if matches!(data_type, DataType::Map(..)) {
        return Ok(call(&format!("{prefix}cast_like"), vec![value, witness(data_type)?]));
    }
    let value = if json { call("json_to_varchar", vec![value]) } else { value };
    rewrite_type(&mut data_type)?;
    // DataFusion takes the length for a comment.
    if let Some(length) = length {
        return Ok(call(&format!("{prefix}cast_to_length"), vec![value, number(i64::try_from(length)?)]));
    }
    let value = match data_type {
        DataType::Timestamp(..) | DataType::Date => times::any_precision(value),
        _ => value,
    };
    Ok(Expr::Cast { kind, expr: Box::new(value), data_type, array: false, format: None })
}

/// A NULL of a type. DataFusion has no word for a map's, and none for JSON.
fn witness(mut data_type: DataType) -> Result<Expr> {
    Ok(match data_type {
        DataType::Map(key, value) => call("map_type", vec![witness(*key)?, witness(*value)?]),
        DataType::JSON => call("json_type", vec![null()]),
        DataType::Array(ArrayElemTypeDef::AngleBracket(item)) => call("array_of", vec![witness(*item)?]),
        DataType::Struct(ref fields, _) if !fields.iter().any(|field| has_own_word(&field.field_type)) => {
            rewrite_type(&mut data_type)?;
            cast(null(), data_type)
        }
        DataType::Struct(..) => bail!("the embedded engine has no rows with maps or JSON in a cast: cast the parts"),
        _ => {
            rewrite_type(&mut data_type)?;
            cast(null(), data_type)
        }
    })
}

fn has_own_word(data_type: &DataType) -> bool {
    match data_type {
        DataType::Map(..) | DataType::JSON => true,
        DataType::Array(ArrayElemTypeDef::AngleBracket(item)) => has_own_word(item),
        DataType::Struct(fields, _) => fields.iter().any(|field| has_own_word(&field.field_type)),
        _ => false,
    }
}

fn is_row_of_texts(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Struct(fields, _)
        if fields.iter().all(|field| matches!(field.field_type, DataType::Varchar(None))))
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
        DataType::Timestamp(..) => return times::timestamp_literal(value),
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
