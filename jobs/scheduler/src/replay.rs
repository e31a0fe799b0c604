//! A stretch of time in fast motion: everything that would have fired, in order and in this process.

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use meterlake_core::lake::Lake;
use meterlake_core::run::{Context, Progress};
use serde_json::Value;
use tokio::time::sleep;

use crate::book::{Book, LEASE};
use crate::jobs::Reports;
use crate::list::{Firing, Schedules};
use crate::run::{any, stop_signals};

/// A stretch of time, to be played against a lake.
pub struct Replay<'a> {
    /// The lake.
    pub lake: &'a Lake,
    /// What fires.
    pub schedules: &'a Schedules,
    /// When it begins.
    pub from: DateTime<Utc>,
    /// When it is over; nothing fires then.
    pub to: DateTime<Utc>,
    /// What becomes of the jobs' reports.
    pub reports: Reports,
}

/// What takes place around the firings.
pub trait Scene {
    /// Before a firing: what has come to pass until then.
    ///
    /// # Errors
    /// It cannot; the replay ends.
    fn before(&mut self, _firing: &Firing<'_>) -> Result<()> {
        Ok(())
    }

    /// After it, with the job's reports if they are kept.
    fn after(&mut self, _firing: &Firing<'_>, _reports: Vec<Value>) {}
}

/// Nothing but the firings.
pub struct Bare;

impl Scene for Bare {}

impl<'a> Replay<'a> {
    /// What fires, in order. On this lake an entry began with its first replay, if not with this one, or when a scheduler
    /// first saw it. What it would work on that was over by then is before its time.
    ///
    /// # Errors
    /// The catalog failed, or a setting that a period depends on is wrong.
    pub async fn firings(&self) -> Result<Vec<Firing<'a>>> {
        let entries = Book::entries(self.lake, self.schedules).await?;
        let due = self.schedules.due_after(self.from - TimeDelta::seconds(1)).take_while(|firing| firing.at < self.to);
        let mut firings = Vec::new();
        for firing in due {
            let began = entries.get(&firing.entry.name).map_or(self.from, |progress| progress.since.min(self.from));
            if firing.entry.job.work(&self.lake.config, firing.at)?.end > began {
                firings.push(firing);
            }
        }
        Ok(firings)
    }

    /// Plays it. A scheduler that begins or goes on at its end takes it for done.
    ///
    /// # Errors
    /// Its end has not come yet, a job failed, or a scheduler runs jobs of this lake.
    pub async fn play(&self, scene: &mut impl Scene) -> Result<()> {
        if self.to > self.lake.clock.now() {
            bail!("{} has not come yet: what is not over cannot be replayed", time(self.to));
        }
        let mut signals = stop_signals()?;
        let firings = self.firings().await?;
        let book = Book::open(self.lake, LEASE).await?;
        let played = match self.take_all(&book).await {
            Ok(()) => tokio::select! {
                played = self.play_all(firings, scene) => played,
                lost = self.keep_all(&book) => lost,
                () = any(&mut signals) => Err(anyhow!("the replay was stopped: nothing half-done is visible; it may be played again")),
            },
            Err(error) => Err(error),
        };
        for job in self.schedules.jobs() {
            book.finish(job.name, None).await?;
        }
        played?;
        book.advance(self.schedules, self.from, self.to).await
    }

    async fn take_all(&self, book: &Book) -> Result<()> {
        for job in self.schedules.jobs() {
            book.take_job(job.name).await?;
        }
        Ok(())
    }

    /// Renews the leases for ever.
    async fn keep_all(&self, book: &Book) -> Result<()> {
        loop {
            sleep(book.lease.to_std()? / 3).await;
            for job in self.schedules.jobs() {
                if !book.renew(job.name).await? {
                    bail!("another scheduler has taken over {}: this process was asleep", job.name);
                }
            }
        }
    }

    async fn play_all(&self, firings: Vec<Firing<'_>>, scene: &mut impl Scene) -> Result<()> {
        let progress = Progress::new(firings.len());
        for firing in firings {
            progress.working_on(&format_args!("{} {}", firing.entry.name, time(firing.at)));
            scene.before(&firing)?;
            let context = Context { now: firing.at, dry_run: false, deadline: None };
            let ran = firing.entry.job.run(self.lake, &firing.entry.args, context, self.reports).await;
            let reports = ran.with_context(|| {
                let (name, at) = (&firing.entry.name, time(firing.at));
                format!("the replay stopped at `{name}` of {at}; mend this, and go on with --from {at}")
            })?;
            scene.after(&firing, reports);
            progress.step();
        }
        Ok(())
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}
