//! A lake with a list of schedules, and scripts that write down how they were called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use meterlake_core::catalog::{StorageFormat, Table};
use meterlake_core::config::Config;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_scheduler::book::{Book, Progress};
use meterlake_scheduler::list::Schedules;
use meterlake_scheduler::run::{Backoff, Programs, Settings, run};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Longer than any test takes; a minute passes in one.
const PATIENCE: Duration = Duration::from_secs(100);

pub(crate) struct Fixture {
    folder: TempDir,
    pub(crate) lake: Lake,
    pub(crate) schedules: Schedules,
}

/// The minute of half an hour ago: an hourly entry is due neither now nor while a test runs.
pub(crate) fn quiet_minute() -> u32 {
    (Utc::now() - TimeDelta::minutes(30)).minute()
}

/// An entry that is due every hour, with what else it has.
pub(crate) fn hourly(name: &str, job: &str, more: &str) -> String {
    format!("[[schedule]]\nname = '{name}'\njob = '{job}'\ncron = '{} * * * *'\n{more}\n", quiet_minute())
}

impl Fixture {
    /// A lake with its tables and with scripts for all jobs.
    pub(crate) async fn new(list: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("lake")).unwrap();
        let config = Config { lake: Location::from_path(&folder.path().join("lake")).unwrap(), ..Config::default() };
        let lake = meterlake_embedded::connect(config).await.unwrap();
        lake.catalog.create_database(&lake.config.database).await.unwrap();
        let raw = &lake.layout.raw;
        let table = Table {
            name: raw.name.clone(),
            columns: vec![],
            partition_keys: vec![],
            location: raw.folder.clone(),
            format: StorageFormat::default(),
            parameters: Default::default(),
        };
        lake.catalog.create_table(&table).await.unwrap();
        let fixture = Self { folder, lake, schedules: Schedules::parse("schedules.toml", list).unwrap() };
        fs::write(fixture.path("schedules.toml"), list).unwrap();
        for job in ["merge", "repair", "aggregate", "invoice"] {
            fixture.script(job, "");
        }
        fixture
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A script for a job: it writes down its arguments, and then does what `body` says. `$HERE` is the folder.
    pub(crate) fn script(&self, job: &str, body: &str) {
        let here = self.folder.path().display();
        let text = format!("#!/bin/sh\nHERE='{here}'\necho \"{job} $*\" >> \"$HERE/log\"\n{body}\n");
        // Written beside and put in place: a script that is open for writing cannot be run.
        fs::write(self.path("new-script"), text).unwrap();
        fs::set_permissions(self.path("new-script"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(self.path("new-script"), self.path(job)).unwrap();
    }

    /// What the scripts wrote down, a line a call.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The same of one job.
    pub(crate) fn log_of(&self, job: &str) -> Vec<String> {
        self.log().into_iter().filter(|line| line.split(' ').next() == Some(job)).collect()
    }

    pub(crate) fn settings(&self) -> Settings {
        let programs = Programs { folder: self.folder.path().to_owned(), flags: vec!["--lake=here".to_owned()] };
        let backoff = Backoff { first: Duration::from_millis(200), most: Duration::from_millis(800) };
        Settings { backoff, ..Settings::new(programs) }
    }

    pub(crate) fn once(&self) -> Settings {
        Settings { once: true, ..self.settings() }
    }

    pub(crate) async fn run_once(&self) -> anyhow::Result<()> {
        timeout(PATIENCE, run(&self.lake, &self.schedules, &self.once())).await.expect("a pass that ends")
    }

    /// Lets a scheduler run until something is so, and then drops it as a crash would.
    pub(crate) async fn run_until(&self, settings: &Settings, is_so: impl AsyncFnMut() -> bool) {
        tokio::select! {
            ended = run(&self.lake, &self.schedules, settings) => panic!("the scheduler ended: {ended:?}"),
            () = until(is_so) => {}
        }
    }

    pub(crate) async fn book(&self) -> Book {
        Book::open(&self.lake, meterlake_scheduler::book::LEASE).await.unwrap()
    }

    /// Makes all entries as if they were first seen some hours ago and nothing had run since.
    pub(crate) async fn missed(&self, hours: i64) -> DateTime<Utc> {
        let since = Utc::now() - TimeDelta::hours(hours);
        self.book().await.enroll(&self.schedules, since).await.unwrap();
        since
    }

    /// The calls that an entry must have had for all that was due since then.
    pub(crate) fn expected(&self, name: &str, since: DateTime<Utc>) -> Vec<String> {
        let entry = self.schedules.entries.iter().find(|entry| entry.name == name).unwrap();
        let flags: String = entry.flags().iter().map(|flag| format!("{flag} ")).collect();
        let call = |at: DateTime<Utc>| {
            format!("{} {flags}--at {} --lake=here", entry.job.name, at.format("%Y-%m-%dT%H:%M:%SZ"))
        };
        entry.due_after(since).take_while(|at| *at <= Utc::now()).map(call).collect()
    }

    pub(crate) async fn progress(&self, name: &str) -> Progress {
        let entry = self.schedules.entries.iter().find(|entry| entry.name == name).unwrap();
        let notes = self.book().await.look(&self.schedules).await.unwrap();
        notes[entry.job.name].entries[name]
    }

    /// Whether somebody holds a job's lease, good or not.
    pub(crate) async fn is_leased(&self, job: &str) -> bool {
        let notes = self.book().await.look(&self.schedules).await.unwrap();
        notes[job].lease.is_some()
    }

    /// The program `scheduler`, in a folder with the scripts.
    pub(crate) fn scheduler(&self) -> PathBuf {
        let program = self.path("scheduler");
        let built = Path::new(env!("CARGO_BIN_EXE_scheduler"));
        if !program.exists() && fs::hard_link(built, &program).is_err() {
            fs::copy(built, &program).unwrap();
        }
        program
    }
}

/// Waits until something is so.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let waited = timeout(PATIENCE, async {
        while !is_so().await {
            sleep(Duration::from_millis(10)).await;
        }
    });
    waited.await.expect("what is waited for");
}
