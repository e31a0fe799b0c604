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

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

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
