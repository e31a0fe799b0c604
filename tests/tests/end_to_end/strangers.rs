//! Partitions that no job published, and generations that are gone.

use std::fs;
use std::path::Path;

use meterlake_aggregate::{AggregateJob, Args as AggregateArgs};
use meterlake_core::catalog::{Partition, PartitionFilter};
use meterlake_core::generation::Generation;
use meterlake_core::layout::TableLayout;
use meterlake_core::period::{Day, Period};
use meterlake_core::run::one_line;
use meterlake_merge::Args;
use meterlake_repair::Args as RepairArgs;
use meterlake_tests::billing::draft;
use meterlake_tests::calls::calls;
use meterlake_tests::lake::{TestLake, context, hour, one, run};
use serde_json::Value;

use crate::invoices::PLANS;

const HOUR: &str = "2023-01-31T06";

/// A lake with an hour of a call, a copy and a malformed line, and its day.
async fn lake() -> TestLake {
    let lake = TestLake::with_plans(PLANS).await;
    lake.put(hour(HOUR), "a", calls(&["1", "1"]) + "no record\n");
    lake.repair(&RepairArgs::default()).await;
    lake.merge_hour(hour(HOUR)).await;
    aggregate(&lake).await.unwrap();
    lake
}

async fn aggregate(lake: &TestLake) -> anyhow::Result<Value> {
    let day = Some("2023-01-31".parse().ok());
    let args = AggregateArgs { day, allow_missing: true, lookback: Some(0), ..AggregateArgs::default() };
    Ok(run::<AggregateJob>(&lake.lake, &args).await?.remove(0))
}

async fn partitions(lake: &TestLake) -> Vec<(String, Vec<Partition>)> {
    let mut all = Vec::new();
    for table in lake.lake.layout.tables() {
        let found = lake.lake.catalog.partitions(&table.name, &PartitionFilter::default()).await.unwrap();
        all.push((table.name.table.to_string(), found));
    }
    all
}

/// The folder of the one generation in a period's folder.
fn generation(folder: &Path) -> std::path::PathBuf {
    let mut found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    found.next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn msck_adds_nothing_to_any_table() {
    let lake = lake().await;
    let before = partitions(&lake).await;
    for (table, _) in &before {
        lake.execute(&format!("MSCK REPAIR TABLE {table}")).await;
    }
    assert_eq!(partitions(&lake).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_job_published_is_read_by_none_and_removed_by_repair() {
    let lake = lake().await;
    let before = partitions(&lake).await;
    let layout = &lake.lake.layout;
    let stranger = async |table: &TableLayout, values: &[&str], location: &str| {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let partition = Partition { values, location: location.parse().unwrap(), parameters: Default::default() };
        lake.lake.catalog.add_partitions(&table.name, &[partition]).await.unwrap();
    };
    // The same folders under another spelling, a day that was never built, and a month of which nobody made invoices.
    let shown = |at: usize| before[at].1[0].location.to_string();
    for (at, table) in [&layout.merged, &layout.copies, &layout.malformed].into_iter().enumerate() {
        stranger(table, &["2023", "1", "31", "6"], &shown(at + 2)).await;
    }
    stranger(&layout.usage_daily, &["2023", "1", "31"], &shown(5)).await;
    stranger(&layout.usage_daily, &["2023", "01", "30"], &shown(5)).await;
    stranger(&layout.invoices, &["2023", "1"], &shown(5)).await;
    stranger(&layout.line_items, &["2023", "01"], &shown(5)).await;
    assert_eq!(lake.number("SELECT sum(requests) FROM usage_daily").await, 3, "people see all of them");

    lake.put(hour(HOUR).next(), "a", calls(&["1", "2"]));
    assert_eq!(lake.merge_hour(hour(HOUR).next()).await["rows"], 1, "1 is a copy of the hour before");
    // Whoever could count them twice refuses, and says which command mends it.
    let refused = one_line(&aggregate(&lake).await.unwrap_err());
    assert!(refused.contains("registered twice: run `repair`"), "{refused}");
    let refused = lake.invoice_fails(&draft("2023-01")).await;
    assert!(refused.contains("no job published the partition") && refused.contains("run `repair`"), "{refused}");

    let dry = meterlake_repair::run(&lake.lake, None, &RepairArgs::default(), &context(true)).await.unwrap();
    let report = lake.repair(&RepairArgs::default()).await;
    assert_eq!((dry.strangers, report.strangers), (7, 7));
    assert_eq!(lake.repair(&RepairArgs::default()).await.strangers, 0);
    assert_eq!(aggregate(&lake).await.unwrap()["requests"], 2);
    assert_eq!(lake.number("SELECT sum(requests) FROM usage_daily").await, 2);
    assert_eq!(lake.calls().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_that_is_gone_is_made_again() {
    let lake = lake().await;
    let merged = lake.lake.layout.merged.folder_of(hour(HOUR)).to_path().unwrap();
    fs::remove_dir_all(generation(&merged)).unwrap();
    let again = lake.merge_hour(hour(HOUR)).await;
    assert_eq!((&again["status"], &again["rows"]), (&"published".into(), &1.into()));
    assert_eq!(lake.calls().await, 1);

    // One file of it is enough.
    let day = "2023-01-31".parse::<Day>().unwrap();
    aggregate(&lake).await.unwrap();
    let published = lake.lake.layout.usage_daily.folder_of(day).to_path().unwrap();
    let newest = fs::read_dir(&published).unwrap().map(|entry| entry.unwrap().path());
    for folder in newest {
        fs::remove_dir_all(folder).unwrap();
    }
    let again = aggregate(&lake).await.unwrap();
    assert_eq!((&again["status"], &again["requests"]), (&"published".into(), &1.into()));
    assert_eq!(aggregate(&lake).await.unwrap()["status"], "unchanged");

    // Where the raw files are gone as well, nothing is published in place of what was counted.
    let partition = lake.published().await.remove(0);
    fs::remove_dir_all(Generation::folder_around(&partition.location).to_path().unwrap()).unwrap();
    fs::remove_file(lake.raw_folder(hour(HOUR)).join("a")).unwrap();
    let refused = lake.merge_fails(&Args { lookback: Some(0), ..one(hour(HOUR)) }).await;
    assert!(refused.contains("was made from are gone"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_whose_next_one_cannot_be_merged_again_stays_as_it_is() {
    let lake = TestLake::new().await;
    let (first, second) = (hour(HOUR), hour(HOUR).next());
    lake.put(first, "a", calls(&["1"]));
    lake.put(second, "a", calls(&["2"]));
    for hour in [first, second] {
        lake.merge_hour(hour).await;
    }
    // The later hour counts 2 for good; the earlier one would count it as well.
    fs::remove_file(lake.raw_folder(second).join("a")).unwrap();
    lake.put(first, "late", calls(&["2", "3"]));
    let refused = lake.merge_fails(&Args { lookback: Some(0), ..one(first) }).await;
    assert!(refused.contains(&format!("the published hour {second} was made from are gone")), "{refused}");
    assert!(refused.contains("moved into the folder of the running hour"), "{refused}");
    assert_eq!(lake.calls().await, 2);
}
