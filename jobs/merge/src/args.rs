//! What can be asked of `merge`, and the hours that it works on.

use anyhow::Result;
use async_trait::async_trait;
use meterlake_core::beginning::Beginning;
use meterlake_core::chain;
use meterlake_core::config::MERGE_LOOKBACK;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Hour, Period};
use meterlake_core::publications;
use meterlake_core::publish::vacuum_staging;
use meterlake_core::report::Status;
use meterlake_core::run::{Context, Job, Output, Pace, each, selected_periods};
use serde::Deserialize;

use crate::closed::Closed;
use crate::job::{self, Options, Work, head, merge_hour};
use crate::report::Report;

/// The job `merge`.
pub struct MergeJob;

/// What `merge` works on.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Args {
    /// The hour, UTC, like 2023-01-31T06 [default: the last complete one]
    #[arg(long, value_name = "HOUR", num_args = 0..=1)]
    pub hour: Option<Option<Hour>>,
    /// The first hour of a range
    #[arg(long, value_name = "HOUR")]
    pub from: Option<Hour>,
    /// The last hour of a range [default: the last complete one]
    #[arg(long, value_name = "HOUR")]
    pub to: Option<Hour>,
    /// How many earlier hours are merged too if they were never merged, or their files changed [default: 26]
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u32).range(MERGE_LOOKBACK.range()))]
    pub lookback: Option<u32>,
    /// Merge again even if nothing changed, or if files are gone that were counted
    #[arg(long)]
    pub force: bool,
}

#[async_trait]
impl Job for MergeJob {
    const NAME: &'static str = "merge";
    const ABOUT: &'static str = "Turns an hour of small files into one typed table of calls, each counted once";
    type Args = Args;
    type Report = Report;

    async fn run(lake: &Lake, args: &Args, context: &Context, output: &mut Output<Report>) -> Result<()> {
        let hours = selected_periods(args.hour, args.from, args.to, context.now)?;
        MERGE_LOOKBACK.check_argument("lookback", args.lookback)?;
        let beginning = Beginning::look(lake).await?;
        let hours = match (args.hour, args.from, hours.first()) {
            (Some(Some(named)), _, _) | (_, Some(named), Some(_)) => {
                beginning.require(named)?;
                hours
            }
            _ => beginning.without_earlier(hours),
        };
        if context.dry_run {
            for hour in &hours {
                let (plan, statement) = job::plan(lake, *hour).await?;
                output.plan(&plan, &[statement])?;
            }
            return Ok(());
        }
        let (Some(first), Some(last)) = (hours.first().copied(), hours.last().copied()) else {
            tracing::info!("the lake begins after the last complete hour: there is nothing to merge yet");
            return Ok(());
        };
        // An earlier hour that fails must not keep the new ones from being merged; it is said at the end.
        let mut failures = look_back(lake, &beginning, first, args.lookback, context, output).await?;
        let options = Options { force: args.force, ..Options::default() };
        let merged = each::<Self, _, _>(hours, context, output, |hour| merge_hour(lake, hour, options)).await;
        if let Err(error) = carry_on(lake, last, context, output).await {
            tracing::warn!("the hours after these cannot be merged again: {error:#}");
            failures.push(error);
        }
        vacuum_staging(lake).await?;
        // The log has named the others already.
        merged?;
        let count = failures.len();
        match failures.into_iter().next() {
            None => Ok(()),
            Some(failure) => Err(failure.context(format!("{count} other hours could not be merged"))),
        }
    }
}

/// How many hours back an ordinary run looks where it finds that nothing was merged before its own look-back: 40 days, as far
/// as the daily one.
const OUTAGE: u32 = 960;

/// Merges those earlier hours, the oldest first, so that a change is carried on by one run: hours that were never merged, and
/// those whose files changed since, or what the hour before them publishes. Where the SQL changed, only hours of the ordinary
/// look-back are merged again.
async fn look_back(
    lake: &Lake,
    beginning: &Beginning,
    first: Hour,
    lookback: Option<u32>,
    context: &Context,
    output: &mut Output<Report>,
) -> Result<Vec<anyhow::Error>> {
    let mut failures = Vec::new();
    // The other half of the time is kept for the hours that were asked for.
    let mut pace = Pace::of_half(context);
    let usual = lake.config.merge.lookback;
    let ordinary = lookback.map_or(usual, |hours| hours.min(usual));
    let back = |hours: u32| {
        let earliest = first.offset(-i32::try_from(hours).unwrap_or(i32::MAX));
        beginning.first.map_or(earliest, |begins| earliest.max(begins))
    };
    let earliest = back(lookback.unwrap_or(ordinary));
    let ordinary = back(ordinary);
    let is_begun = |hour: Hour| beginning.first.is_some_and(|begins| begins <= hour);
    let since = |earliest: Hour| -> Vec<Hour> { Hour::range(earliest.previous(), first.previous()).collect() };
    let mut hours = since(earliest);
    let mut heads = publications::heads(lake, &lake.layout.merged, &hours).await?;
    // After an outage of days, each run goes on with what is left of them.
    if lookback.is_none() && is_begun(hours[0]) && heads[0].partition.is_none() {
        hours = since(back(OUTAGE).min(earliest));
        heads = publications::heads(lake, &lake.layout.merged, &hours).await?;
    }
    for at in 1..hours.len() {
        let hour = hours[at];
        let is_stale = if hour >= ordinary {
            let work = Work::look(lake, hour, heads[at - 1].clone()).await?;
            match work.published() {
                Some(_) => !work.is_fresh(),
                // An hour without files is published as empty, once the lake has begun.
                None => is_begun(hour) || !work.inputs.objects.is_empty() || heads[at - 1].partition.is_some(),
            }
        } else if heads[at].partition.is_none() && (is_begun(hour) || heads[at - 1].partition.is_some()) {
            true
        } else {
            !chain::is_linked(&heads[at - 1], &heads[at])
                || !chain::unsettled_objects(lake, hour, &heads[at]).await?.is_empty()
        };
        if !is_stale {
            continue;
        }
        if !pace.has_time() {
            tracing::warn!(%hour, "there is no time to look back further; the next run does");
            break;
        }
        let options = Options { is_carried: hour < ordinary, ..Options::default() };
        match merge_hour(lake, hour, options).await {
            Ok(report) if report.status == Status::Unchanged => {}
            Ok(report) => output.report(&report)?,
            Err(error) if error.is::<Closed>() => tracing::warn!(%hour, "stays as it is published: {error:#}"),
            Err(error) => {
                tracing::warn!(%hour, "cannot be merged: {error:#}");
                failures.push(error);
            }
        }
        heads[at] = head(lake, hour).await?;
    }
    Ok(failures)
}

/// Merges the hours after `last` again that were published from another generation of the hour before, until one comes
/// out as it was. A backfill so leaves no call counted in two hours.
async fn carry_on(lake: &Lake, last: Hour, context: &Context, output: &mut Output<Report>) -> Result<()> {
    let mut pace = Pace::new(context);
    let mut hour = last.next();
    loop {
        let (prior, current) = (head(lake, hour.previous()).await?, head(lake, hour).await?);
        if current.partition.is_none() || chain::is_linked(&prior, &current) {
            return Ok(());
        }
        if !pace.has_time() {
            tracing::warn!(%hour, "there is no time to merge the hours after this one again; the next run does");
            return Ok(());
        }
        let options = Options { is_carried: true, ..Options::default() };
        match merge_hour(lake, hour, options).await {
            Ok(report) if report.status == Status::Unchanged => return Ok(()),
            Ok(report) => output.report(&report)?,
            Err(error) if error.is::<Closed>() => {
                tracing::warn!(%hour, "stays as it is published: {error:#}");
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        hour = hour.next();
    }
}
