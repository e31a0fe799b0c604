//! Exact arithmetic on decimals: every operation gives the exact result or says that it cannot.
//!
//! `rust_decimal` keeps 96 bits (28 digits) and rounds what does not fit without saying so: the product of two
//! 20-digit numbers loses digits. So amounts are kept as whole numbers of 127 bits (38 digits) with a scale until the
//! one rounding at the line: 10^15 calls at a price of twelve decimals need 15 + 12 digits and the digits before the
//! price's point, which leaves eleven of those. Beyond that the result is [`TooLarge`], never a wrong one.

use rust_decimal::Decimal;

use crate::plans::DayShare;

/// A result needs more than 38 digits, or a rounded one more than 28.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the result has too many digits to be exact: are quantity and price right?")]
pub struct TooLarge;

/// An exact amount before it is rounded: `mantissa / 10^scale / divisor`.
///
/// The divisor is the number of days in a month, where a flat price counts for some of them: a third of a month has no
/// exact decimal.
#[derive(Debug, Clone, Copy)]
pub struct Exact {
    mantissa: i128,
    scale: u32,
    divisor: u32,
}

impl From<Decimal> for Exact {
    fn from(number: Decimal) -> Self {
        Self { mantissa: number.mantissa(), scale: number.scale(), divisor: 1 }
    }
}

impl Exact {
    /// Nothing.
    pub const ZERO: Self = Self { mantissa: 0, scale: 0, divisor: 1 };

    /// `a × b`.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn product(a: Decimal, b: Decimal) -> Result<Self, TooLarge> {
        let mantissa = a.mantissa().checked_mul(b.mantissa()).ok_or(TooLarge)?;
        Ok(Self { mantissa, scale: a.scale() + b.scale(), divisor: 1 })
    }

    /// The part that falls on some days of a month.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn share(self, days: DayShare) -> Result<Self, TooLarge> {
        if days.is_whole() {
            return Ok(self);
        }
        let mantissa = self.mantissa.checked_mul(days.covered().into()).ok_or(TooLarge)?;
        let divisor = self.divisor.checked_mul(days.of()).ok_or(TooLarge)?;
        Ok(Self { mantissa, divisor, ..self })
    }

    /// `self + other`.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn plus(self, other: Self) -> Result<Self, TooLarge> {
        let scale = self.scale.max(other.scale);
        let (a, b) = (self.mantissa_at(scale)?, other.mantissa_at(scale)?);
        let (mantissa, divisor) = if self.divisor == other.divisor {
            (a.checked_add(b), Some(self.divisor))
        } else {
            let crossed = a.checked_mul(other.divisor.into()).zip(b.checked_mul(self.divisor.into()));
            (crossed.and_then(|(a, b)| a.checked_add(b)), self.divisor.checked_mul(other.divisor))
        };
        Ok(Self { mantissa: mantissa.ok_or(TooLarge)?, scale, divisor: divisor.ok_or(TooLarge)? })
    }

    /// Rounded to so many decimals, half away from zero: 0.5 is 1, -0.5 is -1.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub fn rounded(self, decimals: u32) -> Result<Decimal, TooLarge> {
        let divisor = i128::from(self.divisor);
        let (dividend, divisor) = if self.scale > decimals {
            let power = power_of_ten(self.scale - decimals)?;
            (self.mantissa, divisor.checked_mul(power).ok_or(TooLarge)?)
        } else {
            (self.mantissa_at(decimals)?, divisor)
        };
        let (whole, rest) = (dividend / divisor, dividend % divisor);
        let is_half_or_more = rest.unsigned_abs() * 2 >= divisor.unsigned_abs();
        let rounded = if is_half_or_more { whole + dividend.signum() } else { whole };
        Decimal::try_from_i128_with_scale(rounded, decimals).map_err(|_| TooLarge)
    }

    /// The exact value as a decimal, if it has one of at most 28 digits.
    #[must_use]
    pub fn to_decimal(self) -> Option<Decimal> {
        // 28 and 30 divide a hundred times a whole number wherever they divide a power of ten times it.
        let scale = self.scale + if self.divisor == 1 { 0 } else { 2 };
        let (mut mantissa, divisor) = (self.mantissa_at(scale).ok()?, i128::from(self.divisor));
        if mantissa % divisor != 0 {
            return None;
        }
        mantissa /= divisor;
        let mut scale = scale;
        while scale > 0 && mantissa % 10 == 0 {
            (mantissa, scale) = (mantissa / 10, scale - 1);
        }
        Decimal::try_from_i128_with_scale(mantissa, scale).ok()
    }

    /// The mantissa that the same value has at a scale that is no smaller.
    fn mantissa_at(self, scale: u32) -> Result<i128, TooLarge> {
        if scale == self.scale {
            return Ok(self.mantissa);
        }
        self.mantissa.checked_mul(power_of_ten(scale - self.scale)?).ok_or(TooLarge)
    }
}

/// `a + b`.
///
/// # Errors
/// [`TooLarge`], where `rust_decimal` would round.
pub fn sum(a: Decimal, b: Decimal) -> Result<Decimal, TooLarge> {
    decimal(Exact::from(a).plus(b.into())?)
}

/// `a - b`.
///
/// # Errors
/// [`TooLarge`], where `rust_decimal` would round.
pub fn difference(a: Decimal, b: Decimal) -> Result<Decimal, TooLarge> {
    sum(a, -b)
}

/// How many packages of `size` it takes to hold `quantity`; `size` is positive, `quantity` not negative.
///
/// # Errors
/// [`TooLarge`].
pub fn packages(quantity: Decimal, size: Decimal) -> Result<Decimal, TooLarge> {
    let scale = quantity.scale().max(size.scale());
    let (quantity, size) = (Exact::from(quantity).mantissa_at(scale)?, Exact::from(size).mantissa_at(scale)?);
    let started = i128::from(quantity % size != 0);
    Decimal::try_from_i128_with_scale(quantity / size + started, 0).map_err(|_| TooLarge)
}

fn decimal(exact: Exact) -> Result<Decimal, TooLarge> {
    Decimal::try_from_i128_with_scale(exact.mantissa, exact.scale).map_err(|_| TooLarge)
}

fn power_of_ten(exponent: u32) -> Result<i128, TooLarge> {
    10_i128.checked_pow(exponent).ok_or(TooLarge)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn half_a_minor_unit_is_rounded_away_from_zero_on_both_sides() {
        let cases =
            [("0.005", "0.01"), ("-0.005", "-0.01"), ("0.0049", "0.00"), ("-0.0049", "0.00"), ("1.015", "1.02")];
        for (amount, rounded) in cases {
            assert_eq!(Exact::from(number(amount)).rounded(2).unwrap().to_string(), rounded, "{amount}");
        }
        assert_eq!(Exact::from(number("2.5")).rounded(0).unwrap(), number("3"));
        assert_eq!(Exact::from(number("-2.5")).rounded(0).unwrap(), number("-3"));
        assert_eq!(Exact::from(number("1.0005")).rounded(3).unwrap(), number("1.001"));
    }

    #[test]
    fn a_quadrillion_calls_at_a_price_of_twelve_decimals_are_exact() {
        let amount = Exact::product(number("1000000000000000"), number("12345678901.234567890123")).unwrap();
        assert_eq!(amount.rounded(2).unwrap(), number("12345678901234567890123000.00"));
        let odd = Exact::product(number("999999999999999"), number("0.000003500001")).unwrap();
        assert_eq!(odd.to_decimal(), Some(number("3500000999.999996499999")));
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_never_a_wrong_number() {
        assert_eq!(Exact::product(Decimal::MAX, Decimal::MAX).unwrap_err(), TooLarge);
        assert_eq!(sum(Decimal::MAX, Decimal::ONE), Err(TooLarge));
        // Here rust_decimal drops the fraction.
        assert_eq!(sum(number("9999999999999999999999999999"), number("0.01")), Err(TooLarge));
        assert_eq!(difference(number("0.1"), number("0.3")), Ok(number("-0.2")));
    }

    #[test]
    fn a_third_of_a_price_is_rounded_once() {
        let price = |covered| Exact::from(number("10")).share(DayShare::new(covered, 30)).unwrap();
        assert_eq!(price(10).to_decimal(), None);
        assert_eq!(price(10).rounded(2).unwrap(), number("3.33"));
        assert_eq!(price(15).to_decimal(), Some(number("5")));
        let whole = price(10).plus(price(10)).and_then(|two| two.plus(price(10))).unwrap();
        assert_eq!(whole.to_decimal(), Some(number("10")));
    }

    proptest! {
        #[test]
        fn rounding_is_off_by_half_a_unit_at_most(mantissa in -10_i64.pow(15)..10_i64.pow(15), scale in 0_u32..12) {
            let amount = Decimal::new(mantissa, scale);
            let rounded = Exact::from(amount).rounded(2).unwrap();
            prop_assert!((rounded - amount).abs() <= number("0.005"));
            let mirrored = Exact::from(-amount).rounded(2).unwrap();
            prop_assert_eq!(mirrored, -rounded);
        }

        #[test]
        fn packages_hold_the_quantity_and_the_last_is_not_empty(quantity in 0_i64..10_000_000, size in 1_i64..10_000) {
            let (quantity, size) = (Decimal::new(quantity, 3), Decimal::new(size, 1));
            let packages = packages(quantity, size).unwrap();
            prop_assert!(packages * size >= quantity && (packages - Decimal::ONE) * size < quantity);
        }
    }
}
