//! Reads a line as the OpenX SerDe does, which takes much for JSON that is none.
//!
//! It knows unquoted strings (`{"status": -}`), single quotes, `=` and `=>` for `:`, `;` for `,`, and comments; what
//! follows on the object is ignored. A line that begins with neither `{` nor `[` is a row of NULLs, whatever it says.

use std::borrow::Cow;

use super::Malformed;

/// The deepest nesting that is read, as in `serde_json`.
const DEEPEST: usize = 128;

/// A value of an object or a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    String(Cow<'a, str>),
    /// A number, a boolean, an object or a list, printed as JSON.
    Other(String),
}

impl Value<'_> {
    /// Prints the value within another one.
    fn print(&self, json: &mut String) {
        match self {
            Self::Null => json.push_str("null"),
            Self::String(text) => quote(text, json),
            Self::Other(text) => json.push_str(text),
        }
    }
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
    // Java's `trim` takes all of them off, NUL too.
    let text = line.trim_matches(|character| character <= ' ');
    let mut reader = Reader { text, at: 0, depth: 0 };
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
            let name = match self.value()? {
                Value::String(name) => name,
                Value::Other(name) => Cow::Owned(name),
                Value::Null => return Err(self.error("a name is null")),
            };
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
        match self.next()? {
            None => Err(self.error("a value is missing")),
            Some(quote @ ('"' | '\'')) => self.quoted(quote).map(Value::String),
            Some('{') => self.printed_object().map(Value::Other),
            Some('[') => self.printed_list().map(Value::Other),
            Some(character) => {
                self.back(character);
                self.literal()
            }
        }
    }

    /// What follows on `{`, printed without blanks. A name that comes twice has its first place and its last value.
    fn printed_object(&mut self) -> Result<String, Malformed> {
        let mut members: Vec<(String, String)> = Vec::new();
        self.object(&mut |name, value| {
            let mut json = String::new();
            value.print(&mut json);
            match members.iter_mut().find(|(other, _)| other == name) {
                Some(member) => member.1 = json,
                None => members.push((name.to_owned(), json)),
            }
        })?;
        let mut json = String::from("{");
        for (at, (name, value)) in members.iter().enumerate() {
            if at > 0 {
                json.push(',');
            }
            quote(name, &mut json);
            json.push(':');
            json.push_str(value);
        }
        json.push('}');
        Ok(json)
    }

    /// What follows on `[`, printed without blanks.
    fn printed_list(&mut self) -> Result<String, Malformed> {
        let mut json = String::from("[");
        self.list(&mut |place, value| {
            if place > 0 {
                json.push(',');
            }
            value.print(&mut json);
        })?;
        json.push(']');
        Ok(json)
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

    /// A value without quotes: a number, a boolean, NULL, and anything else is a string.
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
        if literal.eq_ignore_ascii_case("true") || literal.eq_ignore_ascii_case("false") {
            return Ok(Value::Other(literal.to_ascii_lowercase()));
        }
        Ok(number(literal).map_or(Value::String(Cow::Borrowed(literal)), Value::Other))
    }

    fn enter(&mut self) -> Result<(), Malformed> {
        self.depth += 1;
        if self.depth > DEEPEST { Err(self.error("it is nested too deeply")) } else { Ok(()) }
    }

    /// Never fails; it gives what its callers give.
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
                // OpenX takes it for a tab.
                'v' => '\t',
                other => other,
            },
            plain => plain,
        };
        units.extend_from_slice(character.encode_utf16(&mut [0; 2]));
    }
    // Half of a surrogate pair is no character; Java prints `?`.
    Some(char::decode_utf16(units).map(|character| character.unwrap_or('?')).collect())
}

/// Prints a string as org.json does.
fn quote(text: &str, json: &mut String) {
    json.push('"');
    let mut previous = '\0';
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            '/' if previous == '<' => json.push_str("\\/"),
            '\u{8}' => json.push_str("\\b"),
            '\t' => json.push_str("\\t"),
            '\n' => json.push_str("\\n"),
            '\u{c}' => json.push_str("\\f"),
            '\r' => json.push_str("\\r"),
            '\0'..' ' | '\u{80}'..'\u{a0}' | '\u{2000}'..'\u{2100}' => {
                json.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => json.push(character),
        }
        previous = character;
    }
    json.push('"');
}

/// A number as Java prints it; `None` if the literal is none. A leading zero makes it octal, and `0x` hexadecimal.
fn number(literal: &str) -> Option<String> {
    let hexadecimal = literal.strip_prefix("0x").or_else(|| literal.strip_prefix("0X"));
    let octal = literal.strip_prefix('0').filter(|digits| !digits.is_empty());
    if let Some(value) = hexadecimal.and_then(|digits| i64::from_str_radix(digits, 16).ok()) {
        return Some(value.to_string());
    }
    if let Some(value) = octal.and_then(|digits| i64::from_str_radix(digits, 8).ok()) {
        return Some(value.to_string());
    }
    decimal(literal)
}

/// A decimal number in the form of Java's `BigDecimal`: digits, a scale, and an exponent where the scale does not do.
fn decimal(literal: &str) -> Option<String> {
    let (is_negative, unsigned) = match literal.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, literal.strip_prefix('+').unwrap_or(literal)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, i64::from(exponent.parse::<i32>().ok()?)),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = match all.trim_start_matches('0') {
        "" => "0",
        digits => digits,
    };
    let scale = i64::try_from(fraction.len()).ok()? - exponent;
    let last = i64::try_from(digits.len()).ok()? - 1;
    let sign = if is_negative && digits != "0" { "-" } else { "" };
    let adjusted = last - scale;
    Some(if scale == 0 {
        format!("{sign}{digits}")
    } else if scale > 0 && adjusted >= -6 {
        let padded = format!("{digits:0>width$}", width = usize::try_from(scale).ok()? + 1);
        let (whole, fraction) = padded.split_at(padded.len() - usize::try_from(scale).ok()?);
        format!("{sign}{whole}.{fraction}")
    } else {
        let (first, others) = digits.split_at(1);
        let point = if others.is_empty() { "" } else { "." };
        let exponent = if adjusted == 0 { String::new() } else { format!("E{adjusted:+}") };
        format!("{sign}{first}{point}{others}{exponent}")
    })
}

#[cfg(test)]
mod tests;
