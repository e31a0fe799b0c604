//! Parts of arrays by Trino's rules: `slice`, `trim_array` and `repeat`, where an item stands, and whether two arrays share one.

use super::Family;
use super::arrays::{common, equality, has_null, list_and_item, list_of, plain_item, span};
use super::function::{collect, int_at, ints, typed};
use super::type_names::trino_name;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, UInt64Array};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use std::ops::Range;
use std::sync::Arc;

/// How often Trino's `repeat` repeats at most.
const MOST_REPEATED: i64 = 10_000;

/// The functions of this family.
pub(super) fn functions() -> Family {
    vec![
        typed("slice", slice_types, slice),
        typed("trim_array", trim_types, trim),
        typed("repeat", repeat_types, repeat),
        typed("array_position", position_types, position),
        typed("arrays_overlap", overlap_types, overlap),
    ]
}

fn slice_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match args {
        [DataType::List(item), _, _] => {
            let list = list_of(item.data_type().clone());
            Ok((vec![list.clone(), DataType::Int64, DataType::Int64], list))
        }
        [other, _, _] => plan_err!("slice takes an array, not {}", trino_name(other)),
        _ => plan_err!("slice takes 3 argument(s), not {}", args.len()),
    }
}

/// So many items from a place on, which is counted from the end where it is negative.
fn slice(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [lists, ..] = args else { return internal_err!("slice takes three arguments") };
    let (lists, starts, lengths) = (lists.as_list::<i32>(), ints(args, 1)?, ints(args, 2)?);
    cut(lists, |row, count| {
        Ok(Some(match int_at(starts, row).zip(int_at(lengths, row)) {
            None => return Ok(None),
            Some((_, ..0)) => return exec_err!("length must be greater than or equal to 0"),
            Some((0, _)) => return exec_err!("SQL array indices start at 1"),
            Some((start, length)) => part(count, start, length),
        }))
    })
}

fn trim_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match args {
        [DataType::List(item), _] => {
            let list = list_of(item.data_type().clone());
            Ok((vec![list.clone(), DataType::Int64], list))
        }
        [other, _] => plan_err!("trim_array takes an array, not {}", trino_name(other)),
        _ => plan_err!("trim_array takes 2 argument(s), not {}", args.len()),
    }
}

/// An array without so many items at its end.
fn trim(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [lists, _] = args else { return internal_err!("trim_array takes two arguments") };
    let sizes = ints(args, 1)?;
    cut(lists.as_list::<i32>(), |row, count| match int_at(sizes, row) {
        None => Ok(None),
        Some(..0) => exec_err!("size must not be negative"),
        Some(size) if size > count as i64 => exec_err!("size must not exceed array cardinality {count}: {size}"),
        Some(size) => Ok(Some(0..count - size as usize)),
    })
}

/// Of each array the items at the places that `part` gives for its row and its number of items; NULL where it gives none.
fn cut(lists: &ListArray, part: impl Fn(usize, usize) -> Result<Option<Range<usize>>>) -> Result<ArrayRef> {
    let (mut places, mut counts, mut valid) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..lists.len() {
        let items = span(lists.value_offsets(), row);
        let kept = if lists.is_valid(row) { part(row, items.len())? } else { None };
        valid.push(kept.is_some());
        let kept = kept.unwrap_or_default();
        counts.push(kept.len());
        places.extend(kept.map(|at| Some((items.start + at) as u64)));
    }
    list(lists.values(), places, counts, valid)
}

fn repeat_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let [item, _] = args else { return plan_err!("repeat takes 2 argument(s), not {}", args.len()) };
    Ok((vec![item.clone(), DataType::Int64], list_of(item.clone())))
}

/// An array with a value so many times.
fn repeat(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [values, _] = args else { return internal_err!("repeat takes two arguments") };
    let counts = ints(args, 1)?;
    let (mut rows, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..values.len() {
        let count = int_at(counts, row);
        let length = match count.unwrap_or_default() {
            ..0 => return exec_err!("count argument of repeat function must be greater than or equal to 0"),
            count @ 0..=MOST_REPEATED => count as usize,
            _ => return exec_err!("count argument of repeat function must be less than or equal to {MOST_REPEATED}"),
        };
        valid.push(count.is_some());
        lengths.push(length);
        rows.extend(std::iter::repeat_n(Some(row as u64), length));
    }
    list(values, rows, lengths, valid)
}

/// Lists of the values at these places, so many in each.
fn list(values: &ArrayRef, places: Vec<Option<u64>>, lengths: Vec<usize>, valid: Vec<bool>) -> Result<ArrayRef> {
    let items = take(values, &UInt64Array::from(places), None)?;
    let field = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(lengths), items, Some(NullBuffer::from(valid)))?))
}

fn position_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    Ok((list_and_item("array_position", args)?, DataType::Int64))
}

/// Where the first item stands that is a value, counted from one; 0: none is.
fn position(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [lists, values] = args else { return internal_err!("array_position takes two arguments") };
    let lists = lists.as_list::<i32>();
    let is_equal = equality(lists.values(), values)?;
    collect::<Int64Array, _>(lists.len(), |row| {
        if lists.is_null(row) || values.is_null(row) {
            return Ok(None);
        }
        let mut items = span(lists.value_offsets(), row);
        Ok(Some(items.position(|item| is_equal(item, row)).map_or(0, |at| at as i64 + 1)))
    })
}

/// The places from zero that a slice of so many items takes.
fn part(count: usize, start: i64, length: i64) -> Range<usize> {
    let count = count as i64;
    let first = if start < 0 { start.saturating_add(count) } else { start - 1 };
    let end = first.saturating_add(length).min(count);
    match (usize::try_from(first), usize::try_from(end)) {
        (Ok(first), Ok(end)) if first < end => first..end,
        _ => 0..0,
    }
}

fn overlap_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let [left, right] = args else { return plan_err!("arrays_overlap takes 2 argument(s), not {}", args.len()) };
    let item = common(plain_item("arrays_overlap", left)?, plain_item("arrays_overlap", right)?)?;
    Ok((vec![list_of(item.clone()), list_of(item)], DataType::Boolean))
}

/// Whether two arrays have an item in common; NULL where one may be among their NULLs.
fn overlap(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [left, right] = args else { return internal_err!("arrays_overlap takes two arguments") };
    let (left, right) = (left.as_list::<i32>(), right.as_list::<i32>());
    let is_equal = equality(left.values(), right.values())?;
    collect::<BooleanArray, _>(left.len(), |row| {
        if left.is_null(row) || right.is_null(row) {
            return Ok(None);
        }
        let (a, b) = (span(left.value_offsets(), row), span(right.value_offsets(), row));
        let overlaps = a.clone().any(|i| b.clone().any(|j| is_equal(i, j)));
        // Where an array is empty, Trino does not look for NULLs in the other one.
        let is_unknown = !overlaps && !a.is_empty() && !b.is_empty() && (has_null(left, a) || has_null(right, b));
        Ok((!is_unknown).then_some(overlaps))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn slices_are_cut_as_trino_cuts_them() {
        for (call, expected) in [
            ("ARRAY[1, 2, 3], 2, 2", "[2, 3]"),
            ("ARRAY[1, 2, 3], 2, 9", "[2, 3]"),
            ("ARRAY[1, 2, 3], -1, 3", "[3]"),
            ("ARRAY[1, 2, 3], -2, 1", "[2]"),
            ("ARRAY[1, 2, 3], -4, 2", "[]"),
            ("ARRAY[1, 2, 3], 4, 1", "[]"),
            ("ARRAY[1, 2, 3], 1, 0", "[]"),
            ("ARRAY[1, 2, 3], 0, 1", "SQL array indices start at 1"),
            ("ARRAY[1, 2, 3], 1, -1", "length must be greater than or equal to 0"),
        ] {
            assert_eq!(answer(&format!("SELECT slice({call})")), expected, "{call}");
        }
        assert_eq!(answer("SELECT slice(ARRAY[1], CAST(NULL AS bigint), 1) IS NULL"), "true");
    }

    #[test]
    fn arrays_are_trimmed_and_items_found() {
        for (call, expected) in [
            ("trim_array(ARRAY[1, 2, 3], 1)", "[1, 2]"),
            ("trim_array(ARRAY[1], 1)", "[]"),
            ("trim_array(ARRAY[1], 2)", "size must not exceed array cardinality 1: 2"),
            ("trim_array(ARRAY[1], -1)", "size must not be negative"),
            ("repeat('x', 2)", "[x, x]"),
            ("repeat(CAST(NULL AS varchar), 2)", "[, ]"),
            ("repeat(1, CAST(NULL AS integer)) IS NULL", "true"),
            ("repeat(1, -1)", "count argument of repeat function must be greater than or equal to 0"),
            ("repeat(1, 10001)", "count argument of repeat function must be less than or equal to 10000"),
            ("array_position(ARRAY[5, 6, 5], 5)", "1"),
            ("array_position(ARRAY[NULL, 6], 6)", "2"),
            ("array_position(ARRAY['a'], 'b')", "0"),
            ("array_position(ARRAY[1], CAST(NULL AS integer))", ""),
        ] {
            assert_eq!(answer(&format!("SELECT {call}")), expected, "{call}");
        }
    }

    #[test]
    fn a_null_may_be_an_item_in_common() {
        for (call, expected) in [
            ("ARRAY[1, 2], ARRAY[2]", "true"),
            ("ARRAY[1, NULL], ARRAY[1]", "true"),
            ("ARRAY[1], ARRAY[2]", "false"),
            ("ARRAY[1, NULL], ARRAY[2]", ""),
            ("CAST(NULL AS array(integer)), ARRAY[2]", ""),
        ] {
            assert_eq!(answer(&format!("SELECT arrays_overlap({call})")), expected, "{call}");
        }
    }
}
