//! Functions with regular expressions: Java's patterns and replacements as Rust writes them.

use super::build::{call, null, text};
use super::calls::{exactly, take};
use anyhow::{Result, bail};
use datafusion::sql::sqlparser::ast::{Expr, Function, Value};

/// `\d`, `\s` and `\w` mean ASCII in Trino, and any script in Rust. In brackets they are the same in and out of a class.
pub(crate) fn ascii_classes(pattern: &str) -> String {
    let mut ascii = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let escaped = if c == '\\' { chars.next() } else { None };
        match escaped {
            Some('d') => ascii.push_str("[0-9]"),
            Some('D') => ascii.push_str("[^0-9]"),
            Some('s') => ascii.push_str("[\\t-\\r ]"),
            Some('S') => ascii.push_str("[^\\t-\\r ]"),
            Some('w') => ascii.push_str("[0-9A-Za-z_]"),
            Some('W') => ascii.push_str("[^0-9A-Za-z_]"),
            Some(other) => ascii.extend([c, other]),
            None => ascii.push(c),
        }
    }
    ascii
}

fn with_ascii_classes(pattern: &mut Expr) {
    match pattern {
        Expr::Value(value) => {
            if let Value::SingleQuotedString(pattern) = &mut value.value {
                *pattern = ascii_classes(pattern);
            }
        }
        // A pattern that is not known yet is rewritten row by row.
        computed => *computed = call("ascii_classes", vec![std::mem::replace(computed, null())]),
    }
}

pub(super) fn regexp_like(mut function: Function) -> Result<Expr> {
    let [value, mut pattern] = exactly::<2>(&mut function)?;
    with_ascii_classes(&mut pattern);
    Ok(call("regexp_like", vec![value, pattern]))
}

/// Any other function whose second argument is a pattern.
pub(super) fn with_pattern(mut function: Function) -> Result<Expr> {
    let name = function.name.to_string();
    let mut args = take(&mut function)?;
    match args.get_mut(1) {
        Some(pattern) => with_ascii_classes(pattern),
        None => bail!("{name} takes a text and a pattern"),
    }
    Ok(call(&name, args))
}

/// Trino replaces every match, and writes a group `$1`.
pub(super) fn regexp_replace(mut function: Function) -> Result<Expr> {
    let mut args = take(&mut function)?;
    match args.as_mut_slice() {
        [_, _] => args.push(text("")),
        [_, _, Expr::Value(replacement)] => {
            if let Value::SingleQuotedString(replacement) = &mut replacement.value {
                *replacement = braced_groups(replacement);
            }
        }
        [_, _, _] => {}
        _ => bail!("regexp_replace takes a text, a pattern and a replacement"),
    }
    with_ascii_classes(&mut args[1]);
    Ok(call("regexp_replace", args))
}

/// `$1st` means group 1 and then "st" in Java, and a group called `1st` in Rust, unless it is `${1}st`.
fn braced_groups(replacement: &str) -> String {
    let mut braced = String::new();
    let mut chars = replacement.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('\\', Some('$')) => {
                chars.next();
                braced.push_str("$$");
            }
            ('\\', Some(escaped)) => {
                chars.next();
                braced.push(escaped);
            }
            ('$', Some(digit)) if digit.is_ascii_digit() => {
                chars.next();
                braced.push_str(&format!("${{{digit}}}"));
            }
            _ => braced.push(c),
        }
    }
    braced
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::answer;

    #[test]
    fn groups_of_a_replacement_are_braced() {
        assert_eq!(braced_groups("$1st \\$ $2"), "${1}st $$ ${2}");
    }

    #[test]
    fn classes_of_characters_are_ascii() {
        assert_eq!(ascii_classes(r"^\d[\s,]\\w\.\b"), r"^[0-9][[\t-\r ],]\\w\.\b");
        assert_eq!(
            answer("SELECT regexp_like('é', '\\w') OR regexp_like('١', '[\\d]') OR regexp_like(U&'\\00A0', '\\s')"),
            "false"
        );
        assert_eq!(answer("SELECT regexp_replace(U&'a\\000B1 b', '[\\d\\s]+\\w', '<$0>')"), "a<\u{b}1 b>");
    }
}
