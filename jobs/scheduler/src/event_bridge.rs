//! The list as schedules of Amazon EventBridge.

use anyhow::{Result, bail};
use chrono::{NaiveDate, NaiveTime};
use serde::Serialize;
use serde_json::json;

use crate::firings::first_left_out;
use crate::list::{Entry, Schedules};

/// What EventBridge puts the time of the firing in the place of.
const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// One schedule; the names are those of EventBridge's API and of CloudFormation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct EventBridgeSchedule {
    /// The entry's name.
    pub name: String,
    /// The job that it calls.
    pub job: &'static str,
    /// When.
    pub schedule_expression: String,
    /// In which time zone.
    pub schedule_expression_timezone: String,
    /// The event that the job gets, as JSON.
    pub input: String,
}

/// The schedules, in the order of the list.
///
/// # Errors
/// EventBridge would leave a firing out: it has none at a time that the clock skips, and one where the clock repeats an
/// hour.
pub fn event_bridge(schedules: &Schedules) -> Result<Vec<EventBridgeSchedule>> {
    let schedule = |entry: &Entry| {
        refuse_left_out(schedules, entry)?;
        let mut input = entry.args.clone();
        input.insert("scheduled_time".to_owned(), json!(SCHEDULED_TIME));
        Ok(EventBridgeSchedule {
            name: entry.name.clone(),
            job: entry.job.name,
            schedule_expression: entry.expression.event_bridge(),
            schedule_expression_timezone: entry.zone.to_string(),
            input: serde_json::to_string(&input)?,
        })
    };
    schedules.entries.iter().map(schedule).collect()
}

fn refuse_left_out(schedules: &Schedules, entry: &Entry) -> Result<()> {
    let new_year = |year| NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN);
    // Clocks change by rules of months and weekdays: in ten years each firing that a change can meet has met one.
    match first_left_out(&entry.expression, entry.zone, new_year(2020), new_year(2030)) {
        Some(time) => bail!(
            "{}: EventBridge would leave out a firing of `{}`, when the clocks change in {} (as at {time}): choose \
             another time, or the time zone UTC",
            schedules.place_of(entry),
            entry.name,
            entry.zone
        ),
        None => Ok(()),
    }
}
