//! What the catalog holds, in the lines that Hive prints.

use anyhow::{Context, Result, bail};
use meterlake_core::catalog::{Catalog, Column, Parameters, Table, required_table};
use meterlake_core::names::{Name, TableName};

use crate::tokens::{Token, Tokens};

/// A question about the catalog that the engine does not answer, or not as Hive does.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// `SHOW DATABASES`
    Databases,
    /// `SHOW CREATE TABLE`
    CreateTable(TableName),
    /// `SHOW COLUMNS`
    Columns(TableName),
    /// `DESCRIBE`
    Describe(TableName),
}

/// The names of an answer's columns, and its lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Lines {
    pub(crate) columns: &'static [&'static str],
    pub(crate) lines: Vec<String>,
}

impl Question {
    /// The question that a statement asks; `None` if it is for the engine. Names without a database are of `database`.
    ///
    /// # Errors
    /// What it asks about has no name that can be one.
    pub(crate) fn of(sql: &str, database: &Name) -> Result<Option<Self>> {
        let tokens: Vec<Token<'_>> = Tokens::of(sql).map(|(_, token)| token).collect();
        let begins = |words: &[&str]| {
            tokens.len() >= words.len() && words.iter().zip(&tokens).all(|(word, token)| token.is(word))
        };
        Ok(if begins(&["SHOW", "DATABASES"]) || begins(&["SHOW", "SCHEMAS"]) {
            Some(Self::Databases)
        } else if begins(&["SHOW", "CREATE", "TABLE"]) {
            Some(Self::CreateTable(table(&tokens[3..], database)?))
        } else if begins(&["SHOW", "COLUMNS"]) {
            // IN or FROM a table, and so a database.
            let rest = tokens.get(3..).context("SHOW COLUMNS names no table")?;
            let database = match rest {
                [_, word, name] if word.is("IN") || word.is("FROM") => name.name().unwrap_or_default().parse()?,
                _ => database.clone(),
            };
            Some(Self::Columns(table(rest, &database)?))
        } else if begins(&["DESCRIBE"]) || begins(&["DESC"]) {
            Some(Self::Describe(table(&tokens[1..], database)?))
        } else {
            None
        })
    }

    /// What Hive says.
    ///
    /// # Errors
    /// There is no such table, or the catalog failed.
    pub(crate) async fn answer(&self, catalog: &dyn Catalog) -> Result<Lines> {
        Ok(match self {
            Self::Databases => {
                let databases = catalog.databases().await?;
                Lines { columns: &["database_name"], lines: databases.iter().map(Name::to_string).collect() }
            }
            Self::CreateTable(name) => {
                Lines { columns: &["createtab_stmt"], lines: create_table(&required_table(catalog, name).await?) }
            }
            Self::Columns(name) => {
                let table = required_table(catalog, name).await?;
                let columns = table.columns.iter().chain(&table.partition_keys);
                let lines = columns.map(|column| format!("{:<20}", column.name)).collect();
                Lines { columns: &["field"], lines }
            }
            Self::Describe(name) => {
                let table = required_table(catalog, name).await?;
                Lines { columns: &["col_name", "data_type", "comment"], lines: describe(&table) }
            }
        })
    }
}

/// `table` or `database.table`, also behind a catalog's name.
fn table(tokens: &[Token<'_>], database: &Name) -> Result<TableName> {
    let mut names = Vec::new();
    for pair in tokens.chunks(2) {
        names.push(pair[0].name().context("a table's name is expected")?);
        if pair.get(1) != Some(&Token::Sign(".")) {
            break;
        }
    }
    let Some(table) = names.pop() else { bail!("no table is named") };
    let database = names.pop().map_or_else(|| Ok(database.clone()), str::parse)?;
    Ok(TableName::new(database, table.parse()?))
}

/// Cells that blanks fill up, parted by tabs; the keys once more, under a heading of their own.
fn describe(table: &Table) -> Vec<String> {
    let line = |cells: [&str; 3]| cells.map(|cell| format!("{cell:<20}")).join("\t");
    let column =
        |column: &Column| line([&column.name, &column.data_type, column.comment.as_deref().unwrap_or_default()]);
    let mut lines: Vec<String> = table.columns.iter().chain(&table.partition_keys).map(column).collect();
    if !table.partition_keys.is_empty() {
        let blank = "\t \t ".to_owned();
        lines.extend([blank.clone(), "# Partition Information\t \t ".to_owned()]);
        lines.extend([line(["# col_name", "data_type", "comment"]), blank]);
        lines.extend(table.partition_keys.iter().map(column));
    }
    lines
}

/// The statement that creates a table as it is.
fn create_table(table: &Table) -> Vec<String> {
    let mut lines = vec![format!("CREATE EXTERNAL TABLE `{}`(", table.name.table)];
    lines.extend(columns(&table.columns));
    if !table.partition_keys.is_empty() {
        lines.push("PARTITIONED BY ( ".to_owned());
        lines.extend(columns(&table.partition_keys));
    }
    let format = &table.format;
    lines.extend(["ROW FORMAT SERDE ".to_owned(), format!("  {} ", quoted(&format.serde))]);
    if !format.serde_parameters.is_empty() {
        lines.push("WITH SERDEPROPERTIES ( ".to_owned());
        lines.extend(properties(&format.serde_parameters));
    }
    for (clause, value) in [
        ("STORED AS INPUTFORMAT ", format.input_format.as_str()),
        ("OUTPUTFORMAT ", &format.output_format),
        ("LOCATION", table.location.as_str()),
    ] {
        lines.extend([clause.to_owned(), format!("  {}", quoted(value))]);
    }
    if !table.parameters.is_empty() {
        lines.push("TBLPROPERTIES (".to_owned());
        lines.extend(properties(&table.parameters));
    }
    lines
}

fn columns(columns: &[Column]) -> impl Iterator<Item = String> {
    listed(columns.iter().map(|column| {
        let comment = column.comment.as_ref().map(|comment| format!(" COMMENT {}", quoted(comment)));
        format!("`{}` {}{}", column.name, column.data_type, comment.unwrap_or_default())
    }))
}

fn properties(parameters: &Parameters) -> impl Iterator<Item = String> {
    listed(parameters.iter().map(|(key, value)| format!("{}={}", quoted(key), quoted(value))))
}

/// One item a line, with commas between, and the parenthesis that ends the list.
fn listed(items: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    let mut items = items.peekable();
    std::iter::from_fn(move || {
        let item = items.next()?;
        let end = if items.peek().is_some() { ", " } else { ")" };
        Some(format!("  {item}{end}"))
    })
}

/// A string of Hive's: a quote in it is behind a backslash.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_its_table_as_hive_lets_it() {
        let of = |sql| Question::of(sql, &"lake".parse().unwrap()).unwrap();
        let table = |database: &str| TableName::new(database.parse().unwrap(), "raw".parse().unwrap());
        for (sql, expected) in [
            ("show databases", Question::Databases),
            ("SHOW SCHEMAS LIKE 'x'", Question::Databases),
            ("SHOW CREATE TABLE `d`.`raw`", Question::CreateTable(table("d"))),
            ("SHOW COLUMNS IN raw", Question::Columns(table("lake"))),
            ("SHOW COLUMNS FROM raw IN d", Question::Columns(table("d"))),
            ("SHOW COLUMNS IN d.raw", Question::Columns(table("d"))),
            ("DESCRIBE awsdatacatalog.d.raw", Question::Describe(table("d"))),
            ("desc raw", Question::Describe(table("lake"))),
        ] {
            assert_eq!(of(sql), Some(expected), "{sql}");
        }
        assert_eq!(of("SHOW TABLES"), None);
        assert_eq!(of("EXPLAIN SELECT 1"), None);
        for sql in ["SHOW CREATE TABLE", "SHOW COLUMNS", "DESCRIBE", "DESCRIBE 'raw'"] {
            assert!(Question::of(sql, &"lake".parse().unwrap()).is_err(), "{sql}");
        }
    }
}
