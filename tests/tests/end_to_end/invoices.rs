//! Drafts and finals: what a month's invoices say, and when they change.

use std::fs;
use std::time::Duration;

use meterlake_core::notes::DayNotes;
use meterlake_invoice::Args;
use meterlake_tests::billing::{Invoices, Used, accept, draft, finalize, month, records, sum, used};
use meterlake_tests::lake::{TestLake, hour, run};
use meterlake_tests::tree::tree;
use serde_json::json;

/// Ten requests for nothing, then half a cent each; a customer with a flat price, a discount and tax.
pub(crate) const PLANS: &str = "
currency = 'USD'
default_plan = 'standard'
[[plans]]
id = 'standard'
effective_from = 2022-01-01
[[plans.charges]]
id = 'calls'
meter = 'billable_requests'
model = 'graduated'
tiers = [{ up_to = 10, unit = 0 }, { unit = '0.005' }]
[[plans]]
id = 'pro'
effective_from = 2022-01-01
[[plans.charges]]
id = 'base'
model = 'flat'
price = 49
[[plans.charges]]
id = 'calls'
meter = 'requests'
model = 'per_unit'
unit = '0.001'
[[customers]]
id = 'pro'
name = 'Pro, Inc.'
plan = 'pro'
discount = '0.1'
tax_rate = '0.2'
";

pub(crate) async fn lake() -> TestLake {
    let lake = TestLake::with_plans(PLANS).await;
    lake.put_usage("2023-01-05", &[used("a", "2023-01-05", 8), used("-", "2023-01-05", 5)]).await;
    let of_a_day_later = [used("a", "2023-01-06", 7), used("b", "2023-01-06", 1), used("pro", "2023-01-06", 1500)];
    lake.put_usage("2023-01-06", &of_a_day_later).await;
    lake
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_becomes_a_line_for_each_charge_and_an_invoice_for_each_customer() {
    let lake = lake().await;
    let made = lake.invoice(&draft("2023-01")).await;
    assert_eq!(made.totals(), ["a 0.03", "b 0.00", "pro 54.54"]);
    assert_eq!(
        made.lines(),
        [
            "a usage calls 2023-01 15 0.03",
            "b usage calls 2023-01 1 0.00",
            "pro flat base 2023-01  49.00",
            "pro usage calls 2023-01 1500 1.50",
            "pro discount  2023-01  -5.05",
            "pro tax  2023-01  9.09"
        ]
    );
    let report = &made.report;
    let said = ["job", "period", "status", "invoices", "line_items", "adjustments", "totals", "unattributed_requests"]
        .map(|key| report[key].clone());
    let expected = [
        json!("invoice"),
        json!("2023-01"),
        json!("draft"),
        json!(3),
        json!(6),
        json!(0),
        json!({"USD": "54.57"}),
        json!(5),
    ];
    assert_eq!(said, expected);
    assert!(report["scanned_bytes"].as_u64() > Some(0) && report["duration_ms"].is_u64());

    let headings = made.text("invoices.csv").lines().next().unwrap().to_owned();
    assert_eq!(
        headings,
        "invoice_id,customer_id,customer_name,period_start,period_end,currency,subtotal,tax,total,status"
    );
    let pro = made.text("invoices.csv").lines().last().unwrap().to_owned();
    assert!(pro.ends_with(",pro,\"Pro, Inc.\",2023-01-01,2023-01-31,USD,45.45,9.09,54.54,draft"), "{pro}");
    let headings = made.text("line_items.csv").lines().next().unwrap().to_owned();
    assert_eq!(headings, "invoice_id,customer_id,line,kind,plan,charge,meter,usage_month,quantity,amount,currency");

    // The same in SQL, and in JSON.
    let rows = lake.query("SELECT customer_id, total, status, year, month FROM invoices ORDER BY 1").await;
    let text = |row: &[Option<String>]| row.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
    let rows: Vec<String> = rows.iter().map(|row| text(row)).collect();
    assert_eq!(rows, ["a 0.0300 draft 2023 1", "b 0.0000 draft 2023 1", "pro 54.5400 draft 2023 1"]);
    let sums = "SELECT kind, sum(amount), max(quantity) FROM line_items GROUP BY kind ORDER BY 1";
    let rows: Vec<String> = lake.query(sums).await.iter().map(|row| text(row)).collect();
    assert_eq!(rows, ["discount -5.0500", "flat 49.0000", "tax 9.0900", "usage 1.5300 1500.000000000000"]);
    let record: serde_json::Value = serde_json::from_str(made.text("invoices.jsonl").lines().next().unwrap()).unwrap();
    assert_eq!((&record["total"], &record["lines"][0]["parts"][1]["quantity"]), (&json!("0.03"), &json!("5")));
    let bytes = |name: &str| fs::read(made.folder.join(name)).unwrap();
    assert_eq!(bytes("invoices.parquet"), bytes("tables/invoices/invoices.parquet"));
    assert_eq!(bytes("line_items.parquet"), bytes("tables/line_items/line_items.parquet"));
    lake.assert_no_stray("after a draft").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_is_made_again_when_something_changed_and_only_then() {
    let lake = lake().await;
    let first = lake.invoice(&draft("2023-01")).await;
    let before = tree(&lake.folder().join("invoices"));
    let again = lake.invoice(&draft("2023-01")).await;
    assert_eq!((again.status(), &again.folder), ("draft", &first.folder));
    assert_eq!(again.report["totals"], first.report["totals"]);
    assert_eq!(tree(&lake.folder().join("invoices")), before);

    lake.put_usage("2023-02-10", &[used("a", "2023-01-31", 100)]).await;
    let late = lake.invoice(&draft("2023-01")).await;
    assert_eq!(late.totals(), ["a 0.53", "b 0.00", "pro 54.54"]);
    lake.set_plans(&PLANS.replace("price = 49", "price = 99"));
    let dearer = lake.invoice(&draft("2023-01")).await;
    assert_eq!(dearer.totals(), ["a 0.53", "b 0.00", "pro 108.54"]);

    let ids = |made: &Invoices| made.records("invoices.csv").iter().map(|one| one["invoice_id"].clone()).collect();
    let all: Vec<Vec<String>> = [&first, &late, &dearer].map(ids).into();
    assert!(all.iter().all(|ids| *ids == all[0]) && all[0].len() == 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_month_never_changes() {
    let lake = lake().await;
    lake.fill("2023-01").await;
    lake.invoice(&draft("2023-01")).await;
    let made = lake.invoice(&finalize("2023-01")).await;
    assert_eq!((made.status(), made.totals().len()), ("final", 3));
    assert!(made.records("invoices.csv").iter().all(|invoice| invoice["status"] == "final"));
    lake.assert_no_stray("after the final").await;

    let before = tree(&made.folder);
    lake.put_usage("2023-02-10", &[used("a", "2023-01-31", 100)]).await;
    lake.set_plans(&PLANS.replace("price = 49", "price = 99"));
    for args in [finalize("2023-01"), draft("2023-01"), accept("days=40", finalize("2023-01"))] {
        let again = lake.invoice(&args).await;
        assert_eq!((again.status(), &again.folder), ("already final", &made.folder));
        assert_eq!(again.report["totals"], json!({"USD": "54.57"}));
    }
    lake.vacuum().await;
    assert_eq!(tree(&made.folder), before);
    assert_eq!(lake.number("SELECT count(*) FROM invoices WHERE status = 'final'").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_with_days_that_are_missing_stale_or_short_of_hours_is_not_made_final() {
    let lake = lake().await;
    lake.fill_but("2023-01", &["2023-01-10", "2023-02-02"]).await;
    let missing_hours = ["2023-01-20T03", "2023-01-20T04"].map(hour).into();
    lake.put_usage_noting("2023-01-20", &[], DayNotes { missing_hours, ..DayNotes::default() }).await;
    // An hour of the 15th is merged after the day was aggregated.
    lake.put("2023-01-15T06".parse().unwrap(), "a", meterlake_tests::calls::calls(&["1"]));
    lake.merge_hour("2023-01-15T06".parse().unwrap()).await;

    let error = lake.invoice_fails(&finalize("2023-01")).await;
    for problem in [
        "2023-01-10 was never aggregated",
        "2023-01-15 is stale",
        "2023-01-20 lacks hours (2023-01-20T03, 2023-01-20T04)",
        "2023-02-02 was never aggregated",
        "aggregate --from 2023-01-10 --to 2023-02-02",
        "`--accept days=4`",
    ] {
        assert!(error.contains(problem), "{problem}: {error}");
    }
    assert!(!error.contains("2023-02-03") && !error.contains("2022-12-31"), "{error}");
    assert!(!lake.folder().join("invoices").exists());

    assert_eq!(lake.invoice_fails(&accept("days=3", finalize("2023-01"))).await, error);
    let last = lake.invoice(&accept("days=4", finalize("2023-01"))).await;
    assert_eq!((last.status(), &last.report["accepted"]), ("final", &json!("days=4")));
    assert_eq!(last.report["accepted_days"].as_array().unwrap().len(), 4);
    assert!(last.text("_inputs.json").contains("2023-01-10 was never aggregated"));
    let again = lake.invoice(&finalize("2023-01")).await;
    assert_eq!(again.report["accepted_days"], last.report["accepted_days"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_invoice_says_what_it_was_made_from() {
    let lake = lake().await;
    let made = lake.invoice(&draft("2023-01")).await;
    let inputs: serde_json::Value = serde_json::from_str(&made.text("_inputs.json")).unwrap();
    assert_eq!(inputs["sql"], "usage_month@1+published@1");
    let days: Vec<_> = inputs["usage_daily"].as_array().unwrap().iter().map(|one| one["day"].clone()).collect();
    assert_eq!(days, [json!("2023-01-05"), json!("2023-01-06")]);
    for line in made.text("invoices.jsonl").lines() {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["made_from"]["plans_sha256"], inputs["plans_sha256"]);
    }
    assert_eq!(made.text("_plans.toml"), PLANS);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_neither_usage_nor_a_flat_price_gets_no_invoice() {
    let quiet =
        "[[customers]]\nid = 'quiet'\n[[customers]]\nid = 'gone'\nplans = [{ plan = 'pro', to = 2022-12-31 }]\n";
    let lake = TestLake::with_plans(&format!("{PLANS}{quiet}")).await;
    let made = lake.invoice(&draft("2023-01")).await;
    assert_eq!(made.totals(), ["pro 52.92"]);
    lake.set_plans(&PLANS.replace("price = 49", "price = 0"));
    assert!(lake.invoice(&draft("2023-01")).await.totals().is_empty());
    assert_eq!(lake.number("SELECT count(*) FROM invoices").await, 0);
    assert_eq!(lake.number("SELECT count(*) FROM line_items").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_at_the_edge_of_a_month_is_billed_in_its_own_month_and_once() {
    let lake = TestLake::with_plans(PLANS).await;
    // Arrived on the last day of January, UTC; made on both sides of the edge in the billing time zone.
    let edge = [used("pro", "2023-01-31", 1000), used("pro", "2023-02-01", 3000)];
    lake.put_usage("2023-01-31", &edge).await;
    // And long after the month.
    lake.put_usage("2023-03-03", &[used("pro", "2023-01-31", 5000)]).await;
    let usage = |made: &Invoices| made.lines().into_iter().filter(|line| line.contains("usage")).collect::<Vec<_>>();
    assert_eq!(usage(&lake.invoice(&draft("2023-01")).await), ["pro usage calls 2023-01 6000 6.00"]);
    assert_eq!(usage(&lake.invoice(&draft("2023-02")).await), ["pro usage calls 2023-02 3000 3.00"]);
    assert!(usage(&lake.invoice(&draft("2023-03")).await).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_changes_within_the_month_prices_each_day_by_its_own_version() {
    let versions = PLANS.replace("id = 'pro'\nname", "id = 'p2'\nname").replace(
        "[[customers]]",
        "[[plans]]\nid = 'standard'\neffective_from = 2023-01-11\n[[plans.charges]]\nid = 'new'\n\
         meter = 'response_bytes'\nmodel = 'per_unit'\nunit = '0.01'\n[[customers]]",
    );
    let lake = TestLake::with_plans(&versions).await;
    lake.put_usage("2023-01-10", &[used("a", "2023-01-10", 110)]).await;
    lake.put_usage("2023-01-11", &[used("a", "2023-01-11", 3)]).await;
    let lines = lake.invoice(&draft("2023-01")).await.lines();
    assert_eq!(lines[..2], ["a usage calls 2023-01 110 0.50", "a usage new 2023-01 30 0.30"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn charges_for_some_methods_and_paths_count_only_those() {
    let filtered = PLANS.replace("model = 'graduated'", "methods = ['POST']\npaths = ['/v2/*']\nmodel = 'graduated'");
    let lake = TestLake::with_plans(&filtered).await;
    let post = Used { method: "POST".to_owned(), path: "/v2/x".to_owned(), ..used("a", "2023-01-10", 50) };
    lake.put_usage("2023-01-10", &[used("a", "2023-01-10", 110), post]).await;
    let lines = lake.invoice(&draft("2023-01")).await.lines();
    assert_eq!(lines[0], "a usage calls 2023-01 50 0.20");
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_have_the_decimals_of_their_currency() {
    for (currency, unit, total) in [("JPY", "0.5", "a 3"), ("KWD", "0.0005", "a 0.003"), ("USD", "0.001", "a 0.01")] {
        let plans = PLANS.replace("USD", currency).replace("0.005", unit);
        let lake = TestLake::with_plans(&plans).await;
        lake.put_usage("2023-01-10", &[used("a", "2023-01-10", 15)]).await;
        let made = lake.invoice(&draft("2023-01")).await;
        assert_eq!(made.totals()[0], total, "{currency}");
        let sum: rust_decimal::Decimal = made.report["totals"][currency].as_str().unwrap().parse().unwrap();
        assert_eq!(sum, meterlake_tests::billing::sum(&made.records("invoices.csv"), "total"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_month_is_worked_on_in_parts_and_comes_out_the_same() {
    let users: Vec<_> = (0..300).map(|number| used(&format!("user {number}"), "2023-01-05", number * 7)).collect();
    let lake = TestLake::with_plans(PLANS).await;
    lake.put_usage("2023-01-05", &users).await;
    let whole = lake.invoice(&draft("2023-01")).await;
    lake.put_usage_noting("2023-01-05", &users, DayNotes { rows: 2_000_000, ..DayNotes::default() }).await;
    let parts = lake.invoice(&draft("2023-01")).await;
    for file in ["invoices.csv", "line_items.csv", "focus.csv"] {
        let sorted = |made: &Invoices| {
            let mut records = made.records(file);
            records.sort();
            records
        };
        assert_eq!(sorted(&whole), sorted(&parts), "{file}");
        assert_ne!(whole.text(file), parts.text(file), "{file} must come in parts");
    }
    assert_eq!(whole.report["totals"], parts.report["totals"]);
    // The user without a call gets none, the one with a flat price does.
    assert_eq!(lake.number("SELECT count(*) FROM invoices").await, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_of_one_customer_is_not_published() {
    let lake = lake().await;
    let published = lake.invoice(&draft("2023-01")).await;
    let preview = lake.invoice(&Args { customer: Some("a".to_owned()), ..draft("2023-01") }).await;
    assert_eq!(preview.totals(), ["a 0.03"]);
    assert_ne!(preview.folder, published.folder);
    assert_eq!(lake.number("SELECT count(*) FROM invoices").await, 3);
    let error = lake.invoice_fails(&Args { customer: Some("nobody".to_owned()), ..draft("2023-01") }).await;
    assert!(error.contains("`nobody` has no invoice"), "{error}");
    lake.assert_no_stray("after a preview").await;
    assert!(!preview.folder.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_and_files_take_any_customer_id() {
    let evil = ["../../x", "=1+1", "'=1+1", "x; =1+1", "<script>alert(1)</script>", "a,\"b\"\nc", "사용자", "A", "a"];
    let lake = TestLake::with_plans(PLANS).await;
    let rows: Vec<_> = evil.iter().map(|user| used(user, "2023-01-05", 11)).collect();
    lake.put_usage("2023-01-05", &rows).await;
    let made = lake.invoice(&Args { no_html: false, ..draft("2023-01") }).await;
    let pages: Vec<_> = tree(&made.folder.join("customers")).into_keys().collect();
    assert_eq!(pages.len(), evil.len() + 1);
    let index = made.text("index.html");
    for page in &pages {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{name}");
        assert!(index.contains(name), "{name}");
        let text = fs::read_to_string(page).unwrap();
        assert!(!text.contains("<script") && !text.contains("http"), "{name}");
    }
    assert!(!index.contains("<script"));
    let ids: Vec<String> =
        records(&made.folder.join("invoices.csv")).iter().map(|one| one["customer_id"].clone()).collect();
    for id in ["'=1+1", "''=1+1", "x; '=1+1", "a,\"b\"\nc"] {
        assert!(ids.contains(&id.to_owned()), "{id}: {ids:?}");
    }
    let sql = "SELECT count(DISTINCT customer_id) FROM invoices";
    assert_eq!(lake.number(sql).await, evil.len() as u64 + 1);
    assert_eq!(sum(&made.records("focus.csv"), "BilledCost"), sum(&made.records("invoices.csv"), "total"));
    lake.assert_no_stray("after pages").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_at_once_make_one_month_final_once() {
    let lake = lake().await;
    lake.fill("2023-01").await;
    let args = finalize("2023-01");
    let both = futures::future::join(lake.invoice(&args), lake.invoice(&args)).await;
    let mut statuses = [both.0.status(), both.1.status()];
    statuses.sort_unstable();
    assert_eq!(statuses, ["already final", "final"]);
    assert_eq!(both.0.folder, both.1.folder);
    lake.assert_no_stray("after two finals").await;
    assert_eq!(lake.number("SELECT count(*) FROM line_items").await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_shows_the_sql_and_changes_nothing() {
    use meterlake_core::run::{Context, Job, Output};
    use meterlake_invoice::InvoiceJob;

    let lake = lake().await;
    let before = tree(&lake.folder());
    let mut output = Output::keep();
    let context = Context { now: chrono::Utc::now(), dry_run: true, deadline: None };
    InvoiceJob::run(&lake.lake, &finalize("2023-01"), &context, &mut output).await.unwrap();
    let plan = output.into_kept().remove(0);
    assert!(plan["sql"][0].as_str().unwrap().contains("UNLOAD"), "{plan}");
    assert!(plan["plan"].as_str().unwrap().contains("not yet: 2023-01-01 was never aggregated"), "{plan}");
    let changed: Vec<_> = tree(&lake.folder()).into_keys().filter(|file| !before.contains_key(file)).collect();
    assert!(changed.iter().all(|file| file.starts_with(lake.folder().join(".meterlake"))), "{changed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_superseded_draft_is_vacuumed_and_a_final_month_is_not() {
    let mut lake = lake().await;
    lake.fill("2023-01").await;
    let first = lake.invoice(&draft("2023-01")).await;
    lake.lake.config.vacuum_after = Duration::ZERO;
    let last = lake.invoice(&finalize("2023-01")).await;
    assert!(!first.folder.exists() && last.folder.exists());
    run::<meterlake_repair::RepairJob>(
        &lake.lake,
        &meterlake_repair::Args { vacuum: true, ..meterlake_repair::Args::default() },
    )
    .await
    .unwrap();
    assert!(last.folder.join("invoices.csv").exists());
    assert_eq!(month("2023-01").to_string(), last.report["period"]);
}
