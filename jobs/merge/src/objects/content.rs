//! What bytes seem to be that are no lines of text.

/// What an object's first bytes seem to be; `None`: perhaps lines of text.
///
/// The marks are those of the formats' own descriptions: GZIP is RFC 1952, zlib RFC 1950, Zstandard RFC 8878; the others are in
/// the tables of `file(1)`.
pub(super) fn format_of(start: &[u8]) -> Option<&'static str> {
    const MARKS: [(&[u8], &str); 14] = [
        (b"\x1f\x8b", "GZIP data"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"PK\x05\x06", "an empty ZIP archive"),
        (b"\x82SNAPPY\0", "Snappy data"),
        (b"\xff\x06\0\0sNaPpY", "Snappy data"),
        (b"\x28\xb5\x2f\xfd", "Zstandard data"),
        (b"\x04\x22\x4d\x18", "LZ4 data"),
        (b"BZh", "bzip2 data"),
        (b"\xfd7zXZ\0", "XZ data"),
        (b"PAR1", "a Parquet file"),
        (b"ORC", "an ORC file"),
        (b"Obj\x01", "an Avro file"),
        (b"\xff\xfe", "UTF-16 text"),
        (b"\xfe\xff", "UTF-16 text"),
    ];
    let mark = MARKS.iter().find(|(mark, _)| start.starts_with(mark)).map(|(_, name)| *name);
    mark.or_else(|| is_zlib(start).then_some("zlib data"))
}

/// The text that a raw object of lines seems to hold, or what it is instead.
pub(super) fn fault_of_text(start: &[u8]) -> Option<&'static str> {
    // Enough to tell, and little enough that one odd line among many does not decide.
    let sample = &start[..start.len().min(SAMPLE_BYTES)];
    // What begins as a record is one: the bytes behind its first key may be a client's, and must not decide about an object.
    if let Some(key) = first_key(sample) {
        return is_envelope(key, sample).then_some("an envelope of CloudWatch Logs (logEvents) around the log");
    }
    if is_utf16(sample) {
        Some("UTF-16 text")
    } else if is_binary(sample) {
        Some("binary data of an unknown format")
    } else {
        None
    }
}

/// The compression that a name's ending promises, of those that query engines know (the codecs of Hadoop and Trino).
pub(super) fn compression_of(name: &str) -> Option<&'static str> {
    const ENDINGS: [&str; 8] = [".gz", ".bz2", ".deflate", ".lz4", ".lzo", ".lzo_deflate", ".snappy", ".zst"];
    ENDINGS.into_iter().find(|ending| name.ends_with(ending))
}

const SAMPLE_BYTES: usize = 4096;

/// A zlib header: its two bytes are a multiple of 31, and say DEFLATE with a window of 32 KiB.
fn is_zlib(start: &[u8]) -> bool {
    matches!(start, [0x78, flags @ (0x01 | 0x5e | 0x9c | 0xda), ..] if (0x7800 + u16::from(*flags)) % 31 == 0)
}

/// Without a byte order mark: every second byte of Latin text is zero.
fn is_utf16(sample: &[u8]) -> bool {
    let zeros = |odd: usize| sample.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let pairs = sample.len() / 2;
    let (even, odd) = (zeros(0), zeros(1));
    pairs >= 8 && (even.max(odd) * 10 > pairs * 7) && even.min(odd) * 10 < pairs
}

/// A tenth of the bytes are control characters that no log has.
fn is_binary(sample: &[u8]) -> bool {
    let controls = sample.iter().filter(|byte| **byte < 0x20 && !b"\t\n\r\x0b\x0c\x1b".contains(byte)).count();
    let is_long = sample.len() >= 32;
    is_long && (controls * 10 > sample.len() || invalid(sample) * 4 > sample.len())
}

/// Bytes that belong to no character.
fn invalid(sample: &[u8]) -> usize {
    sample.utf8_chunks().map(|chunk| chunk.invalid().len()).sum()
}

/// The first key of the JSON object that a text begins with, as it is written.
fn first_key(sample: &[u8]) -> Option<&[u8]> {
    let text = sample.strip_prefix(b"\xef\xbb\xbf").unwrap_or(sample).trim_ascii_start();
    let key = text.strip_prefix(b"{")?.trim_ascii_start().strip_prefix(b"\"")?;
    key.split(|byte| *byte == b'"').next()
}

/// The keys of an envelope: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/SubscriptionFilters.html>
fn is_envelope(first_key: &[u8], sample: &[u8]) -> bool {
    const KEYS: [&[u8]; 6] =
        [b"messageType", b"owner", b"logGroup", b"logStream", b"subscriptionFilters", b"logEvents"];
    let has = |key: &[u8]| sample.windows(key.len()).any(|window| window == key);
    KEYS.contains(&first_key) && has(b"\"messageType\"") && has(b"\"logEvents\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_marks() {
        for (start, name) in [
            (&b"PK\x03\x04\x14\0"[..], "a ZIP archive"),
            (b"\x82SNAPPY\0\0\0\0\x01", "Snappy data"),
            (b"PAR1\x15\x04", "a Parquet file"),
            (b"\x78\x9c\xab", "zlib data"),
            (b"\xff\xfe{\0\"\0", "UTF-16 text"),
        ] {
            assert_eq!(format_of(start), Some(name));
        }
        for text in [&b"{\"a\":1}"[..], b"xy", b"", b"\xef\xbb\xbf{}", b"Order 66"] {
            assert_eq!(format_of(text), None, "{text:?}");
        }
    }

    #[test]
    fn text_with_some_odd_bytes_is_text() {
        let line = b"{\"user\":\"a\",\"path\":\"\xff\xfe\"}\n\0\n";
        assert_eq!(fault_of_text(&line.repeat(20)), None);
        assert_eq!(fault_of_text("{\"user\":\"사용자 이름\",\"path\":\"/données\"}\n".as_bytes()), None);
        assert_eq!(fault_of_text(b"\0\n"), None);
        let utf16: Vec<u8> = "{\"user\":\"somebody\"}".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(fault_of_text(&utf16), Some("UTF-16 text"));
        let noise: Vec<u8> = (0..400_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert_eq!(fault_of_text(&noise), Some("binary data of an unknown format"));
    }

    #[test]
    fn an_envelope_is_no_log() {
        let envelope =
            b"{\"messageType\":\"DATA_MESSAGE\",\"owner\":\"1\",\"logEvents\":[{\"id\":\"1\",\"message\":\"{}\"}]}";
        assert!(fault_of_text(envelope).unwrap().contains("logEvents"));
        assert_eq!(fault_of_text(b"{\"requestId\":\"logEvents\"}"), None);
        // What a client writes into a record makes no object unreadable.
        let ids = [&b"\"messageType\"\"logEvents\""[..], &[0xff; 3000], &[0; 3000], &[1; 3000]];
        for id in ids {
            let line = [b"{\"user\":\"a\",\"requestId\":\"", id, b"\"}\n"].concat();
            assert_eq!(fault_of_text(&line), None, "{line:?}");
        }
    }

    #[test]
    fn a_name_promises_a_compression_by_its_ending() {
        assert_eq!(compression_of("stream-1-06-00.gz"), Some(".gz"));
        assert_eq!(compression_of("a.gz.zst"), Some(".zst"));
        assert_eq!(compression_of("gz"), None);
        assert_eq!(compression_of("stream-1.zip"), None, "no engine takes a ZIP archive for compressed text");
    }
}
