//! What the reports of jobs that publish partitions have in common.

use std::fmt;

use serde::Serialize;

use crate::engine::Scan;

/// What was done for a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// A new generation was published.
    Published,
    /// The published one is made from the same inputs.
    Unchanged,
    /// The period has no data, and is published so.
    Empty,
}

/// What an engine that takes money asks, for the end of a report's line: `; scanned 1.5 MB for about 0.0005 USD`. Nothing
/// for one that is free.
#[derive(Debug, Clone, Copy)]
pub struct Cost(pub Scan);

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(cost) = self.0.cost_usd else { return Ok(()) };
        write!(f, "; scanned {} for about {cost} USD", human_bytes(self.0.bytes))
    }
}

/// A size for people: `1.5 MB`.
#[must_use]
pub fn human_bytes(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB"];
    let scale = (0_u32..6).rev().find(|scale| bytes >= 1000_u64.pow(*scale)).unwrap_or(0);
    let unit = units[scale as usize];
    if scale == 0 {
        return format!("{bytes} {unit}");
    }
    let tenths = u128::from(bytes) * 10 / u128::from(1000_u64.pow(scale));
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_scan_that_costs_something_is_told_of() {
        let paid = Scan { bytes: 1_550_000, cost_usd: "0.00004768".parse().ok() };
        assert_eq!(Cost(paid).to_string(), "; scanned 1.5 MB for about 0.00004768 USD");
        assert_eq!(Cost(Scan::free(7)).to_string(), "");
    }

    #[test]
    fn a_size_is_short() {
        let sizes = [0, 999, 1000, 1_550_000, u64::MAX].map(human_bytes);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "1.5 MB", "18446.7 PB"]);
    }
}
