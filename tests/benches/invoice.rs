//! How long a month of a million customers takes: `cargo bench -p meterlake-tests --bench invoice`.
//!
//! Makes `usage_daily` for a month (a row per customer and day), then runs `invoice` over it without pages, and says how
//! long it took and how much memory. `METERLAKE_BENCH_CUSTOMERS` sets another number of customers.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::fs;
use std::time::Instant;

use meterlake_core::period::Month;
use meterlake_tests::billing::draft;
use meterlake_tests::lake::TestLake;

const PLANS: &str = "
currency = 'USD'
default_plan = 'standard'
[[plans]]
id = 'standard'
effective_from = 2022-01-01
[[plans.charges]]
id = 'calls'
meter = 'billable_requests'
model = 'graduated'
tiers = [{ up_to = 1000, unit = 0 }, { up_to = 10000, unit = '0.0035' }, { unit = '0.001' }]
";

fn main() {
    // `cargo test` runs benchmarks as tests, with `--test`, unless told not to.
    if !std::env::args().any(|arg| arg == "--bench") {
        return;
    }
    let customers = std::env::var("METERLAKE_BENCH_CUSTOMERS").map_or(1_000_000, |text| text.parse().unwrap());
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(run(customers));
}

async fn run(customers: u64) {
    meterlake_core::run::start_logging_at(false, "meterlake_invoice=debug");
    let lake = TestLake::with_plans(PLANS).await;
    let month: Month = "2023-01".parse().unwrap();
    for day in month.days() {
        lake.put_usage_of_many(day, customers).await;
    }
    println!("usage_daily: {customers} customers, {} rows", customers * month.days().count() as u64);
    let before = peak_memory_mb();
    for round in 0..3 {
        // Another plan file, so that the draft is made again.
        lake.set_plans(&format!("{PLANS}# {round}\n"));
        let started = Instant::now();
        let made = lake.invoice(&draft("2023-01")).await;
        let seconds = started.elapsed().as_secs_f64();
        assert_eq!(made.report["invoices"], customers);
        let size: u64 = meterlake_tests::tree::tree(&made.folder).values().map(|(size, _)| size).sum();
        println!(
            "{customers} invoices in {seconds:.1} s: {:.0} a second; {} MB of files; peak memory {} MB (before: {before} MB)",
            customers as f64 / seconds,
            size / 1_000_000,
            peak_memory_mb()
        );
    }
}

/// The most memory that this process ever had.
fn peak_memory_mb() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap_or_default();
    let kb: u64 = line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or_default();
    kb / 1000
}
