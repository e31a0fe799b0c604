//! Statements about tables and partitions: what Athena takes in Hive's dialect.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use futures::future::{BoxFuture, FutureExt};
use meterlake_core::catalog::{Catalog, Column, Partition, PartitionFilter, Table, required_table};
use meterlake_core::engine::{Rows, Scan};
use meterlake_core::location::Location;
use meterlake_core::names::{Name, TableName};
use meterlake_core::store::Store;

use crate::statement::{PartitionSpec, TableRef};

/// Runs them, for one statement's default database.
pub(crate) struct Ddl<'a> {
    pub(crate) catalog: &'a Arc<dyn Catalog>,
    pub(crate) store: &'a Arc<dyn Store>,
    pub(crate) database: &'a Name,
}

impl Ddl<'_> {
    pub(crate) fn name(&self, table: &TableRef) -> TableName {
        table.in_database(self.database)
    }

    pub(crate) async fn table(&self, table: &TableRef) -> Result<Table> {
        required_table(&**self.catalog, &self.name(table)).await
    }

    pub(crate) async fn create_database(&self, name: &Name, if_not_exists: bool) -> Result<()> {
        if !self.catalog.create_database(name).await? && !if_not_exists {
            bail!("the database {name} already exists");
        }
        Ok(())
    }

    pub(crate) async fn create_table(&self, table: &Table, if_not_exists: bool) -> Result<()> {
        if !self.catalog.create_table(table).await? && !if_not_exists {
            bail!("the table {} already exists", table.name);
        }
        Ok(())
    }

    pub(crate) async fn drop_table(&self, table: &TableRef, if_exists: bool) -> Result<()> {
        let name = self.name(table);
        if !self.catalog.drop_table(&name).await? && !if_exists {
            bail!("the table {name} does not exist");
        }
        Ok(())
    }

    pub(crate) async fn add_columns(&self, table: &TableRef, columns: Vec<Column>) -> Result<()> {
        let mut table = self.table(table).await?;
        for column in columns {
            if table.columns.iter().chain(&table.partition_keys).any(|known| known.name == column.name) {
                bail!("the table {} already has a column `{}`", table.name, column.name);
            }
            table.columns.push(column);
        }
        self.catalog.update_table(&table).await
    }

    pub(crate) async fn set_properties(
        &self,
        table: &TableRef,
        parameters: meterlake_core::catalog::Parameters,
    ) -> Result<()> {
        let mut table = self.table(table).await?;
        table.parameters.extend(parameters);
        self.catalog.update_table(&table).await
    }

    pub(crate) async fn add_partitions(
        &self,
        table: &TableRef,
        if_not_exists: bool,
        partitions: Vec<(PartitionSpec, Option<Location>)>,
    ) -> Result<()> {
        let table = self.table(table).await?;
        let mut new = Vec::new();
        for (spec, location) in partitions {
            let values = spec.values(&table.partition_keys)?;
            let location = location.unwrap_or_else(|| default_location(&table, &values));
            new.push(Partition { values, location, parameters: Default::default() });
        }
        if !if_not_exists {
            let values: Vec<Vec<String>> = new.iter().map(|partition| partition.values.clone()).collect();
            if let Some(known) = self.catalog.get_partitions(&table.name, &values).await?.into_iter().flatten().next() {
                bail!("the table {} already has a partition with the values {}", table.name, known.values.join(", "));
            }
        }
        self.catalog.add_partitions(&table.name, &new).await?;
        Ok(())
    }

    pub(crate) async fn drop_partitions(
        &self,
        table: &TableRef,
        if_exists: bool,
        partitions: Vec<PartitionSpec>,
    ) -> Result<()> {
        let table = self.table(table).await?;
        let mut values = Vec::new();
        for spec in partitions {
            let these = spec.values(&table.partition_keys)?;
            let found = self.catalog.get_partitions(&table.name, std::slice::from_ref(&these)).await?;
            if found.into_iter().flatten().next().is_none() && !if_exists {
                bail!("the table {} has no partition with the values {}", table.name, these.join(", "));
            }
            values.push(these);
        }
        self.catalog.drop_partitions(&table.name, &values).await?;
        Ok(())
    }

    /// `MSCK REPAIR TABLE`: adds the partitions whose folders are not registered, with their values as the path has
    /// them (`01` where it says `month=01`), and removes none, as Athena does.
    pub(crate) async fn repair(&self, table: &TableRef) -> Result<()> {
        let table = self.table(table).await?;
        if table.partition_keys.is_empty() {
            bail!("the table {} is not partitioned", table.name);
        }
        let mut partitions = Vec::new();
        self.collect_folders(&table, table.location.clone(), Vec::new(), &mut partitions).await?;
        self.catalog.add_partitions(&table.name, &partitions).await?;
        Ok(())
    }

    fn collect_folders<'a>(
        &'a self,
        table: &'a Table,
        folder: Location,
        values: Vec<String>,
        found: &'a mut Vec<Partition>,
    ) -> BoxFuture<'a, Result<()>> {
        async move {
            let Some(key) = table.partition_keys.get(values.len()) else {
                found.push(Partition { values, location: folder, parameters: Default::default() });
                return Ok(());
            };
            for below in self.store.folders(&folder).await? {
                let Some((name, value)) = below.name().split_once('=') else { continue };
                if name.eq_ignore_ascii_case(&key.name) {
                    let values = values.iter().cloned().chain([value.to_owned()]).collect();
                    self.collect_folders(table, below, values, found).await?;
                }
            }
            Ok(())
        }
        .boxed()
    }

    pub(crate) async fn show_partitions(&self, table: &TableRef) -> Result<Rows> {
        let table = self.table(table).await?;
        let partitions = self.catalog.partitions(&table.name, &PartitionFilter::default()).await?;
        let line = |partition: &Partition| partition_path(&table, &partition.values);
        Ok(one_column("partition", partitions.iter().map(line).collect()))
    }

    pub(crate) async fn show_databases(&self) -> Result<Rows> {
        let databases = self.catalog.databases().await.context("cannot list the databases")?;
        Ok(one_column("database_name", databases.iter().map(Name::to_string).collect()))
    }

    pub(crate) async fn show_tables(&self, database: Option<&Name>, pattern: Option<&str>) -> Result<Rows> {
        let database = database.unwrap_or(self.database);
        if self.catalog.database(database).await?.is_none() {
            bail!("the database {database} does not exist");
        }
        let tables = self.catalog.tables(database).await.context("cannot list the tables")?;
        let names = tables.iter().map(Name::to_string);
        Ok(one_column("tab_name", names.filter(|name| pattern.is_none_or(|text| matches(text, name))).collect()))
    }

    pub(crate) async fn describe(&self, table: &TableRef) -> Result<Rows> {
        let table = self.table(table).await?;
        let text = |text: &str| Some(text.to_owned());
        let line = |column: &Column| {
            vec![text(&column.name), text(&column.data_type), text(column.comment.as_deref().unwrap_or_default())]
        };
        Ok(Rows {
            columns: ["col_name", "data_type", "comment"].map(str::to_owned).to_vec(),
            rows: table.columns.iter().chain(&table.partition_keys).map(line).collect(),
            scan: Scan::default(),
        })
    }
}

/// `year=2023/month=1`
fn partition_path(table: &Table, values: &[String]) -> String {
    let pairs = table.partition_keys.iter().zip(values);
    pairs.map(|(key, value)| format!("{}={value}", key.name)).collect::<Vec<_>>().join("/")
}

/// Where a partition lies if nothing else is said.
fn default_location(table: &Table, values: &[String]) -> Location {
    table.location.join(&partition_path(table, values))
}

fn one_column(name: &str, values: Vec<String>) -> Rows {
    let rows = values.into_iter().map(|value| vec![Some(value)]).collect();
    Rows { columns: vec![name.to_owned()], rows, scan: Scan::default() }
}

/// Hive's patterns: `*` is any text, `|` parts alternatives.
fn matches(pattern: &str, name: &str) -> bool {
    pattern.to_lowercase().split('|').any(|pattern| {
        let mut pieces = pattern.split('*');
        let first = pieces.next().unwrap_or_default();
        let Some(mut rest) = name.strip_prefix(first) else { return false };
        let mut pieces: Vec<&str> = pieces.collect();
        let Some(last) = pieces.pop() else { return rest.is_empty() };
        for piece in pieces {
            match rest.find(piece) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.ends_with(last)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_as_in_hive() {
        for (pattern, name, expected) in [
            ("*", "log", true),
            ("log", "log", true),
            ("log", "logs", false),
            ("lo*|x", "logs", true),
            ("*o*s", "logs", true),
            ("*o*g", "logs", false),
            ("*s*s", "logs", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
