//! CSV for spreadsheets and finance systems (RFC 4180), with a line of headings.

use anyhow::{Result, anyhow};
use csv::{Writer, WriterBuilder};

use super::cell::text;
use crate::document::Document;

const INVOICES: [&str; 10] = [
    "invoice_id",
    "customer_id",
    "customer_name",
    "period_start",
    "period_end",
    "currency",
    "subtotal",
    "tax",
    "total",
    "status",
];
const LINE_ITEMS: [&str; 11] = [
    "invoice_id",
    "customer_id",
    "line",
    "kind",
    "plan",
    "charge",
    "meter",
    "usage_month",
    "quantity",
    "amount",
    "currency",
];

pub(super) fn invoices_header() -> Result<Vec<u8>> {
    header(&INVOICES)
}

pub(super) fn line_items_header() -> Result<Vec<u8>> {
    header(&LINE_ITEMS)
}

pub(super) fn header(names: &[&str]) -> Result<Vec<u8>> {
    let mut rows = Rows::new();
    rows.row(names)?;
    rows.into_bytes()
}

/// Rows being written.
pub(super) struct Rows(Writer<Vec<u8>>);

impl Rows {
    pub(super) fn new() -> Self {
        Self(WriterBuilder::new().has_headers(false).from_writer(Vec::new()))
    }

    pub(super) fn row<T: AsRef<[u8]>>(&mut self, cells: impl IntoIterator<Item = T>) -> Result<()> {
        Ok(self.0.write_record(cells)?)
    }

    pub(super) fn into_bytes(self) -> Result<Vec<u8>> {
        self.0.into_inner().map_err(|error| anyhow!("a row of CSV cannot be written: {}", error.error()))
    }

    pub(super) fn invoice(&mut self, document: &Document<'_>, status: &str) -> Result<()> {
        let Document { id, customer_id, customer_name, currency, totals, .. } = document;
        self.row([
            id.as_str(),
            &text(customer_id),
            &text(customer_name),
            &document.period_start().to_string(),
            &document.period_end().to_string(),
            currency.code(),
            &currency.format(totals.subtotal),
            &currency.format(totals.tax),
            &currency.format(totals.total),
            status,
        ])
    }

    pub(super) fn line_items(&mut self, document: &Document<'_>) -> Result<()> {
        let customer_id = text(document.customer_id);
        for (number, line) in document.lines.iter().enumerate() {
            let quantity = line.quantity.map(|quantity| quantity.to_string());
            self.row([
                document.id.as_str(),
                &customer_id,
                &(number + 1).to_string(),
                line.kind.name(),
                &text(line.plan.map_or("", |plan| &plan.plan)),
                &text(line.charge.map_or("", |charge| &charge.id)),
                &text(line.charge.and_then(|charge| charge.meter.as_deref()).unwrap_or_default()),
                &document.usage_month(line).to_string(),
                quantity.as_deref().unwrap_or_default(),
                &document.currency.format(line.amount),
                document.currency.code(),
            ])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_may_hold_anything() {
        let mut rows = Rows::new();
        rows.row(["a,b", "c\"d", "e\nf", "서울", ""]).unwrap();
        assert_eq!(String::from_utf8(rows.into_bytes().unwrap()).unwrap(), "\"a,b\",\"c\"\"d\",\"e\nf\",서울,\n");
    }
}
