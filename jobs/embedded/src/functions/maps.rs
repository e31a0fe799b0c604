//! Maps: how they are made of arrays, rows and texts, and aggregates that give one.

use super::Family;
use super::function::{is_text, text_at, texts, typed};
use super::gathered::{gathered, list_of};
use super::type_names::trino_name;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListArray, MapArray, StringViewArray, StructArray, UInt64Array,
    new_null_array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{concat, take};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::AggregateUDF;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The functions of this family. `dialect` makes `map_type` of a type `map(…)`, as a NULL of it.
pub(super) fn functions() -> Family {
    vec![
        typed("map_type", pair_types, |args| {
            let [keys, _] = args else { return internal_err!("a map has keys and values") };
            let data_type = pair_types(&args.iter().map(|arg| arg.data_type().clone()).collect::<Vec<_>>())?.1;
            Ok(new_null_array(&data_type, keys.len()))
        }),
        typed(
            "map_empty",
            |_| Ok((vec![], map_type(&DataType::Null, &DataType::Null))),
            |_| {
                let none = || new_null_array(&DataType::Null, 0);
                map_array(none(), none(), vec![0], None)
            },
        ),
        typed("map_concat", concat_types, map_concat),
        typed("map_from_entries", entries_types, map_from_entries),
        typed("split_to_map", |args| split_types(args, &DataType::Utf8View), split_to_map),
        typed("split_to_multimap", |args| split_types(args, &list_of(&DataType::Utf8View)), split_to_multimap),
    ]
}

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

/// The type of maps from keys to values.
pub(super) fn map_type(key: &DataType, value: &DataType) -> DataType {
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entry_fields(key, value)), false)), false)
}

fn entry_fields(key: &DataType, value: &DataType) -> Fields {
    vec![Field::new("key", key.clone(), false), Field::new("value", value.clone(), true)].into()
}

/// The types of a map's keys and values.
pub(super) fn entry_types(map: &DataType) -> Result<(&DataType, &DataType)> {
    match map {
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => Ok((pair[0].data_type(), pair[1].data_type())),
            other => internal_err!("a map of {other}"),
        },
        other => plan_err!("{} is no map", trino_name(other)),
    }
}

/// Maps with so many entries each.
///
/// # Errors
/// A key is NULL, or there twice.
pub(super) fn map_array(
    keys: ArrayRef,
    values: ArrayRef,
    lengths: Vec<usize>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef> {
    if keys.null_count() > 0 {
        return exec_err!("map key cannot be null");
    }
    let known = Known::new(&keys)?;
    let mut at = 0;
    for length in &lengths {
        let mut seen = HashSet::with_capacity(*length);
        for place in at..at + length {
            if !seen.insert(known.key(place)) {
                return exec_err!("Duplicate keys ({}) are not allowed", array_value_to_string(&keys, place)?);
            }
        }
        at += length;
    }
    let fields = entry_fields(keys.data_type(), values.data_type());
    let entries = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    let field = Field::new("entries", DataType::Struct(fields), false);
    Ok(Arc::new(MapArray::try_new(Arc::new(field), OffsetBuffer::from_lengths(lengths), entries, nulls, false)?))
}

/// Values in a form that tells which are equal.
struct Known(Rows);

impl Known {
    fn new(values: &ArrayRef) -> Result<Self> {
        let converter = RowConverter::new(vec![SortField::new(values.data_type().clone())])?;
        Ok(Self(converter.convert_columns(&[Arc::clone(values)])?))
    }

    fn key(&self, at: usize) -> OwnedRow {
        self.0.row(at).owned()
    }
}

fn pair_types(args: &[DataType]) -> Types {
    match args {
        [key, value] => Ok((args.to_vec(), map_type(key, value))),
        _ => plan_err!("a map has keys and values"),
    }
}

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
    let counts: Int64Array = groups.rows.iter().map(|rows| Some(rows.len() as i64)).collect();
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
struct Groups {
    rows: Vec<Vec<u64>>,
}

impl Groups {
    fn of(values: &ArrayRef) -> Result<Self> {
        let known = Known::new(values)?;
        let mut number: HashMap<OwnedRow, usize> = HashMap::new();
        let mut rows: Vec<Vec<u64>> = Vec::new();
        for at in (0..values.len()).filter(|at| values.is_valid(*at)) {
            let group = *number.entry(known.key(at)).or_insert(rows.len());
            if group == rows.len() {
                rows.push(Vec::new());
            }
            rows[group].push(at as u64);
        }
        Ok(Self { rows })
    }

    fn first(&self) -> UInt64Array {
        self.rows.iter().map(|rows| rows.first().copied()).collect()
    }
}

fn concat_types(args: &[DataType]) -> Types {
    match args {
        [first @ DataType::Map(..), .., _] if args.iter().all(|arg| arg == first) => Ok((args.to_vec(), first.clone())),
        _ => plan_err!("map_concat takes two or more maps of one type"),
    }
}

/// Of maps with one key the last one counts.
fn map_concat(args: &[ArrayRef]) -> Result<ArrayRef> {
    let maps: Vec<&MapArray> = args.iter().map(|arg| arg.as_map()).collect();
    let keys = concat(&maps.iter().map(|map| map.keys().as_ref()).collect::<Vec<_>>())?;
    let values = concat(&maps.iter().map(|map| map.values().as_ref()).collect::<Vec<_>>())?;
    let known = Known::new(&keys)?;
    let rows = args.first().map_or(0, |map| map.len());
    let (mut places, mut lengths, mut valid) = (Vec::new(), Vec::with_capacity(rows), Vec::with_capacity(rows));
    for row in 0..rows {
        let before = places.len();
        let is_valid = maps.iter().all(|map| map.is_valid(row));
        let mut seen: HashMap<OwnedRow, usize> = HashMap::new();
        let mut base = 0;
        for map in &maps {
            for at in map.value_offsets()[row]..map.value_offsets()[row + 1] {
                let at = base + at as usize;
                let next = places.len();
                match *seen.entry(known.key(at)).or_insert(next) {
                    place if place == next && is_valid => places.push(Some(at as u64)),
                    place if is_valid => places[place] = Some(at as u64),
                    _ => {}
                }
            }
            base += map.keys().len();
        }
        lengths.push(places.len() - before);
        valid.push(is_valid);
    }
    let places = UInt64Array::from(places);
    map_array(take(&keys, &places, None)?, take(&values, &places, None)?, lengths, Some(valid.into()))
}

fn entries_types(args: &[DataType]) -> Types {
    match args {
        [DataType::List(row)] => match row.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                let (key, value) = (pair[0].data_type(), pair[1].data_type());
                Ok((args.to_vec(), map_type(key, value)))
            }
            other => plan_err!("map_from_entries takes an array of rows of two, not of {}", trino_name(other)),
        },
        _ => plan_err!("map_from_entries takes an array of rows of two"),
    }
}

fn map_from_entries(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [lists] = args else { return internal_err!("map_from_entries takes one argument") };
    let lists = lists.as_list::<i32>();
    let rows = lists.values().as_struct();
    if rows.null_count() > 0 {
        return exec_err!("map entry cannot be null");
    }
    let (mut places, mut lengths) = (Vec::new(), Vec::with_capacity(lists.len()));
    for row in 0..lists.len() {
        let items = if lists.is_valid(row) { lists.value_offsets()[row]..lists.value_offsets()[row + 1] } else { 0..0 };
        lengths.push(items.len());
        places.extend(items.map(|at| at as u64));
    }
    let places = UInt64Array::from(places);
    let (keys, values) = (take(rows.column(0), &places, None)?, take(rows.column(1), &places, None)?);
    map_array(keys, values, lengths, lists.nulls().cloned())
}

/// From the entries of a text to those of a map.
type Split = fn(&[(&str, &str)]) -> Vec<(String, Vec<String>)>;

fn split_types(args: &[DataType], value: &DataType) -> Types {
    if args.len() != 3 || !args.iter().all(|arg| is_text(arg) || arg.is_null()) {
        return plan_err!("it takes a text, what parts its entries, and what parts keys and values");
    }
    Ok((vec![DataType::Utf8View; 3], map_type(&DataType::Utf8View, value)))
}

fn split_to_map(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (keys, values, lengths, valid) = split_with(args, |entries| {
        entries.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect()
    })?;
    let values: StringViewArray = values.into_iter().map(|mut values| values.pop()).collect();
    map_array(Arc::new(keys), Arc::new(values), lengths, Some(valid))
}

fn split_to_multimap(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (keys, values, lengths, valid) = split_with(args, |entries| {
        let mut found: Vec<(String, Vec<String>)> = Vec::new();
        for (key, value) in entries {
            match found.iter_mut().find(|(known, _)| known == key) {
                Some((_, values)) => values.push((*value).to_owned()),
                None => found.push(((*key).to_owned(), vec![(*value).to_owned()])),
            }
        }
        found
    })?;
    let offsets = OffsetBuffer::from_lengths(values.iter().map(Vec::len));
    let items: StringViewArray = values.into_iter().flatten().map(Some).collect();
    let item = Field::new_list_field(DataType::Utf8View, true);
    let lists = ListArray::try_new(Arc::new(item), offsets, Arc::new(items), None)?;
    map_array(Arc::new(keys), Arc::new(lists), lengths, Some(valid))
}

type Entries = (StringViewArray, Vec<Vec<String>>, Vec<usize>, NullBuffer);

fn split_with(args: &[ArrayRef], split: Split) -> Result<Entries> {
    let (text, between, within) = (texts(args, 0)?, texts(args, 1)?, texts(args, 2)?);
    let (mut keys, mut values, mut lengths, mut valid) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for row in 0..text.len() {
        let (Some(text), Some(between), Some(within)) =
            (text_at(text, row), text_at(between, row), text_at(within, row))
        else {
            lengths.push(0);
            valid.push(false);
            continue;
        };
        if between.is_empty() || within.is_empty() || between == within {
            return exec_err!("entryDelimiter and keyValueDelimiter must be different, and not empty");
        }
        // What parts entries may stand at the end of the text, too.
        let whole = text.strip_suffix(between).unwrap_or(text);
        let parts = whole.split(between).filter(|_| !text.is_empty());
        let entries = parts.map(|entry| match entry.split_once(within) {
            Some((key, value)) if !value.contains(within) => Ok((key, value)),
            _ => exec_err!("Key-value delimiter must appear exactly once in each entry. Bad input: '{entry}'"),
        });
        let entries = split(&entries.collect::<Result<Vec<_>>>()?);
        lengths.push(entries.len());
        valid.push(true);
        for (key, of_key) in entries {
            keys.push(Some(key));
            values.push(of_key);
        }
    }
    Ok((keys.into_iter().collect(), values, lengths, valid.into()))
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn maps_are_made_of_texts_and_rows() {
        for (expression, expected) in [
            ("split_to_map('a=1&b=2', '&', '=')", "{a: 1, b: 2}"),
            ("split_to_multimap('a=1&a=2', '&', '=')", "{a: [1, 2]}"),
            ("split_to_map('a=1&a=2', '&', '=')", "Duplicate keys (a) are not allowed"),
            ("map_concat(MAP(ARRAY['a'], ARRAY[1]), MAP(ARRAY['a'], ARRAY[2]))", "{a: 2}"),
            ("map_from_entries(ARRAY[('x', 1)])", "{x: 1}"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
        assert!(answer("SELECT split_to_map('a', '&', '=')").contains("Bad input: 'a'"));
    }

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
