//! Currencies of ISO 4217 and their minor units.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};

/// A currency that has a minor unit, so that an amount in it can be rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Currency {
    iso: iso_currency::Currency,
    decimals: u32,
}

impl Currency {
    /// The alphabetic code, such as `USD`.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.iso.code()
    }

    /// How many decimals its minor unit is: 2 for `USD`, 0 for `JPY`, 3 for `KWD`.
    #[must_use]
    pub fn decimals(self) -> u32 {
        self.decimals
    }

    /// A rounded amount as text, with all of the currency's decimals and no sign or code of it.
    #[must_use]
    pub fn format(self, amount: Decimal) -> String {
        let decimals = usize::try_from(self.decimals).unwrap_or_default();
        format!("{amount:.decimals$}")
    }
}

impl FromStr for Currency {
    type Err = anyhow::Error;

    fn from_str(code: &str) -> Result<Self> {
        let unknown = || anyhow!("`{code}` is no currency of ISO 4217: write its three letters, such as USD");
        let iso = iso_currency::Currency::from_code(code).ok_or_else(unknown)?;
        // Gold, special drawing rights and test codes have none.
        let decimals = iso.exponent().ok_or_else(|| anyhow!("`{code}` has no minor unit to round an amount to"))?;
        Ok(Self { iso, decimals: decimals.into() })
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minor_unit_is_that_of_iso_4217() {
        for (code, decimals) in [("USD", 2), ("EUR", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3), ("BHD", 3), ("CLF", 4)] {
            assert_eq!(code.parse::<Currency>().unwrap().decimals(), decimals, "{code}");
        }
    }

    #[test]
    fn what_is_no_currency_or_has_no_minor_unit_is_refused() {
        for code in ["", "usd", "US", "USDX", "ZZZ", "XAU", "XXX"] {
            assert!(code.parse::<Currency>().unwrap_err().to_string().contains(code), "{code}");
        }
    }

    #[test]
    fn an_amount_has_all_decimals_of_its_currency() {
        let format = |code: &str, amount: &str| code.parse::<Currency>().unwrap().format(amount.parse().unwrap());
        assert_eq!(format("USD", "1.5"), "1.50");
        assert_eq!(format("USD", "-0.05"), "-0.05");
        assert_eq!(format("JPY", "120"), "120");
        assert_eq!(format("KWD", "7"), "7.000");
    }
}
