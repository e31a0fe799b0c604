//! What `invoice` says of a month.

use std::collections::BTreeMap;
use std::fmt;

use meterlake_core::engine::Scan;
use meterlake_core::location::Location;
use meterlake_core::notes::{MonthNotes, NotAdjusted, Unbilled};
use meterlake_core::period::Month;
use meterlake_core::publish::Publication;
use meterlake_core::report::Cost;
use meterlake_core::run::{Job, NotYet};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;

use crate::accepted::Accepted;
use crate::args::InvoiceJob;
use crate::export::Summary;
use crate::extract::Untimely;
use crate::left_out;
use crate::tally::Tally;

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
    /// The days that would have kept the month from being made final, had they not been accepted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accepted_days: Vec<String>,
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

/// What to note with a published month, beside the sums of its invoices.
pub(crate) struct Besides<'a> {
    pub(crate) tally: &'a Tally,
    pub(crate) untimely: Untimely,
    pub(crate) accepted: &'a Accepted,
    pub(crate) accepted_days: &'a [String],
}

/// What to note with a published month.
pub(crate) fn notes(summary: &Summary, besides: &Besides<'_>) -> MonthNotes {
    let Besides { tally, untimely, accepted, accepted_days } = besides;
    MonthNotes {
        invoices: summary.invoices,
        line_items: summary.line_items,
        adjustments: summary.adjustments,
        totals: summary.totals.iter().map(|(code, total)| (code.clone(), total.text())).collect(),
        unattributed_requests: whole(summary.unattributed),
        unpriced_requests: whole(summary.unpriced),
        uncovered_requests: whole(summary.uncovered),
        uncovered: summary.uncovered_of.named.clone(),
        customers_left_out: summary.left_out.customers,
        left_out: summary.left_out.named.clone(),
        months_not_adjusted: summary.not_adjusted.clone(),
        too_late_requests: untimely.too_late,
        future_requests: untimely.future,
        lines: tally.lines,
        malformed: tally.malformed,
        duplicates: tally.copies,
        unreadable_values: tally.unreadable_values,
        unreadable_objects: tally.unreadable_objects,
        accepted: accepted.notes(),
        accepted_days: accepted_days.to_vec(),
        ..MonthNotes::default()
    }
}

/// A sum of calls, each of which is one.
fn whole(calls: Decimal) -> u64 {
    calls.to_u64().unwrap_or(u64::MAX)
}

impl Report {
    /// The report of a month that is published so.
    pub(crate) fn of(month: Month, status: Status, publication: &Publication<Month>, output: Location) -> Self {
        let generation = publication.generation.to_string();
        Self { output: Some(output), generation, ..Self::noted(month, status, publication.notes.clone()) }
    }

    /// What the notes of a published month say.
    fn noted(month: Month, status: Status, notes: MonthNotes) -> Self {
        Self {
            job: InvoiceJob::NAME,
            period: month,
            status,
            waiting_for: None,
            invoices: notes.invoices,
            line_items: notes.line_items,
            adjustments: notes.adjustments,
            totals: notes.totals,
            unattributed_requests: notes.unattributed_requests,
            unpriced_requests: notes.unpriced_requests,
            uncovered_requests: notes.uncovered_requests,
            uncovered: notes.uncovered,
            customers_left_out: notes.customers_left_out,
            left_out: notes.left_out,
            months_not_adjusted: notes.months_not_adjusted,
            too_late_requests: notes.too_late_requests,
            future_requests: notes.future_requests,
            lines: notes.lines,
            malformed: notes.malformed,
            duplicates: notes.duplicates,
            unreadable_values: notes.unreadable_values,
            unreadable_objects: notes.unreadable_objects,
            accepted: Accepted::noted(&notes.accepted).to_string(),
            accepted_days: notes.accepted_days,
            output: None,
            generation: String::new(),
            scan: Scan::default(),
            duration_ms: 0,
        }
    }

    /// The report of a month that waits; `draft` is its draft, with the folder of that, if it has one.
    pub(crate) fn waiting(month: Month, draft: Option<(&Publication<Month>, Location)>, what: NotYet) -> Self {
        let report = match draft {
            Some((publication, output)) => Self::of(month, Status::Waiting, publication, output),
            None => Self::noted(month, Status::Waiting, MonthNotes::default()),
        };
        Self { waiting_for: Some(what.0), ..report }
    }
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
        match self.accepted_days.len() {
            0 => Ok(()),
            days => write!(f, "; in spite of {days} days that are missing or stale"),
        }
    }
}
