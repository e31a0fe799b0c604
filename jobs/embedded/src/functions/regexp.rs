//! The functions of regular expressions, with patterns that are compiled once a thread.
//!
//! DataFusion compiles a pattern for each batch of rows, which takes longer than to match the few rows of a batch that need it.

use super::Family;
use super::function::{Gives, Takes, collect, function, int_at, ints, text_at, texts, with_optional};
use super::pattern::Pattern;
use crate::dialect::patterns::ascii_classes;
use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, Int32Array, Int64Array, ListBuilder, StringViewArray, StringViewBuilder,
};
use datafusion::common::{Result, exec_err};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// Patterns that a thread keeps.
const MOST_KEPT: usize = 32;

thread_local! {
    /// The pattern that was used last is the last one.
    static KEPT: RefCell<Vec<(String, Rc<Pattern>)>> = const { RefCell::new(Vec::new()) };
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
        with_optional("regexp_position", &[Text, Text, Int, Int], 2, Gives::Integer, regexp_position),
        function("regexp_count", &[Text, Text], Gives::Int, regexp_count),
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
            (Some(value), Some(pattern)) => Some(pattern.is_match(value)?),
            _ => None,
        };
        matches.push(found.unwrap_or_default());
        valid.push(found.is_some());
    }
    Ok(Arc::new(BooleanArray::new(matches.into(), Some(valid.into()))))
}

fn regexp_count(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, mut patterns) = (texts(args, 0)?, Patterns::new(texts(args, 1)?));
    collect::<Int64Array, _>(values.len(), |row| match (text_at(values, row), patterns.get(row)?) {
        (Some(value), Some(pattern)) => Ok(Some(pattern.all(value, 0)?.len() as i64)),
        _ => Ok(None),
    })
}

/// Every match is replaced; `$1` or `${1}` stands for a group.
fn regexp_replace(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, mut patterns, replacements) = (texts(args, 0)?, Patterns::new(texts(args, 1)?), texts(args, 2)?);
    collect::<StringViewArray, _>(values.len(), |row| {
        let value = text_at(values, row).zip(text_at(replacements, row));
        let (Some((value, replacement)), Some(pattern)) = (value, patterns.get(row)?) else { return Ok(None) };
        pattern.replace_all(value, replacement).map(Some)
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
        pattern.first(value, pattern.group(group)?)
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
        for found in pattern.all(value, pattern.group(group)?)? {
            lists.values().append_option(found);
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
        if pattern.is_match("")? {
            return exec_err!("the embedded engine does not split by a pattern that matches nothing at all");
        }
        pattern.split(value)?.into_iter().for_each(|part| lists.values().append_value(part));
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// Where a match begins, counted in characters from one: the first, or that with a number, from a place on. -1: nowhere.
fn regexp_position(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, mut patterns) = (texts(args, 0)?, Patterns::new(texts(args, 1)?));
    let count = |at: usize| args.get(at).map(|_| ints(args, at)).transpose();
    let (starts, numbers) = (count(2)?, count(3)?);
    collect::<Int32Array, _>(values.len(), |row| {
        let at = |counts: Option<&Int64Array>| counts.map_or(Some(1), |counts| int_at(counts, row));
        let (Some(value), Some(start), Some(number)) = (text_at(values, row), at(starts), at(numbers)) else {
            return Ok(None);
        };
        let Some(pattern) = patterns.get(row)? else { return Ok(None) };
        let (Some(start), Some(number)) = (positive(start), positive(number)) else {
            return exec_err!("regexp_position counts places and matches from 1");
        };
        let Some((mut from, _)) = value.char_indices().nth(start) else { return Ok(Some(-1)) };
        for _ in 0..number {
            match pattern.find_at(value, from)? {
                // A match of nothing is not found again at the same place.
                Some(found) => from = found.end + if found.is_empty() { next_char(value, found.end) } else { 0 },
                None => return Ok(Some(-1)),
            }
            if from > value.len() {
                return Ok(Some(-1));
            }
        }
        let found = pattern.find_at(value, from)?;
        Ok(Some(found.map_or(-1, |found| value[..found.start].chars().count() as i32 + 1)))
    })
}

/// How many bytes the character at a byte has; 1 behind the last one.
fn next_char(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
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
            None => (text.to_owned(), Rc::new(Pattern::new(text)?)),
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
    use crate::functions::testing::answer;

    #[test]
    fn a_line_end_may_stand_behind_the_end() {
        for (expression, expected) in [
            ("regexp_like('a' || chr(10), '^a$')", "true"),
            ("regexp_like('a' || chr(10) || chr(10), '^a$')", "false"),
            ("regexp_like('a' || chr(13) || chr(10), '^a$')", "false"),
            ("regexp_like('a' || chr(10), '(?m)^a$')", "true"),
            ("regexp_extract('ab' || chr(10), '.$')", "b"),
            ("regexp_like('$' || chr(10), '[$]$')", "true"),
            ("regexp_position('ab' || chr(10), 'b$')", "2"),
            ("regexp_count('ab' || chr(10), '[a-z]$')", "1"),
            ("length(regexp_replace('ab' || chr(10), '$', '!'))", "5"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
    }

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
            (r"regexp_position('abab', '^a|b', 2, 2)", "4"),
            (r"regexp_extract('price: 100', '(?<=price: )\d+')", "100"),
            (r"regexp_replace('aab', 'a(?!b)', 'x')", "xab"),
            (r"regexp_replace('hello', '(l)\1', '[$1]')", "he[l]o"),
            (r"regexp_extract_all('a1 b2 c', '[a-z](?=(\d))', 1)", "[1, 2]"),
            (r"regexp_split('aXbXc', '(?<!a)X')", "[aXb, c]"),
            (r"regexp_like('aaa', 'a++a')", "false"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
    }

    #[test]
    fn a_wrong_pattern_is_named() {
        assert!(answer("SELECT regexp_like('a', '(')").contains("the pattern '(' is wrong"));
        assert!(answer("SELECT regexp_like('a', '(?=\\h)')").contains("does not know \\h"));
        let slow = answer("SELECT regexp_like(array_join(repeat('a', 60), '') || 'b', '^((a|aa)(?!c))+$')");
        assert!(slow.contains("gave up on a pattern"), "{slow}");
    }
}
