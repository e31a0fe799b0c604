//! What is noted of a generation when it is published, and which generations are deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use futures::future::ready;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::catalog::{Parameters, Partition};
use crate::generation::Generation;
use crate::lake::Lake;
use crate::layout::{TableLayout, period_values};
use crate::location::Location;
use crate::names::TableName;
use crate::notes::Published;
use crate::period::{Month, Period};
use crate::publications::{self, Head};

const GENERATION: &str = "meterlake.generation";
const FINGERPRINT: &str = "meterlake.fingerprint";
const SQL: &str = "meterlake.sql";
const PUBLISHED_AT: &str = "meterlake.published_at";
/// What its job notes, as JSON.
const NOTES: &str = "meterlake.notes";
/// The number of the entry that a partition of the catalog shows.
pub(crate) const ENTRY: &str = "meterlake.entry";
/// What tells the putting of a partition into the catalog from every other.
pub(crate) const MARK: &str = "meterlake.mark";

/// Periods that are vacuumed side by side.
const AT_ONCE: usize = 8;
/// What deleting the generations of a period may take.
const ENOUGH_FOR_A_PERIOD: Duration = Duration::from_secs(20);

/// What is noted with a generation when it is published.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Publication<P: Published> {
    /// The generation that it points at.
    pub generation: Generation,
    /// What that was made from.
    pub fingerprint: String,
    /// The SQL that made it: `merge_hour@1`.
    pub sql: String,
    /// When.
    pub published_at: DateTime<Utc>,
    /// What else its job notes.
    pub notes: P::Notes,
}

impl<P: Published> Publication<P> {
    /// Reads it back; `None` if the partition was not published by a job.
    #[must_use]
    pub fn of(partition: &Partition) -> Option<Self> {
        let text = |key: &str| partition.parameters.get(key);
        Some(Self {
            generation: text(GENERATION)?.parse().ok()?,
            fingerprint: text(FINGERPRINT)?.clone(),
            sql: text(SQL)?.clone(),
            published_at: text(PUBLISHED_AT)?.parse().ok()?,
            notes: serde_json::from_str(text(NOTES)?).ok()?,
        })
    }

    /// The partition that points at `location`, with this noted.
    ///
    /// # Errors
    /// The notes are no JSON.
    pub fn partition(&self, values: Vec<String>, location: Location) -> Result<Partition> {
        let notes = serde_json::to_string(&self.notes).context("what a job notes cannot be written as JSON")?;
        let published_at = self.published_at.to_rfc3339_opts(SecondsFormat::Millis, true);
        let parameters = [
            (GENERATION, self.generation.to_string()),
            (FINGERPRINT, self.fingerprint.clone()),
            (SQL, self.sql.clone()),
            (PUBLISHED_AT, published_at),
            (NOTES, notes),
        ];
        let parameters: Parameters = parameters.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Ok(Partition { values, location, parameters })
    }
}

/// What a vacuum removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vacuumed {
    /// Folders of superseded and orphaned generations.
    pub generations: u64,
    /// Tables that crashed runs left in the catalog.
    pub staging_tables: u64,
}

/// Of some generations of a period, by their folders, deletes those that no reader can need any more. `also`: partitions of other
/// tables whose generations stay as well.
///
/// A generation that is not published goes `vacuum_after` after it was superseded or, if it never was published, after
/// its run began. A run or a query must not take longer than that. Before the first is deleted, an entry that repeats what is
/// published takes the number that a run which slept would publish with.
///
/// # Errors
/// The store or the catalog failed. What is published is never touched.
pub(crate) async fn vacuum_period<P: Published>(
    lake: &Lake,
    table: &TableLayout,
    period: P,
    head: &Head<P>,
    generations: Vec<Location>,
    also: &[Partition],
) -> Result<Vacuumed> {
    let current = head.partition.as_ref();
    let published_at = head.publication().map(|publication| publication.published_at);
    let mut unneeded = Vec::new();
    for folder in generations {
        let Some(generation) = Generation::of_folder(&folder) else { continue };
        let is_published = current.into_iter().chain(also).any(|current| is_in(&current.location, &folder));
        let needed_since = published_at.map_or(generation.started(), |at| at.max(generation.started()));
        if !is_published && is_over(lake, needed_since) {
            unneeded.push(folder);
        }
    }
    let mut vacuumed = Vacuumed::default();
    if unneeded.is_empty() || publications::append(lake, table, period, head.number, current).await?.is_none() {
        return Ok(vacuumed);
    }
    for folder in unneeded {
        lake.store.delete_folder(&folder).await?;
        tracing::info!(%folder, "deleted a generation that is not published");
        vacuumed.generations += 1;
    }
    Ok(vacuumed)
}

/// Drops the staging tables that crashed runs left behind; their data goes with their generation.
///
/// # Errors
/// The catalog failed.
pub async fn vacuum_staging(lake: &Lake) -> Result<Vacuumed> {
    let mut vacuumed = Vacuumed::default();
    for table in lake.catalog.tables(&lake.config.database).await? {
        let Some(generation) = Generation::of_staging_table(&table) else { continue };
        let name = TableName::new(lake.config.database.clone(), table);
        if is_over(lake, generation.started()) && lake.catalog.drop_table(&name).await? {
            vacuumed.staging_tables += 1;
        }
    }
    Ok(vacuumed)
}

/// Vacuums every period of a table, the newest first; what the partitions of the tables `also` point at stays as well. Where the
/// deadline is near, the older periods are left to the next run.
///
/// # Errors
/// The store or the catalog failed.
pub async fn vacuum_table<P: Published>(
    lake: &Lake,
    table: &TableLayout,
    also: &[&TableLayout],
    deadline: Option<Instant>,
) -> Result<Vacuumed> {
    // What killed runs left half-written of what others published.
    lake.store.sweep(&table.folder, lake.config.vacuum_after).await?;
    let heads: BTreeMap<P, Head<P>> = publications::heads_since(lake, table, None).await?.into_iter().collect();
    let generations: BTreeMap<P, Vec<Location>> = generations(lake, table).await?;
    let has_time = || deadline.is_none_or(|deadline| Instant::now() + ENOUGH_FOR_A_PERIOD < deadline);
    let in_time = stream::iter(generations.into_iter().rev()).take_while(|(period, _)| {
        let has_time = has_time();
        if !has_time {
            tracing::warn!(table = %table.name, %period, "there is no time to vacuum what is older; the next run does");
        }
        ready(has_time)
    });
    let vacuumed = in_time.map(|(period, generations)| {
        // Where a run publishes meanwhile, its entry comes first, and nothing is deleted.
        let head = heads.get(&period).cloned().unwrap_or_default();
        async move {
            let mut others = Vec::new();
            for table in also {
                let values = [period_values(period)];
                others.extend(lake.catalog.get_partitions(&table.name, &values).await?.into_iter().flatten());
            }
            vacuum_period(lake, table, period, &head, generations, &others).await
        }
    });
    let vacuumed: Vec<Vacuumed> = vacuumed.buffered(AT_ONCE).try_collect().await?;
    Ok(Vacuumed { generations: vacuumed.iter().map(|one| one.generations).sum(), ..Vacuumed::default() })
}

/// The folders of all generations that have objects, by their periods.
async fn generations<P: Period>(lake: &Lake, table: &TableLayout) -> Result<BTreeMap<P, Vec<Location>>> {
    let mut found: BTreeSet<Location> = BTreeSet::new();
    if P::KEYS.len() > Month::KEYS.len() {
        // A few objects for each of many periods: one listing is a fraction of the calls.
        let objects = lake.store.list(&table.folder).await?;
        found.extend(objects.iter().map(|object| Generation::folder_around(&object.location)));
    } else {
        // Few periods, and a generation of one may have a page for each of a million customers.
        let mut folders = vec![table.folder.clone()];
        for _ in 0..=P::KEYS.len() {
            let mut below = Vec::new();
            for folder in folders {
                below.extend(lake.store.folders(&folder).await?);
            }
            folders = below;
        }
        found.extend(folders);
    }
    let mut generations: BTreeMap<P, Vec<Location>> = BTreeMap::new();
    for folder in found {
        if let Some(period) = table.period_of_folder(&folder.parent()) {
            generations.entry(period).or_default().push(folder);
        }
    }
    Ok(generations)
}

/// Whether a partition's objects lie in a generation's folder, straight or further below.
fn is_in(location: &Location, generation: &Location) -> bool {
    location == generation || location.relative_to(generation).is_some()
}

/// Whether `vacuum_after` has passed since then.
fn is_over(lake: &Lake, since: DateTime<Utc>) -> bool {
    (lake.clock.now() - since).to_std().is_ok_and(|age| age >= lake.config.vacuum_after)
}
