//! What is known of types before the query is planned: of tables' columns, of types that are written out, and of literals.

use super::types::{Clock, Field, Type};
use datafusion::arrow::datatypes::{DataType as Arrow, TimeUnit};
use datafusion::sql::sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType, DateTimeField, ExactNumberInfo, Interval, TimezoneInfo, TypedString,
    Value,
};

impl Type {
    /// The type of a table's column.
    pub(super) fn of_column(arrow: &Arrow) -> Self {
        match arrow {
            Arrow::Boolean => Self::Boolean,
            Arrow::Int8 => Self::Tinyint,
            Arrow::Int16 => Self::Smallint,
            Arrow::Int32 => Self::Integer,
            Arrow::Int64 => Self::Bigint,
            Arrow::Float32 => Self::Real,
            Arrow::Float64 => Self::Double,
            Arrow::Decimal128(precision, scale) => {
                Self::Decimal(u64::try_from(*scale).ok().map(|scale| (u64::from(*precision), scale)))
            }
            Arrow::Utf8 | Arrow::LargeUtf8 | Arrow::Utf8View => Self::Varchar(None),
            Arrow::Binary | Arrow::LargeBinary | Arrow::BinaryView => Self::Varbinary,
            Arrow::Date32 => Self::Date,
            Arrow::Timestamp(unit, zone) => {
                let digits = match unit {
                    TimeUnit::Second => 0,
                    TimeUnit::Millisecond => 3,
                    TimeUnit::Microsecond => 6,
                    TimeUnit::Nanosecond => 9,
                };
                Self::Timestamp(Clock { digits: Some(digits), has_zone: zone.is_some() })
            }
            Arrow::List(item) | Arrow::LargeList(item) => Self::array(Self::of_column(item.data_type())),
            Arrow::Map(entries, _) => match entries.data_type() {
                Arrow::Struct(pair) if pair.len() == 2 => Self::Map(
                    Box::new(Self::of_column(pair[0].data_type())),
                    Box::new(Self::of_column(pair[1].data_type())),
                ),
                _ => Self::Any,
            },
            Arrow::Struct(fields) => Self::Row(
                fields
                    .iter()
                    .map(|field| Field {
                        name: Some(field.name().to_lowercase()),
                        data_type: Self::of_column(field.data_type()),
                    })
                    .collect(),
            ),
            _ => Self::Any,
        }
    }

    /// The type that is written in a cast.
    pub(super) fn of_written(written: &DataType) -> Self {
        let length = |length: &Option<CharacterLength>| match length {
            Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
            _ => None,
        };
        let clock = |digits: &Option<u64>, zone: &TimezoneInfo| Clock {
            digits: Some(digits.unwrap_or(3)),
            has_zone: matches!(zone, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz),
        };
        match written {
            DataType::Boolean => Self::Boolean,
            DataType::TinyInt(_) => Self::Tinyint,
            DataType::SmallInt(_) => Self::Smallint,
            DataType::Int(_) | DataType::Integer(_) => Self::Integer,
            DataType::BigInt(_) => Self::Bigint,
            DataType::Real => Self::Real,
            DataType::Double(_) | DataType::DoublePrecision => Self::Double,
            DataType::Decimal(ExactNumberInfo::None) => Self::Decimal(Some((38, 0))),
            DataType::Decimal(ExactNumberInfo::Precision(precision)) => Self::Decimal(Some((*precision, 0))),
            DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale)) => {
                Self::Decimal(u64::try_from(*scale).ok().map(|scale| (*precision, scale)))
            }
            DataType::Varchar(size) => Self::Varchar(length(size)),
            DataType::Char(size) | DataType::Character(size) => Self::Char(length(size).or(Some(1))),
            DataType::Varbinary(_) => Self::Varbinary,
            DataType::JSON => Self::Json,
            DataType::Date => Self::Date,
            DataType::Time(digits, zone) => Self::Time(clock(digits, zone)),
            DataType::Timestamp(digits, zone) => Self::Timestamp(clock(digits, zone)),
            DataType::Array(
                ArrayElemTypeDef::AngleBracket(item)
                | ArrayElemTypeDef::Parenthesis(item)
                | ArrayElemTypeDef::SquareBracket(item, _),
            ) => Self::array(Self::of_written(item)),
            DataType::Struct(fields, _) => Self::Row(
                fields
                    .iter()
                    .map(|field| Field {
                        name: field.field_name.as_ref().map(|name| name.value.clone()),
                        data_type: Self::of_written(&field.field_type),
                    })
                    .collect(),
            ),
            DataType::Map(key, value, ..) => {
                Self::Map(Box::new(Self::of_written(key)), Box::new(Self::of_written(value)))
            }
            _ => Self::Any,
        }
    }

    /// The type of `1`, `1.5`, `1e0`, `'a'`, `true` and the like.
    pub(super) fn of_value(value: &Value) -> Self {
        match value {
            Value::Number(number, _) => Self::of_number(number),
            Value::SingleQuotedString(text) | Value::UnicodeStringLiteral(text) => {
                Self::Varchar(Some(text.chars().count() as u64))
            }
            Value::HexStringLiteral(_) => Self::Varbinary,
            Value::Boolean(_) => Self::Boolean,
            Value::Null => Self::Unknown,
            _ => Self::Any,
        }
    }

    fn of_number(number: &str) -> Self {
        if number.contains(['e', 'E']) {
            return Self::Double;
        }
        match number.split_once('.') {
            Some((whole, fraction)) => Self::of_digits(whole, fraction),
            None if number.parse::<i32>().is_ok() => Self::Integer,
            None => Self::Bigint,
        }
    }

    fn of_digits(whole: &str, fraction: &str) -> Self {
        // Zeros in front do not count.
        let digits = (whole.trim_start_matches('0').len() + fraction.len()).max(1);
        Self::Decimal(Some((digits as u64, fraction.len() as u64)))
    }

    /// The type of `DATE '…'`, `TIMESTAMP '…'` and the like.
    pub(super) fn of_typed(literal: &TypedString) -> Self {
        let Value::SingleQuotedString(text) = &literal.value.value else { return Self::Any };
        // What stands behind the clock is a zone.
        let clock_and_zone = |text: &str| {
            let clock = text.find(|c: char| !(c.is_ascii_digit() || matches!(c, ':' | '.')));
            let (clock, zone) = text.split_at(clock.unwrap_or(text.len()));
            let fraction = clock.split_once('.').map_or("", |(_, fraction)| fraction);
            Clock { digits: Some(fraction.len() as u64), has_zone: !zone.trim().is_empty() }
        };
        match Self::of_written(&literal.data_type) {
            Self::Timestamp(_) => {
                Self::Timestamp(clock_and_zone(text.trim().split_once([' ', 'T']).map_or("", |(_, clock)| clock)))
            }
            Self::Time(_) => Self::Time(clock_and_zone(text.trim())),
            Self::Decimal(_) => {
                let number = text.trim().trim_start_matches(['+', '-']);
                let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
                Self::of_digits(whole, fraction)
            }
            other => other,
        }
    }

    /// The type of `INTERVAL '1' DAY`.
    pub(super) fn of_interval(interval: &Interval) -> Self {
        match interval.leading_field {
            Some(DateTimeField::Year | DateTimeField::Month) => Self::MonthInterval,
            Some(_) => Self::DayInterval,
            None => Self::Any,
        }
    }
}
