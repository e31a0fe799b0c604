//! What is done and who is at it, in the lake's catalog: a small table of its own with a partition per job, whose
//! parameters hold
//!
//! - for each entry of the list since when it is run, up to which scheduled time everything is done, and how often the next
//!   one failed;
//! - the lease of the scheduler that runs the job just now. It is renewed while the job runs. One that ran out, because
//!   its scheduler died or was asleep, is anybody's.
//!
//! A lease and what is done change together, by the catalog's compare and swap, so that of two schedulers one runs a job
//! and the other sees that it is done. Leases go by the clocks of the machines, which must agree to within seconds. If
//! they do not, or a scheduler is killed and its job lives on, a job may run twice at once, which the jobs bear: one of
//! the runs publishes.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use meterlake_core::catalog::{Column, Parameters, Partition, StorageFormat, Swap, Table, required_table};
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::names::TableName;

use crate::list::{Entry, Schedules};

/// The table's name. It has no rows, and its folder no objects.
const TABLE: &str = "meterlake_schedules";
const FOLDER: &str = ".meterlake/schedules";
const SINCE: &str = "since.";
const DONE: &str = "done.";
const FAILURES: &str = "failures.";
const RETRY_AT: &str = "retry_at.";
const OWNER: &str = "lease.owner";
const UNTIL: &str = "lease.until";

/// How long a lease holds unless it is renewed.
pub const LEASE: TimeDelta = TimeDelta::seconds(60);

/// The bookkeeping of a lake's schedules, as one scheduler sees it.
#[derive(Clone)]
pub struct Book {
    lake: Lake,
    table: TableName,
    folder: Location,
    /// The scheduler that writes here.
    owner: String,
    /// How long its leases hold.
    pub lease: TimeDelta,
}

/// What is noted of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobNotes {
    /// Who runs it.
    pub lease: Option<Lease>,
    /// How far its entries are.
    pub entries: BTreeMap<String, Progress>,
}

/// A scheduler's right to run a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The scheduler.
    pub owner: String,
    /// When it ends.
    pub until: DateTime<Utc>,
}

/// How far an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// When it was first seen on this lake, or its first replay began.
    pub since: DateTime<Utc>,
    /// All that was due up to then is done.
    pub done: DateTime<Utc>,
    /// How often the next one failed.
    pub failures: u32,
    /// When that is tried again.
    pub retry_at: Option<DateTime<Utc>>,
}

/// The notes of all jobs, by name.
pub type Notes = BTreeMap<&'static str, JobNotes>;

impl Progress {
    /// Nothing was due before.
    #[must_use]
    pub fn begin(since: DateTime<Utc>) -> Self {
        Self { since, done: since, failures: 0, retry_at: None }
    }

    /// Everything up to a time is done.
    #[must_use]
    pub fn done(self, done: DateTime<Utc>) -> Self {
        Self { done, ..Self::begin(self.since) }
    }
}

impl JobNotes {
    /// The lease of another scheduler, if there is one that holds.
    fn held_by_other(&self, owner: &str, now: DateTime<Utc>) -> Option<&Lease> {
        self.lease.as_ref().filter(|lease| lease.owner != owner && lease.until > now)
    }

    fn is_mine(&self, owner: &str) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.owner == owner)
    }

    fn read(partition: &Partition) -> Result<Self> {
        let parameters = &partition.parameters;
        let time = |text: &String| text.parse::<DateTime<Utc>>().with_context(|| format!("`{text}` is no time"));
        let lease = match (parameters.get(OWNER), parameters.get(UNTIL)) {
            (Some(owner), Some(until)) => Some(Lease { owner: owner.clone(), until: time(until)? }),
            _ => None,
        };
        let mut entries = BTreeMap::new();
        for (key, done) in parameters {
            let Some(name) = key.strip_prefix(DONE) else { continue };
            let failures = parameters.get(&format!("{FAILURES}{name}")).map_or(Ok(0), |number| number.parse())?;
            let retry_at = parameters.get(&format!("{RETRY_AT}{name}")).map(time).transpose()?;
            let since = time(parameters.get(&format!("{SINCE}{name}")).unwrap_or(done))?;
            entries.insert(name.to_owned(), Progress { since, done: time(done)?, failures, retry_at });
        }
        Ok(Self { lease, entries })
    }

    fn parameters(&self) -> Parameters {
        let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
        let mut parameters = Parameters::new();
        if let Some(lease) = &self.lease {
            parameters.insert(OWNER.to_owned(), lease.owner.clone());
            parameters.insert(UNTIL.to_owned(), text(lease.until));
        }
        for (name, progress) in &self.entries {
            parameters.insert(format!("{SINCE}{name}"), text(progress.since));
            parameters.insert(format!("{DONE}{name}"), text(progress.done));
            if progress.failures > 0 {
                parameters.insert(format!("{FAILURES}{name}"), progress.failures.to_string());
            }
            if let Some(retry_at) = progress.retry_at {
                parameters.insert(format!("{RETRY_AT}{name}"), text(retry_at));
            }
        }
        parameters
    }
}

impl Book {
    /// Opens the book of a lake; makes it if there is none. Leases hold for `lease`.
    ///
    /// # Errors
    /// The lake has no tables yet, or the catalog failed.
    pub async fn open(lake: &Lake, lease: TimeDelta) -> Result<Self> {
        required_table(&*lake.catalog, &lake.layout.raw.name).await?;
        let book = Self::at(lake, lease)?;
        lake.catalog.create_table(&definition(&book.table, &book.folder)).await?;
        Ok(book)
    }

    fn at(lake: &Lake, lease: TimeDelta) -> Result<Self> {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Self {
            lake: lake.clone(),
            table: TableName::new(lake.config.database.clone(), TABLE.parse()?),
            folder: lake.config.lake.join(FOLDER),
            owner: format!("{host}, process {}, {}", std::process::id(), uuid::Uuid::new_v4().simple()),
            lease,
        })
    }

    /// How far the entries are that a lake has notes of. Changes nothing.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn entries(lake: &Lake, schedules: &Schedules) -> Result<BTreeMap<String, Progress>> {
        let book = Self::at(lake, LEASE)?;
        if lake.catalog.table(&book.table).await?.is_none() {
            return Ok(BTreeMap::new());
        }
        let notes = book.look(schedules).await?;
        Ok(notes.into_values().flat_map(|notes| notes.entries).collect())
    }

    /// The notes of the jobs of a list.
    ///
    /// # Errors
    /// The catalog failed, or somebody else wrote into it.
    pub async fn look(&self, schedules: &Schedules) -> Result<Notes> {
        let jobs = schedules.jobs();
        let values: Vec<Vec<String>> = jobs.iter().map(|job| vec![job.name.to_owned()]).collect();
        let partitions = self.lake.catalog.get_partitions(&self.table, &values).await?;
        let notes = |partition: Option<Partition>| self.notes(partition.as_ref());
        jobs.into_iter().zip(partitions).map(|(job, partition)| Ok((job.name, notes(partition)?))).collect()
    }

    /// Enters what is new in the list: what is due from now on will be run.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn enroll(&self, schedules: &Schedules, now: DateTime<Utc>) -> Result<()> {
        for job in schedules.jobs() {
            let new = |notes: &mut JobNotes| {
                let of_job = schedules.entries.iter().filter(|entry| entry.job.name == job.name);
                let missing: Vec<&Entry> = of_job.filter(|entry| !notes.entries.contains_key(&entry.name)).collect();
                for entry in &missing {
                    notes.entries.insert(entry.name.clone(), Progress::begin(now));
                }
                (!missing.is_empty()).then_some(())
            };
            self.change(job.name, new).await?;
        }
        Ok(())
    }

    /// Takes the lease of a job to run an entry that is at `done`. False: another scheduler has it, or was there.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn take(&self, entry: &Entry, done: DateTime<Utc>) -> Result<bool> {
        let taken = self.change(entry.job.name, |notes| {
            let is_due = notes.entries.get(&entry.name).is_some_and(|progress| progress.done == done);
            if !is_due || notes.held_by_other(&self.owner, Utc::now()).is_some() {
                return None;
            }
            notes.lease = Some(self.new_lease());
            Some(())
        });
        Ok(taken.await?.is_some())
    }

    /// Takes the lease of a job, whatever is due.
    ///
    /// # Errors
    /// Another scheduler has it, or the catalog failed.
    pub async fn take_job(&self, job: &'static str) -> Result<()> {
        let mut holder = None;
        let taken = self.change(job, |notes| {
            holder = notes.held_by_other(&self.owner, Utc::now()).cloned();
            holder.is_none().then(|| notes.lease = Some(self.new_lease()))
        });
        taken.await?;
        match holder {
            None => Ok(()),
            Some(Lease { owner, until }) => bail!(
                "another scheduler runs {job} ({owner}): stop it, or wait; if it is dead its lease ends at {}",
                until.to_rfc3339_opts(SecondsFormat::Secs, true)
            ),
        }
    }

    /// Renews the lease of a job. False: another scheduler has taken it.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn renew(&self, job: &'static str) -> Result<bool> {
        let renewed =
            self.change(job, |notes| notes.is_mine(&self.owner).then(|| notes.lease = Some(self.new_lease())));
        Ok(renewed.await?.is_some())
    }

    /// Gives the lease of a job back and notes how far an entry is. False: another scheduler has taken the lease.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn finish(&self, job: &'static str, entry: Option<(&str, Progress)>) -> Result<bool> {
        let finished = self.change(job, |notes| {
            if !notes.is_mine(&self.owner) {
                return None;
            }
            notes.lease = None;
            if let Some((name, progress)) = entry {
                notes.entries.insert(name.to_owned(), progress);
            }
            Some(())
        });
        Ok(finished.await?.is_some())
    }

    /// Notes that all from `from` on and before `to` is done, for the entries that were done up to `from` or are new.
    ///
    /// # Errors
    /// The catalog failed.
    pub async fn advance(&self, schedules: &Schedules, from: DateTime<Utc>, to: DateTime<Utc>) -> Result<()> {
        let [before_from, done] = [from, to].map(|time| time - TimeDelta::seconds(1));
        let new = Progress { since: from, ..Progress::begin(before_from) };
        for entry in &schedules.entries {
            let advance = |notes: &mut JobNotes| {
                let before = notes.entries.get(&entry.name).copied().unwrap_or(new);
                // What is due between is done, and what was done later stays so.
                let joins = before.done < done && entry.due_after(before.done).next().is_none_or(|next| next >= from);
                if joins {
                    notes.entries.insert(entry.name.clone(), before.done(done));
                }
                joins.then_some(())
            };
            self.change(entry.job.name, advance).await?;
        }
        Ok(())
    }

    /// The table that it is kept in.
    #[must_use]
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// The lease of another scheduler on a job, if there is one that holds.
    #[must_use]
    pub fn holder<'n>(&self, notes: &'n JobNotes, now: DateTime<Utc>) -> Option<&'n Lease> {
        notes.held_by_other(&self.owner, now)
    }

    fn new_lease(&self) -> Lease {
        Lease { owner: self.owner.clone(), until: Utc::now() + self.lease }
    }

    fn notes(&self, partition: Option<&Partition>) -> Result<JobNotes> {
        let Some(partition) = partition else { return Ok(JobNotes::default()) };
        JobNotes::read(partition).with_context(|| {
            format!("the notes on {} in the table {} are damaged", partition.values.join("/"), self.table)
        })
    }

    /// Changes the notes of a job, as often as another scheduler changes them meanwhile. `change` may leave them as they
    /// are, with `None`.
    async fn change<T>(
        &self,
        job: &'static str,
        mut change: impl FnMut(&mut JobNotes) -> Option<T>,
    ) -> Result<Option<T>> {
        let values = [vec![job.to_owned()]];
        loop {
            let before = self.lake.catalog.get_partitions(&self.table, &values).await?.pop().flatten();
            let mut notes = self.notes(before.as_ref())?;
            let Some(changed) = change(&mut notes) else { return Ok(None) };
            let after = Partition {
                values: vec![job.to_owned()],
                location: self.folder.join(job),
                parameters: notes.parameters(),
            };
            if self.lake.catalog.swap_partition(&self.table, &after, before.as_ref()).await? == Swap::Done {
                return Ok(Some(changed));
            }
        }
    }
}

fn definition(table: &TableName, folder: &Location) -> Table {
    let column = |name: &str, comment: &str| Column {
        name: name.to_owned(),
        data_type: "string".to_owned(),
        comment: Some(comment.to_owned()),
    };
    Table {
        name: table.clone(),
        columns: vec![column("nothing", "the notes are in the parameters of the partitions")],
        partition_keys: vec![column("job", "the job")],
        location: folder.clone(),
        format: StorageFormat {
            input_format: "org.apache.hadoop.mapred.TextInputFormat".to_owned(),
            output_format: "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat".to_owned(),
            serde: "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe".to_owned(),
            serde_parameters: Parameters::new(),
        },
        parameters: Parameters::new(),
    }
}
