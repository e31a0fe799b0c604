//! The text of an object, decompressed as the object's name says.

use std::io::Read;

use anyhow::{Context, Result, bail};
use meterlake_core::gunzip::{Gunzip, PIECE_BYTES};

/// The endings of names whose objects Trino decompresses and the embedded engine does not.
const OTHER_ENDINGS: [&str; 7] = [".zst", ".snappy", ".lz4", ".bz2", ".deflate", ".lzo", ".lzo_deflate"];

/// Text that an object should grow to before its lines are taken.
///
/// Two mebibytes have more than half as many lines as a batch may have rows: DataFusion copies batches that are smaller.
pub(super) const BLOCK_BYTES: usize = 2 << 20;

/// The bytes of an object on their way to text. The name alone decides how they are read, as in Trino: GZIP data under
/// another name is text, however it looks.
pub(super) enum Input {
    Plain(Vec<u8>),
    Gzip(Box<Gunzip>),
}

impl Input {
    /// The way to read an object of this name.
    ///
    /// # Errors
    /// The name says a compression that the embedded engine does not read.
    pub(super) fn of(name: &str) -> Result<Self> {
        if let Some(ending) = OTHER_ENDINGS.into_iter().find(|ending| name.ends_with(ending)) {
            bail!("the embedded engine does not decompress {ending}: store the object as plain text or as .gz");
        }
        if name.ends_with(".gz") { Ok(Self::Gzip(Box::default())) } else { Ok(Self::Plain(Vec::new())) }
    }

    /// The text so far. Take from it what you have read.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Plain(text) => text,
            Self::Gzip(gzip) => gzip.text(),
        }
    }

    /// Adds the next bytes of the object to the text; gives how many there were, 0 at the end.
    pub(super) fn read(&mut self, from: &mut dyn Read) -> Result<usize> {
        match self {
            Self::Plain(text) => {
                let room = BLOCK_BYTES.saturating_sub(text.len());
                let wanted = if room == 0 { BLOCK_BYTES } else { room };
                Ok(from.take(wanted as u64).read_to_end(text)?)
            }
            Self::Gzip(gzip) => {
                let mut piece = [0; PIECE_BYTES];
                let length = from.read(&mut piece)?;
                let pushed = gzip.push(&piece[..length]);
                pushed.with_context(|| problem(gzip))?;
                Ok(length)
            }
        }
    }

    /// Takes the end of the object.
    pub(super) fn finish(&mut self) -> Result<()> {
        match self {
            Self::Gzip(gzip) => {
                let finished = gzip.finish();
                finished.with_context(|| problem(gzip))
            }
            Self::Plain(_) => Ok(()),
        }
    }
}

fn problem(gzip: &Gunzip) -> &'static str {
    if gzip.has_header() {
        "its GZIP data is cut off or broken"
    } else {
        "its name ends in .gz and it is no GZIP data: name it otherwise, or compress it"
    }
}
