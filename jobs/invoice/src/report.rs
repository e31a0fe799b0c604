//! What `invoice` says of a month.

use std::collections::BTreeMap;
use std::fmt;

use meterlake_core::engine::Scan;
use meterlake_core::kinds::Kind;
use meterlake_core::location::Location;
use meterlake_core::period::Month;
use meterlake_core::publish::Publication;
use meterlake_core::report::Cost;
use meterlake_core::run::{Job, NotYet};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::accepted::Accepted;
use crate::args::InvoiceJob;
use crate::export::Summary;
use crate::extract::Untimely;
use crate::left_out::{self, NotAdjusted, Unbilled};
use crate::tally::{LINES, Tally, UNREADABLE_OBJECTS, UNREADABLE_VALUES};

/// What was done for a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Status {
    /// Its invoices are a draft: made, or the published ones are made from the same inputs.
    #[serde(rename = "draft")]
    Draft,
    /// Its invoices were made final.
    #[serde(rename = "final")]
    Final,
    /// They were final before; nothing was done.
    #[serde(rename = "already final")]
    AlreadyFinal,
    /// They cannot be made final yet, which time will mend; nothing was done.
    #[serde(rename = "waiting")]
    Waiting,
}

/// What invoicing one month gave. Where it waits, the numbers are those of the draft that is published, or 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `invoice`
    pub job: &'static str,
    /// The month of use.
    pub period: Month,
    /// What was done.
    pub status: Status,
    /// What a month that waits lacks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<String>,
    /// Invoices.
    pub invoices: u64,
    /// Their lines.
    pub line_items: u64,
    /// Lines that correct an earlier month.
    pub adjustments: u64,
    /// What all invoices ask for, by currency, with its decimals.
    pub totals: BTreeMap<String, String>,
    /// Calls of the month without a user; nobody pays for them.
    pub unattributed_requests: u64,
    /// Calls that no charge counts, though a plan covers their day: they are free.
    pub unpriced_requests: u64,
    /// Calls on days that no plan covers: they are billed once one does.
    pub uncovered_requests: u64,
    /// Whose these are: the first hundred by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncovered: Vec<Unbilled>,
    /// Customers whose month, or whose correction of an earlier one, cannot be computed.
    pub customers_left_out: u64,
    /// Who they are, and why: the first hundred by id.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<Unbilled>,
    /// Earlier months that are corrected for nobody, since their plans cannot be read any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub months_not_adjusted: Vec<NotAdjusted>,
    /// Calls that arrived in the month and belong to one so long ago that no invoice bills them; told of a final month.
    pub too_late_requests: u64,
    /// Calls that arrived in the month and are dated so long after it that no invoice bills them; told of a final one.
    pub future_requests: u64,
    /// Lines of the access log in the month's hours of arrival.
    pub lines: u64,
    /// Those that merge left out because they are no records; a line may be several.
    pub malformed: u64,
    /// Those that it left out as copies.
    pub duplicates: u64,
    /// Times, statuses and lengths of these hours' calls that cannot be read.
    pub unreadable_values: u64,
    /// Raw objects of these hours that cannot be read.
    pub unreadable_objects: u64,
    /// How much of that a person accepted: `malformed=12,copies=46`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub accepted: String,
    /// What would have kept the month from being made final, had it not been forced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<String>,
    /// The folder of all files. `None`: the month waits, and has no draft.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Location>,
    /// The generation that holds them.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub generation: String,
    /// What reading took in this run.
    #[serde(flatten)]
    pub scan: Scan,
    /// Time that this run took.
    pub duration_ms: u64,
}

const FORCED: &str = "forced";
const TOTALS: &str = "totals";
const UNATTRIBUTED_REQUESTS: &str = "unattributed_requests";
const UNPRICED_REQUESTS: &str = "unpriced_requests";
const UNCOVERED_REQUESTS: &str = "uncovered_requests";
const UNCOVERED: &str = "uncovered";
const CUSTOMERS_LEFT_OUT: &str = "customers_left_out";
const LEFT_OUT: &str = "left_out";
const MONTHS_NOT_ADJUSTED: &str = "months_not_adjusted";
const TOO_LATE_REQUESTS: &str = "too_late_requests";
const FUTURE_REQUESTS: &str = "future_requests";
/// The note of what a person accepted.
pub(crate) const ACCEPTED: &str = "accepted";

/// What to note with a published month, beside the sums of its invoices.
pub(crate) struct Besides<'a> {
    pub(crate) tally: &'a Tally,
    pub(crate) untimely: Untimely,
    pub(crate) accepted: &'a Accepted,
    pub(crate) forced: &'a [String],
}

/// What to note with a published month.
pub(crate) fn notes(summary: &Summary, besides: &Besides<'_>) -> BTreeMap<String, String> {
    let totals: Vec<String> = summary.totals.iter().map(|(code, total)| format!("{code}={}", total.text())).collect();
    let Besides { tally, untimely, accepted, forced } = besides;
    BTreeMap::from([
        ("invoices".to_owned(), summary.invoices.to_string()),
        ("line_items".to_owned(), summary.line_items.to_string()),
        ("adjustments".to_owned(), summary.adjustments.to_string()),
        (TOTALS.to_owned(), totals.join(" ")),
        (UNATTRIBUTED_REQUESTS.to_owned(), summary.unattributed.normalize().to_string()),
        (UNPRICED_REQUESTS.to_owned(), summary.unpriced.normalize().to_string()),
        (UNCOVERED_REQUESTS.to_owned(), summary.uncovered.normalize().to_string()),
        (UNCOVERED.to_owned(), json!(summary.uncovered_of.named).to_string()),
        (CUSTOMERS_LEFT_OUT.to_owned(), summary.left_out.customers.to_string()),
        (LEFT_OUT.to_owned(), json!(summary.left_out.named).to_string()),
        (MONTHS_NOT_ADJUSTED.to_owned(), json!(summary.not_adjusted).to_string()),
        (TOO_LATE_REQUESTS.to_owned(), untimely.too_late.to_string()),
        (FUTURE_REQUESTS.to_owned(), untimely.future.to_string()),
        (LINES.to_owned(), tally.lines.to_string()),
        (Kind::Malformed.note().to_owned(), tally.malformed.to_string()),
        (Kind::Copy.note().to_owned(), tally.copies.to_string()),
        (UNREADABLE_VALUES.to_owned(), tally.unreadable_values.to_string()),
        (UNREADABLE_OBJECTS.to_owned(), tally.unreadable_objects.to_string()),
        (ACCEPTED.to_owned(), accepted.to_string()),
        (FORCED.to_owned(), forced.join("; ")),
    ])
}

impl Report {
    /// The report of a month that is published so.
    pub(crate) fn of(month: Month, status: Status, publication: &Publication, output: Location) -> Self {
        let generation = publication.generation.to_string();
        Self { output: Some(output), generation, ..Self::noted(month, status, &publication.notes) }
    }

    /// What the notes of a published month say.
    fn noted(month: Month, status: Status, notes: &BTreeMap<String, String>) -> Self {
        let note = |key: &str| notes.get(key).map(String::as_str).unwrap_or_default();
        let number = |key: &str| -> u64 { note(key).parse().unwrap_or_default() };
        let totals = note(TOTALS).split(' ').filter_map(|total| total.split_once('='));
        Self {
            job: InvoiceJob::NAME,
            period: month,
            status,
            waiting_for: None,
            invoices: number("invoices"),
            line_items: number("line_items"),
            adjustments: number("adjustments"),
            totals: totals.map(|(code, amount)| (code.to_owned(), amount.to_owned())).collect(),
            unattributed_requests: number(UNATTRIBUTED_REQUESTS),
            unpriced_requests: number(UNPRICED_REQUESTS),
            uncovered_requests: number(UNCOVERED_REQUESTS),
            uncovered: list(note(UNCOVERED)),
            customers_left_out: number(CUSTOMERS_LEFT_OUT),
            left_out: list(note(LEFT_OUT)),
            months_not_adjusted: list(note(MONTHS_NOT_ADJUSTED)),
            too_late_requests: number(TOO_LATE_REQUESTS),
            future_requests: number(FUTURE_REQUESTS),
            lines: number(LINES),
            malformed: number(Kind::Malformed.note()),
            duplicates: number(Kind::Copy.note()),
            unreadable_values: number(UNREADABLE_VALUES),
            unreadable_objects: number(UNREADABLE_OBJECTS),
            accepted: note(ACCEPTED).to_owned(),
            forced: note(FORCED).split("; ").filter(|problem| !problem.is_empty()).map(str::to_owned).collect(),
            output: None,
            generation: String::new(),
            scan: Scan::default(),
            duration_ms: 0,
        }
    }

    /// The report of a month that waits; `draft` is its draft, with the folder of that, if it has one.
    pub(crate) fn waiting(month: Month, draft: Option<(&Publication, Location)>, what: NotYet) -> Self {
        let report = match draft {
            Some((publication, output)) => Self::of(month, Status::Waiting, publication, output),
            None => Self::noted(month, Status::Waiting, &BTreeMap::new()),
        };
        Self { waiting_for: Some(what.0), ..report }
    }
}

/// A list that was noted as JSON; none where nothing was noted.
fn list<T: DeserializeOwned>(note: &str) -> Vec<T> {
    serde_json::from_str(note).unwrap_or_default()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { period, invoices, line_items, adjustments, unattributed_requests, duration_ms, .. } = self;
        let status = match self.status {
            Status::Waiting => {
                let what = self.waiting_for.as_deref().unwrap_or_default();
                return write!(f, "invoice {period}: waiting: {what}; {duration_ms} ms");
            }
            Status::Draft => "draft of",
            Status::Final => "final:",
            Status::AlreadyFinal => "already final:",
        };
        let totals: Vec<String> = self.totals.iter().map(|(code, amount)| format!("{amount} {code}")).collect();
        let totals = if totals.is_empty() { "nothing to pay".to_owned() } else { totals.join(" + ") };
        write!(
            f,
            "invoice {period}: {status} {invoices} invoices, {line_items} lines, {adjustments} adjustments: {totals}; \
             {unattributed_requests} calls without a user are not billed; see {}; {duration_ms} ms",
            self.output.as_ref().map(Location::as_str).unwrap_or_default()
        )?;
        write!(f, "{}", Cost(self.scan))?;
        if self.unpriced_requests > 0 {
            write!(f, "; {} calls have no price", self.unpriced_requests)?;
        }
        if self.uncovered_requests > 0 {
            write!(f, "; {} calls are on days that no plan covers, and are not billed", self.uncovered_requests)?;
        }
        if self.customers_left_out > 0 {
            let named = left_out::text(&self.left_out, self.customers_left_out);
            write!(f, "; {} customers are left out: {named}", self.customers_left_out)?;
        }
        for one in &self.months_not_adjusted {
            write!(f, "; the month {} is corrected for nobody: {}", one.month, one.why)?;
        }
        for (count, what) in [
            (self.too_late_requests, "calls came too late to be billed"),
            (self.future_requests, "calls are dated after their month and are not billed"),
            (self.unreadable_values, "values of the log cannot be read"),
            (self.unreadable_objects, "objects of the log cannot be read"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        if self.lines > 0 {
            let Self { lines, malformed, duplicates, .. } = self;
            write!(f, "; of {lines} lines of the log {malformed} are malformed and {duplicates} are copies")?;
        }
        if !self.accepted.is_empty() {
            write!(f, "; accepted: {}", self.accepted)?;
        }
        match self.forced.len() {
            0 => Ok(()),
            forced => write!(f, "; forced in spite of {forced} problems"),
        }
    }
}
