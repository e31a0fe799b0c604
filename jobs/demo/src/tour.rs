//! The tour's stations.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{Write, stdout};

use anyhow::{Result, bail};
use chrono::Utc;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Hour, Period};
use meterlake_core::run::{Context, Job, Output, OutputFormat};
use meterlake_loadgen::{Late, Options, Truth, write_files};
use meterlake_merge::{Args as MergeArgs, MergeJob};
use meterlake_query::Report as Table;
use meterlake_repair::RepairJob;
use meterlake_tables::TablesJob;

/// What the merged table says, for a person.
const TOP_USERS: &str = "\
SELECT
  \"user\",
  count(*) AS calls,
  count_if(status >= 500) AS server_errors,
  sum(responselength) AS bytes
FROM restapi_access_log_parquet
GROUP BY \"user\"
ORDER BY calls DESC, \"user\"
LIMIT 5";

/// Runs every job over a lake of synthetic traffic and checks each hour against the truth.
pub(crate) async fn run(lake: &Lake, hours: u32, calls_per_hour: u32, seed: u64) -> Result<()> {
    let context = Context { now: Utc::now(), dry_run: false };
    let last = Hour::last_complete(context.now);
    let traffic = Options {
        from: last.offset(1 - i32::try_from(hours)?),
        to: last,
        calls_per_hour,
        copies: 0.05,
        malformed: 0.01,
        unauthenticated: 0.02,
        legacy: 0.1,
        late_share: 0.2,
        late: Late::OnTime,
        seed,
        ..Options::default()
    };

    say(&format!("1. loadgen: {hours} hours of access log, as Firehose would deliver it to {}", lake.config.lake))?;
    let truth = write_files(&*lake.store, &lake.layout, &traffic).await?;
    tell(&truth)?;

    say("2. tables: create the raw and the merged table")?;
    job::<TablesJob>(lake, &context, Default::default()).await?;

    say("3. repair: register the folders that Firehose made")?;
    job::<RepairJob>(lake, &context, Default::default()).await?;

    say("4. merge: small files become one typed table of calls, each counted once")?;
    let range = MergeArgs { from: Some(traffic.from), to: Some(traffic.to), ..Default::default() };
    job::<MergeJob>(lake, &context, range.clone()).await?;

    say("5. Some files come late. The next run of merge finds their hours and merges those again")?;
    let truth = write_files(&*lake.store, &lake.layout, &Options { late: Late::LateOnly, ..traffic }).await?;
    job::<MergeJob>(lake, &context, MergeArgs { lookback: Some(hours), ..Default::default() }).await?;

    say("6. Who called most")?;
    let sql = TOP_USERS.replace("restapi_access_log_parquet", lake.layout.merged.name.table.as_str());
    say_indented(&Table(meterlake_query::run(lake, &sql).await?))?;

    check(lake, &truth).await?;
    say(&format!(
        "Every hour agrees with loadgen's truth: {} lines = {} calls + {} copies + {} malformed.",
        truth.totals.lines, truth.totals.calls, truth.totals.copies, truth.totals.malformed
    ))?;
    say("Look around: cargo run --bin query -- 'SELECT * FROM restapi_access_log_parquet LIMIT 5'")
}

async fn job<J: Job>(lake: &Lake, context: &Context, args: J::Args) -> Result<()> {
    J::run(lake, &args, context, &mut Output::print(OutputFormat::Text)).await
}

fn tell(truth: &Truth) -> Result<()> {
    let totals = &truth.totals;
    say_indented(&format!(
        "{} files, {} lines: {} calls, {} copies, {} malformed",
        totals.objects, totals.lines, totals.calls, totals.copies, totals.malformed
    ))
}

/// Compares what merge noted for each hour, and the rows that are there, with what loadgen wrote.
async fn check(lake: &Lake, truth: &Truth) -> Result<()> {
    let sql = format!(
        "SELECT year, month, day, hour, count(*) FROM {} GROUP BY year, month, day, hour",
        lake.layout.merged.name.table
    );
    let mut rows = BTreeMap::new();
    for row in meterlake_query::run(lake, &sql).await?.rows {
        let mut values: Vec<String> = row.into_iter().flatten().collect();
        let count: u64 = values.pop().unwrap_or_default().parse()?;
        rows.insert(meterlake_core::layout::period_of_values(&values), count);
    }
    for (hour, expected) in &truth.hours {
        let report = meterlake_merge::merge_hour(lake, *hour, Default::default()).await?;
        let found = (report.rows, report.duplicates, report.malformed);
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

fn say(text: &str) -> Result<()> {
    Ok(writeln!(stdout(), "\n{text}")?)
}

fn say_indented(text: &impl Display) -> Result<()> {
    for line in text.to_string().lines() {
        writeln!(stdout(), "   {line}")?;
    }
    Ok(())
}
