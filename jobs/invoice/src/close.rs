//! What must be true before a month is made final, and the claim that keeps two months from adjusting the same one.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use meterlake_core::beginning::Beginning;
use meterlake_core::chain::{is_closed, unsettled_objects};
use meterlake_core::day_inputs::DayInputs;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::period::{Day, Hour, Month, Period};
use meterlake_core::publications::{self, Head};
use meterlake_core::run::NotYet;

use crate::accepted::{Accepted, Gate};
use crate::gates::LateFiles;
use crate::look::{FinalMonth, Work, is_final};

/// What keeps a month from being made final.
#[derive(Debug, Default)]
pub(crate) struct Obstacles {
    /// What later runs of the other jobs mend, a line a day.
    pub(crate) problems: Vec<Problem>,
    /// What no run mends.
    pub(crate) late: Vec<LateFiles>,
}

/// Looks at the days of a month, and of its grace.
///
/// # Errors
/// The store or the catalog failed.
pub(crate) async fn obstacles(lake: &Lake, month: Month) -> Result<Obstacles> {
    let zone = lake.config.billing.zone()?;
    let sql = lake.sql.query("usage_daily")?;
    let first = Day::containing(start_in(zone, month));
    let last = Day::containing(start_in(zone, month.next()) - TimeDelta::seconds(1));
    let grace = i32::try_from(lake.config.billing.grace_days).context("the setting billing.grace_days is too large")?;
    let last = last.offset(grace);
    let days: Vec<Day> = Day::range(first, last).collect();
    let heads = publications::heads(lake, &lake.layout.usage_daily, &days).await?;
    let inputs = DayInputs::look_at_all(lake, &days).await?;
    let mut problems = Vec::new();
    let (unsettled, late) = unsettled(lake, &inputs).await?;
    for ((day, head), inputs) in days.into_iter().zip(heads).zip(inputs) {
        if inputs.is_before_the_lake() {
            continue;
        }
        let is_over = day.end() <= lake.clock.now();
        if let Some(hours) = unsettled.get(&day).filter(|_| is_over) {
            problems.push(Problem { day, what: format!("has raw files that are not merged as they are ({hours})") });
            continue;
        }
        let Some(published) = head.publication() else {
            let what = if is_over { "was never aggregated" } else { IS_NOT_OVER };
            problems.push(Problem { day, what: what.to_owned() });
            continue;
        };
        let missing: Vec<String> = published.notes.missing_hours.iter().map(ToString::to_string).collect();
        if !missing.is_empty() {
            problems.push(Problem { day, what: format!("lacks hours ({})", missing.join(", ")) });
        } else if let [first, ..] = inputs.unlinked()[..] {
            problems.push(Problem {
                day,
                what: format!("has hours that were merged before the hour before changed ({first})"),
            });
        } else if inputs.fingerprint(lake, &sql) != published.fingerprint {
            problems.push(Problem { day, what: "is stale: its hours or the SQL changed".to_owned() });
        }
    }
    Ok(Obstacles { problems, late })
}

/// The days of which raw files lie there that no published hour counts, each with those hours; and the files that no
/// hour can count any more.
async fn unsettled(lake: &Lake, days: &[DayInputs]) -> Result<(BTreeMap<Day, String>, Vec<LateFiles>)> {
    // Nothing waits for what lies before the beginning of the lake; repair names it.
    let beginning = Beginning::look(lake).await?;
    let hours = days.iter().flat_map(DayInputs::hours).filter(|(hour, _)| beginning.includes(*hour));
    let looks = hours.map(|(hour, head)| async move {
        let objects = unsettled_objects(lake, *hour, head).await?;
        let is_late = !objects.is_empty() && takes_nothing_more(lake, *hour, head).await?;
        anyhow::Ok((LateFiles { hour: *hour, objects }, is_late))
    });
    // Boxed, since the compiler cannot tell otherwise that these futures may be sent to another thread.
    let looks: Vec<_> = looks.map(FutureExt::boxed).collect();
    let found: Vec<(LateFiles, bool)> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    let mut named: BTreeMap<Day, String> = BTreeMap::new();
    let mut late = Vec::new();
    for (files, is_late) in found.into_iter().filter(|(files, _)| !files.objects.is_empty()) {
        if is_late {
            late.push(files);
            continue;
        }
        let names = named.entry(files.hour.day()).or_default();
        if !names.is_empty() {
            names.push_str(", ");
        }
        names.push_str(&files.hour.to_string());
    }
    Ok((named, late))
}

/// Whether merge counts no further file in an hour: it is closed, or the hour after it is, which counts for good what would be
/// copies then.
async fn takes_nothing_more(lake: &Lake, hour: Hour, head: &Head<Hour>) -> Result<bool> {
    let next = publications::head(lake, &lake.layout.merged, hour.next()).await?;
    Ok(is_closed(lake, hour, head).await? || is_closed(lake, hour.next(), &next).await?)
}

/// Hours whose raw files are listed side by side.
const AT_ONCE: usize = 16;

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

/// What has to be accepted for a month with these problems to be made final. A day that is not over can only be waited for.
pub(crate) fn accepting(problems: &[Problem]) -> Accepted {
    let is_over = problems.iter().all(|problem| problem.what != IS_NOT_OVER);
    Some((Gate::Days, problems.len() as u64)).filter(|_| is_over && !problems.is_empty()).into_iter().collect()
}

/// Refuses a month with problems that are not accepted.
///
/// # Errors
/// There is one; the error names all, the command that mends them, and how to go on without.
pub(crate) fn refuse(month: Month, problems: &[Problem], accepted: &Accepted) -> Result<(), NotYet> {
    let Some(any) = problems.last() else { return Ok(()) };
    let needed = accepting(problems);
    if !needed.is_empty() && accepted.covers(Gate::Days, problems.len() as u64) {
        return Ok(());
    }
    // Only what is over can be mended.
    let mut mendable = problems.iter().filter(|problem| problem.what != IS_NOT_OVER);
    let first = mendable.next();
    let last = mendable.next_back().or(first);
    let mut mend = match first.zip(last) {
        Some((first, last)) => {
            format!("run `aggregate --from {} --to {}` (and `merge` for missing hours)", first.day, last.day)
        }
        None => format!("wait until {} is over", any.day),
    };
    if !needed.is_empty() {
        mend.push_str(&format!(", or go on with what there is with `--accept {}`", accepted.with(&needed)));
    }
    let named: Vec<String> = problems.iter().map(Problem::to_string).collect();
    Err(NotYet(format!("the month {month} cannot be made final: {}: {mend}", named.join("; "))))
}

/// Claims the final months that this one adjusts, so that no other month adjusts them at the same time: two that run at
/// once would both bill the same late usage. `false`: they changed meanwhile.
///
/// A claim is an entry of the adjusted month's log, and each run makes its own. It is over when the claiming month is final. The
/// latest month goes first: it is the one that every other claimant needs too.
///
/// # Errors
/// Another month claims one and is not final, or the store or the catalog failed. Claims are taken back then, and after `None`,
/// as far as is known of them; one that stays is replaced by the next run for this month.
pub(crate) async fn claim(work: &Work<'_>) -> Result<Option<Claims>> {
    let mut claimed = Claims::new();
    let adjusted: Vec<&FinalMonth> = work.adjusted().collect();
    for one in adjusted.into_iter().rev() {
        let refused = match claim_one(work, one).await {
            Ok(Some(head)) => {
                claimed.insert(one.month, head.number);
                continue;
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        release(work, &claimed).await;
        return refused;
    }
    Ok(Some(claimed))
}

/// The months that a run claimed, each with the number of the entry that says so.
pub(crate) type Claims = BTreeMap<Month, u64>;

/// Takes claims back. One that cannot be taken back is replaced by the next run for this month.
async fn release(work: &Work<'_>, claimed: &Claims) {
    let (lake, table) = (work.lake, &work.lake.layout.invoices);
    for adjusted in work.adjusted() {
        let Some(number) = claimed.get(&adjusted.month) else { continue };
        let before = Some(&adjusted.partition);
        if let Err(error) = publications::append(lake, table, adjusted.month, *number, before).await {
            tracing::warn!(month = %work.month, "a claim stays, until this month is made final: {error:#}");
        }
    }
}

/// `None`: the month changed meanwhile.
async fn claim_one(work: &Work<'_>, adjusted: &FinalMonth) -> Result<Option<Head<Month>>> {
    let (lake, table) = (work.lake, &work.lake.layout.invoices);
    if let Some(other) = adjusted.publication.notes.adjusted_by.filter(|other| *other != work.month) {
        let head = publications::head(lake, table, other).await?;
        if !head.publication().is_some_and(|publication| is_final(&publication)) {
            if !is_given_up(work, adjusted) {
                bail!(
                    "the month {other} adjusts {} and is being made final, or was cut off: let it end, or run `invoice \
                     --month {other} --finalize`",
                    adjusted.month
                );
            }
            // A run for that month that slept until now must not become final with what this one bills: this entry takes
            // the number that it would publish with.
            if publications::append(lake, table, other, head.number, head.partition.as_ref()).await?.is_none() {
                return Ok(None);
            }
            tracing::warn!(
                month = %other,
                adjusted = %adjusted.month,
                "this month claimed another and never became final: its claim is void"
            );
        }
    }
    let mut publication = adjusted.publication.clone();
    publication.notes.adjusted_by = Some(work.month);
    publication.notes.adjusted_since = Some(lake.clock.now());
    let claim = publication.partition(adjusted.partition.values.clone(), adjusted.partition.location.clone())?;
    publications::append(lake, table, adjusted.month, adjusted.number, Some(&claim)).await
}

/// Whether a claim is so old that no run can be at work with it any more.
fn is_given_up(work: &Work<'_>, adjusted: &FinalMonth) -> bool {
    let age = adjusted.publication.notes.adjusted_since.and_then(|since| (work.lake.clock.now() - since).to_std().ok());
    age.is_some_and(|age| age >= work.lake.config.vacuum_after)
}

/// Whether a month that was looked at is as it was, and its claims are, so that what was made of it may be published.
pub(crate) async fn is_unchanged(work: &Work<'_>, plans: &Location, claimed: Option<&Claims>) -> Result<bool> {
    // What the statements read first: a look puts right what was not shown.
    if !work.is_shown().await? {
        return Ok(false);
    }
    let now = Work::look(work.lake, work.month, plans).await?;
    let holds = |one: &FinalMonth| claimed.is_none_or(|claimed| claimed.get(&one.month) == Some(&one.number));
    Ok(now.adjusted().all(holds) && now.fingerprint("", false) == work.fingerprint("", false))
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
