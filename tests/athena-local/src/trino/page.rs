//! A page of an answer, as it comes over the wire.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::QueryFailed;

/// The last page of an answer names no next one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    pub(super) next_uri: Option<String>,
    pub(super) columns: Option<Vec<WireColumn>>,
    pub(super) data: Option<Vec<Vec<Box<RawValue>>>>,
    pub(super) stats: Stats,
    pub(super) error: Option<WireError>,
    pub(super) update_count: Option<u64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireColumn {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) type_name: String,
    pub(super) type_signature: Signature,
}

/// A type: its name, and what it is made of.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Signature {
    pub(super) raw_type: String,
    pub(super) arguments: Vec<Argument>,
}

/// A type, a length, or a field of a row: by the type that has it.
#[derive(Debug, Deserialize)]
pub(super) struct Argument {
    pub(super) value: Box<RawValue>,
}

/// A field of a row.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct NamedType {
    pub(super) field_name: Option<FieldName>,
    pub(super) type_signature: Signature,
}

#[derive(Debug, Deserialize)]
pub(super) struct FieldName {
    pub(super) name: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stats {
    pub(super) physical_input_bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireError {
    message: Option<String>,
    error_name: String,
    error_type: String,
    error_location: Option<Place>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    line_number: usize,
    column_number: usize,
}

impl From<WireError> for QueryFailed {
    fn from(error: WireError) -> Self {
        Self {
            name: error.error_name,
            kind: error.error_type,
            message: error.message.unwrap_or_default(),
            place: error.error_location.map(|place| (place.line_number, place.column_number)),
        }
    }
}
