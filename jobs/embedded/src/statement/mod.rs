//! Reads a statement as Athena does and says what it is.
//!
//! Queries are passed on as text. The statements around them, which DataFusion does not know, are taken apart here:
//! Hive's DDL, and Trino's `CREATE TABLE AS`, `UNLOAD` and `INSERT`. What Athena would refuse is refused here too, so
//! that an edit which works on a laptop works there.

mod alter;
mod columns;
mod create;
mod cursor;
mod format;
mod properties;
mod reserved;
mod show;
mod tokens;
mod trino;
mod types;

use std::fmt;

use anyhow::{Context, Error, Result, anyhow, bail};
use meterlake_core::catalog::{Column, Parameters, StorageFormat};
use meterlake_core::location::Location;
use meterlake_core::names::{Name, TableName};

use self::cursor::Cursor;
pub(crate) use self::types::{arrow_to_type, type_to_arrow};

/// A statement, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// `CREATE DATABASE`
    CreateDatabase {
        /// Its name.
        name: Name,
        /// Whether it may be there already.
        if_not_exists: bool,
        /// What a person should know.
        comment: Option<String>,
        /// Where tables without a location lie.
        location: Option<Location>,
        /// `WITH DBPROPERTIES`
        parameters: Parameters,
    },
    /// `CREATE EXTERNAL TABLE`
    CreateTable {
        /// The table.
        table: TableRef,
        /// Whether it may be there already.
        if_not_exists: bool,
        /// The columns that lie in the objects.
        columns: Vec<Column>,
        /// The columns that lie in the folders' names.
        partition_keys: Vec<Column>,
        /// What a person should know.
        comment: Option<String>,
        /// How to read the objects.
        format: StorageFormat,
        /// The folder above them.
        location: Option<Location>,
        /// `TBLPROPERTIES`
        parameters: Parameters,
    },
    /// `CREATE TABLE … AS`
    CreateTableAs {
        /// The table.
        table: TableRef,
        /// Whether it may be there already.
        if_not_exists: bool,
        /// What a person should know.
        comment: Option<String>,
        /// How to write the objects.
        output: Output,
        /// Where to write them.
        external_location: Option<Location>,
        /// The query, as written.
        query: String,
        /// Whether to create the table only.
        with_no_data: bool,
    },
    /// `UNLOAD`
    Unload {
        /// The query, as written.
        query: String,
        /// The folder to write to.
        to: Location,
        /// How to write the objects.
        output: Output,
    },
    /// `INSERT INTO`
    InsertInto {
        /// The table.
        table: TableRef,
        /// The columns that the query gives; empty for all.
        columns: Vec<Name>,
        /// The query, as written.
        query: String,
    },
    /// `DROP TABLE`
    DropTable {
        /// The table.
        table: TableRef,
        /// Whether it may be missing.
        if_exists: bool,
    },
    /// `ALTER TABLE … ADD COLUMNS`
    AddColumns {
        /// The table.
        table: TableRef,
        /// The new columns.
        columns: Vec<Column>,
    },
    /// `ALTER TABLE … ADD PARTITION`
    AddPartitions {
        /// The table.
        table: TableRef,
        /// Whether they may be there already.
        if_not_exists: bool,
        /// The partitions, and where they lie if not at the place that their values say.
        partitions: Vec<(PartitionSpec, Option<Location>)>,
    },
    /// `ALTER TABLE … DROP PARTITION`
    DropPartitions {
        /// The table.
        table: TableRef,
        /// Whether they may be missing.
        if_exists: bool,
        /// The partitions.
        partitions: Vec<PartitionSpec>,
    },
    /// `ALTER TABLE … SET TBLPROPERTIES`
    SetTableProperties {
        /// The table.
        table: TableRef,
        /// The properties to add or replace.
        parameters: Parameters,
    },
    /// `MSCK REPAIR TABLE`
    RepairTable {
        /// The table.
        table: TableRef,
    },
    /// `SHOW PARTITIONS`
    ShowPartitions {
        /// The table.
        table: TableRef,
    },
    /// `SHOW TABLES`
    ShowTables {
        /// The database; the statement's own if none is named.
        database: Option<Name>,
        /// Hive's pattern: `*` is any text, `|` parts alternatives.
        pattern: Option<String>,
    },
    /// `SHOW DATABASES`
    ShowDatabases,
    /// `SHOW CREATE TABLE`
    ShowCreateTable {
        /// The table.
        table: TableRef,
    },
    /// `DESCRIBE`
    Describe {
        /// The table.
        table: TableRef,
    },
    /// `EXPLAIN`
    Explain {
        /// The query, as written.
        query: String,
    },
    /// Anything that gives rows: `SELECT`, `WITH`, `VALUES`, `TABLE`, or one of them in parentheses. As written.
    Query(String),
}

/// A table's name, with its database if it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TableRef {
    /// The database.
    pub(crate) database: Option<Name>,
    /// The table.
    pub(crate) table: Name,
}

impl TableRef {
    /// The full name; `default` is the database of names that carry none.
    #[must_use]
    pub(crate) fn in_database(&self, default: &Name) -> TableName {
        TableName::new(self.database.as_ref().unwrap_or(default).clone(), self.table.clone())
    }
}

impl fmt::Display for TableRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.database {
            Some(database) => write!(f, "{database}.{}", self.table),
            None => write!(f, "{}", self.table),
        }
    }
}

/// `PARTITION (year=2023, month=1)`: a partition's keys and values, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionSpec(pub(crate) Vec<(Name, String)>);

impl PartitionSpec {
    /// The values in the order of the table's keys.
    ///
    /// # Errors
    /// A key is missing, or is not one of the table's.
    pub(crate) fn values(&self, keys: &[Column]) -> Result<Vec<String>> {
        let known = || keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>().join(", ");
        if let Some((name, _)) = self.0.iter().find(|(name, _)| keys.iter().all(|key| key.name != name.as_str())) {
            bail!("`{name}` is no partition key of the table, its keys are: {}", known());
        }
        let value = |key: &Column| {
            let given = self.0.iter().find(|(name, _)| name.as_str() == key.name);
            given.map(|(_, value)| value.clone()).with_context(|| {
                format!("PARTITION ({self}) gives no `{}`, it must give all of: {}", key.name, known())
            })
        };
        keys.iter().map(value).collect()
    }
}

impl fmt::Display for PartitionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> = self.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        f.write_str(&pairs.join(", "))
    }
}

/// How a statement writes objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Output {
    /// The objects' format.
    pub(crate) format: OutputFormat,
    /// The codec, upper-case; the format's own default if none is named.
    pub(crate) compression: Option<String>,
    /// ZSTD's level; its default if none is named.
    pub(crate) compression_level: Option<u8>,
    /// The columns that go into the folders' names: the query's last ones.
    pub(crate) partitioned_by: Vec<Name>,
}

/// A format that the embedded engine writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    /// Parquet.
    Parquet,
    /// A JSON object per line.
    Json,
    /// A row per line.
    TextFile {
        /// What stands between two fields.
        delimiter: char,
    },
}

/// Reads one statement.
///
/// # Errors
/// One line that says what was found, where (`line 3:14`), and what was expected.
pub(crate) fn parse(sql: &str) -> Result<Parsed> {
    let cursor = &mut Cursor::new(sql)?;
    let Some(first) = cursor.keyword() else { return Ok(Parsed::Query(cursor.query()?)) };
    match first.as_str() {
        "SELECT" | "WITH" | "VALUES" | "TABLE" => Ok(Parsed::Query(cursor.query()?)),
        "CREATE" => create::parse(cursor),
        "ALTER" => alter::parse(cursor),
        "DROP" => {
            if !cursor.eat(&["DROP", "TABLE"]) {
                return Err(unsupported(cursor));
            }
            let if_exists = cursor.eat(&["IF", "EXISTS"]);
            let table = cursor.table()?;
            cursor.end("the end of the statement")?;
            Ok(Parsed::DropTable { table, if_exists })
        }
        "DESC" | "DESCRIBE" | "MSCK" | "SHOW" => show::parse(cursor),
        "EXPLAIN" | "INSERT" | "UNLOAD" => trino::parse(cursor),
        _ => Err(unsupported(cursor)),
    }
}

/// The error about a statement of a kind that Athena may know and the embedded engine does not.
fn unsupported(cursor: &Cursor<'_>) -> Error {
    let kind = cursor.kind();
    anyhow!(
        "the embedded engine does not run `{kind}`: it runs queries, INSERT INTO, UNLOAD, CREATE TABLE … AS, \
         and the DDL of databases, external tables and partitions"
    )
}

#[cfg(test)]
mod tests;
