//! Turns an object's bytes, chunk by chunk, into rows.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use datafusion::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, StringBuilder};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::SchemaRef;
use flate2::write::MultiGzDecoder;

use super::log::ObjectLog;
use super::{Fields, KEPT_LINE_BYTES, LineFormat, MAX_LINE_BYTES, Malformed, OnMalformed};

/// The first bytes of a GZIP object (RFC 1952). The name may say nothing: they decide.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

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

/// Reads one object. Feed it with [`push`](Self::push), take [`batches`](Self::take), and [`finish`](Self::finish).
pub(super) struct Decoder {
    format: Arc<RowFormat>,
    input: Input,
    lines: Lines,
}

enum Input {
    /// Too little was seen to tell.
    Unknown(Vec<u8>),
    Plain,
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

impl Decoder {
    pub(super) fn new(format: Arc<RowFormat>, log: ObjectLog) -> Self {
        let lines = Lines::new(&format, log);
        Self { format, input: Input::Unknown(Vec::new()), lines }
    }

    /// Takes the next bytes of the object.
    pub(super) fn push(&mut self, chunk: &[u8]) -> Result<()> {
        match &mut self.input {
            Input::Plain => self.lines.push(chunk, &self.format),
            Input::Gzip(gzip) => {
                gzip.write_all(chunk).context("its GZIP data is broken")?;
                self.lines.push(gzip.get_ref(), &self.format)?;
                gzip.get_mut().clear();
                Ok(())
            }
            Input::Unknown(seen) => {
                seen.extend_from_slice(chunk);
                if seen.len() < BYTE_ORDER_MARK.len() {
                    return Ok(());
                }
                let seen = std::mem::take(seen);
                self.decide(&seen)?;
                self.push(seen.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&seen))
            }
        }
    }

    /// Takes the end of the object, and says in the log what it gave.
    pub(super) fn finish(&mut self) -> Result<()> {
        if let Input::Unknown(seen) = &mut self.input {
            let seen = std::mem::take(seen);
            self.decide(&seen)?;
            self.push(&seen)?;
        }
        if let Input::Gzip(gzip) = &mut self.input {
            gzip.try_finish().context("its GZIP data is cut off or broken")?;
            self.lines.push(gzip.get_ref(), &self.format)?;
        }
        self.lines.end(&self.format)
    }

    /// The next full batch, or after `finish` the last one.
    pub(super) fn take(&mut self) -> Option<RecordBatch> {
        self.lines.ready.pop_front()
    }

    fn decide(&mut self, seen: &[u8]) -> Result<()> {
        self.input = if seen.starts_with(&GZIP_MAGIC) {
            Input::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))
        } else {
            Input::Plain
        };
        Ok(())
    }
}

/// Splits text into lines and lines into rows.
struct Lines {
    /// The beginning of a line whose end has not been seen; cut at `MAX_LINE_BYTES + 1`.
    partial: Vec<u8>,
    number: u64,
    fields: Fields,
    columns: Vec<StringBuilder>,
    rows: usize,
    ready: std::collections::VecDeque<RecordBatch>,
    log: ObjectLog,
}

impl Lines {
    fn new(format: &RowFormat, log: ObjectLog) -> Self {
        Self {
            partial: Vec::new(),
            number: 0,
            fields: Fields::default(),
            columns: format.schema.fields().iter().map(|_| StringBuilder::new()).collect(),
            rows: 0,
            ready: std::collections::VecDeque::new(),
            log,
        }
    }

    fn push(&mut self, mut text: &[u8], format: &RowFormat) -> Result<()> {
        while let Some(end) = memchr::memchr(b'\n', text) {
            if self.partial.is_empty() {
                self.line(&text[..end], format)?;
            } else {
                self.extend_partial(&text[..end]);
                let line = std::mem::take(&mut self.partial);
                self.line(&line, format)?;
                self.partial = line;
                self.partial.clear();
            }
            text = &text[end + 1..];
        }
        self.extend_partial(text);
        Ok(())
    }

    /// A line may be longer than memory: what is over the limit is not kept.
    fn extend_partial(&mut self, text: &[u8]) {
        let room = (MAX_LINE_BYTES + 1).saturating_sub(self.partial.len());
        self.partial.extend_from_slice(&text[..text.len().min(room)]);
    }

    fn end(&mut self, format: &RowFormat) -> Result<()> {
        if !self.partial.is_empty() {
            let line = std::mem::take(&mut self.partial);
            self.line(&line, format)?;
        }
        self.flush(format)?;
        self.log.finish()
    }

    fn line(&mut self, line: &[u8], format: &RowFormat) -> Result<()> {
        self.number += 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let on_malformed = format.lines.on_malformed();
        if on_malformed == OnMalformed::Skip && line.trim_ascii().is_empty() {
            return Ok(());
        }
        match self.read(line, format) {
            Ok(()) => {
                self.log.record();
                self.append(format)
            }
            Err(problem) => {
                let kept = String::from_utf8_lossy(&line[..line.len().min(KEPT_LINE_BYTES)]);
                self.log.malformed(self.number, &kept, &problem)?;
                match on_malformed {
                    OnMalformed::Skip => Ok(()),
                    OnMalformed::Nulls => {
                        self.fields.clear(self.columns.len());
                        self.append(format)
                    }
                    OnMalformed::Fail => {
                        bail!("HIVE_CURSOR_ERROR: Row is not a valid JSON Object - JSONException: {problem}")
                    }
                }
            }
        }
    }

    /// Appends a row of the fields.
    fn append(&mut self, format: &RowFormat) -> Result<()> {
        for (at, column) in self.columns.iter_mut().enumerate() {
            column.append_option(self.fields.get(at));
        }
        self.rows += 1;
        if self.rows >= format.batch_size { self.flush(format) } else { Ok(()) }
    }

    fn read(&mut self, line: &[u8], format: &RowFormat) -> Result<(), Malformed> {
        if line.len() > MAX_LINE_BYTES {
            return Err(format!("longer than {MAX_LINE_BYTES} bytes"));
        }
        let line = std::str::from_utf8(line).map_err(|error| format!("not UTF-8: {error}"))?;
        self.fields.clear(format.schema.fields().len());
        match &format.lines {
            LineFormat::Json(json) => json.read(line, &format.wanted, &mut self.fields),
            LineFormat::Text(text) => text.read(line, &format.wanted, &mut self.fields),
        }
    }

    fn flush(&mut self, format: &RowFormat) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let convert = CastOptions { safe: true, ..CastOptions::default() };
        let mut arrays: Vec<ArrayRef> = Vec::with_capacity(self.columns.len());
        for (column, field) in self.columns.iter_mut().zip(format.schema.fields()) {
            arrays.push(cast_with_options(&column.finish(), field.data_type(), &convert)?);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(self.rows));
        self.ready.push_back(RecordBatch::try_new_with_options(Arc::clone(&format.schema), arrays, &options)?);
        self.rows = 0;
        Ok(())
    }
}
