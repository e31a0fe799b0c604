//! What must hold while a life goes on, and at its end.

use std::collections::{BTreeMap, BTreeSet};

use meterlake_aggregate::{AggregateJob, Args as AggregateArgs};
use meterlake_core::beginning::Beginning;
use meterlake_core::chain::{MANIFEST, objects_before};
use meterlake_core::day_inputs::DayInputs;
use meterlake_core::generation::Generation;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Day, Hour, Period};
use meterlake_core::publications::{self, Head};
use meterlake_core::publish::Publication;
use meterlake_invoice::InvoiceJob;
use meterlake_merge::{Args as MergeArgs, MergeJob};
use meterlake_repair::{Args as RepairArgs, RepairJob};
use serde_json::Value;

use super::Home;
use super::errands::{draft, finalize, merge_one, run};
use super::life::{Arrival, Life, hour_of};

/// How often the jobs run at most until nothing changes any more.
const ROUNDS: u32 = 8;

impl<H: Home> Life<'_, H> {
    pub(super) async fn check(&mut self) {
        let lake = self.watcher();
        self.check_counted(&lake).await;
        self.check_days(&lake).await;
        self.check_final(&lake).await;
    }

    /// A file that was counted stays so, whether it is still there or not.
    async fn check_counted(&mut self, lake: &Lake) {
        let mut lost = Vec::new();
        for (hour, head) in hours(lake).await {
            let Some(published) = head.publication() else { continue };
            if self.seen.get(&hour) == Some(&published.generation) {
                continue;
            }
            // A run that goes on beside this look may have superseded it.
            let Some(files) = manifest(lake, &head).await else { continue };
            let of_hour = self.arrivals.iter().filter(|arrival| arrival.hour == hour).map(|arrival| &arrival.path);
            lost.extend(of_hour.filter(|path| self.counted.contains(*path) && !files.contains(*path)).cloned());
            self.counted.extend(files);
            self.seen.insert(hour, published.generation);
        }
        assert!(lost.is_empty(), "seed {}: {lost:?} were counted, and are no more", self.seed);
    }

    /// No day that is fresh counts a call in two neighbouring hours, and each has the calls of its hours.
    async fn check_days(&mut self, lake: &Lake) {
        let days = publications::heads_since::<Day>(lake, &lake.layout.usage_daily, None).await.expect("logs");
        let sql = lake.sql.query("usage_daily").expect("a SQL file");
        for (day, head) in days {
            let Some(published) = head.publication().filter(|one| !self.checked.contains(&one.fingerprint)) else {
                continue;
            };
            let inputs = DayInputs::look(lake, day).await.expect("logs");
            if published.fingerprint != inputs.fingerprint(lake, &sql) {
                continue;
            }
            let seed = self.seed;
            let of_day: Vec<(Hour, Head<Hour>)> = inputs.hours().cloned().collect();
            let calls = self.home.calls(lake, &of_day).await;
            let count: usize = calls.values().map(Vec::len).sum();
            assert_eq!(published.notes.requests, count as u64, "seed {seed}: {day}");
            for (hour, ids) in &calls {
                let next: BTreeSet<&String> = calls.get(&hour.next()).into_iter().flatten().collect();
                let twice: Vec<&String> = ids.iter().filter(|id| next.contains(id)).collect();
                assert!(twice.is_empty(), "seed {seed}: {day} counts {twice:?} in {hour} and the hour after it");
            }
            self.checked.insert(published.fingerprint);
        }
    }

    /// Final invoices never change.
    async fn check_final(&mut self, lake: &Lake) {
        let month = self.first().day().month();
        let head = publications::head(lake, &lake.layout.invoices, month).await.expect("logs");
        let published = head.publication();
        let now = published.filter(|one| one.notes.is_final).map(|one| one.generation);
        if self.last_word.is_some() {
            assert_eq!(now, self.last_word, "seed {}: final invoices were replaced", self.seed);
        }
        self.last_word = now;
    }

    /// Runs the jobs until they find nothing to do.
    pub(super) async fn settle(&self) {
        let (lake, seed) = (self.watcher(), self.seed);
        let mut left = Vec::new();
        for _ in 0..ROUNDS {
            left.clear();
            let (mut failures, mut unbuilt) = (Vec::new(), Vec::new());
            for (from, to) in self.ranges(&lake).await {
                let hours = MergeArgs {
                    from: Some(from),
                    to: Some(Hour::containing(to.end()).previous()),
                    lookback: Some(0),
                    ..MergeArgs::default()
                };
                let (merged, done) = run::<MergeJob>(&lake, &hours).await;
                failures.extend(done.err());
                let days = AggregateArgs {
                    from: Some(from.day()),
                    to: Some(to),
                    lookback: Some(0),
                    ..AggregateArgs::default()
                };
                let (built, done) = run::<AggregateJob>(&lake, &days).await;
                unbuilt.extend(done.err());
                left.extend(merged.into_iter().chain(built).filter(|report| report["status"] != "unchanged"));
            }
            let vacuum = RepairArgs { vacuum: true, ..RepairArgs::default() };
            // It fails for files before the lake begins.
            let _ = run::<RepairJob>(&lake, &vacuum).await;
            if left.is_empty() {
                let state = State::look(&lake).await;
                let is_closed = state.counted.keys().any(|hour| state.is_closed(*hour));
                assert!(failures.is_empty() || is_closed, "seed {seed}: {failures:?}");
                assert!(unbuilt.is_empty() || !self.stuck(&state).is_empty(), "seed {seed}: {unbuilt:?}");
                return;
            }
        }
        panic!("seed {seed}: the jobs do not come to rest: {left:?}");
    }

    /// The days on which something arrived, and all that the first month needs, as ranges: the first hour and the last day.
    async fn ranges(&self, lake: &Lake) -> Vec<(Hour, Day)> {
        let begins = Beginning::look(lake).await.expect("a log").first;
        let hours = self.arrivals.iter().map(|arrival| arrival.hour);
        let mut days: BTreeSet<Day> =
            hours.filter(|hour| begins.is_none_or(|begins| begins <= *hour)).map(Hour::day).collect();
        if let Some(begins) = begins {
            days.extend(Day::range(begins.day(), Day::containing(self.first().day().month().end()).previous()));
        }
        let mut ranges: Vec<(Hour, Day)> = Vec::new();
        for day in days {
            let first = Hour::containing(day.start());
            match ranges.last_mut() {
                Some((_, last)) if last.next() == day => *last = day,
                _ => ranges.push((begins.map_or(first, |begins| first.max(begins)), day)),
            }
        }
        ranges
    }

    /// The files that no published hour counts, but for those that expired before any did.
    fn open(&self, state: &State) -> Vec<&Arrival> {
        let is_owed = |arrival: &&Arrival| self.counted.contains(&arrival.path) || state.there.contains(&arrival.path);
        self.arrivals.iter().filter(is_owed).filter(|arrival| !state.counts(arrival)).collect()
    }

    /// The days that wait for what no run mends: an hour whose files cannot be counted any more, or one whose own expired before
    /// anybody merged it again after the records of the hour before had changed.
    fn stuck(&self, state: &State) -> BTreeSet<Day> {
        let missing = self.open(state).into_iter().map(|one| one.hour).filter(|hour| state.is_missing(*hour));
        let unlinked = state.unlinked().into_iter().flat_map(|hour| [hour.day(), hour.previous().day()]);
        missing.map(Hour::day).chain(unlinked).collect()
    }

    /// A line of a file that is counted is a call unless it is malformed, or an equal one is in its hour or in the one before. A
    /// file that is not counted is named.
    pub(super) async fn check_all(&self) {
        let (lake, seed) = (self.watcher(), self.seed);
        let state = State::look(&lake).await;
        let calls = self.home.calls(&lake, &state.heads).await;
        let of_hour = |hour: Hour| {
            let of_hour = self.arrivals.iter().filter(move |arrival| arrival.hour == hour);
            of_hour.filter(|arrival| state.counts(arrival))
        };
        let ids = |hour: Hour| -> Vec<&String> { of_hour(hour).flat_map(|arrival| &arrival.ids).collect() };
        let unlinked = state.unlinked();
        for (hour, head) in state.heads.iter().filter(|(hour, _)| !unlinked.contains(hour)) {
            let Some(published) = head.publication() else { continue };
            let (there, before) = (ids(*hour), ids(hour.previous()));
            let expected: BTreeSet<&String> = there.iter().copied().filter(|id| !before.contains(id)).collect();
            let found: Vec<&String> = calls.get(hour).into_iter().flatten().collect();
            assert_eq!(found, expected.iter().copied().collect::<Vec<_>>(), "seed {seed}: the calls of {hour}");
            let copies = (there.len() - expected.len()) as u64;
            let malformed = of_hour(*hour).map(|arrival| arrival.malformed).sum();
            let noted = [published.notes.rows, published.notes.duplicates, published.notes.malformed];
            assert_eq!(noted, [expected.len() as u64, copies, malformed], "seed {seed}: {hour}");
        }
        let open = self.open(&state);
        let stuck = self.stuck(&state);
        self.check_named(&lake, &open, &state).await;
        self.check_usage(&lake, &stuck, &calls).await;
        let late: BTreeSet<Day> =
            open.iter().map(|one| one.hour).filter(|hour| state.is_in_the_lake(*hour)).map(Hour::day).collect();
        self.check_invoices(&lake, &late, &stuck, &calls).await;
    }

    /// Files that are not counted lie before the lake begins or where nothing can be built again, and jobs name them.
    async fn check_named(&self, lake: &Lake, open: &[&Arrival], state: &State) {
        let seed = self.seed;
        let open: BTreeSet<Hour> = open.iter().map(|arrival| arrival.hour).collect();
        let (late, before): (Vec<Hour>, Vec<Hour>) = open.iter().partition(|hour| state.is_in_the_lake(**hour));
        for hour in &late {
            let is_closed = state.is_closed(*hour) || state.is_closed(hour.next());
            assert!(is_closed, "seed {seed}: {hour} is not closed, and was left behind");
            let error = run::<MergeJob>(lake, &merge_one(*hour)).await.1.expect_err("an hour that is closed");
            let error = format!("{error:#}");
            assert!(error.contains(&hour.to_string()) && error.contains("are gone"), "seed {seed}: {error}");
        }
        let full = RepairArgs { full: true, ..RepairArgs::default() };
        let (reports, done) = run::<RepairJob>(lake, &full).await;
        assert_eq!(done.is_err(), !open.is_empty(), "seed {seed}: {:?}", done.map_err(|error| error.to_string()));
        let named = ["unmerged", "before_beginning"].map(|key| reports[0][key].as_u64());
        assert_eq!(
            named,
            [late.len(), before.len()].map(|count| Some(count as u64)),
            "seed {seed}: {late:?} {before:?}"
        );
    }

    /// Each day counts the calls of its hours, but for those that wait for an hour which cannot be merged.
    async fn check_usage(&self, lake: &Lake, stuck: &BTreeSet<Day>, calls: &BTreeMap<Hour, Vec<String>>) {
        let days = publications::heads_since::<Day>(lake, &lake.layout.usage_daily, None).await.expect("logs");
        let days = days.into_iter().filter_map(|(day, head)| Some((day, head.publication()?.notes.requests)));
        let mut of_hours: BTreeMap<Day, u64> = BTreeMap::new();
        for (hour, ids) in calls {
            *of_hours.entry(hour.day()).or_default() += ids.len() as u64;
        }
        let is_sound = |(day, requests): &(Day, u64)| !stuck.contains(day) && *requests > 0;
        let found: Vec<(Day, u64)> = days.filter(is_sound).collect();
        let expected: Vec<(Day, u64)> = of_hours.into_iter().filter(is_sound).collect();
        assert_eq!(found, expected, "seed {}: the days' calls", self.seed);
    }

    /// The first month and the next one together bill what is counted, however late it came. `late` are the days with files that
    /// are not counted, `stuck` those that wait for an hour which cannot be merged.
    async fn check_invoices(
        &self,
        lake: &Lake,
        late: &BTreeSet<Day>,
        stuck: &BTreeSet<Day>,
        calls: &BTreeMap<Hour, Vec<String>>,
    ) {
        let seed = self.seed;
        let month = self.first().day().month();
        let is_of_month = |day: &Day| day.month() == month;
        let (is_late, is_stuck) = (late.iter().any(is_of_month), stuck.iter().any(is_of_month));
        // Both months are over.
        self.clock.move_to(self.clock.now().max(month.offset(2).start()));
        if self.is_begun() && self.last_word.is_none() && is_late {
            let error = run::<InvoiceJob>(lake, &finalize(month, false)).await.1.expect_err("files that are late");
            assert!(is_stuck || format!("{error:#}").contains("late="), "seed {seed}: {error:#}");
        }
        let mut total = 0;
        let first = if self.is_begun() { finalize(month, true) } else { draft(month) };
        for args in [first, draft(month.next())] {
            let (reports, done) = run::<InvoiceJob>(lake, &args).await;
            match done {
                Err(_) if args.finalize && is_stuck && self.last_word.is_none() => return,
                Ok(()) if args.finalize && is_stuck && self.last_word.is_none() => {
                    panic!("seed {seed}: a month is final that waits for {stuck:?}")
                }
                Err(error) => panic!("seed {seed}: {error:#}"),
                Ok(()) => total += dollars(&reports[0]),
            }
        }
        let is_billed = |id: &&String| [month, month.next()].contains(&hour_of(id).day().month());
        let billed = calls.values().flatten().filter(is_billed).count() as i64;
        assert!(total == billed || !stuck.is_empty(), "seed {seed}: {total} are billed of {billed}");
    }
}

/// What is published and what lies there.
struct State {
    begins: Option<Hour>,
    heads: Vec<(Hour, Head<Hour>)>,
    /// The raw files that each published hour counts.
    counted: BTreeMap<Hour, BTreeSet<String>>,
    /// The raw files that are there.
    there: BTreeSet<String>,
}

impl State {
    async fn look(lake: &Lake) -> Self {
        let raw = &lake.layout.raw.folder;
        let objects = lake.store.list(raw).await.expect("a store");
        let there = objects.iter().filter_map(|object| object.location.relative_to(raw)).map(str::to_owned).collect();
        let heads = hours(lake).await;
        let mut counted = BTreeMap::new();
        for (hour, head) in heads.iter().filter(|(_, head)| head.partition.is_some()) {
            counted.insert(*hour, manifest(lake, head).await.expect("what a published hour was made from"));
        }
        let begins = Beginning::look(lake).await.expect("a log").first;
        Self { begins, heads, counted, there }
    }

    fn is_in_the_lake(&self, hour: Hour) -> bool {
        self.begins.is_none_or(|begins| begins <= hour)
    }

    fn counts(&self, arrival: &Arrival) -> bool {
        self.counted.get(&arrival.hour).is_some_and(|files| files.contains(&arrival.path))
    }

    /// Whether files that an hour counts are gone.
    fn is_closed(&self, hour: Hour) -> bool {
        self.counted.get(&hour).is_some_and(|files| !files.is_subset(&self.there))
    }

    /// The closed hours that were merged with other records of the hour before than it has now, and so cannot be linked to it.
    fn unlinked(&self) -> BTreeSet<Hour> {
        let published: BTreeMap<Hour, Publication<Hour>> =
            self.heads.iter().filter_map(|(hour, head)| Some((*hour, head.publication()?))).collect();
        let is_unlinked = |hour: &Hour, own: &Publication<Hour>| {
            let before = published.get(&hour.previous());
            own.notes.objects_before != objects_before(before) && self.is_closed(*hour)
        };
        published.iter().filter(|(hour, own)| is_unlinked(hour, own)).map(|(hour, _)| *hour).collect()
    }

    /// Whether an hour was never published.
    fn is_missing(&self, hour: Hour) -> bool {
        self.is_in_the_lake(hour) && !self.counted.contains_key(&hour)
    }
}

/// What an invoice of calls at a dollar each comes to.
fn dollars(report: &Value) -> i64 {
    let total = report["totals"]["USD"].as_str().unwrap_or("0").trim_end_matches(".00");
    total.parse().unwrap_or_else(|_| panic!("whole dollars: {report}"))
}

/// The hours of the life, each with the last entry of its log.
async fn hours(lake: &Lake) -> Vec<(Hour, Head<Hour>)> {
    publications::heads_since(lake, &lake.layout.merged, None).await.expect("logs")
}

/// The raw files that a published hour counts, as its generation names them; `None`: it is gone.
async fn manifest(lake: &Lake, head: &Head<Hour>) -> Option<BTreeSet<String>> {
    let folder = Generation::folder_around(&head.partition.as_ref()?.location);
    let text = lake.store.read(&folder.join(MANIFEST)).await.expect("a store")?;
    let manifest: Value = serde_json::from_slice(&text).expect("a manifest");
    Some(manifest["objects"].as_object().expect("objects").keys().cloned().collect())
}
