//! Bytes as text, with Trino's replacement of what is no UTF-8.

use std::borrow::Cow;
use std::str::from_utf8;

/// The bytes as text, with each invalid sequence replaced by one U+FFFD, as Trino's `from_utf8` does.
///
/// `String::from_utf8_lossy` replaces other sequences: of `ED A0 80`, a surrogate, it makes three characters.
pub(crate) fn to_text(bytes: &[u8]) -> Cow<'_, str> {
    to_text_with(bytes, "\u{FFFD}")
}

/// The same with another text in the place of U+FFFD.
pub(crate) fn to_text_with<'a>(bytes: &'a [u8], replacement: &str) -> Cow<'a, str> {
    let mut error = match from_utf8(bytes) {
        Ok(text) => return Cow::Borrowed(text),
        Err(error) => error,
    };
    let mut text = String::with_capacity(bytes.len() + 8);
    let mut rest = bytes;
    loop {
        let (valid, invalid) = rest.split_at(error.valid_up_to());
        text.push_str(from_utf8(valid).unwrap_or_default());
        text.push_str(replacement);
        rest = &invalid[invalid_length(invalid)..];
        match from_utf8(rest) {
            Ok(valid) => {
                text.push_str(valid);
                return Cow::Owned(text);
            }
            Err(next) => error = next,
        }
    }
}

/// The length of the invalid sequence at the start of `bytes`: its first byte, and as many continuation bytes as that
/// byte announces. It may announce six bytes, as UTF-8 once allowed.
fn invalid_length(bytes: &[u8]) -> usize {
    let announced = match bytes.first() {
        Some(0xc0..=0xdf) => 2,
        Some(0xe0..=0xef) => 3,
        Some(0xf0..=0xf7) => 4,
        Some(0xf8..=0xfb) => 5,
        Some(0xfc..=0xfd) => 6,
        _ => 1,
    };
    let continued = bytes.iter().skip(1).take(announced - 1).take_while(|byte| **byte & 0xc0 == 0x80).count();
    (1 + continued).min(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_sequence_becomes_one_replacement_character_as_on_trino() {
        // What Trino 476 answers to `from_utf8(to_utf8(line))`, with `?` for U+FFFD.
        let cases: [(&[u8], &str); 30] = [
            (b"<\xff>", "<?>"),
            (b"<\xc3>", "<?>"),
            (b"<\xc3(>", "<?(>"),
            (b"<\xe2\x82>", "<?>"),
            (b"<\xe2\x82x>", "<?x>"),
            (b"<\xe2(\xa1>", "<?(?>"),
            (b"<\xf0\x9f\x92>", "<?>"),
            (b"<\xf0\x9f\x92x>", "<?x>"),
            (b"<\xf0\x9f", "<?"),
            (b"<\xed\xa0\x80>", "<?>"),
            (b"<\xed\xa0\xbd\xed\xb8\x80>", "<??>"),
            (b"<\xc0\x80>", "<?>"),
            (b"<\xc1\xbf>", "<?>"),
            (b"<\xe0\x80\x80>", "<?>"),
            (b"<\xe0\x80x>", "<?x>"),
            (b"<\xf0\x80\x80\x80>", "<?>"),
            (b"<\xf4\x90\x80\x80>", "<?>"),
            (b"<\xf5\x80x>", "<?x>"),
            (b"<\xf7\xbf\xbf\xbf>", "<?>"),
            (b"<\xf8\x88\x80\x80\x80>", "<?>"),
            (b"<\xf8\x88\x80", "<?"),
            (b"<\xf8\x88x>", "<?x>"),
            (b"<\xfc\x84\x80\x80\x80\x80>", "<?>"),
            (b"<\xfc\x84\x80x>", "<?x>"),
            (b"<\xfe\xff>", "<??>"),
            (b"<\x80\x80", "<??"),
            (b"<\xe2\xe2\x82\xac>", "<?\u{20ac}>"),
            (b"<\xf0\x9f\xe2\x82\xac", "<?\u{20ac}"),
            (b"<\xc3\xc3\xa9>", "<?\u{e9}>"),
            (b"<\xe2\x82\xac>", "<\u{20ac}>"),
        ];
        for (bytes, expected) in cases {
            assert_eq!(to_text(bytes).replace(char::REPLACEMENT_CHARACTER, "?"), expected, "{bytes:x?}");
        }
    }
}
