//! Each job is cut off at each call that it makes to a service in turn, before and after the service has acted, and run
//! again. It then gives what it gives undisturbed, leaves nothing behind, and no query is paid for twice.

mod state;
mod template;
mod tries;
mod upload;

use std::time::Duration;

use meterlake_aws::S3Store;
use meterlake_core::catalog::Table;
use meterlake_core::config::{Config, EngineKind};
use meterlake_core::names::TableName;
use meterlake_core::period::Period;
use meterlake_core::store::Store;
use meterlake_merge::{Args as MergeArgs, MergeJob};
use meterlake_repair::Args as RepairArgs;
use meterlake_tests::billing::{accept, draft, finalize, used};
use meterlake_tests::calls::{calls, gzip};
use meterlake_tests::lake::{TestLake, hour, range, run, tables};
use meterlake_tests::ministack::{bucket, sdk_config};
use meterlake_tests::proxy::Call;

use crate::lakes::lake_on_s3;

use self::template::Template;
use self::tries::{Asked, cut_everywhere, cut_everywhere_from};

const HOUR: &str = "2023-01-31T06";

/// Ten requests for nothing, then half a cent each.
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
tiers = [{ up_to = 10, unit = 0 }, { unit = '0.005' }]
";

/// Runs a merge without a look back, which is the same calls again for other hours.
fn merge(from: &str, to: &str) -> MergeArgs {
    MergeArgs { lookback: Some(0), ..range(hour(from), hour(to)) }
}

fn on_athena() -> Config {
    Config { engine: EngineKind::Athena, ..Config::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_may_be_cut_off_at_any_call() {
    let lake = TestLake::bare().await;
    cut_everywhere(Template::of(&lake.lake).await, on_athena(), Asked::Tables).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_and_a_vacuum_may_be_cut_off_at_any_call() {
    let lake = TestLake::new().await;
    lake.put(hour(HOUR), "a", calls(&["1", "2"]));
    let gone = lake.put(hour(HOUR).offset(1), "a", calls(&["3"]));
    let full = RepairArgs { full: true, ..RepairArgs::default() };
    lake.repair(&full).await;
    // Registered twice; without a folder; with a folder and not registered; and what a merge left that was cut off.
    let folder = lake.lake.layout.raw.folder_of(hour(HOUR));
    let twice = "ALTER TABLE restapi_access_log_json ADD PARTITION (year=2023, month=1, day=31, hour=6)";
    lake.execute(&format!("{twice} LOCATION '{folder}/'")).await;
    std::fs::remove_dir_all(gone.parent().unwrap()).unwrap();
    lake.put(hour(HOUR).offset(2), "a", calls(&["4"]));
    let orphan = "20230131t071000_617869c8";
    let merged = &lake.lake.layout.merged;
    let folder = merged.folder_of(hour(HOUR)).join(&format!("run={orphan}"));
    lake.lake.store.write(&folder.join("part.parquet"), b"half of one").await.unwrap();
    let table = lake.lake.catalog.table(&merged.name).await.unwrap().unwrap();
    let name = format!("meterlake_staging_merge_{orphan}").parse().unwrap();
    let name = TableName::new(table.name.database.clone(), name);
    let staging = Table { name, location: folder, ..table };
    assert!(lake.lake.catalog.create_table(&staging).await.unwrap());

    let config = Config { vacuum_after: Duration::ZERO, ..on_athena() };
    let (from, to) = (Some(hour(HOUR)), Some(hour(HOUR).offset(2)));
    let asked = Asked::Repair(RepairArgs { from, to, msck: true, vacuum: true, ..RepairArgs::default() });
    cut_everywhere(Template::of(&lake.lake).await, config, asked).await;
}

/// An hour that was merged before a late object came. On S3, because a local lake's objects have other ETags.
async fn late_hour() -> Template {
    let lake = lake_on_s3().await;
    tables(&lake).await.unwrap();
    let raw = |hour, name: &str| lake.layout.raw.folder_of(hour).join(name);
    lake.store.write(&raw(hour(HOUR).previous(), "a"), calls(&["1", "2"]).as_bytes()).await.unwrap();
    lake.store.write(&raw(hour(HOUR), "a"), calls(&["2", "3", "3"]).as_bytes()).await.unwrap();
    run::<MergeJob>(&lake, &merge(HOUR, HOUR)).await.unwrap();
    lake.store.write(&raw(hour(HOUR), "late.gz"), &gzip(calls(&["4"]))).await.unwrap();
    Template::of(&lake).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_may_be_cut_off_at_any_call() {
    cut_everywhere(late_hour().await, on_athena(), Asked::Merge(merge(HOUR, HOUR))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_by_the_embedded_engine_may_be_cut_off_at_any_call() {
    cut_everywhere(late_hour().await, Config::default(), Asked::Merge(merge(HOUR, HOUR))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aggregation_may_be_cut_off_at_any_call() {
    let lake = TestLake::new().await;
    lake.put(hour(HOUR), "a", calls(&["1", "2"]));
    lake.put(hour(HOUR).next(), "a", calls(&["3"]));
    lake.merge(&merge("2023-01-31T00", "2023-01-31T23")).await;
    // Only two hours have calls; the folders of the others would have to be looked at by each vacuum.
    let (first, last) = (hour("2023-01-31T00"), hour("2023-01-31T23"));
    for empty in Period::range(first, last).filter(|one| !(hour(HOUR)..=hour(HOUR).next()).contains(one)) {
        std::fs::remove_dir_all(lake.lake.layout.merged.folder_of(empty).to_path().unwrap()).unwrap();
    }
    let day = Some(Some("2023-01-31".parse().unwrap()));
    let args = meterlake_aggregate::Args { day, lookback: Some(0), ..Default::default() };
    cut_everywhere(Template::of(&lake.lake).await, on_athena(), Asked::Aggregate(args)).await;
}

/// January final, with usage that turned up since; February with usage of its own.
async fn two_months() -> (TestLake, Config) {
    let lake = TestLake::with_plans(PLANS).await;
    lake.put_usage("2023-01-05", &[used("a", "2023-01-05", 15)]).await;
    lake.invoice(&accept("days=40", finalize("2023-01"))).await;
    lake.put_usage("2023-02-05", &[used("a", "2023-01-31", 85), used("b", "2023-02-05", 500)]).await;
    let mut config = on_athena();
    config.billing.plans = bucket().await.join("plans.toml");
    S3Store::new(&sdk_config()).write(&config.billing.plans, PLANS.as_bytes()).await.unwrap();
    // A table of days has no hours: otherwise each run would ask for each hour of the month, and learn that it was never
    // merged. The usage of this lake was not made from hours.
    config.tables.merged = config.tables.usage_daily.clone();
    (lake, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_of_invoices_may_be_cut_off_at_any_call() {
    let (lake, config) = two_months().await;
    cut_everywhere(Template::of(&lake.lake).await, config, Asked::Invoice(draft("2023-02"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn making_a_draft_final_may_be_cut_off_at_any_call() {
    let (lake, mut config) = two_months().await;
    lake.fill("2023-02").await;
    lake.invoice(&draft("2023-02")).await;
    config.billing.grace_days = 0;
    // The usage of two months is extracted, and invoices are made of it, as for a draft. What only a final month does
    // begins with the query after that.
    let mut queries = 0;
    let is_first = |call: &Call| {
        queries += u32::from(call.operation == "StartQueryExecution");
        queries == 3
    };
    let asked = Asked::Invoice(finalize("2023-02"));
    cut_everywhere_from(Template::of(&lake.lake).await, config, asked, is_first).await;
}
