//! Reads SQL text just well enough to find strings, comments and the ends of statements.

use anyhow::{Result, bail};

/// How a dialect quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoting {
    /// Queries: `"name"`, `'it''s'`.
    Trino,
    /// DDL: `` `name` ``, `'it\'s'`.
    Hive,
}

impl Quoting {
    /// A string literal.
    #[must_use]
    pub fn literal(self, text: &str) -> String {
        match self {
            Self::Trino => format!("'{}'", text.replace('\'', "''")),
            Self::Hive => format!("'{}'", text.replace('\\', r"\\").replace('\'', r"\'")),
        }
    }

    /// A quoted identifier.
    #[must_use]
    pub fn identifier(self, name: &str) -> String {
        match self {
            Self::Trino => format!("\"{}\"", name.replace('"', "\"\"")),
            Self::Hive => format!("`{}`", name.replace('`', "``")),
        }
    }
}

/// The statements of a text, without their comments and semicolons.
///
/// Comments are left out before values are put in: a value with a line break could end one.
pub(super) fn statements(text: &str, quoting: Quoting) -> Result<Vec<String>> {
    let mut statements = Vec::new();
    let mut statement = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let taken = match next {
            '\'' | '"' | '`' => {
                let length = quoted_length(rest, next, quoting)?;
                if rest[..length].contains("{{") {
                    bail!("it has a {{{{ parameter }}}} inside quotes: parameters are quoted when they are put in");
                }
                statement.push_str(&rest[..length]);
                length
            }
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => match rest.find("*/") {
                Some(end) => {
                    statement.push(' ');
                    end + 2
                }
                None => bail!("a comment that starts with /* does not end"),
            },
            ';' => {
                statements.push(std::mem::take(&mut statement));
                1
            }
            _ => {
                statement.push(next);
                next.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    statements.push(statement);
    Ok(statements.iter().map(|statement| statement.trim().to_owned()).filter(|sql| !sql.is_empty()).collect())
}

/// The length of the string or quoted name that `text` starts with, quotes included.
///
/// A doubled quote needs no care: it ends one string and starts the next.
fn quoted_length(text: &str, quote: char, quoting: Quoting) -> Result<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        if character == '\\' && quoting == Quoting::Hive && quote != '`' {
            characters.next();
        } else if character == quote {
            return Ok(at + quote.len_utf8());
        }
    }
    bail!("a string or name that starts with {quote} does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_and_comments_do_not_end_a_statement() {
        let text = "-- a; b\nSELECT ';--', \"a;b\", 'it''s;' /* ; ' */;\n\n;SELECT 2 -- end";
        let found = statements(text, Quoting::Trino).unwrap();
        assert_eq!(found, ["SELECT ';--', \"a;b\", 'it''s;'", "SELECT 2"]);
    }

    #[test]
    fn a_backslash_escapes_in_hive_only() {
        assert_eq!(statements(r"SELECT 'a\';b'; SELECT 2", Quoting::Hive).unwrap().len(), 2);
        assert_eq!(statements(r"SELECT 'a\';SELECT 2", Quoting::Trino).unwrap().len(), 2);
    }
}
