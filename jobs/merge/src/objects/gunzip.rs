//! GZIP data that comes in parts.

use std::io::{self, Write};

use flate2::write::GzDecoder;

/// Unpacks GZIP data of one member or several. Zeros behind a member are padding, which GZIP readers pass over.
pub(super) struct Gunzip {
    /// `None`: between members.
    member: Option<GzDecoder<Vec<u8>>>,
    has_member: bool,
}

impl Gunzip {
    pub(super) fn new() -> Self {
        Self { member: None, has_member: false }
    }

    /// Takes the next bytes; gives what they unpack to.
    ///
    /// # Errors
    /// The data is broken.
    pub(super) fn push(&mut self, mut data: &[u8]) -> io::Result<Vec<u8>> {
        let mut unpacked = Vec::new();
        while !data.is_empty() {
            if self.member.is_none() && self.has_member {
                let padding = data.iter().take_while(|byte| **byte == 0).count();
                data = &data[padding..];
                if data.is_empty() {
                    break;
                }
            }
            self.has_member = true;
            let member = self.member.get_or_insert_with(|| GzDecoder::new(Vec::new()));
            let taken = member.write(data)?;
            unpacked.append(member.get_mut());
            data = &data[taken..];
            // A member that takes nothing has ended.
            if taken == 0 {
                unpacked.extend(self.end_member()?);
            }
        }
        Ok(unpacked)
    }

    /// Takes the end of the data.
    ///
    /// # Errors
    /// The data is cut off or broken.
    pub(super) fn finish(&mut self) -> io::Result<Vec<u8>> {
        self.end_member()
    }

    fn end_member(&mut self) -> io::Result<Vec<u8>> {
        match self.member.take() {
            Some(member) => member.finish(),
            None => Ok(Vec::new()),
        }
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
    fn members_and_padding_are_unpacked_in_parts_of_any_size() {
        let data = [gzip("one\n"), gzip(""), gzip("two\n"), vec![0; 700]].concat();
        for part in [1, 2, 7, 100, 10_000] {
            assert_eq!(unpack(&data, part).unwrap(), "one\ntwo\n", "{part}");
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
            assert!(unpack(&[whole.clone(), b"text".to_vec()].concat(), part).is_err());
        }
    }
}
