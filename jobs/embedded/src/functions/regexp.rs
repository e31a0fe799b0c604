//! `regexp_like` and `regexp_replace` with patterns that are compiled once a thread.
//!
//! DataFusion compiles a pattern for each batch of rows, which takes longer than to match the few rows of a batch that need it.
//! A pattern that matches only from a text's start becomes a table of states where that is small: a short text is then
//! matched in a fraction of the time.

use super::Family;
use super::function::{Gives, Takes, collect, function, int_at, ints, text_at, texts, with_optional};
use crate::dialect::patterns::ascii_classes;
use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, Int64Array, ListBuilder, StringViewArray, StringViewBuilder,
};
use datafusion::common::{Result, exec_datafusion_err, exec_err};
use regex::Regex;
use regex_automata::dfa::{Automaton, StartKind, dense};
use regex_automata::nfa::thompson::NFA;
use regex_automata::{Anchored, Input};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// Patterns that a thread keeps.
const MOST_KEPT: usize = 32;

/// Bytes that a pattern's table of states may take, and twice as many while it is made.
const MOST_STATES: usize = 1 << 18;

thread_local! {
    /// The pattern that was used last is the last one.
    static KEPT: RefCell<Vec<(String, Rc<Pattern>)>> = const { RefCell::new(Vec::new()) };
}

struct Pattern {
    regex: Regex,
    states: Option<dense::DFA<Vec<u32>>>,
}

impl Pattern {
    fn new(text: &str) -> Result<Self, regex::Error> {
        Ok(Self { regex: Regex::new(text)?, states: states(text) })
    }

    /// The number of a group that there is.
    fn group(&self, group: i64) -> Result<usize> {
        let count = self.regex.captures_len() as i64 - 1;
        match usize::try_from(group) {
            Ok(number) if group <= count => Ok(number),
            _ => exec_err!("Pattern has {count} groups. Cannot access group {group}"),
        }
    }

    fn is_match(&self, text: &str) -> bool {
        let from_start = Input::new(text).anchored(Anchored::Yes).earliest(true);
        match self.states.as_ref().map(|states| states.try_search_fwd(&from_start)) {
            Some(Ok(found)) => found.is_some(),
            // There is no table, or it does not know what a byte of this text is.
            _ => self.regex.is_match(text),
        }
    }
}

/// The states of a pattern that matches only from a text's start; `None` where they are many.
fn states(text: &str) -> Option<dense::DFA<Vec<u32>>> {
    let nfa = NFA::new(text).ok().filter(NFA::is_always_start_anchored)?;
    let config = dense::Config::new().start_kind(StartKind::Anchored);
    let config = config.dfa_size_limit(Some(MOST_STATES)).determinize_size_limit(Some(2 * MOST_STATES));
    dense::Builder::new().configure(config).build_from_nfa(&nfa).ok()
}

/// The functions of this family.
pub(super) fn functions() -> Family {
    use Takes::{Int, Text};
    vec![
        function("regexp_like", &[Text, Text], Gives::Bool, regexp_like),
        function("regexp_replace", &[Text, Text, Text], Gives::Text, regexp_replace),
        with_optional("regexp_extract", &[Text, Text, Int], 2, Gives::Text, regexp_extract),
        with_optional("regexp_extract_all", &[Text, Text, Int], 2, Gives::Texts, regexp_extract_all),
        function("regexp_split", &[Text, Text], Gives::Texts, regexp_split),
        with_optional("regexp_position", &[Text, Text, Int, Int], 2, Gives::Int, regexp_position),
        // `dialect` calls it for patterns that it does not know.
        function("ascii_classes", &[Text], Gives::Text, |args| {
            let patterns = texts(args, 0)?;
            collect::<StringViewArray, _>(patterns.len(), |row| Ok(text_at(patterns, row).map(ascii_classes)))
        }),
    ]
}

fn regexp_like(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, mut patterns) = (texts(args, 0)?, Patterns::new(texts(args, 1)?));
    let (mut matches, mut valid) = (Vec::with_capacity(values.len()), Vec::with_capacity(values.len()));
    for row in 0..values.len() {
        let found = match (text_at(values, row), patterns.get(row)?) {
            (Some(value), Some(pattern)) => Some(pattern.is_match(value)),
            _ => None,
        };
        matches.push(found.unwrap_or_default());
        valid.push(found.is_some());
    }
    Ok(Arc::new(BooleanArray::new(matches.into(), Some(valid.into()))))
}

/// Every match is replaced; `$1` or `${1}` stands for a group.
fn regexp_replace(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, mut patterns, replacements) = (texts(args, 0)?, Patterns::new(texts(args, 1)?), texts(args, 2)?);
    collect::<StringViewArray, _>(values.len(), |row| {
        let value = text_at(values, row).zip(text_at(replacements, row));
        let (Some((value, replacement)), Some(pattern)) = (value, patterns.get(row)?) else { return Ok(None) };
        Ok(Some(pattern.regex.replace_all(value, replacement)))
    })
}

/// The first match of a pattern, or a group of it.
fn regexp_extract(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, mut patterns) = (texts(args, 0)?, Patterns::new(texts(args, 1)?));
    let groups = args.get(2).map(|_| ints(args, 2)).transpose()?;
    collect::<StringViewArray, _>(values.len(), |row| {
        let group = groups.map_or(Some(0), |groups| int_at(groups, row));
        let (Some(value), Some(group), Some(pattern)) = (text_at(values, row), group, patterns.get(row)?) else {
            return Ok(None);
        };
        let group = pattern.group(group)?;
        let found = match group {
            0 => pattern.regex.find(value),
            _ => pattern.regex.captures(value).and_then(|found| found.get(group)),
        };
        Ok(found.map(|found| found.as_str()))
    })
}

/// All matches of a pattern, or a group of each.
fn regexp_extract_all(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, mut patterns) = (texts(args, 0)?, Patterns::new(texts(args, 1)?));
    let groups = args.get(2).map(|_| ints(args, 2)).transpose()?;
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    for row in 0..values.len() {
        let group = groups.map_or(Some(0), |groups| int_at(groups, row));
        let (Some(value), Some(group), Some(pattern)) = (text_at(values, row), group, patterns.get(row)?) else {
            lists.append_null();
            continue;
        };
        let group = pattern.group(group)?;
        for found in pattern.regex.captures_iter(value) {
            lists.values().append_option(found.get(group).map(|found| found.as_str()));
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// What stands between the matches of a pattern.
fn regexp_split(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, mut patterns) = (texts(args, 0)?, Patterns::new(texts(args, 1)?));
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    for row in 0..values.len() {
        let (Some(value), Some(pattern)) = (text_at(values, row), patterns.get(row)?) else {
            lists.append_null();
            continue;
        };
        if pattern.regex.is_match("") {
            return exec_err!("the embedded engine does not split by a pattern that matches nothing at all");
        }
        pattern.regex.split(value).for_each(|part| lists.values().append_value(part));
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// Where a match begins, counted in characters from one: the first, or that with a number, from a place on. -1: nowhere.
fn regexp_position(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, mut patterns) = (texts(args, 0)?, Patterns::new(texts(args, 1)?));
    let count = |at: usize| args.get(at).map(|_| ints(args, at)).transpose();
    let (starts, numbers) = (count(2)?, count(3)?);
    collect::<Int64Array, _>(values.len(), |row| {
        let at = |counts: Option<&Int64Array>| counts.map_or(Some(1), |counts| int_at(counts, row));
        let (Some(value), Some(start), Some(number)) = (text_at(values, row), at(starts), at(numbers)) else {
            return Ok(None);
        };
        let Some(pattern) = patterns.get(row)? else { return Ok(None) };
        let (Some(start), Some(number)) = (positive(start), positive(number)) else {
            return exec_err!("regexp_position counts places and matches from 1");
        };
        let Some((from, _)) = value.char_indices().nth(start) else { return Ok(Some(-1)) };
        let found = pattern.regex.find_iter(&value[from..]).nth(number);
        Ok(Some(found.map_or(-1, |found| value[..from + found.start()].chars().count() as i64 + 1)))
    })
}

/// A count from one as a count from zero.
fn positive(count: i64) -> Option<usize> {
    usize::try_from(count).ok()?.checked_sub(1)
}

/// A column of patterns, which are mostly all the same.
struct Patterns<'a> {
    texts: &'a StringViewArray,
    last: Option<(&'a str, Rc<Pattern>)>,
}

impl<'a> Patterns<'a> {
    fn new(texts: &'a StringViewArray) -> Self {
        Self { texts, last: None }
    }

    fn get(&mut self, row: usize) -> Result<Option<&Pattern>> {
        let Some(text) = text_at(self.texts, row) else { return Ok(None) };
        if self.last.as_ref().is_none_or(|(last, _)| !std::ptr::eq(*last, text) && *last != text) {
            self.last = Some((text, compiled(text)?));
        }
        Ok(self.last.as_ref().map(|(_, pattern)| &**pattern))
    }
}

fn compiled(text: &str) -> Result<Rc<Pattern>> {
    KEPT.with_borrow_mut(|kept| {
        let known = kept.iter().position(|(known, _)| known == text);
        let entry = match known {
            Some(at) => kept.remove(at),
            None => {
                let pattern = Pattern::new(text);
                let pattern =
                    pattern.map_err(|error| exec_datafusion_err!("the pattern '{text}' is wrong: {error}"))?;
                (text.to_owned(), Rc::new(pattern))
            }
        };
        if kept.len() == MOST_KEPT {
            kept.remove(0);
        }
        let pattern = Rc::clone(&entry.1);
        kept.push(entry);
        Ok(pattern)
    })
}

#[cfg(test)]
mod tests {
    use super::{Pattern, states};
    use crate::functions::testing::answer;
    use regex::Regex;

    #[test]
    fn every_match_is_replaced_and_patterns_may_differ_by_row() {
        let rows = "(VALUES ('a1b22', '[0-9]+', '<$0>'), ('a1b22', 'b', 'x'), (NULL, 'b', 'x'), ('a', NULL, 'x')) AS t(v, p, r)";
        let sql = format!("SELECT array_join(array_agg(coalesce(regexp_replace(v, p, r), '~')), ' ') FROM {rows}");
        assert_eq!(answer(&sql), "a<1>b<22> a1x22 ~ ~");
        let sql = format!("SELECT count_if(regexp_like(v, p)), count(regexp_like(v, p)) FROM {rows}");
        assert_eq!(answer(&sql), "2");
    }

    #[test]
    fn more_patterns_than_are_kept_are_compiled_again() {
        let sql = "SELECT sum(IF(regexp_like(CAST(n AS varchar), '^' || CAST(n % 40 AS varchar) || '$'), 1, 0))
                   FROM UNNEST(sequence(0, 79)) AS t(n)";
        assert_eq!(answer(sql), "40");
    }

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
                assert_eq!(with_table.is_match(text), without.is_match(text), "{pattern} of {text:?}");
            }
        }
    }

    #[test]
    fn matches_are_found_and_parted() {
        for (expression, expected) in [
            (r"regexp_extract_all('1a2b', '\d')", "[1, 2]"),
            (r"regexp_extract_all('1a2b', '(\d)([a-z])', 2)", "[a, b]"),
            (r"regexp_extract_all('1a2', '(\d)', 2)", "Pattern has 1 groups. Cannot access group 2"),
            (r"regexp_extract('1a2', '\d', 1)", "Pattern has 0 groups. Cannot access group 1"),
            (r"regexp_split('1a 2b', '\s*[a-z]\s*')", "[1, 2, ]"),
            (r"regexp_position('abc1', '\d')", "4"),
            (r"regexp_position('é1é1', '\d', 3)", "4"),
            (r"regexp_position('abc', '\d')", "-1"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
    }

    #[test]
    fn a_wrong_pattern_is_named() {
        assert!(answer("SELECT regexp_like('a', '(')").contains("the pattern '(' is wrong"));
    }
}
