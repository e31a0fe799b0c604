//! A life of a lake: files arrive, late or copied, and expire, while jobs run, fail, die, sleep and meet each other. In the end
//! the jobs run until nothing is left to do, and every line must be what the one rule says, or be named by a job that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use meterlake_core::beginning::Beginning;
use meterlake_core::clock::Clock;
use meterlake_core::generation::Generation;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Hour, Period};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinHandle;

use super::errands::{Errand, Times};
use super::{Fate, Home, Process};
use crate::calls::{call, lines, with};

/// When the first file arrives.
const BEGIN: &str = "2023-01-31T13:10:00Z";
/// For how many hours something happens all the time: past the end of the day and of the month.
pub(super) const HOURS: i32 = 15;
/// How long after the first hour the last file arrives at most.
const DAYS: i64 = 60;

/// What kind of life it is.
#[derive(Debug, Clone)]
struct Nature {
    times: Times,
    /// The setting `merge.lookback`.
    lookback: u32,
    /// After how long the store deletes raw files.
    expiry: Option<TimeDelta>,
}

impl Nature {
    fn drawn(chance: &mut StdRng) -> Self {
        let first = Hour::containing(begin());
        let expiry = [6, 20, 30, 72, 20 * 24, 40 * 24][chance.random_range(0..6)];
        Self {
            times: Times { first, is_begun: chance.random(), is_far: true },
            lookback: [0, 2, 5, 26, 26, 26, 48][chance.random_range(0..7)],
            expiry: chance.random::<bool>().then(|| TimeDelta::hours(expiry)),
        }
    }
}

/// A raw file.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) hour: Hour,
    /// Its path below the raw folder.
    pub(super) path: String,
    /// The ids of its calls.
    pub(super) ids: Vec<String>,
    /// How many of its lines are malformed.
    pub(super) malformed: u64,
    at: DateTime<Utc>,
    has_expired: bool,
}

/// A life that is played.
pub(super) struct Life<'a, H> {
    pub(super) home: &'a mut H,
    pub(super) seed: u64,
    pub(super) clock: Clock,
    chance: StdRng,
    nature: Nature,
    pub(super) arrivals: Vec<Arrival>,
    asleep: Vec<(JoinHandle<()>, Arc<Process>)>,
    /// The raw files that a published hour counted, ever.
    pub(super) counted: BTreeSet<String>,
    /// The generations whose files are among them.
    pub(super) seen: BTreeMap<Hour, Generation>,
    /// The fingerprints of days that were checked.
    pub(super) checked: BTreeSet<String>,
    /// The invoices of the first month, once they are final.
    pub(super) last_word: Option<Generation>,
}

fn begin() -> DateTime<Utc> {
    BEGIN.parse().expect("a time")
}

/// Plays the life of this seed.
///
/// # Panics
/// A line is not what the rule says, or the jobs do not come to rest.
pub async fn live(home: &mut impl Home, seed: u64) {
    let mut chance = StdRng::seed_from_u64(seed);
    let nature = Nature::drawn(&mut chance);
    let mut life = Life {
        home,
        seed,
        clock: Clock::at(begin()),
        chance,
        nature,
        arrivals: Vec::new(),
        asleep: Vec::new(),
        counted: BTreeSet::new(),
        seen: BTreeMap::new(),
        checked: BTreeSet::new(),
        last_word: None,
    };
    if life.nature.times.is_begun {
        let (lake, first) = (life.watcher(), life.nature.times.first);
        assert!(Beginning::default().move_to(&lake, first).await.expect("a lake"));
    }
    life.first_day().await;
    life.later().await;
    life.end().await;
}

impl<H: Home> Life<'_, H> {
    /// The lake of a process that nothing happens to.
    pub(super) fn watcher(&self) -> Lake {
        self.lake(self.seed, Fate::default()).0
    }

    fn lake(&self, seed: u64, fate: Fate) -> (Lake, Option<Arc<Process>>) {
        let (mut lake, process) = self.home.lake(&self.clock, seed, fate);
        lake.config.merge.lookback = self.nature.lookback;
        lake.config.billing.grace_days = 0;
        (lake, process)
    }

    /// The first hour of the life.
    pub(super) fn first(&self) -> Hour {
        self.nature.times.first
    }

    /// Whether the lake notes where it begins.
    pub(super) fn is_begun(&self) -> bool {
        self.nature.times.is_begun
    }

    fn is_one_in(&mut self, of: u32) -> bool {
        self.chance.random_range(0..of) == 0
    }

    async fn first_day(&mut self) {
        while self.clock.now() < begin() + TimeDelta::hours(HOURS.into()) {
            self.step(false).await;
            let minutes = self.chance.random_range(5..170);
            self.pass(TimeDelta::minutes(minutes));
        }
    }

    /// Now and then, up to 60 days later, files arrive and somebody runs a job.
    async fn later(&mut self) {
        for _ in 0..self.chance.random_range(0..4) {
            let hours = [6, 40, 5 * 24, 30 * 24][self.chance.random_range(0..4)];
            let gap = TimeDelta::minutes(self.chance.random_range(60..hours * 60));
            if self.clock.now() + gap > begin() + TimeDelta::days(DAYS) {
                return;
            }
            self.pass(gap);
            // An hour costs the same whether it has calls or not: in few lives only, all those of an outage are merged.
            self.nature.times.is_far = gap < TimeDelta::hours(48) || self.is_one_in(20);
            for _ in 0..self.chance.random_range(1..4) {
                self.step(true).await;
                let minutes = self.chance.random_range(1..90);
                self.pass(TimeDelta::minutes(minutes));
            }
        }
    }

    /// Lets time pass, and files expire.
    fn pass(&mut self, time: TimeDelta) {
        self.clock.move_to(self.clock.now() + time);
        let Some(expiry) = self.nature.expiry else { return };
        let raw = self.watcher().layout.raw.folder;
        let now = self.clock.now();
        for arrival in self.arrivals.iter_mut().filter(|arrival| !arrival.has_expired && arrival.at + expiry <= now) {
            arrival.has_expired = true;
            self.home.expire(&raw.join(&arrival.path));
        }
    }

    async fn step(&mut self, is_later: bool) {
        for _ in 0..self.chance.random_range(0..4) {
            self.arrive(is_later).await;
        }
        for _ in 0..self.chance.random_range(1..3) {
            self.work().await;
        }
        if self.is_one_in(4) {
            self.home.deliver(&mut self.chance);
        }
        if !self.asleep.is_empty() && self.is_one_in(3) {
            let sleeper = self.chance.random_range(0..self.asleep.len());
            self.wake(sleeper).await;
        }
        if self.asleep.is_empty() && self.is_one_in(30) {
            self.home.deliver(&mut self.chance);
            self.home.move_away().await;
        }
        // To look is to put the catalog right, so nobody looks at most of its states.
        if self.is_one_in(3) {
            self.check().await;
        }
    }

    async fn wake(&mut self, sleeper: usize) {
        let (task, process) = self.asleep.swap_remove(sleeper);
        process.resume();
        task.await.expect("a task that ends");
    }

    /// Sends one process, or several at once.
    async fn work(&mut self) {
        let fate = Fate {
            dies: self.is_one_in(4).then(|| self.chance.random_range(1..150)),
            fails: self.is_one_in(4).then(|| self.chance.random_range(1..150)),
            pauses: self.is_one_in(6).then(|| self.chance.random_range(1..100)),
        };
        let seed = self.chance.random();
        let (lake, process) = self.lake(seed, fate);
        let errand = Errand::drawn(&mut self.chance, self.nature.times);
        match process {
            Some(process) if fate.pauses.is_some() => {
                self.asleep.push((tokio::spawn(async move { drop(errand.run(&lake).await) }), process));
                tokio::task::yield_now().await;
            }
            _ if self.is_one_in(4) => {
                let seed = self.chance.random();
                let (other, _) = self.lake(seed, Fate::default());
                let again = Errand::drawn(&mut self.chance, self.nature.times);
                let _ = tokio::join!(errand.run(&lake), again.run(&other));
            }
            _ => drop(errand.run(&lake).await),
        }
    }

    async fn arrive(&mut self, is_later: bool) {
        let first = self.first();
        let now = Hour::containing(self.clock.now());
        let hour = match self.chance.random_range(0..3) {
            0 | 1 if is_later => first.offset(self.chance.random_range(0..HOURS)),
            0 => now.offset(-self.chance.random_range(0..HOURS)).max(first),
            _ => now,
        };
        // Before the first hour of the life nothing is expected.
        let hour = if self.is_one_in(25) { first.offset(-self.chance.random_range(1..3)) } else { hour };
        let is_near = |there: Hour| (there.start() - hour.start()).num_hours().abs() <= 3;
        let near = self.arrivals.iter().filter(|arrival| is_near(arrival.hour)).flat_map(|arrival| &arrival.ids);
        let near: Vec<String> = near.cloned().collect();
        let number = self.arrivals.len();
        let (mut text, mut ids, mut malformed) = (String::new(), Vec::new(), 0);
        for line in 0..self.chance.random_range(1..4) {
            match self.chance.random_range(0..10) {
                0 => {
                    text.push_str("no record\n");
                    malformed += 1;
                }
                draw => {
                    let id = match near.len() {
                        there if there > 0 && draw < 5 => near[self.chance.random_range(0..there)].clone(),
                        _ => format!("{hour} {number}-{line}"),
                    };
                    text.push_str(&record(&id));
                    ids.push(id);
                }
            }
        }
        let lake = self.watcher();
        let object = lake.layout.raw.folder_of(hour).join(&format!("{number:04}.json"));
        lake.store.write(&object, text.as_bytes()).await.expect("a file that arrives");
        let path = object.relative_to(&lake.layout.raw.folder).expect("a raw file").to_owned();
        let at = self.clock.now();
        self.arrivals.push(Arrival { hour, path, ids, malformed, at, has_expired: false });
    }

    async fn end(&mut self) {
        while !self.asleep.is_empty() {
            self.wake(0).await;
        }
        self.home.deliver(&mut self.chance);
        // What arrived last expires in some lives before anybody looks at it, and in others it stays.
        if self.chance.random() {
            self.nature.expiry = None;
        }
        self.pass(TimeDelta::hours(i64::from(self.nature.lookback)) + TimeDelta::days(2));
        self.home.deliver(&mut self.chance);
        self.settle().await;
        self.check().await;
        self.check_all().await;
    }
}

/// The record of an id, which begins with the hour of its call.
fn record(id: &str) -> String {
    let time = hour_of(id).start().timestamp_millis().to_string();
    lines(&[with(call(id), "requestTime", &time)])
}

/// The hour of a call.
pub(super) fn hour_of(id: &str) -> Hour {
    id.split(' ').next().and_then(|hour| hour.parse().ok()).expect("an id that begins with an hour")
}
