//! Fields between delimiters, as Trino reads those of Hive's `LazySimpleSerDe`.

use std::borrow::Cow;
use std::ops::Range;

use anyhow::{Result, bail};
use datafusion::arrow::buffer::Buffer;
use meterlake_core::catalog::Parameters;

use super::column::TextColumn;

/// How a line is split into fields.
#[derive(Debug, Clone)]
pub(crate) struct TextLines {
    delimiter: u8,
    escape: Option<u8>,
    null: String,
}

impl TextLines {
    /// Takes the SerDe's settings `field.delim`, `escape.delim` and `serialization.null.format`.
    pub(crate) fn new(parameters: &Parameters) -> Result<Self> {
        let character = |key: &str| -> Result<Option<u8>> {
            match parameters.get(key).map(|text| text.as_bytes()) {
                None => Ok(None),
                Some([character]) if character.is_ascii() => Ok(Some(*character)),
                Some(text) => {
                    bail!("the SerDe setting `{key}` is `{}`: give one ASCII character", String::from_utf8_lossy(text))
                }
            }
        };
        Ok(Self {
            delimiter: character("field.delim")?.unwrap_or(1),
            escape: character("escape.delim")?,
            null: parameters.get("serialization.null.format").cloned().unwrap_or_else(|| "\\N".to_owned()),
        })
    }

    /// Splits a line. Missing fields are NULL, surplus ones are left out.
    pub(super) fn read(
        &self,
        block: &Buffer,
        line: Range<usize>,
        wanted: &[Option<usize>],
        columns: &mut [TextColumn],
    ) -> Result<()> {
        let mut next = Some(line.start);
        let mut missing = columns.len();
        for at in wanted {
            if missing == 0 {
                break;
            }
            let field = next.map(|start| start..start + self.length(&block[start..line.end]));
            next = field.as_ref().map(|field| field.end + 1).filter(|start| *start <= line.end);
            let Some(column) = at.and_then(|at| columns.get_mut(at)) else { continue };
            missing -= 1;
            match field {
                Some(field) if block[field.clone()] != *self.null.as_bytes() => {
                    match self.unescape(&block[field.clone()]) {
                        Cow::Borrowed(_) => column.append(block, field)?,
                        Cow::Owned(text) => column.append_text(&text),
                    }
                }
                _ => column.append_null(),
            }
        }
        Ok(())
    }

    /// The length of the field at the start of `rest`.
    fn length(&self, rest: &[u8]) -> usize {
        let Some(escape) = self.escape else { return memchr::memchr(self.delimiter, rest).unwrap_or(rest.len()) };
        let mut start = 0;
        while let Some(found) = rest.get(start..).and_then(|rest| memchr::memchr2(self.delimiter, escape, rest)) {
            if rest[start + found] == self.delimiter {
                return start + found;
            }
            start += found + 2;
        }
        rest.len()
    }

    /// The field without its escape characters. One at the field's end escapes nothing and stays.
    fn unescape<'a>(&self, field: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(escape) = self.escape.filter(|escape| field.contains(escape)) else { return Cow::Borrowed(field) };
        let mut text = Vec::with_capacity(field.len());
        let mut bytes = field.iter();
        while let Some(byte) = bytes.next() {
            match bytes.as_slice().first() {
                Some(_) if *byte == escape => text.extend(bytes.next()),
                _ => text.push(*byte),
            }
        }
        Cow::Owned(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fields of a line in a table of two columns; NULL is `~`.
    fn fields(parameters: &[(&str, &str)], line: &str) -> [String; 2] {
        let parameters = parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mut columns = [TextColumn::default(), TextColumn::default()];
        let block = Buffer::from(line.as_bytes());
        let lines = TextLines::new(&parameters).unwrap();
        lines.read(&block, 0..line.len(), &[Some(0), Some(1)], &mut columns).unwrap();
        columns.map(|mut column| column.finish().iter().next().unwrap().unwrap_or("~").to_owned())
    }

    #[test]
    fn fields_are_split_and_only_a_bare_mark_is_null() {
        for (line, expected) in [
            ("a", ["a", "~"]),
            ("", ["", "~"]),
            ("a\u{1}b\u{1}c", ["a", "b"]),
            ("\u{1}", ["", ""]),
            ("a\u{1}", ["a", ""]),
            ("\u{1}x", ["", "x"]),
            ("\\N", ["~", "~"]),
            ("\\N\u{1}\\N", ["~", "~"]),
            (" \\N", [" \\N", "~"]),
            ("\\\\N", ["\\\\N", "~"]),
            ("\\n\\t\\\\x\\\u{1}y", ["\\n\\t\\\\x\\", "y"]),
            ("a\0b", ["a\0b", "~"]),
            ("a\u{2028}b\u{85}c\u{b}d\u{c}e", ["a\u{2028}b\u{85}c\u{b}d\u{c}e", "~"]),
        ] {
            assert_eq!(fields(&[], line), expected, "{line:?}");
        }
    }

    #[test]
    fn an_escape_character_keeps_the_one_behind_it() {
        let csv = [("field.delim", ","), ("escape.delim", "\\")];
        for (line, expected) in [
            ("a\\,b,c", ["a,b", "c"]),
            ("a\\nb\\rc\\td\\\\e,x", ["anbrctd\\e", "x"]),
            ("end\\", ["end\\", "~"]),
            ("\\N,\\\\N", ["~", "\\N"]),
            ("\"q,r\"", ["\"q", "r\""]),
            ("x\\,", ["x,", "~"]),
        ] {
            assert_eq!(fields(&csv, line), expected, "{line:?}");
        }
        let error = TextLines::new(&[("field.delim".to_owned(), "||".to_owned())].into()).unwrap_err().to_string();
        assert_eq!(error, "the SerDe setting `field.delim` is `||`: give one ASCII character");
    }
}
