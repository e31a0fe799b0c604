//! The scheduler for one machine: runs what is due, each job as a program of its own, and never two of one job.

mod program;
mod status;
mod supervise;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures::future::{LocalBoxFuture, select_all};
use futures::stream::{FuturesUnordered, StreamExt};
use meterlake_core::lake::Lake;
use meterlake_core::run::{StatusLine, one_line};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

pub use program::Programs;
pub use supervise::Backoff;

use crate::book::{Book, LEASE};
use crate::list::{Firing, Schedules};
use crate::standing::{Standing, standings, to_run};
use supervise::{Outcome, Supervised, Wish};

/// The book is looked into at least this often: another scheduler may have ended, or died.
const LOOK_EVERY: TimeDelta = TimeDelta::seconds(30);

/// How the scheduler runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The jobs' programs.
    pub programs: Programs,
    /// Run what is due, each firing that fails only once, and end.
    pub once: bool,
    /// How long what failed waits.
    pub backoff: Backoff,
    /// How long leases hold unless they are renewed.
    pub lease: TimeDelta,
}

impl Settings {
    /// The usual ones.
    #[must_use]
    pub fn new(programs: Programs) -> Self {
        Self { programs, once: false, backoff: Backoff::default(), lease: LEASE }
    }
}

/// Runs what is due until it is told to stop.
///
/// # Errors
/// A program is missing, the lake has no tables, or the catalog cannot be read at the start. With `once` also: a firing
/// failed.
pub async fn run(lake: &Lake, schedules: &Schedules, settings: &Settings) -> Result<()> {
    // First: from here on a signal is a wish, and no sudden end.
    let signals = stop_signals()?;
    settings.programs.check(schedules)?;
    let book = Book::open(lake, settings.lease).await?;
    book.enroll(schedules, book.now()).await?;
    tracing::info!(schedules = schedules.file, lake = %lake.config.lake, "the scheduler runs");
    let scheduler = Scheduler {
        lake,
        schedules,
        settings,
        book: &book,
        wish: watch::channel(Wish::Run).0,
        running: BTreeMap::new(),
        failed: BTreeSet::new(),
        standings: Vec::new(),
        line: StatusLine::new(),
    };
    scheduler.go(signals).await
}

struct Scheduler<'a> {
    lake: &'a Lake,
    schedules: &'a Schedules,
    settings: &'a Settings,
    book: &'a Book,
    wish: watch::Sender<Wish>,
    /// What runs, by job.
    running: BTreeMap<&'static str, Running<'a>>,
    /// The places of the entries that failed, if each gets one try only.
    failed: BTreeSet<usize>,
    standings: Vec<Standing>,
    line: StatusLine,
}

#[derive(Clone, Copy)]
struct Running<'a> {
    firing: Firing<'a>,
    since: Instant,
}

/// The runs under way; each ends with its job and how it went.
type Runs<'a> = FuturesUnordered<LocalBoxFuture<'a, (&'static str, Result<Outcome>)>>;

enum Event {
    Ended(&'static str, Result<Outcome>),
    Stop,
    Time,
}

impl<'a> Scheduler<'a> {
    async fn go(mut self, mut signals: Vec<Signal>) -> Result<()> {
        let mut runs: Runs<'a> = FuturesUnordered::new();
        loop {
            let mut wake = self.book.now() + LOOK_EVERY;
            if !self.is_stopping() {
                match self.start(&runs).await {
                    Ok(next) => wake = wake.min(next),
                    Err(error) if self.settings.once => return Err(error),
                    Err(error) => tracing::error!("cannot tell what is due, trying again: {}", one_line(&error)),
                }
            }
            if runs.is_empty() && (self.is_stopping() || self.settings.once) {
                return self.conclude();
            }
            match self.wait(&mut runs, &mut signals, wake).await {
                Event::Ended(job, ended) => self.note(job, ended),
                Event::Stop => self.stop(),
                Event::Time => {}
            }
        }
    }

    fn is_stopping(&self) -> bool {
        *self.wish.borrow() > Wish::Run
    }

    /// Starts what may run; says when something may be due next.
    async fn start(&mut self, runs: &Runs<'a>) -> Result<DateTime<Utc>> {
        let notes = self.book.look(self.schedules).await?;
        let now = self.book.now();
        self.standings = standings(self.schedules, self.book, &notes, now, !self.settings.once);
        let mut next = self.standings.iter().filter_map(Standing::changes_at).min().unwrap_or(now + LOOK_EVERY);
        for (firing, progress) in to_run(self.schedules, &self.standings, &self.failed) {
            let job = firing.entry.job.name;
            if self.running.contains_key(job) {
                continue;
            }
            if !self.book.take(firing.entry, progress.done).await? {
                next = now;
                continue;
            }
            self.running.insert(job, Running { firing, since: Instant::now() });
            let supervised = Supervised {
                book: self.book,
                programs: &self.settings.programs,
                backoff: self.settings.backoff,
                firing,
                progress,
                wish: self.wish.subscribe(),
            };
            runs.push(Box::pin(async move { (job, supervised.run().await) }));
        }
        Ok(next)
    }

    /// Waits for something to happen, at most until a time on the clock. The clock is looked at every second: timers
    /// stand still while the machine sleeps.
    async fn wait(&self, runs: &mut Runs<'a>, signals: &mut [Signal], wake: DateTime<Utc>) -> Event {
        loop {
            self.line.say(self.status(self.book.now()));
            let left = (wake - self.book.now()).to_std().unwrap_or_default();
            tokio::select! {
                Some((job, ended)) = runs.next() => return Event::Ended(job, ended),
                () = any(signals) => return Event::Stop,
                () = sleep(left.clamp(Duration::from_millis(20), Duration::from_secs(1))) => {
                    if self.book.now() >= wake {
                        return Event::Time;
                    }
                }
            }
        }
    }

    fn status(&self, now: DateTime<Utc>) -> String {
        let running = self.running.values().map(|running| (running.firing, running.since.elapsed()));
        status::text(&self.lake.config, self.schedules, &self.standings, &running.collect::<Vec<_>>(), now)
    }

    fn note(&mut self, job: &'static str, ended: Result<Outcome>) {
        let Some(Running { firing, since }) = self.running.remove(job) else { return };
        let entry = firing.entry.name.as_str();
        let at = time(firing.at);
        let duration_ms = since.elapsed().as_millis();
        match ended {
            Ok(Outcome::Done) => tracing::info!(entry, at, duration_ms, "done"),
            Ok(Outcome::Stopped) => tracing::info!(entry, at, duration_ms, "stopped; it is run again next time"),
            Ok(Outcome::Lost) => tracing::warn!(entry, at, duration_ms, "another scheduler has taken this over"),
            Ok(Outcome::Failed(error, failures, retry_at)) => {
                let tries = if self.settings.once { "next time".to_owned() } else { time(retry_at) };
                tracing::error!(entry, at, failures, "{job} failed ({}); it is tried again {tries}", one_line(&error));
                self.failed_once(firing.place);
            }
            Err(error) => {
                tracing::error!(entry, at, "cannot note how {job} ended, so it is run again: {}", one_line(&error));
                self.failed_once(firing.place);
            }
        }
    }

    fn failed_once(&mut self, place: usize) {
        if self.settings.once {
            self.failed.insert(place);
        }
    }

    /// Asks the running jobs to end; the second time, ends them.
    fn stop(&mut self) {
        let wish = if self.is_stopping() { Wish::Die } else { Wish::End };
        self.wish.send_replace(wish);
        if !self.running.is_empty() {
            let jobs: Vec<&str> = self.running.keys().copied().collect();
            tracing::info!("stopping: waiting for {}", jobs.join(", "));
        }
    }

    fn conclude(&self) -> Result<()> {
        if self.is_stopping() {
            tracing::info!("stopped");
            return Ok(());
        }
        for (place, standing) in self.standings.iter().enumerate() {
            if let Standing::Held(due, _) = standing {
                let entry = self.schedules.entries[place].name.as_str();
                tracing::warn!(entry, at = time(due.at), "is due, but another scheduler runs this job");
            }
        }
        let names: Vec<&str> = self.failed.iter().map(|place| self.schedules.entries[*place].name.as_str()).collect();
        if names.is_empty() { Ok(()) } else { bail!("what was due is not done: {} failed", names.join(", ")) }
    }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The signals that ask to stop. From now on they do not end this process.
pub(crate) fn stop_signals() -> Result<Vec<Signal>> {
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    Ok(kinds.into_iter().map(signal).collect::<Result<_, _>>()?)
}

/// Waits for one of the signals.
pub(crate) async fn any(signals: &mut [Signal]) {
    select_all(signals.iter_mut().map(|signal| Box::pin(signal.recv()))).await;
}
