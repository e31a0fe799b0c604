//! What must be true before a month is made final, and the claim that keeps two months from adjusting the same one.

use std::fmt;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use meterlake_core::catalog::{Partition, Swap};
use meterlake_core::day_inputs::DayInputs;
use meterlake_core::lake::Lake;
use meterlake_core::layout::period_values;
use meterlake_core::location::Location;
use meterlake_core::period::{Day, Month, Period};
use meterlake_core::publish::Publication;

use crate::look::{ADJUSTED_BY, FinalMonth, Work, is_final};

/// Why a month cannot be made final yet, a line a day; empty: it can.
///
/// # Errors
/// The catalog failed.
pub(crate) async fn problems(lake: &Lake, month: Month) -> Result<Vec<Problem>> {
    let zone = lake.config.billing.zone()?;
    let sql = lake.sql.query("usage_daily")?;
    let first = Day::containing(start_in(zone, month));
    let last = Day::containing(start_in(zone, month.next()) - TimeDelta::seconds(1));
    let grace = i32::try_from(lake.config.billing.grace_days).context("the setting billing.grace_days is too large")?;
    let last = last.offset(grace);
    let days: Vec<Day> = Day::range(first, last).collect();
    let values: Vec<Vec<String>> = days.iter().map(|day| period_values(*day)).collect();
    let partitions = lake.catalog.get_partitions(&lake.layout.usage_daily.name, &values).await?;
    let inputs = DayInputs::look_at_all(lake, &days).await?;
    let mut problems = Vec::new();
    for ((day, partition), inputs) in days.into_iter().zip(partitions).zip(inputs) {
        let Some(published) = partition.as_ref().and_then(Publication::of) else {
            let is_over = day.end() <= Utc::now();
            let what = if is_over { "was never aggregated" } else { IS_NOT_OVER };
            problems.push(Problem { day, what: what.to_owned() });
            continue;
        };
        let missing = published.notes.get("missing_hours").map(String::as_str).unwrap_or_default();
        if !missing.is_empty() {
            problems.push(Problem { day, what: format!("lacks hours ({missing})") });
        } else if inputs.fingerprint(lake, &sql) != published.fingerprint {
            problems.push(Problem { day, what: "is stale: its hours or the SQL changed".to_owned() });
        }
    }
    Ok(problems)
}

/// A day that is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) day: Day,
    pub(crate) what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.day, self.what)
    }
}

const IS_NOT_OVER: &str = "is not over yet";

/// Refuses a month with problems.
///
/// # Errors
/// There is one; the error names all, and the command that mends them.
pub(crate) fn refuse(month: Month, problems: &[Problem]) -> Result<()> {
    let Some(any) = problems.last() else { return Ok(()) };
    // Only what is over can be mended.
    let mut mendable = problems.iter().filter(|problem| problem.what != IS_NOT_OVER);
    let first = mendable.next();
    let last = mendable.next_back().or(first);
    let mend = match first.zip(last) {
        Some((first, last)) => {
            format!("run `aggregate --from {} --to {}` (and `merge` for missing hours)", first.day, last.day)
        }
        None => format!("wait until {} is over", any.day),
    };
    let named: Vec<String> = problems.iter().map(Problem::to_string).collect();
    bail!("the month {month} cannot be made final: {}: {mend}, or go on with --force", named.join("; "))
}

/// Claims the final months that this one adjusts, so that no other month adjusts them at the same time: two that run at
/// once would both bill the same late usage. `false`: they changed meanwhile.
///
/// A claim is a note on the adjusted month. It is over when the claiming month is final; a run that was cut off is simply
/// repeated, with the same claim. The latest month goes first: it is the one that every other claimant needs too.
///
/// # Errors
/// Another month claims one and is not final, or the catalog failed. Nothing new stays claimed then, nor after `false`.
pub(crate) async fn claim(work: &Work<'_>) -> Result<bool> {
    let mut claimed = Vec::new();
    let adjusted: Vec<&FinalMonth> = work.adjusted().collect();
    for one in adjusted.into_iter().rev() {
        let refused = match claim_one(work, one).await {
            Ok(Some(claim)) => {
                claimed.extend(claim);
                continue;
            }
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        };
        release(work, &claimed).await;
        return refused;
    }
    Ok(true)
}

/// Takes claims back. One that cannot be taken back is taken over by the next run for this month.
async fn release(work: &Work<'_>, claimed: &[(Partition, Partition)]) {
    for (claim, before) in claimed {
        let released = work.lake.catalog.swap_partition(&work.lake.layout.invoices.name, before, Some(claim)).await;
        if let Err(error) = released {
            tracing::warn!(month = %work.month, "a claim stays, until this month is made final: {error:#}");
        }
    }
}

/// The partition with the claim and without it; nothing if this month had claimed it before. `None`: it changed meanwhile.
async fn claim_one(work: &Work<'_>, adjusted: &FinalMonth) -> Result<Option<Option<(Partition, Partition)>>> {
    let own = work.month.to_string();
    let claimed = adjusted.publication.notes.get(ADJUSTED_BY);
    if claimed == Some(&own) {
        return Ok(Some(None));
    }
    if let Some(other) = claimed
        && !is_published_final(work.lake, other.parse()?).await?
    {
        bail!(
            "the month {other} adjusts {} and is being made final, or was cut off: let it end, or run `invoice --month \
             {other} --finalize`",
            adjusted.month
        );
    }
    let mut publication = adjusted.publication.clone();
    publication.notes.insert(ADJUSTED_BY.to_owned(), own);
    let claim = publication.partition(adjusted.partition.values.clone(), adjusted.partition.location.clone());
    let table = &work.lake.layout.invoices.name;
    let swapped = work.lake.catalog.swap_partition(table, &claim, Some(&adjusted.partition)).await?;
    Ok((swapped == Swap::Done).then(|| Some((claim, adjusted.partition.clone()))))
}

/// Whether a month that was looked at and claimed is as it was, so that what was made of it may be published.
pub(crate) async fn is_unchanged(work: &Work<'_>, plans: &Location, is_claimed: bool) -> Result<bool> {
    let now = Work::look(work.lake, work.month, plans).await?;
    let own = work.month.to_string();
    let holds = |one: &FinalMonth| one.publication.notes.get(ADJUSTED_BY) == Some(&own);
    let has_claims = !is_claimed || now.adjusted().all(holds);
    Ok(has_claims && now.fingerprint("", false) == work.fingerprint("", false))
}

async fn is_published_final(lake: &Lake, month: Month) -> Result<bool> {
    let values = [period_values(month)];
    let partition = lake.catalog.get_partitions(&lake.layout.invoices.name, &values).await?.pop().flatten();
    Ok(partition.as_ref().and_then(Publication::of).is_some_and(|publication| is_final(&publication)))
}

/// The instant at which a month begins in a time zone.
pub(crate) fn start_in(zone: Tz, month: Month) -> DateTime<Utc> {
    let midnight = month.first_date().and_time(NaiveTime::MIN);
    // Where the clock skips midnight the day begins when it goes on, some quarters of an hour later.
    let exists = |quarter: i64| zone.from_local_datetime(&(midnight + TimeDelta::minutes(15 * quarter))).earliest();
    (0..=12).find_map(exists).map_or_else(|| midnight.and_utc(), |start| start.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_where_its_time_zone_says() {
        let start = |zone: Tz| start_in(zone, "2023-02".parse().unwrap()).to_rfc3339();
        assert_eq!(start(Tz::UTC), "2023-02-01T00:00:00+00:00");
        assert_eq!(start(Tz::Asia__Seoul), "2023-01-31T15:00:00+00:00");
        assert_eq!(start(Tz::America__New_York), "2023-02-01T05:00:00+00:00");
        // There, clocks went from midnight to one o'clock.
        let skipped = start_in(Tz::America__Asuncion, "2023-10".parse().unwrap());
        assert_eq!(skipped.to_rfc3339(), "2023-10-01T04:00:00+00:00");
    }
}
