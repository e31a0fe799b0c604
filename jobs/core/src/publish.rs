//! Publishing: one catalog call moves a partition's pointer to the generation that a run wrote.

use anyhow::{Context, Result};
use chrono::{DateTime, SecondsFormat, Utc};

use crate::catalog::{Parameters, Partition, Swap};
use crate::generation::Generation;
use crate::lake::Lake;
use crate::layout::TableLayout;
use crate::location::Location;
use crate::names::TableName;
use crate::period::Period;
use crate::record;

const PREFIX: &str = "meterlake.";
const GENERATION: &str = "meterlake.generation";
const FINGERPRINT: &str = "meterlake.fingerprint";
const SQL: &str = "meterlake.sql";
const PUBLISHED_AT: &str = "meterlake.published_at";

/// What is noted with a partition when it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The generation that it points at.
    pub generation: Generation,
    /// What that was made from.
    pub fingerprint: String,
    /// The SQL that made it: `merge_hour@1`.
    pub sql: String,
    /// When.
    pub published_at: DateTime<Utc>,
    /// What else the job notes; keys without a prefix.
    pub notes: Parameters,
}

impl Publication {
    /// Reads it back; `None` if the partition was not published by a job.
    #[must_use]
    pub fn of(partition: &Partition) -> Option<Self> {
        let text = |key: &str| partition.parameters.get(key).cloned();
        let known = [GENERATION, FINGERPRINT, SQL, PUBLISHED_AT];
        let notes = partition
            .parameters
            .iter()
            .filter(|(key, _)| !known.contains(&key.as_str()))
            .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?.to_owned(), value.clone())));
        Some(Self {
            generation: text(GENERATION)?.parse().ok()?,
            fingerprint: text(FINGERPRINT)?,
            sql: text(SQL)?,
            published_at: text(PUBLISHED_AT)?.parse().ok()?,
            notes: notes.collect(),
        })
    }

    /// A note as a number; 0 if it is missing.
    #[must_use]
    pub fn number(&self, key: &str) -> u64 {
        self.notes.get(key).and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// The partition that points at `location`, with this noted.
    #[must_use]
    pub fn partition(&self, values: Vec<String>, location: Location) -> Partition {
        let mut parameters: Parameters =
            self.notes.iter().map(|(key, value)| (format!("{PREFIX}{key}"), value.clone())).collect();
        parameters.insert(GENERATION.to_owned(), self.generation.to_string());
        parameters.insert(FINGERPRINT.to_owned(), self.fingerprint.clone());
        parameters.insert(SQL.to_owned(), self.sql.clone());
        parameters.insert(PUBLISHED_AT.to_owned(), self.published_at.to_rfc3339_opts(SecondsFormat::Millis, true));
        Partition { values, location, parameters }
    }
}

/// Moves a partition's pointer, if it still is where `expected` says; first makes the new data durable.
///
/// # Errors
/// The data cannot be flushed or the catalog failed; the old generation stays published.
pub async fn publish(
    lake: &Lake,
    table: &TableLayout,
    partition: &Partition,
    expected: Option<&Partition>,
) -> Result<Swap> {
    lake.store.persist(&Generation::folder_around(&partition.location)).await?;
    let swapped = lake.catalog.swap_partition(&table.name, partition, expected).await;
    swapped.with_context(|| format!("cannot publish {} in {}", partition.location, table.name))
}

/// What a vacuum removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vacuumed {
    /// Folders of superseded and orphaned generations.
    pub generations: u64,
    /// Tables that crashed runs left in the catalog.
    pub staging_tables: u64,
    /// Notes of runs and of the catalog that nobody reads any more.
    pub notes: u64,
}

/// Deletes the generations in a partition's folder that no reader can need any more.
///
/// A generation that is not published goes `vacuum_after` after it was superseded or, if it never was published, after
/// its run began. A run or a query must not take longer than that.
///
/// # Errors
/// The store failed. What is published is never touched.
pub async fn vacuum_partition(lake: &Lake, folder: &Location, current: Option<&Partition>) -> Result<Vacuumed> {
    vacuum_folder(lake, folder, current, &[]).await
}

/// The same; what the partitions `also` point at stays as well.
async fn vacuum_folder(
    lake: &Lake,
    folder: &Location,
    current: Option<&Partition>,
    also: &[Partition],
) -> Result<Vacuumed> {
    let published_at = current.and_then(Publication::of).map(|publication| publication.published_at);
    let mut vacuumed = Vacuumed::default();
    if let Some(current) = current {
        lake.store.sweep(&Generation::folder_around(&current.location), lake.config.vacuum_after).await?;
    }
    for candidate in lake.store.folders(folder).await? {
        let Some(generation) = Generation::of_folder(&candidate) else { continue };
        let is_published = current.into_iter().chain(also).any(|current| is_in(&current.location, &candidate));
        let needed_since = published_at.map_or(generation.started(), |at| at.max(generation.started()));
        if is_published || !is_over(lake, needed_since) {
            continue;
        }
        lake.store.delete_folder(&candidate).await?;
        tracing::info!(folder = %candidate, "deleted a generation that is not published");
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

/// Deletes the notes by which runs join each other's statements, and those of the catalog, that nobody reads any more.
///
/// # Errors
/// The store or the catalog failed.
pub async fn vacuum_notes(lake: &Lake) -> Result<Vacuumed> {
    let notes = record::vacuum(lake).await? + lake.catalog.vacuum().await?;
    Ok(Vacuumed { notes, ..Vacuumed::default() })
}

/// Vacuums every partition folder of a table that has a partition per period; what the partitions of the tables `also`
/// point at stays as well.
///
/// # Errors
/// The store or the catalog failed.
pub async fn vacuum_table<P: Period>(lake: &Lake, table: &TableLayout, also: &[&TableLayout]) -> Result<Vacuumed> {
    let mut vacuumed = Vacuumed::default();
    let mut folders = vec![table.folder.clone()];
    for _ in P::KEYS {
        let mut below = Vec::new();
        for folder in folders {
            below.extend(lake.store.folders(&folder).await?);
        }
        folders = below;
    }
    for folder in folders {
        let Some(period) = table.period_of_folder::<P>(&folder) else { continue };
        // Asked for each folder anew, just before deleting: a run may publish meanwhile.
        let values = [table.partition(period).values];
        let current = lake.catalog.get_partitions(&table.name, &values).await?.pop().flatten();
        let mut others = Vec::new();
        for table in also {
            others.extend(lake.catalog.get_partitions(&table.name, &values).await?.into_iter().flatten());
        }
        vacuumed.generations += vacuum_folder(lake, &folder, current.as_ref(), &others).await?.generations;
    }
    Ok(vacuumed)
}

/// Whether a partition's objects lie in a generation's folder, straight or further below.
fn is_in(location: &Location, generation: &Location) -> bool {
    location == generation || location.relative_to(generation).is_some()
}

/// Whether `vacuum_after` has passed since then.
fn is_over(lake: &Lake, since: DateTime<Utc>) -> bool {
    (Utc::now() - since).to_std().is_ok_and(|age| age >= lake.config.vacuum_after)
}
