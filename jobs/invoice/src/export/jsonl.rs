//! JSON lines for machines: an invoice a line, with how each amount came about and what it was made from.

use anyhow::Result;
use meterlake_core::period::{Day, Month};
use rust_decimal::Decimal;
use serde::Serialize;

use super::Heading;
use crate::currency::Currency;
use crate::document::Document;
use crate::rating::{Line, LineKind, Part};

#[derive(Serialize)]
struct InvoiceRecord<'a> {
    invoice_id: &'a str,
    customer_id: &'a str,
    customer_name: &'a str,
    period_start: Day,
    period_end: Day,
    currency: Currency,
    subtotal: String,
    tax: String,
    total: String,
    status: &'a str,
    lines: Vec<LineRecord<'a>>,
    made_from: MadeFrom<'a>,
}

#[derive(Serialize)]
struct LineRecord<'a> {
    line: usize,
    kind: LineKind,
    plan: Option<&'a str>,
    plan_effective_from: Option<Day>,
    charge: Option<&'a str>,
    meter: Option<&'a str>,
    usage_month: Month,
    quantity: Option<Decimal>,
    amount: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    parts: Vec<PartRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    corrects: Option<CorrectedRecord>,
}

/// A tier, or the whole of a price without tiers. `amount` is exact, and missing where it has no decimal form.
#[derive(Serialize)]
struct PartRecord {
    over: Decimal,
    up_to: Option<Decimal>,
    quantity: Decimal,
    unit: Decimal,
    flat: Decimal,
    amount: Option<Decimal>,
}

#[derive(Serialize)]
struct CorrectedRecord {
    due: String,
    billed: String,
}

/// The inputs; `_inputs.json` beside the file names each generation.
#[derive(Serialize)]
struct MadeFrom<'a> {
    fingerprint: &'a str,
    sql: &'a str,
    plans_sha256: &'a str,
}

/// Writes an invoice as one line.
pub(super) fn write(to: &mut Vec<u8>, document: &Document<'_>, heading: &Heading) -> Result<()> {
    let Document { currency, totals, .. } = document;
    let record = InvoiceRecord {
        invoice_id: &document.id,
        customer_id: document.customer_id,
        customer_name: document.customer_name,
        period_start: document.period_start(),
        period_end: document.period_end(),
        currency: *currency,
        subtotal: currency.format(totals.subtotal),
        tax: currency.format(totals.tax),
        total: currency.format(totals.total),
        status: heading.status,
        lines: document.lines.iter().enumerate().map(|(at, line)| line_record(document, at + 1, line)).collect(),
        made_from: MadeFrom {
            fingerprint: &heading.fingerprint,
            sql: &heading.sql,
            plans_sha256: &heading.plans_sha256,
        },
    };
    serde_json::to_writer(&mut *to, &record)?;
    to.push(b'\n');
    Ok(())
}

fn line_record<'a>(document: &Document<'_>, number: usize, line: &'a Line<'_>) -> LineRecord<'a> {
    LineRecord {
        line: number,
        kind: line.kind,
        plan: line.plan.map(|plan| plan.plan.as_str()),
        plan_effective_from: line.plan.map(|plan| plan.effective_from),
        charge: line.charge.map(|charge| charge.id.as_str()),
        meter: line.charge.and_then(|charge| charge.meter.as_deref()),
        usage_month: document.usage_month(line),
        quantity: line.quantity,
        amount: document.currency.format(line.amount),
        parts: line.parts.iter().map(part_record).collect(),
        corrects: line.corrects.map(|corrected| CorrectedRecord {
            due: document.currency.format(corrected.due),
            billed: document.currency.format(corrected.billed),
        }),
    }
}

fn part_record(part: &Part) -> PartRecord {
    PartRecord {
        over: part.over,
        up_to: part.up_to,
        quantity: part.quantity,
        unit: part.unit,
        flat: part.flat,
        amount: part.amount.to_decimal(),
    }
}
