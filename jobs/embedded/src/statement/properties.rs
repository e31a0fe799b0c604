//! `WITH (format = 'PARQUET', …)`: how `CREATE TABLE AS` and `UNLOAD` are told what to write.

use anyhow::{Error, Result};
use meterlake_core::location::Location;
use meterlake_core::names::Name;

use super::OutputFormat;
use super::cursor::Cursor;
use super::tokens;
use datafusion::sql::sqlparser::tokenizer::Token;

/// The properties of `CREATE TABLE AS`. Athena takes them in lower case only.
pub(super) const TABLE: [&str; 8] = [
    "format",
    "write_compression",
    "parquet_compression",
    "compression_level",
    "external_location",
    "partitioned_by",
    "field_delimiter",
    "table_type",
];

/// The properties of `UNLOAD`.
pub(super) const UNLOAD: [&str; 5] =
    ["format", "compression", "compression_level", "partitioned_by", "field_delimiter"];

/// The delimiter of text files that are given none.
const FIELD_DELIMITER: char = '\u{1}';

/// The properties of both statements.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Properties {
    /// `format`
    pub(super) format: Option<OutputFormat>,
    /// The codec, upper-case, under any of its names.
    pub(super) compression: Option<String>,
    /// `compression_level`, of ZSTD alone
    pub(super) compression_level: Option<u8>,
    /// `external_location`
    pub(super) external_location: Option<Location>,
    /// `partitioned_by`
    pub(super) partitioned_by: Vec<Name>,
}

impl Properties {
    /// Reads the list in parentheses.
    pub(super) fn read(cursor: &mut Cursor<'_>, known: &[&str]) -> Result<Self> {
        let start = cursor.place();
        let mut properties = Self::default();
        let mut delimiter = None;
        let mut seen: Vec<String> = Vec::new();
        cursor.list(|cursor| {
            let at = cursor.place();
            let name = cursor.identifier("a property")?;
            if !known.contains(&name.as_str()) {
                return Err(tokens::at(at, unknown(&name, known)));
            }
            cursor.expect_symbol(&Token::Eq)?;
            match name.as_str() {
                "format" => properties.format = Some(format(cursor)?),
                "external_location" => properties.external_location = Some(cursor.location()?),
                "partitioned_by" => properties.partitioned_by = names(cursor)?,
                "field_delimiter" => delimiter = Some(one_character(cursor)?),
                "table_type" => hive(cursor)?,
                "compression_level" => properties.compression_level = Some(level(cursor)?),
                _ => properties.compression = Some(cursor.text("a codec")?.to_ascii_uppercase()),
            }
            // The codec has several names and may be given by one of them.
            let name = if name.ends_with("compression") { "compression".to_owned() } else { name };
            if seen.contains(&name) {
                return Err(tokens::at(at, format!("{name} is given twice")));
            }
            seen.push(name);
            Ok(())
        })?;
        match (&mut properties.format, delimiter) {
            (Some(OutputFormat::TextFile { delimiter }), Some(given)) => *delimiter = given,
            (_, Some(_)) => return Err(tokens::at(start, "field_delimiter needs format = 'TEXTFILE'")),
            (_, None) => {}
        }
        if properties.compression_level.is_some() && properties.compression.as_deref() != Some("ZSTD") {
            return Err(tokens::at(start, "compression_level needs the compression ZSTD"));
        }
        Ok(properties)
    }
}

fn unknown(name: &str, known: &[&str]) -> String {
    let hint = match name {
        "bucketed_by" | "bucket_count" => "the embedded engine writes no buckets",
        _ => "there is no such property here",
    };
    format!("found `{name}`, expected one of {}: {hint}", known.join(", "))
}

fn format(cursor: &mut Cursor<'_>) -> Result<OutputFormat> {
    let at = cursor.place();
    let name = cursor.text("a format")?;
    match name.to_ascii_uppercase().as_str() {
        "PARQUET" => Ok(OutputFormat::Parquet),
        "JSON" => Ok(OutputFormat::Json),
        "TEXTFILE" => Ok(OutputFormat::TextFile { delimiter: FIELD_DELIMITER }),
        _ => Err(tokens::at(at, format!("found '{name}', expected 'PARQUET', 'JSON' or 'TEXTFILE'"))),
    }
}

/// `ARRAY['a', 'b']`
fn names(cursor: &mut Cursor<'_>) -> Result<Vec<Name>> {
    cursor.expect(&["ARRAY"])?;
    cursor.expect_symbol(&Token::LBracket)?;
    let names = cursor.items(|cursor| {
        let at = cursor.place();
        let name = cursor.text("a column's name")?;
        name.parse().map_err(|error: Error| tokens::at(at, error))
    })?;
    if cursor.eat_symbol(&Token::RBracket) { Ok(names) } else { Err(cursor.unexpected("`,` or `]`")) }
}

fn one_character(cursor: &mut Cursor<'_>) -> Result<char> {
    let at = cursor.place();
    let text = cursor.text("a delimiter")?;
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(delimiter), None) => Ok(delimiter),
        _ => Err(tokens::at(at, format!("found '{text}', expected one character"))),
    }
}

/// A level of ZSTD, from 1 to 22.
///
/// <https://docs.aws.amazon.com/athena/latest/ug/compression-support-zstd-levels.html>
fn level(cursor: &mut Cursor<'_>) -> Result<u8> {
    let at = cursor.place();
    let digits = cursor.number("a level from 1 to 22")?;
    let level = digits.parse().ok().filter(|level| (1..=22).contains(level));
    level.ok_or_else(|| tokens::at(at, format!("found {digits}, expected a level from 1 to 22")))
}

fn hive(cursor: &mut Cursor<'_>) -> Result<()> {
    let at = cursor.place();
    let name = cursor.text("a table type")?;
    if name.eq_ignore_ascii_case("HIVE") {
        return Ok(());
    }
    Err(tokens::at(at, format!("found '{name}', expected 'HIVE': the embedded engine has no other tables")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str, known: &[&str]) -> Result<Properties> {
        Properties::read(&mut Cursor::new(list)?, known)
    }

    #[test]
    fn a_codec_has_a_name_per_statement() {
        for (list, known) in [
            ("(write_compression = 'zstd')", TABLE.as_slice()),
            ("(parquet_compression = 'ZSTD')", &TABLE),
            ("(compression = 'zstd')", &UNLOAD),
        ] {
            assert_eq!(read(list, known).unwrap().compression.as_deref(), Some("ZSTD"), "{list}");
        }
    }

    #[test]
    fn text_files_are_delimited_as_asked_or_as_athena_does() {
        let format = |list: &str| read(list, &TABLE).unwrap().format;
        assert_eq!(format("(format = 'textfile')"), Some(OutputFormat::TextFile { delimiter: '\u{1}' }));
        let tab = Some(OutputFormat::TextFile { delimiter: '\t' });
        assert_eq!(format("(field_delimiter = '\t', format = 'TEXTFILE')"), tab);
    }

    #[test]
    fn a_wrong_property_is_an_error_that_lists_the_right_ones() {
        for (list, message) in [
            ("(formt = 'PARQUET')", "line 1:2: found `formt`, expected one of format, write_compression, "),
            ("(FORMAT = 'PARQUET')", "line 1:2: found `FORMAT`, expected one of format, "),
            ("(bucketed_by = ARRAY['a'])", "line 1:2: found `bucketed_by`, expected one of "),
            ("(format = 'ORC')", "line 1:11: found 'ORC', expected 'PARQUET', 'JSON' or 'TEXTFILE'"),
            ("(format = PARQUET)", "line 1:11: found `PARQUET`, expected a format in quotes"),
            ("(partitioned_by = 'a')", "line 1:19: found `'a'`, expected ARRAY"),
            ("(partitioned_by = ARRAY['a b'])", "line 1:25: `a b` is no name"),
            ("(field_delimiter = '||')", "line 1:20: found '||', expected one character"),
            ("(field_delimiter = '|')", "line 1:1: field_delimiter needs format = 'TEXTFILE'"),
            ("(table_type = 'ICEBERG')", "line 1:15: found 'ICEBERG', expected 'HIVE'"),
            ("(compression_level = 3)", "line 1:1: compression_level needs the compression ZSTD"),
            (
                "(write_compression = 'ZSTD', compression_level = 23)",
                "line 1:50: found 23, expected a level from 1 to 22",
            ),
            ("(write_compression = 'ZSTD', compression_level = '3')", "line 1:50: found `'3'`, expected a level from"),
            ("(write_compression='a', parquet_compression='b')", "line 1:25: compression is given twice"),
        ] {
            let error = read(list, &TABLE).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
