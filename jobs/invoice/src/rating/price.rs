//! What one charge costs: an exact amount, and how it came about.

use rust_decimal::Decimal;

use super::RatingError;
use crate::exact::{Exact, TooLarge, difference, packages};
use crate::plans::{Charge, DayShare, Model, Tier};

/// What a charge costs, before rounding. The parts add up to the amount.
#[derive(Debug, Clone)]
pub struct Price {
    /// All of it.
    pub amount: Exact,
    /// How it came about: one part for each tier that is reached; one part in all for a model without tiers.
    pub parts: Vec<Part>,
}

/// A part of a price: `quantity × unit`, and a flat price.
#[derive(Debug, Clone)]
pub struct Part {
    /// Where the part begins: it prices what is more than this.
    pub over: Decimal,
    /// The last quantity that it prices; none: it has no end.
    pub up_to: Option<Decimal>,
    /// How much of the quantity lies in it; in a package charge, how many packages.
    pub quantity: Decimal,
    /// The price of one.
    pub unit: Decimal,
    /// The flat price for a whole month; zero where none is owed.
    pub flat: Decimal,
    /// What it comes to, the flat price by days.
    pub amount: Exact,
}

impl Charge {
    /// What a quantity costs on some days of a month.
    ///
    /// - `per_unit`: quantity × unit.
    /// - `graduated`: each tier prices what lies in it; its flat price is owed once it is reached, that is, once the
    ///   quantity is more than the bound before it. (Lago, OpenMeter, Stripe.)
    /// - `volume`: the one tier that holds the quantity prices all of it, with that tier's flat price. (Lago, Stripe.)
    /// - `package`: each package that is begun after the free quantity is paid in full. (Lago.)
    /// - `flat`: the price.
    ///
    /// An upper bound is inclusive. The first tier is reached at zero too, so its flat price is owed without usage unless
    /// `charge_zero_usage` is false; that key decides likewise over the price of a flat charge with a meter.
    ///
    /// # Errors
    /// The quantity is negative, or the amount has too many digits.
    pub fn price(&self, quantity: Decimal, days: DayShare) -> Result<Price, RatingError> {
        if quantity < Decimal::ZERO {
            return Err(RatingError::NegativeQuantity(quantity));
        }
        let owes_flat = self.charge_zero_usage || !quantity.is_zero();
        let flat = |price: Decimal| if owes_flat { price } else { Decimal::ZERO };
        let parts = match &self.model {
            Model::PerUnit { unit } => vec![part((Decimal::ZERO, None), quantity, *unit, Decimal::ZERO, days)?],
            Model::Graduated { tiers } => graduated(tiers, quantity, flat, days)?,
            Model::Volume { tiers } => volume(tiers, quantity, flat, days)?,
            Model::Package { size, price, free } => {
                let paid = if quantity > *free { difference(quantity, *free)? } else { Decimal::ZERO };
                vec![part((*free, None), packages(paid, *size)?, *price, Decimal::ZERO, days)?]
            }
            Model::Flat { price } => {
                vec![part((Decimal::ZERO, None), Decimal::ZERO, Decimal::ZERO, flat(*price), days)?]
            }
        };
        let amount = parts.iter().try_fold(Exact::ZERO, |sum, part| sum.plus(part.amount))?;
        Ok(Price { amount, parts })
    }
}

fn graduated(
    tiers: &[Tier],
    quantity: Decimal,
    flat: impl Fn(Decimal) -> Decimal,
    days: DayShare,
) -> Result<Vec<Part>, TooLarge> {
    let mut parts = Vec::with_capacity(tiers.len());
    for (tier, over) in tiers.iter().zip(lower_bounds(tiers)) {
        if quantity <= over && !parts.is_empty() {
            break;
        }
        let top = tier.up_to.map_or(quantity, |up_to| up_to.min(quantity));
        parts.push(part((over, tier.up_to), difference(top, over)?, tier.unit, flat(tier.flat), days)?);
    }
    Ok(parts)
}

fn volume(
    tiers: &[Tier],
    quantity: Decimal,
    flat: impl Fn(Decimal) -> Decimal,
    days: DayShare,
) -> Result<Vec<Part>, TooLarge> {
    let holds = |(tier, _): &(&Tier, Decimal)| tier.up_to.is_none_or(|up_to| quantity <= up_to);
    let tier = tiers.iter().zip(lower_bounds(tiers)).find(holds);
    let part = |(tier, over): (&Tier, Decimal)| part((over, tier.up_to), quantity, tier.unit, flat(tier.flat), days);
    tier.map(part).into_iter().collect()
}

/// Where each tier begins: at zero, then at the bound of the tier before.
fn lower_bounds(tiers: &[Tier]) -> impl Iterator<Item = Decimal> {
    std::iter::once(Decimal::ZERO).chain(tiers.iter().filter_map(|tier| tier.up_to))
}

fn part(
    (over, up_to): (Decimal, Option<Decimal>),
    quantity: Decimal,
    unit: Decimal,
    flat: Decimal,
    days: DayShare,
) -> Result<Part, TooLarge> {
    let amount = Exact::product(quantity, unit)?.plus(Exact::from(flat).share(days)?)?;
    Ok(Part { over, up_to, quantity, unit, flat, amount })
}
