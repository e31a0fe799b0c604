//! Reads a line as the OpenX SerDe does, which takes much for JSON that is none.
//!
//! It knows unquoted strings (`{"status": -}`), single quotes, `=` and `=>` for `:`, `;` for `,`, and comments; what
//! follows on the object is ignored. A line that begins with neither `{` nor `[` is a row of NULLs, whatever it says.

use std::borrow::Cow;

use super::Malformed;

/// The deepest nesting that is read, as in `serde_json`.
const DEEPEST: usize = 128;

/// A value: an object or a list is its text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
}

/// Whom a value belongs to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Key<'a> {
    /// In an object: the value's name.
    Name(&'a str),
    /// In a list: its place, the first is 0.
    Place(usize),
}

/// Reads a line; gives each value to `on_value`.
pub(super) fn read<'a>(line: &'a str, mut on_value: impl FnMut(Key<'_>, Value<'a>)) -> Result<(), Malformed> {
    let mut reader = Reader { text: line.trim(), at: 0, depth: 0 };
    match reader.next()? {
        Some('{') => reader.object(&mut |name, value| on_value(Key::Name(name), value)),
        Some('[') => reader.list(&mut |place, value| on_value(Key::Place(place), value)),
        _ => Ok(()),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The next character that is neither blank nor in a comment; it is passed over.
    fn next(&mut self) -> Result<Option<char>, Malformed> {
        loop {
            let rest = self.rest().trim_start_matches(['\t', ' ', '\n', '\r']);
            self.at = self.text.len() - rest.len();
            if rest.starts_with('#') || rest.starts_with("//") {
                let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
                self.at += end;
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let Some(end) = comment.find("*/") else { return Err(self.error("a comment has no end")) };
                self.at += end + 4;
            } else {
                let next = rest.chars().next();
                self.at += next.map_or(0, char::len_utf8);
                return Ok(next);
            }
        }
    }

    /// Goes back before a character.
    fn back(&mut self, character: char) {
        self.at -= character.len_utf8();
    }

    /// What follows on `{`.
    fn object(&mut self, on_value: &mut dyn FnMut(&str, Value<'a>)) -> Result<(), Malformed> {
        self.enter()?;
        match self.next()? {
            Some('}') => return self.leave(),
            Some(character) => self.back(character),
            None => {}
        }
        loop {
            let Value::Text(name) = self.value()? else { return Err(self.error("a name is null")) };
            match self.next()? {
                Some('=') if self.rest().starts_with('>') => self.at += 1,
                Some(':' | '=') => {}
                _ => return Err(self.error("a name without a value")),
            }
            let value = self.value()?;
            on_value(&name, value);
            match self.next()? {
                Some('}') => return self.leave(),
                Some(',' | ';') => {}
                _ => return Err(self.error("an object has no end")),
            }
        }
    }

    /// What follows on `[`. A separator without a value before it is a NULL.
    fn list(&mut self, on_value: &mut dyn FnMut(usize, Value<'a>)) -> Result<(), Malformed> {
        self.enter()?;
        let mut place = 0;
        let mut is_after_separator = false;
        loop {
            let character = self.next()?.ok_or_else(|| self.error("a list has no end"))?;
            match character {
                ']' => {
                    if is_after_separator {
                        on_value(place, Value::Null);
                    }
                    return self.leave();
                }
                ',' | ';' => on_value(place, Value::Null),
                _ => {
                    self.back(character);
                    let value = self.value()?;
                    on_value(place, value);
                    match self.next()? {
                        Some(']') => return self.leave(),
                        Some(',' | ';') => {}
                        _ => return Err(self.error("a list has no end")),
                    }
                }
            }
            is_after_separator = true;
            place += 1;
        }
    }

    fn value(&mut self) -> Result<Value<'a>, Malformed> {
        let start = match self.next()? {
            None => return Err(self.error("a value is missing")),
            Some(quote @ ('"' | '\'')) => return self.quoted(quote).map(Value::Text),
            Some('{') => {
                let start = self.at - 1;
                self.object(&mut |_, _| {})?;
                start
            }
            Some('[') => {
                let start = self.at - 1;
                self.list(&mut |_, _| {})?;
                start
            }
            Some(character) => {
                self.back(character);
                return self.literal();
            }
        };
        Ok(Value::Text(Cow::Borrowed(&self.text[start..self.at])))
    }

    /// What follows on a quote, up to the next one.
    fn quoted(&mut self, quote: char) -> Result<Cow<'a, str>, Malformed> {
        let rest = self.rest();
        let mut characters = rest.char_indices();
        let mut has_escapes = false;
        while let Some((at, character)) = characters.next() {
            if character == '\\' {
                has_escapes = true;
                characters.next();
            } else if character == quote {
                self.at += at + 1;
                let text = &rest[..at];
                let unescaped = if has_escapes { unescape(text).map(Cow::Owned) } else { Some(Cow::Borrowed(text)) };
                return unescaped.ok_or_else(|| self.error("a wrong escape sequence"));
            }
        }
        Err(self.error("a string has no end"))
    }

    /// A string without quotes, or NULL.
    fn literal(&mut self) -> Result<Value<'a>, Malformed> {
        let rest = self.rest();
        let ends = [' ', '\r', '\n', '\t', '\u{c}', '{', '}', '[', ']', '/', '\\', ':', ',', '=', ';', '#'];
        let literal = &rest[..rest.find(ends).unwrap_or(rest.len())];
        if literal.is_empty() {
            return Err(self.error("a value is missing"));
        }
        self.at += literal.len();
        if literal.eq_ignore_ascii_case("null") {
            return Ok(Value::Null);
        }
        Ok(Value::Text(Cow::Borrowed(literal)))
    }

    fn enter(&mut self) -> Result<(), Malformed> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(self.error("it is nested too deeply")) } else { Ok(()) }
    }

    /// Never fails; it ends what may.
    fn leave(&mut self) -> Result<(), Malformed> {
        self.depth -= 1;
        Ok(())
    }

    fn error(&self, problem: &str) -> Malformed {
        format!("{problem} at column {}", self.text[..self.at].chars().count())
    }
}

/// `None` if a `\u` has no four digits behind it.
fn unescape(text: &str) -> Option<String> {
    // In UTF-16, in which two escape sequences may make one character.
    let mut units = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let character = match character {
            '\\' => match characters.next()? {
                'u' => {
                    let digits: String = characters.by_ref().take(4).collect();
                    units.push(u16::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4)?);
                    continue;
                }
                't' => '\t',
                'b' => '\u{8}',
                'n' => '\n',
                'r' => '\r',
                'f' => '\u{c}',
                'a' => '\u{7}',
                'v' => '\u{b}',
                other => other,
            },
            plain => plain,
        };
        units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
    }
    Some(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a line, each as `name=value`; NULL is `-`.
    fn values(line: &str) -> Result<Vec<String>, Malformed> {
        let mut values = Vec::new();
        read(line, |key, value| {
            let key = match key {
                Key::Name(name) => name.to_owned(),
                Key::Place(place) => place.to_string(),
            };
            let value = match value {
                Value::Null => "-".to_owned(),
                Value::Text(text) => format!("`{text}`"),
            };
            values.push(format!("{key}={value}"));
        })?;
        Ok(values)
    }

    #[test]
    fn much_is_read_that_is_no_json() {
        for (line, expected) in [
            (r#"{"status": -, "user": "-"}"#, vec!["status=`-`", "user=`-`"]),
            ("{'a': 'it\\'s', b: x}", vec!["a=`it's`", "b=`x`"]),
            ("{a=1; b=>2, \"c\":NULL}", vec!["a=`1`", "b=`2`", "c=-"]),
            (r#"{"a": 1} {"a": 2}"#, vec!["a=`1`"]),
            (r#"{"a": {"b": [1, {}]}, "c": []} // so"#, vec![r#"a=`{"b": [1, {}]}`"#, "c=`[]`"]),
            ("{/* 1 */ a: # 2\n 3}", vec!["a=`3`"]),
            (r#"{"a": "\ud83d\ude00 \u00e9\n\"x\""}"#, vec!["a=`😀 é\n\"x\"`"]),
            ("[1,,'b',]", vec!["0=`1`", "1=-", "2=`b`", "3=-"]),
            ("{}", vec![]),
            ("", vec![]),
            ("no JSON", vec![]),
            ("\"x\"", vec![]),
        ] {
            assert_eq!(values(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_has_no_end_or_no_value_is_malformed() {
        for (line, problem) in [
            ("{", "a value is missing at column 1"),
            (r#"{"a""#, "a name without a value at column 4"),
            (r#"{"a": 1"#, "an object has no end at column 7"),
            (r#"{"a": "1"#, "a string has no end at column 7"),
            (r#"{"a": 1,}"#, "a value is missing at column 8"),
            (r#"{"a": "\u12"}"#, "a wrong escape sequence at column 12"),
            ("{null: 1}", "a name is null at column 5"),
            ("[1", "a list has no end at column 2"),
            ("{/* a: 1}", "a comment has no end at column 1"),
            ("{'a': x y}", "an object has no end at column 9"),
        ] {
            assert_eq!(values(line), Err(problem.to_owned()), "{line}");
        }
        assert!(values(&"[".repeat(100_000)).unwrap_err().starts_with("it is nested too deeply"));
    }
}
