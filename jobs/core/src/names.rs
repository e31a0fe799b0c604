//! Names of databases, tables and columns: checked once, lower-case, as Athena stores them.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// The user under which calls without one are kept. It is never billed.
pub const UNATTRIBUTED: &str = "-";

/// A database's, table's or column's name: 1–255 of `a–z 0–9 _ -`; upper case is folded.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name, lower-case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let folded = text.to_ascii_lowercase();
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        if folded.is_empty() || folded.len() > 255 || !folded.chars().all(allowed) {
            bail!("`{text}` is no name for a database, table or column: use 1 to 255 of a-z, 0-9, _ and -");
        }
        Ok(Self(folded))
    }
}

impl TryFrom<String> for Name {
    type Error = anyhow::Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A table and the database it is in. Printed `database.table`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableName {
    /// The database.
    pub database: Name,
    /// The table.
    pub table: Name,
}

impl TableName {
    /// `table` in `database`.
    #[must_use]
    pub fn new(database: Name, table: Name) -> Self {
        Self { database, table }
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.database, self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fold_case_and_refuse_what_could_break_out() {
        assert_eq!("RestApi_Log".parse::<Name>().unwrap().as_str(), "restapi_log");
        for text in ["", "a b", "a\"b", "a`b", "a'b", "a.b", "é", &"x".repeat(256)] {
            assert!(text.parse::<Name>().is_err(), "{text}");
        }
    }
}
