//! An invoice run that is cut off at any call and run again gives what an uncut one gives.

use std::time::Duration;

use meterlake_core::lake::Lake;
use meterlake_invoice::{Args, InvoiceJob};
use meterlake_tests::billing::{Invoices, draft, finalize, used};
use meterlake_tests::fuse::cut_everywhere;
use meterlake_tests::lake::{TestLake, run};
use tokio::runtime::Runtime;

use crate::invoices::PLANS;

/// What a person sees of a month: invoices and lines in SQL.
async fn seen(lake: &TestLake) -> (Vec<String>, Vec<String>) {
    let text = |rows: Vec<Vec<Option<String>>>| {
        rows.into_iter().map(|row| row.into_iter().flatten().collect::<Vec<_>>().join(" ")).collect()
    };
    let invoices = "SELECT customer_id, total, status FROM invoices WHERE month = 2 ORDER BY 1";
    let lines = "SELECT customer_id, kind, usage_month, amount FROM line_items WHERE month = 2 ORDER BY 1, 2, 3, 4";
    (text(lake.query(invoices).await), text(lake.query(lines).await))
}

/// Cuts a run for February off at each of its calls, each time on the same lake, and runs it again.
fn cut_invoice_everywhere(lake: TestLake, runtime: &Runtime, args: &Args, vacuum_after: Duration) {
    lake.save();
    let (before, expected, made) = runtime.block_on(async {
        let before = seen(&lake).await;
        let made = lake.invoice(args).await;
        (before, seen(&lake).await, made)
    });
    let status = if args.finalize { "final" } else { "draft" };
    assert_eq!(made.status(), status);
    let said = |made: &Invoices| (made.lines(), made.report["totals"].clone(), made.text("focus.csv"));
    let expected_files = said(&made);
    let check = async |lake: &TestLake, place: &str| {
        let (invoices, lines) = seen(lake).await;
        assert!(invoices == before.0 || invoices == expected.0, "half of the invoices, {place}");
        assert!(lines == before.1 || lines == expected.1, "half of the lines, {place}");
        let again = lake.invoice(args).await;
        assert!(again.status() == status || again.status() == "already final", "{place}");
        assert_eq!(said(&again), expected_files, "{place}");
        assert_eq!(seen(lake).await, expected, "{place}");
        lake.assert_no_stray(place).await;
        assert_eq!(seen(lake).await, expected, "after vacuum, {place}");
    };
    let mut saved = Some(lake);
    let prepare = |last: Option<TestLake>| {
        let mut lake = last.or_else(|| saved.take()).unwrap();
        runtime.block_on(lake.restore());
        lake
    };
    let job = async |lake: &Lake| drop(run::<InvoiceJob>(lake, args).await.unwrap());
    let cuts = cut_everywhere(prepare, vacuum_after, job, |lake, place| runtime.block_on(check(lake, place)));
    assert!(cuts > 30, "a run has more than {cuts} cuts");
}

/// January final, with usage that turned up since; February with usage of its own.
async fn prepare() -> TestLake {
    let lake = TestLake::with_plans(PLANS).await;
    lake.put_usage("2023-01-05", &[used("a", "2023-01-05", 15), used("pro", "2023-01-05", 1500)]).await;
    lake.fill("2023-01").await;
    lake.invoice(&finalize("2023-01")).await;
    lake.put_usage("2023-02-05", &[used("a", "2023-01-31", 85), used("b", "2023-02-05", 500)]).await;
    lake.fill("2023-02").await;
    lake
}

#[test]
fn a_draft_may_be_cut_off_anywhere() {
    let runtime = Runtime::new().unwrap();
    let lake = runtime.block_on(prepare());
    cut_invoice_everywhere(lake, &runtime, &draft("2023-02"), Duration::from_secs(3600));
}

#[test]
fn making_a_month_final_may_be_cut_off_anywhere() {
    let runtime = Runtime::new().unwrap();
    let lake = runtime.block_on(async {
        let lake = prepare().await;
        lake.invoice(&draft("2023-02")).await;
        lake
    });
    cut_invoice_everywhere(lake, &runtime, &finalize("2023-02"), Duration::ZERO);
}
