//! A run that is cut off at any call to a seam and run again gives what an uncut one gives, and leaves
//! nothing behind.

use std::collections::BTreeMap;
use std::time::Duration;

use meterlake_core::lake::Lake;
use meterlake_core::period::Period;
use meterlake_merge::{Args, MergeJob};
use meterlake_tests::calls::{call, calls, gzip, lines};
use meterlake_tests::cut::CallNames;
use meterlake_tests::fuse::{Fuse, cut_everywhere, fused};
use meterlake_tests::lake::{Row, TestLake, counts, hour, one, range, run, statuses};
use meterlake_tests::programs;
use tokio::runtime::Runtime;

const FIRST: &str = "2023-01-31T06";

/// Two hours with copies, also across the edge, and a malformed line.
fn put_two_hours(lake: &TestLake) {
    let (first, second) = (hour(FIRST), hour(FIRST).next());
    lake.put(first, "a", calls(&["1", "2", "1"]));
    lake.put(first, "b.gz", gzip(format!("{}not a record\n", calls(&["3"]))));
    lake.put(second, "a", lines([&call("3"), &call("4"), &call("5")]));
}

/// Without a look back, which is the same calls again for other hours.
fn both_hours() -> Args {
    Args { lookback: Some(0), ..range(hour(FIRST), hour(FIRST).next()) }
}

/// Each hour's rows.
async fn rows_by_hour(lake: &TestLake) -> BTreeMap<Row, Vec<Row>> {
    let mut hours = BTreeMap::<Row, Vec<Row>>::new();
    for row in lake.merged().await {
        hours.entry(row[..4].to_vec()).or_default().push(row);
    }
    hours
}

/// Cuts a merge off at each of its calls, each time on a lake as `prepare` makes it, and runs it again.
fn cut_merge_everywhere(prepare: impl AsyncFn() -> TestLake, args: &Args, vacuum_after: Duration) {
    let runtime = Runtime::new().unwrap();
    let (before, expected, reported) = runtime.block_on(async {
        let lake = prepare().await;
        let before = rows_by_hour(&lake).await;
        let reports: Vec<_> = lake.merge(args).await.iter().map(counts).collect();
        (before, rows_by_hour(&lake).await, reports)
    });
    let check = async |lake: &TestLake, place: &str| {
        let visible = rows_by_hour(lake).await;
        for hour in expected.keys() {
            let rows = visible.get(hour);
            assert!(rows == before.get(hour) || rows == expected.get(hour), "half of {hour:?} is visible, {place}");
        }
        let reports: Vec<_> = lake.merge(args).await.iter().map(counts).collect();
        assert_eq!((&reports, rows_by_hour(lake).await), (&reported, expected.clone()), "{place}");
        lake.assert_no_stray(place).await;
        assert_eq!(rows_by_hour(lake).await, expected, "after vacuum, {place}");
        let again = lake.merge(args).await;
        assert!(statuses(&again).iter().all(|status| status.ends_with("unchanged")), "{place}");
    };
    let cuts = cut_everywhere(
        |_| runtime.block_on(prepare()),
        vacuum_after,
        async |lake| drop(run::<MergeJob>(lake, args).await.unwrap()),
        |lake, place| runtime.block_on(check(lake, place)),
    );
    assert!(cuts > 15, "a run has more than {cuts} cuts");
}

#[test]
fn a_first_merge_may_be_cut_off_anywhere() {
    let prepare = async || {
        let lake = TestLake::new().await;
        put_two_hours(&lake);
        lake
    };
    let first = Args { lookback: Some(0), ..one(hour(FIRST)) };
    cut_merge_everywhere(prepare, &first, Duration::from_secs(3600));
}

#[test]
fn a_merge_after_a_late_object_may_be_cut_off_anywhere() {
    let prepare = async || {
        let lake = TestLake::new().await;
        put_two_hours(&lake);
        lake.merge(&both_hours()).await;
        // A new call, and one that was counted in the second hour.
        lake.put(hour(FIRST), "late", calls(&["6", "4"]));
        lake
    };
    cut_merge_everywhere(prepare, &both_hours(), Duration::ZERO);
}

#[test]
fn a_merge_that_finds_only_the_hour_before_changed_may_be_cut_off_anywhere() {
    let prepare = async || {
        let lake = TestLake::new().await;
        put_two_hours(&lake);
        lake.merge(&both_hours()).await;
        lake.put(hour(FIRST), "late", calls(&["6"]));
        lake
    };
    let second = Args { lookback: Some(0), ..one(hour(FIRST).next()) };
    cut_merge_everywhere(prepare, &second, Duration::from_secs(3600));
}

#[test]
fn tables_and_repair_may_be_cut_off_anywhere() {
    use meterlake_repair::{Args, RepairJob};
    use meterlake_tables::TablesJob;

    let runtime = Runtime::new().unwrap();
    let prepare = |_| {
        let lake = runtime.block_on(TestLake::bare());
        put_two_hours(&lake);
        lake
    };
    let (from, to) = (Some(hour(FIRST)), Some(hour(FIRST).next()));
    let both = Args { from, to, ..Args::default() };
    let with_msck = Args { msck: true, ..both.clone() };
    let job = async |lake: &Lake| {
        run::<TablesJob>(lake, &Default::default()).await.unwrap();
        run::<RepairJob>(lake, &with_msck).await.unwrap();
    };
    let check = async |lake: &TestLake, place: &str| {
        run::<TablesJob>(&lake.lake, &Default::default()).await.unwrap();
        run::<RepairJob>(&lake.lake, &both).await.unwrap();
        for table in ["restapi_access_log_json", "restapi_access_log_lines"] {
            assert_eq!(lake.number(&format!("SELECT count(*) FROM {table}")).await, 8, "{place}");
            assert_eq!(lake.query(&format!("SHOW PARTITIONS {table}")).await.len(), 2, "{place}");
        }
    };
    let check = |lake: &TestLake, place: &str| runtime.block_on(check(lake, place));
    assert!(cut_everywhere(prepare, Duration::from_secs(3600), job, check) > 15);
}

#[test]
fn a_program_that_opens_the_lake_after_a_cut_finds_it_sound() {
    let runtime = Runtime::new().unwrap();
    let merge_until = |cut| {
        let lake = runtime.block_on(TestLake::new());
        put_two_hours(&lake);
        let fuse = Fuse::new(CallNames::of(&lake.lake.config.lake), cut);
        let seams = fused(&lake.lake.config, &fuse).unwrap();
        let finished = fuse.run(async { run::<MergeJob>(&seams, &both_hours()).await.unwrap() });
        (lake, fuse, finished)
    };
    let (_, undisturbed, _) = merge_until(None);
    let cuts = undisturbed.cuts();
    let (lake, _, finished) = merge_until(Some(cuts[cuts.len() / 2].clone()));
    assert_eq!(finished, None);
    let folder = lake.folder().display().to_string();
    let args = ["--lake", &folder, "--from", FIRST, "--to", "2023-01-31T07", "--output", "json"];
    let counted: Vec<_> = programs::run("merge", lake.beside.path(), &args).reports().iter().map(counts).collect();
    assert_eq!(counted, [(3, 1, 1), (2, 1, 0)]);
}
