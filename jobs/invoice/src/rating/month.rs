//! A customer's month: usage goes in by the day, lines come out.

use meterlake_core::period::{Day, Month};
use rust_decimal::Decimal;

use super::line::{Line, rate};
use super::{RatingError, discount};
use crate::currency::Currency;
use crate::exact::sum;
use crate::plans::{PlanPeriod, Plans, Terms};

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
    /// # Errors
    /// No plan covers the day, or a quantity has too many digits.
    pub fn record(
        &mut self,
        day: Day,
        method: &str,
        path: &str,
        meter: impl Fn(&str) -> Result<Decimal, RatingError>,
    ) -> Result<(), RatingError> {
        let at = self.periods.iter().position(|period| period.covers(day)).ok_or(RatingError::NoPlan(day))?;
        for (charge, quantity) in self.periods[at].version.charges.iter().zip(&mut self.quantities[at]) {
            if let Some(name) = &charge.meter
                && charge.covers(method, path)
            {
                *quantity = sum(*quantity, meter(name)?)?;
            }
        }
        Ok(())
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
