//! A look at an object's bytes, at its start or to its end.

use anyhow::{Context, Result};
use meterlake_core::gunzip::{Gunzip, PIECE_BYTES};
use meterlake_core::store::{Object, Store};
use meterlake_core::white_space::is_white_space;
use serde::{Deserialize, Serialize};

use super::content::{compression_of, fault_of_text, format_of};

/// What is read of an object at first.
const START_BYTES: u64 = 64 << 10;
/// What is read at a time from there on.
const PART_BYTES: u64 = 8 << 20;
/// What is kept of the text's start, to tell what it is.
const KEPT_BYTES: usize = 64 << 10;
/// The longest line that is read. Athena takes rows of up to 32 MB.
pub(crate) const MAX_LINE_BYTES: usize = 24 << 20;

/// What a raw object is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Finding {
    /// Lines of text, of which at least one is not blank.
    Lines,
    /// No line that is not blank.
    Blank,
    /// Nothing that engines can read as lines; what it seems to be.
    Unreadable(String),
}

/// How far an object is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Until its first line ends. That tells what Firehose was set to write.
    Start,
    /// To its end. That finds what breaks off in the middle.
    Whole,
}

/// Reads an object and tells what it is; `None`: it is gone.
///
/// # Errors
/// The store failed.
pub(crate) async fn look_at(store: &dyn Store, object: &Object, depth: Depth) -> Result<Option<Finding>> {
    let mut reader = Reader::new(object.location.name());
    let mut from = 0;
    while from < object.size {
        let length = if from == 0 { START_BYTES } else { PART_BYTES };
        let read = store.read_part(&object.location, from, length).await;
        let Some(part) = read.with_context(|| format!("cannot look at {}", object.location))? else {
            return Ok(None);
        };
        if part.is_empty() {
            break;
        }
        from += part.len() as u64;
        if let Err(fault) = reader.push(&part) {
            return Ok(Some(Finding::Unreadable(fault)));
        }
        if depth == Depth::Start && from < object.size && reader.has_line {
            return Ok(Some(reader.finding()));
        }
    }
    Ok(Some(reader.finish()))
}

/// Takes an object's bytes in parts.
struct Reader {
    /// The compression that the name promises.
    ending: Option<&'static str>,
    gunzip: Option<Gunzip>,
    has_begun: bool,
    has_text_begun: bool,
    /// The text's start.
    start: Vec<u8>,
    is_judged: bool,
    /// Bytes of the line whose end was not seen.
    line_bytes: usize,
    /// A line that is not blank was seen to its end.
    has_line: bool,
    /// The line whose end was not seen, or an earlier one, is not blank.
    has_text: bool,
}

impl Reader {
    fn new(name: &str) -> Self {
        Self {
            ending: compression_of(name),
            gunzip: None,
            has_begun: false,
            has_text_begun: false,
            start: Vec::new(),
            is_judged: false,
            line_bytes: 0,
            has_line: false,
            has_text: false,
        }
    }

    /// Takes the next part; the error is what the object seems to be.
    fn push(&mut self, part: &[u8]) -> Result<(), String> {
        if !self.has_begun {
            self.has_begun = true;
            self.begin(part)?;
        }
        let Some(mut gunzip) = self.gunzip.take() else { return self.text(part) };
        for piece in part.chunks(PIECE_BYTES) {
            gunzip.push(piece).map_err(broken)?;
            self.text(&std::mem::take(gunzip.text()))?;
        }
        self.gunzip = Some(gunzip);
        Ok(())
    }

    /// Compares the first bytes with what the name promises.
    fn begin(&mut self, part: &[u8]) -> Result<(), String> {
        let format = format_of(part);
        match (self.ending, format) {
            (Some(".gz"), Some("GZIP data")) => self.gunzip = Some(Gunzip::new()),
            (Some(ending), format) => {
                let what = format.unwrap_or("plain text");
                return Err(format!("{what} under a name that ends in {ending}"));
            }
            (None, Some("GZIP data")) => return Err("GZIP data under a name that does not end in .gz".to_owned()),
            (None, Some(format)) => return Err(format.to_owned()),
            (None, None) => {}
        }
        Ok(())
    }

    fn text(&mut self, mut text: &[u8]) -> Result<(), String> {
        // Engines take a byte order mark off an object's start, and `sources/lines.sql` one off each line.
        if !text.is_empty() && !self.has_text_begun {
            self.has_text_begun = true;
            text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        }
        let room = KEPT_BYTES.saturating_sub(self.start.len());
        self.start.extend_from_slice(&text[..text.len().min(room)]);
        if self.start.len() == KEPT_BYTES {
            self.judge()?;
        }
        for (at, line) in text.split(|byte| matches!(byte, b'\n' | b'\r')).enumerate() {
            if at > 0 {
                self.has_line |= self.has_text;
                self.line_bytes = 0;
            }
            self.has_text = self.has_text || !is_blank(line);
            self.line_bytes += line.len();
            if self.line_bytes > MAX_LINE_BYTES {
                return Err(format!(
                    "a line longer than {} MiB (end the log's format with a line end)",
                    MAX_LINE_BYTES >> 20
                ));
            }
        }
        Ok(())
    }

    /// Looks at the text's start, once.
    fn judge(&mut self) -> Result<(), String> {
        if self.is_judged {
            return Ok(());
        }
        self.is_judged = true;
        let fault = match format_of(&self.start) {
            Some("GZIP data") => Some("GZIP data in GZIP data"),
            format => format.or_else(|| fault_of_text(&self.start)),
        };
        fault.map_or(Ok(()), |fault| Err(fault.to_owned()))
    }

    /// What the object is, as far as it was read.
    fn finding(&mut self) -> Finding {
        match self.judge() {
            Err(fault) => Finding::Unreadable(fault),
            Ok(()) if self.has_text => Finding::Lines,
            Ok(()) => Finding::Blank,
        }
    }

    /// What the object is, now that it was read to its end.
    fn finish(mut self) -> Finding {
        if let Some(mut gunzip) = self.gunzip.take() {
            let read = gunzip.finish().map_err(broken).and_then(|()| self.text(gunzip.text()));
            if let Err(fault) = read {
                return Finding::Unreadable(fault);
            }
        }
        self.finding()
    }
}

/// Whether `sources/lines.sql` sees a blank line: white space, and a byte order mark that may stand before it.
fn is_blank(line: &[u8]) -> bool {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_start_matches(is_white_space);
    text.strip_prefix('\u{feff}').unwrap_or(text).chars().all(is_white_space)
}

fn broken(_: std::io::Error) -> String {
    "GZIP data that is broken or cut off".to_owned()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use meterlake_core::location::Location;
    use meterlake_core::store::LocalStore;

    use super::*;

    async fn look(name: &str, content: &[u8], depth: Depth) -> Finding {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let parent = Location::from_path(folder.path()).unwrap();
        let object = LocalStore.list(&parent).await.unwrap().remove(0);
        look_at(&LocalStore, &object, depth).await.unwrap().unwrap()
    }

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn unreadable(finding: Finding) -> String {
        match finding {
            Finding::Unreadable(what) => what,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn names_and_bytes_must_agree() {
        let line = b"{\"user\":\"a\"}\n";
        for depth in [Depth::Start, Depth::Whole] {
            assert_eq!(look("a", line, depth).await, Finding::Lines);
            assert_eq!(look("a.gz", &gzip(line), depth).await, Finding::Lines);
            assert_eq!(look("a.gz", &[gzip(line), gzip(b""), vec![0; 512]].concat(), depth).await, Finding::Lines);
            for (name, content, expected) in [
                ("a.gz", line.to_vec(), "plain text under a name that ends in .gz"),
                ("a.zst", line.to_vec(), "plain text under a name that ends in .zst"),
                ("a", gzip(line), "GZIP data under a name that does not end in .gz"),
                ("a.gz", gzip(&gzip(line)), "GZIP data in GZIP data"),
                ("a", b"PK\x03\x04 and more".to_vec(), "a ZIP archive"),
                ("a.snappy", b"\x82SNAPPY\0\0\0\0\x01".to_vec(), "Snappy data under a name that ends in .snappy"),
            ] {
                assert_eq!(unreadable(look(name, &content, depth).await), expected);
            }
        }
    }

    #[tokio::test]
    async fn an_object_without_text_is_blank_however_long_it_is() {
        let blanks = b" \r\n\t\n".repeat(100_000);
        for content in [&b""[..], b"\n\n", &blanks, b"\xef\xbb\xbf", "\u{3000}\n \u{feff}\u{1c}\n".as_bytes()] {
            assert_eq!(look("a", content, Depth::Start).await, Finding::Blank);
        }
        assert_eq!(look("a.gz", &gzip(&blanks), Depth::Start).await, Finding::Blank);
        assert_eq!(look("a", "\u{feff}\u{feff}".as_bytes(), Depth::Start).await, Finding::Blank);
        for content in ["\u{feff}\u{feff}\u{feff}", "\u{a0}", "\0"] {
            assert_eq!(look("a", content.as_bytes(), Depth::Start).await, Finding::Lines, "{content:?}");
        }
        let late = [&blanks[..], b"x\n"].concat();
        assert_eq!(look("a", &late, Depth::Start).await, Finding::Lines);
    }

    #[tokio::test]
    async fn a_fault_behind_the_start_is_found_by_a_look_at_the_whole() {
        let mut state = 1_u64;
        let mut noise = vec![0_u8; 600_000];
        for byte in &mut noise {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = b'a' + (state >> 60) as u8;
        }
        let packed = gzip(&[b"{\"user\":\"a\"}\n", &noise[..]].concat());
        let cut = &packed[..packed.len() - 20];
        assert_eq!(look("a.gz", cut, Depth::Start).await, Finding::Lines);
        assert!(unreadable(look("a.gz", cut, Depth::Whole).await).contains("cut off"));

        let long = [b"{\"user\":\"a\"}\n".to_vec(), vec![b'x'; MAX_LINE_BYTES + 1]].concat();
        assert_eq!(look("a", &long, Depth::Start).await, Finding::Lines);
        assert!(unreadable(look("a", &long, Depth::Whole).await).contains("longer than 24 MiB"));
    }

    #[tokio::test]
    async fn where_no_line_ends_the_look_goes_on() {
        let endless = vec![b'x'; MAX_LINE_BYTES + 1];
        assert!(unreadable(look("a", &endless, Depth::Start).await).contains("line end"));
        assert_eq!(look("a", &endless[1..], Depth::Start).await, Finding::Lines);
    }
}
