//! The text of an object, decompressed as the object's name says.

use std::io::{Read, Write};

use anyhow::{Context, Result, bail};
use flate2::write::GzDecoder;

/// The endings of names whose objects Trino decompresses and the embedded engine does not.
const OTHER_ENDINGS: [&str; 7] = [".zst", ".snappy", ".lz4", ".bz2", ".deflate", ".lzo", ".lzo_deflate"];

/// Text that an object should grow to before its lines are taken.
pub(super) const BLOCK_BYTES: usize = 1 << 20;

/// Compressed bytes that are decompressed at a time: GZIP makes at most a thousand times as many of them.
const GZIP_PIECE_BYTES: usize = 8 << 10;

/// The shortest header of a GZIP member.
const GZIP_HEADER_BYTES: usize = 10;

/// The first bytes of a GZIP member that is compressed by the one method that there is (RFC 1952).
const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// The bytes of an object on their way to text. The name alone decides how they are read, as in Trino: GZIP data under
/// another name is text, however it looks.
pub(super) enum Input {
    Plain(Vec<u8>),
    Gzip(Box<Gzip>),
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
        if name.ends_with(".gz") { Ok(Self::Gzip(Box::new(Gzip::new()))) } else { Ok(Self::Plain(Vec::new())) }
    }

    /// The text so far. Take from it what you have read.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Plain(text) => text,
            Self::Gzip(gzip) => gzip.member.get_mut(),
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
                let mut piece = [0; GZIP_PIECE_BYTES];
                let length = from.read(&mut piece)?;
                gzip.inflate(&piece[..length])?;
                Ok(length)
            }
        }
    }

    /// Takes the end of the object.
    pub(super) fn finish(&mut self) -> Result<()> {
        match self {
            Self::Gzip(gzip) if matches!(gzip.stage, Stage::Member) => {
                let problem = gzip.problem();
                gzip.end_member().context(problem)
            }
            _ => Ok(()),
        }
    }
}

/// GZIP of one member or several. What follows on the last one and is no member does not matter, as in Java.
pub(super) struct Gzip {
    /// It holds the text so far, of the members before it too.
    member: GzDecoder<Vec<u8>>,
    stage: Stage,
}

enum Stage {
    Member,
    /// Behind a member: too few bytes were seen to say whether another one follows.
    Behind(Vec<u8>),
    Over,
}

impl Gzip {
    fn new() -> Self {
        Self { member: GzDecoder::new(Vec::new()), stage: Stage::Member }
    }

    fn inflate(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match &mut self.stage {
                Stage::Over => return Ok(()),
                Stage::Member => {
                    let length = match self.member.write(bytes) {
                        Ok(length) => length,
                        Err(error) => return Err(error).context(self.problem()),
                    };
                    if length == 0 {
                        let problem = self.problem();
                        self.end_member().context(problem)?;
                    }
                    bytes = &bytes[length..];
                }
                Stage::Behind(seen) => {
                    let (head, rest) = bytes.split_at(bytes.len().min(GZIP_HEADER_BYTES - seen.len()));
                    seen.extend_from_slice(head);
                    bytes = rest;
                    if !seen.iter().zip(GZIP_MAGIC).all(|(one, other)| *one == other) {
                        self.stage = Stage::Over;
                    } else if seen.len() == GZIP_HEADER_BYTES {
                        let head = std::mem::take(seen);
                        self.stage = Stage::Member;
                        self.inflate(&head)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn end_member(&mut self) -> Result<()> {
        let member = std::mem::replace(&mut self.member, GzDecoder::new(Vec::new()));
        self.member = GzDecoder::new(member.finish()?);
        self.stage = Stage::Behind(Vec::new());
        Ok(())
    }

    fn problem(&self) -> &'static str {
        match self.member.header() {
            Some(_) => "its GZIP data is cut off or broken",
            None => "its name ends in .gz and it is no GZIP data: name it otherwise, or compress it",
        }
    }
}
