//! What a person meets at the command line.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn scheduler(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_scheduler"));
    command.args(args).current_dir(folder).env_remove("METERLAKE_CONFIG").env_remove("METERLAKE_LOG");
    command.output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn lines(output: &Output) -> Vec<String> {
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(str::to_owned).collect()
}

#[test]
fn next_says_what_each_firing_works_on() {
    let folder = tempfile::tempdir().unwrap();
    let output = scheduler(folder.path(), &["next", "5", "--from", "2023-02-01T00", "--output", "json"]);
    let firings: Vec<Value> = lines(&output).iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown: Vec<String> = firings
        .iter()
        .map(|one| [&one["at"], &one["name"], &one["period"]].map(|value| value.as_str().unwrap()).join(" "))
        .collect();
    assert_eq!(
        shown,
        [
            "2023-02-01T00:10:00Z merge 2023-01-31T23",
            "2023-02-01T00:25:00Z merge-late 2023-01-31T23",
            "2023-02-01T00:40:00Z repair 2023-01-30T00/2023-02-01T00",
            "2023-02-01T01:10:00Z merge 2023-02-01T00",
            "2023-02-01T01:30:00Z aggregate 2023-01-31",
        ]
    );
    let output = scheduler(folder.path(), &["next", "200", "--from", "2023-02-01"]);
    let invoices: Vec<String> = lines(&output).into_iter().filter(|line| line.contains("invoice")).collect();
    assert!(invoices[0].starts_with("2023-02-01T12:30:00Z") && invoices[0].ends_with("2023-01"), "{invoices:?}");
    assert!(invoices[1].starts_with("2023-02-03T02:00:00Z") && invoices[1].contains("--finalize"), "{invoices:?}");
    assert_eq!(lines(&scheduler(folder.path(), &["next"])).len(), 10);
}

#[test]
fn the_list_is_found_in_a_folder_above_and_a_flag_wins() {
    let folder = tempfile::tempdir().unwrap();
    let list = |name: &str| format!("[[schedule]]\nname = '{name}'\njob = 'merge'\ncron = '0 0 * * *'\n");
    fs::create_dir_all(folder.path().join("schedules")).unwrap();
    fs::create_dir_all(folder.path().join("a/b")).unwrap();
    fs::write(folder.path().join("schedules/schedules.toml"), list("found")).unwrap();
    fs::write(folder.path().join("other.toml"), list("given")).unwrap();
    let below = folder.path().join("a/b");
    assert!(lines(&scheduler(&below, &["next", "1"]))[0].contains("found"));
    assert!(lines(&scheduler(&below, &["next", "1", "--schedules", "../../other.toml"]))[0].contains("given"));
}

#[test]
fn a_fault_in_the_list_is_one_line_with_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("s.toml"), "[[schedule]]\nname = 'a'\njob = 'merge'\ncron = '0 0 30 2 *'\n").unwrap();
    for command in ["crontab", "eventbridge", "next", "run"] {
        let output = scheduler(folder.path(), &["--schedules", "s.toml", command]);
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(1), 1), "{command}: {stderr}");
        assert!(stderr.contains("s.toml:4: `0 0 30 2 *` never fires"), "{stderr}");
    }
    let output = scheduler(folder.path(), &["--schedules", "none.toml", "next"]);
    assert!(text(&output.stderr).contains("cannot read the schedules none.toml"));
}

#[test]
fn what_cannot_be_replayed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("lake")).unwrap();
    let refusal = |args: &[&str], code: i32| {
        let output = scheduler(folder.path(), &[&["replay"], args].concat());
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(code), 1), "{stderr}");
        stderr
    };
    assert!(refusal(&["--from", "2023-02-01", "--to", "2023-01-31"], 2).contains("before it begins"));
    assert!(refusal(&["--from", "yesterday"], 2).contains("2023-01-31T07"));
    assert!(refusal(&["--from", "2023-02-01", "--to", "2999-01-01"], 1).contains("has not come yet"));
    assert!(refusal(&["--from", "2023-02-01", "--to", "2023-02-02"], 1).contains("--bin tables"));
    let planned = scheduler(folder.path(), &["replay", "--from", "2023-02-01", "--to", "2023-02-02", "--dry-run"]);
    // 24 merges, repair, aggregate, invoice and vacuum, but for the merge, the aggregate and the invoice of what was over.
    assert_eq!(lines(&planned).len(), 28 - 3);
}
