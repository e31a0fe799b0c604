//! A strict reader of JSON text that keeps nothing: it checks a value and tells where its parts lie.

use std::borrow::Cow;

/// Trino's JSON parser takes no longer key.
const LONGEST_KEY: usize = 50_000;

/// Whether a text is one JSON value.
pub(super) fn is_json(text: &str) -> bool {
    let mut reader = Reader::new(text);
    reader.value().is_some() && reader.at_end()
}

/// A value within an object or an array.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    /// An integer as written, and a number with a point or an exponent.
    Integer(&'a str),
    Float(&'a str),
    Text(Cow<'a, str>),
    /// An object or an array.
    Nested,
}

pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Open objects (true) and arrays within the value that is skipped. They are no recursion: a line may be nested deep.
    open: Vec<bool>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, open: Vec::new() }
    }

    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The next byte that is no white space.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let bytes = self.bytes();
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    /// Takes a byte, after white space; false if another stands there.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes a key as it is written, with its quotes and the colon; false if something else stands here.
    pub(super) fn eat_written(&mut self, key: &str) -> bool {
        let found = self.bytes()[self.at..].starts_with(key.as_bytes());
        self.at += if found { key.len() } else { 0 };
        found
    }

    /// Whether nothing but white space is left.
    pub(super) fn at_end(&mut self) -> bool {
        self.peek().is_none()
    }

    /// Any value; none where the text is no JSON.
    pub(super) fn value(&mut self) -> Option<Value<'a>> {
        match self.peek()? {
            b'"' => {
                self.at += 1;
                self.quoted().map(Value::Text)
            }
            b'{' | b'[' => self.nested().then_some(Value::Nested),
            b't' => self.word("true", Value::Boolean(true)),
            b'f' => self.word("false", Value::Boolean(false)),
            b'n' => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Value<'a>) -> Option<Value<'a>> {
        self.bytes()[self.at..].starts_with(word.as_bytes()).then(|| {
            self.at += word.len();
            value
        })
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.bytes().get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Value<'a>> {
        let start = self.at;
        self.at += usize::from(self.bytes().get(self.at) == Some(&b'-'));
        let first = self.at;
        self.digits()?;
        if self.bytes()[first] == b'0' && self.at > first + 1 {
            return None;
        }
        let mut float = false;
        if self.bytes().get(self.at) == Some(&b'.') {
            float = true;
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.bytes().get(self.at) {
            float = true;
            self.at += 1;
            self.at += usize::from(matches!(self.bytes().get(self.at), Some(b'+' | b'-')));
            self.digits()?;
        }
        let number = &self.text[start..self.at];
        Some(if float { Value::Float(number) } else { Value::Integer(number) })
    }

    /// The text between quotes, which is the line's own where it has no escapes.
    pub(super) fn string(&mut self) -> Option<Cow<'a, str>> {
        if self.eat(b'"') { self.quoted() } else { None }
    }

    /// The text that begins behind a quote that was taken.
    fn quoted(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = &self.bytes()[self.at..];
            let stop = plain_length(rest)?;
            self.at += stop;
            match rest[stop] {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return None,
            }
        }
        let raw = &self.text[start..self.at];
        self.at += 1;
        Some(if escaped { Cow::Owned(unescaped(raw)) } else { Cow::Borrowed(raw) })
    }

    /// Steps over an escape, if it is one.
    fn escape(&mut self) -> Option<()> {
        let bytes = self.bytes();
        let length = match bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' => {
                let digits = bytes.get(self.at + 2..self.at + 6)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(6)?
            }
            _ => return None,
        };
        self.at += length;
        Some(())
    }

    /// Steps over a text without keeping it.
    fn skip_string(&mut self) -> Option<()> {
        self.string().map(drop)
    }

    /// Steps over an object or an array.
    fn nested(&mut self) -> bool {
        self.open.clear();
        self.skip_nested().is_some()
    }

    fn skip_nested(&mut self) -> Option<()> {
        loop {
            // Here a value begins.
            match self.peek()? {
                opening @ (b'{' | b'[') => {
                    self.at += 1;
                    let object = opening == b'{';
                    if !self.eat(if object { b'}' } else { b']' }) {
                        self.open.push(object);
                        if object {
                            self.key()?;
                        }
                        continue;
                    }
                }
                b'"' => self.skip_string()?,
                _ => drop(self.value()?),
            }
            // Here one has ended, and maybe what it is in.
            loop {
                let Some(object) = self.open.last().copied() else { return Some(()) };
                if self.eat(b',') {
                    if object {
                        self.key()?;
                    }
                    break;
                }
                if !self.eat(if object { b'}' } else { b']' }) {
                    return None;
                }
                self.open.pop();
            }
        }
    }

    /// A key of an object, and the colon behind it.
    pub(super) fn key(&mut self) -> Option<Cow<'a, str>> {
        let key = self.string()?;
        if key.len() > LONGEST_KEY && key.encode_utf16().count() > LONGEST_KEY {
            return None;
        }
        self.eat(b':').then_some(key)
    }
}

/// How many bytes stand before the first quote, backslash or control character; none where there is no such byte.
fn plain_length(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGHS: u64 = ONES << 7;
    // Sets the high bit of each byte below `limit`, which is at most 0x80. A borrow may also set that of a byte above one
    // that is below, so only the lowest is sure. https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGHS;
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (ONES * u64::from(b'"')), 1);
        let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
        let stops = below(word, 0x20) | quote | backslash;
        if stops != 0 {
            return Some(at * 8 + stops.trailing_zeros() as usize / 8);
        }
    }
    let stop = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))?;
    Some(words.len() * 8 + stop)
}

/// A text whose escapes have been checked. Half of a surrogate pair, which no UTF-8 has, becomes `?`, as Java writes it.
fn unescaped(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = rest.find('\\') {
        text.push_str(&rest[..at]);
        let escape = rest.as_bytes()[at + 1];
        let mut length = 2;
        text.push(match escape {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                length = 6;
                let high = code_unit(&rest[at..]).unwrap_or_default();
                let low = rest.get(at + 6..).and_then(code_unit);
                match (char::from_u32(high), low) {
                    (Some(c), _) => c,
                    (None, Some(low)) if high < 0xdc00 && (0xdc00..0xe000).contains(&low) => {
                        length = 12;
                        char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)).unwrap_or('?')
                    }
                    _ => '?',
                }
            }
            other => char::from(other),
        });
        rest = &rest[at + length..];
    }
    text.push_str(rest);
    text
}

/// The number in `\u0041` at the start of a text.
fn code_unit(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_json_is_told_strictly() {
        for text in ["1", " {} ", "[]", r#"{"a":[1,{"b":null}],"a":-0.5e+3}"#, r#""\u00e9\/""#, "\"\u{7f}é\"", "null\n"]
        {
            assert!(is_json(text), "{text}");
        }
        for text in [
            "",
            " ",
            "{",
            "}",
            "{}{}",
            "{} x",
            "[1,]",
            r#"{"a":1,}"#,
            r#"{"a"}"#,
            r#"{a:1}"#,
            "{'a':1}",
            "01",
            "-",
            "1.",
            ".5",
            "+1",
            "1e",
            "NaN",
            "nul",
            "truex",
            r#""\x""#,
            r#""\u12g4""#,
            "\"\t\"",
            "\"",
            r#""\"#,
            "\u{feff}{}",
            "{\u{b}}",
            "[}",
            "-01",
        ] {
            assert!(!is_json(text), "{text}");
        }
    }

    #[test]
    fn a_text_ends_at_the_first_byte_that_is_not_plain() {
        for before in 0..20 {
            for stop in 0..=255_u8 {
                for behind in ["", "aaaaaaaa", "\0\"\\\x7f\"\0\0\0"] {
                    let text = [
                        &vec![b'~'; before][..],
                        &[0x80, 0xff, b'!', b'#', b'[', b']', b' '],
                        &[stop],
                        behind.as_bytes(),
                    ];
                    let text = text.concat();
                    let expected = text.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
                    assert_eq!(plain_length(&text), expected, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn nesting_needs_no_stack() {
        let deep = format!("{}1{}", "[".repeat(1 << 20), "]".repeat(1 << 20));
        assert!(is_json(&deep));
        assert!(!is_json(&deep[1..]));
    }

    #[test]
    fn a_key_may_be_long_but_not_too_long() {
        assert!(is_json(&format!("{{\"{}\":[{{}}]}}", "k".repeat(LONGEST_KEY))));
        assert!(!is_json(&format!("[{{\"{}\":1}}]", "k".repeat(LONGEST_KEY + 1))));
    }

    #[test]
    fn escapes_are_read_as_java_reads_them() {
        let text = |raw: &str| Reader::new(raw).string().unwrap().into_owned();
        assert_eq!(text(r#""\"\\\/\b\f\n\r\t\u0041é""#), "\"\\/\u{8}\u{c}\n\r\tAé");
        assert_eq!(text(r#""\ud83d\ude00""#), "\u{1f600}");
        assert_eq!(text(r#""\ud83dx\ude00\ud83d""#), "?x??");
        assert_eq!(text(r#""\ud83d\ud83d\ude00""#), "?\u{1f600}");
    }
}
