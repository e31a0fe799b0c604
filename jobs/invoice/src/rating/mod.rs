//! Rating: what usage costs. Pure, decimal and exact; money is rounded once, at the line.
//!
//! The rules, in the order in which they apply:
//! 1. A charge prices the quantity of the days that a plan version covers ([`Charge::price`](crate::plans::Charge::price)). Quantities, tier bounds, packages
//!    and what is free in them are never split by days; flat prices, minimums and maximums are, because they are for a
//!    month.
//! 2. Its amount is rounded to the currency's minor unit, half away from zero: the line ([`rate`]).
//! 3. Where the line is below the charge's minimum or above its maximum, a second line makes up the difference. Both
//!    bounds are rounded first, so that the two lines add up to the bound to the unit. (Lago: "true-up fee".)
//! 4. The same for the plan's minimum and maximum, over all lines of the plan.
//! 5. The customer's discount is one line, a share of the sum of all those lines ([`CustomerMonth::lines`]). It comes
//!    after the bounds, so it lowers a minimum as well: it is the customer's, and the bounds are the plan's.
//! 6. Tax is one line per rate on the sum of its lines, rounded once ([`Invoice::new`]). The invoice is the sum of its
//!    rounded lines.
//! 7. An earlier month that was billed too little or too much gets a line for the difference and one for its tax
//!    ([`Invoice::correct`]), so that over all invoices every month comes to what its usage costs, tax included.

mod line;
mod month;
mod price;
mod total;

pub use line::{Corrected, Line, LineKind, rate};
pub use month::{Coverage, CustomerMonth};
pub use price::{Part, Price};
pub use total::{Correction, Invoice, Totals, discount};

use rust_decimal::Decimal;

use crate::exact::TooLarge;

/// Why usage cannot be rated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RatingError {
    /// A result has too many digits.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// A meter went backwards.
    #[error("the quantity {0} is negative: a meter must count up")]
    NegativeQuantity(Decimal),
    /// A charge prices a meter that was not extracted.
    #[error("the meter `{0}` was not extracted: this is a fault of the program")]
    NoMeter(String),
    /// What happened, and with which charge.
    #[error("the charge `{charge}` of the plan `{plan}`: {cause}")]
    Charge {
        /// The plan's id.
        plan: String,
        /// The charge's id.
        charge: String,
        /// What happened.
        cause: Box<RatingError>,
    },
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
