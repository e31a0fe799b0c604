//! Databases and tables.

use anyhow::{Context, Result, bail, ensure};
use aws_sdk_glue::types;
use aws_sdk_glue::types::DatabaseInput;
use meterlake_core::catalog::Table;
use meterlake_core::names::{Name, TableName};

use super::calls::{Called, EXISTS, MISSING, Patience, Unless, settled};
use super::{GlueCatalog, mapping};

/// A table as we see it and as Glue does.
pub(super) struct Found {
    pub(super) table: Table,
    pub(super) glue: types::Table,
}

impl Found {
    /// How its objects are read.
    pub(super) fn descriptor(&self) -> types::StorageDescriptor {
        self.glue.storage_descriptor.clone().unwrap_or_else(|| types::StorageDescriptor::builder().build())
    }
}

impl GlueCatalog {
    pub(super) async fn new_database(&self, name: &Name) -> Result<bool> {
        let input = DatabaseInput::builder().name(name.as_str()).build()?;
        settled(|| async {
            let call = self.client.create_database().database_input(input.clone());
            Ok(call.send().await.called("CreateDatabase", name).unless(EXISTS)?.is_some())
        })
        .await
    }

    pub(super) async fn find_database(&self, name: &Name) -> Result<Option<types::Database>> {
        let answer = self.client.get_database().name(name.as_str()).send().await;
        Ok(answer.called("GetDatabase", name).unless(MISSING)?.and_then(|answer| answer.database))
    }

    /// Glue replaces all parameters at once and does not say whether somebody else did so meanwhile. So what was written
    /// is read again, and written again if it is gone.
    pub(super) async fn note_in_database(&self, name: &Name, key: &str, value: &str) -> Result<()> {
        let mut patience = Patience::default();
        loop {
            let Some(found) = self.find_database(name).await? else { return Err(no_database(name)) };
            if found.parameters.as_ref().and_then(|parameters| parameters.get(key)).is_some_and(|kept| kept == value) {
                return Ok(());
            }
            let input = mapping::database_input(found, key, value)?;
            settled(|| async {
                let call = self.client.update_database().name(name.as_str()).database_input(input.clone());
                call.send().await.called("UpdateDatabase", name)?;
                Ok(())
            })
            .await?;
            if !patience.wait().await {
                bail!("the database {name} does not keep the parameter {key}: others change its parameters as often");
            }
        }
    }

    pub(super) async fn new_table(&self, table: &Table) -> Result<bool> {
        let input = mapping::table_input(table, None)?;
        let database = &table.name.database;
        settled(|| async {
            let call = self.client.create_table().database_name(database.as_str()).table_input(input.clone());
            match call.send().await.called("CreateTable", &table.name).unless(EXISTS) {
                Err(error) if error.is(MISSING) => Err(no_database(database)),
                answer => Ok(answer?.is_some()),
            }
        })
        .await
    }

    pub(super) async fn find_table(&self, name: &TableName) -> Result<Option<Found>> {
        let call = self.client.get_table().database_name(name.database.as_str()).name(name.table.as_str());
        let answer = call.send().await.called("GetTable", name).unless(MISSING)?;
        let found = answer.and_then(|answer| answer.table);
        Ok(found.and_then(|glue| Some(Found { table: mapping::table(name, &glue)?, glue })))
    }

    /// The table, or the error that [`meterlake_core::catalog::required_table`] gives.
    pub(super) async fn required_table(&self, name: &TableName) -> Result<Found> {
        let found = self.find_table(name).await?;
        found.with_context(|| format!("the table {name} does not exist: create it with `cargo run --bin tables`"))
    }

    pub(super) async fn replace_table(&self, table: &Table) -> Result<()> {
        let name = &table.name;
        settled(|| async {
            let old = self.required_table(name).await?;
            let (had, gets) = (old.table.partition_keys.len(), table.partition_keys.len());
            // The partitions stay, and theirs must still be one value per key.
            ensure!(
                had == gets || !self.has_partitions(name).await?,
                "the table {name} has partitions with {had} keys and cannot get {gets}: drop the partitions first"
            );
            let call = self.client.update_table().database_name(name.database.as_str());
            let input = mapping::table_input(table, Some(&old.glue))?;
            // The version makes it a conflict, which is tried again, if somebody changed what is carried over.
            let answer = call.table_input(input).set_version_id(old.glue.version_id).send().await;
            answer.called("UpdateTable", name)?;
            Ok(())
        })
        .await
    }

    /// The partitions go with their table.
    pub(super) async fn delete_table(&self, name: &TableName) -> Result<bool> {
        settled(|| async {
            let call = self.client.delete_table().database_name(name.database.as_str()).name(name.table.as_str());
            Ok(call.send().await.called("DeleteTable", name).unless(MISSING)?.is_some())
        })
        .await
    }

    pub(super) async fn database_names(&self) -> Result<Vec<Name>> {
        let pages = self.client.get_databases().into_paginator().send();
        let pages = pages.try_collect().await.called("GetDatabases", "the catalog")?;
        // A name that no job of ours could give is one of a database that nobody can ask for.
        let names = pages.iter().flat_map(|page| page.database_list()).filter_map(|found| found.name.parse().ok());
        let mut names: Vec<Name> = names.collect();
        names.sort();
        Ok(names)
    }

    pub(super) async fn table_names(&self, database: &Name) -> Result<Vec<Name>> {
        let pages = self.client.get_tables().database_name(database.as_str()).into_paginator().send();
        let pages = pages.try_collect().await.called("GetTables", database).unless(MISSING)?;
        let name = |found: &types::Table| {
            let name = TableName::new(database.clone(), found.name.parse().ok()?);
            mapping::table(&name, found).map(|table| table.name.table)
        };
        let mut names: Vec<Name> = pages.iter().flatten().flat_map(|page| page.table_list()).filter_map(name).collect();
        names.sort();
        Ok(names)
    }
}

fn no_database(name: &Name) -> anyhow::Error {
    anyhow::anyhow!("the database {name} does not exist: create it with `cargo run --bin tables`")
}
