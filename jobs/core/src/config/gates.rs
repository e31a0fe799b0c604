//! Settings of what keeps a month from being made final.

use anyhow::{Result, anyhow};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// How much of a month's log may be unread before its invoices are made final. The shares are decimals, in percent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatesConfig {
    /// Malformed lines: more than this share of a month's are too many.
    pub malformed_percent: String,
    /// Fewer in the month never are.
    pub malformed_least: u32,
    /// Malformed lines: more than this share of an hour's are too many.
    pub hour_malformed_percent: String,
    /// Fewer in the hour never are.
    pub hour_malformed_least: u32,
    /// Copies: more than this share of an hour's lines are too many.
    pub hour_copies_percent: String,
    /// Fewer in the hour never are.
    pub hour_copies_least: u32,
}

impl Default for GatesConfig {
    fn default() -> Self {
        Self {
            malformed_percent: "0.1".to_owned(),
            malformed_least: 10,
            hour_malformed_percent: "50".to_owned(),
            hour_malformed_least: 5,
            hour_copies_percent: "20".to_owned(),
            hour_copies_least: 50,
        }
    }
}

/// How many of some lines are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// More than this share of them.
    pub percent: Decimal,
    /// And at least so many.
    pub least: u64,
}

impl Limit {
    fn parse(key: &str, percent: &str, least: u32) -> Result<Self> {
        let share: Option<Decimal> = percent.trim().parse().ok();
        let share = share.filter(|share| (Decimal::ZERO..=Decimal::ONE_HUNDRED).contains(share));
        let percent = share.ok_or_else(|| {
            anyhow!("the setting `gates.{key}` is `{percent}`: give percent from 0 to 100, such as 0.1 or 20")
        })?;
        Ok(Self { percent, least: least.into() })
    }

    /// Whether `part` of `all` are too many.
    #[must_use]
    pub fn is_exceeded(self, part: u64, all: u64) -> bool {
        part >= self.least && Decimal::from(part) * Decimal::ONE_HUNDRED > Decimal::from(all) * self.percent
    }
}

impl GatesConfig {
    /// How many malformed lines of a month's are too many.
    ///
    /// # Errors
    /// The share is no number from 0 to 100.
    pub fn malformed(&self) -> Result<Limit> {
        Limit::parse("malformed_percent", &self.malformed_percent, self.malformed_least)
    }

    /// How many malformed lines of an hour's are too many.
    ///
    /// # Errors
    /// The share is no number from 0 to 100.
    pub fn hour_malformed(&self) -> Result<Limit> {
        Limit::parse("hour_malformed_percent", &self.hour_malformed_percent, self.hour_malformed_least)
    }

    /// How many copies among an hour's lines are too many.
    ///
    /// # Errors
    /// The share is no number from 0 to 100.
    pub fn hour_copies(&self) -> Result<Limit> {
        Limit::parse("hour_copies_percent", &self.hour_copies_percent, self.hour_copies_least)
    }

    pub(super) fn check(&self) -> Result<()> {
        [self.malformed(), self.hour_malformed(), self.hour_copies()].into_iter().try_for_each(|limit| limit.map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_are_more_than_a_share_and_at_least_so_many() {
        let limit = GatesConfig::default().malformed().unwrap();
        assert!(!limit.is_exceeded(9, 9));
        assert!(!limit.is_exceeded(10, 10_000));
        assert!(limit.is_exceeded(10, 9_999));
        assert!(limit.is_exceeded(u64::MAX, u64::MAX));
    }

    #[test]
    fn a_share_is_a_number_of_percent() {
        for wrong in ["-1", "100.1", "some", ""] {
            let gates = GatesConfig { hour_copies_percent: wrong.to_owned(), ..GatesConfig::default() };
            let error = gates.check().unwrap_err().to_string();
            assert!(error.contains("gates.hour_copies_percent") && error.contains("0 to 100"), "{error}");
        }
        for right in ["0", "100", "0.05"] {
            GatesConfig { malformed_percent: right.to_owned(), ..GatesConfig::default() }.check().unwrap();
        }
    }
}
