//! What merge left out of a month is money: too much of it keeps the month from being made final, until a person
//! accepts it.
//!
//! Each gate has a number, which the refusal names and `--accept` gives back. That is noted with the month, and holds
//! while the number is not larger.

use anyhow::Result;
use meterlake_core::chain::MANIFEST;
use meterlake_core::config::Limit;
use meterlake_core::generation::Generation;
use meterlake_core::lake::Lake;
use meterlake_core::layout::TableLayout;
use meterlake_core::period::{Hour, Month, Period};
use meterlake_core::store::Object;
use rust_decimal::Decimal;

use crate::accepted::{Accepted, Gate};
use crate::tally::{HourTally, MonthTally, Tally};

/// Raw files in an hour that can never be built again.
#[derive(Debug, Clone)]
pub(crate) struct LateFiles {
    pub(crate) hour: Hour,
    pub(crate) objects: Vec<Object>,
}

/// A gate that is shut.
struct Shut {
    gate: Gate,
    number: u64,
    why: String,
}

/// Why a month may not be made final for what was not read, in a line that says how to look at it and how to go on.
/// `None`: it may. `late` is only looked for when a month is made final.
///
/// # Errors
/// A setting is wrong.
pub(crate) fn refusal(
    lake: &Lake,
    month: Month,
    tally: &MonthTally,
    late: &[LateFiles],
    accepted: &Accepted,
) -> Result<Option<String>> {
    let gates = [malformed(lake, tally)?, copies(lake, tally)?, objects(tally), late_files(late)];
    let shut = gates.into_iter().flatten().filter(|shut| !accepted.covers(shut.gate, shut.number));
    let shut: Vec<Shut> = shut.collect();
    if shut.is_empty() {
        return Ok(None);
    }
    let numbers = accepted.with(&shut.iter().map(|shut| (shut.gate, shut.number)).collect());
    let why: Vec<&str> = shut.iter().map(|shut| shut.why.as_str()).collect();
    Ok(Some(format!(
        "the month {month} cannot be made final with what was left out of it: {}: put it right, merge and aggregate \
         again, or go on with `--accept {numbers}`",
        why.join("; ")
    )))
}

fn malformed(lake: &Lake, tally: &MonthTally) -> Result<Option<Shut>> {
    let gates = &lake.config.gates;
    let (of_month, of_hour) = (gates.malformed()?, gates.hour_malformed()?);
    let Some(worst) = worst(tally.hours.iter(), |hour| hour.malformed) else { return Ok(None) };
    let look = |hour: Hour| query("object, reason, line", "", &lake.layout.malformed, hour);
    let (all, records) = (tally.all.malformed, tally.all.records());
    if of_month.is_exceeded(all, records) {
        let why = format!(
            "{all} of its {records} lines are malformed ({}), most of them in the hour {} ({} of {}): {} shows them",
            share(all, records, of_month),
            worst.hour,
            worst.tally.malformed,
            worst.tally.records(),
            look(worst.hour)
        );
        return Ok(Some(Shut { gate: Gate::Malformed, number: all, why }));
    }
    Ok(in_hours(tally, of_hour, |hour| hour.malformed).map(|(number, hours, worst)| Shut {
        gate: Gate::Malformed,
        number,
        why: format!(
            "{number} lines are malformed in {hours} hours that have little else, most of them in the hour {} ({} of {}, \
             {}): {} shows them",
            worst.hour,
            worst.tally.malformed,
            worst.tally.records(),
            share(worst.tally.malformed, worst.tally.records(), of_hour),
            look(worst.hour)
        ),
    }))
}

fn copies(lake: &Lake, tally: &MonthTally) -> Result<Option<Shut>> {
    let limit = lake.config.gates.hour_copies()?;
    Ok(in_hours(tally, limit, |hour| hour.copies).map(|(number, hours, worst)| Shut {
        gate: Gate::Copies,
        number,
        why: format!(
            "{number} lines were left out as copies in {hours} hours that have unusually many, most of them in the hour \
             {} ({} of {}, {}): {} shows where they came from",
            worst.hour,
            worst.tally.copies,
            worst.tally.records(),
            share(worst.tally.copies, worst.tally.records(), limit),
            query("object, count(*) AS copies", " GROUP BY object", &lake.layout.copies, worst.hour)
        ),
    }))
}

fn objects(tally: &MonthTally) -> Option<Shut> {
    let number = tally.all.unreadable_objects;
    let worst = worst(tally.hours.iter(), |hour| hour.unreadable_objects)?;
    let named = worst.head.partition.as_ref();
    let named = named.map(|partition| Generation::folder_around(&partition.location).join(MANIFEST).to_string());
    Some(Shut {
        gate: Gate::Objects,
        number,
        why: format!(
            "{number} raw objects could not be read, most of them in the hour {} ({}): {} names each \
             and what it seems to be",
            worst.hour,
            worst.tally.unreadable_objects,
            named.unwrap_or_default()
        ),
    })
}

fn late_files(late: &[LateFiles]) -> Option<Shut> {
    let number: u64 = late.iter().map(|one| one.objects.len() as u64).sum();
    let most = late.iter().rev().max_by_key(|one| one.objects.len())?;
    let first = most.objects.first()?;
    Some(Shut {
        gate: Gate::Late,
        number,
        why: format!(
            "{number} raw files came to hours whose other files are gone, and which can therefore not be merged again, \
             most of them to the hour {} ({}), such as {}: in the folder of a later hour, merge would count them",
            most.hour,
            most.objects.len(),
            first.location
        ),
    })
}

/// Of the hours that have too many: all that they have together, how many hours, and the worst.
fn in_hours(tally: &MonthTally, limit: Limit, number: fn(&Tally) -> u64) -> Option<(u64, usize, &HourTally)> {
    let has_too_many = |hour: &&HourTally| limit.is_exceeded(number(&hour.tally), hour.tally.records());
    let hours: Vec<&HourTally> = tally.hours.iter().filter(has_too_many).collect();
    let all = hours.iter().map(|hour| number(&hour.tally)).sum();
    Some((all, hours.len(), worst(hours.iter().copied(), number)?))
}

/// The hour that has most; of several the first. `None`: none has any.
fn worst<'a>(
    hours: impl DoubleEndedIterator<Item = &'a HourTally>,
    number: fn(&Tally) -> u64,
) -> Option<&'a HourTally> {
    hours.rev().filter(|hour| number(&hour.tally) > 0).max_by_key(|hour| number(&hour.tally))
}

/// `0.99 %, where more than 0.1 % are too many`
fn share(part: u64, all: u64, limit: Limit) -> String {
    let share = Decimal::from(part) * Decimal::ONE_HUNDRED / Decimal::from(all.max(1));
    format!("{} %, where more than {} % are too many", share.round_dp(2).normalize(), limit.percent.normalize())
}

/// The command that shows rows of an hour.
fn query(columns: &str, grouping: &str, table: &TableLayout, hour: Hour) -> String {
    let keys = Hour::KEYS.iter().zip(hour.numbers()).map(|(key, number)| format!("{key} = {number}"));
    let hour = keys.collect::<Vec<_>>().join(" AND ");
    format!("`query 'SELECT {columns} FROM {} WHERE {hour}{grouping} LIMIT 20'`", table.name.table)
}

#[cfg(test)]
mod tests {
    use meterlake_core::publications::Head;

    use super::*;

    fn hours(hours: &[(&str, Tally)]) -> MonthTally {
        let hour = |(hour, tally): &(&str, Tally)| HourTally {
            hour: hour.parse().unwrap(),
            tally: *tally,
            head: Head::default(),
        };
        MonthTally::of(hours.iter().map(hour).collect())
    }

    fn tally(calls: u64, malformed: u64, copies: u64) -> Tally {
        Tally { lines: calls + malformed + copies, calls, malformed, copies, ..Tally::default() }
    }

    #[test]
    fn the_worst_hour_is_the_first_of_those_that_have_most() {
        let month = hours(&[
            ("2023-01-31T04", tally(9, 1, 0)),
            ("2023-01-31T05", tally(9, 3, 0)),
            ("2023-01-31T06", tally(9, 3, 0)),
        ]);
        assert_eq!(worst(month.hours.iter(), |hour| hour.malformed).unwrap().hour.to_string(), "2023-01-31T05");
        assert!(worst(month.hours.iter(), |hour| hour.copies).is_none());
        assert_eq!(month.all.malformed, 7);
    }

    #[test]
    fn only_hours_beyond_the_limit_count() {
        let limit = Limit { percent: Decimal::from(20), least: 50 };
        let month = hours(&[
            // Many, but a small share; a large share, but few; and both.
            ("2023-01-31T04", tally(1000, 0, 100)),
            ("2023-01-31T05", tally(10, 0, 49)),
            ("2023-01-31T06", tally(100, 0, 60)),
            ("2023-01-31T07", tally(10, 0, 50)),
        ]);
        let (number, of, worst) = in_hours(&month, limit, |hour| hour.copies).unwrap();
        assert_eq!((number, of, worst.hour.to_string().as_str()), (110, 2, "2023-01-31T06"));
    }

    #[test]
    fn a_share_is_told_beside_its_limit() {
        let limit = Limit { percent: "0.10".parse().unwrap(), least: 10 };
        assert_eq!(share(12, 1212, limit), "0.99 %, where more than 0.1 % are too many");
        assert_eq!(share(1, 0, limit), "100 %, where more than 0.1 % are too many");
    }
}
