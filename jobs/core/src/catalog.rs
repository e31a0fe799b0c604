//! The seam to the catalog: what tables and partitions there are. SQLite (embedded) or Glue.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::location::Location;
use crate::names::{Name, TableName};

/// Key-value pairs of a database, table or partition, as Glue keeps them.
pub type Parameters = BTreeMap<String, String>;

/// A column with its Hive type (`string`, `bigint`, `decimal(10,2)`, …).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// The name, lower-case.
    pub name: String,
    /// The Hive type, lower-case.
    #[serde(rename = "type")]
    pub data_type: String,
    /// What a person should know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

/// How a table's objects are read: Hive's three class names and the SerDe's settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageFormat {
    /// Hive's input format class.
    pub input_format: String,
    /// Hive's output format class.
    pub output_format: String,
    /// The serialization library.
    pub serde: String,
    /// `WITH SERDEPROPERTIES`.
    #[serde(default)]
    pub serde_parameters: Parameters,
}

/// A table's definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Its name and database.
    pub name: TableName,
    /// The columns that lie in the objects.
    pub columns: Vec<Column>,
    /// The columns that lie in the folders' names.
    pub partition_keys: Vec<Column>,
    /// The folder above its objects.
    pub location: Location,
    /// How to read them.
    pub format: StorageFormat,
    /// `TBLPROPERTIES`.
    #[serde(default)]
    pub parameters: Parameters,
}

/// A partition: its values in the order of the table's keys, and where its objects are now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// One value per key, as registered (`1` and `01` are two values).
    pub values: Vec<String>,
    /// The folder of its objects.
    pub location: Location,
    /// What the job that published it noted.
    #[serde(default)]
    pub parameters: Parameters,
}

/// A database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Database {
    /// Its name.
    pub name: Name,
    /// Its parameters; applied SQL versions are kept here.
    pub parameters: Parameters,
}

/// Integer ranges of partition keys, both ends included; a partition must lie in all of them.
///
/// Values compare as numbers, so `01` lies where `1` does. An empty filter takes every partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionFilter(pub Vec<KeyRange>);

/// The values that one integer key may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRange {
    /// The partition key.
    pub key: String,
    /// The smallest value.
    pub min: i64,
    /// The largest value.
    pub max: i64,
}

impl PartitionFilter {
    /// Adds `min <= key <= max`.
    #[must_use]
    pub fn and(mut self, key: &str, min: i64, max: i64) -> Self {
        self.0.push(KeyRange { key: key.to_owned(), min, max });
        self
    }

    /// Whether a partition with these keys and values passes. A value that is no integer passes no range.
    #[must_use]
    pub fn matches(&self, keys: &[Column], values: &[String]) -> bool {
        self.0.iter().all(|range| {
            keys.iter()
                .position(|key| key.name == range.key)
                .and_then(|at| values.get(at)?.parse::<i64>().ok())
                .is_some_and(|value| (range.min..=range.max).contains(&value))
        })
    }
}

/// The tables and partitions of a lake. Each call is atomic; calls that change something may be repeated.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Creates a database; false if it was there.
    async fn create_database(&self, name: &Name) -> Result<bool>;
    /// The names of all databases, sorted.
    async fn databases(&self) -> Result<Vec<Name>>;
    /// A database; `None` if there is none of that name.
    async fn database(&self, name: &Name) -> Result<Option<Database>>;
    /// Sets one parameter of a database.
    async fn set_database_parameter(&self, name: &Name, key: &str, value: &str) -> Result<()>;

    /// Creates a table; false if one of that name was there, which then stays as it was.
    async fn create_table(&self, table: &Table) -> Result<bool>;
    /// A table; `None` if there is none of that name.
    async fn table(&self, name: &TableName) -> Result<Option<Table>>;
    /// Replaces a table's definition; its partitions stay.
    async fn update_table(&self, table: &Table) -> Result<()>;
    /// Removes a table and its partitions from the catalog; no data. False if it was not there.
    async fn drop_table(&self, name: &TableName) -> Result<bool>;
    /// The names of a database's tables, sorted.
    async fn tables(&self, database: &Name) -> Result<Vec<Name>>;

    /// The partitions that pass a filter, sorted by their values as numbers.
    async fn partitions(&self, table: &TableName, filter: &PartitionFilter) -> Result<Vec<Partition>>;
    /// The partitions with exactly these values, in the order asked; `None` where there is none.
    async fn get_partitions(&self, table: &TableName, values: &[Vec<String>]) -> Result<Vec<Option<Partition>>>;
    /// Registers partitions; those that were there stay as they are. Returns how many were new.
    async fn add_partitions(&self, table: &TableName, partitions: &[Partition]) -> Result<usize>;
    /// Registers partitions, in place of those that were there.
    async fn put_partitions(&self, table: &TableName, partitions: &[Partition]) -> Result<()>;
    /// Removes partitions from the catalog; no data. Returns how many were there.
    async fn drop_partitions(&self, table: &TableName, values: &[Vec<String>]) -> Result<usize>;
}

/// The table, or the error that says how to create it.
///
/// # Errors
/// There is no such table, or the catalog failed.
pub async fn required_table(catalog: &dyn Catalog, name: &TableName) -> Result<Table> {
    match catalog.table(name).await? {
        Some(table) => Ok(table),
        None => bail!("the table {name} does not exist: create it with `cargo run --bin tables`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_compares_values_as_numbers() {
        let keys =
            ["year", "month"].map(|name| Column { name: name.to_owned(), data_type: "int".to_owned(), comment: None });
        let matches = |values: [&str; 2]| {
            PartitionFilter::default().and("month", 1, 1).matches(&keys, &values.map(str::to_owned))
        };
        assert!(matches(["2023", "1"]) && matches(["2023", "01"]));
        assert!(!matches(["2023", "2"]) && !matches(["2023", "x"]));
        assert!(PartitionFilter::default().matches(&keys, &[]));
    }
}
