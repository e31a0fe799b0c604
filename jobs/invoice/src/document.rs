//! An invoice as it is sent: whose it is, for which month, its lines and sums.

use std::fmt::Write;

use meterlake_core::generation::sha256;
use meterlake_core::period::{Day, Month, Period};

use crate::currency::Currency;
use crate::rating::{Invoice, Line, Totals};

/// One customer's invoice of a month, in one currency.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    /// Stable: the same customer's invoice of the same month has the same id, however often it is made.
    pub id: String,
    /// The log's user.
    pub customer_id: &'a str,
    /// What the plan file calls them.
    pub customer_name: &'a str,
    /// The month of use.
    pub month: Month,
    /// Of all amounts.
    pub currency: Currency,
    /// All lines, tax last.
    pub lines: Vec<Line<'a>>,
    /// Their sums.
    pub totals: Totals,
}

impl<'a> Document<'a> {
    /// Puts a customer's name and number on an invoice. `is_main`: it is in the currency of the plan file.
    #[must_use]
    pub fn new(
        month: Month,
        (customer_id, customer_name): (&'a str, &'a str),
        invoice: Invoice<'a>,
        currency: Currency,
        is_main: bool,
    ) -> Self {
        let mut id = format!("INV-{month}-{}", customer_hash(customer_id));
        if !is_main {
            // Writing to a string does not fail.
            let _ = write!(id, "-{currency}");
        }
        Self { id, customer_id, customer_name, month, currency, lines: invoice.lines, totals: invoice.totals }
    }

    /// The first day of the month.
    #[must_use]
    pub fn period_start(&self) -> Day {
        Day::containing(self.month.start())
    }

    /// The last day of the month.
    #[must_use]
    pub fn period_end(&self) -> Day {
        Day::containing(self.month.end()).previous()
    }

    /// The month whose usage a line bills.
    #[must_use]
    pub fn usage_month(&self, line: &Line<'_>) -> Month {
        line.corrects.map_or(self.month, |corrected| corrected.month)
    }
}

/// Sixteen digits that stand for a customer where its id cannot: no two of a million share them.
#[must_use]
pub fn customer_hash(customer_id: &str) -> String {
    sha256(customer_id.as_bytes())[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoice_keeps_its_id_and_knows_its_days() {
        let usd: Currency = "USD".parse().unwrap();
        let invoice = || Invoice::new(Vec::new(), usd).unwrap();
        let month = "2024-02".parse().unwrap();
        let document = Document::new(month, ("u", "U"), invoice(), usd, true);
        assert_eq!(document.id, Document::new(month, ("u", "V"), invoice(), usd, true).id);
        assert_eq!(document.id, "INV-2024-02-0bfe935e70c321c7");
        assert_eq!(Document::new(month, ("u", "U"), invoice(), usd, false).id, "INV-2024-02-0bfe935e70c321c7-USD");
        assert_eq!(
            (document.period_start().to_string(), document.period_end().to_string()),
            ("2024-02-01".to_owned(), "2024-02-29".to_owned())
        );
    }
}
