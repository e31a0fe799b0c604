//! Parts of arrays by Trino's rules: `slice`, and whether two arrays share an item.

use super::Family;
use super::arrays::{common, equality, has_null, list_of, plain_item, span};
use super::function::{collect, int_at, ints, typed};
use super::type_names::trino_name;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, UInt64Array};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use std::sync::Arc;

/// The functions of this family.
pub(super) fn functions() -> Family {
    vec![typed("slice", slice_types, slice), typed("arrays_overlap", overlap_types, overlap)]
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
    let (mut places, mut counts, mut valid) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..lists.len() {
        let given = int_at(starts, row).zip(int_at(lengths, row)).filter(|_| lists.is_valid(row));
        valid.push(given.is_some());
        let items = span(lists.value_offsets(), row);
        let part = match given {
            None => 0..0,
            Some((_, ..0)) => return exec_err!("length must be greater than or equal to 0"),
            Some((0, _)) => return exec_err!("SQL array indices start at 1"),
            Some((start, length)) => part(items.len(), start, length),
        };
        counts.push(part.len());
        places.extend(part.map(|at| Some((items.start + at) as u64)));
    }
    let items = take(lists.values(), &UInt64Array::from(places), None)?;
    let field = Arc::new(Field::new_list_field(lists.value_type(), true));
    Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(counts), items, Some(NullBuffer::from(valid)))?))
}

/// The places from zero that a slice of so many items takes.
fn part(count: usize, start: i64, length: i64) -> std::ops::Range<usize> {
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
