//! Functions of text.

use super::Family;
use super::function::{Gives, Takes, collect, function, int_at, ints, is_text, text_at, texts, typed, with_optional};
use super::type_names::trino_name;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Int64Array, ListBuilder, StringViewArray, StringViewBuilder,
};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use std::borrow::Cow;
use std::sync::Arc;

/// The functions of this family.
pub(super) fn functions() -> Family {
    use Takes::{Int, Text};
    vec![
        function("hamming_distance", &[Takes::Text, Takes::Text], Gives::Int, hamming_distance),
        with_optional("split", &[Text, Text, Int], 2, Gives::Texts, split),
        function("replace", &[Text, Text, Text], Gives::Text, replace),
        function("strpos_instance", &[Text, Text, Int], Gives::Int, strpos_instance),
        typed("lpad", |args| padded_types("lpad", args), |args| padded(args, true)),
        typed("rpad", |args| padded_types("rpad", args), |args| padded(args, false)),
        function("upper", &[Text], Gives::Text, |args| mapped(args, upper)),
        function("lower", &[Text], Gives::Text, |args| mapped(args, lower)),
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

/// In how many places two texts of one length differ.
fn hamming_distance(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (left, right) = (texts(args, 0)?, texts(args, 1)?);
    collect::<Int64Array, _>(left.len(), |row| {
        let (Some(left), Some(right)) = (text_at(left, row), text_at(right, row)) else { return Ok(None) };
        if left.chars().count() != right.chars().count() {
            return exec_err!("The input strings to hamming_distance function must have the same length");
        }
        Ok(Some(left.chars().zip(right.chars()).filter(|(a, b)| a != b).count() as i64))
    })
}

/// Replaces what is searched for, wherever it stands: nothing stands before, between and behind all characters.
fn replace(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (text, from, to) = (texts(args, 0)?, texts(args, 1)?, texts(args, 2)?);
    collect::<StringViewArray, _>(text.len(), |row| {
        let (Some(text), Some(from), Some(to)) = (text_at(text, row), text_at(from, row), text_at(to, row)) else {
            return Ok(None);
        };
        Ok(Some(if text.contains(from) { Cow::Owned(text.replace(from, to)) } else { Cow::Borrowed(text) }))
    })
}

/// The place of an occurrence, counted in characters from one; a number below zero counts from the end. 0: there is none.
fn strpos_instance(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (text, part, number) = (texts(args, 0)?, texts(args, 1)?, ints(args, 2)?);
    collect::<Int64Array, _>(text.len(), |row| {
        let (Some(text), Some(part), Some(number)) = (text_at(text, row), text_at(part, row), int_at(number, row))
        else {
            return Ok(None);
        };
        if number == 0 {
            return exec_err!("'instance' must be a positive or negative number.");
        }
        if part.is_empty() {
            return Ok(Some(1));
        }
        // Occurrences may overlap.
        let mut places = text.char_indices().map(|(at, _)| at).filter(|at| text[*at..].starts_with(part));
        let skipped = usize::try_from(number.unsigned_abs() - 1).unwrap_or(usize::MAX);
        let found = if number > 0 { places.nth(skipped) } else { places.nth_back(skipped) };
        Ok(Some(found.map_or(0, |at| text[..at].chars().count() as i64 + 1)))
    })
}

fn padded_types(name: &str, args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let text = |given: &DataType| is_text(given) || given.is_null();
    let (taken, length) = match args {
        [value, length, with] if text(value) && text(with) => (DataType::Utf8View, length),
        [DataType::Binary, length, DataType::Binary] => (DataType::Binary, length),
        _ => return plan_err!("{name} takes a text, a length and a text, or varbinary in place of both texts"),
    };
    if !length.is_integer() && !length.is_null() {
        return plan_err!("{name} takes an integer as length, not {}", trino_name(length));
    }
    Ok((vec![taken.clone(), DataType::Int64, taken.clone()], taken))
}

/// A text of so many characters: cut off, or filled up with another before or behind it.
fn padded(args: &[ArrayRef], is_before: bool) -> Result<ArrayRef> {
    let [values, _, fillings] = args else { return internal_err!("a value, a length and a filling") };
    let lengths = ints(args, 1)?;
    if let (Some(bytes), Some(fillings)) = (values.as_binary_opt::<i32>(), fillings.as_binary_opt::<i32>()) {
        let at = |of: &BinaryArray, row: usize| of.is_valid(row).then(|| of.value(row).to_vec());
        return collect::<BinaryArray, _>(values.len(), |row| {
            filled(at(bytes, row), int_at(lengths, row), at(fillings, row), is_before)
        });
    }
    let (text, fillings) = (texts(args, 0)?, texts(args, 2)?);
    collect::<StringViewArray, _>(text.len(), |row| {
        let letters = |of: &StringViewArray| text_at(of, row).map(|text| text.chars().collect::<Vec<char>>());
        let padded = filled(letters(text), int_at(lengths, row), letters(fillings), is_before)?;
        Ok(padded.map(|letters| letters.into_iter().collect::<String>()))
    })
}

/// Characters or bytes, filled up to a length before or behind them, or cut off at it.
fn filled<T: Copy>(
    given: Option<Vec<T>>,
    length: Option<i64>,
    filling: Option<Vec<T>>,
    is_before: bool,
) -> Result<Option<Vec<T>>> {
    let (Some(mut given), Some(length), Some(filling)) = (given, length, filling) else { return Ok(None) };
    if filling.is_empty() {
        return exec_err!("Padding string must not be empty");
    }
    let Some(length) = i32::try_from(length).ok().and_then(|length| usize::try_from(length).ok()) else {
        return exec_err!("Target length must be in the range [0..2147483647]");
    };
    let missing = length.saturating_sub(given.len());
    given.truncate(length);
    let filling = filling.into_iter().cycle().take(missing);
    Ok(Some(if is_before { filling.chain(given).collect() } else { given.into_iter().chain(filling).collect() }))
}

/// Maps a text character by character, as Java's `Character.toUpperCase` does: one stays one, wherever it stands.
fn mapped(args: &[ArrayRef], map: fn(char) -> char) -> Result<ArrayRef> {
    let text = texts(args, 0)?;
    collect::<StringViewArray, _>(text.len(), |row| {
        Ok(text_at(text, row).map(|text| text.chars().map(map).collect::<String>()))
    })
}

fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => upper,
        // What becomes several characters in a word has an own capital only in Greek, with an iota below.
        _ => match c {
            '\u{1F80}'..='\u{1F87}' | '\u{1F90}'..='\u{1F97}' | '\u{1FA0}'..='\u{1FA7}' => moved(c, 8),
            '\u{1FB3}' | '\u{1FC3}' | '\u{1FF3}' => moved(c, 9),
            other => other,
        },
    }
}

fn lower(c: char) -> char {
    let mut lower = c.to_lowercase();
    // Of a capital I with a dot, the first of the two characters is the small i.
    lower.next().unwrap_or(c)
}

fn moved(c: char, by: u32) -> char {
    char::from_u32(u32::from(c) + by).unwrap_or(c)
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
    fn an_occurrence_is_found_from_either_end() {
        for (number, expected) in [(1, "2"), (2, "4"), (3, "0"), (-1, "4"), (-2, "2")] {
            assert_eq!(answer(&format!("SELECT strpos('é.b.c', '.', {number})")), expected);
        }
        assert_eq!(answer("SELECT strpos('a', 'a', 0)"), "'instance' must be a positive or negative number.");
    }

    #[test]
    fn nothing_stands_between_all_characters() {
        assert_eq!(answer("SELECT replace('abc', '', 'x')"), "xaxbxcx");
        assert_eq!(answer("SELECT replace('abcabc', 'b', 'xy')"), "axycaxyc");
        assert_eq!(answer("SELECT replace('abcabc', 'b')"), "acac");
    }

    #[test]
    fn a_text_is_filled_up_or_cut_off() {
        assert_eq!(answer("SELECT lpad('é', 3, 'xy') || rpad('é', 4, 'xy') || lpad('abc', 2, 'x')"), "xyééxyxab");
        assert_eq!(answer("SELECT lpad('a', 2, '')"), "Padding string must not be empty");
        assert_eq!(answer("SELECT lpad(X'01', 3, X'00')"), "000001");
    }

    #[test]
    fn letters_are_mapped_one_by_one() {
        assert_eq!(answer("SELECT upper('ß')"), "ß");
        assert_eq!(answer("SELECT lower('İ')"), "i");
        assert_eq!(answer("SELECT lower('ΑΣ')"), "ασ");
        assert_eq!(answer("SELECT upper('aäé1')"), "AÄÉ1");
        assert_eq!(super::upper('\u{1FB3}'), '\u{1FBC}');
    }

    #[test]
    fn a_limited_split_keeps_the_rest() {
        assert_eq!(answer("SELECT split('a.b.c', '.', 2)"), "[a, b.c]");
        assert_eq!(answer("SELECT cardinality(split('', '.'))"), "1");
    }
}
