//! Tables of lines: JSON and delimited text, plain or GZIP, read as a stream.
//!
//! A line that is no record is skipped, counted, and kept with its object and line number; a blank line is nothing.
//! Where the engine stands in for Athena, such lines are what Athena makes of them.

mod decoder;
mod json;
mod log;
mod openx;
mod source;
mod text;

#[cfg(test)]
mod tests;

pub(crate) use log::ReadLog;
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

/// The longest line that is read, in bytes; a longer one is malformed. Firehose's records end at 1,000 KiB.
const MAX_LINE_BYTES: usize = 16 << 20;

/// How much of a malformed line is kept, in bytes.
const KEPT_LINE_BYTES: usize = 64 << 10;

impl LineFormat {
    /// The format of a table whose objects are lines; `None` if they are not.
    ///
    /// # Errors
    /// The SerDe or one of its settings is unknown, or a column's type cannot be read from lines.
    pub(crate) fn of(table: &Table) -> Result<Option<Self>> {
        let serde = table.format.serde.rsplit('.').next().unwrap_or_default();
        let columns: Vec<&Column> = table.columns.iter().collect();
        Ok(Some(match serde {
            "JsonSerDe" => Self::Json(JsonLines::new(&columns, &table.format.serde_parameters)?),
            "LazySimpleSerDe" => Self::Text(TextLines::new(&table.format.serde_parameters)?),
            "ParquetHiveSerDe" => return Ok(None),
            _ => bail!("the embedded engine does not read the SerDe {} of {}", table.format.serde, table.name),
        }))
    }

    /// The same, and what is no record becomes what Athena makes of it.
    pub(crate) fn like_athena(self, table: &Table) -> Self {
        match self {
            Self::Json(json) => Self::Json(json.like_athena(&table.format)),
            // Every line is a record.
            Self::Text(text) => Self::Text(text),
        }
    }

    fn on_malformed(&self) -> OnMalformed {
        match self {
            Self::Json(json) => json.on_malformed,
            Self::Text(_) => OnMalformed::Skip,
        }
    }
}

/// What becomes of a line that is no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OnMalformed {
    /// It is left out.
    Skip,
    /// It is a row of NULLs, and so is a blank line.
    Nulls,
    /// The statement fails. A blank line is a row of NULLs.
    Fail,
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
