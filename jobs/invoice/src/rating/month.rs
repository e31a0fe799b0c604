//! A customer's month: usage goes in by the day, lines come out.

use meterlake_core::period::{Day, Month};
use rust_decimal::Decimal;

use super::line::{Line, rate};
use super::{RatingError, discount};
use crate::currency::Currency;
use crate::exact::sum;
use crate::plans::{PlanPeriod, Plans, Terms};

/// Whether a row of usage has a price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// A charge counts it.
    Priced,
    /// A plan covers its day, but no charge of it counts the row.
    Unpriced,
    /// No plan covers its day.
    Uncovered,
}

/// A customer's month: the plan versions that cover it and what was used on their days.
///
/// Where two plans or versions share a month, each is rated by itself: its own tiers on the usage of its days, its flat
/// prices by those days.
#[derive(Debug, Clone)]
pub struct CustomerMonth<'p> {
    currency: Currency,
    terms: Terms,
    periods: Vec<PlanPeriod<'p>>,
    /// For each period, what each charge of its version counted.
    quantities: Vec<Vec<Decimal>>,
}

impl<'p> CustomerMonth<'p> {
    /// A month without usage.
    #[must_use]
    pub fn new(plans: &'p Plans, customer: &str, month: Month) -> Self {
        let periods = plans.periods(customer, month);
        let none = |period: &PlanPeriod<'_>| vec![Decimal::ZERO; period.version.charges.len()];
        let quantities = periods.iter().map(none).collect();
        Self { currency: plans.currency(), terms: plans.terms(customer), periods, quantities }
    }

    /// The plan versions that cover the month, by date.
    #[must_use]
    pub fn periods(&self) -> &[PlanPeriod<'p>] {
        &self.periods
    }

    /// Counts a row of usage towards every charge that covers it. `meter` gives the row's quantity of a meter.
    ///
    /// A row on a day without a plan counts towards nothing: it is the caller's to tell of it. A charge without a meter
    /// covers no row, because its price is owed for the days and not for what was used on them.
    ///
    /// # Errors
    /// A quantity has too many digits.
    pub fn record(
        &mut self,
        day: Day,
        method: &str,
        path: &str,
        meter: impl Fn(&str) -> Result<Decimal, RatingError>,
    ) -> Result<Coverage, RatingError> {
        let Some(at) = self.periods.iter().position(|period| period.covers(day)) else {
            return Ok(Coverage::Uncovered);
        };
        let mut coverage = Coverage::Unpriced;
        for (charge, quantity) in self.periods[at].version.charges.iter().zip(&mut self.quantities[at]) {
            if let Some(name) = &charge.meter
                && charge.covers(method, path)
            {
                *quantity = sum(*quantity, meter(name)?)?;
                coverage = Coverage::Priced;
            }
        }
        Ok(coverage)
    }

    /// The month's lines, without tax and without those that say nothing. None: there is nothing to bill.
    ///
    /// # Errors
    /// A quantity is negative, or an amount has too many digits.
    pub fn lines(&self) -> Result<Vec<Line<'p>>, RatingError> {
        let mut lines = Vec::new();
        for (period, quantities) in self.periods.iter().zip(&self.quantities) {
            lines.extend(rate(period, quantities, self.terms.tax_rate, self.currency)?);
        }
        lines.retain(|line| !line.is_nothing());
        lines.extend(discount(&lines, self.terms, self.currency)?);
        Ok(lines)
    }
}
