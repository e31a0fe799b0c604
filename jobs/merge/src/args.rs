//! What can be asked of `merge`, and the hours that it works on.

use anyhow::Result;
use async_trait::async_trait;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Hour, Period};
use meterlake_core::publish::vacuum_staging;
use meterlake_core::report::Status;
use meterlake_core::run::{Context, Job, Output, Pace, each, selected_periods};
use serde::Deserialize;

use crate::job::{self, Options, Work, merge_hour, published};
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
    /// How many earlier hours are merged again if their files changed [default: 24]
    #[arg(long, value_name = "HOURS")]
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
        let lookback = args.lookback.unwrap_or(lake.config.merge.lookback);
        if context.dry_run {
            for hour in &hours {
                let (plan, statement) = job::plan(lake, *hour).await?;
                output.plan(&plan, &[statement])?;
            }
            return Ok(());
        }
        let (Some(first), Some(last)) = (hours.first().copied(), hours.last().copied()) else { return Ok(()) };
        // An earlier hour that fails must not keep the new ones from being merged; it is said at the end.
        let failures = look_back(lake, first, lookback, context, output).await?;
        let options = Options { force: args.force };
        each::<Self, _, _>(hours, context, output, |hour| merge_hour(lake, hour, options)).await?;
        carry_on(lake, last, context, output).await?;
        vacuum_staging(lake).await?;
        let count = failures.len();
        match failures.into_iter().next() {
            None => Ok(()),
            Some(failure) => Err(failure.context(format!("{count} earlier hours could not be merged again"))),
        }
    }
}

/// Merges those earlier hours again that were merged before and whose files or SQL changed since, or what the hour before
/// them publishes: the oldest first, so that a change is carried on by one run.
async fn look_back(
    lake: &Lake,
    first: Hour,
    lookback: u32,
    context: &Context,
    output: &mut Output<Report>,
) -> Result<Vec<anyhow::Error>> {
    let (mut missed, mut failures) = (Vec::new(), Vec::new());
    let mut pace = Pace::new(context);
    let earliest = first.offset(-i32::try_from(lookback).unwrap_or(i32::MAX));
    let mut prior = published(lake, earliest.previous()).await?;
    for hour in Hour::range(earliest, first.previous()) {
        let work = Work::look(lake, hour, prior.as_ref()).await?;
        if work.published().is_none() {
            missed.extend((!work.inputs.objects.is_empty()).then_some(hour));
        } else if !work.is_fresh() {
            if !pace.has_time() {
                tracing::warn!(%hour, "there is no time to look back further; the next run does");
                break;
            }
            match merge_hour(lake, hour, Options::default()).await {
                Ok(report) if report.status == Status::Unchanged => {}
                Ok(report) => output.report(&report)?,
                Err(error) => {
                    tracing::warn!(%hour, "cannot be merged again: {error:#}");
                    failures.push(error);
                }
            }
            prior = published(lake, hour).await?;
            continue;
        }
        prior = work.published().cloned();
    }
    if let (Some(from), Some(to)) = (missed.first(), missed.last()) {
        tracing::warn!(
            hours = missed.len(),
            "earlier hours have files and were never merged: run `merge --from {from} --to {to}`"
        );
    }
    Ok(failures)
}

/// Merges the hours after `last` again that were published from another generation of the hour before, until one comes
/// out as it was. A backfill so leaves no call counted in two hours.
async fn carry_on(lake: &Lake, last: Hour, context: &Context, output: &mut Output<Report>) -> Result<()> {
    let mut pace = Pace::new(context);
    let mut hour = last.next();
    loop {
        let prior = published(lake, hour.previous()).await?;
        let work = Work::look(lake, hour, prior.as_ref()).await?;
        if work.published().is_none() || work.is_fresh() {
            return Ok(());
        }
        if !pace.has_time() {
            tracing::warn!(%hour, "there is no time to merge the hours after this one again; the next run does");
            return Ok(());
        }
        let report = merge_hour(lake, hour, Options::default()).await?;
        if report.status == Status::Unchanged {
            return Ok(());
        }
        output.report(&report)?;
        hour = hour.next();
    }
}
