//! What `invoice` says of a month.

use std::collections::BTreeMap;
use std::fmt;

use meterlake_core::engine::Scan;
use meterlake_core::location::Location;
use meterlake_core::period::Month;
use meterlake_core::publish::Publication;
use meterlake_core::report::Cost;
use meterlake_core::run::Job;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::args::InvoiceJob;
use crate::export::Summary;
use crate::left_out::{self, NotAdjusted, Unbilled};

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
}

/// What invoicing one month gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// `invoice`
    pub job: &'static str,
    /// The month of use.
    pub period: Month,
    /// What was done.
    pub status: Status,
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
    /// What would have kept the month from being made final, had it not been forced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub forced: Vec<String>,
    /// The folder of all files.
    pub output: Location,
    /// The generation that holds them.
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

/// What to note with a published month.
pub(crate) fn notes(summary: &Summary, too_late: u64, forced: &[String]) -> BTreeMap<String, String> {
    let totals: Vec<String> = summary.totals.iter().map(|(code, total)| format!("{code}={}", total.text())).collect();
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
        (TOO_LATE_REQUESTS.to_owned(), too_late.to_string()),
        (FORCED.to_owned(), forced.join("; ")),
    ])
}

impl Report {
    /// The report of a month that is published so.
    pub(crate) fn of(month: Month, status: Status, publication: &Publication, output: Location) -> Self {
        let note = |key: &str| publication.notes.get(key).map(String::as_str).unwrap_or_default();
        let totals = note(TOTALS).split(' ').filter_map(|total| total.split_once('='));
        Self {
            job: InvoiceJob::NAME,
            period: month,
            status,
            invoices: publication.number("invoices"),
            line_items: publication.number("line_items"),
            adjustments: publication.number("adjustments"),
            totals: totals.map(|(code, amount)| (code.to_owned(), amount.to_owned())).collect(),
            unattributed_requests: publication.number(UNATTRIBUTED_REQUESTS),
            unpriced_requests: publication.number(UNPRICED_REQUESTS),
            uncovered_requests: publication.number(UNCOVERED_REQUESTS),
            uncovered: list(note(UNCOVERED)),
            customers_left_out: publication.number(CUSTOMERS_LEFT_OUT),
            left_out: list(note(LEFT_OUT)),
            months_not_adjusted: list(note(MONTHS_NOT_ADJUSTED)),
            too_late_requests: publication.number(TOO_LATE_REQUESTS),
            forced: note(FORCED).split("; ").filter(|problem| !problem.is_empty()).map(str::to_owned).collect(),
            output,
            generation: publication.generation.to_string(),
            scan: Scan::default(),
            duration_ms: 0,
        }
    }
}

/// A list that was noted as JSON; none where nothing was noted.
fn list<T: DeserializeOwned>(note: &str) -> Vec<T> {
    serde_json::from_str(note).unwrap_or_default()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { period, invoices, line_items, adjustments, unattributed_requests, output, duration_ms, .. } = self;
        let status = match self.status {
            Status::Draft => "draft of",
            Status::Final => "final:",
            Status::AlreadyFinal => "already final:",
        };
        let totals: Vec<String> = self.totals.iter().map(|(code, amount)| format!("{amount} {code}")).collect();
        let totals = if totals.is_empty() { "nothing to pay".to_owned() } else { totals.join(" + ") };
        write!(
            f,
            "invoice {period}: {status} {invoices} invoices, {line_items} lines, {adjustments} adjustments: {totals}; \
             {unattributed_requests} calls without a user are not billed; see {output}; {duration_ms} ms"
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
        if self.too_late_requests > 0 {
            write!(f, "; {} calls came too late to be billed", self.too_late_requests)?;
        }
        match self.forced.len() {
            0 => Ok(()),
            forced => write!(f, "; forced in spite of {forced} problems"),
        }
    }
}
