//! Rows without names: their fields are `field0`, `field1` and so on, as clients of Trino get them.

use super::Family;
use super::function::typed;
use super::type_names::trino_name;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, StructArray, UInt64Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::common::{Result, internal_err, plan_err};
use std::sync::Arc;

/// The functions of this family. `dialect` makes `row(x, y)` of `(x, y)`.
pub(super) fn functions() -> Family {
    vec![
        typed("row", |args| Ok((args.to_vec(), DataType::Struct(unnamed(args)))), row),
        typed("map_entries", entries_types, entries),
        typed("zip", zip_types, zip),
    ]
}

/// Fields of these types.
pub(super) fn unnamed(types: &[DataType]) -> Fields {
    let field = |(at, data_type): (usize, &DataType)| Field::new(format!("field{at}"), data_type.clone(), true);
    types.iter().enumerate().map(field).collect()
}

fn zip_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let item = |list: &DataType| match list {
        DataType::List(item) => Ok(item.data_type().clone()),
        other => plan_err!("zip takes arrays, not {}", trino_name(other)),
    };
    let items = args.iter().map(item).collect::<Result<Vec<_>>>()?;
    if items.len() < 2 {
        return plan_err!("zip takes two or more arrays");
    }
    Ok((args.to_vec(), list_of_rows(&items)))
}

/// Arrays side by side, as an array of rows; the shorter ones are filled up with NULLs.
fn zip(args: &[ArrayRef]) -> Result<ArrayRef> {
    let lists: Vec<&ListArray> = args.iter().map(|arg| arg.as_list()).collect();
    let rows = lists.first().map_or(0, |list| list.len());
    let (mut places, mut lengths) = (vec![Vec::new(); lists.len()], Vec::with_capacity(rows));
    let mut valid = Vec::with_capacity(rows);
    for row in 0..rows {
        let is_valid = lists.iter().all(|list| list.is_valid(row));
        let longest = lists.iter().map(|list| list.value_length(row) as usize).max().unwrap_or(0);
        let length = if is_valid { longest } else { 0 };
        for (list, places) in lists.iter().zip(&mut places) {
            let (start, count) = (list.value_offsets()[row] as usize, list.value_length(row) as usize);
            places.extend((0..length).map(|at| (at < count).then_some((start + at) as u64)));
        }
        lengths.push(length);
        valid.push(is_valid);
    }
    let columns =
        lists.iter().zip(places).map(|(list, places)| Ok(take(list.values(), &UInt64Array::from(places), None)?));
    let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
    let types: Vec<DataType> = columns.iter().map(|column| column.data_type().clone()).collect();
    let items = StructArray::try_new(unnamed(&types), columns, None)?;
    let item = Field::new_list_field(items.data_type().clone(), true);
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::new(item), offsets, Arc::new(items), Some(valid.into()))?))
}

fn row(args: &[ArrayRef]) -> Result<ArrayRef> {
    let types: Vec<DataType> = args.iter().map(|column| column.data_type().clone()).collect();
    Ok(Arc::new(StructArray::try_new(unnamed(&types), args.to_vec(), None)?))
}

fn entries_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match args {
        [map @ DataType::Map(entries, _)] => {
            let DataType::Struct(pair) = entries.data_type() else { return internal_err!("a map of {entries}") };
            let types: Vec<DataType> = pair.iter().map(|field| field.data_type().clone()).collect();
            Ok((vec![map.clone()], list_of_rows(&types)))
        }
        [other] => plan_err!("map_entries takes a map, not {}", trino_name(other)),
        _ => plan_err!("map_entries takes 1 argument(s), not {}", args.len()),
    }
}

/// The type of arrays of rows with fields of these types.
pub(super) fn list_of_rows(types: &[DataType]) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Struct(unnamed(types)), true)))
}

/// Keys and values of a map as an array of rows.
fn entries(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [maps] = args else { return internal_err!("map_entries takes one argument") };
    let maps = maps.as_map();
    let columns = vec![Arc::clone(maps.keys()), Arc::clone(maps.values())];
    let types: Vec<DataType> = columns.iter().map(|column| column.data_type().clone()).collect();
    let rows = StructArray::try_new(unnamed(&types), columns, None)?;
    let item = Field::new_list_field(rows.data_type().clone(), true);
    Ok(Arc::new(ListArray::try_new(Arc::new(item), maps.offsets().clone(), Arc::new(rows), maps.nulls().cloned())?))
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn rows_are_made_side_by_side() {
        for (expression, expected) in [
            ("(1, 'b')", "{field0: 1, field1: b}"),
            ("map_entries(MAP(ARRAY['a'], ARRAY[1]))", "[{field0: a, field1: 1}]"),
            ("zip(ARRAY[1], ARRAY['a', 'b'])", "[{field0: 1, field1: a}, {field0: , field1: b}]"),
            ("CAST(ROW(1, 'a') AS JSON)", "{\"\":1,\"\":\"a\"}"),
            ("CAST(CAST(ROW(1, NULL) AS ROW(a integer, b varchar)) AS JSON)", "{\"a\":1,\"b\":null}"),
            ("CAST(MAP(ARRAY['z', 'a'], ARRAY[1, 2]) AS JSON)", "{\"a\":2,\"z\":1}"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
    }
}
