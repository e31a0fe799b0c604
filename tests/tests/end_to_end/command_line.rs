//! What a person meets: help where something is missing, exit codes, and reports.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use meterlake_tests::calls::{call, calls, lines, with};
use meterlake_tests::lake::{TestLake, hour};
use meterlake_tests::programs::{Ran, run};
use meterlake_tests::tree::tree;

const HOUR: &str = "2023-01-31T06";
const KEYS: [&str; 19] = [
    "job",
    "period",
    "status",
    "rows",
    "rows_added",
    "duplicates",
    "malformed",
    "malformed_reasons",
    "unsplit",
    "unreadable_values",
    "unreadable_objects",
    "source_files",
    "source_bytes",
    "output_files",
    "output_bytes",
    "generation",
    "sql",
    "scanned_bytes",
    "duration_ms",
];

fn merge(lake: &Path, more: &[&str]) -> Ran {
    let path = lake.display().to_string();
    run("merge", lake.parent().unwrap(), &[&["--lake", path.as_str()], more].concat())
}

fn assert_says(line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "`{word}` is missing in: {line}");
    }
}

#[test]
fn a_lake_that_is_not_there_comes_with_the_ways_to_one() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run("merge", folder.path(), &["--hour"]);
    assert_says(ran.error(1), &["demo", "loadgen", "--lake", "/lake"]);
    assert!(tree(folder.path()).is_empty() && ran.stdout.is_empty());
}

#[test]
fn a_lake_without_tables_comes_with_the_program_that_makes_them() {
    let folder = tempfile::tempdir().unwrap();
    assert_says(merge(folder.path(), &["--hour", HOUR]).error(1), &["restapi_access_log", "--bin tables"]);
    let path = folder.path().display().to_string();
    assert_says(run("repair", folder.path(), &["--lake", &path]).error(1), &["--bin tables"]);
}

#[test]
fn a_wrong_argument_is_one_line_with_a_right_one_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in ["yesterday", "2023-01-31", "2023-02-30T06", "2023-01-31T24", "2023-01-31T06:30Z"] {
        let ran = merge(folder.path(), &["--hour", wrong]);
        assert_says(ran.error(2), &[wrong, "2023-01-31T06"]);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    }
    for (args, words) in [
        (&["--hour", "2999-01-31T06"][..], &["2999-01-31T06", "not over"][..]),
        (&["--from", "2023-01-31T07", "--to", HOUR], &["ends (2023-01-31T06) before it starts (2023-01-31T07)"]),
        (&["--to", HOUR], &["--from"]),
        (&["--hour", HOUR, "--from", HOUR], &["either --hour or --from"]),
        (&["--lookback", "x"], &["--lookback", "x"]),
        (&["--lookback", "3000000000"], &["--lookback", "0..=8784"]),
        (&["--output", "xml"], &["text, json"]),
        (&["--nonsense"], &["--nonsense", "--help"]),
    ] {
        assert_says(merge(folder.path(), args).error(2), words);
    }
    assert_says(merge(folder.path(), &["--set", "merge.lookbak=1"]).error(1), &["merge.lookbak", "merge.lookback"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_report_is_one_line_an_hour_with_the_agreed_keys() {
    let lake = TestLake::new().await;
    lake.put(hour(HOUR), "a", calls(&["1", "2", "2"]) + "{\n");
    let args = ["--from", HOUR, "--to", "2023-01-31T08", "--output", "json"];
    let reports = merge(&lake.folder(), &args).reports();
    assert_eq!(reports.len(), 3);
    for report in &reports {
        let keys: BTreeSet<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, KEYS.into());
    }
    let first = &reports[0];
    let expected = serde_json::json!({
        "job": "merge", "period": HOUR, "status": "published", "rows": 2, "rows_added": 2, "duplicates": 1,
        "malformed": 1, "malformed_reasons": {"not JSON": 1}, "unsplit": 0, "unreadable_values": 0, "unreadable_objects": 0,
        "source_files": 1, "sql": lake.lake.sql.query("merge_hour").unwrap().label(),
    });
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&first[key], value, "{key}");
    }
    let raw: u64 = fs::metadata(lake.raw_folder(hour(HOUR)).join("a")).unwrap().len();
    assert_eq!((&first["source_bytes"], reports[1]["status"].as_str()), (&raw.into(), Some("empty")));
    let published = lake.published().await[0].location.parent().to_path().unwrap();
    assert!(published.ends_with(format!("run={}", first["generation"].as_str().unwrap())));
    let written = tree(&published).into_iter().filter(|(path, _)| path.extension().is_some_and(|end| end == "parquet"));
    let (files, bytes) = written.fold((0_u64, 0), |(files, bytes), (_, (size, _))| (files + 1, bytes + size));
    assert_eq!((&first["output_files"], &first["output_bytes"]), (&files.into(), &bytes.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_that_is_merged_again_says_how_many_calls_came_to_it() {
    let lake = TestLake::new().await;
    let merge = || merge(&lake.folder(), &["--hour", HOUR, "--lookback", "0", "--output", "json"]).reports().remove(0);
    lake.put(hour(HOUR), "a", calls(&["1", "2"]));
    let first = merge();
    lake.put(hour(HOUR), "late", calls(&["2", "3"]));
    let (second, third) = (merge(), merge());
    let rows = [first, second, third].map(|report| (report["rows"].as_i64(), report["rows_added"].as_i64()));
    assert_eq!(rows, [(Some(2), Some(2)), (Some(3), Some(1)), (Some(3), Some(0))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_the_statement_and_changes_nothing() {
    let lake = TestLake::new().await;
    lake.put(hour(HOUR), "a", calls(&["1"]));
    let catalog = async || (lake.published().await, lake.query("SHOW PARTITIONS restapi_access_log_json").await);
    let before = (lake.files(), catalog().await);
    let ran = merge(&lake.folder(), &["--hour", HOUR, "--dry-run"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_says(
        &ran.stdout,
        &["CREATE TABLE", "external_location", "hour = 6", "first time", "\"restapi_access_log_lines\""],
    );
    assert!(!ran.stdout.contains("{{"));
    for program in ["repair", "tables"] {
        let path = lake.folder().display().to_string();
        let ran = run(program, lake.beside.path(), &["--lake", &path, "--dry-run"]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    assert_eq!((lake.files(), catalog().await), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lakes_path_may_have_any_characters() {
    let names = ["with space", "it's \"quoted\"; --", "호수 물", "100%41 #1?", "a=b&c+d"];
    for name in names {
        let lake = TestLake::named(name).await;
        let user = "Robert'); DROP TABLE calls;-- \"x\"\n\t사용자";
        lake.put(hour(HOUR), "a b'c%20.json", lines([&with(call("1"), "user", user), &call("2")]));
        let path = lake.folder().display().to_string();
        let go = |program: &str, args: &[&str]| {
            let ran = run(program, lake.beside.path(), &[&["--lake", path.as_str()], args].concat());
            assert_eq!(ran.code, Some(0), "{name}: {}", ran.stderr);
            ran
        };
        go("tables", &[]);
        go("repair", &["--from", HOUR, "--to", HOUR]);
        go("merge", &["--hour", HOUR, "--output", "json"]);
        assert_eq!(lake.number("SELECT count(*) FROM restapi_access_log_json").await, 2, "{name}");
        let rows = lake.query("SELECT \"user\" FROM restapi_access_log_parquet WHERE extendedrequestid = '1'").await;
        assert_eq!(rows, [[Some(user.to_owned())]], "{name}");
        assert_eq!(go("merge", &["--hour", HOUR, "--output", "json"]).reports()[0]["status"], "unchanged");
        lake.assert_no_stray(name).await;
        let names: Vec<_> = fs::read_dir(lake.beside.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [name], "nothing is written beside the lake");
    }
}

#[test]
fn the_tour_from_loadgen_to_a_query_works_as_programs() {
    let folder = tempfile::tempdir().unwrap();
    let hours = ["--from", HOUR, "--to", "2023-01-31T07"];
    let go = |program: &str, args: &[&str]| {
        let ran = run(program, folder.path(), args);
        assert_eq!(ran.code, Some(0), "{program}: {}", ran.stderr);
        ran.stdout
    };
    let truth = go("loadgen", &[&["files", "--lake", "lake", "--calls-per-hour", "200"], &hours[..]].concat());
    let truth: serde_json::Value = serde_json::from_str(&truth).unwrap();
    assert_says(&go("tables", &[]), &["applied"]);
    assert_says(&go("repair", &hours), &["2 added"]);
    assert_says(&go("merge", &hours), &["published"]);
    assert_says(
        &go("query", &["SELECT count(*) AS calls FROM restapi_access_log_parquet"]),
        &["calls", &truth["totals"]["calls"].to_string()],
    );
}
