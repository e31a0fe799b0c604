//! Functions of text.

use super::Family;
use super::function::{Gives, Takes, collect, function, int_at, ints, text_at, texts, with_optional};
use datafusion::arrow::array::{Array, ArrayRef, ListBuilder, StringViewArray, StringViewBuilder};
use datafusion::common::{Result, exec_err};
use std::sync::Arc;

/// The functions of this family.
pub(super) fn functions() -> Family {
    use Takes::{Int, Text};
    vec![
        with_optional("split", &[Text, Text, Int], 2, Gives::Texts, split),
        function("split_part", &[Text, Text, Int], Gives::Text, split_part),
        with_optional("substr", &[Text, Int, Int], 2, Gives::Text, substr),
    ]
}

/// Splits at every separator; with a limit, the last part keeps the rest of the text.
fn split(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (text, separator) = (texts(args, 0)?, texts(args, 1)?);
    let limit = args.get(2).map(|_| ints(args, 2)).transpose()?;
    let mut lists = ListBuilder::new(StringViewBuilder::new());
    for row in 0..text.len() {
        let most = limit.map_or(Some(i64::MAX), |limit| int_at(limit, row));
        let (Some(text), Some(separator), Some(most)) = (text_at(text, row), text_at(separator, row), most) else {
            lists.append_null();
            continue;
        };
        if separator.is_empty() {
            return exec_err!("split: the separator may not be the empty string");
        }
        let Ok(most) = usize::try_from(most) else { return exec_err!("split: the limit must be positive") };
        text.splitn(most, separator).for_each(|part| lists.values().append_value(part));
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}

/// The part with a number, counted from one; NULL where the text has fewer parts.
fn split_part(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (text, separator, index) = (texts(args, 0)?, texts(args, 1)?, ints(args, 2)?);
    collect::<StringViewArray, _>(text.len(), |row| {
        let (Some(text), Some(separator), Some(index)) =
            (text_at(text, row), text_at(separator, row), int_at(index, row))
        else {
            return Ok(None);
        };
        let Some(skip) = index.checked_sub(1).and_then(|n| usize::try_from(n).ok()) else {
            return exec_err!("split_part: the index must be greater than zero");
        };
        Ok(if separator.is_empty() {
            text.char_indices().nth(skip).map(|(at, c)| &text[at..at + c.len_utf8()])
        } else {
            text.split(separator).nth(skip)
        })
    })
}

/// Characters from a position counted from one, or from the end where it is negative.
fn substr(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (text, start) = (texts(args, 0)?, ints(args, 1)?);
    let length = args.get(2).map(|_| ints(args, 2)).transpose()?;
    collect::<StringViewArray, _>(text.len(), |row| {
        let length = length.map_or(Some(i64::MAX), |length| int_at(length, row));
        let (Some(text), Some(start), Some(length)) = (text_at(text, row), int_at(start, row), length) else {
            return Ok(None);
        };
        Ok(Some(slice(text, start, length)))
    })
}

fn slice(text: &str, start: i64, length: i64) -> &str {
    let skip = match start {
        0 => return "",
        1.. => start - 1,
        _ => i64::try_from(text.chars().count()).unwrap_or(i64::MAX).saturating_add(start),
    };
    let (Ok(skip), Ok(length)) = (usize::try_from(skip), usize::try_from(length)) else { return "" };
    let mut bounds = text.char_indices().map(|(at, _)| at).chain([text.len()]).skip(skip);
    let Some(from) = bounds.next() else { return "" };
    match length.checked_sub(1) {
        None => "",
        Some(more) => &text[from..bounds.nth(more).unwrap_or(text.len())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::answer;

    #[test]
    fn substr_counts_code_points_from_either_end() {
        assert_eq!(slice("quadratically", 5, 6), "ratica");
        assert_eq!(slice("요청 기록", 4, i64::MAX), "기록");
        assert_eq!(slice("요청 기록", -2, 1), "기");
        assert_eq!(slice("abc", -4, 2), "");
        assert_eq!(slice("abc", 0, 2), "");
        assert_eq!(slice("abc", 4, 2), "");
        assert_eq!(slice("abc", 3, 100), "c");
        assert_eq!(slice("abc", 1, 0), "");
        assert_eq!(slice("abc", 1, -1), "");
    }

    #[test]
    fn a_part_that_is_not_there_is_null() {
        assert_eq!(answer("SELECT split_part('a/b', '/', 2)"), "b");
        assert_eq!(answer("SELECT split_part('a/b', '/', 3) IS NULL"), "true");
        assert_eq!(answer("SELECT split_part('a', '/', 0)"), "split_part: the index must be greater than zero");
    }

    #[test]
    fn a_limited_split_keeps_the_rest() {
        assert_eq!(answer("SELECT split('a.b.c', '.', 2)"), "[a, b.c]");
        assert_eq!(answer("SELECT cardinality(split('', '.'))"), "1");
    }
}
