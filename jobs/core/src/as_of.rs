//! The lake as it was: a catalog that shows what was published at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, bail};
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};

use crate::catalog::{Catalog, Database, Partition, PartitionFilter, Table};
use crate::generation::Generation;
use crate::kinds::{self, Kind};
use crate::lake::Lake;
use crate::layout::{LINE_ITEMS_FOLDER, TableLayout};
use crate::names::{Name, TableName};
use crate::notes::{Notes, Published};
use crate::period::{Day, Hour, Month};
use crate::publications;
use crate::publish::Publication;
use crate::store::visible_objects;

/// Generations that an error names.
const NAMED: usize = 5;

/// The tables that jobs publish, as they were. The others, such as the raw ones, are as they are. Nothing can be changed.
pub struct AsOf {
    now: Arc<dyn Catalog>,
    time: DateTime<Utc>,
    tables: BTreeMap<TableName, Vec<Then>>,
}

/// What a period published then.
struct Then {
    partition: Partition,
    /// Its generation was deleted since.
    is_gone: bool,
}

impl AsOf {
    /// Looks up what was published at a time.
    ///
    /// # Errors
    /// A table does not exist, or the store or the catalog failed.
    pub async fn new(lake: &Lake, time: DateTime<Utc>) -> Result<Self> {
        let layout = &lake.layout;
        let mut tables = BTreeMap::new();
        let calls = published::<Hour>(lake, &layout.merged, time).await?;
        for (kind, table) in [(Kind::Copy, &layout.copies), (Kind::Malformed, &layout.malformed)] {
            let follow = |calls: &Then| {
                let partition = kinds::partition(kind, &calls.partition)?;
                Some(Then { partition, is_gone: calls.is_gone })
            };
            tables.insert(table.name.clone(), calls.iter().filter_map(follow).collect());
        }
        tables.insert(layout.merged.name.clone(), calls);
        tables.insert(layout.usage_daily.name.clone(), published::<Day>(lake, &layout.usage_daily, time).await?);
        let invoices = published::<Month>(lake, &layout.invoices, time).await?;
        let lines = invoices.iter().map(|invoices| {
            let location = Generation::folder_around(&invoices.partition.location).join(LINE_ITEMS_FOLDER);
            Then { partition: Partition { location, ..invoices.partition.clone() }, is_gone: invoices.is_gone }
        });
        tables.insert(layout.line_items.name.clone(), lines.collect());
        tables.insert(layout.invoices.name.clone(), invoices);
        Ok(Self { now: Arc::clone(&lake.catalog), time, tables })
    }

    fn refuse<T>(&self) -> Result<T> {
        bail!("the lake as it was cannot be changed: only queries can be asked of it")
    }

    /// The partitions of then that are wanted; refused where one is gone, since an answer without it would be wrong.
    fn wanted(&self, table: &TableName, is_wanted: impl Fn(&Partition) -> bool) -> Result<Option<Vec<Partition>>> {
        let Some(then) = self.tables.get(table) else { return Ok(None) };
        let wanted: Vec<&Then> = then.iter().filter(|then| is_wanted(&then.partition)).collect();
        let gone: Vec<&str> =
            wanted.iter().filter(|then| then.is_gone).map(|then| then.partition.location.as_str()).collect();
        if !gone.is_empty() {
            bail!(
                "{} generations that {table} had at {} were superseded and deleted since: {}{}",
                gone.len(),
                self.time.to_rfc3339_opts(SecondsFormat::Secs, true),
                gone[..gone.len().min(NAMED)].join(", "),
                if gone.len() > NAMED { " and more" } else { "" }
            );
        }
        Ok(Some(wanted.into_iter().map(|then| then.partition.clone()).collect()))
    }
}

async fn published<P: Published>(lake: &Lake, table: &TableLayout, time: DateTime<Utc>) -> Result<Vec<Then>> {
    let mut published = Vec::new();
    for (_, partition, is_published) in publications::published_at::<P>(lake, table, time).await? {
        // What is published now is there. Of another, as many objects must be left as were noted.
        let generation = Generation::folder_around(&partition.location);
        let noted = Publication::<P>::of(&partition).map_or(0, |then| then.notes.output_files()).max(1);
        let is_gone = !is_published && (visible_objects(&*lake.store, &generation).await?.len() as u64) < noted;
        published.push(Then { partition, is_gone });
    }
    Ok(published)
}

#[async_trait]
impl Catalog for AsOf {
    async fn create_database(&self, _: &Name) -> Result<bool> {
        self.refuse()
    }

    async fn databases(&self) -> Result<Vec<Name>> {
        self.now.databases().await
    }

    async fn database(&self, name: &Name) -> Result<Option<Database>> {
        self.now.database(name).await
    }

    async fn set_database_parameter(&self, _: &Name, _: &str, _: &str) -> Result<()> {
        self.refuse()
    }

    async fn create_table(&self, _: &Table) -> Result<bool> {
        self.refuse()
    }

    async fn table(&self, name: &TableName) -> Result<Option<Table>> {
        self.now.table(name).await
    }

    async fn update_table(&self, _: &Table) -> Result<()> {
        self.refuse()
    }

    async fn drop_table(&self, _: &TableName) -> Result<bool> {
        self.refuse()
    }

    async fn tables(&self, database: &Name) -> Result<Vec<Name>> {
        self.now.tables(database).await
    }

    async fn partitions(&self, table: &TableName, filter: &PartitionFilter) -> Result<Vec<Partition>> {
        let keys = self.now.table(table).await?.map(|table| table.partition_keys).unwrap_or_default();
        match self.wanted(table, |partition| filter.matches(&keys, &partition.values))? {
            Some(partitions) => Ok(partitions),
            None => self.now.partitions(table, filter).await,
        }
    }

    async fn get_partitions(&self, table: &TableName, values: &[Vec<String>]) -> Result<Vec<Option<Partition>>> {
        let Some(found) = self.wanted(table, |partition| values.contains(&partition.values))? else {
            return self.now.get_partitions(table, values).await;
        };
        let with = |values: &Vec<String>| found.iter().find(|partition| partition.values == *values).cloned();
        Ok(values.iter().map(with).collect())
    }

    async fn add_partitions(&self, _: &TableName, _: &[Partition]) -> Result<usize> {
        self.refuse()
    }

    async fn put_partitions(&self, _: &TableName, _: &[Partition]) -> Result<()> {
        self.refuse()
    }

    async fn drop_partitions(&self, _: &TableName, _: &[Vec<String>]) -> Result<usize> {
        self.refuse()
    }
}
