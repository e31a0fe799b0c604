//! What a statement is, by its words, and where it writes.

use meterlake_core::location::Location;

use crate::tokens::{Token, Tokens};

/// The kinds of statements that Athena treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Gives rows and changes nothing: `SELECT` and the like.
    Select,
    /// `CREATE TABLE … AS`
    CreateTableAs,
    /// `INSERT INTO`
    Insert,
    /// `UNLOAD`
    Unload,
    /// `SHOW`, `EXPLAIN`
    Show,
    /// `DESCRIBE`
    Describe,
    /// Any other.
    Definition,
}

impl Kind {
    pub(crate) fn of(sql: &str) -> Self {
        let mut words = Tokens::words(sql);
        match words.next().unwrap_or_default().as_str() {
            "SELECT" | "WITH" | "VALUES" | "TABLE" => Self::Select,
            "INSERT" => Self::Insert,
            "UNLOAD" => Self::Unload,
            "SHOW" | "EXPLAIN" => Self::Show,
            "DESCRIBE" | "DESC" => Self::Describe,
            // Also in `CREATE TABLE IF NOT EXISTS t WITH (…) AS`. A column named so is in backticks.
            "CREATE" if words.next().as_deref() == Some("TABLE") && words.any(|word| word == "AS") => {
                Self::CreateTableAs
            }
            _ => Self::Definition,
        }
    }

    /// Athena's `StatementType`. It counts a CTAS as DDL.
    pub(crate) fn statement_type(self) -> &'static str {
        match self {
            Self::Select | Self::Insert | Self::Unload => "DML",
            Self::CreateTableAs | Self::Definition => "DDL",
            Self::Show | Self::Describe => "UTILITY",
        }
    }

    /// Athena's `SubstatementType`.
    pub(crate) fn substatement_type(self, sql: &str) -> String {
        match self {
            Self::Select => "SELECT".to_owned(),
            Self::CreateTableAs => "CREATE_TABLE_AS_SELECT".to_owned(),
            Self::Describe => "DESCRIBE_TABLE".to_owned(),
            Self::Insert | Self::Unload => Tokens::words(sql).take(1).collect(),
            Self::Show | Self::Definition => Tokens::words(sql).take(2).collect::<Vec<_>>().join("_"),
        }
    }

    /// Whether it gives rows.
    pub(crate) fn gives_rows(self) -> bool {
        matches!(self, Self::Select | Self::Show | Self::Describe)
    }

    /// Whether Athena's own engine, a Trino, runs it. The rest is Hive's.
    pub(crate) fn is_trinos(self) -> bool {
        self == Self::Select || self.writes_rows()
    }

    /// Whether it writes rows into files.
    pub(crate) fn writes_rows(self) -> bool {
        matches!(self, Self::CreateTableAs | Self::Insert | Self::Unload)
    }
}

/// The folder that a CTAS or an UNLOAD names to write to.
pub(crate) fn target(kind: Kind, sql: &str) -> Option<Location> {
    // `external_location = '…'` stands before the query, `TO '…'` behind it.
    let (word, is_last) = match kind {
        Kind::CreateTableAs => ("EXTERNAL_LOCATION", false),
        Kind::Unload => ("TO", true),
        _ => return None,
    };
    let tokens: Vec<Token<'_>> = Tokens::of(sql).map(|(_, token)| token).filter(|token| *token != EQUALS).collect();
    let mut found = tokens.windows(2).filter_map(|pair| match pair {
        [name, Token::Text(text)] if name.is(word) => Some(*text),
        _ => None,
    });
    let text = if is_last { found.next_back() } else { found.next() };
    text?.trim_end_matches('/').parse().ok()
}

const EQUALS: Token<'static> = Token::Sign("=");

/// A CTAS that names no folder, with one named.
pub(crate) fn placed_at(sql: &str, folder: &Location) -> String {
    let property = format!("external_location = '{folder}/'");
    let mut tokens = Tokens::of(sql);
    while let Some((at, token)) = tokens.next() {
        if token.is("WITH") {
            // Behind `WITH (`.
            if let Some((at, Token::Sign("("))) = tokens.next() {
                return format!("{}{property}, {}", &sql[..=at], &sql[at + 1..]);
            }
        } else if token.is("AS") {
            return format!("{}WITH ({property}) {}", &sql[..at], &sql[at..]);
        }
    }
    sql.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_told_by_its_words() {
        for (sql, kind, statement_type, substatement_type) in [
            ("SELECT 1", Kind::Select, "DML", "SELECT"),
            ("-- UNLOAD\n(select 1)", Kind::Select, "DML", "SELECT"),
            ("INSERT INTO t SELECT 1", Kind::Insert, "DML", "INSERT"),
            ("UNLOAD (SELECT 1) TO 's3://b/f'", Kind::Unload, "DML", "UNLOAD"),
            ("CREATE TABLE t AS SELECT 1 AS n", Kind::CreateTableAs, "DDL", "CREATE_TABLE_AS_SELECT"),
            ("CREATE EXTERNAL TABLE t (`as` int) LOCATION 's3://b/f'", Kind::Definition, "DDL", "CREATE_EXTERNAL"),
            ("SHOW PARTITIONS t", Kind::Show, "UTILITY", "SHOW_PARTITIONS"),
            ("DESCRIBE t", Kind::Describe, "UTILITY", "DESCRIBE_TABLE"),
        ] {
            let found = Kind::of(sql);
            assert_eq!(found, kind, "{sql}");
            assert_eq!((found.statement_type(), &*found.substatement_type(sql)), (statement_type, substatement_type));
        }
    }

    #[test]
    fn the_folder_to_write_to_is_found() {
        let of = |sql| target(Kind::of(sql), sql).map(|folder| folder.to_string());
        let ctas = "CREATE TABLE t WITH (format = 'PARQUET', external_location = 's3://b/f/') AS SELECT 'TO' AS c";
        assert_eq!(of(ctas).as_deref(), Some("s3://b/f"));
        assert_eq!(of("unload (select 'to', 'x') to 's3://b/g' with (format = 'x')").as_deref(), Some("s3://b/g"));
        assert_eq!(of("CREATE TABLE t AS SELECT 1 AS n"), None);
    }

    #[test]
    fn a_table_without_a_folder_is_given_one() {
        let folder = "s3://b/tables/id".parse().unwrap();
        for (sql, expected) in [
            ("CREATE TABLE t AS SELECT 1", "CREATE TABLE t WITH (external_location = 's3://b/tables/id/') AS SELECT 1"),
            (
                "create table if not exists \"with\" with(x = 'y') as with a as (select 1) table a",
                "create table if not exists \"with\" with(external_location = 's3://b/tables/id/', x = 'y') as with a as \
                 (select 1) table a",
            ),
        ] {
            assert_eq!(placed_at(sql, &folder), expected);
        }
    }
}
