//! Keeps the catalog's partitions of an hourly table in step with its folders.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use futures::future::{BoxFuture, FutureExt};

use crate::catalog::{Partition, PartitionFilter};
use crate::lake::Lake;
use crate::layout::{TableLayout, filter_within, period_of_values};
use crate::location::Location;
use crate::period::{Day, Hour, Period};

/// What was wrong, and is mended unless it was only looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Repair {
    /// Hours that have a folder, looked at.
    pub hours: Vec<Hour>,
    /// Hours that had a folder and no partition.
    pub added: Vec<Hour>,
    /// Partitions that had no folder.
    pub removed: u64,
    /// Hours whose folder was registered twice (`month=1` and `month=01`), or only under other values or elsewhere.
    pub mended: Vec<Hour>,
    /// Folders that are no partition of the table; they are left as they are.
    pub ignored: Vec<Location>,
    /// Objects that lie beside the folders of hours; they are left as they are.
    pub astray: Vec<Location>,
}

/// Makes the catalog agree with the folders, for a range of hours or for all.
///
/// # Errors
/// The store or the catalog failed; running it again goes on where it stopped.
pub async fn repair(lake: &Lake, table: &TableLayout, range: Option<(Hour, Hour)>, dry_run: bool) -> Result<Repair> {
    // First the catalog, then the folders: a partition that another run registers meanwhile is not taken for one whose
    // folder is gone.
    let mut registered: BTreeMap<Option<Hour>, Vec<Partition>> = BTreeMap::new();
    for filter in filters(range) {
        for partition in lake.catalog.partitions(&table.name, &filter).await? {
            registered.entry(period_of_values(&partition.values)).or_default().push(partition);
        }
    }
    let mut walk = Walk { lake, table, range, hours: BTreeSet::new(), ignored: Vec::new(), astray: Vec::new() };
    walk.descend(table.folder.clone(), Vec::new()).await?;
    let hours = walk.hours.iter().copied().collect();
    let mut repair = Repair { hours, ignored: walk.ignored, astray: walk.astray, ..Repair::default() };

    let in_range = |hour: &Hour| range.is_none_or(|(from, to)| (from..=to).contains(hour));
    registered.retain(|hour, _| hour.as_ref().is_none_or(in_range));

    let (mut add, mut relocate, mut drop) = (Vec::new(), Vec::new(), Vec::new());
    for hour in walk.hours {
        let right = table.partition(hour);
        let (own, others): (Vec<_>, Vec<_>) = registered
            .remove(&Some(hour))
            .unwrap_or_default()
            .into_iter()
            .partition(|partition| partition.values == right.values);
        let is_elsewhere = own.first().is_some_and(|own| own.location != right.location);
        if own.is_empty() && others.is_empty() {
            repair.added.push(hour);
        } else if own.is_empty() || is_elsewhere || !others.is_empty() {
            repair.mended.push(hour);
        }
        if own.is_empty() {
            add.push(right);
        } else if is_elsewhere {
            relocate.push(right);
        }
        drop.extend(others);
    }
    let without_folder: Vec<Partition> = registered.into_values().flatten().collect();
    repair.removed = without_folder.len() as u64;
    drop.extend(without_folder);

    if !dry_run {
        lake.catalog.add_partitions(&table.name, &add).await?;
        lake.catalog.put_partitions(&table.name, &relocate).await?;
        // Last: a reader in between meets lines twice, which merge takes for copies, rather than not at all.
        lake.catalog.drop_partitions(&table.name, &values(drop)).await?;
    }
    Ok(repair)
}

fn values(partitions: impl IntoIterator<Item = Partition>) -> Vec<Vec<String>> {
    partitions.into_iter().map(|partition| partition.values).collect()
}

/// One filter a day for a range, or one for everything.
fn filters(range: Option<(Hour, Hour)>) -> Vec<PartitionFilter> {
    match range {
        Some((from, to)) => Day::range(from.day(), to.day()).map(filter_within).collect(),
        None => vec![PartitionFilter::default()],
    }
}

/// Goes down `year=/month=/day=/hour=`, only where the range may have hours.
struct Walk<'a> {
    lake: &'a Lake,
    table: &'a TableLayout,
    range: Option<(Hour, Hour)>,
    hours: BTreeSet<Hour>,
    ignored: Vec<Location>,
    astray: Vec<Location>,
}

impl Walk<'_> {
    fn descend(&mut self, folder: Location, numbers: Vec<u32>) -> BoxFuture<'_, Result<()>> {
        async move {
            let children = self.lake.store.children(&folder).await?;
            // Query engines pass over the others.
            self.astray.extend(children.objects.into_iter().filter(|object| !object.name().starts_with(['_', '.'])));
            for below in children.folders {
                let key = Hour::KEYS[numbers.len()];
                let number = below.name().strip_prefix(key).and_then(|rest| rest.strip_prefix('=')?.parse().ok());
                let Some(number) = number else {
                    self.ignored.push(below);
                    continue;
                };
                let numbers: Vec<u32> = numbers.iter().copied().chain([number]).collect();
                if !self.may_hold(&numbers) {
                    continue;
                }
                if numbers.len() < Hour::KEYS.len() {
                    self.descend(below, numbers).await?;
                } else {
                    match self.table.period_of_folder(&below) {
                        Some(hour) => drop(self.hours.insert(hour)),
                        None => self.ignored.push(below),
                    }
                }
            }
            Ok(())
        }
        .boxed()
    }

    /// Whether an hour of the range may begin with these numbers.
    fn may_hold(&self, numbers: &[u32]) -> bool {
        self.range.is_none_or(|(from, to)| {
            numbers >= &from.numbers()[..numbers.len()] && numbers <= &to.numbers()[..numbers.len()]
        })
    }
}
