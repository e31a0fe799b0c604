//! What `merge` makes of an hour: one generation with a folder for each kind of row, and a table over each kind.
//!
//! The partition of calls is the publication. The partitions of copies and of malformed lines follow it: they point into the
//! same generation, and are there only while it has such rows, since a CTAS writes no folder for a kind without rows.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

use crate::catalog::{Parameters, Partition, PartitionFilter};
use crate::lake::Lake;
use crate::layout::{Layout, TableLayout, period_of_values, period_values};
use crate::location::Location;
use crate::notes::HourNotes;
use crate::period::Hour;
use crate::publications::{self, new_mark};
use crate::publish::{MARK, Publication};

/// How often partitions are compared while other runs publish.
const ATTEMPTS: u32 = 5;

/// A kind of row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A record that is counted.
    Call,
    /// A record that equals a counted one.
    Copy,
    /// A line, or a piece of one, that is no record.
    Malformed,
}

impl Kind {
    /// The folder of its rows in a generation: `…/run=<id>/kind=call`.
    #[must_use]
    pub fn folder(self, generation: &Location) -> Location {
        generation.join(match self {
            Self::Call => "kind=call",
            Self::Copy => "kind=copy",
            Self::Malformed => "kind=malformed",
        })
    }

    fn table(self, layout: &Layout) -> &TableLayout {
        match self {
            Self::Call => &layout.merged,
            Self::Copy => &layout.copies,
            Self::Malformed => &layout.malformed,
        }
    }

    /// How many rows of this kind an hour has.
    fn rows(self, notes: &HourNotes) -> u64 {
        match self {
            Self::Call => notes.rows,
            Self::Copy => notes.duplicates,
            Self::Malformed => notes.malformed,
        }
    }
}

/// Makes the partitions of copies and malformed lines agree with what is published of some hours. Gives the hours that
/// did not agree; in a dry run nothing is changed.
///
/// # Errors
/// The catalog failed, or other runs published these hours again and again.
pub async fn follow(lake: &Lake, hours: &[Hour], dry_run: bool) -> Result<Vec<Hour>> {
    let mut mended = Vec::new();
    let mut left = hours.to_vec();
    for _ in 0..ATTEMPTS {
        let wrong = follow_once(lake, &left, dry_run).await?;
        if wrong.is_empty() || dry_run {
            mended.extend(wrong);
            mended.sort_unstable();
            mended.dedup();
            return Ok(mended);
        }
        // Looked at again: another run may have published one of them meanwhile.
        mended.extend(&wrong);
        left = wrong;
    }
    bail!("other runs publish {} and more again and again: run this again", left[0])
}

/// The partitions of copies and malformed lines that are spelled otherwise than ours, each with its table: no job made them.
///
/// # Errors
/// The catalog failed.
pub async fn strangers(lake: &Lake) -> Result<Vec<(&TableLayout, Partition)>> {
    let mut strangers = Vec::new();
    for table in [&lake.layout.copies, &lake.layout.malformed] {
        let partitions = lake.catalog.partitions(&table.name, &PartitionFilter::default()).await?;
        let others = partitions.into_iter().filter(|partition| {
            period_of_values::<Hour>(&partition.values).is_none_or(|hour| period_values(hour) != partition.values)
        });
        strangers.extend(others.map(|partition| (table, partition)));
    }
    Ok(strangers)
}

/// One comparison; gives the hours that did not agree.
async fn follow_once(lake: &Lake, hours: &[Hour], dry_run: bool) -> Result<Vec<Hour>> {
    if hours.is_empty() {
        return Ok(Vec::new());
    }
    let values: Vec<Vec<String>> = hours.iter().map(|hour| period_values(*hour)).collect();
    let heads = publications::heads(lake, &lake.layout.merged, hours).await?;
    let mut wrong = BTreeMap::new();
    for kind in [Kind::Copy, Kind::Malformed] {
        let table = &kind.table(&lake.layout).name;
        let there = lake.catalog.get_partitions(table, &values).await?;
        let (mut put, mut dropped) = (Vec::new(), Vec::new());
        for ((hour, head), there) in hours.iter().zip(&heads).zip(there) {
            let right = head.partition.as_ref().and_then(|calls| partition(kind, calls));
            if right.as_ref().map(|right| &right.location) == there.as_ref().map(|there| &there.location) {
                continue;
            }
            wrong.insert(*hour, ());
            match (right, there) {
                _ if dry_run => {}
                (Some(mut right), _) => {
                    right.parameters.insert(MARK.to_owned(), new_mark());
                    put.push(right);
                }
                (None, Some(there)) => dropped.push(there.values),
                (None, None) => {}
            }
        }
        if !put.is_empty() {
            lake.catalog.put_partitions(table, &put).await?;
        }
        if !dropped.is_empty() {
            lake.catalog.drop_partitions(table, &dropped).await?;
        }
    }
    Ok(wrong.into_keys().collect())
}

/// The partition of a kind that belongs to a published partition of calls; `None`: there are no such rows.
pub(crate) fn partition(kind: Kind, calls: &Partition) -> Option<Partition> {
    let published = Publication::<Hour>::of(calls)?;
    let location = kind.folder(&calls.location.parent());
    let partition = Partition { values: calls.values.clone(), location, parameters: Parameters::new() };
    (kind.rows(&published.notes) > 0).then_some(partition)
}
