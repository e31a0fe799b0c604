//! Athena's statements in Trino's words: what `CREATE TABLE AS` and `UNLOAD` say in `WITH (…)` is said otherwise there.

use anyhow::{Context, Result, bail};

use super::{Query, QueryFailed};
use crate::kind::Kind;
use crate::tokens::{Token, Tokens};

/// The codec of Athena's tables, if a statement names none.
const CODEC: &str = "GZIP";

/// A statement for Trino.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rewritten {
    sql: String,
    /// Session property `compression_codec`: Trino's tables have no property for it.
    codec: String,
    /// Where the part begins that is as it was: here, and in the statement as it was given.
    kept_from: (usize, usize),
}

impl Rewritten {
    /// A statement in Trino's words. An UNLOAD becomes the creation of a table, `unloaded`, which is to be dropped again.
    ///
    /// # Errors
    /// The words of `UNLOAD` are wrong, or it asks for what the stand-in does not have.
    pub(crate) fn of(kind: Kind, sql: &str, unloaded: &str) -> Result<Self> {
        match kind {
            Kind::CreateTableAs => create_table_as(sql),
            Kind::Unload => unload(sql, unloaded).context("UNLOAD is written UNLOAD (query) TO 's3://…' WITH (…)")?,
            _ => Ok(Self { sql: sql.to_owned(), codec: CODEC.to_owned(), kept_from: (0, 0) }),
        }
    }

    /// The statement with its session.
    pub(crate) fn query<'a>(&'a self, database: &'a str) -> Query<'a> {
        Query { sql: &self.sql, database, property: Some(("compression_codec", &self.codec)) }
    }

    /// An error in terms of the statement as it was given: its place is counted there.
    pub(crate) fn explain(&self, error: anyhow::Error, given: &str) -> anyhow::Error {
        match error.downcast::<QueryFailed>() {
            Ok(failed) => self.placed(failed, given).into(),
            Err(error) => error,
        }
    }

    fn placed(&self, failed: QueryFailed, given: &str) -> QueryFailed {
        let (here, there) = self.kept_from;
        let found = failed.place.and_then(|(line, column)| {
            let at = offset(&self.sql, line, column)?.checked_sub(here)?;
            let said = failed.message.strip_prefix(&format!("line {line}:{column}: "))?;
            let (line, column) = place(given.get(..there + at)?);
            Some((format!("line {line}:{column}: {said}"), (line, column)))
        });
        match found {
            Some((message, place)) => QueryFailed { message, place: Some(place), ..failed },
            None => failed,
        }
    }
}

/// The byte that a line and a column, from 1, stand for.
fn offset(text: &str, line: usize, column: usize) -> Option<usize> {
    let start: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let letters = text[start..].char_indices().map(|(at, _)| at).chain([text.len() - start]);
    Some(start + letters.take(column).last()?)
}

/// Line and column, from 1, of what follows on a text.
fn place(before: &str) -> (usize, usize) {
    let last = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, last.chars().count() + 1)
}

fn create_table_as(sql: &str) -> Result<Rewritten> {
    let mut tokens = Tokens::of(sql);
    while let Some((at, token)) = tokens.next() {
        if token.is("AS") {
            return rewritten(&sql[..at], &[], None, sql, at);
        }
        if token.is("WITH")
            && let Some((open, Token::Sign("("))) = tokens.next()
        {
            let (list, end) = list(sql, open).context("the list of WITH has no end")?;
            return rewritten(&sql[..at], &list, None, sql, end);
        }
    }
    bail!("CREATE TABLE without AS is no query")
}

/// `None` if the words are not those of an UNLOAD.
fn unload(sql: &str, table: &str) -> Option<Result<Rewritten>> {
    let mut tokens = Tokens::of(sql).skip(1);
    let (open, _) = tokens.next().filter(|(_, token)| *token == Token::Sign("("))?;
    let close = closing(sql, open)?;
    let mut tokens = tokens.skip_while(|(at, _)| *at <= close);
    let (_, to) = tokens.next()?;
    let (_, Token::Text(folder)) = tokens.next()? else { return None };
    let properties = match tokens.next() {
        Some((_, with)) if with.is("WITH") => list(sql, tokens.next()?.0)?.0,
        _ => Vec::new(),
    };
    let create = format!("CREATE TABLE {table} ");
    to.is("TO").then(|| rewritten(&create, &properties, Some(folder), &sql[..close], open + 1))
}

/// What stands before `WITH`, the properties, and the query, which begins at `from`.
fn rewritten(
    before: &str,
    properties: &[(&str, &str)],
    folder: Option<&str>,
    sql: &str,
    from: usize,
) -> Result<Rewritten> {
    let mut words: Vec<String> = folder.map(|folder| format!("external_location = '{folder}'")).into_iter().collect();
    let mut codec = CODEC.to_owned();
    for &(name, value) in properties {
        let text = value.trim_matches('\'');
        match name {
            "write_compression" | "parquet_compression" | "orc_compression" | "compression" => {
                codec = match text.to_uppercase().as_str() {
                    "UNCOMPRESSED" => "NONE".to_owned(),
                    "ZLIB" => "GZIP".to_owned(),
                    codec => codec.to_owned(),
                };
            }
            "field_delimiter" => words.push(format!("textfile_field_separator = {value}")),
            // Trino compresses at a level of its own.
            "compression_level" => {}
            "table_type" if text.eq_ignore_ascii_case("HIVE") => {}
            "table_type" => bail!("the stand-in has no tables of the type {text}"),
            _ => words.push(format!("{name} = {value}")),
        }
    }
    if !properties.iter().any(|(name, _)| *name == "format") {
        words.push("format = 'PARQUET'".to_owned());
    }
    let as_word = if folder.is_some() { " AS " } else { "" };
    let head = format!("{before}WITH ({}){as_word}", words.join(", "));
    let kept_from = (head.len(), from);
    Ok(Rewritten { sql: head + &sql[from..], codec, kept_from })
}

/// The properties in parentheses, as they are written, and where the text behind begins.
fn list(sql: &str, open: usize) -> Option<(Vec<(&str, &str)>, usize)> {
    let close = closing(sql, open)?;
    let mut properties = Vec::new();
    let mut from = open + 1;
    let mut depth = 0_usize;
    for (at, token) in Tokens::of(&sql[..=close]).skip_while(|(at, _)| *at <= open) {
        match token {
            Token::Sign("(" | "[") => depth += 1,
            Token::Sign(")" | "]" | ",") if depth == 0 => {
                properties.extend(property(&sql[from..at]));
                from = at + 1;
            }
            Token::Sign(")" | "]") => depth -= 1,
            _ => {}
        }
    }
    Some((properties, close + 1))
}

/// `name = value`
fn property(text: &str) -> Option<(&str, &str)> {
    let mut tokens = Tokens::of(text);
    let (_, name) = tokens.next()?;
    let (equals, _) = tokens.next().filter(|(_, token)| *token == Token::Sign("="))?;
    let (value, _) = tokens.next()?;
    // The value without what may stand before it, such as a comment; it ends in the last piece.
    let end = Tokens::of(text).last().map_or(text.len(), |(at, token)| match token {
        Token::Sign(sign) => at + sign.len(),
        Token::Word(word) => at + word.len(),
        Token::Text(inner) | Token::Quoted(inner) => at + inner.len() + 2,
    });
    (value > equals).then(|| name.name().map(|name| (name, &text[value..end])))?
}

/// Where the parenthesis that opens at a place is closed.
fn closing(sql: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    Tokens::of(sql).skip_while(|(at, _)| *at < open).find_map(|(at, token)| {
        match token {
            Token::Sign("(") => depth += 1,
            Token::Sign(")") => depth = depth.checked_sub(1)?,
            _ => {}
        }
        (depth == 0).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sql: &str) -> (String, String) {
        let rewritten = Rewritten::of(Kind::of(sql), sql, "\"d\".\"u\"").unwrap();
        (rewritten.sql, rewritten.codec)
    }

    #[test]
    fn the_properties_of_a_table_become_trinos() {
        for (sql, expected, codec) in [
            (
                "CREATE TABLE d.t WITH (\n  format = 'ORC', -- small\n  write_compression = 'zstd', compression_level = 1,\n  external_location = \
                 's3://b/f/', partitioned_by = ARRAY['a', 'b']\n) AS\nSELECT 1 AS with_",
                "CREATE TABLE d.t WITH (format = 'ORC', external_location = 's3://b/f/', partitioned_by = ARRAY['a', \
                 'b']) AS\nSELECT 1 AS with_",
                "ZSTD",
            ),
            (
                "create table \"with\" with(field_delimiter = ',', format='TEXTFILE', table_type='hive') as select 1 AS x",
                "create table \"with\" WITH (textfile_field_separator = ',', format = 'TEXTFILE') as select 1 AS x",
                "GZIP",
            ),
            ("CREATE TABLE t AS SELECT 1 AS x", "CREATE TABLE t WITH (format = 'PARQUET')AS SELECT 1 AS x", "GZIP"),
        ] {
            assert_eq!(of(sql), (expected.to_owned(), codec.to_owned()));
        }
    }

    #[test]
    fn an_unload_becomes_a_table() {
        let sql =
            "UNLOAD (SELECT ')' AS a, (1) AS b) TO 's3://b/f/' WITH (format = 'JSON', compression = 'uncompressed')";
        let expected = "CREATE TABLE \"d\".\"u\" WITH (external_location = 's3://b/f/', format = 'JSON') AS SELECT ')' AS \
                        a, (1) AS b";
        assert_eq!(of(sql), (expected.to_owned(), "NONE".to_owned()));
    }

    #[test]
    fn what_cannot_be_rewritten_is_refused() {
        for (sql, message) in [
            ("UNLOAD SELECT 1", "UNLOAD is written"),
            ("UNLOAD (SELECT 1)", "UNLOAD is written"),
            ("CREATE TABLE t WITH (table_type = 'ICEBERG') AS SELECT 1 AS x", "no tables of the type ICEBERG"),
        ] {
            let error = Rewritten::of(Kind::of(sql), sql, "u").unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn an_error_is_placed_in_the_statement_that_was_given() {
        let given = "UNLOAD (\n  SELECT 'é' AS x, nope\n) TO 's3://b/f' WITH (format = 'PARQUET')";
        let rewritten = Rewritten::of(Kind::Unload, given, "u").unwrap();
        let at = |needle: &str| place(&rewritten.sql[..rewritten.sql.find(needle).unwrap()]);
        let failed = |(line, column): (usize, usize)| QueryFailed {
            name: "COLUMN_NOT_FOUND".to_owned(),
            kind: "USER_ERROR".to_owned(),
            message: format!("line {line}:{column}: Column 'nope' cannot be resolved"),
            place: Some((line, column)),
        };
        let placed = rewritten.placed(failed(at("nope")), given);
        assert_eq!((placed.place, &*placed.message), (Some((2, 20)), "line 2:20: Column 'nope' cannot be resolved"));
        // What was written for Trino has no place in it.
        assert_eq!(rewritten.placed(failed((1, 1)), given), failed((1, 1)));
    }
}
