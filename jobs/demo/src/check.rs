//! Compares what the jobs say with what loadgen knows, and with prices that can be worked out by hand.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use meterlake_core::catalog::PartitionFilter;
use meterlake_core::lake::Lake;
use meterlake_core::layout::period_of_values;
use meterlake_core::location::Location;
use meterlake_core::period::{Hour, Month};
use meterlake_core::publish::Publication;
use meterlake_loadgen::Truth;
use serde_json::Value;

/// What a call costs, for a person.
pub(crate) const PRICE: &str = "The first 100 billable calls are free, each one after costs a cent";

/// The same, as a plan file.
const PLANS: &str = "\
currency = \"USD\"
default_plan = \"demo\"

[[plans]]
id = \"demo\"
effective_from = 1970-01-01

[[plans.charges]]
id = \"calls\"
meter = \"billable_requests\"
model = \"graduated\"
tiers = [{ up_to = 100, unit = 0 }, { unit = \"0.01\" }]
";

/// Where the plan file of the tour lies.
pub(crate) fn plans(lake: &Location) -> Location {
    lake.join("plans.toml")
}

/// Puts the plan file into the lake.
pub(crate) async fn write_plans(lake: &Lake) -> Result<()> {
    lake.store.write(&plans(&lake.config.lake), PLANS.as_bytes()).await
}

/// Compares what merge noted for each hour, and the rows that are there, with what loadgen wrote.
pub(crate) async fn hours(lake: &Lake, truth: &Truth) -> Result<()> {
    let sql = format!(
        "SELECT year, month, day, hour, count(*) FROM {} GROUP BY year, month, day, hour",
        lake.layout.merged.name.table
    );
    let mut rows = BTreeMap::new();
    for row in meterlake_query::run(lake, &sql).await?.rows {
        let mut values: Vec<String> = row.into_iter().flatten().collect();
        let count: u64 = values.pop().unwrap_or_default().parse()?;
        rows.insert(period_of_values::<Hour>(&values), count);
    }
    let partitions = lake.catalog.partitions(&lake.layout.merged.name, &PartitionFilter::default()).await?;
    let noted: BTreeMap<Option<Hour>, Publication<Hour>> = partitions
        .iter()
        .filter_map(|partition| Some((period_of_values(&partition.values), Publication::of(partition)?)))
        .collect();
    for (hour, expected) in &truth.hours {
        let notes = noted.get(&Some(*hour)).map(|noted| noted.notes.clone()).unwrap_or_default();
        let found = (notes.rows, notes.duplicates, notes.malformed);
        let wanted = (expected.calls, expected.duplicates, expected.malformed);
        let counted = rows.get(&Some(*hour)).copied().unwrap_or_default();
        if found != wanted || counted != expected.calls {
            bail!(
                "the hour {hour} is wrong: merge says (calls, copies, malformed) = {found:?} and the table has \
                 {counted} calls, where loadgen wrote {wanted:?}"
            );
        }
    }
    Ok(())
}

/// What was checked.
pub(crate) struct Checked {
    pub(crate) invoices: usize,
    pub(crate) total: String,
}

/// Compares each invoice, its quantity and its amount, with loadgen's truth.
pub(crate) async fn invoices(lake: &Lake, truth: &Truth, month: Month, report: &Value) -> Result<Checked> {
    let output: Location = report["output"].as_str().context("invoice names no output")?.parse()?;
    let text = lake.store.read(&output.join("invoices.jsonl")).await?.context("invoices.jsonl is not there")?;
    let mut billed = BTreeMap::new();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let invoice: Value = serde_json::from_slice(line)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let found = (text(&invoice["lines"][0]["quantity"]), text(&invoice["total"]));
        billed.insert(text(&invoice["customer_id"]), found);
    }
    let (mut invoices, mut all_cents) = (0, 0);
    for (user, days) in &truth.users {
        let in_month = days.iter().filter(|(day, _)| day.month() == month).map(|(_, usage)| usage);
        let calls: u64 =
            in_month.map(|usage| usage.requests - usage.throttled - usage.server_errors - usage.unknown_status).sum();
        if calls == 0 {
            continue;
        }
        let cents = calls.saturating_sub(100);
        let wanted = (calls.to_string(), dollars(cents));
        let found = billed.remove(user);
        ensure!(
            found.as_ref() == Some(&wanted),
            "the invoice of {user} is wrong: it says {found:?}, where loadgen wrote (billable calls, dollars) = {wanted:?}"
        );
        invoices += 1;
        all_cents += cents;
    }
    ensure!(billed.is_empty(), "{} invoices are for nobody that called", billed.len());
    let total = dollars(all_cents);
    ensure!(report["totals"]["USD"] == total.as_str(), "the total is {}, where {total} is right", report["totals"]);
    Ok(Checked { invoices, total: format!("{total} USD") })
}

fn dollars(cents: u64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
