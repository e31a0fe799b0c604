//! What `invoice` says when it is asked for what cannot be, or given what is wrong; and that nothing is written then.

use std::fs;

use meterlake_invoice::Args;
use meterlake_tests::billing::{draft, finalize, used};
use meterlake_tests::lake::TestLake;
use meterlake_tests::programs;
use serde_json::json;

use crate::invoices::PLANS;

async fn fails(lake: &TestLake, args: &Args) -> String {
    let error = lake.invoice_fails(args).await;
    let written = lake.folder().join("invoices");
    let files = if written.exists() { meterlake_tests::tree::tree(&written).len() } else { 0 };
    assert_eq!(files, 0, "{error}");
    assert_eq!(lake.number("SELECT count(*) FROM invoices").await, 0, "{error}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_plan_file_is_reported_with_its_line() {
    let lake = TestLake::with_plans(PLANS).await;
    lake.put_usage("2023-01-05", &[used("a", "2023-01-05", 15)]).await;
    for (wrong, right, said) in [
        ("currency = 'USD'", "", "currency: is missing"),
        ("currency = 'USD'", "currency = 'USDX'", "plans.toml:2: currency: `USDX` is no currency"),
        ("unit = '0.005'", "unit = 0.005", "is a float"),
        ("unit = '0.005'", "unit = '-0.005'", "`-0.005` is negative"),
        ("meter = 'billable_requests'", "meter = 'clicks'", "unknown meter `clicks`: there are billable_requests"),
        ("plan = 'pro'", "plan = 'gold'", "unknown plan `gold`"),
        ("{ up_to = 10, unit = 0 }, ", "{ up_to = 10, unit = 0 }, { up_to = 5, unit = 1 }, ", "`5` is out of order"),
        ("id = 'pro'\neffective_from", "id = 'standard'\neffective_from", "overlap"),
        ("price = 49", "price = ", "plans.toml:18: price"),
    ] {
        lake.set_plans(&PLANS.replace(wrong, right));
        let error = fails(&lake, &draft("2023-01")).await;
        assert!(error.contains(said) && error.contains("plans.toml"), "{said}: {error}");
    }
    fs::remove_file(lake.lake.config.billing.plans.to_path().unwrap()).unwrap();
    let error = fails(&lake, &draft("2023-01")).await;
    assert!(error.contains("there is no plan file at") && error.contains("--plans"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_customer_without_a_plan_is_named_with_what_would_give_it_one() {
    let lake = TestLake::with_plans(&PLANS.replace("default_plan = 'standard'", "")).await;
    lake.put_usage("2023-01-05", &[used("pro", "2023-01-05", 15), used("-", "2023-01-05", 15)]).await;
    assert_eq!(lake.invoice(&draft("2023-01")).await.totals(), ["pro 52.94"]);
    lake.put_usage("2023-02-05", &[used("stranger", "2023-02-05", 1)]).await;
    let made = lake.invoice(&draft("2023-02")).await;
    assert_eq!(made.totals(), ["pro 52.92"]);
    assert_eq!(made.report["uncovered_requests"], 1);
    // Nothing tells the days of this month apart.
    let why = "has 1 call from 2023-02-01 to 2023-02-28: no plan covers the customer then: give it one, or set \
               default_plan";
    assert_eq!(made.report["uncovered"], json!([{"customer": "stranger", "why": why}]));
    let error = lake.invoice_fails(&Args { customer: Some("stranger".to_owned()), ..draft("2023-02") }).await;
    assert!(error.contains("`stranger` has no invoice: it has 1 call") && error.contains("default_plan"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meter_of_floats_is_none() {
    let lake = TestLake::with_plans(&PLANS.replace("meter = 'requests'", "meter = 'seconds'")).await;
    lake.execute("ALTER TABLE usage_daily ADD COLUMNS (`seconds` double)").await;
    let error = fails(&lake, &draft("2023-01")).await;
    assert!(error.contains("unknown meter `seconds`"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_are_not_there_are_named_with_the_command_that_makes_them() {
    let lake = TestLake::bare().await;
    let error = lake.invoice_fails(&draft("2023-01")).await;
    assert!(
        error.contains("metering.usage_daily does not exist") && error.contains("cargo run --bin tables"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_of_a_size_that_no_amount_holds_is_left_out_alone() {
    let lake = TestLake::with_plans(&PLANS.replace("'0.005'", "'9999999999999999'")).await;
    let much = u64::MAX / 2;
    lake.put_usage("2023-01-05", &[used("a", "2023-01-05", much), used("a", "2023-01-06", much)]).await;
    let made = lake.invoice(&draft("2023-01")).await;
    assert_eq!((made.totals(), &made.report["customers_left_out"]), (vec!["pro 52.92".to_owned()], &json!(1)));
    let left_out = made.report["left_out"][0].clone();
    assert_eq!(left_out["customer"], "a");
    assert!(left_out["why"].as_str().unwrap().contains("too many digits"), "{left_out}");
    let error = lake.invoice_fails(&Args { customer: Some("a".to_owned()), ..draft("2023-01") }).await;
    assert!(error.contains("`a` has no invoice: it cannot be billed for 2023-01"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_says_one_line_and_the_right_code() {
    let lake = TestLake::with_plans(PLANS).await;
    lake.put_usage("2023-01-05", &[used("a", "2023-01-05", 15)]).await;
    let (folder, beside) = (lake.folder().display().to_string(), lake.beside.path());
    let invoice = |args: &[&str]| programs::run("invoice", beside, &[&["--lake", &folder], args].concat());
    for (args, code, said) in [
        (&["--month", "2999-01"][..], 2, "the month 2999-01 is not over yet"),
        (&["--month", "2023-13"], 2, "is not a month: write it in UTC like 2023-01"),
        (&["--month", "2023-01", "--finalize", "--customer", "a"], 2, "cannot be used with"),
        (&["--month", "2023-01", "--plans", "nowhere.toml"], 1, "there is no plan file at"),
        (&["--month", "2023-01", "--finalize"], 1, "cannot be made final"),
        (&["--month", "2023-01", "--to", "2023-02"], 2, "give either --month or --from and --to"),
        (&["--engine", "spark"], 1, "engine"),
    ] {
        let ran = invoice(args);
        assert!(ran.error(code).contains(said), "{args:?}: {}", ran.stderr);
    }
    // The plan file beside it is found, as no setting names another.
    let report = invoice(&["--month", "2023-01", "--output", "json"]).reports().remove(0);
    assert_eq!((&report["status"], &report["totals"]), (&json!("draft"), &json!({"USD": "52.95"})));
    let text = invoice(&["--from", "2023-01", "--to", "2023-02"]).stdout;
    assert!(text.starts_with("invoice 2023-01: draft of 2 invoices"), "{text}");
    let help = programs::run("invoice", beside, &["--help"]).stdout;
    assert!(help.contains("--finalize") && help.contains("invoice quote"), "{help}");
    let quote = ["quote", "--plans", "plans.toml", "--plan", "standard", "--usage", "billable_requests=12", "--output"];
    let quote = programs::run("invoice", beside, &[&quote[..], &["json"]].concat()).reports().remove(0);
    assert_eq!(quote["total"], "0.01");
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_that_comes_too_late_to_be_adjusted_is_counted_and_does_not_fail() {
    let mut lake = TestLake::with_plans(PLANS).await;
    lake.lake.config.billing.adjust_months = 1;
    lake.put_usage("2023-03-05", &[used("a", "2022-12-31", 15), used("a", "2023-03-05", 12)]).await;
    lake.fill("2023-03").await;
    assert_eq!(lake.invoice(&finalize("2023-03")).await.totals(), ["a 0.01", "pro 52.92"]);
}
