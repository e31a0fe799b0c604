//! Columns and their types, as Hive's DDL declares them.

use std::collections::HashSet;

use anyhow::{Result, bail};
use meterlake_core::catalog::Column;

use super::cursor::Cursor;
use super::tokens;
use super::types::type_to_arrow;
use datafusion::sql::sqlparser::tokenizer::Token;

/// `(name type [COMMENT '…'], …)`
pub(super) fn columns(cursor: &mut Cursor<'_>) -> Result<Vec<Column>> {
    cursor.list(|cursor| {
        let name = cursor.name("a column's name")?.as_str().to_owned();
        let start = cursor.place();
        let data_type = data_type(cursor)?;
        if let Err(error) = type_to_arrow(&data_type) {
            return Err(tokens::at(start, format!("{error:#}")));
        }
        Ok(Column { name, data_type, comment: comment(cursor)? })
    })
}

/// `[COMMENT '…']`
pub(super) fn comment(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    cursor.eat(&["COMMENT"]).then(|| cursor.text("a comment")).transpose()
}

/// Refuses what no catalog could keep.
pub(super) fn check(columns: &[Column], partition_keys: &[Column]) -> Result<()> {
    let mut seen = HashSet::new();
    for column in columns.iter().chain(partition_keys) {
        if !seen.insert(&column.name) {
            bail!("the column `{}` is declared twice: columns and partition keys share their names", column.name);
        }
    }
    if let Some(key) = partition_keys.iter().find(|key| key.data_type.contains('<')) {
        bail!("the partition key `{}` is of type {}: a folder's name holds one plain value", key.name, key.data_type);
    }
    Ok(())
}

/// A type in the form that the catalog keeps: lower-case, no blanks.
fn data_type(cursor: &mut Cursor<'_>) -> Result<String> {
    let mut text = match cursor.word("a column's type")?.as_str() {
        "integer" => "int".to_owned(),
        word => word.to_owned(),
    };
    if cursor.eat_symbol(&Token::Lt) {
        let parts = match text.as_str() {
            "struct" => cursor.items(field)?,
            _ => cursor.items(data_type)?,
        };
        if !cursor.eat_symbol(&Token::Gt) {
            return Err(cursor.unexpected("`,` or `>`"));
        }
        text = format!("{text}<{}>", parts.join(","));
    } else if cursor.sees_symbol(&Token::LParen) {
        let numbers = cursor.list(|cursor| cursor.number("a number"))?;
        text = format!("{text}({})", numbers.join(","));
    } else if text == "varchar" {
        return Err(cursor.unexpected("a length, such as varchar(20)"));
    }
    Ok(text)
}

/// A struct's field: `name:type [COMMENT '…']`; the type in the catalog has no place for the comment.
fn field(cursor: &mut Cursor<'_>) -> Result<String> {
    let name = cursor.identifier("a field's name")?.to_lowercase();
    cursor.expect_symbol(&Token::Colon)?;
    let data_type = data_type(cursor)?;
    comment(cursor)?;
    Ok(format!("{name}:{data_type}"))
}
