//! Where in a query an error is, as Trino says it: `line 1:8: `.

use datafusion::sql::sqlparser::tokenizer::{Location, Span};

/// `line 1:8: `, or nothing where the place is not known.
pub(super) fn place(span: Span) -> String {
    at(span.start)
}

fn at(place: Location) -> String {
    if place.line == 0 { String::new() } else { format!("line {}:{}: ", place.line, place.column) }
}

/// The place of an operator, written in capitals, between two operands, or else of the first one.
pub(super) fn place_between(sql: &str, left: Span, operator: &str, right: Span) -> String {
    // Not equal is written in two ways.
    let spelled = [operator, if operator == "<>" { "!=" } else { operator }];
    let behind = || {
        let text = text_from(sql, left.end)?;
        let skipped = text.find(|c: char| !(c.is_whitespace() || c == ')'))?;
        let rest = text[skipped..].to_uppercase();
        spelled.iter().any(|operator| rest.starts_with(operator)).then(|| moved(left.end, &text[..skipped]))
    };
    let before = || {
        let start = text_before(sql, right.start)?;
        let end = start.trim_end_matches(|c: char| c.is_whitespace() || c == '(').len();
        let head = &start[..end];
        let at = head.len().checked_sub(operator.len())?;
        spelled.contains(&head.get(at..)?.to_uppercase().as_str()).then(|| moved(Location::new(1, 1), &sql[..at]))
    };
    match behind().or_else(before) {
        Some(location) => at(location),
        None => at(left.start),
    }
}

/// The place of the word before a parenthesis, as of `CAST(x`, where `x` is known to begin; or that of `x`.
pub(super) fn place_of_call(sql: &str, argument: Span) -> String {
    let word = || {
        let head = text_before(sql, argument.start)?;
        let head = head.trim_end_matches(|c: char| c.is_whitespace() || c == '(');
        let start = head.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_').len();
        (start < head.len()).then(|| moved(Location::new(1, 1), &sql[..start]))
    };
    at(word().unwrap_or(argument.start))
}

/// The byte at which a place begins. `None`: the text has no such line, or the place is not known.
pub(crate) fn offset(sql: &str, place: Location) -> Option<usize> {
    let line = usize::try_from(place.line.checked_sub(1)?).ok()?;
    let column = usize::try_from(place.column.checked_sub(1)?).ok()?;
    let start: usize = sql.split_inclusive('\n').take(line).map(str::len).sum();
    let within = sql.get(start..)?.char_indices().nth(column).map_or(sql.len() - start, |(at, _)| at);
    Some(start + within)
}

fn text_from(sql: &str, place: Location) -> Option<&str> {
    sql.get(offset(sql, place)?..)
}

fn text_before(sql: &str, place: Location) -> Option<&str> {
    sql.get(..offset(sql, place)?)
}

/// The place behind a text that begins at a place.
fn moved(place: Location, text: &str) -> Location {
    let lines = text.matches('\n').count() as u64;
    let last = text.rsplit('\n').next().unwrap_or(text).chars().count() as u64;
    let column = if lines == 0 { place.column + last } else { last + 1 };
    Location::new(place.line + lines, column)
}
