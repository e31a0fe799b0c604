//! `typeof(x)`, and Trino's names of types, which error messages use too.

use super::Family;
use super::function::{Gives, Takes, function, typed};
use crate::dialect::TYPED;
use datafusion::arrow::array::{ArrayRef, StringViewArray};
use datafusion::arrow::datatypes::{DataType, FieldRef, TimeUnit};
use datafusion::common::{Result, internal_err, not_impl_err};
use std::sync::Arc;

/// The functions of this family.
pub(super) fn functions() -> Family {
    vec![function("typeof", &[Takes::Any], Gives::Text, type_of), typed(TYPED, named_types, first)]
}

fn named_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let [value, _] = args else { return internal_err!("{TYPED} takes a value and a name") };
    Ok((args.to_vec(), value.clone()))
}

fn first(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [value, _] = args else { return internal_err!("{TYPED} takes a value and a name") };
    Ok(Arc::clone(value))
}

fn type_of(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [values] = args else { return internal_err!("typeof takes one argument") };
    if !is_known(values.data_type()) {
        return not_impl_err!(
            "typeof of {}: the embedded engine does not keep the length of a varchar, the digits of a time and the kind of an interval",
            trino_name(values.data_type())
        );
    }
    let name = Some(trino_name(values.data_type()));
    Ok(Arc::new(std::iter::repeat_n(name, values.len()).collect::<StringViewArray>()))
}

/// Whether a type says all that Trino's name of it does.
fn is_known(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Dictionary(..) => false,
        DataType::Time32(_) | DataType::Time64(_) | DataType::Interval(_) | DataType::Duration(_) => false,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_known(item.data_type())
        }
        DataType::Map(entries, _) => is_known(entries.data_type()),
        DataType::Struct(fields) => fields.iter().all(|field| is_known(field.data_type())),
        _ => true,
    }
}

/// What Trino calls a type.
pub(crate) fn trino_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "unknown".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "tinyint".into(),
        DataType::Int16 => "smallint".into(),
        DataType::Int32 => "integer".into(),
        // Trino knows no unsigned integers; what DataFusion counts with them, such as row_number(), is a bigint there.
        DataType::Int64 | DataType::UInt64 => "bigint".into(),
        DataType::Float32 => "real".into(),
        DataType::Float64 => "double".into(),
        DataType::Decimal128(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "varchar".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "varbinary".into(),
        DataType::Date32 => "date".into(),
        DataType::Timestamp(unit, zone) => {
            let digits = match unit {
                TimeUnit::Second => 0,
                TimeUnit::Millisecond => 3,
                TimeUnit::Microsecond => 6,
                TimeUnit::Nanosecond => 9,
            };
            let zone = if zone.is_some() { " with time zone" } else { "" };
            format!("timestamp({digits}){zone}")
        }
        DataType::Interval(_) | DataType::Duration(_) => "interval".into(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("array({})", trino_name(item.data_type()))
        }
        DataType::Struct(fields) => {
            let field = |(at, field): (usize, &FieldRef)| {
                let name = trino_name(field.data_type());
                // As `ROW(…)` names what has no name.
                if *field.name() == format!("field{at}") { name } else { format!("{} {name}", field.name()) }
            };
            format!("row({})", fields.iter().enumerate().map(field).collect::<Vec<_>>().join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => {
                format!("map({}, {})", trino_name(pair[0].data_type()), trino_name(pair[1].data_type()))
            }
            other => format!("map({})", trino_name(other)),
        },
        DataType::Dictionary(_, value) => trino_name(value),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn types_have_trino_names() {
        assert_eq!(answer("SELECT typeof(CAST(1 AS integer))"), "integer");
        assert_eq!(answer("SELECT typeof(1.50)"), "decimal(3,2)");
        assert_eq!(answer("SELECT typeof(TIMESTAMP '2024-01-01 00:00:00')"), "timestamp(0)");
        assert_eq!(answer("SELECT typeof(TIMESTAMP '2024-01-01 00:00:00.000000')"), "timestamp(6)");
        assert_eq!(
            answer("SELECT typeof('abc') || ', ' || typeof(INTERVAL '1' DAY)"),
            "varchar(3), interval day to second"
        );
        assert_eq!(answer("SELECT typeof((1, 2.5))"), "row(integer, decimal(2,1))");
        assert!(answer("SELECT typeof(ARRAY['a'])").contains("does not keep the length of a varchar"));
        assert_eq!(answer("SELECT typeof(now())"), "timestamp(3) with time zone");
    }
}
