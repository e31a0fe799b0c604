//! What a statement costs, as far as it can be told.

use anyhow::{Result, anyhow};
use rust_decimal::Decimal;

use super::api::{Execution, State};
use super::kind::Kind;

/// A TB, as AWS's price calculator counts it.
const TB: u64 = 1 << 40;
/// What a query is billed for at least: 10 MB.
const LEAST_BYTES: u64 = 10 << 20;
/// Digits after the point: the least query costs some 0.00005 dollars.
const SCALE: u32 = 8;

/// The price of scanning a TB, in dollars.
#[derive(Debug, Clone, Copy)]
pub(super) struct Price(Decimal);

impl Price {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let price: Option<Decimal> = text.trim().parse().ok().filter(|price: &Decimal| !price.is_sign_negative());
        price
            .map(Self)
            .ok_or_else(|| anyhow!("the setting `athena.price_per_tb` is `{text}`: give dollars, such as 5 or 6.25"))
    }

    /// The cost of an execution, in dollars. DDL is free, and so is what failed; what was cancelled is not.
    pub(super) fn cost(self, kind: Kind, execution: &Execution) -> Decimal {
        if !kind.is_billed() || execution.state == State::Failed {
            return Decimal::ZERO;
        }
        let bytes = Decimal::from(execution.scanned_bytes.max(LEAST_BYTES));
        let cost = (bytes / Decimal::from(TB)).checked_mul(self.0).unwrap_or(Decimal::MAX);
        cost.round_dp(SCALE).normalize()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::execution;
    use super::*;

    fn cost(price: &str, kind: Kind, state: State, scanned_bytes: u64) -> String {
        let execution = Execution { scanned_bytes, ..execution(state) };
        Price::parse(price).unwrap().cost(kind, &execution).to_string()
    }

    #[test]
    fn a_tb_costs_the_price() {
        assert_eq!(cost("5", Kind::Query, State::Succeeded, TB), "5");
        assert_eq!(cost("6.25", Kind::Write, State::Succeeded, TB / 2), "3.125");
    }

    #[test]
    fn a_small_query_is_billed_as_10_mb() {
        for bytes in [0, 1, LEAST_BYTES] {
            assert_eq!(cost("5", Kind::Query, State::Succeeded, bytes), "0.00004768");
        }
        assert_eq!(cost("5", Kind::Unload, State::Succeeded, 2 * LEAST_BYTES), "0.00009537");
    }

    #[test]
    fn ddl_is_free_but_a_ctas_is_not() {
        assert_eq!(cost("5", Kind::Definition, State::Succeeded, 0), "0");
        assert_eq!(cost("5", Kind::CreateDatabase, State::Succeeded, 0), "0");
        assert_eq!(cost("5", Kind::Write, State::Succeeded, 0), "0.00004768");
    }

    #[test]
    fn a_cancelled_query_is_billed_and_a_failed_one_is_not() {
        assert_eq!(cost("5", Kind::Query, State::Cancelled, TB), "5");
        assert_eq!(cost("5", Kind::Query, State::Failed, TB), "0");
    }

    #[test]
    fn a_price_is_a_decimal_of_zero_or_more() {
        for wrong in ["", "five", "-1", "5 USD"] {
            let error = Price::parse(wrong).unwrap_err().to_string();
            assert!(error.contains("athena.price_per_tb"), "{error}");
        }
        assert_eq!(
            cost("79228162514264337593543950335", Kind::Query, State::Succeeded, u64::MAX),
            Decimal::MAX.to_string()
        );
    }
}
