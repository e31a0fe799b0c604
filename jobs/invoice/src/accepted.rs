//! What a person accepted of what was not read or not built: with `--accept`, and noted with the month since.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail};
use serde::{Deserialize, Deserializer};

/// What keeps a month from being made final, unless it is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// Malformed lines.
    Malformed,
    /// Copies, in hours that have more of them than is usual.
    Copies,
    /// Raw objects that cannot be read.
    Objects,
    /// Raw files in hours that can never be built again.
    Late,
    /// Days that are over and not published as they are.
    Days,
}

impl Gate {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Malformed, Self::Copies, Self::Objects, Self::Late, Self::Days];

    /// Its key: `malformed`.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Copies => "copies",
            Self::Objects => "objects",
            Self::Late => "late",
            Self::Days => "days",
        }
    }
}

/// How much of each gate was accepted: `malformed=12,copies=46`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted(BTreeMap<Gate, u64>);

impl Accepted {
    /// Whether so many are accepted.
    #[must_use]
    pub fn covers(&self, gate: Gate, number: u64) -> bool {
        self.0.get(&gate).is_some_and(|accepted| number <= *accepted)
    }

    /// The same, with what `other` says in place of what was said before.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let mut both = self.0.clone();
        both.extend(&other.0);
        Self(both)
    }

    /// The same, as it is noted with a month: by key.
    #[must_use]
    pub fn notes(&self) -> BTreeMap<String, u64> {
        self.0.iter().map(|(gate, number)| (gate.key().to_owned(), *number)).collect()
    }

    /// What was noted so.
    #[must_use]
    pub fn noted(notes: &BTreeMap<String, u64>) -> Self {
        let noted = |gate: Gate| Some((gate, *notes.get(gate.key())?));
        Gate::ALL.into_iter().filter_map(noted).collect()
    }

    /// Whether nothing is accepted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Gate, u64)> for Accepted {
    fn from_iter<I: IntoIterator<Item = (Gate, u64)>>(accepted: I) -> Self {
        Self(accepted.into_iter().collect())
    }
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<String> = self.0.iter().map(|(gate, number)| format!("{}={number}", gate.key())).collect();
        f.write_str(&all.join(","))
    }
}

impl FromStr for Accepted {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut accepted = BTreeMap::new();
        for part in text.split(',').map(str::trim) {
            let Some((key, number)) = part.split_once('=') else {
                bail!("`{part}` is no KEY=N: write what is accepted like malformed=12,copies=46");
            };
            let gate = Gate::ALL.into_iter().find(|gate| gate.key() == key);
            let gate = gate.with_context(|| {
                format!("`{key}` is nothing to accept: there are {}", Gate::ALL.map(Gate::key).join(", "))
            })?;
            let number: Option<u64> = number.parse().ok();
            let number = number.with_context(|| format!("`{part}` gives no number: write it like {key}=12"))?;
            if accepted.insert(gate, number).is_some() {
                bail!("`{key}` is given twice");
            }
        }
        Ok(Self(accepted))
    }
}

impl<'de> Deserialize<'de> for Accepted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(text: &str) -> Accepted {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_accepted_holds_up_to_its_number() {
        let accepted = accepted("malformed=12, copies=46");
        assert!(accepted.covers(Gate::Malformed, 12) && accepted.covers(Gate::Copies, 3));
        assert!(!accepted.covers(Gate::Malformed, 13) && !accepted.covers(Gate::Objects, 0));
        assert_eq!(accepted.to_string(), "malformed=12,copies=46");
    }

    #[test]
    fn what_is_said_later_stands_in_place_of_what_was_said_before() {
        let both = accepted("malformed=12,late=1").with(&accepted("malformed=3,objects=2"));
        assert_eq!(both.to_string(), "malformed=3,objects=2,late=1");
        assert_eq!(Accepted::noted(&both.notes()), both);
    }

    #[test]
    fn a_key_that_is_none_and_a_number_that_is_none_are_refused() {
        for (wrong, said) in [
            ("lines=3", "there are malformed, copies, objects, late"),
            ("malformed", "no KEY=N"),
            ("", "no KEY=N"),
            ("malformed=-1", "malformed=12"),
            ("malformed=all", "malformed=12"),
            ("malformed=1,malformed=2", "twice"),
        ] {
            let error = wrong.parse::<Accepted>().unwrap_err().to_string();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}
