//! The seams of a lake in memory.

use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use chrono::DateTime;
use meterlake_core::catalog::{Catalog, Database, Partition, PartitionFilter, Table};
use meterlake_core::location::Location;
use meterlake_core::names::{Name, TableName};
use meterlake_core::store::{Children, Object, ObjectWriter, Store};

use super::Process;

fn below(folder: &Location) -> String {
    format!("{folder}/")
}

fn object(path: &str, content: &[u8]) -> Object {
    Object {
        location: path.parse().expect("a location"),
        size: content.len() as u64,
        // As on S3, by the content alone.
        etag: meterlake_core::generation::sha256(content),
        modified: DateTime::UNIX_EPOCH,
        storage_class: None,
    }
}

#[async_trait]
impl Store for Process {
    async fn exists(&self, _: &Location) -> Result<bool> {
        Ok(true)
    }

    async fn list(&self, folder: &Location) -> Result<Vec<Object>> {
        let folder = below(folder);
        let objects = self.look(|state| {
            let objects = state.objects.range(folder.clone()..).take_while(|(path, _)| path.starts_with(&folder));
            objects.map(|(path, content)| object(path, content)).collect::<Vec<_>>()
        });
        let objects = objects.await?;
        self.turn_pages(objects.len());
        Ok(objects)
    }

    async fn children(&self, folder: &Location) -> Result<Children> {
        let start = below(folder);
        self.look(|state| {
            let paths = state.objects.range(start.clone()..).map(|(path, _)| path);
            let rests = paths.take_while(|path| path.starts_with(&start)).map(|path| &path[start.len()..]);
            let mut children = Children::default();
            for rest in rests {
                match rest.split_once('/') {
                    Some((name, _)) => children.folders.push(folder.join(name)),
                    None => children.objects.push(folder.join(rest)),
                }
            }
            children.folders.dedup();
            children
        })
        .await
    }

    async fn read(&self, object: &Location) -> Result<Option<Vec<u8>>> {
        self.look(|state| state.objects.get(object.as_str()).cloned()).await
    }

    async fn read_part(&self, object: &Location, from: u64, length: u64) -> Result<Option<Vec<u8>>> {
        let content = self.read(object).await?;
        Ok(content.map(|content| content.into_iter().skip(from as usize).take(length as usize).collect()))
    }

    async fn write(&self, object: &Location, content: &[u8]) -> Result<()> {
        self.change(|state| drop(state.objects.insert(object.to_string(), content.to_vec()))).await
    }

    async fn write_new(&self, object: &Location, content: &[u8]) -> Result<bool> {
        self.change(|state| {
            let is_new = !state.objects.contains_key(object.as_str());
            if is_new {
                state.objects.insert(object.to_string(), content.to_vec());
            }
            is_new
        })
        .await
    }

    async fn create(&self, _: &Location) -> Result<Box<dyn ObjectWriter>> {
        bail!("no job that is played writes in pieces")
    }

    async fn sweep(&self, _: &Location, _: Duration) -> Result<()> {
        Ok(())
    }

    async fn delete_folder(&self, folder: &Location) -> Result<()> {
        let folder = below(folder);
        self.change(|state| state.objects.retain(|path, _| !path.starts_with(&folder))).await
    }

    async fn persist(&self, _: &Location) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Catalog for Process {
    async fn create_database(&self, _: &Name) -> Result<bool> {
        Ok(false)
    }

    async fn database(&self, _: &Name) -> Result<Option<Database>> {
        Ok(None)
    }

    async fn set_database_parameter(&self, _: &Name, _: &str, _: &str) -> Result<()> {
        Ok(())
    }

    async fn create_table(&self, table: &Table) -> Result<bool> {
        self.change(|state| {
            let is_new = !state.tables.contains_key(&table.name);
            state.tables.entry(table.name.clone()).or_insert_with(|| table.clone());
            is_new
        })
        .await
    }

    async fn table(&self, name: &TableName) -> Result<Option<Table>> {
        self.look(|state| state.tables.get(name).cloned()).await
    }

    async fn update_table(&self, _: &Table) -> Result<()> {
        bail!("no job that is played changes a table")
    }

    async fn drop_table(&self, name: &TableName) -> Result<bool> {
        self.change(|state| {
            state.partitions.remove(name);
            state.tables.remove(name).is_some()
        })
        .await
    }

    async fn tables(&self, _: &Name) -> Result<Vec<Name>> {
        self.look(|state| state.tables.keys().map(|name| name.table.clone()).collect()).await
    }

    async fn partitions(&self, table: &TableName, filter: &PartitionFilter) -> Result<Vec<Partition>> {
        let partitions = self.look(|state| {
            let keys = state.tables.get(table).map(|table| table.partition_keys.clone()).unwrap_or_default();
            let there = state.partitions.get(table).into_iter().flat_map(|there| there.values());
            there.filter(|partition| filter.matches(&keys, &partition.values)).cloned().collect::<Vec<_>>()
        });
        let partitions = partitions.await?;
        self.turn_pages(partitions.len());
        Ok(partitions)
    }

    async fn get_partitions(&self, table: &TableName, values: &[Vec<String>]) -> Result<Vec<Option<Partition>>> {
        self.turn_pages(values.len());
        self.look(|state| {
            let there = state.partitions.get(table);
            values.iter().map(|values| there.and_then(|there| there.get(values)).cloned()).collect()
        })
        .await
    }

    async fn add_partitions(&self, table: &TableName, partitions: &[Partition]) -> Result<usize> {
        self.change(|state| {
            let there = state.partitions.entry(table.clone()).or_default();
            let before = there.len();
            for partition in partitions {
                there.entry(partition.values.clone()).or_insert_with(|| partition.clone());
            }
            there.len() - before
        })
        .await
    }

    async fn put_partitions(&self, table: &TableName, partitions: &[Partition]) -> Result<()> {
        self.require_life()?;
        let lives = self.live().await;
        let entries = partitions.iter().map(|partition| (table.clone(), partition.clone()));
        // Where its sender died, an update may be under way for long.
        if lives.is_err() {
            self.world.state().late.extend(entries);
            return lives;
        }
        let mut state = self.world.state();
        for (table, partition) in entries {
            state.partitions.entry(table).or_default().insert(partition.values.clone(), partition);
        }
        Ok(())
    }

    async fn drop_partitions(&self, table: &TableName, values: &[Vec<String>]) -> Result<usize> {
        self.change(|state| {
            let there = state.partitions.entry(table.clone()).or_default();
            let before = there.len();
            there.retain(|there, _| !values.contains(there));
            before - there.len()
        })
        .await
    }
}
