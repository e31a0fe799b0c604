//! GZIP data that comes in parts.

use std::io::{self, Write};

use flate2::write::GzDecoder;

/// The first two bytes of a member (RFC 1952).
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Unpacks GZIP data of one member or several. What follows on the last one and is no member does not matter, as in Java.
pub(super) struct Gunzip {
    stage: Stage,
}

enum Stage {
    Member(Box<GzDecoder<Vec<u8>>>),
    /// Behind a member; perhaps the first byte of the next one was seen.
    Behind(Option<u8>),
    Over,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self { stage: Stage::member() }
    }

    /// Takes the next bytes; gives what they unpack to.
    ///
    /// # Errors
    /// The data is broken.
    pub(super) fn push(&mut self, mut data: &[u8]) -> io::Result<Vec<u8>> {
        let mut unpacked = Vec::new();
        while let Some(first) = data.first() {
            match &mut self.stage {
                Stage::Over => break,
                Stage::Member(member) => {
                    let taken = member.write(data)?;
                    unpacked.append(member.get_mut());
                    data = &data[taken..];
                    // A member that takes nothing has ended.
                    if taken == 0 {
                        unpacked.extend(self.finish()?);
                        self.stage = Stage::Behind(None);
                    }
                }
                Stage::Behind(None) if *first == MAGIC[0] => {
                    self.stage = Stage::Behind(Some(MAGIC[0]));
                    data = &data[1..];
                }
                Stage::Behind(Some(_)) if *first == MAGIC[1] => {
                    self.stage = Stage::member();
                    if let Stage::Member(member) = &mut self.stage {
                        member.write_all(&MAGIC)?;
                    }
                    data = &data[1..];
                }
                Stage::Behind(_) => self.stage = Stage::Over,
            }
        }
        Ok(unpacked)
    }

    /// Takes the end of the data.
    ///
    /// # Errors
    /// The data is cut off or broken.
    pub(super) fn finish(&mut self) -> io::Result<Vec<u8>> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Member(member) => member.finish(),
            Stage::Behind(_) | Stage::Over => Ok(Vec::new()),
        }
    }
}

impl Stage {
    fn member() -> Self {
        Self::Member(Box::new(GzDecoder::new(Vec::new())))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

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
        let mut unpacked = Vec::new();
        for part in data.chunks(part) {
            unpacked.extend(gunzip.push(part)?);
        }
        unpacked.extend(gunzip.finish()?);
        Ok(String::from_utf8(unpacked).unwrap())
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
            assert!(unpack(&[whole.clone(), MAGIC.to_vec(), b"text".to_vec()].concat(), part).is_err());
        }
    }
}
