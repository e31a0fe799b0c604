//! What can be asked of `aggregate`, and the days that it works on.

use anyhow::Result;
use async_trait::async_trait;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Day, Period};
use meterlake_core::publish::vacuum_staging;
use meterlake_core::report::Status;
use meterlake_core::run::{Context, Job, Output, Pace, each, selected_periods};
use serde::Deserialize;

use crate::job::{self, Options, Work, aggregate_day};
use crate::report::Report;

/// The job `aggregate`.
pub struct AggregateJob;

/// What `aggregate` works on.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Args {
    /// The day of arrival, UTC, like 2023-01-31 [default: the last complete one]
    #[arg(long, value_name = "DAY", num_args = 0..=1)]
    pub day: Option<Option<Day>>,
    /// The first day of a range
    #[arg(long, value_name = "DAY")]
    pub from: Option<Day>,
    /// The last day of a range [default: the last complete one]
    #[arg(long, value_name = "DAY")]
    pub to: Option<Day>,
    /// How many earlier days are built again if their hours changed [default: 35]
    #[arg(long, value_name = "DAYS")]
    pub lookback: Option<u32>,
    /// Build again even if nothing changed
    #[arg(long)]
    pub force: bool,
    /// Go on where hours were never merged; the report and the partition say which
    #[arg(long)]
    pub allow_missing: bool,
}

#[async_trait]
impl Job for AggregateJob {
    const NAME: &'static str = "aggregate";
    const ABOUT: &'static str = "Turns a day of calls into usage per user, day, method and path";
    type Args = Args;
    type Report = Report;

    async fn run(lake: &Lake, args: &Args, context: &Context, output: &mut Output<Report>) -> Result<()> {
        let days = selected_periods(args.day, args.from, args.to, context.now)?;
        if context.dry_run {
            for day in days {
                let (plan, statement) = job::plan(lake, day).await?;
                output.plan(&plan, &[statement])?;
            }
            return Ok(());
        }
        let Some(first) = days.first() else { return Ok(()) };
        let options = Options { force: args.force, allow_missing: args.allow_missing };
        // An earlier day that fails must not keep the new ones from being built; it is said at the end.
        let lookback = args.lookback.unwrap_or(lake.config.aggregate.lookback);
        let failures = look_back(lake, *first, lookback, context, output).await?;
        each::<Self, _, _>(days, context, output, |day| aggregate_day(lake, day, options)).await?;
        vacuum_staging(lake).await?;
        let count = failures.len();
        match failures.into_iter().next() {
            None => Ok(()),
            Some(failure) => Err(failure.context(format!("{count} earlier days could not be built again"))),
        }
    }
}

/// Builds those earlier days again that were built before and whose hours or SQL changed since.
async fn look_back(
    lake: &Lake,
    first: Day,
    lookback: u32,
    context: &Context,
    output: &mut Output<Report>,
) -> Result<Vec<anyhow::Error>> {
    let mut failures = Vec::new();
    let mut pace = Pace::new(context);
    let earliest = first.offset(-i32::try_from(lookback).unwrap_or(i32::MAX));
    for day in Day::range(earliest, first.previous()) {
        let work = Work::look(lake, day).await?;
        if work.is_new() || work.is_fresh() {
            continue;
        }
        if !pace.has_time() {
            tracing::warn!(%day, "there is no time to look back further; the next run does");
            break;
        }
        // A day that was built without some of its hours may be built so again.
        let options = Options { force: false, allow_missing: work.lacked_hours() };
        match aggregate_day(lake, day, options).await {
            Ok(report) if report.status == Status::Unchanged => {}
            Ok(report) => output.report(&report)?,
            Err(error) => failures.push(error),
        }
    }
    Ok(failures)
}
