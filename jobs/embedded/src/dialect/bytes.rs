//! Texts and bytes: hashes, and how bytes are written as text.

use super::build::{call, cast, null, text};
use super::calls::{arguments, bigint, one};
use anyhow::Result;
use datafusion::sql::sqlparser::ast::{DataType, Expr, Function};

/// The text whose bytes an expression is.
fn text_of_bytes(expr: &mut Expr) -> Option<Expr> {
    match expr {
        Expr::Cast { expr, data_type: DataType::Bytea, .. } => Some(std::mem::replace(expr.as_mut(), null())),
        _ => None,
    }
}

/// A text that was made bytes and is made a text again stays as it is.
pub(super) fn from_utf8(mut function: Function) -> Result<Expr> {
    if arguments(&mut function)?.len() == 2 {
        return Ok(Expr::Function(function));
    }
    let mut bytes = one(function)?;
    Ok(match text_of_bytes(&mut bytes) {
        Some(text) => cast(text, DataType::Varchar(None)),
        None => call("from_utf8", vec![bytes]),
    })
}

/// As `to_base64`, with two other letters.
pub(super) fn to_base64url(function: Function) -> Result<Expr> {
    let encoded = call("encode", vec![one(function)?, text("base64pad")]);
    let without_plus = call("replace", vec![encoded, text("+"), text("-")]);
    Ok(call("replace", vec![without_plus, text("/"), text("_")]))
}

pub(super) fn digest(function: Function, method: &str) -> Result<Expr> {
    Ok(call("digest", vec![hashed(function)?, text(method)]))
}

/// What a hash is of: a text's bytes are taken from the text itself.
pub(super) fn hashed(function: Function) -> Result<Expr> {
    let mut bytes = one(function)?;
    let text = text_of_bytes(&mut bytes).map(|text| cast(text, DataType::Varchar(None)));
    Ok(text.unwrap_or(bytes))
}

/// The length of a text's bytes needs no copy of them.
pub(super) fn length(function: Function) -> Result<Expr> {
    let mut value = one(function)?;
    Ok(match text_of_bytes(&mut value) {
        Some(text) => bigint(call("octet_length", vec![cast(text, DataType::Varchar(None))])),
        None => call("length", vec![value]),
    })
}
