//! What the reports of jobs that publish partitions have in common.

use serde::Serialize;

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
    fn a_size_is_short() {
        let sizes = [0, 999, 1000, 1_550_000, u64::MAX].map(human_bytes);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "1.5 MB", "18446.7 PB"]);
    }
}
