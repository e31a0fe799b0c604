//! The seams of a lake in memory.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use chrono::DateTime;
use meterlake_core::catalog::{Catalog, Database, Partition, PartitionFilter, Table};
use meterlake_core::location::Location;
use meterlake_core::names::{Name, TableName};
use meterlake_core::store::{Children, Object, ObjectWriter, Store};

use super::{Content, Process};

fn below(folder: &Location) -> String {
    format!("{folder}/")
}

fn object(path: &str, content: &Content) -> Object {
    Object {
        location: path.parse().expect("a location"),
        size: content.bytes.len() as u64,
        etag: content.etag.to_string(),
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
            let mut children = Children::default();
            let mut from = start.clone();
            while let Some((path, _)) = state.objects.range(from.clone()..).next() {
                let Some(rest) = path.strip_prefix(&start) else { break };
                match rest.split_once('/') {
                    // `0` comes after `/`: what lies in the folder is passed over.
                    Some((name, _)) => {
                        children.folders.push(folder.join(name));
                        from = format!("{start}{name}0");
                    }
                    None => {
                        children.objects.push(folder.join(rest));
                        from = format!("{path}\0");
                    }
                }
            }
            children
        })
        .await
    }

    async fn read(&self, object: &Location) -> Result<Option<Vec<u8>>> {
        self.look(|state| state.objects.get(object.as_str()).map(|content| content.bytes.to_vec())).await
    }

    async fn read_part(&self, object: &Location, from: u64, length: u64) -> Result<Option<Vec<u8>>> {
        let content = self.read(object).await?;
        Ok(content.map(|content| content.into_iter().skip(from as usize).take(length as usize).collect()))
    }

    async fn write(&self, object: &Location, content: &[u8]) -> Result<()> {
        self.change(|state| drop(state.objects.insert(object.to_string(), Content::of(content)))).await
    }

    async fn write_new(&self, object: &Location, content: &[u8]) -> Result<bool> {
        self.change(|state| {
            let is_new = !state.objects.contains_key(object.as_str());
            if is_new {
                state.objects.insert(object.to_string(), Content::of(content));
            }
            is_new
        })
        .await
    }

    async fn create(&self, object: &Location) -> Result<Box<dyn ObjectWriter>> {
        self.look(|_| ()).await?;
        let process = self.own.upgrade().context("a process that is there")?;
        Ok(Box::new(Writing { process, object: object.clone(), content: Vec::new() }))
    }

    async fn sweep(&self, _: &Location, _: Duration) -> Result<()> {
        Ok(())
    }

    async fn delete_folder(&self, folder: &Location) -> Result<()> {
        let folder = below(folder);
        self.change(|state| {
            while let Some((path, _)) = state.objects.range(folder.clone()..).next() {
                if !path.starts_with(&folder) {
                    break;
                }
                let path = path.clone();
                state.objects.remove(&path);
            }
        })
        .await
    }

    async fn persist(&self, _: &Location) -> Result<()> {
        Ok(())
    }
}

/// An object that is written in pieces.
struct Writing {
    process: Arc<Process>,
    object: Location,
    content: Vec<u8>,
}

#[async_trait]
impl ObjectWriter for Writing {
    async fn write(&mut self, content: Vec<u8>) -> Result<()> {
        self.content.extend(content);
        Ok(())
    }

    async fn finish(self: Box<Self>) -> Result<u64> {
        self.process.write(&self.object, &self.content).await?;
        Ok(self.content.len() as u64)
    }
}

#[async_trait]
impl Catalog for Process {
    async fn create_database(&self, _: &Name) -> Result<bool> {
        Ok(false)
    }

    async fn databases(&self) -> Result<Vec<Name>> {
        Ok(Vec::new())
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
        // Where its sender died or got no answer, an update may be under way for long.
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
