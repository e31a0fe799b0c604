//! Turns an object's bytes into batches of rows.

use std::io::Read;
use std::sync::Arc;

use anyhow::{Result, bail};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::buffer::Buffer;

use super::MAX_LINE_BYTES;
use super::compression::{BLOCK_BYTES, Input};
use super::rows::{RowFormat, Rows};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Reads one object. Feed it with [`read`](Self::read), take [`batches`](Self::take), and [`finish`](Self::finish).
///
/// Text is cut behind the last line end of each block of about 2 MiB, and the rows' texts stay in that block. A line ends
/// with LF, CR or CRLF.
pub(super) struct Decoder {
    input: Input,
    /// How much of the text is known to hold no line end.
    searched: usize,
    /// No text was taken yet, so it may begin with a byte order mark.
    is_first: bool,
    /// The text that was taken ended with a CR, so that a LF ends no other line.
    ends_with_cr: bool,
    rows: Rows,
}

impl Decoder {
    /// A decoder for an object of this name.
    ///
    /// # Errors
    /// The name says a compression that is not read.
    pub(super) fn new(format: Arc<RowFormat>, name: &str) -> Result<Self> {
        let input = Input::of(name)?;
        Ok(Self { input, searched: 0, is_first: true, ends_with_cr: false, rows: Rows::new(format) })
    }

    /// Takes the next bytes of the object; gives how many there were.
    pub(super) fn read(&mut self, from: &mut dyn Read) -> Result<usize> {
        let length = self.input.read(from)?;
        if self.input.text().len() >= BLOCK_BYTES {
            self.take_lines()?;
        }
        Ok(length)
    }

    /// Takes the end of the object.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.input.finish()?;
        let text = std::mem::take(self.input.text());
        self.take_block(text)
    }

    /// The next batch.
    pub(super) fn take(&mut self) -> Option<RecordBatch> {
        self.rows.ready.pop_front()
    }

    /// Takes the lines that have ended.
    fn take_lines(&mut self) -> Result<()> {
        let text = self.input.text();
        let Some(last) = memchr::memrchr2(b'\n', b'\r', &text[self.searched..]) else {
            self.searched = text.len();
            return require_line(text.len());
        };
        let (lines, rest) = text.split_at(self.searched + last + 1);
        let length = lines.len();
        let mut next = Vec::with_capacity(BLOCK_BYTES.max(rest.len()));
        next.extend_from_slice(rest);
        self.searched = next.len();
        let mut lines = std::mem::replace(text, next);
        lines.truncate(length);
        self.take_block(lines)
    }

    fn take_block(&mut self, mut text: Vec<u8>) -> Result<()> {
        let start = if self.is_first && text.starts_with(BYTE_ORDER_MARK) {
            BYTE_ORDER_MARK.len()
        } else {
            usize::from(self.ends_with_cr && text.starts_with(b"\n"))
        };
        self.is_first = false;
        self.ends_with_cr = text.ends_with(b"\r");
        if text.capacity() > text.len() + text.len() / 2 {
            text.shrink_to_fit();
        }
        let text = Buffer::from_vec(text);
        let mut at = start;
        for end in memchr::memchr2_iter(b'\n', b'\r', &text[start..]).map(|end| start + end) {
            let is_second_half = text[end] == b'\n' && end == at && at > start && text[end - 1] == b'\r';
            if !is_second_half {
                require_line(end - at)?;
                self.rows.line(&text, at..end)?;
            }
            at = end + 1;
        }
        if at < text.len() {
            require_line(text.len() - at)?;
            self.rows.line(&text, at..text.len())?;
        }
        self.rows.end_block()
    }
}

/// Refuses a line that would take too much memory.
fn require_line(length: usize) -> Result<()> {
    if length > MAX_LINE_BYTES {
        bail!(
            "it has a line of over {} MiB, which Athena does not read either: end each record of the log with a newline",
            MAX_LINE_BYTES >> 20
        );
    }
    Ok(())
}
