//! What is published: a log for each period of each table, of which the last entry is the truth.
//!
//! An entry is the whole state of a period: the folder of the generation that is published, and all that its job noted. A job
//! publishes by writing the entry after the one that it read when it began. The catalog is a mirror: its partition carries the
//! number of the entry that it shows. It may be behind (a run was cut off, an update came late), so whoever looks compares
//! that number with the log, and puts the mirror right.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::catalog::{Partition, PartitionFilter};
use crate::generation::Generation;
use crate::lake::Lake;
use crate::layout::{TableLayout, period_of_path, period_of_values, period_path, period_values};
use crate::location::Location;
use crate::log::{self, Log};
use crate::notes::Published;
use crate::publish::{ENTRY, MARK, Publication};

/// Logs that are read side by side.
const AT_ONCE: usize = 8;
/// More folders than that are listed by the one above them.
const MOST_FOLDERS: usize = 4;

/// The last entry of a period's log.
#[derive(Debug, Clone)]
pub struct Head<P> {
    /// Its number; 0: there is no entry.
    pub number: u64,
    /// What it publishes. `None`: nothing, as before the first publication.
    pub partition: Option<Partition>,
    /// The mark of the catalog's partition when it was looked at: each that is put has another.
    mark: String,
    period: PhantomData<P>,
}

/// There is no entry.
impl<P> Default for Head<P> {
    fn default() -> Self {
        Self::new(0, None, String::new())
    }
}

/// Two looks at one entry are equal, whatever was put into the catalog between them.
impl<P> PartialEq for Head<P> {
    fn eq(&self, other: &Self) -> bool {
        (self.number, &self.partition) == (other.number, &other.partition)
    }
}

impl<P> Head<P> {
    fn new(number: u64, partition: Option<Partition>, mark: String) -> Self {
        Self { number, partition, mark, period: PhantomData }
    }
}

impl<P: Published> Head<P> {
    /// What the job that published it noted.
    #[must_use]
    pub fn publication(&self) -> Option<Publication<P>> {
        self.partition.as_ref().and_then(Publication::of)
    }
}

/// An entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct State<P: Published> {
    published: Option<Placed<P>>,
}

/// A publication and where it lies.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
struct Placed<P: Published> {
    /// The folder of the rows, below the lake's.
    folder: String,
    #[serde(flatten)]
    publication: Publication<P>,
}

impl<P: Published> State<P> {
    fn of(lake: &Lake, partition: Option<&Partition>) -> Result<Self> {
        let published = partition.map(|partition| -> Result<_> {
            let folder = partition.location.relative_to(&lake.config.lake);
            let folder = folder.with_context(|| format!("{} lies outside the lake", partition.location))?.to_owned();
            let publication = Publication::of(partition).context("a partition without a job's notes is published")?;
            Ok(Placed { folder, publication })
        });
        Ok(Self { published: published.transpose()? })
    }

    fn partition(self, lake: &Lake, values: Vec<String>) -> Result<Option<Partition>> {
        let placed = self.published;
        placed.map(|one| one.publication.partition(values, lake.config.lake.join(&one.folder))).transpose()
    }
}

/// What is published of one period.
///
/// # Errors
/// The table does not exist, or the store or the catalog failed.
pub async fn head<P: Published>(lake: &Lake, table: &TableLayout, period: P) -> Result<Head<P>> {
    Ok(heads(lake, table, &[period]).await?.pop().unwrap_or_default())
}

/// What is published of some periods, in their order.
///
/// # Errors
/// As for [`head`].
pub async fn heads<P: Published>(lake: &Lake, table: &TableLayout, periods: &[P]) -> Result<Vec<Head<P>>> {
    let values: Vec<Vec<String>> = periods.iter().map(|period| period_values(*period)).collect();
    let mirror = lake.catalog.get_partitions(&table.name, &values).await?;
    let mirrored: Vec<(P, Head<P>)> = periods.iter().copied().zip(mirror.into_iter().map(mirrored)).collect();
    let folders = worth_listing(periods.iter().map(|period| folder_of(lake, table, *period)));
    let listed = stream::iter(folders.clone()).map(|folder| last_numbers::<P>(lake, table, folder));
    let listed: Vec<BTreeMap<P, u64>> = listed.buffered(AT_ONCE).try_collect().await?;
    let last: BTreeMap<P, u64> = listed.into_iter().flatten().collect();
    let newest = stream::iter(mirrored).map(|(period, mirror)| {
        let log = folder_of(lake, table, period);
        let is_listed = folders.contains(&log.parent()) || folders.contains(&log.parent().parent());
        let known = is_listed.then(|| last.get(&period).copied().unwrap_or_default());
        async move { newest(lake, table, period, mirror, known).await }
    });
    settle(lake, table, newest.buffered(AT_ONCE).try_collect().await?).await
}

/// What is published of all periods from `first` on, or of all: those that have an entry, in order.
///
/// # Errors
/// As for [`head`].
pub async fn heads_since<P: Published>(
    lake: &Lake,
    table: &TableLayout,
    first: Option<P>,
) -> Result<Vec<(P, Head<P>)>> {
    let first_year = first.map_or(0, |first| first.numbers()[0]);
    let since = PartitionFilter::default().and(P::KEYS[0], first_year.into(), i64::MAX);
    let mut mirror: BTreeMap<P, Head<P>> = BTreeMap::new();
    for partition in lake.catalog.partitions(&table.name, &since).await? {
        // Only what is spelled as we spell it is a mirror of ours.
        let period = period_of_values::<P>(&partition.values).filter(|it| period_values(*it) == partition.values);
        mirror.extend(period.map(|period| (period, mirrored(Some(partition)))));
    }
    let mut last: BTreeMap<P, u64> = BTreeMap::new();
    for year in lake.store.folders(&root(lake, table)).await? {
        let number = year.name().strip_prefix(P::KEYS[0]).and_then(|rest| rest.strip_prefix('=')?.parse::<u32>().ok());
        if number.is_some_and(|number| number >= first_year) {
            last.extend(last_numbers(lake, table, year).await?);
        }
    }
    let periods: BTreeSet<P> = last.keys().chain(mirror.keys()).copied().collect();
    let wanted = periods.into_iter().filter(|period| first.is_none_or(|first| *period >= first));
    let newest = stream::iter(wanted).map(|period| {
        let mirror = mirror.get(&period).cloned().unwrap_or_default();
        let last = last.get(&period).copied().unwrap_or_default();
        async move { anyhow::Ok((period, newest(lake, table, period, mirror, Some(last)).await?)) }
    });
    let newest: Vec<(P, Newest<P>)> = newest.buffered(AT_ONCE).try_collect().await?;
    let (periods, newest): (Vec<P>, Vec<Newest<P>>) = newest.into_iter().unzip();
    let heads = periods.into_iter().zip(settle(lake, table, newest).await?);
    Ok(heads.filter(|(_, head)| head.number > 0).collect())
}

/// The partitions of a table of which no job published anything: registered under another spelling of a period (`1` beside `01`),
/// of a period that publishes nothing, or of no period at all. A statement may count its rows twice. One that only points
/// elsewhere is put right by the look. `owner` is the table whose logs say what is published: the same one, or the one that it
/// follows.
///
/// # Errors
/// As for [`head`].
pub async fn strangers<P: Published>(lake: &Lake, owner: &TableLayout, table: &TableLayout) -> Result<Vec<Partition>> {
    // First the catalog, then the logs: what is published meanwhile is not taken for a stranger.
    let partitions = lake.catalog.partitions(&table.name, &PartitionFilter::default()).await?;
    Ok(strangers_among::<P>(partitions, &heads_since(lake, owner, None).await?))
}

/// Those of some partitions of which no job published anything, by what was published after they were listed.
#[must_use]
pub fn strangers_among<P: Published>(partitions: Vec<Partition>, heads: &[(P, Head<P>)]) -> Vec<Partition> {
    let published = heads.iter().filter(|(_, head)| head.partition.is_some());
    let published: BTreeSet<Vec<String>> = published.map(|(period, _)| period_values(*period)).collect();
    partitions.into_iter().filter(|partition| !published.contains(&partition.values)).collect()
}

/// What each period published at a time, of those that had published something, and whether it is what is published now.
///
/// # Errors
/// As for [`head`].
pub async fn published_at<P: Published>(
    lake: &Lake,
    table: &TableLayout,
    time: DateTime<Utc>,
) -> Result<Vec<(P, Partition, bool)>> {
    let heads = heads_since::<P>(lake, table, None).await?;
    let then = stream::iter(heads).map(|(period, head)| async move {
        let (log, mut partition, mut is_now) = (log_of(lake, table, period), head.partition, true);
        for number in (0..head.number).rev() {
            // The time of an entry is that of the publication which it holds, and entries are in the order of time.
            let is_later = |partition: &Partition| {
                Publication::<P>::of(partition).is_some_and(|publication| publication.published_at > time)
            };
            if !partition.as_ref().is_some_and(is_later) {
                break;
            }
            let now = partition.take().map(|partition| partition.location);
            if let Some(entry) = log.entry::<State<P>>(number).await? {
                partition = entry.content.partition(lake, period_values(period))?;
            }
            is_now &= partition.as_ref().map(|partition| &partition.location) == now.as_ref();
        }
        anyhow::Ok(partition.map(|partition| (period, partition, is_now)))
    });
    let then: Vec<Option<(P, Partition, bool)>> = then.buffered(AT_ONCE).try_collect().await?;
    Ok(then.into_iter().flatten().collect())
}

/// Publishes: writes the entry after `number`, and lets the catalog follow. `None`: there is one already.
///
/// # Errors
/// The store or the catalog failed. Nobody knows then whether it is published.
pub async fn append<P: Published>(
    lake: &Lake,
    table: &TableLayout,
    period: P,
    number: u64,
    partition: Option<&Partition>,
) -> Result<Option<Head<P>>> {
    let state = State::<P>::of(lake, partition)?;
    if !log_of(lake, table, period).append(number, &state).await? {
        return Ok(None);
    }
    let head = Head::<P>::new(number + 1, partition.cloned(), new_mark());
    mirror(lake, table, &[&head]).await?;
    Ok(Some(head))
}

/// Whether the catalog still shows these entries as it did when they were looked at. Then a statement that ran meanwhile read what
/// they name: an update that came late would have changed the partition's mark, and so would whoever put it right again.
///
/// # Errors
/// The table does not exist, or the catalog failed.
pub async fn are_shown<P: Published>(lake: &Lake, table: &TableLayout, heads: &[(P, Head<P>)]) -> Result<bool> {
    let values: Vec<Vec<String>> = heads.iter().map(|(period, _)| period_values(*period)).collect();
    let shown = lake.catalog.get_partitions(&table.name, &values).await?.into_iter().map(mirrored::<P>);
    Ok(heads.iter().zip(shown).all(|((_, head), shown)| head.partition.is_none() || head.mark == shown.mark))
}

/// What the mirror and the log say of a period.
struct Newest<P> {
    head: Head<P>,
    /// The mirror shows another.
    is_behind: bool,
}

/// `last` is the number of the log's last entry, where it is known.
async fn newest<P: Published>(
    lake: &Lake,
    table: &TableLayout,
    period: P,
    mirror: Head<P>,
    last: Option<u64>,
) -> Result<Newest<P>> {
    let log = log_of(lake, table, period);
    let entry = match last {
        None => log.last_after::<State<P>>(mirror.number).await?,
        Some(last) if last > mirror.number => log.last_after(last - 1).await?,
        // To go on would be to begin a second truth beside what is published.
        Some(last) if last < mirror.number => bail!(
            "the catalog shows entry {} of {period} in {}, and its log in {} ends at {last}: put the log back as it was",
            mirror.number,
            table.name,
            folder_of(lake, table, period)
        ),
        Some(_) => None,
    };
    Ok(match entry {
        None => Newest { head: mirror, is_behind: false },
        Some(entry) => {
            let partition = entry.content.partition(lake, period_values(period))?;
            Newest { is_behind: partition.is_some(), head: Head::new(entry.number, partition, new_mark()) }
        }
    })
}

/// Puts the mirror right where it was behind.
async fn settle<P: Published>(lake: &Lake, table: &TableLayout, newest: Vec<Newest<P>>) -> Result<Vec<Head<P>>> {
    let behind: Vec<&Head<P>> = newest.iter().filter(|one| one.is_behind).map(|one| &one.head).collect();
    if !behind.is_empty() {
        mirror(lake, table, &behind).await?;
    }
    Ok(newest.into_iter().map(|one| one.head).collect())
}

/// Lets the catalog show what is published.
async fn mirror<P: Published>(lake: &Lake, table: &TableLayout, heads: &[&Head<P>]) -> Result<()> {
    let partitions = heads.iter().filter_map(|head| {
        let mut partition = head.partition.clone()?;
        partition.parameters.insert(ENTRY.to_owned(), head.number.to_string());
        partition.parameters.insert(MARK.to_owned(), head.mark.clone());
        Some(partition)
    });
    let partitions: Vec<Partition> = partitions.collect();
    let put = lake.catalog.put_partitions(&table.name, &partitions).await;
    put.with_context(|| format!("cannot show in {} what is published", table.name))
}

/// What the catalog shows. A partition that shows no entry is none of ours, nor is one that somebody let point elsewhere.
fn mirrored<P: Published>(partition: Option<Partition>) -> Head<P> {
    let head = partition.and_then(|mut partition| {
        let number = partition.parameters.remove(ENTRY)?.parse().ok()?;
        let mark = partition.parameters.remove(MARK)?;
        let shown = Generation::of_folder(&Generation::folder_around(&partition.location))?;
        let published = Publication::<P>::of(&partition)?;
        (published.generation == shown).then(|| Head::new(number, Some(partition), mark))
    });
    head.unwrap_or_default()
}

/// A mark that no other partition has.
pub(crate) fn new_mark() -> String {
    format!("{:032x}", rand::random::<u128>())
}

/// The folders that are listed once, rather than that each log in them is asked for its end: those with more than one of the
/// logs, or the folder above where they are many.
fn worth_listing(logs: impl Iterator<Item = Location>) -> BTreeSet<Location> {
    let mut of_folder: BTreeMap<Location, usize> = BTreeMap::new();
    logs.for_each(|log| *of_folder.entry(log.parent()).or_default() += 1);
    let mut of_parent: BTreeMap<Location, Vec<Location>> = BTreeMap::new();
    for folder in of_folder.into_iter().filter(|(_, logs)| *logs > 1).map(|(folder, _)| folder) {
        of_parent.entry(folder.parent()).or_default().push(folder);
    }
    let listed = of_parent.into_iter().flat_map(|(parent, folders)| match folders.len() > MOST_FOLDERS {
        true => vec![parent],
        false => folders,
    });
    listed.collect()
}

/// The numbers of the last entries of all logs below a folder.
async fn last_numbers<P: Published>(lake: &Lake, table: &TableLayout, folder: Location) -> Result<BTreeMap<P, u64>> {
    let root = root(lake, table);
    let mut last = BTreeMap::new();
    for object in lake.store.list(&folder).await? {
        let period = object.location.parent().relative_to(&root).and_then(period_of_path::<P>);
        if let (Some(period), Some(number)) = (period, log::number_of(&object.location)) {
            let known: &mut u64 = last.entry(period).or_default();
            *known = number.max(*known);
        }
    }
    Ok(last)
}

fn log_of<P: Published>(lake: &Lake, table: &TableLayout, period: P) -> Log {
    Log::new(&lake.store, folder_of(lake, table, period))
}

fn folder_of<P: Published>(lake: &Lake, table: &TableLayout, period: P) -> Location {
    root(lake, table).join(&period_path(period))
}

/// The folder above the logs of a table's periods.
pub(crate) fn root(lake: &Lake, table: &TableLayout) -> Location {
    lake.config.lake.join(log::FOLDER).join("publications").join(table.name.table.as_str())
}
