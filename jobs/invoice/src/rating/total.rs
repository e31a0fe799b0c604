//! What is put on the sum of lines: discount, tax, totals.

use std::collections::BTreeMap;

use rust_decimal::Decimal;

use super::line::{Corrected, Line, LineKind, sum_of};
use crate::currency::Currency;
use crate::exact::{Exact, TooLarge, difference, sum};
use crate::plans::Terms;

/// An invoice's lines, tax last, and their sums.
#[derive(Debug, Clone)]
pub struct Invoice<'p> {
    /// All lines.
    pub lines: Vec<Line<'p>>,
    /// Their sums.
    pub totals: Totals,
}

/// The sums of an invoice's lines; every line is in exactly one of `subtotal` and `tax`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// All lines but tax.
    pub subtotal: Decimal,
    /// All tax lines.
    pub tax: Decimal,
    /// What is to pay, or, where it is negative, to pay back.
    pub total: Decimal,
}

impl<'p> Invoice<'p> {
    /// Adds tax to lines and sums up: one tax line per rate, on the sum of the rounded lines of that rate, rounded once.
    /// A rate of zero gets no line.
    ///
    /// # Errors
    /// A sum has too many digits.
    pub fn new(mut lines: Vec<Line<'p>>, currency: Currency) -> Result<Self, TooLarge> {
        let mut taxable: BTreeMap<Decimal, Decimal> = BTreeMap::new();
        for line in &lines {
            let base = taxable.entry(line.tax_rate).or_default();
            *base = sum(*base, line.amount)?;
        }
        let subtotal = in_minor_units(sum_of(&lines)?, currency)?;
        let mut tax = in_minor_units(Decimal::ZERO, currency)?;
        for (rate, base) in taxable.into_iter().filter(|(rate, _)| !rate.is_zero()) {
            let amount = Exact::product(base, rate)?.rounded(currency.decimals())?;
            tax = sum(tax, amount)?;
            lines.push(Line::bare(LineKind::Tax, amount, rate));
        }
        Ok(Self { lines, totals: Totals { subtotal, tax, total: sum(subtotal, tax)? } })
    }
}

/// What an earlier month's final invoices billed too little or too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correction {
    /// Without tax.
    pub net: Corrected,
    /// The tax.
    pub tax: Corrected,
    /// The month's tax rate.
    pub tax_rate: Decimal,
}

impl Correction {
    /// Whether the month was billed right.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.net.due == self.net.billed && self.tax.due == self.tax.billed
    }
}

impl<'p> Invoice<'p> {
    /// Adds a line for what a correction comes to, and one for its tax.
    ///
    /// The tax is that of the corrected month less what was billed of it, and not that of the difference: so all invoices
    /// of a month's usage together carry the tax that one invoice would have carried, to the minor unit.
    ///
    /// # Errors
    /// A sum has too many digits.
    pub fn correct(&mut self, correction: &Correction, currency: Currency) -> Result<(), TooLarge> {
        let Correction { net, tax, tax_rate } = *correction;
        for (kind, corrected) in [(LineKind::Adjustment, net), (LineKind::Tax, tax)] {
            let amount = in_minor_units(difference(corrected.due, corrected.billed)?, currency)?;
            if amount.is_zero() {
                continue;
            }
            let line = Line { corrects: Some(corrected), ..Line::bare(kind, amount, tax_rate) };
            let first_tax = self.lines.iter().position(|line| line.kind == LineKind::Tax).unwrap_or(self.lines.len());
            if kind == LineKind::Tax {
                self.lines.push(line);
                self.totals.tax = sum(self.totals.tax, amount)?;
            } else {
                self.lines.insert(first_tax, line);
                self.totals.subtotal = sum(self.totals.subtotal, amount)?;
            }
        }
        self.totals.total = sum(self.totals.subtotal, self.totals.tax)?;
        Ok(())
    }
}

/// The customer's discount on lines: a share of their sum, as a line that takes it off; none if it comes to nothing.
///
/// # Errors
/// A sum has too many digits.
pub fn discount<'p>(lines: &[Line<'p>], terms: Terms, currency: Currency) -> Result<Option<Line<'p>>, TooLarge> {
    let amount = Exact::product(sum_of(lines)?, -terms.discount)?.rounded(currency.decimals())?;
    Ok((!amount.is_zero()).then(|| Line::bare(LineKind::Discount, amount, terms.tax_rate)))
}

/// The same amount with all decimals of its currency.
fn in_minor_units(amount: Decimal, currency: Currency) -> Result<Decimal, TooLarge> {
    Exact::from(amount).rounded(currency.decimals())
}
