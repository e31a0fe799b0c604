//! The catalog of a lake on S3: AWS Glue, which Athena reads too.

use anyhow::Result;
use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_glue::Client;
use meterlake_core::catalog::{Catalog, Database, Partition, PartitionFilter, Table};
use meterlake_core::names::{Name, TableName};

mod batches;
mod calls;
mod expression;
#[cfg(test)]
mod fake;
mod mapping;
mod partitions;
#[cfg(test)]
mod publication_tests;
mod tables;
#[cfg(test)]
mod tests;

/// The tables and partitions that AWS Glue keeps. Any number of processes may use them at once.
pub struct GlueCatalog {
    client: Client,
}

impl GlueCatalog {
    /// The catalog of an account and region.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config) }
    }
}

#[async_trait]
impl Catalog for GlueCatalog {
    async fn create_database(&self, name: &Name) -> Result<bool> {
        self.new_database(name).await
    }

    async fn databases(&self) -> Result<Vec<Name>> {
        self.database_names().await
    }

    async fn database(&self, name: &Name) -> Result<Option<Database>> {
        Ok(self.find_database(name).await?.map(|found| mapping::database(name, &found)))
    }

    async fn set_database_parameter(&self, name: &Name, key: &str, value: &str) -> Result<()> {
        self.note_in_database(name, key, value).await
    }

    async fn create_table(&self, table: &Table) -> Result<bool> {
        self.new_table(table).await
    }

    async fn table(&self, name: &TableName) -> Result<Option<Table>> {
        Ok(self.find_table(name).await?.map(|found| found.table))
    }

    async fn update_table(&self, table: &Table) -> Result<()> {
        self.replace_table(table).await
    }

    async fn drop_table(&self, name: &TableName) -> Result<bool> {
        self.delete_table(name).await
    }

    async fn tables(&self, database: &Name) -> Result<Vec<Name>> {
        self.table_names(database).await
    }

    async fn partitions(&self, table: &TableName, filter: &PartitionFilter) -> Result<Vec<Partition>> {
        self.list(table, filter).await
    }

    async fn get_partitions(&self, table: &TableName, values: &[Vec<String>]) -> Result<Vec<Option<Partition>>> {
        self.get(table, values).await
    }

    async fn add_partitions(&self, table: &TableName, partitions: &[Partition]) -> Result<usize> {
        self.add(table, partitions).await
    }

    async fn put_partitions(&self, table: &TableName, partitions: &[Partition]) -> Result<()> {
        self.put(table, partitions).await
    }

    async fn drop_partitions(&self, table: &TableName, values: &[Vec<String>]) -> Result<usize> {
        self.drop(table, values).await
    }
}
