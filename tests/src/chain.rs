//! The whole chain, from raw files to invoices.

use meterlake_aggregate::{AggregateJob, Args as AggregateArgs};
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_invoice::{Args as InvoiceArgs, InvoiceJob};
use meterlake_loadgen::{Late, Options, write_files};
use meterlake_merge::{Args as MergeArgs, MergeJob};
use meterlake_repair::{Args as RepairArgs, RepairJob};
use meterlake_tables::TablesJob;
use serde_json::Value;

use crate::billing::{accept, draft, finalize};
use crate::calls::{call, lines, with};
use crate::lake::{counts, hour, one, run, statuses};

const PLANS: &str = "
currency = 'USD'
default_plan = 'standard'
[[plans]]
id = 'standard'
effective_from = 2023-01-01
[[plans.charges]]
id = 'calls'
meter = 'billable_requests'
model = 'graduated'
tiers = [{ up_to = 10, unit = 0 }, { unit = '0.0123' }]
[[plans.charges]]
id = 'traffic'
meter = 'response_bytes'
model = 'package'
size = 1000
price = '0.01'
";

/// The texts of `invoices.csv`, `line_items.csv` and `focus.csv`.
pub type Files = [String; 3];

/// A day of traffic: on time, merged and aggregated; then late files, and all of it again; then invoices.
pub async fn chain(lake: &Lake, malformed: f64) -> (Vec<Value>, Files) {
    let traffic = Options {
        from: hour("2023-01-31T00"),
        to: hour("2023-01-31T23"),
        calls_per_hour: 40,
        objects_per_hour: 2,
        copies: 0.1,
        malformed,
        unauthenticated: 0.1,
        legacy: 0.1,
        late_share: 0.1,
        late: Late::OnTime,
        ..Options::default()
    };
    write_files(&*lake.store, &lake.layout, &traffic).await.unwrap();
    run::<TablesJob>(lake, &Default::default()).await.unwrap();
    let all = RepairArgs { from: Some(traffic.from), to: Some(traffic.to), ..RepairArgs::default() };
    run::<RepairJob>(lake, &all).await.unwrap();
    let all = MergeArgs { from: Some(traffic.from), to: Some(traffic.to), lookback: Some(0), ..MergeArgs::default() };
    run::<MergeJob>(lake, &all).await.unwrap();
    let truth = write_files(&*lake.store, &lake.layout, &Options { late: Late::LateOnly, ..traffic }).await.unwrap();
    let merged = run::<MergeJob>(lake, &all).await.unwrap();
    let calls: u64 = merged.iter().map(|report| counts(report).0).sum();
    assert_eq!(calls, truth.totals.calls);
    let again = run::<MergeJob>(lake, &all).await.unwrap();
    assert!(statuses(&again).iter().all(|status| status.ends_with("unchanged")), "{again:?}");

    let usage = aggregate(lake, "2023-01-31").await;
    assert_eq!(usage["requests"], calls);

    lake.store.write(&lake.config.lake.join("plans.toml"), PLANS.as_bytes()).await.unwrap();
    let (made, files) = invoices(lake, draft("2023-01")).await;
    assert_eq!(made["status"], "draft");
    let (unchanged, _) = invoices(lake, draft("2023-01")).await;
    assert_eq!(unchanged["generation"], made["generation"]);
    (merged, files)
}

/// What follows on [`chain`]: January is made final, then calls of January arrive in February, whose final invoices
/// correct it. The files of both months.
pub async fn close(lake: &Lake) -> [Files; 2] {
    // Only the last day of the month was merged; and some lines are malformed on purpose.
    let last = |month: &str| accept("malformed=1000,days=40", finalize(month));
    let (made, january) = invoices(lake, last("2023-01")).await;
    assert_eq!(made["status"], "final");
    let arrival = hour("2023-02-01T05");
    let late = |id: &str| with(with(call(id), "responseLength", "123456"), "user", "late");
    let calls: Vec<Value> = (0..20).map(|id| late(&format!("late-{id}"))).collect();
    let object = lake.layout.raw.folder_of(arrival).join("late");
    lake.store.write(&object, lines(&calls).as_bytes()).await.unwrap();
    run::<MergeJob>(lake, &one(arrival)).await.unwrap();
    aggregate(lake, "2023-02-01").await;
    let (made, february) = invoices(lake, last("2023-02")).await;
    assert_eq!((&made["status"], &made["adjustments"]), (&Value::from("final"), &Value::from(1)), "{made}");
    [january, february]
}

async fn aggregate(lake: &Lake, day: &str) -> Value {
    let args = AggregateArgs { day: Some(Some(day.parse().unwrap())), allow_missing: true, ..Default::default() };
    run::<AggregateJob>(lake, &args).await.unwrap().remove(0)
}

/// Makes invoices by the lake's plan file: the report, and the files.
async fn invoices(lake: &Lake, args: InvoiceArgs) -> (Value, Files) {
    let plans = lake.config.lake.join("plans.toml").to_string();
    let made = run::<InvoiceJob>(lake, &InvoiceArgs { plans: Some(plans), ..args }).await.unwrap().remove(0);
    let output: Location = made["output"].as_str().unwrap().parse().unwrap();
    let mut files = Vec::new();
    for name in ["invoices.csv", "line_items.csv", "focus.csv"] {
        let content = lake.store.read(&output.join(name)).await.unwrap().unwrap();
        files.push(String::from_utf8(content).unwrap());
    }
    (made, files.try_into().unwrap())
}
