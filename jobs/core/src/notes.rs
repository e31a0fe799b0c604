//! What the entries of each table's log note of a generation, beside what it was made from.

use std::collections::BTreeMap;
use std::fmt;

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::generation::Generation;
use crate::period::{Day, Hour, Month, Period};

/// A period of which a job publishes something: hours of calls, days of usage, months of invoices.
pub trait Published: Period + fmt::Debug {
    /// What is noted of each.
    type Notes: Notes;
}

impl Published for Hour {
    type Notes = HourNotes;
}

impl Published for Day {
    type Notes = DayNotes;
}

impl Published for Month {
    type Notes = MonthNotes;
}

/// What is noted of a generation.
pub trait Notes: fmt::Debug + Clone + PartialEq + Serialize + DeserializeOwned + Send + Sync {
    /// How many visible objects the generation has at least.
    fn output_files(&self) -> u64;
}

/// What `merge` notes of an hour of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HourNotes {
    /// Calls.
    pub rows: u64,
    /// Copies of calls.
    pub duplicates: u64,
    /// Lines, and pieces of lines, that are no records.
    pub malformed: u64,
    /// The latter by reason.
    pub malformed_reasons: BTreeMap<String, u64>,
    /// Lines of the raw objects that are not blank.
    pub lines: u64,
    /// Times, statuses and lengths that were there and could not be read.
    pub unreadable_values: u64,
    /// Raw objects that were left out.
    pub unreadable_objects: u64,
    /// Parquet objects of all kinds of rows.
    pub output_files: u64,
    /// Their size.
    pub output_bytes: u64,
    /// Raw objects.
    pub source_files: u64,
    /// Their size.
    pub source_bytes: u64,
    /// The generation of the hour before that the copies were looked for in. `None`: that hour published nothing.
    pub before: Option<Generation>,
    /// A hash over the raw objects.
    pub objects: String,
    /// The same of the hour before, by what it published. `None`: it had no records.
    pub objects_before: Option<String>,
    /// A hash over the raw objects and the SQL, without the hour before.
    pub own_fingerprint: String,
    /// The checksum of the SQL with all that it includes.
    pub sql_checksum: String,
    /// What tells whether two generations have the same calls and copies, beside their number: sums over their keys.
    pub key_sums: String,
}

impl Notes for HourNotes {
    fn output_files(&self) -> u64 {
        self.output_files
    }
}

/// What `aggregate` notes of a day of arrival.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayNotes {
    /// Rows of usage.
    pub rows: u64,
    /// Calls, as many as the day's hours have.
    pub requests: u64,
    /// Those without a user.
    pub unattributed: u64,
    /// Lines of the access log in the day's hours.
    pub lines: u64,
    /// Copies in these hours.
    pub duplicates: u64,
    /// Malformed lines in these hours.
    pub malformed: u64,
    /// Times, statuses and lengths of these hours that could not be read.
    pub unreadable_values: u64,
    /// Raw objects of these hours that were left out.
    pub unreadable_objects: u64,
    /// Parquet objects of the hours.
    pub source_files: u64,
    /// Their size.
    pub source_bytes: u64,
    /// Parquet objects of the day.
    pub output_files: u64,
    /// Their size.
    pub output_bytes: u64,
    /// Hours that were never merged, where that was allowed.
    pub missing_hours: Vec<Hour>,
}

impl Notes for DayNotes {
    fn output_files(&self) -> u64 {
        self.output_files
    }
}

/// What `invoice` notes of a month of use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MonthNotes {
    /// The invoices never change again.
    pub is_final: bool,
    /// The SHA-256 of the plan file.
    pub plans_sha256: String,
    /// Invoices.
    pub invoices: u64,
    /// Their lines.
    pub line_items: u64,
    /// Lines that correct an earlier month.
    pub adjustments: u64,
    /// What all invoices ask for, by currency, with its decimals.
    pub totals: BTreeMap<String, String>,
    /// Calls without a user.
    pub unattributed_requests: u64,
    /// Calls that no charge counts.
    pub unpriced_requests: u64,
    /// Calls on days that no plan covers.
    pub uncovered_requests: u64,
    /// Whose these are: the first by id.
    pub uncovered: Vec<Unbilled>,
    /// Customers whose month, or whose correction of an earlier one, cannot be computed.
    pub customers_left_out: u64,
    /// Who they are: the first by id.
    pub left_out: Vec<Unbilled>,
    /// Earlier months that are corrected for nobody.
    pub months_not_adjusted: Vec<NotAdjusted>,
    /// Calls that arrived in the month and belong to one that no invoice corrects any more.
    pub too_late_requests: u64,
    /// Calls that arrived in the month and are dated so long after it that no invoice bills them.
    pub future_requests: u64,
    /// Lines of the access log in the month's hours of arrival.
    pub lines: u64,
    /// Malformed lines in these hours.
    pub malformed: u64,
    /// Copies in these hours.
    pub duplicates: u64,
    /// Times, statuses and lengths of these hours that could not be read.
    pub unreadable_values: u64,
    /// Raw objects of these hours that were left out.
    pub unreadable_objects: u64,
    /// How much of that a person accepted, by gate.
    pub accepted: BTreeMap<String, u64>,
    /// The problems in spite of which it was made final.
    pub accepted_days: Vec<String>,
    /// The later month that corrects this one, and is final or being made final.
    pub adjusted_by: Option<Month>,
    /// Since when it does.
    pub adjusted_since: Option<DateTime<Utc>>,
}

impl Notes for MonthNotes {
    /// The files of a month are not counted.
    fn output_files(&self) -> u64 {
        0
    }
}

/// A customer of whose usage something is not billed, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Unbilled {
    /// The log's user.
    pub customer: String,
    /// What is not billed, and why.
    pub why: String,
}

/// An earlier month that this one corrects for nobody, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotAdjusted {
    /// The month of use.
    pub month: Month,
    /// What is wrong with the plans that it was made final with.
    pub why: String,
}
