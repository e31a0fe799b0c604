//! Where a run is cut off: at a call, named by what it is. Calls that go out side by side have no fixed order, so the
//! number of a call would name another one in each run.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use regex::Regex;

/// How often a run is tried that does not make the call at which it is to be cut off: into how many files an engine
/// writes its rows is a matter of time, so a run may have one file fewer.
pub const ATTEMPTS: usize = 20;

/// Names that are made anew in each run, and what they are called instead.
static RANDOM: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
    [
        ("[0-9]{8}t[0-9]{6}_[0-9a-f]{8}", "GENERATION"),
        ("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
        ("part-[0-9]{5}-[0-9a-f]{16}", "PART"),
        ("[0-9a-f]{32,64}", "HASH"),
    ]
    .map(|(pattern, name)| (Regex::new(pattern).expect("a pattern"), name))
});

/// A call, by what it is and how many calls that look the same the run had made with it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CallName {
    what: String,
    nth: usize,
}

/// On which side of what a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the call takes effect.
    Before,
    /// After it took effect, before its answer reaches the run.
    After,
}

/// Where a run is cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// At which of its calls.
    pub call: CallName,
    /// On which side of it.
    pub moment: Moment,
}

impl Cut {
    /// All places at which a run is cut off that makes a call: before it, and after it if it is a change. After a call
    /// that changes nothing all is as it was before it.
    pub fn all_at(call: &CallName, is_a_change: bool) -> impl Iterator<Item = Self> {
        let after = is_a_change.then_some(Moment::After);
        let call = call.clone();
        [Some(Moment::Before), after].into_iter().flatten().map(move |moment| Self { call: call.clone(), moment })
    }

    /// All places at which a run is cut off that makes these calls, each with whether it is a change. Of calls that change
    /// nothing and follow each other, only the first: before the others all is as it was before that one.
    pub fn all_of<'a>(calls: impl Iterator<Item = (&'a CallName, bool)>) -> Vec<Self> {
        let mut was_look = false;
        let mut cuts = Vec::new();
        for (call, is_a_change) in calls {
            if is_a_change || !was_look {
                cuts.extend(Self::all_at(call, is_a_change));
            }
            was_look = !is_a_change;
        }
        cuts
    }
}

/// Names the calls of one run.
#[derive(Debug, Default)]
pub struct CallNames {
    own: Option<String>,
    seen: HashMap<String, usize>,
}

impl CallNames {
    /// `own`: the name or the place of the lake, which no other run has.
    #[must_use]
    pub fn of(own: impl fmt::Display) -> Self {
        Self { own: Some(own.to_string()), seen: HashMap::new() }
    }

    /// Names the next call, of which `operation` and `resources` are known.
    pub fn next(&mut self, operation: &str, resources: impl IntoIterator<Item = String>) -> CallName {
        let mut resources: Vec<String> = resources.into_iter().map(|one| self.plain(one)).collect();
        // Of files that an engine wrote, one is like the other.
        resources.sort();
        resources.dedup();
        let what = format!("{operation} {}", resources.join(" "));
        let nth = self.seen.entry(what.clone()).or_default();
        *nth += 1;
        CallName { what, nth: *nth }
    }

    /// A text without what differs from run to run.
    fn plain(&self, mut text: String) -> String {
        if let Some(own) = &self.own {
            text = text.replace(own, "OWN");
        }
        for (random, name) in RANDOM.iter() {
            text = random.replace_all(&text, *name).into_owned();
        }
        text
    }
}

impl fmt::Display for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (number {} of those)", self.what.trim_end(), self.nth)
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = match self.moment {
            Moment::Before => "before",
            Moment::After => "after",
        };
        write!(f, "cut {moment} {}", self.call)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(names: &mut CallNames, resources: &[&str]) -> String {
        names.next("S3 PutObject", resources.iter().map(|&one| one.to_owned())).to_string()
    }

    #[test]
    fn a_call_has_the_same_name_in_each_run() {
        let mut first = CallNames::of("lake_1");
        let mut second = CallNames::of("lake_2");
        for (one, other) in [
            ("s3://b/lake_1/run=20230131t071000_617869c8/x", "s3://b/lake_2/run=20230131t071001_00000000/x"),
            ("r/0b9a2f0e-57a7-4c4c-8d6f-3f1d4f0c6a10.csv", "r/aaaaaaaa-57a7-4c4c-8d6f-3f1d4f0c6a10.csv"),
            ("part-00000-0123456789abcdef.parquet", "part-00001-fedcba9876543210.parquet"),
        ] {
            assert_eq!(name(&mut first, &[one]), name(&mut second, &[other]));
        }
        for digits in [32, 64] {
            let hashes = ["0", "f"].map(|digit| digit.repeat(digits));
            assert_eq!(name(&mut first, &[&hashes[0]]), name(&mut second, &[&hashes[1]]));
        }
    }

    #[test]
    fn calls_that_look_the_same_are_counted_each_for_itself() {
        let mut names = CallNames::default();
        let named = [&["a"][..], &["b"], &["a"], &["b", "a", "b"], &["a", "b"]].map(|one| name(&mut names, one));
        let expected = [("a", 1), ("b", 1), ("a", 2), ("a b", 1), ("a b", 2)];
        assert_eq!(named, expected.map(|(what, nth)| format!("S3 PutObject {what} (number {nth} of those)")));
    }

    #[test]
    fn a_call_is_cut_before_and_if_it_is_a_change_after() {
        let call = CallNames::default().next("x", []);
        let cuts = |is_a_change| Cut::all_at(&call, is_a_change).map(|cut| cut.moment).collect::<Vec<_>>();
        assert_eq!(cuts(false), [Moment::Before]);
        assert_eq!(cuts(true), [Moment::Before, Moment::After]);

        let moments = |changes: &[bool]| {
            let cuts = Cut::all_of(changes.iter().map(|is_a_change| (&call, *is_a_change)));
            cuts.into_iter().map(|cut| cut.moment).collect::<Vec<_>>()
        };
        let (before, after) = (Moment::Before, Moment::After);
        assert_eq!(moments(&[false, false, true, false, false, true]), [before, before, after, before, before, after]);
    }
}
