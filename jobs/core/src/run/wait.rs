//! How long a run may find that something is not there yet without having failed.

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Result, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Deserializer};

/// Until when a period may wait for what time alone mends: an instant (`2023-02-10T00:00:00Z`), or a time after the end of the
/// period (`+9d`, `+34h`), as a schedule's event says it, which is the same for every firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitUntil {
    /// An instant.
    At(DateTime<Utc>),
    /// So long after the period's end.
    After(TimeDelta),
}

impl WaitUntil {
    /// Whether a period that ended at `end` may still wait at `now`.
    #[must_use]
    pub fn allows(self, now: DateTime<Utc>, end: DateTime<Utc>) -> bool {
        match self {
            Self::At(time) => now < time,
            Self::After(delay) => end.checked_add_signed(delay).is_some_and(|until| now < until),
        }
    }
}

impl FromStr for WaitUntil {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || {
            anyhow!(
                "`{text}` is no time to wait until: write it like 2023-02-10T00:00:00Z, or +9d for so long after the period"
            )
        };
        let Some(delay) = text.strip_prefix('+') else { return text.parse().map(Self::At).map_err(|_| wrong()) };
        let delay: Duration = humantime::parse_duration(delay).map_err(|_| wrong())?;
        TimeDelta::from_std(delay).map(Self::After).map_err(|_| wrong())
    }
}

impl<'de> Deserialize<'de> for WaitUntil {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Something that a period needs is not there yet, and later runs of the other jobs bring it with no person: not an error before
/// the time that [`WaitUntil`] says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct NotYet(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_at_a_time_or_so_long_after_the_period() {
        let time = |text: &str| -> DateTime<Utc> { text.parse().unwrap() };
        let end = time("2023-02-01T00:00:00Z");
        let until: WaitUntil = "+9d".parse().unwrap();
        assert!(until.allows(time("2023-02-09T23:59:59Z"), end));
        assert!(!until.allows(time("2023-02-10T00:00:00Z"), end));
        let until: WaitUntil = "2023-02-03T09:00:00+09:00".parse().unwrap();
        assert!(until.allows(time("2023-02-02T23:59:59Z"), end));
        assert!(!until.allows(time("2023-02-03T00:00:00Z"), end));
        for wrong in ["soon", "9d", "+", "+soon", "+999999999999y"] {
            assert!(wrong.parse::<WaitUntil>().unwrap_err().to_string().contains("+9d"), "{wrong}");
        }
    }
}
