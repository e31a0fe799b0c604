//! Arithmetic of decimals by Trino's rules for digits and rounding.

use super::arithmetic::Operation;
use super::type_names::trino_name;
use datafusion::arrow::array::{ArrayRef, Decimal128Array};
use datafusion::arrow::compute::kernels::arity::try_binary;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, i256};
use datafusion::arrow::error::ArrowError;
use datafusion::common::{Result, exec_datafusion_err, plan_err};
use std::sync::Arc;

/// The most digits that a decimal has.
const MOST: u8 = 38;

/// What no decimal reaches: a one with 38 zeros.
const LIMIT: u128 = 10_u128.pow(38);

/// Whether a number has no more digits than a decimal.
pub(super) fn fits(value: i128) -> bool {
    value.unsigned_abs() < LIMIT
}

/// How many digits a decimal has, and how many of them behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digits {
    precision: u8,
    scale: u8,
}

impl Digits {
    /// Those of a decimal, or of the decimal that an integer becomes beside one.
    ///
    /// # Errors
    /// The type is neither.
    pub(super) fn of(data_type: &DataType) -> Result<Self> {
        let (precision, scale) = match data_type {
            DataType::Int8 => (3, 0),
            DataType::Int16 => (5, 0),
            DataType::Int32 => (10, 0),
            integer if integer.is_integer() => (19, 0),
            DataType::Decimal128(precision, scale) => match u8::try_from(*scale) {
                Ok(scale) => (*precision, scale),
                Err(_) => return plan_err!("a decimal has no negative scale"),
            },
            DataType::Decimal256(..) => return plan_err!("DECIMAL precision must be in range [1, 38]"),
            other => return plan_err!("{} is no decimal", trino_name(other)),
        };
        Ok(Self { precision, scale })
    }

    pub(super) fn data_type(self) -> DataType {
        DataType::Decimal128(self.precision, i8::try_from(self.scale).unwrap_or(i8::MAX))
    }

    fn whole(self) -> u8 {
        self.precision.saturating_sub(self.scale)
    }
}

/// The digits of a result.
///
/// # Errors
/// It would have more digits behind the point than a decimal has.
pub(super) fn result(operation: Operation, left: Digits, right: Digits) -> Result<Digits> {
    let scale = left.scale.max(right.scale);
    let digits = match operation {
        Operation::Add | Operation::Subtract => {
            Digits { precision: left.whole().max(right.whole()) + scale + 1, scale }
        }
        Operation::Multiply => Digits { precision: left.precision + right.precision, scale: left.scale + right.scale },
        Operation::Divide => {
            let more = right.scale.saturating_sub(left.scale);
            Digits { precision: left.precision + right.scale + more, scale }
        }
        Operation::Modulo => Digits { precision: (left.whole().min(right.whole()) + scale).max(1), scale },
    };
    if digits.scale > MOST {
        return plan_err!("DECIMAL scale must be in range [0, precision (38)]: {}", digits.scale);
    }
    Ok(Digits { precision: digits.precision.min(MOST), ..digits })
}

/// Computes a result of [`result`]'s digits, row by row.
///
/// # Errors
/// A divisor is zero, or a result has more than 38 digits.
pub(super) fn compute(
    operation: Operation,
    (left, of_left): (&Decimal128Array, Digits),
    (right, of_right): (&Decimal128Array, Digits),
    result: Digits,
) -> Result<ArrayRef> {
    // By how many digits each side grows so that plain integer arithmetic gives the result's scale.
    let (grow_left, grow_right) = match operation {
        Operation::Multiply => (0, 0),
        Operation::Divide => (result.scale + of_right.scale - of_left.scale, 0),
        _ => (result.scale - of_left.scale, result.scale - of_right.scale),
    };
    let (factors, wide) = ((power(grow_left), power(grow_right)), (wide_power(grow_left), wide_power(grow_right)));
    let one = |left: i128, right: i128| {
        if right == 0 && matches!(operation, Operation::Divide | Operation::Modulo) {
            return Err(ArrowError::ComputeError("Division by zero".to_owned()));
        }
        let narrow = factors.0.zip(factors.1).and_then(|(grow_left, grow_right)| {
            narrow(operation, left.checked_mul(grow_left)?, right.checked_mul(grow_right)?)
        });
        let value = narrow.or_else(|| {
            let (grow_left, grow_right) = (wide.0?, wide.1?);
            let left = i256::from_i128(left).checked_mul(grow_left)?;
            wide_result(operation, left, i256::from_i128(right).checked_mul(grow_right)?)
        });
        let value = value.filter(|value| fits(*value));
        value.ok_or_else(|| ArrowError::ComputeError("Decimal overflow".to_owned()))
    };
    let values: Decimal128Array =
        try_binary::<_, _, _, Decimal128Type>(left, right, one).map_err(|error| match error {
            ArrowError::ComputeError(reason) => exec_datafusion_err!("{reason}"),
            other => other.into(),
        })?;
    Ok(Arc::new(values.with_data_type(result.data_type())))
}

fn narrow(operation: Operation, left: i128, right: i128) -> Option<i128> {
    match operation {
        Operation::Add => left.checked_add(right),
        Operation::Subtract => left.checked_sub(right),
        Operation::Multiply => left.checked_mul(right),
        Operation::Divide => rounded_quotient(left, right),
        Operation::Modulo => left.checked_rem(right),
    }
}

/// A quotient rounded to the nearest integer, half away from zero; none where it overflows.
pub(super) fn rounded_quotient(left: i128, right: i128) -> Option<i128> {
    let (quotient, rest) = (left.checked_div(right)?, left.checked_rem(right)?);
    // Twice the rest could overflow; what is missing to the divisor cannot.
    let is_up = rest.unsigned_abs() >= right.unsigned_abs() - rest.unsigned_abs();
    match (is_up, (left < 0) == (right < 0)) {
        (false, _) => Some(quotient),
        (true, true) => quotient.checked_add(1),
        (true, false) => quotient.checked_sub(1),
    }
}

/// The same in 256 bits, for operands that grow beyond 128.
fn wide_result(operation: Operation, left: i256, right: i256) -> Option<i128> {
    let value = match operation {
        Operation::Add => left.checked_add(right)?,
        Operation::Subtract => left.checked_sub(right)?,
        Operation::Multiply => left.checked_mul(right)?,
        Operation::Modulo => left.checked_rem(right)?,
        Operation::Divide => {
            let (quotient, rest) = (left.checked_div(right)?, left.checked_rem(right)?);
            let (size, divisor) = (rest.wrapping_abs(), right.wrapping_abs());
            let step = match (size >= divisor.wrapping_sub(size), left.is_negative() == right.is_negative()) {
                (false, _) => i256::ZERO,
                (true, true) => i256::ONE,
                (true, false) => i256::MINUS_ONE,
            };
            quotient.checked_add(step)?
        }
    };
    value.to_i128()
}

fn power(digits: u8) -> Option<i128> {
    10_i128.checked_pow(digits.into())
}

fn wide_power(digits: u8) -> Option<i256> {
    i256::from_i128(10).checked_pow(digits.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::answer;

    #[test]
    fn half_is_rounded_away_from_zero() {
        for (left, right, expected) in
            [(5, 2, 3), (-5, 2, -3), (5, -2, -3), (-5, -2, 3), (4, 3, 1), (-4, 3, -1), (1, 3, 0), (2, 3, 1)]
        {
            assert_eq!(rounded_quotient(left, right), Some(expected), "{left} / {right}");
            let wide = wide_result(Operation::Divide, i256::from_i128(left), i256::from_i128(right));
            assert_eq!(wide, Some(expected), "{left} / {right}");
        }
    }

    #[test]
    fn results_have_the_digits_of_trino() {
        for (expression, expected) in [
            ("typeof(1.10 * 2.20)", "decimal(6,4)"),
            ("typeof(1.1 + 2.22)", "decimal(4,2)"),
            ("1.10 * 2.20", "2.4200"),
            ("-7.5 % 2.0", "-1.5"),
            ("123456789.123456789 * 987654321.987654321", "121932631356500531.347203169112635269"),
            ("100.0 * 1 / 3", "33.3"),
            ("1 * 100.0 / 3", "33.3"),
            ("CAST(1 AS decimal(10,4)) / 3", "0.3333"),
            ("CAST(1234567 AS bigint) * DECIMAL '0.0000035'", "4.3209845"),
            ("typeof(CAST(1 AS bigint) / 3.0)", "decimal(21,1)"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
    }

    #[test]
    fn what_grows_beyond_128_bits_is_exact_or_an_error() {
        let most = "DECIMAL '99999999999999999999999999999999999999'";
        assert_eq!(answer(&format!("SELECT {most} + 1")), "Decimal overflow");
        assert_eq!(answer(&format!("SELECT {most} * 2")), "Decimal overflow");
        assert_eq!(answer(&format!("SELECT {most} / 1000000.0")), "100000000000000000000000000000000.0");
        assert_eq!(answer(&format!("SELECT {most} / {most}")), "1");
    }
}
