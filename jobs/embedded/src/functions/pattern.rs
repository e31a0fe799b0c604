//! Regular expressions: most match in linear time; what those cannot say (look-around, back references, groups and quantifiers
//! that give nothing back) is matched by backtracking, with a limit.

use std::borrow::Cow;
use std::iter::Peekable;
use std::ops::Range;
use std::str::Chars;

use datafusion::common::{DataFusionError, Result, exec_datafusion_err, exec_err};
use regex::Regex;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::NFA;
use regex_automata::{Anchored, Input};

/// Bytes that a pattern's table of states may take, and twice as many while it is made.
const MOST_STATES: usize = 1 << 18;

/// How often one match may take a way back. Trino has no limit, and a query there may never end.
const MOST_STEPS: usize = 1_000_000;

/// A pattern, compiled.
pub(super) struct Pattern {
    usual: Matcher,
    /// For texts that end with a line end, where `$` matches before it, too: it does so in Trino, and not in the crates.
    /// `None` where the pattern has no `$`; an error where the rest of it cannot be said so.
    of_lines: Option<Result<Matcher>>,
}

enum Matcher {
    /// In linear time.
    Linear {
        regex: Regex,
        /// A table of states, which matches a short text in a fraction of the time. For patterns that match only from a text's
        /// start, where the table is small.
        states: Option<Box<dense::DFA<Vec<u32>>>>,
    },
    Backtracking(fancy_regex::Regex),
}

impl Pattern {
    /// Compiles a pattern in which `\d`, `\s` and `\w` are no more (`dialect::patterns`).
    pub(super) fn new(text: &str) -> Result<Self> {
        let of_lines = before_line_end(text).map(|of_lines| Matcher::backtracking(&of_lines, text));
        Ok(Self { usual: Matcher::new(text)?, of_lines })
    }

    fn of(&self, text: &str) -> Result<&Matcher> {
        match &self.of_lines {
            Some(of_lines) if text.ends_with('\n') => {
                of_lines.as_ref().map_err(|error| exec_datafusion_err!("{}", error.strip_backtrace()))
            }
            _ => Ok(&self.usual),
        }
    }

    /// The number of a group that there is.
    pub(super) fn group(&self, group: i64) -> Result<usize> {
        self.usual.group(group)
    }

    pub(super) fn is_match(&self, text: &str) -> Result<bool> {
        self.of(text)?.is_match(text)
    }

    /// The text with each match replaced; `${1}` stands for a group.
    pub(super) fn replace_all<'t>(&self, text: &'t str, replacement: &str) -> Result<Cow<'t, str>> {
        self.of(text)?.replace_all(text, replacement)
    }

    /// Where the first match lies that begins at a byte or behind it.
    pub(super) fn find_at(&self, text: &str, start: usize) -> Result<Option<Range<usize>>> {
        self.of(text)?.find_at(text, start)
    }

    /// A group of the first match; 0 is all of it.
    pub(super) fn first<'t>(&self, text: &'t str, group: usize) -> Result<Option<&'t str>> {
        self.of(text)?.first(text, group)
    }

    /// The same of every match.
    pub(super) fn all<'t>(&self, text: &'t str, group: usize) -> Result<Vec<Option<&'t str>>> {
        self.of(text)?.all(text, group)
    }

    /// What stands between the matches.
    pub(super) fn split<'t>(&self, text: &'t str) -> Result<Vec<&'t str>> {
        self.of(text)?.split(text)
    }
}

impl Matcher {
    fn new(text: &str) -> Result<Self> {
        if needs_backtracking(text) {
            return Self::backtracking(text, text);
        }
        let regex = Regex::new(text).map_err(|error| wrong(text, &error))?;
        Ok(Self::Linear { states: states(text), regex })
    }

    /// `written`: the pattern as the query has it, for errors.
    fn backtracking(text: &str, written: &str) -> Result<Self> {
        if let Some(escape) = foreign_escape(text) {
            return exec_err!(
                "the embedded engine does not know {escape} in a pattern with look-around or $: '{written}'"
            );
        }
        let regex = fancy_regex::RegexBuilder::new(text).backtrack_limit(MOST_STEPS).build();
        regex.map(Self::Backtracking).map_err(|error| wrong(written, &error))
    }

    fn group(&self, group: i64) -> Result<usize> {
        let count = match self {
            Self::Linear { regex, .. } => regex.captures_len(),
            Self::Backtracking(regex) => regex.captures_len(),
        } as i64
            - 1;
        match usize::try_from(group) {
            Ok(number) if group <= count => Ok(number),
            _ => exec_err!("Pattern has {count} groups. Cannot access group {group}"),
        }
    }

    fn is_match(&self, text: &str) -> Result<bool> {
        match self {
            Self::Linear { regex, states } => {
                let from_start = Input::new(text).anchored(Anchored::Yes).earliest(true);
                Ok(match states.as_ref().map(|states| states.try_search_fwd(&from_start)) {
                    Some(Ok(found)) => found.is_some(),
                    // There is no table, or it does not know what a byte of this text is.
                    _ => regex.is_match(text),
                })
            }
            Self::Backtracking(regex) => regex.is_match(text).map_err(too_long),
        }
    }

    fn replace_all<'t>(&self, text: &'t str, replacement: &str) -> Result<Cow<'t, str>> {
        match self {
            Self::Linear { regex, .. } => Ok(regex.replace_all(text, replacement)),
            Self::Backtracking(regex) => regex.try_replacen(text, 0, replacement).map_err(too_long),
        }
    }

    fn find_at(&self, text: &str, start: usize) -> Result<Option<Range<usize>>> {
        match self {
            Self::Linear { regex, .. } => Ok(regex.find_at(text, start).map(|found| found.range())),
            Self::Backtracking(regex) => {
                Ok(regex.find_from_pos(text, start).map_err(too_long)?.map(|found| found.range()))
            }
        }
    }

    fn first<'t>(&self, text: &'t str, group: usize) -> Result<Option<&'t str>> {
        Ok(match self {
            Self::Linear { regex, .. } if group == 0 => regex.find(text).map(|found| found.as_str()),
            Self::Linear { regex, .. } => {
                regex.captures(text).and_then(|found| found.get(group)).map(|found| found.as_str())
            }
            Self::Backtracking(regex) => {
                let found = regex.captures(text).map_err(too_long)?;
                found.and_then(|found| found.get(group)).map(|found| found.as_str())
            }
        })
    }

    fn all<'t>(&self, text: &'t str, group: usize) -> Result<Vec<Option<&'t str>>> {
        match self {
            Self::Linear { regex, .. } => {
                let found = regex.captures_iter(text).map(|found| found.get(group).map(|found| found.as_str()));
                Ok(found.collect())
            }
            Self::Backtracking(regex) => {
                let found = regex.captures_iter(text);
                found.map(|found| Ok(found.map_err(too_long)?.get(group).map(|found| found.as_str()))).collect()
            }
        }
    }

    fn split<'t>(&self, text: &'t str) -> Result<Vec<&'t str>> {
        match self {
            Self::Linear { regex, .. } => Ok(regex.split(text).collect()),
            Self::Backtracking(regex) => regex.split(text).map(|part| part.map_err(too_long)).collect(),
        }
    }
}

fn wrong(text: &str, error: &dyn std::fmt::Display) -> DataFusionError {
    exec_datafusion_err!("the pattern '{text}' is wrong: {error}")
}

fn too_long(error: fancy_regex::Error) -> DataFusionError {
    exec_datafusion_err!("the embedded engine gave up on a pattern with look-around or $: {error}")
}

/// The states of a pattern that matches only from a text's start; `None` where they are many.
fn states(text: &str) -> Option<Box<dense::DFA<Vec<u32>>>> {
    let nfa = NFA::new(text).ok().filter(NFA::is_always_start_anchored)?;
    let config = dense::Config::new().start_kind(StartKind::Anchored);
    let config = config.dfa_size_limit(Some(MOST_STATES)).determinize_size_limit(Some(2 * MOST_STATES));
    dense::Builder::new().configure(config).build_from_nfa(&nfa).ok().map(Box::new)
}

/// Whether a pattern has look-around, a back reference, `(?>` or a possessive quantifier (`a++`, which would else mean `(a+)+`).
fn needs_backtracking(pattern: &str) -> bool {
    let mut chars = pattern.chars().peekable();
    let (mut classes, mut is_quantified) = (0, false);
    while let Some(c) = chars.next() {
        let was_quantified = std::mem::take(&mut is_quantified);
        match c {
            '\\' if chars
                .next()
                .is_some_and(|escaped| classes == 0 && (escaped.is_ascii_digit() || escaped == 'k')) =>
            {
                return true;
            }
            '[' => classes += 1,
            ']' if classes > 0 => classes -= 1,
            _ if classes > 0 => {}
            '(' if chars.next_if_eq(&'?').is_some() => {
                let is_behind = chars.next_if_eq(&'<').is_some();
                match chars.peek() {
                    Some('=' | '!') => return true,
                    Some('>') if !is_behind => return true,
                    _ => {}
                }
            }
            '+' if was_quantified => return true,
            '*' | '+' | '?' => is_quantified = !was_quantified,
            '{' => is_quantified = skip_counts(&mut chars),
            _ => {}
        }
    }
    false
}

/// A pattern whose `$` matches before a line end at the text's end, too; `None` where it has no `$`, or where `$` is the end
/// of each line.
fn before_line_end(pattern: &str) -> Option<String> {
    let mut text = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    let (mut classes, mut has_any) = (0, false);
    while let Some(c) = chars.next() {
        match c {
            '\\' => {
                text.push(c);
                text.extend(chars.next());
                continue;
            }
            '(' if classes == 0 && sets_lines(chars.as_str()) => return None,
            '[' => classes += 1,
            ']' if classes > 0 => classes -= 1,
            '$' if classes == 0 => {
                text.push_str(r"(?=\n?\z)");
                has_any = true;
                continue;
            }
            _ => {}
        }
        text.push(c);
    }
    has_any.then_some(text)
}

/// Whether what follows a parenthesis is `?m)`, `?im:` and the like.
fn sets_lines(rest: &str) -> bool {
    let flags = rest.strip_prefix('?').unwrap_or_default();
    flags.chars().take_while(char::is_ascii_alphabetic).any(|c| c == 'm')
}

/// Skips `2,3}` behind a `{`; whether it was that.
fn skip_counts(chars: &mut Peekable<Chars<'_>>) -> bool {
    let mut digits = 0;
    while chars.next_if(|c| c.is_ascii_digit() || *c == ',').is_some() {
        digits += 1;
    }
    digits > 0 && chars.next_if_eq(&'}').is_some()
}

/// An escape that Java and the backtracking crate may read differently.
fn foreign_escape(pattern: &str) -> Option<String> {
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(escaped) = (c == '\\').then(|| chars.next()).flatten() else { continue };
        let is_same = match escaped {
            '1'..='9' => !chars.peek().is_some_and(char::is_ascii_digit),
            'b' | 'B' | 'A' | 'z' | 't' | 'n' | 'r' | 'f' | 'k' => true,
            _ => !escaped.is_alphanumeric(),
        };
        if !is_same {
            return Some(format!("\\{escaped}"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_of_states_says_what_the_pattern_says() {
        let patterns = [
            r"^[0-9]{1,3}([.][0-9]+)?$",
            r"^a|b$",
            r"^(?:a|b)",
            r"^\d+$",
            r"^\w+\b",
            r"^.$",
            r"(?m)^b$",
            "^",
            r"^\s*$",
        ];
        let tables = patterns.map(|pattern| states(pattern).is_some());
        assert_eq!(tables, [true, false, true, true, false, true, false, true, true]);
        for pattern in patterns {
            let (with_table, without) = (Pattern::new(pattern).unwrap(), Regex::new(pattern).unwrap());
            for text in
                ["", "1", "12.5", "1234", "12.", "a", "b", "xb", "a\nb", "\u{663}", "ä", " \u{2003}", "1\n", "aé x"]
            {
                assert_eq!(with_table.usual.is_match(text).unwrap(), without.is_match(text), "{pattern} of {text:?}");
            }
        }
    }

    #[test]
    fn what_needs_backtracking_is_seen() {
        for pattern in [
            "a(?=b)",
            "a(?!b)",
            "(?<=a)b",
            "(?<!a)b",
            "(?>a)b",
            r"(a)\1",
            r"(?<n>a)\k<n>",
            "a++b",
            "a*+",
            "a?+",
            "a{2}+b",
            "[b]++",
        ] {
            assert!(needs_backtracking(pattern), "{pattern}");
        }
        for pattern in [
            "a+?", "a*?", "a??", r"a\++", r"\\1", r"[+]+", "(?i)a", "(?:a)+", "(?<n>a)+", "(?P<n>a)", "a{2}b+", "a}+",
            "[(?=]", r"[^\]]+", "a{,}", "(a+)+",
        ] {
            assert!(!needs_backtracking(pattern), "{pattern}");
        }
    }

    #[test]
    fn the_end_may_be_before_a_line_end() {
        for (pattern, text, expected) in [
            ("^a$", "a\n", true),
            ("^a$", "a\n\n", false),
            ("^a$", "a\nb", false),
            ("(?m)^a$", "a\nb\n", true),
            (r"^a\$", "a\n", false),
            ("[$]$", "$\n", true),
            (r"^\(?mm\)?$", "(mm)\n", true),
            (r"^a\z", "a\n", false),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().is_match(text).unwrap(), expected, "{pattern} of {text:?}");
        }
        let (letters, text) = (Pattern::new(r"^\pL+$").unwrap(), "é\n");
        assert!(letters.is_match("é").unwrap());
        assert!(letters.is_match(text).unwrap_err().to_string().contains(r"does not know \p"));
    }
}
