//! The tour's stations.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use chrono::TimeDelta;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Day, Hour, Month, Period};
use meterlake_core::run::{Context, Job, Output, OutputFormat, standard_output};
use meterlake_loadgen::{Options, Truth};
use meterlake_query::Report as Table;
use meterlake_scheduler::jobs::Reports;
use meterlake_scheduler::list::{Firing, Schedules};
use meterlake_scheduler::replay::{Replay, Scene};
use meterlake_tables::TablesJob;
use serde_json::Value;

use crate::check;
use crate::firehose::Firehose;

/// What the month's traffic is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Traffic {
    pub(crate) month: Month,
    pub(crate) calls_per_hour: u32,
    pub(crate) seed: u64,
}

/// Plays the schedules over a month's synthetic traffic, up to final invoices, and checks each step against the truth.
pub(crate) async fn run(lake: &Lake, traffic: Traffic) -> Result<()> {
    let schedules = Schedules::built_in()?;
    let last = final_firing(&schedules, traffic.month)?;
    let days = (Day::containing(traffic.month.start()), Day::containing(last.at).previous());
    let options = Options {
        from: Hour::containing(days.0.start()),
        to: Hour::containing(days.1.end()).previous(),
        calls_per_hour: traffic.calls_per_hour,
        objects_per_hour: 2,
        copies: 0.05,
        malformed: 0.01,
        unauthenticated: 0.02,
        legacy: 0.1,
        seed: traffic.seed,
        ..Options::default()
    };

    say(&format!("1. loadgen: the access log of {} to {}, as Firehose will deliver it", days.0, days.1))?;
    let (firehose, truth) = Firehose::load(lake, &options).await?;
    tell(&truth)?;

    say("2. tables: create the tables; and a plan file for the invoices")?;
    let context = Context { now: lake.clock.now(), dry_run: false, deadline: None };
    let begins = Some(Hour::containing(traffic.month.start()));
    TablesJob::run(lake, &meterlake_tables::Args { begins }, &context, &mut Output::print(OutputFormat::Text)).await?;
    check::write_plans(lake).await?;
    say_indented(&format!("{}.", check::PRICE))?;

    let (from, to) = (traffic.month.start(), last.at + TimeDelta::minutes(1));
    say(&format!(
        "3. scheduler replay: {} to {} in fast motion. Files arrive, some up to a day late; each job\n   runs when it is \
         due, and does again what late files have changed",
        from.format("%Y-%m-%d %H:%M"),
        to.format("%Y-%m-%d %H:%M")
    ))?;
    let mut month = MonthPlayed { firehose, entries: BTreeMap::new(), started: Instant::now() };
    Replay { lake, schedules: &schedules, from, to, reports: Reports::Keep }.play(&mut month).await?;
    for entry in &schedules.entries {
        if let Some(played) = month.entries.get(&entry.name) {
            say_indented(&played.summary(&entry.name))?;
        }
    }
    let made = month.entries.get(&last.entry.name).and_then(|played| played.last.as_ref());
    let made = made.context("invoice made no report")?;

    say("4. query: who called most")?;
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

/// The firing that makes the month's invoices final.
fn final_firing(schedules: &Schedules, month: Month) -> Result<Firing<'_>> {
    let is_final = |firing: &Firing<'_>| firing.entry.args.get("finalize") == Some(&Value::Bool(true));
    let mut firings = schedules.due_after(month.end()).take_while(|firing| firing.at < month.next().end());
    firings.find(is_final).context("no entry of the schedules makes invoices final")
}

/// The month as it is played.
struct MonthPlayed {
    firehose: Firehose,
    /// What became of each entry of the schedules.
    entries: BTreeMap<String, Played>,
    /// When the job that runs now was started.
    started: Instant,
}

/// An entry's runs.
#[derive(Default)]
struct Played {
    runs: u64,
    took: Duration,
    /// How often each period was done.
    published: BTreeMap<String, u64>,
    last: Option<Value>,
}

impl Scene for MonthPlayed {
    fn before(&mut self, firing: &Firing<'_>) -> Result<()> {
        self.firehose.deliver(firing.at)?;
        self.started = Instant::now();
        Ok(())
    }

    fn after(&mut self, firing: &Firing<'_>, reports: Vec<Value>) {
        let played = self.entries.entry(firing.entry.name.clone()).or_default();
        played.runs += 1;
        played.took += self.started.elapsed();
        for report in reports {
            let period = report["period"].as_str().unwrap_or_default().to_owned();
            if report["status"] == "published" {
                *played.published.entry(period).or_default() += 1;
            }
            played.last = Some(report);
        }
    }
}

impl Played {
    fn summary(&self, name: &str) -> String {
        let plural = if self.runs == 1 { "run " } else { "runs" };
        let runs = format!("{name:<14} {:>4} {plural} {:>5.1} s", self.runs, self.took.as_secs_f64());
        let totals = self.last.as_ref().and_then(|report| report["totals"].as_object());
        if let (Some(last), Some(totals)) = (&self.last, totals) {
            let totals: Vec<String> = totals
                .iter()
                .map(|(currency, total)| format!("{} {currency}", total.as_str().unwrap_or("0")))
                .collect();
            return format!(
                "{runs}  {}: {} invoices, {}",
                last["period"].as_str().unwrap_or_default(),
                last["invoices"],
                totals.join(", ")
            );
        }
        let again: u64 = self.published.values().map(|times| times - 1).sum();
        if self.published.is_empty() {
            return runs.trim_end().to_owned();
        }
        format!("{runs}  {} periods published, {again} of them again", self.published.len())
    }
}

fn tell(truth: &Truth) -> Result<()> {
    let totals = &truth.totals;
    say_indented(&format!(
        "{} files, {} lines: {} calls, {} copies, {} malformed",
        totals.objects, totals.lines, totals.calls, totals.copies, totals.malformed
    ))
}

fn say(text: &str) -> Result<()> {
    Ok(writeln!(standard_output(), "\n{text}")?)
}

fn say_indented(text: &impl Display) -> Result<()> {
    for line in text.to_string().lines() {
        writeln!(standard_output(), "   {line}")?;
    }
    Ok(())
}
