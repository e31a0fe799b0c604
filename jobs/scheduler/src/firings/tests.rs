//! Clocks that change, month ends and leap days: nothing is skipped, and nothing is run twice.

use std::collections::BTreeSet;

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};
use meterlake_core::period::{Day, Hour, Month, Period};
use proptest::prelude::*;

use super::*;

fn fired(text: &str, zone: Tz, from: &str, to: &str) -> Vec<DateTime<Utc>> {
    let (from, to): (DateTime<Utc>, DateTime<Utc>) = (from.parse().unwrap(), to.parse().unwrap());
    firings(&text.parse().unwrap(), zone, from - TimeDelta::seconds(1)).take_while(|at| *at < to).collect()
}

/// The firings as local times: `03-26 01:30 +0100`.
fn local(text: &str, zone: Tz, from: &str, to: &str) -> Vec<String> {
    let show = |at: DateTime<Utc>| at.with_timezone(&zone).format("%m-%d %H:%M %z").to_string();
    fired(text, zone, from, to).into_iter().map(show).collect()
}

const BERLIN: Tz = Tz::Europe__Berlin;

#[test]
fn a_daily_time_that_the_clock_skips_is_made_up_for_at_once() {
    // On 26 March 2023 the clock went from 02:00 to 03:00.
    let days = local("30 2 * * *", BERLIN, "2023-03-25T00:00:00Z", "2023-03-28T00:00:00Z");
    assert_eq!(days, ["03-25 02:30 +0100", "03-26 03:00 +0200", "03-27 02:30 +0200"]);
    // Several times in the gap are one firing, and one that is due when the gap ends is the same.
    let many = local("0,20,40 2,3 * * *", BERLIN, "2023-03-26T00:00:00Z", "2023-03-26T02:00:00Z");
    assert_eq!(many, ["03-26 03:00 +0200", "03-26 03:20 +0200", "03-26 03:40 +0200"]);
}

#[test]
fn a_daily_time_that_the_clock_shows_twice_fires_once() {
    // On 29 October 2023 the clock went from 03:00 to 02:00.
    let days = local("30 2 * * *", BERLIN, "2023-10-28T00:00:00Z", "2023-10-31T00:00:00Z");
    assert_eq!(days, ["10-28 02:30 +0200", "10-29 02:30 +0200", "10-30 02:30 +0100"]);
}

#[test]
fn an_hourly_entry_fires_in_each_hour_that_passes() {
    let spring = local("10 * * * *", BERLIN, "2023-03-26T00:00:00Z", "2023-03-26T03:00:00Z");
    assert_eq!(spring, ["03-26 01:10 +0100", "03-26 03:10 +0200", "03-26 04:10 +0200"]);
    let autumn = local("10,40 * * * *", BERLIN, "2023-10-29T00:00:00Z", "2023-10-29T02:00:00Z");
    assert_eq!(autumn, ["10-29 02:10 +0200", "10-29 02:40 +0200", "10-29 02:10 +0100", "10-29 02:40 +0100"]);
}

#[test]
fn midnight_may_be_skipped_or_come_twice() {
    // In Beirut the clock goes from 00:00 to 01:00 in spring, and from 00:00 back to 23:00 in autumn.
    let beirut = Tz::Asia__Beirut;
    let spring = local("0 0 * * *", beirut, "2022-03-25T12:00:00Z", "2022-03-28T12:00:00Z");
    assert_eq!(spring, ["03-26 00:00 +0200", "03-27 01:00 +0300", "03-28 00:00 +0300"]);
    let autumn = local("30 23 * * *", beirut, "2022-10-28T12:00:00Z", "2022-10-31T12:00:00Z");
    assert_eq!(autumn, ["10-28 23:30 +0300", "10-29 23:30 +0300", "10-30 23:30 +0200"]);
}

#[test]
fn a_whole_day_that_the_calendar_skips_is_one_firing_with_the_next() {
    // Samoa had no 30 December 2011.
    let days = local("0 0 * * *", Tz::Pacific__Apia, "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z");
    assert_eq!(days, ["12-29 00:00 -1000", "12-31 00:00 +1400", "01-01 00:00 +1400"]);
    let days = local("30 2 * * *", Tz::Pacific__Apia, "2011-12-29T00:00:00Z", "2012-01-01T00:00:00Z");
    assert_eq!(days, ["12-29 02:30 -1000", "12-31 00:00 +1400", "12-31 02:30 +1400", "01-01 02:30 +1400"]);
}

#[test]
fn month_ends_and_leap_days_come_when_the_calendar_has_them() {
    let days =
        |text, from, to| local(text, Tz::UTC, from, to).into_iter().map(|at| at[..5].to_owned()).collect::<Vec<_>>();
    assert_eq!(
        days("0 0 31 * *", "2023-01-01T00:00:00Z", "2023-08-01T00:00:00Z"),
        ["01-31", "03-31", "05-31", "07-31"]
    );
    assert_eq!(days("0 0 28,29 2 *", "2023-01-01T00:00:00Z", "2025-01-01T00:00:00Z"), ["02-28", "02-28", "02-29"]);
    assert_eq!(days("0 0 1 * *", "2023-12-15T00:00:00Z", "2024-04-01T00:00:00Z"), ["01-01", "02-01", "03-01"]);
    assert_eq!(days("59 23 * * *", "2024-02-28T00:00:00Z", "2024-03-02T00:00:00Z"), ["02-28", "02-29", "03-01"]);
}

#[test]
fn event_bridge_leaves_out_what_the_clock_skips_and_the_hour_that_it_repeats() {
    let year = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_time(NaiveTime::MIN);
    let left_out = |text: &str, zone| {
        first_left_out(&text.parse().unwrap(), zone, year(2023), year(2024)).map(|time| time.to_string())
    };
    assert_eq!(left_out("30 2 * * *", BERLIN).as_deref(), Some("2023-03-26 02:30:00"));
    assert_eq!(left_out("10 * * * *", BERLIN).as_deref(), Some("2023-10-29 02:10:00"));
    assert_eq!(left_out("30 3 * * *", BERLIN), None);
    assert_eq!(left_out("30 2 * * *", Tz::UTC).or(left_out("10 * * * *", Tz::Asia__Seoul)), None);
}

/// Zones whose clocks change by whole hours or never, with offsets of all kinds.
fn zone() -> impl Strategy<Value = Tz> {
    prop::sample::select(vec![
        Tz::UTC,
        BERLIN,
        Tz::America__New_York,
        Tz::America__St_Johns,
        Tz::America__Santiago,
        Tz::Africa__Casablanca,
        Tz::Asia__Beirut,
        Tz::Asia__Kathmandu,
        Tz::Asia__Seoul,
        Tz::Asia__Tehran,
        Tz::Australia__Adelaide,
        Tz::Pacific__Auckland,
        Tz::Pacific__Chatham,
        Tz::Antarctica__Troll,
    ])
}

fn new_year(year: i32) -> DateTime<Utc> {
    NaiveDate::from_ymd_opt(year, 1, 1).unwrap().and_time(NaiveTime::MIN).and_utc()
}

fn year_of_firings(text: &str, zone: Tz, year: i32) -> Vec<DateTime<Utc>> {
    let (from, to) = (new_year(year), new_year(year + 1));
    firings(&text.parse().unwrap(), zone, from - TimeDelta::seconds(1)).take_while(|at| *at < to).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_hourly_entry_works_on_each_hour_once(zone in zone(), year in 2000..2036, minute in 0..60) {
        let fired = year_of_firings(&format!("{minute} * * * *"), zone, year);
        let hours: Vec<Hour> = fired.iter().map(|at| Hour::last_complete(*at)).collect();
        prop_assert!(hours.windows(2).all(|pair| pair[0].next() == pair[1]), "{zone} {year}");
        prop_assert_eq!(hours.len(), if new_year(year).date_naive().leap_year() { 8784 } else { 8760 });
    }

    #[test]
    fn a_daily_entry_fires_once_on_each_day_of_its_zone(
        zone in zone(), year in 2000..2036, hour in 0..24_u32, minute in 0..60_u32,
    ) {
        let fired = year_of_firings(&format!("{minute} {hour} * * *"), zone, year);
        let days: Vec<Day> = fired.iter().map(|at| {
            let local = at.with_timezone(&zone);
            Day::of(local.year(), local.month(), local.day()).unwrap()
        }).collect();
        prop_assert!(days.windows(2).all(|pair| pair[0].next() == pair[1]), "{zone} {year}");
        let expected = if new_year(year).date_naive().leap_year() { 366 } else { 365 };
        prop_assert!(days.len().abs_diff(expected) <= 1, "{} days", days.len());
        let on_time = |at: &DateTime<Utc>| at.with_timezone(&zone).hour() == hour && at.with_timezone(&zone).minute() == minute;
        prop_assert!(fired.iter().filter(|at| !on_time(at)).count() <= 2);
    }

    #[test]
    fn a_monthly_entry_works_on_each_month_once(zone in zone(), year in 2000..2036, day in 1..=28, hour in 0..24) {
        let fired = year_of_firings(&format!("30 {hour} {day} * *"), zone, year);
        let months: BTreeSet<Month> = fired.iter().map(|at| {
            Month::containing(at.with_timezone(&zone).naive_local().and_utc())
        }).collect();
        prop_assert_eq!(months.len(), fired.len());
        prop_assert!((11..=13).contains(&fired.len()));
    }

    #[test]
    fn whenever_one_begins_to_look_the_firings_are_the_same(
        zone in zone(), year in 2000..2036, start in 0..8760_i64,
        text in prop::sample::select(vec!["10 * * * *", "30 2 * * *", "*/20 1-3 * * 0,6", "0 0 1,31 * *"]),
    ) {
        let all = year_of_firings(text, zone, year);
        let after = new_year(year) + TimeDelta::minutes(start * 60 + 30);
        let later: Vec<DateTime<Utc>> =
            firings(&text.parse().unwrap(), zone, after).take_while(|at| *at < new_year(year + 1)).collect();
        let expected: Vec<DateTime<Utc>> = all.into_iter().filter(|at| *at > after).collect();
        prop_assert_eq!(later, expected);
    }
}
