//! Invoices at their edges: rows that nobody pays for, charts, previews of final months, and what a vacuum keeps.

use meterlake_core::notes::DayNotes;
use meterlake_invoice::Args;
use meterlake_tests::billing::{Used, day, draft, finalize, month, used};
use meterlake_tests::lake::TestLake;
use serde_json::json;

use crate::invoices::{PLANS, lake};

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_user_and_calls_without_a_price_are_counted() {
    let lake =
        TestLake::with_plans(&PLANS.replace("model = 'graduated'", "paths = ['/v2/*']\nmodel = 'graduated'")).await;
    let select = "SELECT CAST(NULL AS varchar) AS \"user\", DATE '2023-01-06' AS usage_date, 'GET' AS httpmethod, '/' AS \
                  resourcepath, CAST(9 AS bigint) AS requests, CAST(9 AS bigint) AS billable_requests";
    let one_row = DayNotes { rows: 1, ..DayNotes::default() };
    lake.publish_usage(day("2023-01-06"), Some(select.to_owned()), one_row).await;
    for rows in [1, 2_000_000] {
        let notes = DayNotes { rows, ..DayNotes::default() };
        lake.put_usage_noting("2023-01-05", &[used("a", "2023-01-05", 7)], notes).await;
        let report = lake.invoice(&draft("2023-01")).await.report;
        assert_eq!((&report["unattributed_requests"], &report["unpriced_requests"]), (&json!(9), &json!(7)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn charts_count_each_call_once() {
    let lake = TestLake::with_plans(PLANS).await;
    lake.put_usage("2023-01-05", &[used("pro", "2023-01-05", 1000)]).await;
    lake.fill("2023-01").await;
    lake.invoice(&finalize("2023-01")).await;
    // Late usage of a month in another currency gives `pro` a second invoice; `b` has no invoice at all.
    lake.put_usage("2023-02-05", &[used("pro", "2023-01-06", 500), used("pro", "2023-02-05", 100)]).await;
    let of_b = Used { path: "/z".to_owned(), ..used("b", "2023-02-06", 7) };
    lake.put_usage("2023-02-06", &[of_b]).await;
    lake.set_plans(&PLANS.replace("USD", "EUR").replace("model = 'graduated'", "paths = ['/v1']\nmodel = 'graduated'"));
    let made = lake.invoice(&Args { no_html: false, ..draft("2023-02") }).await;
    assert_eq!(made.records("invoices.csv").len(), 2);
    let index = made.text("index.html");
    assert!(index.contains("(107 in all)"), "{index}");
    assert_eq!(index.matches("<span class=\"n\">100</span>").count(), 2, "once by path and once by customer: {index}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_of_a_final_month_is_refused_with_the_place_of_its_invoices() {
    let lake = lake().await;
    lake.fill("2023-01").await;
    let made = lake.invoice(&finalize("2023-01")).await;
    let error = lake.invoice_fails(&Args { customer: Some("a".to_owned()), ..draft("2023-01") }).await;
    assert!(error.contains("are final") && error.contains(made.report["output"].as_str().unwrap()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vacuum_keeps_what_either_table_points_at() {
    let lake = lake().await;
    let first = lake.invoice(&draft("2023-01")).await;
    let lines = lake.lake.layout.line_items.clone();
    let values = [lines.partition(month("2023-01")).values];
    let before = lake.lake.catalog.get_partitions(&lines.name, &values).await.unwrap().remove(0).unwrap();
    lake.put_usage("2023-01-07", &[used("a", "2023-01-07", 100)]).await;
    lake.invoice(&draft("2023-01")).await;
    // As a run leaves it that was cut off between the two tables.
    lake.lake.catalog.put_partitions(&lines.name, &[before]).await.unwrap();
    lake.vacuum().await;
    assert!(first.folder.exists());
    assert_eq!(lake.number("SELECT count(*) FROM line_items").await, 6);
    // The next run lets it follow, and then nothing needs the old one.
    lake.invoice(&draft("2023-01")).await;
    lake.vacuum().await;
    assert!(!first.folder.exists());
    assert_eq!(
        lake.query("SELECT amount FROM line_items WHERE customer_id = 'a'").await[0][0].as_deref(),
        Some("0.5300")
    );
}
