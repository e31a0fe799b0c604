//! What the settings that are numbers may be. Beyond these a look-back would list folders for days, or reach before the calendar.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Result, anyhow};
use toml::{Table, Value};

use crate::run::WrongArguments;

/// What a number may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    least: i64,
    most: i64,
    unit: &'static str,
}

/// How far `merge` may look back: a leap year.
pub const MERGE_LOOKBACK: Bounds = Bounds::new(0, 8784, "hours");
/// How far `aggregate` may look back: as far as `invoice` may adjust.
pub const AGGREGATE_LOOKBACK: Bounds = Bounds::new(0, 1100, "days");
/// How long a superseded generation may be kept.
pub(super) const LONGEST_VACUUM_AFTER: Duration = Duration::from_secs(366 * 24 * 3600);

/// Section, key, and what the number may be.
const SETTINGS: [(&str, &str, Bounds); 7] = [
    ("merge", "lookback", MERGE_LOOKBACK),
    ("aggregate", "lookback", AGGREGATE_LOOKBACK),
    ("repair", "hours", Bounds::new(1, 8784, "hours")),
    ("billing", "adjust_months", Bounds::new(0, 36, "months")),
    ("billing", "grace_days", Bounds::new(0, 31, "days")),
    ("embedded", "memory_mib", Bounds::new(16, 1_048_576, "MiB")),
    ("embedded", "threads", Bounds::new(0, 1024, "threads")),
];

impl Bounds {
    const fn new(least: i64, most: i64, unit: &'static str) -> Self {
        Self { least, most, unit }
    }

    /// For a flag.
    #[must_use]
    pub const fn range(self) -> RangeInclusive<i64> {
        self.least..=self.most
    }

    /// Checks what an event gives under a key. A flag is checked where the command line is read.
    ///
    /// # Errors
    /// [`WrongArguments`]: the number is out of range.
    pub fn check_argument(self, key: &str, number: Option<u32>) -> Result<()> {
        number
            .map_or(Ok(()), |number| self.check(&format!("`{key}`"), number.into()))
            .map_err(|problem| anyhow!(WrongArguments(problem)))
    }

    fn check(self, what: &str, number: i64) -> Result<(), String> {
        let Self { least, most, unit } = self;
        if self.range().contains(&number) {
            Ok(())
        } else {
            Err(format!("{what} is {number}: give {least} to {most} {unit}"))
        }
    }
}

/// Checks the settings of a file, before a number that does not fit its type makes another error.
pub(super) fn check(settings: &Table) -> Result<()> {
    for (section, key, bounds) in SETTINGS {
        let number = settings.get(section).and_then(|section| section.get(key)).and_then(Value::as_integer);
        if let Some(number) = number {
            bounds.check(&format!("the setting `{section}.{key}`"), number).map_err(anyhow::Error::msg)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_defaults_are_in_range_and_every_key_is_a_setting() {
        let defaults = Table::try_from(Config::default()).unwrap();
        check(&defaults).unwrap();
        for (section, key, _) in SETTINGS {
            // Without a default a setting is left out.
            let is_there = defaults[section].get(key).is_some_and(Value::is_integer);
            assert!(is_there || (section, key) == ("aggregate", "lookback"), "{section}.{key}");
        }
    }

    #[test]
    fn a_number_out_of_range_is_named_with_the_range() {
        for (section, key, Bounds { least, most, unit }) in SETTINGS {
            let set = |number: i64| format!("[{section}]\n{key} = {number}").parse::<Table>().unwrap();
            for right in [least, most] {
                check(&set(right)).unwrap();
            }
            for wrong in [least - 1, most + 1, i64::MAX] {
                let error = check(&set(wrong)).unwrap_err().to_string();
                assert_eq!(error, format!("the setting `{section}.{key}` is {wrong}: give {least} to {most} {unit}"));
            }
        }
    }

    #[test]
    fn an_argument_out_of_range_is_a_wrong_argument() {
        let error = MERGE_LOOKBACK.check_argument("lookback", Some(3_000_000_000)).unwrap_err();
        assert!(error.is::<WrongArguments>());
        assert_eq!(error.to_string(), "`lookback` is 3000000000: give 0 to 8784 hours");
        MERGE_LOOKBACK.check_argument("lookback", Some(960)).unwrap();
        MERGE_LOOKBACK.check_argument("lookback", None).unwrap();
    }
}
