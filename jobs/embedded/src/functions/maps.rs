//! Maps: how they are made of arrays, rows and texts, and whether two are equal.

use super::Family;
use super::arrays::{equality, span};
use super::function::{collect, is_null, is_text, text_at, texts, typed};
use super::gathered::list_of;
use super::type_names::trino_name;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, ListArray, MapArray, StringViewArray, StructArray, UInt64Array,
    new_null_array,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{concat, take};
use datafusion::arrow::datatypes::{DataType, Field, Fields};
use datafusion::arrow::row::{OwnedRow, RowConverter, Rows, SortField};
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use datafusion::logical_expr::ScalarUDF;
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
        typed("map", of_arrays_types, of_arrays),
        typed("map_concat", concat_types, map_concat),
        typed("map_from_entries", entries_types, map_from_entries),
        typed("split_to_map", |args| split_types(args, &DataType::Utf8View), split_to_map),
        typed("split_to_multimap", |args| split_types(args, &list_of(&DataType::Utf8View)), split_to_multimap),
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
pub(super) struct Known(Rows);

impl Known {
    pub(super) fn new(values: &ArrayRef) -> Result<Self> {
        let converter = RowConverter::new(vec![SortField::new(values.data_type().clone())])?;
        Ok(Self(converter.convert_columns(&[Arc::clone(values)])?))
    }

    pub(super) fn key(&self, at: usize) -> OwnedRow {
        self.0.row(at).owned()
    }
}

pub(super) fn pair_types(args: &[DataType]) -> Types {
    match args {
        [key, value] => Ok((args.to_vec(), map_type(key, value))),
        _ => plan_err!("a map has keys and values"),
    }
}

fn of_arrays_types(args: &[DataType]) -> Types {
    match args {
        [DataType::List(keys), DataType::List(values)] => {
            let (keys, values) = (keys.data_type(), values.data_type());
            Ok((vec![list_of(keys), list_of(values)], map_type(keys, values)))
        }
        _ => plan_err!("map takes an array of keys and one of values"),
    }
}

/// A map of the keys in one array and the values at their places in another.
fn of_arrays(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [keys, values] = args else { return internal_err!("a map has keys and values") };
    let (keys, values) = (keys.as_list::<i32>(), values.as_list::<i32>());
    let nulls = NullBuffer::union(keys.nulls(), values.nulls());
    let (mut of_keys, mut of_values, mut lengths) = (Vec::new(), Vec::new(), Vec::with_capacity(keys.len()));
    for row in 0..keys.len() {
        let is_valid = nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        let length = if is_valid { keys.value_length(row) } else { 0 };
        if is_valid && length != values.value_length(row) {
            return exec_err!("Key and value arrays must be the same length");
        }
        of_keys.extend((0..length).map(|at| i64::from(keys.value_offsets()[row] + at)));
        of_values.extend((0..length).map(|at| i64::from(values.value_offsets()[row] + at)));
        lengths.push(usize::try_from(length).unwrap_or_default());
    }
    let of_keys = take(keys.values(), &Int64Array::from(of_keys), None)?;
    let of_values = take(values.values(), &Int64Array::from(of_values), None)?;
    map_array(of_keys, of_values, lengths, nulls)
}

/// `=` of maps, which is NULL where only NULLs keep them from being equal.
pub(super) fn map_equal() -> ScalarUDF {
    typed("map_equal", equal_types, equal)
}

fn equal_types(args: &[DataType]) -> Types {
    match args {
        [left, right] if left == right => {
            let (key, value) = entry_types(left)?;
            if key.is_nested() || value.is_nested() {
                return plan_err!("the embedded engine does not compare {}", trino_name(left));
            }
            Ok((args.to_vec(), DataType::Boolean))
        }
        _ => plan_err!("the embedded engine compares maps of one type: CAST their values"),
    }
}

fn equal(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [left, right] = args else { return internal_err!("maps are compared two by two") };
    let (left, right) = (left.as_map(), right.as_map());
    let (keys, values) = (equality(left.keys(), right.keys())?, equality(left.values(), right.values())?);
    collect::<BooleanArray, _>(left.len(), |row| {
        if left.is_null(row) || right.is_null(row) {
            return Ok(None);
        }
        let (ours, theirs) = (span(left.value_offsets(), row), span(right.value_offsets(), row));
        if ours.len() != theirs.len() {
            return Ok(Some(false));
        }
        let mut is_known = true;
        for at in ours {
            let Some(other) = theirs.clone().find(|other| keys(at, *other)) else { return Ok(Some(false)) };
            match !is_null(left.values(), at) && !is_null(right.values(), other) {
                true if !values(at, other) => return Ok(Some(false)),
                both_are_known => is_known &= both_are_known,
            }
        }
        Ok(is_known.then_some(true))
    })
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
    fn maps_are_made_of_arrays_texts_and_rows() {
        for (expression, expected) in [
            ("map(ARRAY['a', 'b'], ARRAY[1, NULL])", "{a: 1, b: }"),
            ("map(ARRAY['a'], CAST(NULL AS array(integer))) IS NULL", "true"),
            ("map(ARRAY['a', 'b'], ARRAY[1, 2]) = map(ARRAY['b', 'a'], ARRAY[2, 1])", "true"),
            ("map(ARRAY['a'], ARRAY[1]) <> map(ARRAY['b'], ARRAY[1])", "true"),
            ("(map(ARRAY['a'], ARRAY[NULL]) = map(ARRAY['a'], ARRAY[NULL])) IS NULL", "true"),
            ("map(ARRAY['a'], ARRAY[1, 2])", "Key and value arrays must be the same length"),
            ("map(ARRAY['a', 'a'], ARRAY[1, 2])", "Duplicate keys (a) are not allowed"),
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
}
