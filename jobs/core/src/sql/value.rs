//! Values for the parameters of SQL files.

use std::collections::BTreeMap;

use minijinja::Value;

use super::{ParameterType, Quoting};
use crate::location::Location;
use crate::names::{Name, TableName};

/// A value for a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SqlValue {
    /// An identifier, possibly qualified; quoted part by part.
    Name(Vec<String>),
    /// Identifiers, each unqualified.
    Names(Vec<String>),
    /// A string; becomes a literal.
    Text(String),
    /// Strings, each a literal.
    Texts(Vec<String>),
    /// A whole number.
    Integer(i64),
}

impl From<&TableName> for SqlValue {
    fn from(table: &TableName) -> Self {
        Self::Name(vec![table.database.to_string(), table.table.to_string()])
    }
}

impl From<&Name> for SqlValue {
    fn from(name: &Name) -> Self {
        Self::Name(vec![name.to_string()])
    }
}

impl From<&Location> for SqlValue {
    fn from(location: &Location) -> Self {
        Self::Text(location.to_string())
    }
}

impl From<&str> for SqlValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u32> for SqlValue {
    fn from(number: u32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<i64> for SqlValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl SqlValue {
    pub(super) fn parameter_type(&self) -> ParameterType {
        match self {
            Self::Name(_) => ParameterType::Name,
            Self::Names(_) => ParameterType::Names,
            Self::Text(_) => ParameterType::Text,
            Self::Texts(_) => ParameterType::Texts,
            Self::Integer(_) => ParameterType::Integer,
        }
    }

    /// As the template sees it.
    pub(super) fn in_template(&self, quoting: Quoting) -> Value {
        match self {
            // Quoted here: the formatter passes it on as it is.
            Self::Name(parts) => {
                let quoted: Vec<String> = parts.iter().map(|part| quoting.identifier(part)).collect();
                Value::from_safe_string(quoted.join("."))
            }
            Self::Names(names) => {
                names.iter().map(|name| Value::from_safe_string(quoting.identifier(name))).collect::<Vec<_>>().into()
            }
            Self::Text(text) => Value::from(text.as_str()),
            Self::Texts(texts) => Value::from(texts.clone()),
            Self::Integer(number) => Value::from(*number),
        }
    }
}

/// Values by parameter name.
pub type SqlValues = BTreeMap<&'static str, SqlValue>;
