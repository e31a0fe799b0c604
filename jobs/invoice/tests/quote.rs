//! `invoice quote` as a person runs it.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/plans.example.toml");

fn quote(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_invoice")).arg("quote").args(arguments).output().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = quote(&[arguments, &["--output", "json"]].concat());
    assert!(output.status.success(), "{}", error(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn error(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn example<'a>(plan: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
    [&["--plans", EXAMPLE, "--plan", plan], rest].concat()
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plans.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn a_quantity_is_priced_without_a_lake() {
    let quote = json(&example("standard", &["--usage", "billable_requests=12000000.50", "--date", "2023-12-31"]));
    let expected = json!({
        "currency": "USD",
        "lines": [{
            "kind": "usage", "charge": "calls", "meter": "billable_requests", "quantity": "12000000.5", "amount": "38.50",
        }],
        "subtotal": "38.50",
        "tax": "0.00",
        "total": "38.50",
    });
    assert_eq!(quote, expected);
}

#[test]
fn the_date_chooses_the_version() {
    let total = |date: &str| {
        let usage = ["--usage", "billable_requests=12000000", "--date", date];
        json(&example("standard", &usage))["total"].as_str().unwrap().to_owned()
    };
    assert_eq!((total("2023-12-31"), total("2024-01-01")), ("38.50".to_owned(), "33.00".to_owned()));
    assert!(quote(&example("standard", &[])).status.success());
}

#[test]
fn flat_prices_and_bounds_are_quoted_too() {
    let quote = json(&example("pro", &["--usage", "billable_requests=0"]));
    let line = |line: &Value| format!("{} {} {}", line["kind"], line["charge"], line["amount"]).replace('"', "");
    let lines: Vec<String> = quote["lines"].as_array().unwrap().iter().map(line).collect();
    let expected =
        ["flat base 49.00", "usage reads 0.00", "usage writes 0.00", "minimum traffic 1.00", "minimum null 50.00"];
    assert_eq!(lines, expected);
    assert_eq!(quote["total"], "100.00");
}

#[test]
fn people_get_text() {
    let output = quote(&example("pro", &["--usage", "response_bytes=50000000000"]));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("traffic (response_bytes)") && text.trim_end().ends_with("100.00 USD"), "{text}");
}

#[test]
fn every_fault_of_the_plan_file_is_a_line_with_file_line_and_key() {
    let (_folder, path) = file(
        "currency = 'USD'\n[[plans]]\nid = 'a'\neffective_from = 2023-01-01\nminimum = -1\nmaximum = 0.5\n\
         [[plans.charges]]\nid = 'x'\nmodel = 'flat'\nprice = 1",
    );
    let output = quote(&["--plans", path.to_str().unwrap(), "--plan", "a"]);
    let lines: Vec<String> = error(&output).lines().map(str::to_owned).collect();
    assert_eq!((output.status.code(), lines.len()), (Some(1), 2), "{lines:?}");
    assert!(lines[0].contains(&format!("{}:5: plans[0].minimum: `-1` is negative", path.display())), "{lines:?}");
    assert!(lines[1].contains(":6: plans[0].maximum: is a float"), "{lines:?}");
}

#[test]
fn a_file_that_is_no_toml_is_told_what_is_expected() {
    let utf16: Vec<u8> = "\u{feff}currency = 'USD'".encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (content, what) in [(utf16, "UTF-16"), (b"{\"currency\": \"USD\"}".to_vec(), "JSON"), (Vec::new(), "empty")] {
        let (_folder, path) = file("");
        std::fs::write(&path, content).unwrap();
        let output = quote(&["--plans", path.to_str().unwrap(), "--plan", "a"]);
        let error = error(&output);
        assert_eq!((output.status.code(), error.trim_end().lines().count()), (Some(1), 1), "{error}");
        assert!(error.contains(what) && error.contains("TOML") && error.contains("plans.example.toml"), "{error}");
    }
}

#[test]
fn what_cannot_be_quoted_fails_in_one_line() {
    let cases = [
        (example("gold", &[]), 1, "unknown plan `gold`: there are pro, standard"),
        (
            example("standard", &["--usage", "clicks=1"]),
            1,
            "no charge for the meter `clicks`: it prices billable_requests",
        ),
        (example("standard", &["--date", "2022-12-31"]), 1, "no version on 2022-12-31"),
        (vec!["--plans", "nowhere.toml", "--plan", "a"], 1, "cannot read the plans nowhere.toml"),
        (example("standard", &["--usage", "billable_requests"]), 2, "METER=QUANTITY"),
        (example("standard", &["--usage", "billable_requests=many"]), 2, "no number"),
        (example("standard", &["--usage", "billable_requests=-1"]), 2, "negative"),
        (example("standard", &["--usage", "requests=1", "--usage", "requests=2"]), 2, "twice"),
        (example("standard", &["--date", "soon"]), 2, "2023-01-31"),
        (vec!["--plan", "a"], 2, "--plans"),
    ];
    for (arguments, code, problem) in cases {
        let output = quote(&arguments);
        let error = error(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {error}");
        assert!(error.contains(problem) && error.trim_end().lines().count() == 1, "{arguments:?}: {error}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_meter_that_a_lake_may_have_is_priced_once_it_is_named() {
    let (_folder, path) = file(
        "currency = 'JPY'\n[[plans]]\nid = 'a'\neffective_from = 2023-01-01\n[[plans.charges]]\nid = 'x'\n\
         meter = 'cpu_ms'\nmodel = 'per_unit'\nunit = '0.5'",
    );
    let quote = json(&["--plans", path.to_str().unwrap(), "--plan", "a", "--usage", "cpu_ms=3"]);
    assert_eq!(quote["total"], "2");
}
