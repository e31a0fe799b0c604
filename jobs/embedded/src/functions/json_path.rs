//! `json_value`, `json_query` and `json_exists` with paths of SQL's standard, in lax mode: `lax $.a[0]."b c"[*]`. A path of
//! another form is refused.

use super::Family;
use super::function::{Gives, Memo, Takes, collect, function, text_at, texts};
use super::json::{Entries, array, canonical, scalar};
use datafusion::arrow::array::{Array, ArrayRef, BooleanArray, StringViewArray};
use datafusion::common::{Result, exec_err};
use serde_json::value::RawValue;

/// The functions of this family.
pub(super) fn functions() -> Family {
    use Takes::Text;
    vec![
        function("json_value", &[Text, Text], Gives::Text, |args| {
            found(args, |items| match items.as_deref() {
                Some([item]) if !item.starts_with(['{', '[']) => number_or_scalar(item),
                _ => Ok(None),
            })
        }),
        function("json_query", &[Text, Text], Gives::Text, |args| {
            found(args, |items| match items.as_deref() {
                Some([item]) => canonical(item, false).map(Some),
                _ => Ok(None),
            })
        }),
        function("json_exists", &[Text, Text], Gives::Bool, json_exists),
    ]
}

/// One step of a path.
#[derive(Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
    /// `[*]`
    Items,
}

fn parse(path: &str) -> Result<Vec<Step>> {
    let refused = || exec_err!("the embedded engine has no JSON path '{path}': it has 'lax $.a[0].\"b c\"[*]'");
    let Some(mut rest) = path.trim().strip_prefix("lax").and_then(|rest| rest.trim_start().strip_prefix('$')) else {
        return refused();
    };
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let step;
        if let Some(quoted) = rest.strip_prefix(".\"") {
            let Some((name, tail)) = quoted.split_once('"') else { return refused() };
            (step, rest) = (Step::Key(name.to_owned()), tail);
        } else if let Some(name) = rest.strip_prefix('.') {
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
            if name.starts_with(|c: char| c.is_ascii_digit()) || end == 0 {
                return refused();
            }
            (step, rest) = (Step::Key(name[..end].to_owned()), &name[end..]);
        } else {
            let Some((index, tail)) = rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
                return refused();
            };
            step = match index.trim() {
                "*" => Step::Items,
                index => match index.parse() {
                    Ok(index) => Step::Index(index),
                    Err(_) => return refused(),
                },
            };
            rest = tail;
        }
        steps.push(step);
    }
    Ok(steps)
}

/// What a path finds; none where the text is no JSON. In lax mode an array stands for its items, and a value for an array of it.
fn walk<'a>(json: &'a str, steps: &[Step]) -> Option<Vec<&'a str>> {
    let mut items = vec![serde_json::from_str::<&RawValue>(json).ok()?.get()];
    for step in steps {
        items = items.into_iter().flat_map(|item| stepped(item, step)).collect();
    }
    Some(items)
}

fn stepped<'a>(item: &'a str, step: &Step) -> Vec<&'a str> {
    let inner = || array(item).map(|items| items.into_iter().map(RawValue::get).collect::<Vec<_>>());
    match step {
        Step::Items => inner().unwrap_or_else(|| vec![item]),
        Step::Index(at) => inner().unwrap_or_else(|| vec![item]).get(*at).copied().into_iter().collect(),
        Step::Key(name) => {
            let members = inner().unwrap_or_else(|| vec![item]);
            let of = |member: &'a str| {
                let entries: Option<Entries<'a>> = serde_json::from_str(member).ok();
                // Of equal keys the last one counts.
                entries?.0.into_iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.get())
            };
            members.into_iter().filter_map(of).collect()
        }
    }
}

fn found(args: &[ArrayRef], of: fn(Option<Vec<&str>>) -> Result<Option<String>>) -> Result<ArrayRef> {
    let (json, path) = (texts(args, 0)?, texts(args, 1)?);
    let mut steps = Memo::new();
    collect::<StringViewArray, _>(json.len(), |row| {
        let (Some(json), Some(path)) = (text_at(json, row), text_at(path, row)) else { return Ok(None) };
        of(walk(json, steps.get(path, parse)?))
    })
}

fn number_or_scalar(item: &str) -> Result<Option<String>> {
    let text = scalar(item);
    match &text {
        Some(number) if !item.starts_with('"') && number.contains(['e', 'E']) => {
            exec_err!("the embedded engine has no json_value of {number}: write json_extract_scalar")
        }
        _ => Ok(text),
    }
}

fn json_exists(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (json, path) = (texts(args, 0)?, texts(args, 1)?);
    let mut steps = Memo::new();
    collect::<BooleanArray, _>(json.len(), |row| {
        let (Some(json), Some(path)) = (text_at(json, row), text_at(path, row)) else { return Ok(None) };
        Ok(Some(walk(json, steps.get(path, parse)?).is_some_and(|items| !items.is_empty())))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn a_lax_path_finds_values() {
        let json = r#"'{"a":1,"b":[{"c":"x"},{"c":"y"}],"d e":1.50,"n":null}'"#;
        for (expression, expected) in [
            ("json_value(j, 'lax $.a')", "1"),
            ("json_value(j, 'lax $.b[1].c')", "y"),
            ("json_value(j, 'lax $.\"d e\"')", "1.50"),
            ("json_query(j, 'lax $.b[0]')", r#"{"c":"x"}"#),
            ("json_query(j, 'lax $.b[0].c')", r#""x""#),
            ("json_exists(j, 'lax $.n')", "true"),
            ("json_exists(j, 'lax $.z')", "false"),
            ("json_value(j, 'lax $.b') IS NULL", "true"),
            ("json_value(j, 'lax $.b.c') IS NULL", "true"),
            ("json_value(j, 'lax $.n') IS NULL", "true"),
            ("json_query(j, 'lax $.b.c') IS NULL", "true"),
            ("json_value('no JSON', 'lax $.a') IS NULL", "true"),
        ] {
            assert_eq!(
                answer(&format!("SELECT {expression} FROM (VALUES ({json})) AS t(j)")),
                expected,
                "{expression}"
            );
        }
        assert!(answer("SELECT json_value('{}', 'strict $.a')").contains("no JSON path 'strict $.a'"));
    }
}
