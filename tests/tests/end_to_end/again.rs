//! Merging again: nothing to do, late objects, an edited query, empty hours, files that are gone.

use std::fs;
use std::path::Path;

use meterlake_aggregate::{AggregateJob, Args as AggregateArgs};
use meterlake_core::catalog::Partition;
use meterlake_core::clock::Clock;
use meterlake_core::config::Config;
use meterlake_core::generation::Generation;
use meterlake_core::location::Location;
use meterlake_core::period::Period;
use meterlake_merge::Args;
use meterlake_query::{Args as QueryArgs, QueryJob};
use meterlake_tests::calls::{calls, many_calls};
use meterlake_tests::lake::{TestLake, counts, hour, one, range, run, statuses};
use meterlake_tests::tree::copy_tree;

/// Three merged hours, 06 to 08, with two calls each.
async fn three_hours() -> TestLake {
    let lake = TestLake::new().await;
    lake.put(hour("2023-01-31T06"), "a", calls(&["6a", "6b"]));
    lake.put(hour("2023-01-31T07"), "a", calls(&["7a", "7b"]));
    lake.put(hour("2023-01-31T08"), "a", calls(&["8a", "8b"]));
    let reports = lake.merge(&range(hour("2023-01-31T06"), hour("2023-01-31T08"))).await;
    let published = ["2023-01-31T06 published", "2023-01-31T07 published", "2023-01-31T08 published"];
    assert_eq!(statuses(&reports), published);
    lake
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_run_finds_nothing_to_do_and_touches_no_file() {
    let lake = three_hours().await;
    let (files, published) = (lake.files(), lake.published().await);
    let reports = lake.merge(&range(hour("2023-01-31T06"), hour("2023-01-31T08"))).await;
    assert_eq!(statuses(&reports), ["2023-01-31T06 unchanged", "2023-01-31T07 unchanged", "2023-01-31T08 unchanged"]);
    assert!(reports.iter().all(|report| counts(report) == (2, 0, 0) && report["scanned_bytes"] == 0));
    assert_eq!((lake.files(), lake.published().await), (files, published));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_that_was_moved_reads_as_before() {
    let mut lake = three_hours().await;
    let (count, rows) = (lake.calls().await, lake.merged().await);
    let there = lake.beside.path().join("another's lake");
    fs::rename(lake.folder(), &there).unwrap();
    let config = Config { lake: Location::from_path(&there).unwrap(), ..lake.lake.config.clone() };
    lake.lake = meterlake_embedded::connect(config).await.unwrap();
    assert_eq!((lake.calls().await, lake.merged().await), (count, rows));
    let reports = lake.merge(&range(hour("2023-01-31T06"), hour("2023-01-31T08"))).await;
    assert_eq!(statuses(&reports), ["2023-01-31T06 unchanged", "2023-01-31T07 unchanged", "2023-01-31T08 unchanged"]);
    lake.put(hour("2023-01-31T06"), "late", calls(&["6c"]));
    assert_eq!(counts(&lake.merge_hour(hour("2023-01-31T06")).await), (3, 0, 0));
    lake.assert_no_stray("after a move").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lake_is_asked_as_it_was() {
    let mut lake = TestLake::new().await;
    let clock = Clock::at("2023-01-31T08:00:00Z".parse().unwrap());
    lake.lake.clock = clock.clone();
    lake.put(hour("2023-01-31T06"), "a", calls(&["6a"]));
    lake.merge_hour(hour("2023-01-31T06")).await;
    clock.move_to("2023-01-31T08:30:00Z".parse().unwrap());
    lake.put(hour("2023-01-31T06"), "late", calls(&["6b"]));
    lake.merge_hour(hour("2023-01-31T06")).await;

    let ask = async |time: &str| {
        let statement = Some("SELECT count(*) FROM restapi_access_log_parquet WHERE year = 2023".to_owned());
        let args = QueryArgs { statement, as_of: Some(time.parse().unwrap()), ..QueryArgs::default() };
        run::<QueryJob>(&lake.lake, &args).await.map(|rows| rows[0]["rows"][0][0].as_str().unwrap().to_owned())
    };
    assert_eq!(ask("2023-01-31T07:59:00Z").await.unwrap(), "0");
    assert_eq!(ask("2023-01-31T08:29:00Z").await.unwrap(), "1");
    assert_eq!(ask("2023-01-31T08:31:00Z").await.unwrap(), "2");
    lake.vacuum().await;
    let gone = format!("{:#}", ask("2023-01-31T08:29:00Z").await.unwrap_err());
    assert!(gone.contains("had at 2023-01-31T08:29:00Z were superseded and deleted since"), "{gone}");
    assert_eq!(ask("2023-01-31T08:31:00Z").await.unwrap(), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_no_job_published_is_seen_by_no_statement() {
    let lake = three_hours().await;
    let catalog = &lake.lake.catalog;
    let merged = lake.lake.layout.merged.clone();
    // Somebody copies what hour 06 holds into the folder of an hour that was never merged, and registers it twice.
    let six = lake.published().await.remove(0);
    let nine = merged.partition(hour("2023-01-31T09"));
    copy_tree(&six.location.to_path().unwrap(), &nine.location.to_path().unwrap());
    let padded = Partition { values: ["2023", "01", "31", "6"].map(str::to_owned).to_vec(), ..nine.clone() };
    catalog.add_partitions(&merged.name, &[padded, nine]).await.unwrap();
    let args =
        AggregateArgs { day: Some(Some("2023-01-31".parse().unwrap())), allow_missing: true, ..Default::default() };
    let day = run::<AggregateJob>(&lake.lake, &args).await.unwrap().remove(0);
    assert_eq!(day["requests"], 6, "{day}");
    // Hour 10 has the calls of hour 06 anew. What lies under hour 09 is none of ours, so they are no copies.
    lake.put(hour("2023-01-31T10"), "a", calls(&["6a", "6b"]));
    assert_eq!(counts(&lake.merge_hour(hour("2023-01-31T10")).await), (2, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_object_rebuilds_only_its_hour() {
    let lake = three_hours().await;
    let before = lake.published().await;
    lake.put(hour("2023-01-31T06"), "late", calls(&["6c"]));
    let reports = lake.merge(&one(hour("2023-01-31T08"))).await;
    assert_eq!(statuses(&reports), ["2023-01-31T06 published", "2023-01-31T08 unchanged"]);
    assert_eq!(counts(&reports[0]), (3, 0, 0));
    let after = lake.published().await;
    assert_ne!(after[0].location, before[0].location);
    assert_eq!(after[1].location, before[1].location, "07 holds no copy of the late call");
    assert_eq!((after[2].clone(), lake.calls().await), (before[2].clone(), 7));

    // The following run does not look at hour 07's lines once more.
    let files = lake.files();
    let reports = lake.merge(&one(hour("2023-01-31T08"))).await;
    assert_eq!(statuses(&reports), ["2023-01-31T08 unchanged"]);
    assert_eq!((lake.files(), lake.published().await), (files, after));
    lake.assert_no_stray("after a late object").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_copy_of_a_counted_call_moves_it_to_the_earlier_hour() {
    let lake = three_hours().await;
    lake.put(hour("2023-01-31T06"), "late", calls(&["7a", "6c"]));
    let reports = lake.merge(&one(hour("2023-01-31T08"))).await;
    let expected = ["2023-01-31T06 published", "2023-01-31T07 published", "2023-01-31T08 unchanged"];
    assert_eq!(statuses(&reports), expected);
    assert_eq!((counts(&reports[0]), counts(&reports[1])), ((4, 0, 0), (1, 1, 0)));
    assert_eq!(lake.calls().await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_object_in_the_hour_before_the_requested_one_is_found_too() {
    let lake = three_hours().await;
    lake.put(hour("2023-01-31T07"), "late", calls(&["8a"]));
    let reports = lake.merge(&one(hour("2023-01-31T08"))).await;
    assert_eq!(statuses(&reports), ["2023-01-31T07 published", "2023-01-31T08 published"]);
    assert_eq!((counts(&reports[1]), lake.calls().await), ((1, 1, 0), 6));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_object_beyond_the_lookback_waits_until_its_hour_is_asked_for() {
    let lake = three_hours().await;
    lake.put(hour("2023-01-31T06"), "late", calls(&["6c"]));
    let short = Args { lookback: Some(1), ..one(hour("2023-01-31T08")) };
    assert_eq!(statuses(&lake.merge(&short).await), ["2023-01-31T08 unchanged"]);
    assert_eq!(statuses(&lake.merge(&one(hour("2023-01-31T06"))).await), ["2023-01-31T06 published"]);
    assert_eq!(lake.calls().await, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_object_that_changed_rebuilds_its_hour() {
    let lake = three_hours().await;
    lake.put(hour("2023-01-31T06"), "a", calls(&["6a", "6b", "6c"]));
    assert_eq!(counts(&lake.merge_hour(hour("2023-01-31T06")).await), (3, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn force_rebuilds_what_is_unchanged() {
    let lake = three_hours().await;
    let before = lake.published().await;
    let reports = lake.merge(&Args { force: true, ..one(hour("2023-01-31T08")) }).await;
    assert_eq!(statuses(&reports), ["2023-01-31T08 published"]);
    let after = lake.published().await;
    assert_eq!(after[..2], before[..2]);
    assert_ne!(after[2].location, before[2].location);
    assert_eq!(lake.calls().await, 6);
    lake.assert_no_stray("after --force").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_query_rebuilds_the_hours_within_the_lookback() {
    let mut lake = three_hours().await;
    let folder = lake.beside.path().join("sql");
    copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql"), &folder);
    let version = lake.lake.sql.query("merge_hour").unwrap().version();
    lake.lake.config.sql = folder.clone();
    let lake = TestLake { lake: meterlake_embedded::connect(lake.lake.config.clone()).await.unwrap(), ..lake };
    let edit = |from: &str, to: &str| {
        let file = folder.join("queries/merge_hour.sql");
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.matches(from).count(), 1, "{from}");
        fs::write(&file, text.replace(from, to)).unwrap();
    };

    edit("\n  httpmethod,\n", "\n  -- As it was logged.\n  httpmethod,\n");
    assert_eq!(statuses(&lake.merge(&one(hour("2023-01-31T08"))).await), ["2023-01-31T08 unchanged"], "a comment");

    edit("\n  httpmethod,\n", "\n  lower(httpmethod) AS httpmethod,\n");
    edit(&format!("-- version: {version}\n"), &format!("-- version: {}\n", version + 1));
    let reports = lake.merge(&Args { lookback: Some(1), ..one(hour("2023-01-31T08")) }).await;
    assert_eq!(statuses(&reports), ["2023-01-31T07 published", "2023-01-31T08 published"]);
    let newer = format!("merge_hour@{}+", version + 1);
    assert!(reports.iter().all(|report| report["sql"].as_str().unwrap().starts_with(&newer)), "{reports:?}");
    let methods = lake
        .query("SELECT httpmethod, count(*) FROM restapi_access_log_parquet GROUP BY httpmethod ORDER BY httpmethod")
        .await;
    assert_eq!(methods, [["GET", "2"], ["get", "4"]].map(|row| row.map(|cell| Some(cell.to_owned()))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_without_files_is_published_empty_until_a_late_object_comes() {
    let lake = TestLake::new().await;
    let (empty, next) = (hour("2023-01-31T06"), hour("2023-01-31T07"));
    lake.put(next, "a", many_calls(2));
    assert_eq!(lake.merge_hour(empty).await["status"], "empty");
    assert_eq!((lake.published().await.len(), lake.calls_in(empty).await), (1, 0));
    assert_eq!(lake.merge_hour(empty).await["status"], "unchanged");
    lake.assert_no_stray("after an empty hour").await;
    assert_eq!(lake.merge_hour(next).await["status"], "published");

    lake.put(empty, "late", calls(&["late"]));
    let reports = lake.merge(&one(next)).await;
    assert_eq!(statuses(&reports), ["2023-01-31T06 published", "2023-01-31T07 unchanged"]);
    assert_eq!((counts(&reports[0]), lake.calls_in(empty).await, lake.calls().await), ((1, 0, 0), 1, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn raw_files_that_are_gone_are_not_merged_away() {
    let lake = three_hours().await;
    let gone = hour("2023-01-31T06");
    lake.put(gone, "b", calls(&["6c"]));
    lake.merge_hour(gone).await;
    fs::remove_file(lake.raw_folder(gone).join("a")).unwrap();
    let before = lake.published().await;

    let error = lake.merge_fails(&one(gone)).await;
    assert!(error.contains("hour=06/a") && error.contains("--force"), "{error}");
    assert_eq!((lake.published().await, lake.calls_in(gone).await), (before, 3));

    let reports = lake.merge(&Args { force: true, ..one(gone) }).await;
    assert_eq!((counts(&reports[0]), lake.calls_in(gone).await), ((1, 0, 0), 1));
    lake.assert_no_stray("after files were gone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_not_counted_again_when_the_raw_files_of_the_hour_before_are_gone() {
    let lake = TestLake::new().await;
    let (first, second) = (hour("2023-01-31T06"), hour("2023-01-31T07"));
    lake.put(first, "a", calls(&["x", "y"]));
    lake.put(second, "a", calls(&["x", "z"]));
    lake.merge(&range(first, second)).await;
    assert_eq!(lake.calls().await, 3);

    // As a lifecycle rule does, which takes the older hour first.
    fs::remove_dir_all(lake.raw_folder(first)).unwrap();
    assert_eq!(statuses(&lake.merge(&one(second)).await), ["2023-01-31T07 unchanged"], "06 is closed");
    assert_eq!(lake.calls().await, 3);
    let error = lake.merge_fails(&one(first)).await;
    assert!(error.contains("hour=06/a") && error.contains("--force"), "{error}");
    // A file that comes then is counted by nobody, and named by the look at all hours.
    lake.put(first, "late", calls(&["w"]));
    assert_eq!(statuses(&lake.merge(&one(second)).await), ["2023-01-31T07 unchanged"]);
    let full = meterlake_repair::Args { full: true, ..Default::default() };
    assert_eq!(lake.repair(&full).await.unmerged, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_hour_that_fails_keeps_no_later_one_from_being_merged() {
    let lake = three_hours().await;
    lake.put(hour("2023-01-31T06"), "late", calls(&["6c"]));
    let manifest = Generation::folder_around(&lake.published().await[0].location).join("_inputs.json");
    fs::write(manifest.to_path().unwrap(), "{").unwrap();
    let new = hour("2023-01-31T08").offset(2);
    lake.put(new, "a", many_calls(5));
    let error = lake.merge_fails(&one(new)).await;
    assert!(error.contains("2023-01-31T06") && error.contains("_inputs.json is broken"), "{error}");
    assert_eq!((lake.calls_in(new).await, lake.calls().await), (5, 11));
}
