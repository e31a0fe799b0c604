//! What must be true before a month is made final, and the claim that keeps two months from adjusting the same one.

use std::fmt;

use anyhow::{Result, bail};
use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use meterlake_core::catalog::Swap;
use meterlake_core::day_inputs::DayInputs;
use meterlake_core::lake::Lake;
use meterlake_core::layout::period_values;
use meterlake_core::period::{Day, Month, Period};
use meterlake_core::publish::Publication;

use crate::look::{ADJUSTED_BY, Work, is_final};

/// Why a month cannot be made final yet, a line a day; empty: it can.
///
/// # Errors
/// The catalog failed.
pub(crate) async fn problems(lake: &Lake, month: Month) -> Result<Vec<Problem>> {
    let zone = lake.config.billing.zone()?;
    let sql = lake.sql.query("usage_daily")?;
    let first = Day::containing(start_in(zone, month));
    let last = Day::containing(start_in(zone, month.next()) - TimeDelta::seconds(1));
    let last = last.offset(i32::try_from(lake.config.billing.grace_days)?);
    let days: Vec<Day> = Day::range(first, last).collect();
    let values: Vec<Vec<String>> = days.iter().map(|day| period_values(*day)).collect();
    let partitions = lake.catalog.get_partitions(&lake.layout.usage_daily.name, &values).await?;
    let inputs = DayInputs::look_at_all(lake, &days).await?;
    let mut problems = Vec::new();
    for ((day, partition), inputs) in days.into_iter().zip(partitions).zip(inputs) {
        let Some(published) = partition.as_ref().and_then(Publication::of) else {
            problems.push(Problem { day, what: "was never aggregated".to_owned() });
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

/// Refuses a month with problems.
///
/// # Errors
/// There is one; the error names all, and the command that mends them.
pub(crate) fn refuse(month: Month, problems: &[Problem]) -> Result<()> {
    let (Some(first), Some(last)) = (problems.first(), problems.last()) else { return Ok(()) };
    let named: Vec<String> = problems.iter().map(Problem::to_string).collect();
    bail!(
        "the month {month} cannot be made final: {}: run `aggregate --from {} --to {}` (and `merge` for missing hours), \
         or go on with --force",
        named.join("; "),
        first.day,
        last.day
    )
}

/// Claims the final months that this one adjusts, so that no other month adjusts them at the same time: two that run at
/// once would both bill the same late usage. `false`: they changed meanwhile.
///
/// A claim is a note on the adjusted month. It is over when the claiming month is final, and a run that was cut off is
/// simply repeated, with the same claim.
///
/// # Errors
/// Another month claims one and is not final, or the catalog failed.
pub(crate) async fn claim(work: &Work<'_>, force: bool) -> Result<bool> {
    let own = work.month.to_string();
    for adjusted in work.adjusted() {
        let claimed = adjusted.publication.notes.get(ADJUSTED_BY);
        if claimed == Some(&own) {
            continue;
        }
        if let Some(other) = claimed
            && !force
            && !is_published_final(work.lake, other.parse()?).await?
        {
            bail!(
                "the month {other} adjusts {} and is being made final, or was cut off: let it end, or run `invoice \
                 --month {other} --finalize`; go on all the same with --force",
                adjusted.month
            );
        }
        let mut publication = adjusted.publication.clone();
        publication.notes.insert(ADJUSTED_BY.to_owned(), own.clone());
        let claim = publication.partition(adjusted.partition.values.clone(), adjusted.partition.location.clone());
        let table = &work.lake.layout.invoices.name;
        if work.lake.catalog.swap_partition(table, &claim, Some(&adjusted.partition)).await? == Swap::Conflict {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn is_published_final(lake: &Lake, month: Month) -> Result<bool> {
    let values = [period_values(month)];
    let partition = lake.catalog.get_partitions(&lake.layout.invoices.name, &values).await?.pop().flatten();
    Ok(partition.as_ref().and_then(Publication::of).is_some_and(|publication| is_final(&publication)))
}

/// The instant at which a month begins in a time zone.
pub(crate) fn start_in(zone: Tz, month: Month) -> DateTime<Utc> {
    let midnight = month.first_date().and_time(NaiveTime::MIN);
    // Where the clock skips midnight the day begins an hour later; to the day it is the same.
    zone.from_local_datetime(&midnight).earliest().map_or_else(|| midnight.and_utc(), |start| start.with_timezone(&Utc))
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
    }
}
