//! What a statement does, by its first words: Athena tells only when it is over, and too roughly (a CTAS is DDL there).

/// What matters of what a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Gives rows and changes nothing.
    Query,
    /// Writes files, and says how many rows: CTAS, INSERT and the like.
    Write,
    /// Writes files, and does not say how many rows: UNLOAD.
    Unload,
    /// Creates the database, which therefore cannot be the one it runs in.
    CreateDatabase,
    /// Any other DDL, and what reads no data: SHOW, EXPLAIN and the like.
    Definition,
}

impl Kind {
    /// The kind of a statement. What is not known counts as writing: that is never repeated.
    pub(super) fn of(sql: &str) -> Self {
        let mut words = Words(sql);
        let first = words.next().unwrap_or_default();
        match first.as_str() {
            "SELECT" | "WITH" | "VALUES" | "TABLE" => Self::Query,
            "EXPLAIN" if words.next().is_some_and(|word| word == "ANALYZE") => Self::Query,
            "UNLOAD" => Self::Unload,
            "EXPLAIN" | "SHOW" | "DESCRIBE" | "DESC" | "MSCK" | "ALTER" | "DROP" => Self::Definition,
            "CREATE" => match words.next().unwrap_or_default().as_str() {
                "DATABASE" | "SCHEMA" => Self::CreateDatabase,
                "TABLE" if words.any(|word| word == "AS") => Self::Write,
                _ => Self::Definition,
            },
            _ => Self::Write,
        }
    }

    /// Whether a failed run of it leaves nothing behind that a second run would trip over or double.
    pub(super) fn is_repeatable(self) -> bool {
        !matches!(self, Self::Write | Self::Unload)
    }

    /// Whether Athena takes money for it.
    pub(super) fn is_billed(self) -> bool {
        matches!(self, Self::Query | Self::Write | Self::Unload)
    }
}

/// The words of a statement in upper case, without comments, strings and quoted names.
struct Words<'a>(&'a str);

impl Iterator for Words<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        loop {
            let rest = self.0;
            let first = rest.chars().next()?;
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
            if is_word(first) {
                let end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
                self.0 = &rest[end..];
                return Some(rest[..end].to_uppercase());
            }
            self.0 = if rest.starts_with("--") {
                after(rest, 2, "\n")
            } else if rest.starts_with("/*") {
                after(rest, 2, "*/")
            } else {
                match first {
                    '\'' => after(rest, 1, "'"),
                    '"' => after(rest, 1, "\""),
                    '`' => after(rest, 1, "`"),
                    _ => &rest[first.len_utf8()..],
                }
            };
        }
    }
}

/// What follows on `end`, looked for from `from` on.
fn after<'a>(text: &'a str, from: usize, end: &str) -> &'a str {
    text[from..].split_once(end).map_or("", |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_told_by_its_first_words() {
        for (sql, kind) in [
            ("SELECT 1", Kind::Query),
            ("(select 1)", Kind::Query),
            ("-- UNLOAD\n/* INSERT */ with a as (select 1) select * from a", Kind::Query),
            ("TABLE t", Kind::Query),
            ("EXPLAIN SELECT 1", Kind::Definition),
            ("EXPLAIN ANALYZE SELECT 1", Kind::Query),
            ("CREATE TABLE \"a\".\"b\" WITH (external_location = 's3://b/f') AS SELECT 1 AS n", Kind::Write),
            ("create /* c */ table\"t\"as select 1 as n", Kind::Write),
            ("INSERT INTO t SELECT 1", Kind::Write),
            ("MERGE INTO t USING u ON true", Kind::Write),
            ("EXECUTE prepared", Kind::Write),
            ("UNLOAD (SELECT 1) TO 's3://b/f' WITH (format = 'PARQUET')", Kind::Unload),
            ("CREATE DATABASE IF NOT EXISTS `metering`", Kind::CreateDatabase),
            ("CREATE EXTERNAL TABLE IF NOT EXISTS t (`as` string COMMENT 'AS') LOCATION 's3://b/f'", Kind::Definition),
            ("CREATE TABLE t (n int) LOCATION 's3://b/f' TBLPROPERTIES ('table_type' = 'ICEBERG')", Kind::Definition),
            ("CREATE OR REPLACE VIEW v AS SELECT 1", Kind::Definition),
            ("MSCK REPAIR TABLE `a`.`b`", Kind::Definition),
            ("ALTER TABLE t ADD IF NOT EXISTS PARTITION (year = 2023)", Kind::Definition),
            ("DROP TABLE IF EXISTS t", Kind::Definition),
            ("SHOW PARTITIONS t", Kind::Definition),
            ("", Kind::Write),
        ] {
            assert_eq!(Kind::of(sql), kind, "{sql}");
        }
    }

    #[test]
    fn only_what_leaves_nothing_behind_is_repeated() {
        assert!(Kind::Query.is_repeatable() && Kind::Definition.is_repeatable());
        assert!(!Kind::Write.is_repeatable() && !Kind::Unload.is_repeatable());
    }

    #[test]
    fn a_statement_that_does_not_end_is_read_to_its_end() {
        assert_eq!(Kind::of("CREATE TABLE t 'AS"), Kind::Definition);
        assert_eq!(Kind::of("/* SELECT"), Kind::Write);
    }
}
