//! Hive's types and Arrow's.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use datafusion::arrow::datatypes::{DataType, Field, Fields, TimeUnit};

/// The Arrow type of a Hive type, such as `struct<a:int,b:array<string>>`.
///
/// # Errors
/// Athena has no such type.
pub(crate) fn type_to_arrow(hive_type: &str) -> Result<DataType> {
    arrow(&hive_type.to_lowercase()).with_context(|| format!("`{hive_type}` is no column type"))
}

fn arrow(text: &str) -> Result<DataType> {
    let text = text.trim();
    let (name, arguments) = match text.split_once(['<', '(']) {
        None => (text, None),
        Some((name, rest)) => {
            let Some(arguments) = rest.strip_suffix(['>', ')']) else { bail!("a bracket in `{text}` has no end") };
            (name.trim_end(), Some(split(arguments)?))
        }
    };
    Ok(match (name, arguments.as_deref()) {
        ("string" | "varchar" | "char", None) => DataType::Utf8,
        ("varchar" | "char", Some([length])) => {
            length.trim().parse::<u16>().with_context(|| format!("`{length}` is no length"))?;
            DataType::Utf8
        }
        ("boolean", None) => DataType::Boolean,
        ("tinyint", None) => DataType::Int8,
        ("smallint", None) => DataType::Int16,
        ("int" | "integer", None) => DataType::Int32,
        ("bigint", None) => DataType::Int64,
        ("float" | "real", None) => DataType::Float32,
        ("double", None) => DataType::Float64,
        ("decimal", None) => DataType::Decimal128(10, 0),
        ("decimal", Some([precision])) => decimal(precision, "0")?,
        ("decimal", Some([precision, scale])) => decimal(precision, scale)?,
        ("date", None) => DataType::Date32,
        ("timestamp", None) => DataType::Timestamp(TimeUnit::Millisecond, None),
        ("binary", None) => DataType::Binary,
        ("array", Some([item])) => DataType::new_list(arrow(item)?, true),
        ("map", Some([key, value])) => map(arrow(key)?, arrow(value)?),
        ("struct", Some(fields)) => {
            DataType::Struct(fields.iter().map(|field| struct_field(field)).collect::<Result<_>>()?)
        }
        _ => bail!(
            "expected string, varchar(n), char(n), boolean, tinyint, smallint, int, bigint, float, double, \
             decimal(p,s), date, timestamp, binary, array<…>, map<…,…> or struct<name:…>"
        ),
    })
}

/// Splits at the commas that stand in no bracket.
fn split(arguments: &str) -> Result<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut depth) = (0, 0_i32);
    for (at, c) in arguments.char_indices() {
        match c {
            '<' | '(' => depth += 1,
            '>' | ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&arguments[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        if depth < 0 {
            break;
        }
    }
    if depth != 0 {
        bail!("the brackets in `{arguments}` do not match");
    }
    parts.push(&arguments[start..]);
    Ok(parts)
}

fn decimal(precision: &str, scale: &str) -> Result<DataType> {
    match (precision.trim().parse(), scale.trim().parse()) {
        (Ok(precision @ 1..=38), Ok(scale @ 0..)) if u8::try_from(scale).is_ok_and(|scale| scale <= precision) => {
            Ok(DataType::Decimal128(precision, scale))
        }
        _ => bail!("a decimal has 1 to 38 digits and not more than these after the point"),
    }
}

fn map(key: DataType, value: DataType) -> DataType {
    let entries = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(entries), false)), false)
}

fn struct_field(text: &str) -> Result<Field> {
    let (name, data_type) = text.split_once(':').with_context(|| format!("`{text}` is no field: write name:type"))?;
    Ok(Field::new(name.trim(), arrow(data_type)?, true))
}

/// The Hive type that a query's column of an Arrow type is kept as.
///
/// # Errors
/// Athena's tables cannot hold it.
pub(crate) fn arrow_to_type(data_type: &DataType) -> Result<String> {
    Ok(match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".to_owned(),
        DataType::Boolean => "boolean".to_owned(),
        DataType::Int8 => "tinyint".to_owned(),
        DataType::Int16 | DataType::UInt8 => "smallint".to_owned(),
        DataType::Int32 | DataType::UInt16 => "int".to_owned(),
        // Trino knows no unsigned integers; what DataFusion counts with them, such as row_number(), is a bigint there.
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "bigint".to_owned(),
        DataType::Float16 | DataType::Float32 => "float".to_owned(),
        DataType::Float64 => "double".to_owned(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            decimal(&precision.to_string(), &scale.to_string())?;
            format!("decimal({precision},{scale})")
        }
        DataType::Date32 | DataType::Date64 => "date".to_owned(),
        DataType::Timestamp(_, None) => "timestamp".to_owned(),
        DataType::Timestamp(_, Some(_)) => {
            bail!("a table cannot hold a timestamp with time zone: CAST it to timestamp")
        }
        DataType::Null => bail!("a table cannot hold a NULL without a type: CAST it"),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "binary".to_owned()
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::LargeListView(item)
        | DataType::FixedSizeList(item, _) => format!("array<{}>", arrow_to_type(item.data_type())?),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                format!("map<{},{}>", arrow_to_type(pair[0].data_type())?, arrow_to_type(pair[1].data_type())?)
            }
            other => bail!("a map of {other} is no map"),
        },
        DataType::Struct(fields) => {
            let field = |field: &Arc<Field>| {
                Ok(format!("{}:{}", field.name().to_lowercase(), arrow_to_type(field.data_type())?))
            };
            format!("struct<{}>", fields.iter().map(field).collect::<Result<Vec<_>>>()?.join(","))
        }
        DataType::Dictionary(_, value) => arrow_to_type(value)?,
        other => bail!("a table cannot hold {other}: CAST it, such as to varchar"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_comes_back_as_it_went() {
        for hive in [
            "string",
            "boolean",
            "tinyint",
            "smallint",
            "int",
            "bigint",
            "float",
            "double",
            "decimal(10,2)",
            "decimal(38,38)",
            "date",
            "timestamp",
            "binary",
            "array<string>",
            "map<string,array<int>>",
            "struct<a:int,b:array<struct<c:map<string,decimal(5,0)>>>,d-e:date>",
        ] {
            assert_eq!(arrow_to_type(&type_to_arrow(hive).unwrap()).unwrap(), hive);
        }
    }

    #[test]
    fn some_types_have_more_than_one_name() {
        for (hive, arrow) in [
            ("VARCHAR(20)", DataType::Utf8),
            ("char( 3 )", DataType::Utf8),
            ("varchar", DataType::Utf8),
            ("integer", DataType::Int32),
            ("real", DataType::Float32),
            ("decimal", DataType::Decimal128(10, 0)),
            ("decimal(12)", DataType::Decimal128(12, 0)),
            ("timestamp", DataType::Timestamp(TimeUnit::Millisecond, None)),
        ] {
            assert_eq!(type_to_arrow(hive).unwrap(), arrow, "{hive}");
        }
    }

    #[test]
    fn what_is_no_type_is_an_error_that_shows_what_is() {
        for hive in
            ["", "text", "array", "array<", "array<int", "array<>", "array<int>>", "map<int>", "struct<a>", "int(3)"]
        {
            let error = format!("{:#}", type_to_arrow(hive).unwrap_err());
            assert!(error.starts_with(&format!("`{hive}` is no column type: ")), "{error}");
        }
        for hive in
            ["decimal(0,0)", "decimal(39,0)", "decimal(5,6)", "decimal(5,-1)", "varchar(99999)", "decimal(1,2,3)"]
        {
            assert!(type_to_arrow(hive).is_err(), "{hive}");
        }
    }

    #[test]
    fn a_querys_types_are_kept_as_athena_keeps_them() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8View));
        for (arrow, hive) in [
            (DataType::Utf8View, "string"),
            (DataType::LargeUtf8, "string"),
            (dictionary, "string"),
            (DataType::UInt64, "bigint"),
            (DataType::Timestamp(TimeUnit::Nanosecond, None), "timestamp"),
            (DataType::Decimal256(20, 2), "decimal(20,2)"),
        ] {
            assert_eq!(arrow_to_type(&arrow).unwrap(), hive, "{arrow}");
        }
    }

    #[test]
    fn what_athenas_tables_cannot_hold_is_an_error_that_says_what_to_do() {
        let zoned = DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()));
        for arrow in [zoned, DataType::Null, DataType::Time32(TimeUnit::Second)] {
            assert!(arrow_to_type(&arrow).unwrap_err().to_string().contains("CAST it"), "{arrow}");
        }
        assert!(arrow_to_type(&DataType::Decimal256(76, 2)).is_err());
    }
}
