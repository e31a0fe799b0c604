//! Functions that take a lambda: `transform`, `reduce`, `zip_with`, `all_match`, `none_match`, `array_sort` with an order, and those of maps.

use super::gathered::list_of;
use super::maps::{entry_types, map_array, map_type};
use super::type_names::trino_name;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, UInt64Array};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{cast, filter, interleave, take, take_arrays};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature, HigherOrderUDF,
    HigherOrderUDFImpl, LambdaArgument, LambdaParametersProgress, ValueOrLambda, Volatility,
};
use std::ops::Range;
use std::sync::Arc;

/// The functions of this family. `dialect` makes `array_sort_by` of `array_sort` with a lambda.
pub(super) fn functions() -> Vec<HigherOrderUDF> {
    use Kind::{AllMatch, MapFilter, NoneMatch, Reduce, SortBy, Transform, TransformKeys, TransformValues, ZipWith};
    let kinds = [AllMatch, NoneMatch, MapFilter, Reduce, SortBy, Transform, TransformKeys, TransformValues, ZipWith];
    kinds.into_iter().map(|kind| HigherOrderUDF::new_from_impl(Lambda { kind, signature: kind.signature() })).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    AllMatch,
    NoneMatch,
    MapFilter,
    Reduce,
    SortBy,
    Transform,
    TransformKeys,
    TransformValues,
    ZipWith,
}

impl Kind {
    fn signature(self) -> HigherOrderSignature {
        use ValueOrLambda::{Lambda, Value};
        let args = match self {
            Self::Reduce => vec![Value(()), Value(()), Lambda(()), Lambda(())],
            Self::ZipWith => vec![Value(()), Value(()), Lambda(())],
            _ => vec![Value(()), Lambda(())],
        };
        HigherOrderSignature::exact(args, Volatility::Immutable)
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Lambda {
    kind: Kind,
    signature: HigherOrderSignature,
}

fn parameter(data_type: &DataType) -> FieldRef {
    Arc::new(Field::new("", data_type.clone(), true))
}

/// The values' fields of a call, without its lambdas.
fn value_types<L>(fields: &[ValueOrLambda<FieldRef, L>]) -> Vec<DataType> {
    let values = fields.iter().filter_map(|field| match field {
        ValueOrLambda::Value(field) => Some(field.data_type().clone()),
        ValueOrLambda::Lambda(_) => None,
    });
    values.collect()
}

impl HigherOrderUDFImpl for Lambda {
    fn name(&self) -> &str {
        match self.kind {
            Kind::AllMatch => "all_match",
            Kind::NoneMatch => "none_match",
            Kind::MapFilter => "map_filter",
            Kind::Reduce => "reduce",
            Kind::SortBy => "array_sort_by",
            Kind::Transform => "transform",
            Kind::TransformKeys => "transform_keys",
            Kind::TransformValues => "transform_values",
            Kind::ZipWith => "zip_with",
        }
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn coerce_value_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok(given.to_vec())
    }

    fn lambda_parameters(
        &self,
        _: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        let values = value_types(fields);
        let item = |at: usize| match values.get(at) {
            Some(DataType::List(item)) => Ok(parameter(item.data_type())),
            Some(DataType::Null) => Ok(parameter(&DataType::Null)),
            other => plan_err!(
                "{} takes an array, not {}",
                self.name(),
                other.map_or_else(|| "nothing".to_owned(), trino_name)
            ),
        };
        Ok(LambdaParametersProgress::Complete(match (self.kind, values.as_slice()) {
            (Kind::AllMatch | Kind::NoneMatch | Kind::Transform, _) => vec![vec![item(0)?]],
            (Kind::SortBy, _) => vec![vec![item(0)?, item(0)?]],
            (Kind::ZipWith, _) => vec![vec![item(0)?, item(1)?]],
            (Kind::Reduce, [_, state]) => vec![vec![parameter(state), item(0)?], vec![parameter(state)]],
            (_, [map]) => {
                let (key, value) = entry_types(map)?;
                vec![vec![parameter(key), parameter(value)]]
            }
            _ => return internal_err!("{} with {} values", self.name(), values.len()),
        }))
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs) -> Result<FieldRef> {
        let values = value_types(args.arg_fields);
        let given = |at: usize| match args.arg_fields.get(at) {
            Some(ValueOrLambda::Lambda(field)) => Ok(field.data_type().clone()),
            _ => internal_err!("{} lacks a lambda", self.name()),
        };
        let data_type = match (self.kind, values.as_slice()) {
            (Kind::AllMatch | Kind::NoneMatch, _) => DataType::Boolean,
            (Kind::Transform, _) => list_of(&given(1)?),
            (Kind::ZipWith, _) => list_of(&given(2)?),
            (Kind::Reduce, [_, state]) => {
                let next = given(2)?;
                if next != *state && !next.is_null() {
                    return plan_err!(
                        "reduce: the state is {} and becomes {}: CAST the first state to it",
                        trino_name(state),
                        trino_name(&next)
                    );
                }
                given(3)?
            }
            (Kind::TransformValues, [map]) => map_type(entry_types(map)?.0, &given(1)?),
            (Kind::TransformKeys, [map]) => map_type(&given(1)?, entry_types(map)?.1),
            (_, [same]) => same.clone(),
            _ => return internal_err!("{} with {} values", self.name(), values.len()),
        };
        Ok(Arc::new(Field::new(self.name(), data_type, true)))
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let (mut values, mut lambdas) = (Vec::new(), Vec::new());
        for arg in &args.args {
            match arg {
                ValueOrLambda::Value(value) => values.push(value.to_array(args.number_rows)?),
                ValueOrLambda::Lambda(lambda) => lambdas.push(lambda),
            }
        }
        let result = match (self.kind, values.as_slice(), lambdas.as_slice()) {
            (Kind::AllMatch, [lists], [matches]) => match_all(lists, matches, true)?,
            (Kind::NoneMatch, [lists], [matches]) => match_all(lists, matches, false)?,
            (Kind::Transform, [lists], [item]) => transform_items(lists, item, args.return_type())?,
            (Kind::ZipWith, [left, right], [both]) => zip_with(left, right, both, args.return_type())?,
            (Kind::Reduce, [lists, state], [input, output]) => reduce(lists, state, input, output)?,
            (Kind::SortBy, [lists], [order]) => sort_by(lists, order)?,
            (Kind::MapFilter, [maps], [keeps]) => map_filter(maps, keeps)?,
            (Kind::TransformKeys, [maps], [key]) => transform(maps, key, true)?,
            (Kind::TransformValues, [maps], [value]) => transform(maps, value, false)?,
            _ => return internal_err!("{} with {} values", self.name(), values.len()),
        };
        Ok(ColumnarValue::Array(result))
    }
}

/// Runs a lambda for so many rows; `rows` are those of the batch whose captured columns they see.
fn run(lambda: &LambdaArgument, args: &[ArrayRef], rows: &UInt64Array) -> Result<ArrayRef> {
    let closures: Vec<Box<dyn Fn() -> Result<ArrayRef>>> =
        args.iter().cloned().map(|arg| Box::new(move || Ok(Arc::clone(&arg))) as _).collect();
    let closures: Vec<&dyn Fn() -> Result<ArrayRef>> = closures.iter().map(AsRef::as_ref).collect();
    let result = lambda.evaluate(&closures, |captured| Ok(take_arrays(captured, rows, None)?))?;
    result.into_array(rows.len())
}

fn span(offsets: &[i32], row: usize) -> Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}

/// The places of the items of all arrays that are not NULL, the rows that they belong to, and how many each row has.
fn items_of(offsets: &[i32], nulls: Option<&NullBuffer>) -> (UInt64Array, UInt64Array, Vec<usize>) {
    let (mut places, mut rows, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..offsets.len() - 1 {
        let items = if nulls.is_some_and(|nulls| nulls.is_null(row)) { 0..0 } else { span(offsets, row) };
        lengths.push(items.len());
        rows.extend(std::iter::repeat_n(row as u64, items.len()));
        places.extend(items.map(|at| at as u64));
    }
    (places.into(), rows.into(), lengths)
}

/// Whether a lambda holds for all items, or for none; NULL where only NULLs leave it open.
fn match_all(lists: &ArrayRef, matches: &LambdaArgument, wanted: bool) -> Result<ArrayRef> {
    let Some(lists) = lists.as_list_opt::<i32>() else { return Ok(Arc::new(BooleanArray::new_null(lists.len()))) };
    let (places, rows, lengths) = items_of(lists.value_offsets(), lists.nulls());
    let found = run(matches, &[take(lists.values(), &places, None)?], &rows)?;
    let found = cast(&found, &DataType::Boolean)?;
    let found = found.as_boolean();
    let mut at = 0;
    let results = lengths.iter().enumerate().map(|(row, length)| {
        let items = at..at + length;
        at += length;
        if lists.is_null(row) {
            return None;
        }
        let is_against = |at: usize| found.is_valid(at) && found.value(at) != wanted;
        match (items.clone().any(is_against), items.clone().any(|at| found.is_null(at))) {
            (true, _) => Some(false),
            (false, true) => None,
            (false, false) => Some(true),
        }
    });
    Ok(Arc::new(results.collect::<BooleanArray>()))
}

/// Arrays with other items.
fn transform_items(lists: &ArrayRef, item: &LambdaArgument, result: &DataType) -> Result<ArrayRef> {
    let Some(list) = lists.as_list_opt::<i32>() else {
        return Ok(datafusion::arrow::array::new_null_array(result, lists.len()));
    };
    let (places, rows, lengths) = items_of(list.value_offsets(), list.nulls());
    let items = run(item, &[take(list.values(), &places, None)?], &rows)?;
    let field = Field::new_list_field(items.data_type().clone(), true);
    Ok(Arc::new(ListArray::try_new(
        Arc::new(field),
        OffsetBuffer::from_lengths(lengths),
        items,
        list.nulls().cloned(),
    )?))
}

/// Joins two arrays item by item; the shorter one is filled up with NULLs.
fn zip_with(left: &ArrayRef, right: &ArrayRef, both: &LambdaArgument, result: &DataType) -> Result<ArrayRef> {
    let (Some(a), Some(b)) = (left.as_list_opt::<i32>(), right.as_list_opt::<i32>()) else {
        return Ok(datafusion::arrow::array::new_null_array(result, left.len()));
    };
    let (mut of_a, mut of_b, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let (mut lengths, mut valid) = (Vec::new(), Vec::new());
    for row in 0..a.len() {
        let is_valid = a.is_valid(row) && b.is_valid(row);
        let (x, y) = (span(a.value_offsets(), row), span(b.value_offsets(), row));
        let length = if is_valid { x.len().max(y.len()) } else { 0 };
        let place = |items: &Range<usize>, at: usize| (at < items.len()).then(|| (items.start + at) as u64);
        of_a.extend((0..length).map(|at| place(&x, at)));
        of_b.extend((0..length).map(|at| place(&y, at)));
        rows.extend(std::iter::repeat_n(row as u64, length));
        lengths.push(length);
        valid.push(is_valid);
    }
    let args = [take(a.values(), &UInt64Array::from(of_a), None)?, take(b.values(), &UInt64Array::from(of_b), None)?];
    let items = run(both, &args, &rows.into())?;
    let item = Field::new_list_field(items.data_type().clone(), true);
    Ok(Arc::new(ListArray::try_new(Arc::new(item), OffsetBuffer::from_lengths(lengths), items, Some(valid.into()))?))
}

/// Brings the items of each array one after the other into a state.
fn reduce(lists: &ArrayRef, state: &ArrayRef, input: &LambdaArgument, output: &LambdaArgument) -> Result<ArrayRef> {
    let all: UInt64Array = (0..lists.len() as u64).collect::<Vec<_>>().into();
    let mut state = Arc::clone(state);
    if let Some(lists) = lists.as_list_opt::<i32>() {
        let spans: Vec<Range<usize>> = (0..lists.len())
            .map(|row| if lists.is_valid(row) { span(lists.value_offsets(), row) } else { 0..0 })
            .collect();
        let longest = spans.iter().map(|items| items.len()).max().unwrap_or(0);
        for at in 0..longest {
            let open: Vec<usize> = (0..spans.len()).filter(|row| spans[*row].len() > at).collect();
            let rows: UInt64Array = open.iter().map(|row| Some(*row as u64)).collect();
            let places: UInt64Array = open.iter().map(|row| Some((spans[*row].start + at) as u64)).collect();
            let args = [take(&state, &rows, None)?, take(lists.values(), &places, None)?];
            let next = cast(&run(input, &args, &rows)?, state.data_type())?;
            let mut from: Vec<(usize, usize)> = (0..spans.len()).map(|row| (0, row)).collect();
            for (place, row) in open.iter().enumerate() {
                from[*row] = (1, place);
            }
            state = interleave(&[state.as_ref(), next.as_ref()], &from)?;
        }
    }
    let results = run(output, &[state], &all)?;
    let kept: UInt64Array = (0..lists.len()).map(|row| lists.is_valid(row).then_some(row as u64)).collect();
    Ok(take(&results, &kept, None)?)
}

/// Sorts each array in the order that a lambda says: -1, 0 or 1 for two items.
fn sort_by(lists: &ArrayRef, order: &LambdaArgument) -> Result<ArrayRef> {
    let Some(list) = lists.as_list_opt::<i32>() else { return Ok(Arc::clone(lists)) };
    let (mut sorted, mut lengths) = (Vec::<u64>::new(), Vec::new());
    for row in 0..list.len() {
        let items = if list.is_valid(row) { span(list.value_offsets(), row) } else { 0..0 };
        lengths.push(items.len());
        let mut placed: Vec<usize> = Vec::with_capacity(items.len());
        for at in items {
            // The first of those placed that come behind it: equal ones keep their order.
            let (mut low, mut high) = (0, placed.len());
            while low < high {
                let middle = low.midpoint(high);
                if comes_before(list.values(), at, placed[middle], order, row)? {
                    high = middle;
                } else {
                    low = middle + 1;
                }
            }
            placed.insert(low, at);
        }
        sorted.extend(placed.into_iter().map(|at| at as u64));
    }
    let items = take(list.values(), &UInt64Array::from(sorted), None)?;
    let item = Field::new_list_field(items.data_type().clone(), true);
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(Arc::new(item), offsets, items, list.nulls().cloned())?))
}

fn comes_before(items: &ArrayRef, a: usize, b: usize, order: &LambdaArgument, row: usize) -> Result<bool> {
    let found = run(order, &[items.slice(a, 1), items.slice(b, 1)], &vec![row as u64].into())?;
    let found = cast(&found, &DataType::Int64)?;
    let found = found.as_primitive::<Int64Type>();
    match found.is_valid(0).then(|| found.value(0)) {
        Some(order @ -1..=1) => Ok(order < 0),
        _ => exec_err!("Lambda comparator must return either -1, 0, or 1"),
    }
}

fn map_filter(maps: &ArrayRef, keeps: &LambdaArgument) -> Result<ArrayRef> {
    let map = maps.as_map();
    let (places, rows, lengths) = items_of(map.value_offsets(), map.nulls());
    let (keys, values) = (take(map.keys(), &places, None)?, take(map.values(), &places, None)?);
    let kept = cast(&run(keeps, &[Arc::clone(&keys), Arc::clone(&values)], &rows)?, &DataType::Boolean)?;
    let kept = kept.as_boolean();
    let mut at = 0;
    let lengths: Vec<usize> = lengths
        .into_iter()
        .map(|length| {
            let items = at..at + length;
            at += length;
            items.filter(|at| kept.is_valid(*at) && kept.value(*at)).count()
        })
        .collect();
    map_array(filter(&keys, kept)?, filter(&values, kept)?, lengths, map.nulls().cloned())
}

/// Maps with other keys, or with other values.
fn transform(maps: &ArrayRef, lambda: &LambdaArgument, is_of_keys: bool) -> Result<ArrayRef> {
    let map = maps.as_map();
    let (places, rows, lengths) = items_of(map.value_offsets(), map.nulls());
    let (keys, values) = (take(map.keys(), &places, None)?, take(map.values(), &places, None)?);
    let new = run(lambda, &[Arc::clone(&keys), Arc::clone(&values)], &rows)?;
    let (keys, values) = if is_of_keys { (new, values) } else { (keys, new) };
    map_array(keys, values, lengths, map.nulls().cloned())
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn arrays_are_reduced_item_by_item() {
        for (expression, expected) in [
            ("reduce(ARRAY[1, 2, 3], 0, (s, x) -> s + x, s -> s)", "6"),
            ("reduce(ARRAY[1, 2, 3], 0, (s, x) -> s + x, s -> s * 10)", "60"),
            ("reduce(ARRAY[2147483647, 1], BIGINT '0', (s, x) -> s + x, s -> s)", "2147483648"),
            ("transform(ARRAY[ARRAY[1, 2], ARRAY[3]], a -> reduce(a, 0, (s, x) -> s + x, s -> s))", "[3, 3]"),
            ("zip_with(ARRAY[1, 2], ARRAY[3, 4], (x, y) -> x * y)", "[3, 8]"),
            ("all_match(ARRAY[1, 2], x -> x > 1)", "false"),
            ("none_match(ARRAY[1], x -> x > 1)", "true"),
            ("all_match(ARRAY[2, NULL], x -> x > 1) IS NULL", "true"),
            ("array_sort(ARRAY[3, 1, 2], (x, y) -> if(x < y, 1, if(x > y, -1, 0)))", "[3, 2, 1]"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
        let rows = "(VALUES (1, ARRAY[1, 2]), (2, ARRAY[3]), (3, NULL)) AS t(n, a)";
        let sql = format!("SELECT array_agg(reduce(a, 0, (s, x) -> s + x * n, s -> s) ORDER BY n) FROM {rows}");
        assert_eq!(answer(&sql), "[3, 6, ]");
        let error = answer("SELECT reduce(ARRAY[1.5], 0, (s, x) -> s + x, s -> s)");
        assert!(error.contains("CAST the first state to it"), "{error}");
    }

    #[test]
    fn maps_are_filtered_and_transformed() {
        let map = "MAP(ARRAY['a', 'b'], ARRAY[1, 2])";
        for (expression, expected) in [
            ("map_filter(m, (k, v) -> v > 1)", "{b: 2}"),
            ("transform_values(m, (k, v) -> v + 1)", "{a: 2, b: 3}"),
            ("transform_keys(m, (k, v) -> k || 'x')", "{ax: 1, bx: 2}"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression} FROM (VALUES ({map})) AS t(m)")), expected, "{expression}");
        }
        let error = answer(&format!("SELECT transform_keys({map}, (k, v) -> 'x')"));
        assert_eq!(error, "Duplicate keys (x) are not allowed");
    }
}
