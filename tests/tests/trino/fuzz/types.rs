//! Types of the dialect, and the functions over them as Trino lists them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

/// The functions of Trino, as the type check of the embedded engine has them.
const FUNCTIONS: &str = include_str!("../../../../jobs/embedded/src/dialect/check/functions.txt");

/// Aggregates and window functions, which stand in places of their own.
const OVER_ROWS: &[&str] = &[
    "any_value",
    "arbitrary",
    "array_agg",
    "avg",
    "bitwise_and_agg",
    "bitwise_or_agg",
    "bitwise_xor_agg",
    "bool_and",
    "bool_or",
    "checksum",
    "corr",
    "count",
    "count_if",
    "covar_pop",
    "covar_samp",
    "cume_dist",
    "dense_rank",
    "every",
    "first_value",
    "geometric_mean",
    "histogram",
    "kurtosis",
    "lag",
    "last_value",
    "lead",
    "listagg",
    "map_agg",
    "map_union",
    "max",
    "max_by",
    "merge",
    "min",
    "min_by",
    "multimap_agg",
    "nth_value",
    "ntile",
    "numeric_histogram",
    "percent_rank",
    "rank",
    "reduce_agg",
    "regr_intercept",
    "regr_slope",
    "row_number",
    "skewness",
    "stddev",
    "stddev_pop",
    "stddev_samp",
    "sum",
    "var_pop",
    "var_samp",
    "variance",
];

/// Functions that give something else each time, or after another version or time zone of the server.
const NOT_ALIKE: &[&str] = &[
    "approx_distinct",
    "approx_most_frequent",
    "approx_percentile",
    "current_date",
    "current_groups",
    "current_timezone",
    "now",
    "rand",
    "random",
    "shuffle",
    "uuid",
    "version",
    "typeof",
];

/// A type of values.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Type {
    Boolean,
    Integer,
    Bigint,
    Double,
    /// Of any digits.
    Decimal,
    /// Of any length.
    Varchar,
    Varbinary,
    Date,
    /// Of any digits.
    Timestamp,
    /// A timestamp with a time zone.
    Zoned,
    Days,
    Months,
    Json,
    Array(Box<Type>),
    Map(Box<Type>, Box<Type>),
    Row(Vec<Type>),
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("boolean"),
            Self::Integer => f.write_str("integer"),
            Self::Bigint => f.write_str("bigint"),
            Self::Double => f.write_str("double"),
            Self::Decimal => f.write_str("decimal(20,4)"),
            Self::Varchar => f.write_str("varchar"),
            Self::Varbinary => f.write_str("varbinary"),
            Self::Date => f.write_str("date"),
            Self::Timestamp => f.write_str("timestamp(3)"),
            Self::Zoned => f.write_str("timestamp(3) with time zone"),
            Self::Days => f.write_str("interval day to second"),
            Self::Months => f.write_str("interval year to month"),
            Self::Json => f.write_str("json"),
            Self::Array(item) => write!(f, "array({item})"),
            Self::Map(key, value) => write!(f, "map({key}, {value})"),
            Self::Row(fields) => {
                let fields: Vec<String> = fields.iter().map(Self::to_string).collect();
                write!(f, "row({})", fields.join(", "))
            }
        }
    }
}

/// The type of a parameter or a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shape {
    Plain(Type),
    /// Any type, the same wherever the name stands.
    Any(String),
    Array(Box<Shape>),
    Map(Box<Shape>, Box<Shape>),
    Row(Vec<Shape>),
    /// A lambda: its parameters, and last what it gives.
    Lambda(Vec<Shape>),
    /// A literal: a pattern.
    Pattern,
    /// A literal: a path into a JSON text.
    Path,
}

/// What stands for each name of [`Shape::Any`].
pub(super) type Bindings = BTreeMap<String, Type>;

impl Shape {
    /// `None`: a type that the grammar does not have.
    fn parse(text: &str) -> Option<Self> {
        let (name, inner) = match text.split_once('(') {
            Some((name, rest)) => (name, rest.rfind(')').map(|end| &rest[..end])),
            None => (text, None),
        };
        let parts = || inner.map(split).unwrap_or_default().into_iter().map(Self::parse).collect::<Option<Vec<_>>>();
        let plain = match (name, text.ends_with("with time zone")) {
            ("timestamp", true) => Type::Zoned,
            ("timestamp", false) => Type::Timestamp,
            ("boolean", _) => Type::Boolean,
            ("integer", _) => Type::Integer,
            ("bigint", _) => Type::Bigint,
            ("double", _) => Type::Double,
            ("decimal", _) => Type::Decimal,
            ("varchar", _) | ("codepoints", _) => Type::Varchar,
            ("varbinary", _) => Type::Varbinary,
            ("date", _) => Type::Date,
            ("json", _) => Type::Json,
            ("interval day to second", _) => Type::Days,
            ("interval year to month", _) => Type::Months,
            ("joniregexp", _) => return Some(Self::Pattern),
            ("jsonpath", _) => return Some(Self::Path),
            ("array", _) => return Some(Self::Array(Box::new(parts()?.pop()?))),
            ("map", _) => {
                let [key, value] = <[Self; 2]>::try_from(parts()?).ok()?;
                return Some(Self::Map(Box::new(key), Box::new(value)));
            }
            ("row", _) => return Some(Self::Row(parts()?)),
            ("function", _) => return Some(Self::Lambda(parts()?)),
            (name, _) if name.len() <= 2 && inner.is_none() => return Some(Self::Any(name.to_owned())),
            _ => return None,
        };
        Some(Self::Plain(plain))
    }

    /// Whether a value of this shape is of a type; the names that this settles are added.
    fn takes(&self, wanted: &Type, bindings: &mut Bindings) -> bool {
        match (self, wanted) {
            (Self::Plain(plain), wanted) => plain == wanted,
            (Self::Any(name), wanted) => bindings.entry(name.clone()).or_insert_with(|| wanted.clone()) == wanted,
            (Self::Array(item), Type::Array(wanted)) => item.takes(wanted, bindings),
            (Self::Map(key, value), Type::Map(wanted_key, wanted_value)) => {
                key.takes(wanted_key, bindings) && value.takes(wanted_value, bindings)
            }
            (Self::Row(fields), Type::Row(wanted)) => {
                fields.len() == wanted.len()
                    && fields.iter().zip(wanted).all(|(field, wanted)| field.takes(wanted, bindings))
            }
            _ => false,
        }
    }

    /// The names in it that nothing stands for yet.
    pub(super) fn unbound(&self, bindings: &Bindings, names: &mut Vec<String>) {
        match self {
            Self::Any(name) if !bindings.contains_key(name) && !names.contains(name) => names.push(name.clone()),
            Self::Array(item) => item.unbound(bindings, names),
            Self::Map(key, value) => [key, value].into_iter().for_each(|part| part.unbound(bindings, names)),
            Self::Row(parts) | Self::Lambda(parts) => parts.iter().for_each(|part| part.unbound(bindings, names)),
            _ => {}
        }
    }

    /// The type, where every name is settled. `None`: it is no type of values.
    pub(super) fn bound(&self, bindings: &Bindings) -> Option<Type> {
        Some(match self {
            Self::Plain(plain) => plain.clone(),
            Self::Any(name) => bindings.get(name)?.clone(),
            Self::Array(item) => Type::Array(Box::new(item.bound(bindings)?)),
            Self::Map(key, value) => Type::Map(Box::new(key.bound(bindings)?), Box::new(value.bound(bindings)?)),
            Self::Row(fields) => Type::Row(fields.iter().map(|field| field.bound(bindings)).collect::<Option<_>>()?),
            Self::Lambda(_) | Self::Pattern | Self::Path => return None,
        })
    }
}

/// Splits at the commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

/// A function.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: &'static str,
    pub(super) parameters: Vec<Shape>,
    result: Shape,
}

/// The scalar functions that give a type, with what stands for the names of that type.
pub(super) fn functions_giving(wanted: &Type) -> Vec<(&'static Signature, Bindings)> {
    static SCALAR: LazyLock<Vec<Signature>> = LazyLock::new(|| {
        let lines = FUNCTIONS.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(signature)
            .filter(|one| !OVER_ROWS.contains(&one.name) && !NOT_ALIKE.contains(&one.name))
            .collect()
    });
    let giving = |signature: &'static Signature| {
        let mut bindings = Bindings::new();
        signature.result.takes(wanted, &mut bindings).then_some((signature, bindings))
    };
    SCALAR.iter().filter_map(giving).collect()
}

fn signature(line: &'static str) -> Option<Signature> {
    let (name, rest) = line.split_once('(')?;
    let mut depth = 1;
    let end = rest.find(|letter| {
        depth += match letter {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        depth == 0
    })?;
    let parameters = split(&rest[..end]).into_iter().map(Shape::parse).collect::<Option<Vec<_>>>()?;
    Some(Signature { name, parameters, result: Shape::parse(rest[end + 1..].trim())? })
}
