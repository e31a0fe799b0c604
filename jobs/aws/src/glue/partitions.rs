//! Partitions: listed, got, added and dropped.

use std::collections::{BTreeSet, HashMap, HashSet};

use anyhow::{Result, bail, ensure};
use aws_sdk_glue::types;
use futures::{StreamExt, TryStreamExt, stream};
use meterlake_core::catalog::{Partition, PartitionFilter, Table};
use meterlake_core::names::TableName;

use super::GlueCatalog;
use super::batches::{Failure, Item, in_batches};
use super::calls::{CallError, Called, EXISTS, MISSING, NO_FILTER, UNKNOWN, Unless};
use super::expression::expression;
use super::mapping::{partition, partition_input};
use super::tables::Found;

const MOST_CREATED: usize = 100;
const MOST_UPDATED: usize = 100;
const MOST_DELETED: usize = 25;
const MOST_GOT: usize = 1_000;
const MOST_LISTED: i32 = 1_000;
/// Calls for one partition that are under way together.
const AT_ONCE: usize = 8;
/// How often partitions are registered that others drop meanwhile.
const ATTEMPTS: u32 = 5;

impl GlueCatalog {
    pub(super) async fn list(&self, name: &TableName, filter: &PartitionFilter) -> Result<Vec<Partition>> {
        let table = self.required_table(name).await?;
        let keys = &table.table.partition_keys;
        if filter.0.iter().any(|range| !keys.iter().any(|key| key.name == range.key)) {
            return Ok(Vec::new());
        }
        let expression = expression(keys, filter);
        let found = match self.matching(name, expression.clone()).await {
            // One value that is no number, where a key is one, and Glue refuses the call. Such a partition does not pass,
            // but the others may.
            Err(error) if expression.is_some() && NO_FILTER.iter().any(|code| error.is(code)) => {
                tracing::debug!(?expression, "Glue cannot filter the partitions of {name}: {error}");
                self.matching(name, None).await?
            }
            found => found?,
        };
        let matching = found.into_iter().filter(|partition| filter.matches(keys, partition.values()));
        let mut partitions = matching.map(partition).collect::<Result<Vec<Partition>>>()?;
        partitions.sort_by_cached_key(|partition| sortable(&partition.values));
        Ok(partitions)
    }

    async fn matching(&self, name: &TableName, expression: Option<String>) -> Result<Vec<types::Partition>, CallError> {
        let call = self.client.get_partitions().database_name(name.database.as_str()).table_name(name.table.as_str());
        let call = call.set_expression(expression).exclude_column_schema(true).max_results(MOST_LISTED);
        let pages = call.into_paginator().send().try_collect().await.called("GetPartitions", name)?;
        Ok(pages.into_iter().flat_map(|page| page.partitions.unwrap_or_default()).collect())
    }

    pub(super) async fn has_partitions(&self, name: &TableName) -> Result<bool> {
        let call = self.client.get_partitions().database_name(name.database.as_str()).table_name(name.table.as_str());
        // A page may be empty although there are more.
        let mut pages = call.exclude_column_schema(true).max_results(1).into_paginator().send();
        while let Some(page) = pages.try_next().await.called("GetPartitions", name)? {
            if !page.partitions().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) async fn get(&self, name: &TableName, values: &[Vec<String>]) -> Result<Vec<Option<Partition>>> {
        let table = self.required_table(name).await?;
        let found = self.find(&table, values).await?;
        let found: HashMap<_, _> = found.iter().map(|found| (&found.values, found)).collect();
        Ok(values.iter().map(|values| found.get(values).copied().cloned()).collect())
    }

    /// The partitions with these values, in any order.
    async fn find(&self, table: &Found, values: &[Vec<String>]) -> Result<Vec<Partition>> {
        let name = &table.table.name;
        let possible = possible(&table.table, values);
        let mut found = Vec::new();
        for chunk in possible.chunks(MOST_GOT) {
            let mut asked = chunk.to_vec();
            // Glue may leave keys unanswered for want of time, but also those that it does not have. So as soon as it
            // answers none of those it is asked for, or only one is left, they are asked for one by one.
            while asked.len() > 1 {
                let call = self.client.batch_get_partition().database_name(name.database.as_str());
                let call = call.table_name(name.table.as_str()).set_partitions_to_get(Some(value_lists(&asked)?));
                let answer = call.send().await.called("BatchGetPartition", name)?;
                let got = answer.partitions.unwrap_or_default();
                let is_stuck = got.is_empty();
                found.extend(got.into_iter().map(partition).collect::<Result<Vec<_>>>()?);
                asked = answer.unprocessed_keys.unwrap_or_default().into_iter().map(|key| key.values).collect();
                if is_stuck {
                    break;
                }
            }
            let mut singly = stream::iter(asked).map(|values| self.find_one(name, values)).buffered(AT_ONCE);
            while let Some(one) = singly.try_next().await? {
                found.extend(one);
            }
        }
        Ok(found)
    }

    async fn find_one(&self, name: &TableName, values: Vec<String>) -> Result<Option<Partition>> {
        let call = self.client.get_partition().database_name(name.database.as_str());
        let call = call.table_name(name.table.as_str()).set_partition_values(Some(values));
        let answer = call.send().await.called("GetPartition", name).unless(MISSING)?;
        answer.and_then(|answer| answer.partition).map(partition).transpose()
    }

    pub(super) async fn add(&self, name: &TableName, partitions: &[Partition]) -> Result<usize> {
        let table = self.required_table(name).await?;
        let (distinct, were_there) = self.create(&table, partitions).await?;
        Ok(distinct - were_there.len())
    }

    /// Creates partitions. Gives how many there are, each counted once, and the values of those that were there before.
    async fn create(&self, table: &Found, partitions: &[Partition]) -> Result<(usize, HashSet<Vec<String>>)> {
        let name = &table.table.name;
        let mut seen = HashSet::new();
        let mut inputs = Vec::new();
        for partition in partitions {
            check_values(&table.table, partition)?;
            if seen.insert(&partition.values) {
                inputs.push(partition_input(partition, &table.descriptor()));
            }
        }
        let were_there = in_batches(&inputs, MOST_CREATED, EXISTS, |inputs| async {
            let call = self.client.batch_create_partition().database_name(name.database.as_str());
            let call = call.table_name(name.table.as_str()).set_partition_input_list(Some(inputs));
            Ok(failures(call.send().await.called("BatchCreatePartition", name)?.errors))
        });
        Ok((inputs.len(), were_there.await?))
    }

    /// Registers partitions in place of what is there. One that is dropped meanwhile is created again.
    pub(super) async fn put(&self, name: &TableName, partitions: &[Partition]) -> Result<()> {
        let table = self.required_table(name).await?;
        let mut left = partitions.to_vec();
        for _ in 0..ATTEMPTS {
            let (_, were_there) = self.create(&table, &left).await?;
            left.retain(|partition| were_there.contains(&partition.values));
            let gone = self.update(&table, &left).await?;
            left.retain(|partition| gone.contains(&partition.values));
            if left.is_empty() {
                return Ok(());
            }
        }
        bail!(
            "partitions of {name} are dropped again and again while they are registered, such as {:?}",
            left[0].values
        )
    }

    /// Updates partitions. Gives the values of those that are not there.
    async fn update(&self, table: &Found, partitions: &[Partition]) -> Result<HashSet<Vec<String>>> {
        let name = &table.table.name;
        let of_table = table.descriptor();
        let entries = partitions.iter().map(|partition| {
            let entry = types::BatchUpdatePartitionRequestEntry::builder();
            let entry = entry.set_partition_value_list(Some(partition.values.clone()));
            entry.partition_input(partition_input(partition, &of_table)).build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        in_batches(&entries, MOST_UPDATED, MISSING, |entries| async {
            let call = self.client.batch_update_partition().database_name(name.database.as_str());
            let call = call.table_name(name.table.as_str()).set_entries(Some(entries));
            Ok(failures(call.send().await.called("BatchUpdatePartition", name)?.errors))
        })
        .await
    }

    pub(super) async fn drop(&self, name: &TableName, values: &[Vec<String>]) -> Result<usize> {
        let table = self.required_table(name).await?;
        let lists = value_lists(&possible(&table.table, values))?;
        let were_missing = in_batches(&lists, MOST_DELETED, MISSING, |lists| self.delete(name, lists)).await?;
        Ok(lists.len() - were_missing.len())
    }

    async fn delete(&self, name: &TableName, lists: Vec<types::PartitionValueList>) -> Result<Vec<Failure>, CallError> {
        let call = self.client.batch_delete_partition().database_name(name.database.as_str());
        let call = call.table_name(name.table.as_str()).set_partitions_to_delete(Some(lists.clone()));
        match call.send().await.called("BatchDeletePartition", name) {
            Err(error) if error.is(UNKNOWN) => self.delete_one_by_one(name, lists).await,
            answer => Ok(failures(answer?.errors)),
        }
    }

    async fn delete_one_by_one(
        &self,
        name: &TableName,
        lists: Vec<types::PartitionValueList>,
    ) -> Result<Vec<Failure>, CallError> {
        let mut missing = Vec::new();
        for list in lists {
            let call = self.client.delete_partition().database_name(name.database.as_str());
            let call = call.table_name(name.table.as_str()).set_partition_values(Some(list.values.clone()));
            if call.send().await.called("DeletePartition", name).unless(MISSING)?.is_none() {
                missing.push(Failure::missing(list.values));
            }
        }
        Ok(missing)
    }
}

fn failures<E: Into<Failure>>(errors: Option<Vec<E>>) -> Vec<Failure> {
    errors.unwrap_or_default().into_iter().map(Into::into).collect()
}

/// Each of the values once. Values that no partition of the table can have are left out: Glue refuses the whole call.
fn possible(table: &Table, values: &[Vec<String>]) -> Vec<Vec<String>> {
    let possible = values.iter().filter(|values| values.len() == table.partition_keys.len());
    possible.collect::<BTreeSet<_>>().into_iter().cloned().collect()
}

fn value_lists(values: &[Vec<String>]) -> Result<Vec<types::PartitionValueList>> {
    let list = |values: &Vec<String>| types::PartitionValueList::builder().set_values(Some(values.clone())).build();
    Ok(values.iter().map(list).collect::<Result<_, _>>()?)
}

fn check_values(table: &Table, partition: &Partition) -> Result<()> {
    let keys: Vec<_> = table.partition_keys.iter().map(|key| key.name.as_str()).collect();
    ensure!(
        partition.values.len() == keys.len(),
        "the partition {:?} does not have one value for each key of {}, which are {keys:?}",
        partition.values,
        table.name,
    );
    Ok(())
}

/// Numbers before texts, as numbers; `01` before `1`.
fn sortable(values: &[String]) -> (Vec<Result<i64, String>>, Vec<String>) {
    let key = |value: &String| value.parse().map_err(|_| value.clone());
    (values.iter().map(key).collect(), values.to_vec())
}

impl Item for types::PartitionInput {
    fn values(&self) -> &[String] {
        self.values()
    }
}

impl Item for types::BatchUpdatePartitionRequestEntry {
    fn values(&self) -> &[String] {
        self.partition_value_list()
    }
}

impl Item for types::PartitionValueList {
    fn values(&self) -> &[String] {
        self.values()
    }
}
