//! GZIP data that comes in parts, of one member or several (RFC 1952).

use std::io::{self, Write};

use flate2::write::GzDecoder;

/// Bytes to push at a time. GZIP makes at most a thousand times as many of them, which then lie in memory.
pub const PIECE_BYTES: usize = 8 << 10;

/// The shortest header of a member.
const HEADER_BYTES: usize = 10;

/// The first bytes of a member that is compressed by the one method that there is.
const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];

/// Decompresses GZIP data. Bytes after the last member that do not begin another one are ignored, as Java and so Trino
/// ignore them.
#[derive(Debug)]
pub struct Gunzip {
    /// It holds the text so far, of the members before it too.
    member: GzDecoder<Vec<u8>>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Member,
    /// Behind a member: too few bytes were seen to say whether another one follows.
    Behind(Vec<u8>),
    Over,
}

impl Gunzip {
    /// Waits for the first bytes of the first member.
    #[must_use]
    pub fn new() -> Self {
        Self { member: GzDecoder::new(Vec::new()), stage: Stage::Member }
    }

    /// The text so far. Take from it what you have read.
    pub fn text(&mut self) -> &mut Vec<u8> {
        self.member.get_mut()
    }

    /// Whether the header of a member was read, so that these bytes are GZIP data at all.
    #[must_use]
    pub fn has_header(&self) -> bool {
        self.member.header().is_some()
    }

    /// Decompresses the next bytes.
    ///
    /// # Errors
    /// The data is broken, or no GZIP data.
    pub fn push(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match &mut self.stage {
                Stage::Over => return Ok(()),
                Stage::Member => {
                    let length = self.member.write(bytes)?;
                    // A member that takes nothing has ended.
                    if length == 0 {
                        self.end_member()?;
                    }
                    bytes = &bytes[length..];
                }
                Stage::Behind(seen) => {
                    let (head, rest) = bytes.split_at(bytes.len().min(HEADER_BYTES - seen.len()));
                    seen.extend_from_slice(head);
                    bytes = rest;
                    if !seen.iter().zip(MAGIC).all(|(one, other)| *one == other) {
                        self.stage = Stage::Over;
                    } else if seen.len() == HEADER_BYTES {
                        let head = std::mem::take(seen);
                        self.stage = Stage::Member;
                        self.push(&head)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes the end of the data.
    ///
    /// # Errors
    /// The data is cut off or broken.
    pub fn finish(&mut self) -> io::Result<()> {
        match self.stage {
            Stage::Member => self.end_member(),
            Stage::Behind(_) | Stage::Over => Ok(()),
        }
    }

    fn end_member(&mut self) -> io::Result<()> {
        // A decoder starts with the text so far, so that all members write into one.
        self.member.try_finish()?;
        let text = std::mem::take(self.member.get_mut());
        self.member = GzDecoder::new(text);
        self.stage = Stage::Behind(Vec::new());
        Ok(())
    }
}

impl Default for Gunzip {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    fn unpack(data: &[u8], part: usize) -> io::Result<String> {
        let mut gunzip = Gunzip::new();
        for part in data.chunks(part) {
            gunzip.push(part)?;
        }
        gunzip.finish()?;
        Ok(String::from_utf8(std::mem::take(gunzip.text())).unwrap())
    }

    #[test]
    fn members_are_unpacked_in_parts_of_any_size_and_what_follows_does_not_matter() {
        let members = [gzip("one\n"), gzip(""), gzip("two\n")].concat();
        for behind in [vec![0; 700], b"junk".to_vec(), vec![0x1f], vec![0x1f, 0], [vec![0; 9], gzip("x")].concat()] {
            for part in [1, 2, 7, 100, 10_000] {
                assert_eq!(unpack(&[&members[..], &behind].concat(), part).unwrap(), "one\ntwo\n", "{part}");
            }
        }
    }

    #[test]
    fn data_that_is_cut_or_broken_is_an_error() {
        let whole = gzip("one and another one\n");
        let mut flipped = whole.clone();
        flipped[whole.len() - 6] ^= 0xff;
        for part in [1, 10_000] {
            assert!(unpack(&whole[..whole.len() - 5], part).is_err());
            assert!(unpack(&flipped, part).is_err());
            assert!(unpack(&[&whole[..], &MAGIC, b"text of no member"].concat(), part).is_err());
        }
    }
}
