//! What to write, and what goes wrong on the way.

use anyhow::{Result, bail};
use chrono::{DateTime, TimeDelta};
use clap::ValueEnum;
use meterlake_core::period::{Hour, Period};

/// What to write. The same options give the same bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The first hour of arrival.
    pub from: Hour,
    /// The last hour of arrival, itself included.
    pub to: Hour,
    /// Calls per hour: the mean of a day, with more by day than by night (UTC).
    pub calls_per_hour: u32,
    /// Callers; the first few make most of the calls.
    pub users: u32,
    /// Objects per hour, 1–3600; 12 is one per 300 s.
    pub objects_per_hour: u32,
    /// Which objects are GZIP.
    pub gzip: Gzip,
    /// Share (0–1) of calls that are delivered twice, byte by byte: into the same object, another of the hour, or one
    /// of the next hour.
    pub copies: f64,
    /// Share (0–1) of records that arrive as a line that is no record. A third as many blank lines come with them.
    pub malformed: f64,
    /// Share (0–1) of calls logged with a bare `-` for the status, in the older form: calls, but no valid JSON.
    pub bare_dashes: f64,
    /// Share (0–1) of objects that are late.
    pub late_share: f64,
    /// Which objects are written: all, or those of one side.
    pub late: Late,
    /// Share (0–1) of calls without a user.
    pub unauthenticated: f64,
    /// Share (0–1) of calls logged in the older form: bare numbers, no `extendedRequestId`.
    pub legacy: f64,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Write nothing, only tell the truth.
    pub dry_run: bool,
}

/// Which objects are GZIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Gzip {
    /// No object.
    None,
    /// Every second object.
    Half,
    /// Every object.
    All,
}

/// Which objects are written. The truth is that of the lake after the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// All objects, the late ones too. The truth covers all.
    All,
    /// All but the late objects. The truth covers what was written: a copy whose original is late is the call.
    OnTime,
    /// Only the late objects, after a run with `OnTime`. The truth covers both runs and is the truth of `All`.
    LateOnly,
}

impl Late {
    /// Whether an object is written in such a run.
    pub(crate) fn writes(self, late: bool) -> bool {
        match self {
            Self::All => true,
            Self::OnTime => !late,
            Self::LateOnly => late,
        }
    }

    /// Whether an object is in the lake after such a run.
    pub(crate) fn leaves(self, late: bool) -> bool {
        self != Self::OnTime || !late
    }
}

impl Default for Options {
    /// Three hours of clean traffic, `2023-01-31T06` to `2023-01-31T08`: 1000 calls an hour of 50 users in 12 objects,
    /// half of them GZIP; seed 1.
    fn default() -> Self {
        let from = Hour::containing(DateTime::UNIX_EPOCH + TimeDelta::seconds(1_675_144_800));
        Self {
            from,
            to: from.offset(2),
            calls_per_hour: 1000,
            users: 50,
            objects_per_hour: 12,
            gzip: Gzip::Half,
            copies: 0.0,
            malformed: 0.0,
            bare_dashes: 0.0,
            late_share: 0.0,
            late: Late::All,
            unauthenticated: 0.0,
            legacy: 0.0,
            seed: 1,
            dry_run: false,
        }
    }
}

impl Options {
    /// Whether the options can be met.
    ///
    /// # Errors
    /// One of them is out of its range; the error says which, and what is in it.
    pub fn check(&self) -> Result<()> {
        if self.to < self.from {
            bail!("the last hour {} lies before the first hour {}", self.to, self.from);
        }
        if self.users == 0 {
            bail!("somebody must call: give at least 1 user");
        }
        if !(1..=3600).contains(&self.objects_per_hour) {
            bail!("{} objects per hour cannot be: give 1 to 3600", self.objects_per_hour);
        }
        let shares = [
            ("copies", self.copies),
            ("malformed", self.malformed),
            ("bare-dashes", self.bare_dashes),
            ("late", self.late_share),
            ("unauthenticated", self.unauthenticated),
            ("legacy", self.legacy),
        ];
        if let Some((name, share)) = shares.iter().find(|(_, share)| !(0.0..=1.0).contains(share)) {
            bail!("the share `{name}` is {share}: give a number from 0 to 1, such as 0.1");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_options_are_those_of_the_documentation() {
        let options = Options::default();
        assert_eq!(
            (options.from.to_string().as_str(), options.to.to_string().as_str()),
            ("2023-01-31T06", "2023-01-31T08")
        );
        options.check().unwrap();
    }

    #[test]
    fn a_wrong_option_is_named_with_a_right_one() {
        let message = |options: Options| options.check().unwrap_err().to_string();
        let default = Options::default;
        for share in [-0.1, 1.1, f64::NAN] {
            assert!(message(Options { copies: share, ..default() }).contains("`copies`"), "{share}");
        }
        assert!(message(Options { legacy: 2.0, ..default() }).contains("`legacy` is 2: give a number from 0 to 1"));
        assert!(message(Options { to: default().from.previous(), ..default() }).contains("2023-01-31T05 lies before"));
        assert!(message(Options { users: 0, ..default() }).contains("at least 1"));
        assert!(message(Options { objects_per_hour: 0, ..default() }).contains("1 to 3600"));
    }
}
