//! Trino's types, and which of them meet.

use std::fmt;

/// A type of Trino, as far as it is known before the query is planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Type {
    /// Not known. It goes with every type, so that nothing is refused for it.
    Any,
    /// The type of NULL.
    Unknown,
    Boolean,
    Tinyint,
    Smallint,
    Integer,
    Bigint,
    /// Precision and scale.
    Decimal(Option<(u64, u64)>),
    Real,
    Double,
    /// The greatest length; `None`: there is none, or it is not known.
    Varchar(Option<u64>),
    Char(Option<u64>),
    Varbinary,
    Json,
    Date,
    Time(Clock),
    Timestamp(Clock),
    DayInterval,
    MonthInterval,
    Array(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Row(Vec<Field>),
    /// Any other type, by its name, such as `uuid` or `hyperloglog`.
    Other(String),
}

/// How precise a time is, and whether it has a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clock {
    /// Digits of a second.
    pub(super) digits: Option<u64>,
    pub(super) has_zone: bool,
}

/// A field of a row; it may have no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Option<String>,
    pub(super) data_type: Type,
}

/// Types to which a text coerces as the argument of a function.
const READ_FROM_TEXT: [&str; 3] = ["joniregexp", "jsonpath", "codepoints"];

impl Type {
    pub(super) fn array(item: Self) -> Self {
        Self::Array(Box::new(item))
    }

    pub(super) fn row(fields: impl IntoIterator<Item = Self>) -> Self {
        Self::Row(fields.into_iter().map(|data_type| Field { name: None, data_type }).collect())
    }

    /// Whether nothing can be said about it.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Any | Self::Unknown)
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Varchar(_) | Self::Char(_))
    }

    pub(super) fn is_number(&self) -> bool {
        self.rank().is_some()
    }

    pub(super) fn is_whole(&self) -> bool {
        matches!(self, Self::Tinyint | Self::Smallint | Self::Integer | Self::Bigint)
    }

    pub(super) fn is_interval(&self) -> bool {
        matches!(self, Self::DayInterval | Self::MonthInterval)
    }

    /// The place of a number's type in the order in which numbers coerce.
    fn rank(&self) -> Option<u8> {
        Some(match self {
            Self::Tinyint => 0,
            Self::Smallint => 1,
            Self::Integer => 2,
            Self::Bigint => 3,
            Self::Decimal(_) => 4,
            Self::Real => 5,
            Self::Double => 6,
            _ => return None,
        })
    }

    /// Precision and scale of a number as a decimal.
    fn digits(&self) -> Option<(u64, u64)> {
        match self {
            Self::Tinyint => Some((3, 0)),
            Self::Smallint => Some((5, 0)),
            Self::Integer => Some((10, 0)),
            Self::Bigint => Some((19, 0)),
            Self::Decimal(digits) => *digits,
            _ => None,
        }
    }

    /// The type to which both coerce; `None`: there is none.
    pub(super) fn common(&self, other: &Self) -> Option<Self> {
        if let (Some(own), Some(others)) = (self.rank(), other.rank()) {
            return Some(common_number(self, own, other, others));
        }
        Some(match (self, other) {
            (Self::Any, _) | (_, Self::Any) => Self::Any,
            (Self::Unknown, known) | (known, Self::Unknown) => known.clone(),
            (Self::Varchar(a), Self::Varchar(b)) => Self::Varchar(longest(*a, *b)),
            (Self::Char(a), Self::Varchar(b) | Self::Char(b)) | (Self::Varchar(a), Self::Char(b)) => {
                Self::Char(longest(*a, *b))
            }
            (Self::Date, Self::Timestamp(clock)) | (Self::Timestamp(clock), Self::Date) => Self::Timestamp(*clock),
            (Self::Timestamp(a), Self::Timestamp(b)) => Self::Timestamp(a.common(*b)),
            (Self::Time(a), Self::Time(b)) => Self::Time(a.common(*b)),
            (Self::Array(a), Self::Array(b)) => Self::array(a.common(b)?),
            (Self::Map(key, value), Self::Map(other_key, other_value)) => {
                Self::Map(Box::new(key.common(other_key)?), Box::new(value.common(other_value)?))
            }
            (Self::Row(a), Self::Row(b)) if a.len() == b.len() => {
                let field = |(a, b): (&Field, &Field)| {
                    let name = a.name.clone().filter(|name| b.name.as_ref() == Some(name));
                    Some(Field { name, data_type: a.data_type.common(&b.data_type)? })
                };
                Self::Row(a.iter().zip(b).map(field).collect::<Option<_>>()?)
            }
            (a, b) if a == b => a.clone(),
            _ => return None,
        })
    }

    /// Whether a value of this type may stand where one of `wanted` is due. Lengths and digits do not matter.
    pub(super) fn coerces(&self, wanted: &Self) -> bool {
        if let (Some(own), Some(wanted)) = (self.rank(), wanted.rank()) {
            return own <= wanted;
        }
        match (self, wanted) {
            (Self::Any | Self::Unknown, _) | (_, Self::Any) => true,
            (Self::Varchar(_) | Self::Char(_), Self::Varchar(_) | Self::Char(_)) => true,
            (Self::Varchar(_) | Self::Char(_), Self::Other(name)) => READ_FROM_TEXT.contains(&name.as_str()),
            (Self::Date, Self::Timestamp(_)) => true,
            (Self::Timestamp(own), Self::Timestamp(wanted)) | (Self::Time(own), Self::Time(wanted)) => {
                wanted.has_zone || !own.has_zone
            }
            (Self::Array(own), Self::Array(wanted)) => own.coerces(wanted),
            (Self::Map(key, value), Self::Map(wanted_key, wanted_value)) => {
                key.coerces(wanted_key) && value.coerces(wanted_value)
            }
            (Self::Row(own), Self::Row(wanted)) => {
                own.len() == wanted.len() && own.iter().zip(wanted).all(|(a, b)| a.data_type.coerces(&b.data_type))
            }
            // How sketches coerce is left to the engine.
            (Self::Other(_), Self::Other(_)) => true,
            (own, wanted) => own == wanted,
        }
    }

    /// Whether it is the type `wanted`, but for lengths and digits.
    pub(super) fn is_same_kind(&self, wanted: &Self) -> bool {
        self.coerces(wanted) && wanted.coerces(self)
    }

    /// Whether values have an order, so that `<` and ORDER BY take them.
    pub(super) fn is_orderable(&self) -> bool {
        match self {
            Self::Map(..) | Self::Json => false,
            Self::Array(item) => item.is_orderable(),
            Self::Row(fields) => fields.iter().all(|field| field.data_type.is_orderable()),
            _ => true,
        }
    }
}

impl Clock {
    pub(super) const UNKNOWN: Self = Self { digits: None, has_zone: false };

    fn common(self, other: Self) -> Self {
        let digits = self.digits.zip(other.digits).map(|(a, b)| a.max(b));
        Self { digits, has_zone: self.has_zone || other.has_zone }
    }
}

fn longest(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    a.zip(b).map(|(a, b)| a.max(b))
}

fn common_number(a: &Type, rank: u8, b: &Type, other: u8) -> Type {
    let wider = if rank >= other { a } else { b };
    if !matches!(wider, Type::Decimal(_)) {
        return wider.clone();
    }
    let digits = a.digits().zip(b.digits()).map(|((precision, scale), (others, other_scale))| {
        let fraction = scale.max(other_scale);
        let whole = precision.saturating_sub(scale).max(others.saturating_sub(other_scale));
        ((whole + fraction).min(38), fraction)
    });
    Type::Decimal(digits)
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sized = |f: &mut fmt::Formatter<'_>, name: &str, length: &Option<u64>| match length {
            Some(length) => write!(f, "{name}({length})"),
            None => f.write_str(name),
        };
        let timed = |f: &mut fmt::Formatter<'_>, name: &str, clock: &Clock| {
            sized(f, name, &clock.digits)?;
            f.write_str(if clock.has_zone { " with time zone" } else { "" })
        };
        match self {
            Self::Any => f.write_str("…"),
            Self::Unknown => f.write_str("unknown"),
            Self::Boolean => f.write_str("boolean"),
            Self::Tinyint => f.write_str("tinyint"),
            Self::Smallint => f.write_str("smallint"),
            Self::Integer => f.write_str("integer"),
            Self::Bigint => f.write_str("bigint"),
            Self::Decimal(Some((precision, scale))) => write!(f, "decimal({precision},{scale})"),
            Self::Decimal(None) => f.write_str("decimal"),
            Self::Real => f.write_str("real"),
            Self::Double => f.write_str("double"),
            Self::Varchar(length) => sized(f, "varchar", length),
            Self::Char(length) => sized(f, "char", length),
            Self::Varbinary => f.write_str("varbinary"),
            Self::Json => f.write_str("json"),
            Self::Date => f.write_str("date"),
            Self::Time(clock) => timed(f, "time", clock),
            Self::Timestamp(clock) => timed(f, "timestamp", clock),
            Self::DayInterval => f.write_str("interval day to second"),
            Self::MonthInterval => f.write_str("interval year to month"),
            Self::Array(item) => write!(f, "array({item})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Row(fields) => {
                let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
                write!(f, "row({})", fields.join(", "))
            }
            Self::Other(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} {}", self.data_type),
            None => self.data_type.fmt(f),
        }
    }
}

/// Types in parentheses or brackets: `integer, varchar(1)`.
pub(super) fn list<'a>(types: impl IntoIterator<Item = &'a Type>) -> String {
    types.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
