//! Compare and swap, which Glue does not have: two runs may read the same partition, and the update of the slower one
//! replaces what the faster one published. Nor can an update be called back: it may arrive long after its sender died.
//!
//! So who may replace a partition is not decided in Glue but by a claim, an object that can be created only once:
//!
//! - Every partition that we write carries the id of its **revision** in a parameter, which no caller sees. One that
//!   somebody else wrote has a hash over its content and its time of creation for one.
//! - To replace revision `r`, a run first claims `<database>/<table>/<r>`. The claim's content is the new partition with
//!   its own revision. Only one run gets it, so **a revision has one successor at most**, and all that ever was in Glue
//!   under these values is one chain. Its last link is the truth, wherever in the chain Glue is.
//! - Then it updates the partition in Glue.
//! - Who reads a partition whose revision is claimed follows the chain to its end, puts that into Glue and goes on with
//!   it. So a run that died after its claim has published, and an update that came late and put an old link back does no
//!   lasting harm. If the same content comes back, its revision differs.
//!
//! A partition that is created needs no claim: Glue creates one only if there is none. One that is dropped ends its
//! chain, and one created afterwards begins another. (A late update that arrives after both would put a link of the old
//! chain into Glue. Dropped are only partitions that no job publishes, or that follow a published one, of copies and malformed
//! lines: they are compared with it again by each merge of the hour or the next, and by `repair`.)
//!
//! The claims, not Glue, say what is published. Athena reads Glue; what it reads is what the last read or swap of ours
//! left there, or for a moment an older link, whose objects vacuum keeps.

use std::collections::HashSet;

use anyhow::{Context, Result, ensure};
use meterlake_core::catalog::{Partition, Swap};
use meterlake_core::names::TableName;

use super::GlueCatalog;
use super::calls::{Called, EXISTS, Unless, settled};
use super::mapping::Revision;
use super::partitions::check_values;
use super::tables::Found;

impl GlueCatalog {
    pub(super) async fn swap(
        &self,
        name: &TableName,
        partition: &Partition,
        expected: Option<&Partition>,
    ) -> Result<Swap> {
        let table = self.required_table(name).await?;
        check_values(&table.table, partition)?;
        // It would be a conflict for ever, and a caller that tries again would never end.
        ensure!(
            expected.is_none_or(|expected| expected.values == partition.values),
            "a partition of {name} cannot change its values to {:?}: drop it and add another",
            partition.values,
        );
        let new = Revision::of(partition);
        match expected {
            Some(expected) => self.replace(&table, &new, expected).await,
            None => self.create(&table, &new).await,
        }
    }

    async fn create(&self, table: &Found, new: &Revision) -> Result<Swap> {
        let name = &table.table.name;
        let input = new.input(&table.descriptor());
        let created = settled(|| async {
            let call = self.client.create_partition().database_name(name.database.as_str());
            let call = call.table_name(name.table.as_str()).partition_input(input.clone());
            Ok(call.send().await.called("CreatePartition", name).unless(EXISTS)?.is_some())
        });
        if created.await? {
            return Ok(Swap::Done);
        }
        // The SDK calls again where an answer was lost: then it is ours that is there, or was until it was superseded.
        let there = self.find(table, std::slice::from_ref(&new.partition.values)).await?;
        let is_ours = there.iter().any(|there| there.id == new.id) || self.successor(name, &new.id).await?.is_some();
        Ok(if is_ours { Swap::Done } else { Swap::Conflict })
    }

    async fn replace(&self, table: &Found, new: &Revision, expected: &Partition) -> Result<Swap> {
        let values = std::slice::from_ref(&new.partition.values);
        loop {
            let found = self.find(table, values).await?;
            let Some(current) = self.caught_up(table, found).await?.pop() else { return Ok(Swap::Conflict) };
            if current.partition != *expected {
                return Ok(Swap::Conflict);
            }
            // Where another's claim came first, what it put there may be the same content again, so look anew.
            if self.claim(&table.table.name, &current.id, new).await? {
                let gone = self.put(table, std::slice::from_ref(new)).await?;
                return Ok(if gone.is_empty() { Swap::Done } else { Swap::Conflict });
            }
        }
    }

    /// The partitions as they are by the claims. Glue is brought up to them where it is behind.
    pub(super) async fn caught_up(&self, table: &Found, found: Vec<Revision>) -> Result<Vec<Revision>> {
        let name = &table.table.name;
        // One partition's claim is asked for; for more, all claims of the table are listed.
        let claimed: Option<HashSet<String>> = match found.len() {
            0 | 1 => None,
            _ => Some(self.claims.list(&folder(name)).await?.into_iter().collect()),
        };
        let (mut newest, mut moved) = (Vec::new(), Vec::new());
        for revision in found {
            let may_be_claimed = claimed.as_ref().is_none_or(|claimed| claimed.contains(&key(name, &revision.id)));
            let last = if may_be_claimed { self.last(name, &revision.id).await? } else { None };
            if let Some(last) = &last {
                tracing::info!(table = %name, partition = ?last.partition.values, "Glue was behind, and is put right");
                moved.push(last.clone());
            }
            newest.push(last.unwrap_or(revision));
        }
        let gone = self.put(table, &moved).await.context("cannot finish what another run published")?;
        newest.retain(|revision| !gone.contains(&revision.partition.values));
        Ok(newest)
    }

    /// The end of a revision's chain; `None` if that is itself.
    async fn last(&self, table: &TableName, revision: &str) -> Result<Option<Revision>> {
        let mut last: Option<Revision> = None;
        loop {
            match self.successor(table, last.as_ref().map_or(revision, |last| &last.id)).await? {
                Some(next) => last = Some(next),
                None => return Ok(last),
            }
        }
    }

    async fn successor(&self, table: &TableName, revision: &str) -> Result<Option<Revision>> {
        let key = key(table, revision);
        let Some(content) = self.claims.read(&key).await? else { return Ok(None) };
        serde_json::from_slice(&content).map(Some).with_context(|| format!("the claim {key} is damaged"))
    }

    /// Claims a revision for its successor; false if it has another one.
    async fn claim(&self, table: &TableName, revision: &str, successor: &Revision) -> Result<bool> {
        if self.claims.claim(&key(table, revision), &serde_json::to_vec(successor)?).await? {
            return Ok(true);
        }
        // The SDK asks again where an answer was lost: then the claim that is there is ours.
        Ok(self.successor(table, revision).await?.is_some_and(|there| there.id == successor.id))
    }
}

/// What the keys of a table's claims begin with.
fn folder(table: &TableName) -> String {
    format!("{}/{}/", table.database, table.table)
}

fn key(table: &TableName, revision: &str) -> String {
    format!("{}{revision}", folder(table))
}
