//! What is made of an array's items taken together: `combinations`, `ngrams`, `contains_sequence`, and maps of them.

use super::Family;
use super::arrays::{common, equality, has_null, list_of, plain_item, span};
use super::function::{collect, int_at, ints, typed};
use super::map_aggregates::Groups;
use super::maps::{map_array, map_type};
use super::type_names::trino_name;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, UInt64Array};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{concat, take};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use std::ops::Range;
use std::sync::Arc;

/// How many combinations Trino gives at most.
const MOST_COMBINATIONS: usize = 100_000;

/// The functions of this family.
pub(super) fn functions() -> Family {
    vec![
        typed("combinations", |args| parts_types("combinations", args), combinations),
        typed("ngrams", |args| parts_types("ngrams", args), ngrams),
        typed("contains_sequence", sequence_types, contains_sequence),
        typed("array_histogram", histogram_types, array_histogram),
    ]
}

/// What a function takes, once it is coerced, and what it gives.
type Types = Result<(Vec<DataType>, DataType)>;

fn parts_types(name: &str, args: &[DataType]) -> Types {
    match args {
        [DataType::List(item), size] if size.is_integer() => {
            let list = list_of(item.data_type().clone());
            Ok((vec![list.clone(), DataType::Int64], list_of(list)))
        }
        _ => plan_err!("{name} takes an array and an integer"),
    }
}

/// All ways to take so many items, in the order in which Trino gives them: that of the last item first.
fn combinations(args: &[ArrayRef]) -> Result<ArrayRef> {
    parts(args, |items, size| {
        let Ok(size @ 0..=5) = usize::try_from(size) else {
            return exec_err!("combination size must not be negative or exceed 5: {size}");
        };
        let mut ways: Vec<Vec<usize>> = vec![Vec::new()];
        for taken in 0..size {
            let longer = |way: &Vec<usize>| {
                let from = way.last().map_or(items.start, |last| last + 1);
                let way = way.clone();
                // As many items must be left behind it as are still to be taken.
                (from..(items.end + taken + 1).saturating_sub(size)).map(move |next| [way.as_slice(), &[next]].concat())
            };
            ways = ways.iter().flat_map(longer).take(MOST_COMBINATIONS + 1).collect();
            if ways.len() > MOST_COMBINATIONS {
                return exec_err!("combinations exceed max size of {MOST_COMBINATIONS}");
            }
        }
        ways.sort_by(|a, b| a.iter().rev().cmp(b.iter().rev()));
        Ok(ways)
    })
}

/// Each item with those behind it, so many together; all of a shorter array.
fn ngrams(args: &[ArrayRef]) -> Result<ArrayRef> {
    parts(args, |items, size| {
        let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0) else {
            return exec_err!("N must be positive");
        };
        if items.len() <= size {
            return Ok(vec![items.collect()]);
        }
        Ok((items.start..=items.end - size).map(|first| (first..first + size).collect()).collect())
    })
}

/// For each array the arrays of the items at these places.
fn parts(args: &[ArrayRef], places: impl Fn(Range<usize>, i64) -> Result<Vec<Vec<usize>>>) -> Result<ArrayRef> {
    let [lists, _] = args else { return internal_err!("an array and an integer") };
    let (lists, sizes) = (lists.as_list::<i32>(), ints(args, 1)?);
    let (mut all, mut lengths, mut counts, mut valid) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in 0..lists.len() {
        let size = int_at(sizes, row).filter(|_| lists.is_valid(row));
        valid.push(size.is_some());
        let parts = match size {
            Some(size) => places(span(lists.value_offsets(), row), size)?,
            None => Vec::new(),
        };
        counts.push(parts.len());
        for part in parts {
            lengths.push(part.len());
            all.extend(part.into_iter().map(|at| Some(at as u64)));
        }
    }
    let items = take(lists.values(), &UInt64Array::from(all), None)?;
    let item = Arc::new(Field::new_list_field(lists.value_type(), true));
    let inner = ListArray::try_new(item, OffsetBuffer::from_lengths(lengths), items, None)?;
    let field = Arc::new(Field::new_list_field(inner.data_type().clone(), true));
    let nulls = Some(NullBuffer::from(valid));
    Ok(Arc::new(ListArray::try_new(field, OffsetBuffer::from_lengths(counts), Arc::new(inner), nulls)?))
}

fn sequence_types(args: &[DataType]) -> Types {
    let [list, sequence] = args else { return plan_err!("contains_sequence takes two arrays") };
    let item = common(plain_item("contains_sequence", list)?, plain_item("contains_sequence", sequence)?)?;
    Ok((vec![list_of(item.clone()), list_of(item)], DataType::Boolean))
}

/// Whether an array has another one's items, one behind the other.
fn contains_sequence(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [lists, sequences] = args else { return internal_err!("contains_sequence takes two arrays") };
    let (lists, sequences) = (lists.as_list::<i32>(), sequences.as_list::<i32>());
    let is_equal = equality(lists.values(), sequences.values())?;
    collect::<BooleanArray, _>(lists.len(), |row| {
        if lists.is_null(row) || sequences.is_null(row) {
            return Ok(None);
        }
        let (items, wanted) = (span(lists.value_offsets(), row), span(sequences.value_offsets(), row));
        if has_null(lists, items.clone()) || has_null(sequences, wanted.clone()) {
            return exec_err!("the embedded engine has no contains_sequence of arrays with NULL");
        }
        let begins_at = |first: usize| wanted.clone().enumerate().all(|(by, at)| is_equal(first + by, at));
        Ok(Some((items.start..=items.end).take_while(|first| first + wanted.len() <= items.end).any(begins_at)))
    })
}

fn histogram_types(args: &[DataType]) -> Types {
    match args {
        [list @ DataType::List(item)] if !item.data_type().is_nested() => {
            Ok((vec![list.clone()], map_type(item.data_type(), &DataType::Int64)))
        }
        _ => {
            let given: Vec<String> = args.iter().map(trino_name).collect();
            plan_err!("array_histogram takes an array of plain values, not {}", given.join(", "))
        }
    }
}

/// How often each item is there; NULLs are left out.
fn array_histogram(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [lists] = args else { return internal_err!("array_histogram takes an array") };
    let lists = lists.as_list::<i32>();
    let (mut keys, mut counts, mut lengths) = (vec![lists.values().slice(0, 0)], Vec::new(), Vec::new());
    for row in 0..lists.len() {
        let items = if lists.is_valid(row) { lists.value(row) } else { lists.values().slice(0, 0) };
        let groups = Groups::of(&items)?;
        keys.push(take(&items, &groups.first(), None)?);
        counts.extend(groups.counts());
        lengths.push(groups.counts().count());
    }
    let keys: Vec<&dyn Array> = keys.iter().map(AsRef::as_ref).collect();
    map_array(concat(&keys)?, Arc::new(Int64Array::from(counts)), lengths, lists.nulls().cloned())
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn items_are_taken_together() {
        for (expression, expected) in [
            ("combinations(ARRAY[1, 2, 3], 2)", "[[1, 2], [1, 3], [2, 3]]"),
            ("combinations(ARRAY['a', 'b'], 3)", "[]"),
            ("combinations(ARRAY['a'], 3)", "[]"),
            ("combinations(CAST(ARRAY[] AS array(varchar)), 5)", "[]"),
            ("combinations(ARRAY['a', 'b'], 0)", "[[]]"),
            ("combinations(ARRAY['a'], 6)", "combination size must not be negative or exceed 5: 6"),
            ("ngrams(ARRAY['a', 'b', 'c'], 2)", "[[a, b], [b, c]]"),
            ("ngrams(ARRAY['a', 'b'], 5)", "[[a, b]]"),
            ("ngrams(ARRAY['a'], 0)", "N must be positive"),
            ("contains_sequence(ARRAY[1, 2, 3], ARRAY[2, 3])", "true"),
            ("contains_sequence(ARRAY[1, 2, 3], ARRAY[1, 3])", "false"),
            ("contains_sequence(ARRAY[1], ARRAY[1, 3])", "false"),
            ("array_histogram(ARRAY['a', 'b', 'a', NULL])", "{a: 2, b: 1}"),
            ("array_histogram(CAST(NULL AS array(integer))) IS NULL", "true"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
    }
}
