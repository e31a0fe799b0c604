//! What keeps a month from being made final, how long it may wait, and what a person accepts.

use std::fs;

use meterlake_aggregate::AggregateJob;
use meterlake_core::clock::Clock;
use meterlake_core::period::Period;
use meterlake_invoice::{Args, InvoiceJob};
use meterlake_tests::billing::{accept, day, draft, finalize, used};
use meterlake_tests::calls::{calls, many_calls};
use meterlake_tests::lake::{TestLake, hour, run};
use meterlake_tests::programs;
use meterlake_tests::tree::copy_tree;
use serde_json::{Value, json};

use crate::invoices::PLANS;

const HOUR: &str = "2023-01-31T06";
const DAY: &str = "2023-01-31";

fn no_records(count: u32) -> String {
    (0..count).map(|number| format!("no record {number}\n")).collect()
}

fn wait(args: Args) -> Args {
    Args { wait_until: Some("+9d".parse().unwrap()), ..args }
}

/// A lake of which these objects lie in one merged hour of January, and every day is aggregated.
async fn lake_of(objects: &[(&str, Vec<u8>)]) -> TestLake {
    let lake = TestLake::with_plans(PLANS).await;
    for (name, content) in objects {
        lake.put(hour(HOUR), name, content);
    }
    lake.merge_hour(hour(HOUR)).await;
    lake.put_usage(DAY, &[used("a", DAY, 15)]).await;
    lake.fill("2023-01").await;
    lake
}

/// Five calls, and twelve lines that are none.
async fn malformed_lake() -> TestLake {
    lake_of(&[("a", (many_calls(5) + &no_records(12)).into_bytes())]).await
}

/// Merges one more object into the hour after, and aggregates the day again.
async fn add(lake: &TestLake, content: &str) {
    lake.put(hour(HOUR).next(), "b", content);
    lake.merge_hour(hour(HOUR).next()).await;
    lake.put_usage(DAY, &[used("a", DAY, 15)]).await;
}

/// The query that an error tells a person to run.
fn query_in(error: &str) -> String {
    let query = error.split("`query '").nth(1).expect("a query").split("'`").next();
    query.unwrap().to_owned()
}

async fn waits(lake: &TestLake, args: &Args) -> Value {
    let report = run::<InvoiceJob>(&lake.lake, args).await.unwrap().remove(0);
    assert_eq!(report["status"], "waiting", "{report}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_lines_keep_a_month_from_being_final_until_they_are_accepted() {
    let lake = malformed_lake().await;
    let made = lake.invoice(&Args { no_html: false, ..draft("2023-01") }).await;
    let keys = ["lines", "malformed", "duplicates", "unreadable_values", "unreadable_objects"];
    assert_eq!(keys.map(|key| made.report[key].clone()), [17, 12, 0, 0, 0].map(|number| json!(number)));
    let page = made.text("index.html");
    assert!(page.contains("Of 17 lines") && page.contains("12</td><td>malformed lines"), "{page}");

    let error = lake.invoice_fails(&finalize("2023-01")).await;
    for said in [
        "12 of its 17 lines are malformed (70.59 %, where more than 0.1 % are too many)",
        "most of them in the hour 2023-01-31T06 (12 of 17)",
        "--accept malformed=12`",
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
    assert_eq!(lake.query(&query_in(&error)).await.len(), 12);
    assert!(lake.invoice_fails(&accept("malformed=11,copies=100", finalize("2023-01"))).await.contains("malformed=12"));

    let last = lake.invoice(&accept("malformed=12", finalize("2023-01"))).await;
    assert_eq!((last.status(), &last.report["accepted"]), ("final", &json!("malformed=12")));
    assert!(last.text("_inputs.json").contains("malformed=12"));
    let again = lake.invoice(&finalize("2023-01")).await;
    assert_eq!((again.status(), &again.report["accepted"]), ("already final", &json!("malformed=12")));
    assert_eq!(again.report["malformed"], 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_with_a_draft_holds_when_it_is_made_final() {
    let lake = malformed_lake().await;
    let first = lake.invoice(&draft("2023-01")).await;
    let accepted = lake.invoice(&accept("malformed=12", draft("2023-01"))).await;
    assert_ne!(accepted.folder, first.folder, "it must be noted, though nothing else changed");
    let unchanged = lake.invoice(&draft("2023-01")).await;
    assert_eq!((&unchanged.folder, &unchanged.report["accepted"]), (&accepted.folder, &json!("malformed=12")));
    // A draft that is made again for another reason keeps it, and so does one whose numbers are smaller.
    lake.set_plans(&PLANS.replace("price = 49", "price = 99"));
    assert_eq!(lake.invoice(&draft("2023-01")).await.report["accepted"], "malformed=12");
    assert_eq!(lake.invoice(&finalize("2023-01")).await.status(), "final");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_does_not_hold_for_more() {
    let lake = malformed_lake().await;
    lake.invoice(&accept("malformed=12", draft("2023-01"))).await;
    add(&lake, &(calls(&["new"]) + &no_records(1))).await;
    let error = lake.invoice_fails(&finalize("2023-01")).await;
    assert!(error.contains("13 of its 19 lines") && error.contains("--accept malformed=13`"), "{error}");
    assert_eq!(lake.invoice(&accept("malformed=13", finalize("2023-01"))).await.status(), "final");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_little_but_malformed_lines_is_too_much_in_any_month() {
    let mut lake = lake_of(&[("a", (many_calls(4) + &no_records(5)).into_bytes())]).await;
    let error = lake.invoice_fails(&finalize("2023-01")).await;
    assert!(error.contains("5 lines are malformed in 1 hours that have little else"), "{error}");
    assert!(error.contains("--accept malformed=5`"), "{error}");
    lake.lake.config.gates.hour_malformed_percent = "60".to_owned();
    assert_eq!(lake.invoice(&finalize("2023-01")).await.status(), "final");
}

#[tokio::test(flavor = "multi_thread")]
async fn unusually_many_copies_and_objects_that_cannot_be_read_are_named_together() {
    let zip = b"PK\x03\x04\x14\0\0\0\x08\0 and more \n and more\n".to_vec();
    let lake = lake_of(&[("a", calls(&["1"]).repeat(60).into_bytes()), ("b.zip", zip)]).await;
    let error = lake.invoice_fails(&finalize("2023-01")).await;
    for said in [
        "59 lines were left out as copies in 1 hours that have unusually many",
        "(59 of 60, 98.33 %, where more than 20 % are too many)",
        "1 raw objects could not be read, most of them in the hour 2023-01-31T06 (1)",
        "_inputs.json names each",
        "--accept copies=59,objects=1`",
    ] {
        assert!(error.contains(said), "{said}: {error}");
    }
    let rows = lake.query(&query_in(&error)).await;
    assert_eq!(rows[0][1].as_deref(), Some("59"), "{rows:?}");
    // Each gate is accepted by its own number, and what was given is named again with what it lacks.
    let error = lake.invoice_fails(&accept("objects=1", finalize("2023-01"))).await;
    assert!(error.contains("--accept copies=59,objects=1`") && !error.contains("raw objects"), "{error}");
    assert_eq!(lake.invoice(&accept("copies=59,objects=1", finalize("2023-01"))).await.status(), "final");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_comes_to_an_hour_whose_files_are_gone_is_accepted_by_its_number() {
    let lake = lake_of(&[("a", calls(&["1"]).into_bytes()), ("b", calls(&["2"]).into_bytes())]).await;
    lake.put(hour(HOUR), "late", calls(&["3"]));
    let error = lake.invoice_fails(&finalize("2023-01")).await;
    assert!(error.contains("2023-01-31 has raw files that are not merged as they are (2023-01-31T06)"), "{error}");
    fs::remove_file(lake.raw_folder(hour(HOUR)).join("a")).unwrap();
    let error = lake.invoice_fails(&finalize("2023-01")).await;
    assert!(error.contains("hour=06/late") && error.contains("--accept late=1`"), "{error}");
    assert_eq!(lake.invoice(&accept("late=1", finalize("2023-01"))).await.status(), "final");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_waits_for_what_time_mends_and_not_for_ever() {
    let mut lake = TestLake::with_plans(PLANS).await;
    lake.put_usage("2023-01-05", &[used("a", "2023-01-05", 15)]).await;
    lake.fill_but("2023-01", &["2023-01-10"]).await;
    let clock = Clock::at("2023-02-03T02:00:00Z".parse().unwrap());
    lake.lake.clock = clock.clone();
    let args = wait(finalize("2023-01"));
    let report = waits(&lake, &args).await;
    let what = report["waiting_for"].as_str().unwrap();
    assert!(what.contains("2023-01-10 was never aggregated") && what.contains("aggregate --from 2023-01-10"), "{what}");
    assert_eq!((report.get("output"), &report["invoices"]), (None, &json!(0)));
    assert!(!lake.folder().join("invoices").exists());
    // Without the flag it is an error at once.
    assert!(lake.invoice_fails(&finalize("2023-01")).await.contains("2023-01-10 was never aggregated"));

    let made = lake.invoice(&draft("2023-01")).await;
    let report = waits(&lake, &args).await;
    assert_eq!((&report["generation"], &report["invoices"]), (&made.report["generation"], &json!(2)));
    clock.move_to("2023-02-09T23:59:59Z".parse().unwrap());
    waits(&lake, &args).await;
    clock.move_to("2023-02-10T00:00:00Z".parse().unwrap());
    assert!(lake.invoice_fails(&args).await.contains("2023-01-10 was never aggregated"));

    lake.fill("2023-01").await;
    assert_eq!(lake.invoice(&args).await.status(), "final");
    clock.move_to("2023-02-10T02:00:00Z".parse().unwrap());
    assert_eq!(lake.invoice(&args).await.status(), "already final");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_ends_later_than_utc_waits_a_day_longer() {
    let mut lake = TestLake::with_plans(PLANS).await;
    lake.lake.config.billing.time_zone = "America/Los_Angeles".to_owned();
    lake.put_usage("2023-01-05", &[used("a", "2023-01-05", 15)]).await;
    lake.fill("2023-01").await;
    let clock = Clock::at("2023-02-03T02:00:00Z".parse().unwrap());
    lake.lake.clock = clock.clone();
    let report = waits(&lake, &wait(finalize("2023-01"))).await;
    assert!(report["waiting_for"].as_str().unwrap().contains("2023-02-03 is not over yet"), "{report}");
    lake.put_usage("2023-02-03", &[]).await;
    clock.move_to("2023-02-04T02:00:00Z".parse().unwrap());
    assert_eq!(lake.invoice(&wait(finalize("2023-01"))).await.status(), "final");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_never_waits() {
    let mut lake = TestLake::with_plans(PLANS).await;
    lake.put(hour(HOUR), "a", no_records(12));
    lake.merge_hour(hour(HOUR)).await;
    lake.lake.clock = Clock::at("2023-02-03T02:00:00Z".parse().unwrap());
    let error = lake.invoice_fails(&wait(finalize("2023-01"))).await;
    assert!(
        error.contains("2023-01-01 was never aggregated") && error.contains("--accept malformed=12,days=33`"),
        "{error}"
    );
    let report = waits(&lake, &wait(accept("malformed=12", finalize("2023-01")))).await;
    assert!(!report["waiting_for"].as_str().unwrap().contains("are malformed"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_whose_folder_is_gone_is_made_again() {
    let lake = lake_of(&[("a", many_calls(2).into_bytes())]).await;
    let made = lake.invoice(&draft("2023-01")).await;
    fs::remove_dir_all(&made.folder).unwrap();
    let again = lake.invoice(&draft("2023-01")).await;
    assert_ne!(again.folder, made.folder);
    assert_eq!(again.totals(), ["a 0.03", "pro 52.92"]);
    lake.assert_no_stray("after a draft that was made again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_month_whose_folder_is_gone_is_an_error_that_names_it() {
    let lake = lake_of(&[("a", many_calls(2).into_bytes())]).await;
    let made = lake.invoice(&finalize("2023-01")).await;
    let aside = lake.beside.path().join("aside");
    copy_tree(&made.folder, &aside);
    fs::remove_dir_all(&made.folder).unwrap();
    for args in [draft("2023-01"), finalize("2023-01"), wait(finalize("2023-01"))] {
        let error = lake.invoice_fails(&args).await;
        assert!(error.contains(made.folder.to_str().unwrap()) && error.contains("put it back"), "{error}");
    }
    copy_tree(&aside, &made.folder);
    assert_eq!(lake.invoice(&finalize("2023-01")).await.status(), "already final");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_no_invoice_bills_are_counted() {
    let lake = TestLake::with_plans(PLANS).await;
    let arrived = [
        used("a", "2023-03-05", 12),
        // Later than its arrival, but in the month of it.
        used("a", "2023-03-20", 1),
        used("a", "2023-04-01", 7),
        used("a", "2030-01-01", 100),
        used("a", "2022-11-30", 3),
        used("-", "2023-05-01", 1000),
    ];
    lake.put_usage("2023-03-05", &arrived).await;
    // The invoice of April looks for what arrived on the day before it.
    lake.put_usage("2023-03-31", &[used("a", "2023-04-20", 5), used("a", "2023-05-01", 10_000)]).await;
    lake.fill("2023-03").await;
    let made = lake.invoice(&finalize("2023-03")).await;
    assert_eq!(made.lines()[0], "a usage calls 2023-03 13 0.02");
    assert_eq!(made.report["future_requests"], 7 + 100 + 10_000);
    assert_eq!(made.report["too_late_requests"], 3);
    let again = lake.invoice(&finalize("2023-03")).await;
    assert_eq!(again.report["future_requests"], made.report["future_requests"]);
    assert_eq!(lake.invoice(&draft("2023-04")).await.lines()[0], "a usage calls 2023-04 5 0.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_tells_what_its_hours_left_out() {
    let lake = malformed_lake().await;
    let day = Some(Some(day(DAY)));
    let args =
        meterlake_aggregate::Args { day, allow_missing: true, force: true, lookback: Some(0), ..Default::default() };
    let report = run::<AggregateJob>(&lake.lake, &args).await.unwrap().remove(0);
    let keys = ["lines", "malformed", "duplicates", "unreadable_values", "unreadable_objects"];
    assert_eq!(keys.map(|key| report[key].clone()), [17, 12, 0, 0, 0].map(|number| json!(number)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_warns_with_a_draft_and_takes_no_wrong_numbers() {
    let lake = malformed_lake().await;
    lake.put_usage(DAY, &[used("-", DAY, 15)]).await;
    let (folder, beside) = (lake.folder().display().to_string(), lake.beside.path());
    let invoice = |args: &[&str]| programs::run("invoice", beside, &[&["--lake", &folder], args].concat());
    let ran = invoice(&["--month", "2023-01", "--no-html"]);
    for said in ["--accept malformed=12`", "no call of this month has a user", "restapi_access_log_lines"] {
        assert!(ran.stderr.contains(said), "{said}: {}", ran.stderr);
    }
    assert!(ran.stdout.contains("of 17 lines of the log 12 are malformed"), "{}", ran.stdout);
    for (args, said) in [
        (&["--month", "2023-01", "--accept", "lines=3"][..], "there are malformed, copies, objects, late"),
        (&["--month", "2023-01", "--accept", "malformed"], "KEY=N"),
        (&["--from", "2023-01", "--to", "2023-02", "--accept", "malformed=12"], "for one month"),
        (&["--month", "2023-01", "--wait-until", "+9d"], "--finalize"),
        (&["--month", "2023-01", "--finalize", "--wait-until", "soon"], "+9d"),
    ] {
        let ran = invoice(args);
        assert!(ran.error(2).contains(said), "{args:?}: {}", ran.stderr);
    }
}
