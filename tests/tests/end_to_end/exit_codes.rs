//! What programs end with: the table in README.md, and what a reader of standard output that goes away changes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use meterlake_tests::calls::calls;
use meterlake_tests::lake::{TestLake, hour};
use meterlake_tests::programs::{Ran, program, run};

const HOURS: [&str; 2] = ["2023-01-31T06", "2023-01-31T07"];
const PLANS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../jobs/invoice/plans.example.toml");

/// Program, exit code and arguments, in an order in which each can be so: `invoice quote` is the program `invoice`.
const CASES: [(&str, i32, &[&str]); 27] = [
    ("loadgen", 0, &["files", "--from", HOURS[0], "--to", HOURS[1], "--calls-per-hour", "20"]),
    ("loadgen", 1, &["gateway", "--url", "http://127.0.0.1:1/prod/", "--count", "1"]),
    ("loadgen", 2, &["files", "--from", HOURS[1], "--to", HOURS[0]]),
    ("merge", 1, &["--hour", HOURS[0]]),
    ("tables", 1, &["--lake", "nowhere"]),
    ("tables", 0, &[]),
    ("tables", 2, &["--nonsense"]),
    ("repair", 1, &["--full"]),
    ("merge", 0, &["--from", HOURS[0], "--to", HOURS[1]]),
    ("merge", 2, &["--hour", "2999-01-31T06"]),
    ("repair", 0, &["--full"]),
    ("repair", 2, &["--from", HOURS[1], "--to", HOURS[0]]),
    ("aggregate", 1, &["--day", "2023-01-31"]),
    ("aggregate", 0, &["--day", "2023-01-31", "--allow-missing"]),
    ("aggregate", 2, &["--day", "2999-01-31"]),
    ("invoice", 1, &["--month", "2023-01"]),
    ("invoice", 0, &["--month", "2023-01", "--plans", PLANS]),
    ("invoice", 2, &["--month", "2023-01", "--to", "2023-02"]),
    ("invoice quote", 0, &["--plans", PLANS, "--plan", "standard"]),
    ("invoice quote", 1, &["--plans", PLANS, "--plan", "gold"]),
    ("invoice quote", 2, &["--plans", PLANS]),
    ("query", 0, &["SELECT 1 AS one WHERE false"]),
    ("query", 1, &["SELECT nothing FROM nowhere"]),
    ("query", 2, &[]),
    ("scheduler", 0, &["next", "1"]),
    ("scheduler", 1, &["next", "--schedules", "nowhere.toml"]),
    ("scheduler", 2, &["replay", "--from", "2023-01-02", "--to", "2023-01-01"]),
];

/// The programs of the table in README.md.
fn described() -> BTreeSet<&'static str> {
    let readme = include_str!("../../../README.md");
    let (_, table) = readme.split_once("| program | 0 | 1 | 2 |\n|---|---|---|---|\n").unwrap();
    table.lines().map_while(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

fn ends(name: &str, folder: &Path, args: &[&str]) -> Ran {
    match name.split_once(' ') {
        Some((name, command)) => run(name, folder, &[&[command], args].concat()),
        None => run(name, folder, args),
    }
}

#[test]
fn each_exit_code_of_the_table_is_met() {
    let folder = tempfile::tempdir().unwrap();
    for (name, code, args) in CASES {
        let ran = ends(name, folder.path(), args);
        assert_eq!(ran.code, Some(code), "{name} {args:?}: {} {}", ran.stdout, ran.stderr);
        let said = ran.stderr.lines().last().is_some_and(|line| line.contains("ERROR"));
        assert_eq!(said, code != 0, "{name} {args:?}: {}", ran.stderr);
    }
    let met: BTreeSet<(&str, i32)> = CASES.into_iter().map(|(name, code, _)| (name, code)).collect();
    let expected = described().into_iter().flat_map(|name| [0, 1, 2].map(|code| (name, code))).collect();
    assert_eq!(met, expected);
}

/// Runs a program whose standard output nobody reads.
fn unread(name: &str, folder: &Path, args: &[&str]) -> Ran {
    let mut child = program(name, folder).args(args).spawn().unwrap();
    drop(child.stdout.take());
    Ran::of(child.wait_with_output().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_reports_nobody_reads_does_all_of_its_work() {
    let lake = TestLake::new().await;
    let hours = ["2023-01-31T05", "2023-01-31T06", "2023-01-31T07"];
    for (at, text) in hours.into_iter().enumerate() {
        lake.put(hour(text), "a", calls(&[&at.to_string()]));
    }
    lake.put(hour(hours[0]), "b", "{\n");
    let folder = lake.folder().display().to_string();
    // Nobody reads the log either, in which the malformed line is.
    let mut child = program("merge", lake.beside.path()).args(["--lake", &folder, "--hour", hours[0]]).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!((child.wait().unwrap().code(), lake.published().await.len()), (Some(0), 1));
    let merge = |to| unread("merge", lake.beside.path(), &["--lake", &folder, "--from", hours[0], "--to", to]);
    let ran = merge(hours[2]);
    assert_eq!((ran.code, lake.published().await.len(), lake.calls().await), (Some(0), 3, 3), "{}", ran.stderr);
    // What fails still does.
    fs::remove_file(lake.raw_folder(hour(hours[1])).join("a")).unwrap();
    let ran = merge(hours[2]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("--force"), "{}", ran.stderr);
}

#[test]
fn a_program_that_only_prints_ends_where_nobody_reads() {
    let folder = tempfile::tempdir().unwrap();
    for (name, args) in [
        ("scheduler", &["eventbridge"][..]),
        ("scheduler", &["crontab"]),
        ("scheduler", &["next", "500"]),
        ("invoice", &["quote", "--plans", PLANS, "--plan", "standard"]),
        ("loadgen", &["gateway", "--url", "http://127.0.0.1:1/prod/", "--dry-run", "--count", "10000"]),
    ] {
        let ran = unread(name, folder.path(), args);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{name} {args:?}");
    }
}
