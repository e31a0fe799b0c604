//! What is no TOML, told so that a person finds it.

use std::ops::Range;

use serde::de::IgnoredAny;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Error};

use crate::plans::fault::Faults;

/// What a plan file should be.
const EXPECTED: &str = "a plan file is TOML in UTF-8, such as jobs/invoice/plans.example.toml";

/// Whether a text may be TOML; notes what it is, if it is none.
pub(super) fn may_be_toml(text: &str, faults: &Faults) -> bool {
    let found = text.trim_start_matches('\u{feff}').trim();
    let problem = if found.is_empty() {
        "the file is empty"
    } else if found.contains('\0') {
        "the file seems to be UTF-16"
    } else if found.starts_with('{') || serde_json::from_str::<IgnoredAny>(found).is_ok() {
        "the file seems to be JSON"
    } else {
        return true;
    };
    faults.add(0, "", format!("{problem}: {EXPECTED}"));
    false
}

/// What a file is whose bytes are no UTF-8.
pub(super) fn no_utf8(content: &[u8]) -> String {
    let is_utf16 = content.starts_with(&[0xff, 0xfe]) || content.starts_with(&[0xfe, 0xff]);
    let problem = if is_utf16 { "the file seems to be UTF-16" } else { "the file is not UTF-8" };
    format!("{problem}: {EXPECTED}")
}

/// Notes an error of the syntax with its key, and with its value if that is a date which does not exist.
pub(super) fn note(error: &Error, text: &str, table: &DeTable<'_>, faults: &Faults) {
    let span = error.span().unwrap_or_default();
    let message = error.message().replace('\n', ", ");
    let value = text.get(span.clone()).unwrap_or_default();
    match message.strip_prefix("invalid date, ") {
        Some(expected) if !value.is_empty() => {
            let key = key_of_date(table, &span).unwrap_or_else(|| key_in_line(text, span.start).to_owned());
            faults.add(span.start, &key, format!("`{value}` is no date of the calendar: {expected}"));
        }
        _ => faults.add(span.start, key_in_line(text, span.start), message),
    }
}

/// The key of the date at a place of the text.
fn key_of_date(table: &DeTable<'_>, span: &Range<usize>) -> Option<String> {
    table.iter().find_map(|(key, value)| below(value, span).map(|path| format!("{}{path}", key.get_ref())))
}

/// The way from a value to the date at a place: `[0].from`, or nothing if it is the date itself.
fn below(value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<String> {
    match value.get_ref() {
        DeValue::Datetime(_) => (value.span() == *span).then(String::new),
        DeValue::Table(table) => key_of_date(table, span).map(|path| format!(".{path}")),
        DeValue::Array(array) => {
            let mut found = array.iter().enumerate().filter_map(|(at, value)| Some((at, below(value, span)?)));
            found.next().map(|(at, path)| format!("[{at}]{path}"))
        }
        _ => None,
    }
}

/// The key that the line of a byte gives a value to; empty if it gives none.
fn key_in_line(text: &str, at: usize) -> &str {
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let key = line.split_once('=').map(|(key, _)| key.trim()).unwrap_or_default();
    let is_bare = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if key.chars().all(is_bare) { key } else { "" }
}
