//! The tour's stations.

use std::fmt::Display;
use std::io::{Write, stdout};

use anyhow::{Context as _, Result};
use chrono::Utc;
use meterlake_aggregate::{AggregateJob, Args as AggregateArgs};
use meterlake_core::lake::Lake;
use meterlake_core::period::{Day, Hour, Month, Period};
use meterlake_core::run::{Context, Job, Output, OutputFormat};
use meterlake_invoice::{Args as InvoiceArgs, InvoiceJob};
use meterlake_loadgen::{Late, Options, Truth, write_files};
use meterlake_merge::{Args as MergeArgs, MergeJob};
use meterlake_query::Report as Table;
use meterlake_repair::{Args as RepairArgs, RepairJob};
use meterlake_tables::TablesJob;
use serde_json::Value;

use crate::check;

/// What the month's traffic is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) month: Month,
    pub(crate) calls_per_hour: u32,
    pub(crate) seed: u64,
}

/// Runs every job over a lake of a month's synthetic traffic, up to final invoices, and checks each step against the
/// truth.
pub(crate) async fn run(lake: &Lake, traffic: Traffic) -> Result<()> {
    let days = Days::of(lake, traffic.month)?;
    let options = Options {
        from: Hour::containing(days.first.start()),
        to: Hour::containing(days.last.end()).previous(),
        calls_per_hour: traffic.calls_per_hour,
        objects_per_hour: 2,
        copies: 0.05,
        malformed: 0.01,
        unauthenticated: 0.02,
        legacy: 0.1,
        late_share: 0.02,
        late: Late::OnTime,
        seed: traffic.seed,
        ..Options::default()
    };

    say(&format!("1. loadgen: the access log of {}, as Firehose would deliver it to {}", days, lake.config.lake))?;
    tell(&write_files(&*lake.store, &lake.layout, &options).await?)?;

    say("2. tables: create the tables; repair: register the folders that Firehose made")?;
    job::<TablesJob>(lake, Default::default()).await?;
    job::<RepairJob>(lake, RepairArgs { full: true, ..Default::default() }).await?;

    say("3. merge: small files become one typed table of calls, each counted once")?;
    sum_up("hours", &merge_all(lake, options.from, options.to).await?)?;

    say("4. aggregate: a day of calls becomes usage per user, day, method and path")?;
    let all_days = AggregateArgs { from: Some(days.first), to: Some(days.last), ..Default::default() };
    sum_up("days", &quietly::<AggregateJob>(lake, &all_days).await?)?;

    say(&format!("5. invoice: a draft. {}", check::PRICE))?;
    check::write_plans(lake).await?;
    let month = InvoiceArgs { month: Some(Some(traffic.month)), ..Default::default() };
    job::<InvoiceJob>(lake, month.clone()).await?;

    say("6. Some files come late. The next runs find their hours and days, and do those again")?;
    let truth = write_files(&*lake.store, &lake.layout, &Options { late: Late::LateOnly, ..options.clone() }).await?;
    let back = u32::try_from(Hour::range(options.from, options.to).count())?;
    let again = MergeArgs { hour: Some(Some(options.to)), lookback: Some(back), ..Default::default() };
    sum_up("hours", &quietly::<MergeJob>(lake, &again).await?)?;
    let again = AggregateArgs { day: Some(Some(days.last)), ..Default::default() };
    sum_up("days", &quietly::<AggregateJob>(lake, &again).await?)?;

    say("7. invoice: final. It never changes again; what came still later would be on the next month's")?;
    let finalize = InvoiceArgs { finalize: true, ..month };
    let made = quietly::<InvoiceJob>(lake, &finalize).await?;
    let made = made.first().context("invoice made no report")?;
    say_indented(&format!("{} invoices, {}", made["invoices"], made["totals"]))?;

    say("8. Who called most")?;
    let sql = TOP_USERS.replace("usage_daily", lake.layout.usage_daily.name.table.as_str());
    say_indented(&Table(meterlake_query::run(lake, &sql).await?))?;

    check::hours(lake, &truth).await?;
    let checked = check::invoices(lake, &truth, traffic.month, made).await?;
    say(&format!(
        "All of it agrees with loadgen's truth: {} lines = {} calls + {} copies + {} malformed; {} invoices ask for {}, \
         to the cent.",
        truth.totals.lines,
        truth.totals.calls,
        truth.totals.copies,
        truth.totals.malformed,
        checked.invoices,
        checked.total
    ))?;
    let output = made["output"].as_str().unwrap_or_default();
    let folder = lake.config.lake.to_path().unwrap_or_default();
    say(&format!(
        "Look at the invoices: {output}/index.html
And around: cargo run --bin query -- --lake {} 'SELECT * FROM invoices LIMIT 5'",
        folder.display()
    ))
}

/// What the tables say, for a person.
const TOP_USERS: &str = "\
SELECT
  \"user\",
  sum(requests) AS calls,
  sum(billable_requests) AS billable,
  sum(server_errors) AS server_errors,
  sum(response_bytes) AS bytes
FROM usage_daily
GROUP BY \"user\"
ORDER BY calls DESC, \"user\"
LIMIT 5";

/// The days of a month and those of grace after it.
struct Days {
    first: Day,
    last: Day,
}

impl Days {
    fn of(lake: &Lake, month: Month) -> Result<Self> {
        let grace = i32::try_from(lake.config.billing.grace_days)?;
        let last = Day::containing(month.end()).previous();
        Ok(Self { first: Day::containing(month.start()), last: last.offset(grace) })
    }
}

impl Display for Days {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} to {}", self.first, self.last)
    }
}

/// Merges all hours, in as many runs at once as there are cores: an hour depends on no other's result.
async fn merge_all(lake: &Lake, from: Hour, to: Hour) -> Result<Vec<Value>> {
    let hours: Vec<Hour> = Hour::range(from, to).collect();
    let runs = std::thread::available_parallelism().map_or(1, usize::from);
    let mut tasks = Vec::new();
    for share in hours.chunks(hours.len().div_ceil(runs)) {
        let (Some(from), Some(to)) = (share.first().copied(), share.last().copied()) else { continue };
        let lake = lake.clone();
        let args = MergeArgs { from: Some(from), to: Some(to), lookback: Some(0), ..Default::default() };
        tasks.push(tokio::spawn(async move { quietly::<MergeJob>(&lake, &args).await }));
    }
    let mut reports = Vec::new();
    for task in tasks {
        reports.extend(task.await??);
    }
    Ok(reports)
}

fn context() -> Context {
    Context { now: Utc::now(), dry_run: false, deadline: None }
}

async fn job<J: Job>(lake: &Lake, args: J::Args) -> Result<()> {
    J::run(lake, &args, &context(), &mut Output::print(OutputFormat::Text)).await
}

/// Runs a job and gives its reports instead of printing them.
async fn quietly<J: Job>(lake: &Lake, args: &J::Args) -> Result<Vec<Value>> {
    let mut output = Output::keep();
    J::run(lake, args, &context(), &mut output).await?;
    Ok(output.into_kept())
}

/// Says what the reports of many periods come to.
fn sum_up(unit: &str, reports: &[Value]) -> Result<()> {
    let sum = |key: &str| reports.iter().filter_map(|report| report[key].as_u64()).sum::<u64>();
    let published = reports.iter().filter(|report| report["status"] == "published").count();
    say_indented(&format!(
        "{published} {unit} published, {} rows; left out {} copies and {} malformed lines",
        sum("rows"),
        sum("duplicates"),
        sum("malformed")
    ))
}

fn tell(truth: &Truth) -> Result<()> {
    let totals = &truth.totals;
    say_indented(&format!(
        "{} files, {} lines: {} calls, {} copies, {} malformed",
        totals.objects, totals.lines, totals.calls, totals.copies, totals.malformed
    ))
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(stdout(), "\n{text}")?)
}

fn say_indented(text: &impl Display) -> Result<()> {
    for line in text.to_string().lines() {
        writeln!(stdout(), "   {line}")?;
    }
    Ok(())
}
