//! Lines: what an invoice lists. Each has one rounded amount.

use std::fmt;

use meterlake_core::period::Month;
use rust_decimal::Decimal;
use serde::Serialize;

use super::{Part, RatingError};
use crate::currency::Currency;
use crate::exact::{Exact, TooLarge, difference, sum};
use crate::plans::{Charge, DayShare, PlanPeriod, PlanVersion};

/// What a line is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LineKind {
    /// A charge's price of a quantity.
    Usage,
    /// A flat charge.
    Flat,
    /// What is missing to a charge's or plan's minimum.
    Minimum,
    /// What is taken off down to a charge's or plan's maximum.
    Maximum,
    /// The customer's discount.
    Discount,
    /// What an earlier month's invoice billed too little or too much.
    Adjustment,
    /// Tax on all lines of one rate.
    Tax,
}

impl LineKind {
    /// The name that exports have for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Usage => "usage",
            Self::Flat => "flat",
            Self::Minimum => "minimum",
            Self::Maximum => "maximum",
            Self::Discount => "discount",
            Self::Adjustment => "adjustment",
            Self::Tax => "tax",
        }
    }
}

impl fmt::Display for LineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A line of an invoice.
#[derive(Debug, Clone)]
pub struct Line<'p> {
    /// What it is for.
    pub kind: LineKind,
    /// The plan version that it follows from; none for a customer's discount, an adjustment and tax.
    pub plan: Option<&'p PlanVersion>,
    /// The charge that it follows from; none for what concerns the whole plan or invoice.
    pub charge: Option<&'p Charge>,
    /// What was used; only on a usage line.
    pub quantity: Option<Decimal>,
    /// Rounded to the currency's minor unit; negative where it takes off.
    pub amount: Decimal,
    /// The rate at which it is taxed; on a tax line, the rate that it is the tax of.
    pub tax_rate: Decimal,
    /// How a usage or flat line came about; empty for the others.
    pub parts: Vec<Part>,
    /// On an adjustment and its tax: the earlier month that it corrects.
    pub corrects: Option<Corrected>,
}

/// An earlier month's amount, as it is due now and as it was billed so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Corrected {
    /// The month of use.
    pub month: Month,
    /// What its usage comes to, as it is known now.
    pub due: Decimal,
    /// What final invoices billed for it.
    pub billed: Decimal,
}

impl Line<'_> {
    /// A line that follows from no charge and no plan.
    #[must_use]
    pub fn bare(kind: LineKind, amount: Decimal, tax_rate: Decimal) -> Self {
        Self { kind, plan: None, charge: None, quantity: None, amount, tax_rate, parts: Vec::new(), corrects: None }
    }

    /// Whether it says nothing: no usage and no amount.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.amount.is_zero() && self.quantity.is_none_or(|quantity| quantity.is_zero())
    }
}

/// What a plan version costs on the days that it covers: a line for each charge, and lines for the bounds.
///
/// `quantities` has what each charge of the version counted on those days, in their order; what is
/// missing counts as none. The lines of charges without usage are there too: [`Line::is_nothing`].
///
/// # Errors
/// A quantity is negative, or an amount has too many digits.
pub fn rate<'p>(
    period: &PlanPeriod<'p>,
    quantities: &[Decimal],
    tax_rate: Decimal,
    currency: Currency,
) -> Result<Vec<Line<'p>>, RatingError> {
    let (version, days) = (period.version, period.days());
    let mut lines = Vec::with_capacity(version.charges.len());
    for (at, charge) in version.charges.iter().enumerate() {
        let quantity = quantities.get(at).copied().unwrap_or_default();
        let named = |cause: RatingError| RatingError::Charge {
            plan: version.plan.clone(),
            charge: charge.id.clone(),
            cause: Box::new(cause),
        };
        let line = charge_line(charge, quantity, days, currency).map_err(named)?;
        let bound = bound(line.amount, charge.minimum, charge.maximum, days, currency).map_err(|e| named(e.into()))?;
        lines.push(Line { plan: Some(version), tax_rate, ..line });
        lines.extend(bound.map(|(kind, amount)| Line {
            plan: Some(version),
            charge: Some(charge),
            ..Line::bare(kind, amount, tax_rate)
        }));
    }
    let total = sum_of(&lines)?;
    let bound = bound(total, version.minimum, version.maximum, days, currency)?;
    lines.extend(bound.map(|(kind, amount)| Line { plan: Some(version), ..Line::bare(kind, amount, tax_rate) }));
    Ok(lines)
}

fn charge_line(
    charge: &Charge,
    quantity: Decimal,
    days: DayShare,
    currency: Currency,
) -> Result<Line<'_>, RatingError> {
    let price = charge.price(quantity, days)?;
    let amount = price.amount.rounded(currency.decimals())?;
    let (kind, quantity) =
        if charge.is_flat() { (LineKind::Flat, None) } else { (LineKind::Usage, Some(quantity.normalize())) };
    Ok(Line { charge: Some(charge), quantity, parts: price.parts, ..Line::bare(kind, amount, Decimal::ZERO) })
}

/// The kind and amount of the line that brings a total to its minimum or maximum.
fn bound(
    total: Decimal,
    minimum: Option<Decimal>,
    maximum: Option<Decimal>,
    days: DayShare,
    currency: Currency,
) -> Result<Option<(LineKind, Decimal)>, TooLarge> {
    let rounded = |price: Option<Decimal>| {
        price.map(|price| Exact::from(price).share(days)?.rounded(currency.decimals())).transpose()
    };
    Ok(match (rounded(minimum)?, rounded(maximum)?) {
        (Some(minimum), _) if total < minimum => Some((LineKind::Minimum, difference(minimum, total)?)),
        (_, Some(maximum)) if total > maximum => Some((LineKind::Maximum, difference(maximum, total)?)),
        _ => None,
    })
}

/// The sum of lines' amounts.
pub(super) fn sum_of<'a, 'p: 'a>(lines: impl IntoIterator<Item = &'a Line<'p>>) -> Result<Decimal, TooLarge> {
    lines.into_iter().try_fold(Decimal::ZERO, |total, line| sum(total, line.amount))
}
