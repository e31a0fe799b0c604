//! What can be asked of `aggregate`, and the days that it works on.

use anyhow::Result;
use async_trait::async_trait;
use meterlake_core::beginning::Beginning;
use meterlake_core::config::AGGREGATE_LOOKBACK;
use meterlake_core::day_inputs::DayInputs;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Day, Period};
use meterlake_core::publications;
use meterlake_core::publish::vacuum_staging;
use meterlake_core::report::Status;
use meterlake_core::run::{Context, Job, NotYet, Output, Pace, WaitUntil, each_until, selected_periods};
use serde::Deserialize;

use crate::job::{self, Options, aggregate_day, lacks_hours};
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
    /// How many earlier days are built too if their hours changed [default: as far back as invoice adjusts]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(AGGREGATE_LOOKBACK.range()))]
    pub lookback: Option<u32>,
    /// Build again even if nothing changed
    #[arg(long)]
    pub force: bool,
    /// Go on where hours were never merged; the report and the partition say which
    #[arg(long)]
    pub allow_missing: bool,
    /// A day whose hours are not merged yet waits until then, and has not failed: a time, or +34h for so long after the day
    #[arg(long, value_name = "TIME")]
    pub wait_until: Option<WaitUntil>,
}

#[async_trait]
impl Job for AggregateJob {
    const NAME: &'static str = "aggregate";
    const ABOUT: &'static str = "Turns a day of calls into usage per user, day, method and path";
    type Args = Args;
    type Report = Report;

    async fn run(lake: &Lake, args: &Args, context: &Context, output: &mut Output<Report>) -> Result<()> {
        AGGREGATE_LOOKBACK.check_argument("lookback", args.lookback)?;
        let is_named = matches!(args.day, Some(Some(_))) || args.from.is_some();
        let mut days = selected_periods(args.day, args.from, args.to, context.now)?;
        let beginning = Beginning::look(lake).await?;
        if !is_named {
            days = beginning.without_earlier(days);
        }
        if context.dry_run {
            for day in days {
                let (plan, statement) = job::plan(lake, day).await?;
                output.plan(&plan, &[statement])?;
            }
            return Ok(());
        }
        let Some(first) = days.first() else {
            tracing::info!("the lake begins after the last complete day: there is nothing to aggregate yet");
            return Ok(());
        };
        let options = Options { force: args.force, allow_missing: args.allow_missing };
        // An earlier day that fails must not keep the new ones from being built; it is said at the end.
        let failures = look_back(lake, &beginning, *first, args, context, output).await?;
        each_until::<Self, _, _>(days, args.wait_until, context, output, |day| aggregate_day(lake, day, options))
            .await?;
        vacuum_staging(lake).await?;
        let count = failures.len();
        match failures.into_iter().next() {
            None => Ok(()),
            Some(failure) => Err(failure.context(format!("{count} earlier days could not be built"))),
        }
    }
}

/// Builds those earlier days whose hours or SQL changed since they were built, and those that were never built and can be.
async fn look_back(
    lake: &Lake,
    beginning: &Beginning,
    first: Day,
    args: &Args,
    context: &Context,
    output: &mut Output<Report>,
) -> Result<Vec<anyhow::Error>> {
    let days = beginning.without_earlier(earlier(lake, first, args.lookback));
    let may_wait = |day: Day| args.wait_until.is_some_and(|wait| wait.allows(context.now, day.end()));
    let mut failures = Vec::new();
    // The other half of the time is kept for the days that were asked for.
    let mut pace = Pace::of_half(context);
    let sql = lake.sql.query("usage_daily")?;
    let heads = publications::heads(lake, &lake.layout.usage_daily, &days).await?;
    let inputs = DayInputs::look_at_all(lake, &days).await?;
    for ((day, head), inputs) in days.into_iter().zip(heads).zip(inputs) {
        let missing = inputs.missing();
        let is_stale = match head.publication() {
            Some(published) => published.fingerprint != inputs.fingerprint(lake, &sql),
            // Where nobody noted when the lake begins, nobody knows whether these hours had to be merged.
            None if beginning.first.is_none() && !missing.is_empty() => {
                if missing.len() < HOURS_A_DAY {
                    let missing = missing.len();
                    tracing::warn!(%day, missing, "this day was never aggregated, and lacks hours: merge them");
                }
                false
            }
            None => true,
        };
        if !is_stale {
            continue;
        }
        if !pace.has_time() {
            tracing::warn!(%day, "there is no time to look back further; the next run does");
            break;
        }
        // A day that was built without some of its hours may be built so again.
        let lacked_hours = head.publication().is_some_and(|published| lacks_hours(&published));
        let options = Options { force: false, allow_missing: lacked_hours };
        match aggregate_day(lake, day, options).await {
            Ok(report) if report.status == Status::Unchanged => {}
            Ok(report) => output.report(&report)?,
            // Merge looks back as well, and brings what is missing.
            Err(error) if error.is::<NotYet>() && may_wait(day) => {
                tracing::warn!(%day, "waits: {error:#}");
            }
            Err(error) => {
                tracing::warn!(%day, "cannot be built again: {error:#}");
                failures.push(error);
            }
        }
    }
    Ok(failures)
}

const HOURS_A_DAY: usize = 24;

/// The days before `first` that are looked back at: so many, or else all that may hold usage of a month that is still adjusted.
fn earlier(lake: &Lake, first: Day, lookback: Option<u32>) -> Vec<Day> {
    let earliest = match lookback.or(lake.config.aggregate.lookback) {
        Some(days) => first.offset(-i32::try_from(days).unwrap_or(i32::MAX)),
        None => {
            let months = i32::try_from(lake.config.billing.adjust_months).unwrap_or(i32::MAX);
            Day::containing(first.month().offset(-months).start()).previous()
        }
    };
    Day::range(earliest, first.previous()).collect()
}
