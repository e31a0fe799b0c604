//! Trino's `CAST` and `TRY_CAST`, where DataFusion's differ: what text is a number, how a number is rounded, how a
//! value is written.

mod parse;
pub(super) mod print;
mod rounding;

pub(crate) use rounding::millisecond_texts;
use rounding::{local_timestamps, rounded};

use super::function::{collect, int_at, ints, is_text, text_at, typed};
use super::maps::{entry_types, map_array};
use super::moment::{Moments, per_second};
use super::type_names::trino_name;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, Int64Array, ListArray, MapArray, StringViewArray, StructArray,
};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::compute::{CastOptions, cast, cast_with_options};
use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue, exec_err, internal_err, not_impl_err, plan_err};
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    Between, BinaryExpr, Cast, ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, TryCast, Volatility,
};
use std::sync::Arc;

/// Puts Trino's casts in the place of DataFusion's, by the types that meet. That goes for the casts that no query writes,
/// too: a plain timestamp that meets one with a zone is a time in the session's zone, where DataFusion reads it in the
/// other's.
#[derive(Debug)]
pub(super) struct TrinoCasts;

impl FunctionRewrite for TrinoCasts {
    fn name(&self) -> &str {
        "trino_casts"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let (inner, field, lenient) = match &expr {
            Expr::Cast(Cast { expr, field }) => (expr, field, false),
            Expr::TryCast(TryCast { expr, field }) => (expr, field, true),
            Expr::BinaryExpr(_) | Expr::Between(_) => return compared_in_session_zone(expr, schema),
            _ => return Ok(Transformed::no(expr)),
        };
        let to = field.data_type().clone();
        // An expression whose type is not known yet is left to DataFusion.
        let Ok(from) = inner.get_type(schema) else { return Ok(Transformed::no(expr)) };
        let is_binary = matches!(from, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
        if is_binary && is_text(&to) {
            return plan_err!("Cannot cast varbinary to varchar: write from_utf8(x)");
        }
        // Where an item of an array cannot be cast, the whole array is NULL.
        let is_list_tried = lenient && matches!((&from, &to), (DataType::List(_), DataType::List(_)));
        if let (DataType::Struct(given), DataType::Struct(wanted)) = (&from, &to)
            && given.len() != wanted.len()
        {
            return plan_err!("Cannot cast {} to {}", trino_name(&from), trino_name(&to));
        }
        if !is_list_tried && !differs(&from, &to) {
            return Ok(Transformed::no(expr));
        }
        let name = format!("{}cast_as_{}", if lenient { "try_" } else { "" }, trino_name(&to));
        let signature = Signature::any(1, Volatility::Immutable);
        let udf = ScalarUDF::from(TrinoCast { name, to, lenient, signature });
        Ok(Transformed::yes(udf.call(vec![inner.as_ref().clone()])))
    }
}

fn compared_in_session_zone(mut expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    let sides = match &mut expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() => vec![left, right],
        Expr::Between(Between { expr, low, high, .. }) => vec![expr, low, high],
        _ => return Ok(Transformed::no(expr)),
    };
    let types: Vec<_> = sides.iter().map(|side| side.get_type(schema).unwrap_or(DataType::Null)).collect();
    let zoned = types.iter().any(|side| matches!(side, DataType::Timestamp(_, Some(_))));
    let mut changed = false;
    for (side, data_type) in sides.into_iter().zip(types) {
        let unit = match data_type {
            DataType::Timestamp(unit, None) if zoned => unit,
            DataType::Date32 if zoned => TimeUnit::Millisecond,
            _ => continue,
        };
        let plain = std::mem::take(side.as_mut());
        **side = Expr::Cast(Cast::new(Box::new(plain), DataType::Timestamp(unit, Some("UTC".into()))));
        changed = true;
    }
    Ok(if changed { Transformed::yes(expr) } else { Transformed::no(expr) })
}

fn differs(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (from, to) if is_text(from) => {
            to.is_integer()
                || to.is_floating()
                || matches!(
                    to,
                    DataType::Decimal128(..) | DataType::Boolean | DataType::Date32 | DataType::Timestamp(..)
                )
        }
        (from, to) if is_text(to) => {
            from.is_floating() || matches!(from, DataType::Timestamp(..) | DataType::Interval(_))
        }
        (from, to) if narrows(from, to) => true,
        (from, to) if to.is_integer() => from.is_floating() || matches!(from, DataType::Decimal128(..)),
        (DataType::Timestamp(from, from_zone), DataType::Timestamp(to, to_zone)) => {
            (from_zone.is_some() && to_zone.is_none())
                || loses_zone(from_zone.as_deref(), to_zone.as_deref())
                || per_second(*from) > per_second(*to)
        }
        (DataType::Timestamp(_, zone), DataType::Date32) => zone.is_some(),
        (DataType::List(from), DataType::List(to)) => differs(from.data_type(), to.data_type()),
        // Fields of rows meet by position here, and by name in DataFusion.
        (DataType::Struct(_), DataType::Struct(_)) | (DataType::Map(..), DataType::Map(..)) => from != to,
        _ => false,
    }
}

/// Whether a cast from integers or decimals to such may round a value, or fail for it. DataFusion drops such a cast where its
/// result is compared with a literal, and then rounds nothing and fails for nothing.
fn narrows(from: &DataType, to: &DataType) -> bool {
    use DataType::{Decimal128, Int8, Int16, Int32, Int64};
    // Digits before the point, and behind it.
    let digits = |of: &DataType| match of {
        Int8 => Some((3, 0)),
        Int16 => Some((5, 0)),
        Int32 => Some((10, 0)),
        Int64 => Some((19, 0)),
        Decimal128(digits, scale) => Some((i16::from(*digits) - i16::from(*scale), *scale)),
        _ => None,
    };
    let lost = |(from, to): ((i16, i8), (i16, i8))| to.0 < from.0 || to.1 < from.1;
    digits(from).zip(digits(to)).is_some_and(lost)
}

/// Whether values of a zone would be shown in another one.
fn loses_zone(from: Option<&str>, to: Option<&str>) -> bool {
    from.zip(to).is_some_and(|(from, to)| from != to)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TrinoCast {
    name: String,
    to: DataType,
    /// `TRY_CAST`: NULL in the place of an error.
    lenient: bool,
    signature: Signature,
}

impl ScalarUDFImpl for TrinoCast {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.to.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        match args.args.as_slice() {
            [ColumnarValue::Array(values)] => Ok(ColumnarValue::Array(cast_as(values, &self.to, self.lenient)?)),
            [ColumnarValue::Scalar(value)] => {
                let one = cast_as(&value.to_array()?, &self.to, self.lenient)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&one, 0)?))
            }
            _ => internal_err!("a cast takes one value"),
        }
    }
}

/// Values as those of another type; with `lenient`, NULL for a value that is none.
pub(super) fn cast_as(values: &ArrayRef, to: &DataType, lenient: bool) -> Result<ArrayRef> {
    match (values.data_type(), to) {
        (DataType::Struct(_), DataType::Struct(fields)) => row_as(values.as_struct(), fields, lenient),
        (DataType::Map(..), DataType::Map(..)) => map_as(values.as_map(), to, lenient),
        (DataType::List(_), DataType::List(item)) => lists_as(values.as_list(), item.data_type(), lenient),
        (DataType::Timestamp(_, from), DataType::Timestamp(_, to)) if loses_zone(from.as_deref(), to.as_deref()) => {
            exec_err!(
                "the embedded engine keeps no zone but UTC where times are cast: write x AT TIME ZONE 'UTC' before the cast"
            )
        }
        (from, to)
            if !differs(from, to)
                || (narrows(from, to) && !to.is_integer())
                || from.is_integer() && to.is_integer() =>
        {
            let options = CastOptions { safe: lenient, ..CastOptions::default() };
            Ok(cast_with_options(values, to, &options)?)
        }
        (from, to) if is_text(from) => {
            let texts = cast(values, &DataType::Utf8View)?;
            parse::texts_as(texts.as_string_view(), to, lenient)
        }
        (_, to) if is_text(to) => Ok(cast(&print::texts(values)?, to)?),
        (_, DataType::Timestamp(unit, zone)) => local_timestamps(values, *unit, zone.clone()),
        (_, DataType::Date32) => {
            let moments = Moments::new(values)?;
            let days = (0..moments.len())
                .map(|row| Ok(moments.local(row)?.map(|time| time.and_utc().timestamp().div_euclid(86_400))))
                .collect::<Result<Int64Array>>()?;
            Ok(cast(&cast(&days, &DataType::Int32)?, &DataType::Date32)?)
        }
        (_, to) => rounded(values, to, lenient),
    }
}

/// Arrays with their items cast. With `lenient`, an array of which an item cannot be cast is NULL.
fn lists_as(lists: &ListArray, to: &DataType, lenient: bool) -> Result<ArrayRef> {
    let (first, last) = (lists.value_offsets()[0], lists.value_offsets()[lists.len()]);
    let (start, count) = (first as usize, (last - first) as usize);
    let items = lists.values().slice(start, count);
    let offsets = OffsetBuffer::from_lengths(lists.offsets().lengths());
    let (cast, nulls) = match cast_as(&items, to, false) {
        Ok(cast) => (cast, lists.nulls().cloned()),
        Err(error) if !lenient => return Err(error),
        Err(_) => {
            let cast = cast_as(&items, to, true)?;
            let is_lost = |at: i32| {
                let at = at as usize;
                cast.is_null(at) && items.is_valid(at)
            };
            let is_whole = |row: usize| !(offsets[row]..offsets[row + 1]).any(is_lost);
            let whole: NullBuffer = (0..lists.len()).map(|row| lists.is_valid(row) && is_whole(row)).collect();
            (cast, Some(whole))
        }
    };
    Ok(Arc::new(ListArray::try_new(Arc::new(Field::new_list_field(to.clone(), true)), offsets, cast, nulls)?))
}

/// `CAST(x AS varchar(n))`. `dialect` makes `cast_to_length(x, n)` of it.
pub(super) fn functions() -> super::Family {
    vec![
        typed("cast_to_length", length_types, |args| to_length(args, false)),
        typed("try_cast_to_length", length_types, |args| to_length(args, true)),
        // A type that DataFusion's SQL has no word for, as a NULL of it.
        typed("cast_like", like_types, |args| like(args, false)),
        typed("try_cast_like", like_types, |args| like(args, true)),
    ]
}

fn like_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match args {
        [DataType::Null, to] => Ok((args.to_vec(), to.clone())),
        [DataType::Map(..), to @ DataType::Map(..)] => Ok((args.to_vec(), to.clone())),
        [from, to] => plan_err!("Cannot cast {} to {}", trino_name(from), trino_name(to)),
        _ => internal_err!("a cast takes a value and a type"),
    }
}

fn like(args: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let [values, to] = args else { return internal_err!("a cast takes a value and a type") };
    cast_as(values, to.data_type(), lenient)
}

fn length_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let [value, _] = args else { return internal_err!("a cast takes a value and a length") };
    if is_text(value) || value.is_null() {
        return Ok((vec![DataType::Utf8View, DataType::Int64], DataType::Utf8View));
    }
    let is_printed =
        value.is_numeric() || matches!(value, DataType::Boolean | DataType::Date32 | DataType::Timestamp(..));
    if !is_printed {
        return plan_err!("Cannot cast {} to varchar", trino_name(value));
    }
    Ok((vec![value.clone(), DataType::Int64], DataType::Utf8View))
}

/// A text is cut off; any other value has to have room.
fn to_length(args: &[ArrayRef], lenient: bool) -> Result<ArrayRef> {
    let [value, _] = args else { return internal_err!("a cast takes a value and a length") };
    let (texts, lengths) = (print::texts(value)?, ints(args, 1)?);
    let is_cut = is_text(value.data_type());
    collect::<StringViewArray, _>(texts.len(), |row| {
        let (Some(text), Some(length)) = (text_at(&texts, row), int_at(lengths, row)) else { return Ok(None) };
        let length = usize::try_from(length).unwrap_or_default();
        match text.char_indices().nth(length) {
            None => Ok(Some(text)),
            Some((end, _)) if is_cut => Ok(Some(&text[..end])),
            Some(_) if lenient => Ok(None),
            Some(_) => exec_err!("Value {text} cannot be represented as varchar({length})"),
        }
    })
}

/// Rows with their fields cast by position. With `lenient`, a row of which a field cannot be cast is NULL.
fn row_as(rows: &StructArray, fields: &Fields, lenient: bool) -> Result<ArrayRef> {
    let columns = rows.columns().iter().zip(fields).map(|(column, field)| cast_as(column, field.data_type(), lenient));
    let columns = columns.collect::<Result<Vec<_>>>()?;
    let is_lost =
        |row: usize| columns.iter().zip(rows.columns()).any(|(to, from)| to.is_null(row) && from.is_valid(row));
    let nulls = if lenient {
        Some((0..rows.len()).map(|row| rows.is_valid(row) && !is_lost(row)).collect())
    } else {
        rows.nulls().cloned()
    };
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, nulls)?))
}

/// Maps with their keys and values cast.
fn map_as(maps: &MapArray, to: &DataType, lenient: bool) -> Result<ArrayRef> {
    if lenient {
        return not_impl_err!("try_cast of maps: cast the values of a map with transform_values");
    }
    let (key, value) = entry_types(to)?;
    let (first, last) = (maps.value_offsets()[0] as usize, maps.value_offsets()[maps.len()] as usize);
    let part = |array: &ArrayRef, to: &DataType| cast_as(&array.slice(first, last - first), to, false);
    let lengths = maps.offsets().lengths().collect();
    map_array(part(maps.keys(), key)?, part(maps.values(), value)?, lengths, maps.nulls().cloned())
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn text_that_is_not_an_integer_is_refused() {
        assert_eq!(answer("SELECT CAST('+12' AS bigint)"), "12");
        for text in ["1.0", "1e3", "", "-", "9223372036854775808", "½x"] {
            assert_eq!(answer(&format!("SELECT TRY_CAST('{text}' AS bigint) IS NULL")), "true", "{text}");
        }
        assert_eq!(answer("SELECT CAST('abc' AS bigint)"), "Cannot cast 'abc' to BIGINT");
    }

    #[test]
    fn text_that_versions_read_differently_is_refused() {
        for (cast, why) in [
            ("try_cast(' 12' AS bigint)", "write trim(x)"),
            ("try_cast('١' AS integer)", "digits 0 to 9"),
            ("try_cast('0x1p3' AS double)", "no hexadecimal number"),
            ("try_cast('2023-01-31 06:22:15 Asia/Seoul' AS timestamp)", "a zone is written"),
        ] {
            let error = answer(&format!("SELECT {cast}"));
            assert!(error.starts_with("the embedded engine cannot cast '") && error.contains(why), "{cast}: {error}");
        }
    }

    #[test]
    fn rows_and_maps_are_cast_part_by_part() {
        assert_eq!(answer("SELECT CAST(ROW(1, 'a') AS ROW(x bigint, y varchar)).y"), "a");
        assert_eq!(answer("SELECT CAST(ROW('1', '2.5') AS ROW(y integer, x double))"), "{y: 1, x: 2.5}");
        assert_eq!(answer("SELECT CAST(ARRAY[ROW('1')] AS array(ROW(n integer)))"), "[{n: 1}]");
        assert_eq!(answer("SELECT try_cast(ROW('x', 1) AS ROW(n integer, m integer)) IS NULL"), "true");
        assert_eq!(answer("SELECT CAST(MAP(ARRAY['1'], ARRAY['2']) AS map(integer, bigint))"), "{1: 2}");
        let error = answer("SELECT CAST(ROW(1) AS ROW(x bigint, y bigint))");
        assert!(error.contains("Cannot cast row(") && error.contains(" to row("), "{error}");
    }

    #[test]
    fn a_cast_that_is_compared_rounds_and_fails_as_any_other() {
        let numbers = "FROM (VALUES (BIGINT '9223372036854775807', 1.255)) AS t(b, m)";
        for (compared, expected) in [
            ("try_cast(b AS integer) > 5", ""),
            ("try_cast(b AS decimal(4,2)) > 1.00", ""),
            ("try_cast(b AS decimal(4,2)) IS DISTINCT FROM CAST(NULL AS decimal(4,2))", "false"),
            ("CAST(m AS decimal(4,2)) = 1.26", "true"),
        ] {
            assert_eq!(answer(&format!("SELECT {compared} {numbers}")), expected, "{compared}");
        }
        for compared in ["CAST(b AS integer) > 5", "CAST(b AS decimal(4,2)) > 1.00", "CAST(b AS smallint) IN (1, 2)"] {
            let error = answer(&format!("SELECT {compared} {numbers}"));
            assert!(error.contains("9223372036854775807"), "{compared}: {error}");
        }
    }

    #[test]
    fn a_text_is_cut_off_and_no_other_value_is() {
        assert_eq!(answer("SELECT CAST('abcd' AS varchar(3))"), "abc");
        assert_eq!(answer("SELECT CAST(123 AS varchar(3))"), "123");
        assert_eq!(
            answer("SELECT CAST(1234 AS varchar(3))"),
            "line 1:8: Value 1234 cannot be represented as varchar(3)"
        );
        assert_eq!(answer("SELECT try_cast(1234 AS varchar(3)) IS NULL"), "true");
    }

    #[test]
    fn a_number_is_rounded_not_cut() {
        assert_eq!(answer("SELECT CAST(1.5 AS bigint)"), "2");
        assert_eq!(answer("SELECT CAST(-2.5e0 AS integer)"), "-3");
        assert_eq!(answer("SELECT TRY_CAST(1e10 AS integer) IS NULL"), "true");
        assert_eq!(answer("SELECT CAST(1e10 AS integer)"), "a value is out of range for integer");
    }

    #[test]
    fn an_array_is_cast_item_by_item_or_not_at_all() {
        assert_eq!(answer("SELECT CAST(ARRAY['1', NULL] AS array(bigint))"), "[1, ]");
        assert_eq!(answer("SELECT CAST(ARRAY[1.5, 2.4] AS array(bigint))"), "[2, 2]");
        assert_eq!(answer("SELECT CAST(ARRAY['x'] AS array(bigint))"), "Cannot cast 'x' to BIGINT");
        assert_eq!(answer("SELECT try_cast(ARRAY['x'] AS array(bigint)) IS NULL"), "true");
        assert_eq!(answer("SELECT try_cast(ARRAY['1', NULL] AS array(bigint))"), "[1, ]");
        let rows = "(VALUES (1, ARRAY['1', '2']), (2, ARRAY['x', '3']), (3, ARRAY['4'])) AS t(n, x)";
        let sql = format!("SELECT CAST(array_agg(try_cast(x AS array(bigint)) ORDER BY n) AS JSON) FROM {rows}");
        assert_eq!(answer(&sql), "[[1,2],null,[4]]");
    }

    #[test]
    fn a_text_is_rounded_to_the_precision() {
        for (text, expected) in [("15.9999", "16.000"), ("15.9994", "15.999"), ("15.9995", "16.000")] {
            let sql = format!("SELECT CAST(CAST('2023-01-31 06:22:{text}' AS timestamp(3)) AS varchar)");
            assert_eq!(answer(&sql), format!("2023-01-31 06:22:{expected}"));
        }
        assert_eq!(
            answer("SELECT CAST(CAST('1969-12-31 23:59:59.9996' AS timestamp(3)) AS varchar)"),
            "1970-01-01 00:00:00.000"
        );
    }

    #[test]
    fn a_plain_time_meets_a_zoned_one_in_utc() {
        let midnight = "TIMESTAMP '2024-01-01 00:00:00 Asia/Seoul'";
        for (plain, expected) in [("2023-12-31 15:00:00", "true"), ("2023-12-31 14:59:59", "false")] {
            assert_eq!(answer(&format!("SELECT TIMESTAMP '{plain}' >= {midnight}")), expected);
            assert_eq!(answer(&format!("SELECT TIMESTAMP '{plain}' BETWEEN {midnight} AND now()")), expected);
        }
        assert_eq!(answer(&format!("SELECT DATE '2023-12-31' < {midnight}")), "true");
    }

    #[test]
    fn a_zoned_time_becomes_its_clock_time() {
        let seoul = "TIMESTAMP '2024-01-01 20:00:00.123' AT TIME ZONE 'Asia/Seoul'";
        assert_eq!(
            answer(&format!("SELECT CAST(CAST({seoul} AS timestamp(3)) AS varchar)")),
            "2024-01-02 05:00:00.123"
        );
        assert_eq!(answer(&format!("SELECT CAST({seoul} AS date)")), "2024-01-02");
        assert_eq!(answer(&format!("SELECT date({seoul})")), "2024-01-02");
    }
}
