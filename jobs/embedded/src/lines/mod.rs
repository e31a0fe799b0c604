//! Tables of lines: JSON and delimited text, plain or GZIP, read as a stream.
//!
//! Every line is a row, blank ones too, as in Trino. Texts of delimited lines are views of the bytes that were read.

mod column;
mod compression;
mod decoder;
mod json;
mod openx;
mod rows;
mod source;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use source::LineSource;

use anyhow::{Result, bail};
use meterlake_core::catalog::{Column, Table};

use json::JsonLines;
use text::TextLines;

/// How a line becomes a row.
#[derive(Debug, Clone)]
pub(crate) enum LineFormat {
    /// One JSON object a line.
    Json(JsonLines),
    /// Fields between delimiters.
    Text(TextLines),
}

/// The longest line that is read, in bytes. Athena reads no row over 32 MB.
const MAX_LINE_BYTES: usize = 24 << 20;

impl LineFormat {
    /// The format of a table whose objects are lines; `None` if they are not.
    ///
    /// # Errors
    /// The SerDe or one of its settings is unknown, or a column's type cannot be read from lines.
    pub(crate) fn of(table: &Table) -> Result<Option<Self>> {
        let serde = table.format.serde.rsplit('.').next().unwrap_or_default();
        let columns: Vec<&Column> = table.columns.iter().collect();
        Ok(Some(match serde {
            "JsonSerDe" => Self::Json(JsonLines::new(&columns, &table.format)),
            "LazySimpleSerDe" => Self::Text(TextLines::new(&table.format.serde_parameters)?),
            "ParquetHiveSerDe" => return Ok(None),
            _ => bail!("the embedded engine does not read the SerDe {} of {}", table.format.serde, table.name),
        }))
    }
}

/// Why a line is no record; a few words.
type Malformed = String;

/// The fields of one line that are wanted, as text; `None` is NULL. Reused from line to line.
#[derive(Debug, Default)]
struct Fields {
    /// Text of all fields, one after the other.
    text: String,
    /// Where each wanted field lies in `text`.
    spans: Vec<Option<(usize, usize)>>,
}

impl Fields {
    fn clear(&mut self, wanted: usize) {
        self.text.clear();
        self.spans.clear();
        self.spans.resize(wanted, None);
    }

    fn set(&mut self, at: usize, value: Option<&str>) {
        self.spans[at] = value.map(|value| {
            let start = self.text.len();
            self.text.push_str(value);
            (start, self.text.len())
        });
    }

    fn get(&self, at: usize) -> Option<&str> {
        self.spans[at].map(|(start, end)| &self.text[start..end])
    }
}
