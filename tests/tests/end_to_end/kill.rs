//! SIGKILL at any moment of a run, and the run again.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use meterlake_core::period::Hour;
use meterlake_core::publications;
use meterlake_loadgen::{Options, write_files};
use meterlake_merge::Args;
use meterlake_tests::calls::{calls, many_calls};
use meterlake_tests::lake::{TestLake, counts, hour, one};
use meterlake_tests::programs::{Ran, program};
use meterlake_tests::tree::copy_tree;

/// How often a run is killed, at moments spread over its duration.
const TRIES: u32 = 12;

fn the_hour() -> Hour {
    hour("2023-01-31T12")
}

fn start(lake: &TestLake) -> Child {
    let folder = lake.folder().display().to_string();
    let args = ["--lake", &folder, "--hour", "2023-01-31T12", "--output", "json"];
    program("merge", lake.beside.path()).args(args).spawn().unwrap()
}

fn finish(child: Child) -> Ran {
    Ran::of(child.wait_with_output().unwrap())
}

/// A lake with the raw files of another.
async fn copy_of(raw: &Path) -> TestLake {
    let lake = TestLake::new().await;
    copy_tree(raw, &lake.folder().join("json-data"));
    lake
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_that_is_run_again_gives_the_same_and_leaves_nothing() {
    let model = TestLake::new().await;
    let traffic = Options {
        from: the_hour(),
        to: the_hour(),
        calls_per_hour: 13_000,
        copies: 0.05,
        malformed: 0.01,
        legacy: 0.1,
        ..Options::default()
    };
    let truth = write_files(&*model.lake.store, &model.lake.layout, &traffic).await.unwrap();
    let expected = &truth.hours[&the_hour()];
    let expected = (expected.calls, expected.duplicates, expected.malformed);
    assert!(expected.0 > 15_000, "{expected:?}");
    let started = Instant::now();
    assert_eq!(counts(&finish(start(&model)).reports()[0]), expected);
    let (duration, rows) = (started.elapsed(), model.merged().await);

    let raw = model.folder().join("json-data");
    let mut killed = 0;
    for attempt in 0..TRIES {
        let delay = duration * attempt / TRIES;
        let when = format!("killed after {delay:?} of {duration:?}");
        let lake = copy_of(&raw).await;
        let mut child = start(&lake);
        sleep(delay);
        child.kill().unwrap();
        killed += u32::from(finish(child).code.is_none());
        let visible = lake.calls().await;
        assert!(visible == 0 || visible == expected.0, "{visible} calls are visible, {when}");

        let report = finish(start(&lake)).reports().remove(0);
        assert_eq!(counts(&report), expected, "{when}");
        assert!(lake.merged().await == rows, "other rows, {when}");
        lake.assert_no_stray(&when).await;
        assert_eq!(lake.calls().await, expected.0, "after vacuum, {when}");
    }
    assert!(killed >= TRIES / 2, "only {killed} runs were killed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_write_leaves_in_a_published_generation_is_vacuumed() {
    let lake = TestLake::new().await;
    lake.put(the_hour(), "a", calls(&["1"]));
    lake.merge_hour(the_hour()).await;
    // A run that is killed while it renews the list of inputs leaves this.
    let generation = lake.published().await[0].location.to_path().unwrap();
    fs::write(generation.join("._inputs.json.4711.tmp"), "{").unwrap();
    sleep(Duration::from_millis(10));
    lake.assert_no_stray("after a killed write").await;
    assert_eq!(lake.calls().await, 1);
}

/// Stops a process where it is, or lets it go on.
#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// The number of the newest entry in the log of the hour.
#[cfg(unix)]
async fn last_entry(lake: &TestLake) -> u64 {
    publications::head(&lake.lake, &lake.lake.layout.merged, the_hour()).await.unwrap().number
}

/// A run that is stopped at any moment, while others publish and vacuum what it has written, publishes nothing when it goes on.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_slept_publishes_nothing() {
    const PUBLICATIONS: u32 = 12;
    /// How many runs must have been stopped before they were over, and how often that is tried.
    const SLEPT: u32 = 3;
    const ATTEMPTS: u32 = 30;
    let lake = TestLake::new().await;
    lake.put(the_hour(), "a", many_calls(4000));
    let started = Instant::now();
    assert_eq!(finish(start(&lake)).reports()[0]["status"], "published");
    let duration = started.elapsed();
    let mut slept = 0;
    for attempt in 0..ATTEMPTS {
        // So that the run has something to do.
        lake.put(the_hour(), &format!("late-{attempt}"), calls(&[&format!("late-{attempt}")]));
        let entries = last_entry(&lake).await;
        let child = start(&lake);
        sleep(duration * (attempt % 5 + 1) / 6);
        signal(&child, "STOP");
        // A run may be stopped between its publication and its end. What it published before it slept may stay.
        let is_over = last_entry(&lake).await != entries;
        for _ in 0..PUBLICATIONS {
            lake.merge(&Args { force: true, lookback: Some(0), ..one(the_hour()) }).await;
        }
        lake.vacuum().await;
        let published = lake.published().await;
        signal(&child, "CONT");
        let ran = finish(child);
        if !is_over {
            slept += 1;
            // What it had written is gone, so it may also fail.
            assert!(ran.code == Some(1) || ran.reports()[0]["status"] == "unchanged", "{} {}", ran.stdout, ran.stderr);
        }
        assert_eq!(lake.published().await, published);
        assert_eq!(lake.calls().await, 4001 + u64::from(attempt));
        lake.assert_no_stray("after a run that slept").await;
        if slept == SLEPT {
            return;
        }
    }
    panic!("of {ATTEMPTS} runs, {slept} were stopped before they were over");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_asked_to_stop_says_so_in_a_line_and_is_gone_on_with() {
    let lake = TestLake::new().await;
    let traffic = Options {
        from: hour("2023-01-31T00"),
        to: hour("2023-01-31T23"),
        calls_per_hour: 500,
        objects_per_hour: 2,
        ..Options::default()
    };
    let truth = write_files(&*lake.lake.store, &lake.lake.layout, &traffic).await.unwrap();
    let folder = lake.folder().display().to_string();
    let range = ["--lake", &folder, "--from", "2023-01-31T00", "--to", "2023-01-31T23", "--output", "json"];
    for signal in ["TERM", "INT"] {
        let mut child = program("merge", lake.beside.path()).args(range).args(["--force"]).spawn().unwrap();
        // It is in the middle of its work when it has reported a first hour.
        let mut first = [0];
        child.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
        self::signal(&child, signal);
        let ran = finish(child);
        let error = ran.error(1);
        assert!(error.contains("stopped by") && error.contains("run it again to go on"), "{error}");
        assert!(ran.stdout.lines().count() < 24, "it was over before it was asked to stop");
    }
    let merged = Ran::of(program("merge", lake.beside.path()).args(range).output().unwrap()).reports();
    assert_eq!(merged.iter().map(|report| counts(report).0).sum::<u64>(), truth.totals.calls);
    lake.assert_no_stray("stopped twice and run again").await;
}
