//! What is done and who is at it: a log for each job (`.meterlake/firings/<job>`), of which the last entry holds
//!
//! - for each entry of the list since when it is run, up to which scheduled time everything is done, and how often the next
//!   one failed;
//! - the lease of the scheduler that runs the job just now. It is renewed while the job runs. One that ran out, because
//!   its scheduler died or was asleep, is anybody's.
//!
//! A lease and what is done change together, in one entry, so that of two schedulers one runs a job and the other sees that
//! it is done. Leases go by the clocks of the machines, which must agree to within seconds. If they do not, or a scheduler is
//! killed and its job lives on, a job may run twice at once, which the jobs bear: one of the runs publishes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use meterlake_core::catalog::required_table;
use meterlake_core::lake::Lake;
use meterlake_core::log::{self, Entry as LogEntry, Log};
use serde::{Deserialize, Serialize};

use crate::list::{Entry, Schedules};

/// How long a lease holds unless it is renewed. Each renewal is an entry.
pub const LEASE: TimeDelta = TimeDelta::minutes(5);

/// The bookkeeping of a lake's schedules, as one scheduler sees it.
#[derive(Clone)]
pub struct Book {
    lake: Lake,
    /// The last entry of each job's log that was seen, so that the next look begins there.
    seen: Arc<Mutex<BTreeMap<String, LogEntry<JobNotes>>>>,
    /// The scheduler that writes here.
    owner: String,
    /// How long its leases hold.
    pub lease: TimeDelta,
}

/// What is noted of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobNotes {
    /// Who runs it.
    pub lease: Option<Lease>,
    /// How far its entries are.
    pub entries: BTreeMap<String, Progress>,
}

/// A scheduler's right to run a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The scheduler.
    pub owner: String,
    /// When it ends.
    pub until: DateTime<Utc>,
}

/// How far an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
}

impl Book {
    /// Opens the book of a lake. Leases hold for `lease`.
    ///
    /// # Errors
    /// The lake has no tables yet, or the catalog failed.
    pub async fn open(lake: &Lake, lease: TimeDelta) -> Result<Self> {
        required_table(&*lake.catalog, &lake.layout.raw.name).await?;
        Ok(Self::at(lake, lease))
    }

    fn at(lake: &Lake, lease: TimeDelta) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let owner = format!("{host}, process {}, {}", std::process::id(), uuid::Uuid::new_v4().simple());
        Self { lake: lake.clone(), seen: Arc::default(), owner, lease }
    }

    /// How far the entries are that a lake has notes of. Changes nothing.
    ///
    /// # Errors
    /// The store failed.
    pub async fn entries(lake: &Lake, schedules: &Schedules) -> Result<BTreeMap<String, Progress>> {
        let notes = Self::at(lake, LEASE).look(schedules).await?;
        Ok(notes.into_values().flat_map(|notes| notes.entries).collect())
    }

    /// The notes of the jobs of a list.
    ///
    /// # Errors
    /// The store failed, or somebody else wrote into the log.
    pub async fn look(&self, schedules: &Schedules) -> Result<Notes> {
        let mut notes = Notes::new();
        for job in schedules.jobs() {
            notes.insert(job.name, self.last(job.name).await?.content);
        }
        Ok(notes)
    }

    /// Enters what is new in the list: what is due from now on will be run.
    ///
    /// # Errors
    /// The store failed.
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
    /// The store failed.
    pub async fn take(&self, entry: &Entry, done: DateTime<Utc>) -> Result<bool> {
        let taken = self.change(entry.job.name, |notes| {
            let is_due = notes.entries.get(&entry.name).is_some_and(|progress| progress.done == done);
            if !is_due || notes.held_by_other(&self.owner, self.now()).is_some() {
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
    /// Another scheduler has it, or the store failed.
    pub async fn take_job(&self, job: &'static str) -> Result<()> {
        let mut holder = None;
        let taken = self.change(job, |notes| {
            holder = notes.held_by_other(&self.owner, self.now()).cloned();
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
    /// The store failed.
    pub async fn renew(&self, job: &'static str) -> Result<bool> {
        let renewed =
            self.change(job, |notes| notes.is_mine(&self.owner).then(|| notes.lease = Some(self.new_lease())));
        Ok(renewed.await?.is_some())
    }

    /// Gives the lease of a job back and notes how far an entry is. False: another scheduler has taken the lease.
    ///
    /// # Errors
    /// The store failed.
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
    /// The store failed.
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

    /// The lease of another scheduler on a job, if there is one that holds.
    #[must_use]
    pub fn holder<'n>(&self, notes: &'n JobNotes, now: DateTime<Utc>) -> Option<&'n Lease> {
        notes.held_by_other(&self.owner, now)
    }

    /// The time that the lake goes by.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.lake.clock.now()
    }

    fn new_lease(&self) -> Lease {
        Lease { owner: self.owner.clone(), until: self.now() + self.lease }
    }

    fn log(&self, job: &str) -> Log {
        Log::new(&self.lake.store, self.lake.config.lake.join(log::FOLDER).join("firings").join(job))
    }

    /// The last entry of a job's log; number 0 and no notes before the first.
    async fn last(&self, job: &str) -> Result<LogEntry<JobNotes>> {
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let known = seen().get(job).cloned().unwrap_or(LogEntry { number: 0, content: JobNotes::default() });
        let Some(last) = self.log(job).last_after(known.number).await? else { return Ok(known) };
        seen().insert(job.to_owned(), last.clone());
        Ok(last)
    }

    /// Changes the notes of a job, as often as another scheduler changes them meanwhile. `change` may leave them as they
    /// are, with `None`.
    async fn change<T>(
        &self,
        job: &'static str,
        mut change: impl FnMut(&mut JobNotes) -> Option<T>,
    ) -> Result<Option<T>> {
        loop {
            let LogEntry { number, content: mut notes } = self.last(job).await?;
            let Some(changed) = change(&mut notes) else { return Ok(None) };
            if self.log(job).append(number, &notes).await? {
                return Ok(Some(changed));
            }
        }
    }
}
