//! Functions of arrays and maps by Trino's rules: what a subscript beyond the end is, and what a NULL among the items means.

use super::Family;
use super::function::{collect, ints, is_null, is_text, text_at, texts, typed};
use super::type_names::trino_name;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, ListArray, StringViewArray, UInt64Array, make_comparator,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::{SortOptions, take};
use datafusion::arrow::datatypes::{DataType, Field, Float32Type, Float64Type};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::common::{Result, exec_datafusion_err, internal_err, plan_err};
use datafusion::logical_expr::ScalarUDF;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use std::cmp::Ordering;
use std::sync::Arc;

/// The functions of this family. `dialect` makes `subscript(a, i)` of `a[i]`.
pub(super) fn functions() -> Family {
    vec![
        typed("subscript", subscript_types, |args| subscripts(args, false)),
        typed("try_subscript", subscript_types, |args| subscripts(args, true)),
        typed("element_at", subscript_types, element_at),
        typed("contains", contains_types, contains),
        typed("array_max", item_types, |args| extremes(args, Ordering::Greater)),
        typed("array_min", item_types, |args| extremes(args, Ordering::Less)),
        typed("reverse", reverse_types, reverse),
    ]
}

/// `=` of arrays, which is NULL where only NULLs keep them from being equal.
pub(super) fn array_equal() -> ScalarUDF {
    typed("array_equal", equal_types, equal)
}

/// What a function takes, once it is coerced, and what it gives.
type Types = Result<(Vec<DataType>, DataType)>;

pub(super) fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

/// Keys and values of a map.
fn pair(entries: &Field) -> Result<(&DataType, &DataType)> {
    match entries.data_type() {
        DataType::Struct(pair) if pair.len() == 2 => Ok((pair[0].data_type(), pair[1].data_type())),
        other => internal_err!("a map of {other}"),
    }
}

fn subscript_types(args: &[DataType]) -> Types {
    match args {
        [list @ DataType::List(item), index] if index.is_integer() || index.is_null() => {
            Ok((vec![list.clone(), DataType::Int64], item.data_type().clone()))
        }
        [map @ DataType::Map(entries, _), _] => {
            let (key, value) = pair(entries)?;
            Ok((vec![map.clone(), key.clone()], value.clone()))
        }
        [of, by] => plan_err!("Cannot use {} for subscript of {}", trino_name(by), trino_name(of)),
        _ => plan_err!("a subscript takes one value"),
    }
}

fn subscripts(args: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let [of, by] = args else { return internal_err!("a subscript takes one value") };
    let (values, found) = match of.data_type() {
        DataType::Map(..) => {
            let map = of.as_map();
            let is_equal = equality(map.keys(), by)?;
            let find = |row: usize| {
                let at = span(map.value_offsets(), row).find(|at| is_equal(*at, row));
                at.map(Some).ok_or_else(|| match array_value_to_string(by, row) {
                    Ok(key) => exec_datafusion_err!("Key not present in map: {key}"),
                    Err(error) => error.into(),
                })
            };
            (map.values(), places(of, by, lenient, find)?)
        }
        _ => {
            let (list, by) = (of.as_list::<i32>(), ints(args, 1)?);
            let find = |row: usize| {
                let items = span(list.value_offsets(), row);
                match usize::try_from(by.value(row)) {
                    Err(_) => Err(exec_datafusion_err!("Array subscript is negative: {}", by.value(row))),
                    Ok(0) => Err(exec_datafusion_err!("SQL array indices start at 1")),
                    Ok(index) if index <= items.len() => Ok(Some(items.start + index - 1)),
                    Ok(index) => Err(exec_datafusion_err!(
                        "Array subscript must be less than or equal to array length: {index} > {}",
                        items.len()
                    )),
                }
            };
            (list.values(), places(of, args.get(1).unwrap_or(of), lenient, find)?)
        }
    };
    Ok(take(values, &found, None)?)
}

/// As a subscript, but NULL where there is nothing, and counted from the end where the index is negative.
fn element_at(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [of, by] = args else { return internal_err!("element_at takes two arguments") };
    let Some(list) = of.as_list_opt::<i32>() else { return subscripts(args, true) };
    let indices = ints(args, 1)?;
    let found = places(of, by, false, |row| {
        let (items, index) = (span(list.value_offsets(), row), indices.value(row));
        let Ok(distance) = usize::try_from(index.unsigned_abs()) else { return Ok(None) };
        match index {
            0 => Err(exec_datafusion_err!("SQL array indices start at 1")),
            _ if distance > items.len() => Ok(None),
            1.. => Ok(Some(items.start + distance - 1)),
            _ => Ok(Some(items.end - distance)),
        }
    })?;
    Ok(take(list.values(), &found, None)?)
}

/// Where each row's value is; none where an argument is NULL.
fn places(
    of: &ArrayRef,
    by: &ArrayRef,
    lenient: bool,
    find: impl Fn(usize) -> Result<Option<usize>>,
) -> Result<UInt64Array> {
    let place = |row: usize| {
        if of.is_null(row) || by.is_null(row) {
            return Ok(None);
        }
        match find(row) {
            Err(_) if lenient => Ok(None),
            found => Ok(found?.map(|at| at as u64)),
        }
    };
    (0..of.len()).map(place).collect()
}

/// The places of a row's items.
pub(super) fn span(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    let at = |row: usize| usize::try_from(offsets[row]).unwrap_or_default();
    at(row)..at(row + 1)
}

/// Whether two values are equal, neither of which is NULL.
pub(super) type Equality = Box<dyn Fn(usize, usize) -> bool>;

pub(super) fn equality(left: &ArrayRef, right: &ArrayRef) -> Result<Equality> {
    // Zero equals minus zero, and NaN nothing: the order of Arrow tells otherwise.
    if let (Some(left), Some(right)) =
        (left.as_primitive_opt::<Float64Type>().cloned(), right.as_primitive_opt::<Float64Type>().cloned())
    {
        return Ok(Box::new(move |i, j| left.is_valid(i) && right.is_valid(j) && left.value(i) == right.value(j)));
    }
    if let (Some(left), Some(right)) =
        (left.as_primitive_opt::<Float32Type>().cloned(), right.as_primitive_opt::<Float32Type>().cloned())
    {
        return Ok(Box::new(move |i, j| left.is_valid(i) && right.is_valid(j) && left.value(i) == right.value(j)));
    }
    let order = make_comparator(left, right, SortOptions::default())?;
    let (left, right) = (Arc::clone(left), Arc::clone(right));
    Ok(Box::new(move |i, j| left.is_valid(i) && right.is_valid(j) && order(i, j).is_eq()))
}

/// Items that are no arrays themselves: what a NULL inside those means, Trino decides case by case.
pub(super) fn plain_item<'a>(name: &str, list: &'a DataType) -> Result<&'a DataType> {
    match list {
        DataType::List(item) if !item.data_type().is_nested() => Ok(item.data_type()),
        DataType::List(_) => plan_err!("the embedded engine has no {name} of {}", trino_name(list)),
        other => plan_err!("{name} takes an array, not {}", trino_name(other)),
    }
}

pub(super) fn common(left: &DataType, right: &DataType) -> Result<DataType> {
    match comparison_coercion(left, right) {
        Some(common) => Ok(common),
        None => plan_err!("Cannot compare {} with {}", trino_name(left), trino_name(right)),
    }
}

fn contains_types(args: &[DataType]) -> Types {
    Ok((list_and_item("contains", args)?, DataType::Boolean))
}

/// The types of an array and of a value that is looked for among its items.
pub(super) fn list_and_item(name: &str, args: &[DataType]) -> Result<Vec<DataType>> {
    let [list, value] = args else { return plan_err!("{name} takes 2 argument(s), not {}", args.len()) };
    let item = common(plain_item(name, list)?, value)?;
    Ok(vec![list_of(item.clone()), item])
}

/// Whether an array holds a value; NULL where it may be one of its NULLs.
fn contains(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [lists, values] = args else { return internal_err!("contains takes two arguments") };
    let lists = lists.as_list::<i32>();
    let is_equal = equality(lists.values(), values)?;
    collect::<BooleanArray, _>(lists.len(), |row| {
        if lists.is_null(row) || values.is_null(row) {
            return Ok(None);
        }
        let items = span(lists.value_offsets(), row);
        Ok(match (items.clone().any(|at| is_equal(at, row)), has_null(lists, items)) {
            (true, _) => Some(true),
            (false, true) => None,
            (false, false) => Some(false),
        })
    })
}

pub(super) fn has_null(lists: &ListArray, mut items: std::ops::Range<usize>) -> bool {
    lists.values().logical_null_count() > 0 && items.any(|at| is_null(lists.values(), at))
}

fn equal_types(args: &[DataType]) -> Types {
    let [left, right] = args else { return internal_err!("arrays are compared two by two") };
    let item = common(plain_item("comparison", left)?, plain_item("comparison", right)?)?;
    Ok((vec![list_of(item.clone()), list_of(item)], DataType::Boolean))
}

fn equal(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [left, right] = args else { return internal_err!("arrays are compared two by two") };
    let (left, right) = (left.as_list::<i32>(), right.as_list::<i32>());
    let is_equal = equality(left.values(), right.values())?;
    collect::<BooleanArray, _>(left.len(), |row| {
        if left.is_null(row) || right.is_null(row) {
            return Ok(None);
        }
        let (a, b) = (span(left.value_offsets(), row), span(right.value_offsets(), row));
        if a.len() != b.len() {
            return Ok(Some(false));
        }
        let has_null = has_null(left, a.clone()) || has_null(right, b.clone());
        let is_known = |(i, j): &(usize, usize)| left.values().is_valid(*i) && right.values().is_valid(*j);
        let are_equal = a.zip(b).filter(is_known).all(|(i, j)| is_equal(i, j));
        Ok(if are_equal && has_null { None } else { Some(are_equal) })
    })
}

fn item_types(args: &[DataType]) -> Types {
    let [list] = args else { return plan_err!("the greatest or least item is that of 1 array, not of {}", args.len()) };
    let item = plain_item("array_max or array_min", list)?.clone();
    Ok((vec![list.clone()], item))
}

/// The item that comes first or last; NULL where an item is NULL.
fn extremes(args: &[ArrayRef], wanted: Ordering) -> Result<ArrayRef> {
    let [lists] = args else { return internal_err!("one array") };
    let lists = lists.as_list::<i32>();
    let order = make_comparator(lists.values(), lists.values(), SortOptions::default())?;
    let places: UInt64Array = (0..lists.len())
        .map(|row| {
            let items = span(lists.value_offsets(), row);
            if lists.is_null(row) || has_null(lists, items.clone()) {
                return None;
            }
            items.reduce(|best, at| if order(at, best) == wanted { at } else { best }).map(|at| at as u64)
        })
        .collect();
    Ok(take(lists.values(), &places, None)?)
}

fn reverse_types(args: &[DataType]) -> Types {
    match args {
        [list @ DataType::List(_)] => Ok((vec![list.clone()], list.clone())),
        [DataType::Binary] => Ok((args.to_vec(), DataType::Binary)),
        [text] if is_text(text) || text.is_null() => Ok((vec![DataType::Utf8View], DataType::Utf8View)),
        [other] => plan_err!("the embedded engine has no reverse of {}", trino_name(other)),
        _ => plan_err!("reverse takes 1 argument(s), not {}", args.len()),
    }
}

fn reverse(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [values] = args else { return internal_err!("reverse takes one argument") };
    if let Some(bytes) = values.as_binary_opt::<i32>() {
        let reversed = bytes.iter().map(|bytes| Some(bytes?.iter().rev().copied().collect::<Vec<u8>>()));
        return Ok(Arc::new(reversed.collect::<BinaryArray>()));
    }
    let Some(lists) = values.as_list_opt::<i32>() else {
        let values = texts(args, 0)?;
        return collect::<StringViewArray, _>(values.len(), |row| {
            Ok(text_at(values, row).map(|text| text.chars().rev().collect::<String>()))
        });
    };
    let spans = (0..lists.len()).map(|row| span(lists.value_offsets(), row));
    let places: UInt64Array = spans.clone().flat_map(|items| items.rev().map(|at| Some(at as u64))).collect();
    let offsets = OffsetBuffer::from_lengths(spans.map(|items| items.len()));
    let item = Field::new_list_field(lists.value_type(), true);
    let items = take(lists.values(), &places, None)?;
    Ok(Arc::new(ListArray::try_new(Arc::new(item), offsets, items, lists.nulls().cloned())?))
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn a_subscript_beyond_an_array_is_an_error() {
        for (subscript, expected) in [
            ("ARRAY[10, 20][2]", "20"),
            ("ARRAY[ARRAY[1], ARRAY[2, 3]][2][1]", "2"),
            ("ARRAY[10, 20][CAST(NULL AS bigint)] IS NULL", "true"),
            ("ARRAY[10, 20][3]", "Array subscript must be less than or equal to array length: 3 > 2"),
            ("ARRAY[10, 20][0]", "SQL array indices start at 1"),
            ("ARRAY[10, 20][-1]", "Array subscript is negative: -1"),
            ("split('a/b', '/')[3]", "Array subscript must be less than or equal to array length: 3 > 2"),
            ("try(ARRAY[10, 20][3]) IS NULL", "true"),
            ("MAP(ARRAY['a', 'b'], ARRAY[1, 2])['b']", "2"),
            ("MAP(ARRAY['a'], ARRAY[1])['z']", "Key not present in map: z"),
            ("x[1]", "5"),
            ("t.x[1] + t.x[1]", "10"),
        ] {
            assert_eq!(
                answer(&format!("SELECT {subscript} FROM (VALUES (ARRAY[5])) AS t(x)")),
                expected,
                "{subscript}"
            );
        }
    }

    #[test]
    fn an_element_of_an_array_or_a_map() {
        assert_eq!(answer("SELECT element_at(ARRAY[10, 20, 30], 2)"), "20");
        assert_eq!(answer("SELECT element_at(ARRAY[10, 20, 30], -1)"), "30");
        assert_eq!(answer("SELECT element_at(ARRAY[10], 2) IS NULL AND element_at(ARRAY[10], -2) IS NULL"), "true");
        assert_eq!(answer("SELECT element_at(ARRAY[10], 0)"), "SQL array indices start at 1");
        assert_eq!(answer("SELECT element_at(MAP(ARRAY['a', 'b'], ARRAY[1, 2]), 'b')"), "2");
        assert_eq!(answer("SELECT element_at(MAP(ARRAY['a'], ARRAY[1]), 'z') IS NULL"), "true");
    }

    #[test]
    fn a_null_among_the_items_may_be_any_value() {
        for (expression, expected) in [
            ("contains(ARRAY[1, NULL], 2) IS NULL", "true"),
            ("contains(ARRAY[1, NULL], 1)", "true"),
            ("contains(ARRAY[1, 2], 3)", "false"),
            ("contains(ARRAY['a'], 'a')", "true"),
            ("(ARRAY[1, NULL] = ARRAY[1, NULL]) IS NULL", "true"),
            ("ARRAY[1, NULL] = ARRAY[2, NULL]", "false"),
            ("ARRAY[1, NULL] <> ARRAY[1, 2, 3]", "true"),
            ("ARRAY[1, 2] = ARRAY[1, 2]", "true"),
            ("array_max(ARRAY[1, NULL]) IS NULL", "true"),
            ("array_max(ARRAY[1, 5, 2])", "5"),
            ("array_min(ARRAY['b', 'a'])", "a"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
    }

    #[test]
    fn what_works_on_arrays_does_not_work_on_their_text() {
        for (expression, expected) in [
            ("reverse(ARRAY[1, 2])", "[2, 1]"),
            ("reverse('aé')", "éa"),
            ("repeat('ab', 3)", "[ab, ab, ab]"),
            ("concat_ws(',', ARRAY['x', NULL, 'y'])", "x,y"),
            ("concat_ws(',', 'x', NULL, 'y')", "x,y"),
            ("array_remove(ARRAY[1, 2, 1], 1)", "[2]"),
            (
                "concat_ws(',', 1, 2)",
                "line 1:8: Unexpected parameters (varchar(1), integer, integer) for function concat_ws. Expected: \
                 concat_ws(varchar, array(varchar)), concat_ws(varchar, varchar): write '1'",
            ),
            ("reverse(X'0102')", "0201"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
    }
}
