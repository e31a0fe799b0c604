//! Lines as batches of rows.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use anyhow::{Result, bail};
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringBuilder};
use datafusion::arrow::buffer::Buffer;
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::SchemaRef;

use super::column::TextColumn;
use super::json::{JsonLines, OnMalformed};
use super::{Fields, LineFormat};
use crate::utf8::to_text;

/// What a decoder makes rows of, the same for every object of a scan.
#[derive(Debug, Clone)]
pub(super) struct RowFormat {
    pub(super) lines: LineFormat,
    /// For each of the table's columns: where its value goes in the rows, if anywhere.
    pub(super) wanted: Vec<Option<usize>>,
    /// The rows' columns.
    pub(super) schema: SchemaRef,
    /// Rows a batch.
    pub(super) batch_size: usize,
}

/// Collects the rows of one object.
pub(super) struct Rows {
    format: Arc<RowFormat>,
    columns: Columns,
    rows: usize,
    pub(super) ready: VecDeque<RecordBatch>,
}

enum Columns {
    /// Views into the blocks.
    Text(Vec<TextColumn>),
    Json(Vec<StringBuilder>, Fields),
}

impl Rows {
    pub(super) fn new(format: Arc<RowFormat>) -> Self {
        let count = format.schema.fields().len();
        let columns = match format.lines {
            LineFormat::Text(_) => Columns::Text((0..count).map(|_| TextColumn::default()).collect()),
            LineFormat::Json(_) => Columns::Json((0..count).map(|_| StringBuilder::new()).collect(), Fields::default()),
        };
        Self { format, columns, rows: 0, ready: VecDeque::new() }
    }

    /// Takes one line of a block.
    pub(super) fn line(&mut self, block: &Buffer, line: Range<usize>) -> Result<()> {
        match (&self.format.lines, &mut self.columns) {
            (LineFormat::Text(text), Columns::Text(columns)) => {
                // Who only counts lines needs no fields.
                if !columns.is_empty() {
                    text.read(block, line, &self.format.wanted, columns)?;
                }
            }
            (LineFormat::Json(json), Columns::Json(columns, fields)) => {
                read_json(json, &to_text(&block[line]), &self.format.wanted, fields)?;
                for (at, column) in columns.iter_mut().enumerate() {
                    column.append_option(fields.get(at));
                }
            }
            _ => bail!("a line met the columns of another format"),
        }
        self.rows += 1;
        if self.rows >= self.format.batch_size { self.flush() } else { Ok(()) }
    }

    /// Ends a block: no batch has texts of two blocks, so that none keeps more memory than its own.
    pub(super) fn end_block(&mut self) -> Result<()> {
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let texts: Vec<ArrayRef> = match &mut self.columns {
            Columns::Text(columns) => columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect(),
            Columns::Json(columns, _) => {
                columns.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef).collect()
            }
        };
        let convert = CastOptions { safe: true, ..CastOptions::default() };
        let schema = &self.format.schema;
        let arrays: Result<Vec<ArrayRef>, _> = texts
            .iter()
            .zip(schema.fields())
            .map(|(text, field)| cast_with_options(text, field.data_type(), &convert))
            .collect();
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.ready.push_back(RecordBatch::try_new_with_options(Arc::clone(schema), arrays?, &options)?);
        self.rows = 0;
        Ok(())
    }
}

/// Reads a line of JSON; one that cannot be read is a row of NULLs, or an error.
fn read_json(json: &JsonLines, line: &str, wanted: &[Option<usize>], fields: &mut Fields) -> Result<()> {
    let count = wanted.iter().flatten().count();
    fields.clear(count);
    match (json.read(line, wanted, fields), json.on_malformed) {
        (Ok(()), _) => Ok(()),
        (Err(_), OnMalformed::Nulls) => {
            fields.clear(count);
            Ok(())
        }
        (Err(problem), OnMalformed::Fail) => {
            bail!("HIVE_CURSOR_ERROR: Row is not a valid JSON Object - JSONException: {problem}")
        }
    }
}
