//! What is published, where Glue's calls are lost, come late, and meet each other.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use async_trait::async_trait;
use aws_config::retry::RetryConfig;
use chrono::Utc;
use futures::future::try_join_all;
use meterlake_core::catalog::Partition;
use meterlake_core::clock::Clock;
use meterlake_core::config::Config;
use meterlake_core::engine::{Engine, Outcome, Rows, Statement};
use meterlake_core::generation::Generation;
use meterlake_core::lake::Lake;
use meterlake_core::layout::{TableLayout, period_values};
use meterlake_core::location::Location;
use meterlake_core::notes::HourNotes;
use meterlake_core::period::{Hour, Period};
use meterlake_core::publications::{self, Head};
use meterlake_core::publish::{Publication, vacuum_table};
use meterlake_core::slot::Slot;
use meterlake_core::store::LocalStore;
use tempfile::TempDir;

use super::fake::{FakeGlue, Fault};
use super::tests;

/// A lake whose jobs run no SQL.
struct NoEngine;

#[async_trait]
impl Engine for NoEngine {
    async fn execute(&self, _: &Statement) -> Result<Outcome> {
        bail!("no SQL is run here")
    }

    async fn query(&self, _: &Statement) -> Result<Rows> {
        bail!("no SQL is run here")
    }
}

struct Fixture {
    glue: FakeGlue,
    folder: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let (glue, _) = tests::lake().await;
        Self { glue, folder: tempfile::tempdir().unwrap() }
    }

    /// The lake as a process of its own sees it. A mortal one dies at the first call that is not answered.
    fn lake(&self, is_mortal: bool) -> Lake {
        let config = Config { lake: Location::from_path(self.folder.path()).unwrap(), ..Config::default() };
        let catalog = if is_mortal { self.glue.catalog_with(RetryConfig::disabled()) } else { self.glue.catalog() };
        Lake::new(config, Arc::new(LocalStore), Arc::new(catalog), Arc::new(NoEngine))
    }

    /// Where Glue lets Athena look for an hour.
    fn shown(&self, hour: Hour) -> Option<String> {
        let state = self.glue.state();
        let there =
            state.partitions["metering.raw"].iter().find(|one| one["Values"] == serde_json::json!(period_values(hour)));
        Some(there?["StorageDescriptor"]["Location"].as_str().unwrap().trim_end_matches('/').to_owned())
    }
}

/// The table `metering.raw`, as one that is published.
fn table(lake: &Lake) -> TableLayout {
    TableLayout { name: tests::raw(), folder: lake.config.lake.join("parquet-data") }
}

fn hour(text: &str) -> Hour {
    text.parse().unwrap()
}

fn publication(notes: HourNotes) -> Publication<Hour> {
    Publication {
        generation: Generation::begin(&Clock::real()),
        fingerprint: "f".to_owned(),
        sql: "merge_hour@2".to_owned(),
        published_at: Utc::now(),
        notes,
    }
}

/// Publishes a generation of its own; `None`: somebody else was faster.
async fn publish(lake: &Lake, hour: Hour, notes: HourNotes) -> Result<Option<Head<Hour>>> {
    let table = table(lake);
    let slot = Slot::look(lake, &table, hour).await?;
    let publication = publication(notes);
    let folder = publication.generation.folder(&table.folder_of(hour));
    lake.store.write(&folder.join("x.parquet"), b"").await?;
    slot.publish(&publication, &folder).await
}

fn located(head: &Head<Hour>) -> Option<String> {
    head.partition.as_ref().map(|partition| partition.location.to_string())
}

#[tokio::test]
async fn what_is_published_comes_back_and_is_shown() {
    let fixture = Fixture::new().await;
    let lake = fixture.lake(false);
    let hour = hour("2023-01-31T06");
    let table = table(&lake);
    assert_eq!(publications::head(&lake, &table, hour).await.unwrap(), Head::default());
    let notes = HourNotes { objects: "사용자 'x'".to_owned(), ..HourNotes::default() };
    let published = publish(&lake, hour, notes.clone()).await.unwrap().unwrap();
    assert_eq!(published.number, 1);
    let head = publications::head(&lake, &table, hour).await.unwrap();
    assert_eq!(head, published);
    assert_eq!(head.publication().unwrap().notes, notes);
    assert_eq!(fixture.shown(hour), located(&head));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_publications_at_once_exactly_one_wins() {
    let fixture = Fixture::new().await;
    let hour = hour("2023-01-31T06");
    for round in 1..=20 {
        let lakes = [(); 8].map(|()| fixture.lake(false));
        let table = table(&lakes[0]);
        let slots = try_join_all(lakes.iter().map(|lake| Slot::look(lake, &table, hour))).await.unwrap();
        let tries = slots.iter().map(async |slot| {
            let publication = publication(HourNotes::default());
            slot.publish(&publication, &publication.generation.folder(&table.folder_of(hour))).await
        });
        let won: Vec<Head<Hour>> = try_join_all(tries).await.unwrap().into_iter().flatten().collect();
        assert_eq!(won.len(), 1);
        assert_eq!(won[0].number, round);
        assert_eq!(publications::head(&lakes[0], &table, hour).await.unwrap(), won[0]);
        assert_eq!(fixture.shown(hour), located(&won[0]));
    }
}

#[tokio::test]
async fn a_mirror_that_is_behind_is_put_right_by_whoever_looks() {
    let fixture = Fixture::new().await;
    let hours: Vec<Hour> = Hour::range(hour("2023-01-31T06"), hour("2023-01-31T09")).collect();
    let lake = fixture.lake(false);
    let table = table(&lake);
    for hour in &hours {
        publish(&lake, *hour, HourNotes::default()).await.unwrap().unwrap();
    }
    // The second publication of an hour is written, and its process dies before Glue knows.
    let late = hours[1];
    fixture.glue.fault("BatchUpdatePartition", Fault::Hold);
    assert!(publish(&fixture.lake(true), late, HourNotes::default()).await.is_err());
    let old = fixture.shown(late);
    let newest = publications::head(&lake, &table, late).await.unwrap();
    assert_eq!((newest.number, fixture.shown(late)), (2, located(&newest)));
    assert_ne!(old, fixture.shown(late));
    // The third comes, and then the update of the second arrives after all.
    let third = publish(&lake, late, HourNotes::default()).await.unwrap().unwrap();
    fixture.glue.deliver();
    assert_eq!(fixture.shown(late), located(&newest), "Glue is behind");
    let heads = publications::heads(&lake, &table, &hours).await.unwrap();
    assert_eq!(heads.iter().map(|head| head.number).collect::<Vec<_>>(), [1, 3, 1, 1]);
    assert_eq!((&heads[1], fixture.shown(late)), (&third, located(&third)));
    // Somebody drops one. It is what is published all the same.
    lake.catalog.drop_partitions(&table.name, &[period_values(hours[3])]).await.unwrap();
    let since = publications::heads_since(&lake, &table, Some(hours[2])).await.unwrap();
    assert_eq!(since, [(hours[2], heads[2].clone()), (hours[3], heads[3].clone())]);
    assert_eq!(fixture.shown(hours[3]), located(&heads[3]));
}

#[tokio::test]
async fn a_partition_that_no_job_published_is_none_of_ours() {
    let fixture = Fixture::new().await;
    let lake = fixture.lake(false);
    let (table, hour) = (table(&lake), hour("2023-01-31T06"));
    let stranger = Partition { location: lake.config.lake.join("elsewhere"), ..table.partition(hour) };
    lake.catalog.add_partitions(&table.name, &[stranger]).await.unwrap();
    assert_eq!(publications::head(&lake, &table, hour).await.unwrap(), Head::default());
    let head = publish(&lake, hour, HourNotes::default()).await.unwrap().unwrap();
    assert_eq!(fixture.shown(hour), located(&head));
}

#[tokio::test]
async fn a_run_that_slept_through_a_vacuum_publishes_nothing() {
    let fixture = Fixture::new().await;
    let mut lake = fixture.lake(false);
    let (table, hour) = (table(&lake), hour("2023-01-31T06"));
    for is_first in [true, false] {
        if !is_first {
            publish(&lake, hour, HourNotes::default()).await.unwrap().unwrap();
        }
        let slot = Slot::look(&lake, &table, hour).await.unwrap();
        let publication = publication(HourNotes::default());
        let folder = publication.generation.folder(&table.folder_of(hour));
        lake.store.write(&folder.join("x.parquet"), b"").await.unwrap();
        let before = publications::head(&lake, &table, hour).await.unwrap();

        let mut vacuuming = lake.clone();
        vacuuming.config.vacuum_after = Duration::ZERO;
        assert_eq!(vacuum_table::<Hour>(&vacuuming, &table, &[], None).await.unwrap().generations, 1);
        assert!(slot.publish(&publication, &folder).await.unwrap().is_none(), "its folder is gone");
        let after = publications::head(&lake, &table, hour).await.unwrap();
        assert_eq!((after.partition, after.number), (before.partition, before.number + 1));
        // Where there is nothing to delete, no entry is written.
        vacuum_table::<Hour>(&vacuuming, &table, &[], None).await.unwrap();
        assert_eq!(publications::head(&lake, &table, hour).await.unwrap().number, before.number + 1);
        lake = fixture.lake(false);
    }
}

/// Four writers each add a mark of theirs thirty times to what is there. They die at calls that are held, begin again
/// and look; the held calls arrive at any time.
#[tokio::test(flavor = "multi_thread")]
async fn no_publication_is_lost_or_done_twice_whatever_comes_late() {
    let fixture = Arc::new(Fixture::new().await);
    let hour = hour("2023-01-31T06");
    publish(&fixture.lake(false), hour, HourNotes::default()).await.unwrap().unwrap();
    fixture.glue.state().hold_one_in = Some(4);
    let writers = (0..4).map(|writer| {
        let fixture = Arc::clone(&fixture);
        tokio::spawn(async move {
            for number in 0..30 {
                let mark = format!(" {writer}-{number}.");
                let mut tries = 0;
                while !add_mark(&fixture.lake(true), hour, &mark).await.unwrap_or(false) {
                    tries += 1;
                    assert!(tries < 200, "{mark} never gets in");
                    if rand::random_range(0..3) == 0 {
                        fixture.glue.deliver();
                    }
                }
            }
        })
    });
    try_join_all(writers.collect::<Vec<_>>()).await.unwrap();
    fixture.glue.state().hold_one_in = None;
    fixture.glue.deliver();

    let lake = fixture.lake(false);
    let head = publications::head(&lake, &table(&lake), hour).await.unwrap();
    assert_eq!(head.number, 121);
    let marks = head.publication().unwrap().notes.objects;
    assert_eq!(marks.matches('.').count(), 120, "{marks}");
    for (writer, number) in (0..4).flat_map(|writer| (0..30).map(move |number| (writer, number))) {
        assert_eq!(marks.matches(&format!(" {writer}-{number}.")).count(), 1, "{writer}-{number} in {marks}");
    }
}

/// Whether the mark is there, before or after a try to add it.
async fn add_mark(lake: &Lake, hour: Hour, mark: &str) -> Result<bool> {
    let head = publications::head(lake, &table(lake), hour).await?;
    let mut notes = head.publication().unwrap().notes;
    if notes.objects.contains(mark) {
        return Ok(true);
    }
    notes.objects.push_str(mark);
    let publication = publication(notes);
    let folder = publication.generation.folder(&table(lake).folder_of(hour));
    let partition = publication.partition(period_values(hour), folder)?;
    Ok(publications::append(lake, &table(lake), hour, head.number, Some(&partition)).await?.is_some())
}
