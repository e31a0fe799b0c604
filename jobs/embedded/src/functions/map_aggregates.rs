//! Aggregates that give a map.

use super::function::is_null;
use super::gathered::{gathered, list_of};
use super::maps::{Known, map_array, map_type, pair_types};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray, UInt64Array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::take;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::arrow::row::OwnedRow;
use datafusion::common::{Result, ScalarValue, internal_err, plan_err};
use datafusion::logical_expr::AggregateUDF;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The aggregates of this family.
pub(super) fn aggregates() -> Vec<AggregateUDF> {
    vec![
        gathered("map_agg", pair_types, map_agg),
        gathered("multimap_agg", multimap_types, multimap_agg),
        gathered("map_union", one_map, map_union),
        gathered("histogram", histogram_types, histogram),
    ]
}

type Types = Result<(Vec<DataType>, DataType)>;

fn multimap_types(args: &[DataType]) -> Types {
    match args {
        [key, value] => Ok((args.to_vec(), map_type(key, &list_of(value)))),
        _ => plan_err!("multimap_agg takes keys and values"),
    }
}

fn one_map(args: &[DataType]) -> Types {
    match args {
        [map @ DataType::Map(..)] => Ok((args.to_vec(), map.clone())),
        _ => plan_err!("map_union takes maps"),
    }
}

fn histogram_types(args: &[DataType]) -> Types {
    match args {
        [value] => Ok((args.to_vec(), map_type(value, &DataType::Int64))),
        _ => plan_err!("histogram takes 1 argument(s), not {}", args.len()),
    }
}

/// A map of one group, or NULL where there is no row.
fn one(keys: ArrayRef, values: ArrayRef, is_null: bool, result: &DataType) -> Result<ScalarValue> {
    if is_null {
        return ScalarValue::try_from(result);
    }
    let length = keys.len();
    ScalarValue::try_from_array(&map_array(keys, values, vec![length], None)?, 0)
}

/// The place of each key's first row that has one.
fn first_places(keys: &ArrayRef) -> Result<UInt64Array> {
    let known = Known::new(keys)?;
    let mut seen = HashSet::new();
    Ok((0..keys.len())
        .filter(|at| keys.is_valid(*at) && seen.insert(known.key(*at)))
        .map(|at| Some(at as u64))
        .collect())
}

/// Of rows with one key the first one counts. Rows without a key do not.
fn map_agg(args: &[ArrayRef], result: &DataType) -> Result<ScalarValue> {
    let [keys, values] = args else { return internal_err!("map_agg takes two arguments") };
    let places = first_places(keys)?;
    one(take(keys, &places, None)?, take(values, &places, None)?, keys.is_empty(), result)
}

fn multimap_agg(args: &[ArrayRef], result: &DataType) -> Result<ScalarValue> {
    let [keys, values] = args else { return internal_err!("multimap_agg takes two arguments") };
    let groups = Groups::of(keys)?;
    let rows: UInt64Array = groups.rows.iter().flatten().map(|row| Some(*row)).collect();
    let lists = OffsetBuffer::from_lengths(groups.rows.iter().map(Vec::len));
    let items = take(values, &rows, None)?;
    let item = Field::new_list_field(items.data_type().clone(), true);
    let lists = ListArray::try_new(Arc::new(item), lists, items, None)?;
    one(take(keys, &groups.first(), None)?, Arc::new(lists), keys.is_empty(), result)
}

/// How often each value comes.
fn histogram(args: &[ArrayRef], result: &DataType) -> Result<ScalarValue> {
    let [values] = args else { return internal_err!("histogram takes one argument") };
    let groups = Groups::of(values)?;
    let counts: Int64Array = groups.counts().collect();
    one(take(values, &groups.first(), None)?, Arc::new(counts), values.null_count() == values.len(), result)
}

/// Of maps with one key the first one counts.
fn map_union(args: &[ArrayRef], result: &DataType) -> Result<ScalarValue> {
    let [maps] = args else { return internal_err!("map_union takes one argument") };
    let map = maps.as_map();
    let entries: UInt64Array = (0..map.len())
        .filter(|row| map.is_valid(*row))
        .flat_map(|row| map.value_offsets()[row]..map.value_offsets()[row + 1])
        .map(|at| Some(at as u64))
        .collect();
    let (keys, values) = (take(map.keys(), &entries, None)?, take(map.values(), &entries, None)?);
    let places = first_places(&keys)?;
    let is_null = map.null_count() == map.len();
    one(take(&keys, &places, None)?, take(&values, &places, None)?, is_null, result)
}

/// The rows of each value, in the order in which the values first come; NULLs are left out.
pub(super) struct Groups {
    rows: Vec<Vec<u64>>,
}

impl Groups {
    pub(super) fn of(values: &ArrayRef) -> Result<Self> {
        let known = Known::new(values)?;
        let mut number: HashMap<OwnedRow, usize> = HashMap::new();
        let mut rows: Vec<Vec<u64>> = Vec::new();
        for at in (0..values.len()).filter(|at| !is_null(values, *at)) {
            let group = *number.entry(known.key(at)).or_insert(rows.len());
            if group == rows.len() {
                rows.push(Vec::new());
            }
            rows[group].push(at as u64);
        }
        Ok(Self { rows })
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = i64> {
        self.rows.iter().map(|rows| rows.len() as i64)
    }

    pub(super) fn first(&self) -> UInt64Array {
        self.rows.iter().map(|rows| rows.first().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn rows_are_aggregated_to_maps() {
        let rows = "(VALUES ('a', 1), ('b', 2), ('a', 3), (NULL, 4)) AS t(k, v)";
        for (expression, expected) in [
            ("map_agg(k, v)", "{a: 1, b: 2}"),
            ("multimap_agg(k, v)", "{a: [1, 3], b: [2]}"),
            ("histogram(k)", "{a: 2, b: 1}"),
            ("map_union(MAP(ARRAY[v], ARRAY[k]))", "{1: a, 2: b, 3: a, 4: }"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression} FROM (SELECT * FROM {rows} ORDER BY v)")), expected);
            assert_eq!(answer(&format!("SELECT {expression} IS NULL FROM {rows} WHERE v > 5")), "true");
        }
    }
}
