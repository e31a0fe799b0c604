//! Fields between delimiters, as Hive's `LazySimpleSerDe` reads them.

use anyhow::{Result, bail};
use meterlake_core::catalog::Parameters;

use super::{Fields, Malformed};

/// How the fields of a line are told apart.
#[derive(Debug, Clone)]
pub(crate) struct TextLines {
    delimiter: char,
    escape: Option<char>,
    null: String,
}

impl TextLines {
    /// Takes the SerDe's settings `field.delim`, `escape.delim` and `serialization.null.format`.
    pub(crate) fn new(parameters: &Parameters) -> Result<Self> {
        let character = |key: &str| -> Result<Option<char>> {
            let Some(text) = parameters.get(key) else { return Ok(None) };
            let mut characters = text.chars();
            match (characters.next(), characters.next()) {
                (Some(character), None) => Ok(Some(character)),
                _ => bail!("the SerDe setting `{key}` is `{text}`: give one character"),
            }
        };
        Ok(Self {
            delimiter: character("field.delim")?.unwrap_or('\u{1}'),
            escape: character("escape.delim")?,
            null: parameters.get("serialization.null.format").cloned().unwrap_or_else(|| "\\N".to_owned()),
        })
    }

    /// Splits a line. Missing fields are NULL, surplus ones are left out, as Hive does.
    pub(super) fn read(&self, line: &str, wanted: &[Option<usize>], fields: &mut Fields) -> Result<(), Malformed> {
        let mut field = String::new();
        let mut column = 0;
        let mut finish = |field: &mut String, column: &mut usize| {
            if let Some(Some(at)) = wanted.get(*column) {
                fields.set(*at, Some(field.as_str()).filter(|text| *text != self.null));
            }
            field.clear();
            *column += 1;
        };
        let mut characters = line.chars();
        while let Some(character) = characters.next() {
            if character == self.delimiter {
                finish(&mut field, &mut column);
            } else if Some(character) == self.escape {
                field.extend(characters.next());
            } else {
                field.push(character);
            }
        }
        finish(&mut field, &mut column);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_split_escaped_and_nulled() {
        let parameters = [("field.delim", ","), ("escape.delim", "\\")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        let format = TextLines::new(&parameters.into()).unwrap();
        let mut fields = Fields::default();
        fields.clear(3);
        format.read("a\\,b,,c,d", &[Some(0), Some(1), None, Some(2)], &mut fields).unwrap();
        assert_eq!([fields.get(0), fields.get(1), fields.get(2)], [Some("a,b"), Some(""), Some("d")]);
        fields.clear(1);
        TextLines::new(&Parameters::new()).unwrap().read("\\N", &[Some(0)], &mut fields).unwrap();
        assert_eq!(fields.get(0), None);
    }
}
