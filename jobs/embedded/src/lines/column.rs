//! A column of texts that stay where they were read.

use std::ops::Range;

use anyhow::Result;
use datafusion::arrow::array::{StringViewArray, StringViewBuilder};
use datafusion::arrow::buffer::Buffer;

use crate::utf8::to_text;

/// The longest text that lies in the view itself.
const INLINE_BYTES: usize = 12;

/// Collects views of fields.
#[derive(Debug, Default)]
pub(super) struct TextColumn {
    builder: StringViewBuilder,
    /// The number of the block that fields are read from, where the builder has it.
    block: Option<u32>,
}

impl TextColumn {
    /// Appends a field of a block. A batch has fields of one block only.
    pub(super) fn append(&mut self, block: &Buffer, field: Range<usize>) -> Result<()> {
        if field.len() > INLINE_BYTES {
            let number = match self.block {
                Some(number) => number,
                None => *self.block.insert(self.builder.append_block(block.clone())),
            };
            let (start, length) = (u32::try_from(field.start)?, u32::try_from(field.len())?);
            // It refuses what is no UTF-8.
            if self.builder.try_append_view(number, start, length).is_ok() {
                return Ok(());
            }
        }
        self.append_text(&block[field]);
        Ok(())
    }

    /// Appends a text that lies in no block.
    pub(super) fn append_text(&mut self, text: &[u8]) {
        self.builder.append_value(to_text(text));
    }

    pub(super) fn append_null(&mut self) {
        self.builder.append_null();
    }

    /// The texts since the last call.
    pub(super) fn finish(&mut self) -> StringViewArray {
        self.block = None;
        self.builder.finish()
    }
}
