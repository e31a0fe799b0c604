//! Splits a statement into tokens.
//!
//! Athena has two grammars, and they quote differently: Hive's for DDL, Trino's for everything that holds a query.

use anyhow::{Error, Result, anyhow};

/// The grammar that a statement is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Backticks quote names; `'…'` and `"…"` are strings with backslash escapes.
    Hive,
    /// `"…"` quotes names; `'…'` is a string without escapes.
    Trino,
}

/// A token and the bytes it was read from.
#[derive(Debug)]
pub(super) struct Token {
    /// What it is.
    pub(super) kind: Kind,
    /// Where its text begins.
    pub(super) start: usize,
    /// Where its text ends.
    pub(super) end: usize,
}

/// What a token is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or an unquoted name, as written.
    Word(String),
    /// Digits.
    Number(String),
    /// A string, without quotes and escapes.
    Text(String),
    /// A quoted name, without quotes.
    Quoted(String),
    /// Any other character.
    Symbol(char),
}

/// Reads tokens from a statement one by one.
pub(super) struct Lexer<'a> {
    sql: &'a str,
    dialect: Dialect,
    at: usize,
}

impl<'a> Lexer<'a> {
    /// A lexer at the statement's first character.
    pub(super) fn new(sql: &'a str, dialect: Dialect) -> Self {
        Self { sql, dialect, at: 0 }
    }

    /// All tokens that are left.
    pub(super) fn tokens(mut self) -> Result<Vec<Token>> {
        let mut tokens = Vec::new();
        while let Some(token) = self.token()? {
            tokens.push(token);
        }
        Ok(tokens)
    }

    /// The next token; `None` at the end.
    pub(super) fn token(&mut self) -> Result<Option<Token>> {
        self.skip_blanks_and_comments()?;
        let start = self.at;
        let Some(first) = self.rest().chars().next() else { return Ok(None) };
        let kind = match (first, self.dialect) {
            ('\'', Dialect::Trino) => Kind::Text(self.quoted(first, false)?),
            ('"', Dialect::Trino) => Kind::Quoted(self.quoted(first, false)?),
            ('\'' | '"', Dialect::Hive) => Kind::Text(self.quoted(first, true)?),
            ('`', Dialect::Hive) => Kind::Quoted(self.quoted(first, false)?),
            _ if is_word(first) => self.word(),
            _ => {
                self.at += first.len_utf8();
                Kind::Symbol(first)
            }
        };
        Ok(Some(Token { kind, start, end: self.at }))
    }

    fn rest(&self) -> &'a str {
        &self.sql[self.at..]
    }

    fn next_char(&mut self) -> Option<char> {
        let next = self.rest().chars().next()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn skip_blanks_and_comments(&mut self) -> Result<()> {
        loop {
            let rest = self.rest().trim_start();
            self.at = self.sql.len() - rest.len();
            if rest.starts_with("--") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let Some(end) = comment.find("*/") else {
                    return Err(error_at(self.sql, self.at, "the comment that begins here has no end, expected `*/`"));
                };
                self.at += 2 + end + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn word(&mut self) -> Kind {
        let rest = self.rest();
        let word = &rest[..rest.find(|c| !is_word(c)).unwrap_or(rest.len())];
        self.at += word.len();
        if word.bytes().all(|byte| byte.is_ascii_digit()) {
            Kind::Number(word.to_owned())
        } else {
            Kind::Word(word.to_owned())
        }
    }

    /// What stands between two quotes; a doubled quote is one.
    fn quoted(&mut self, quote: char, escapes: bool) -> Result<String> {
        let start = self.at;
        self.at += quote.len_utf8();
        let mut text = String::new();
        loop {
            match self.next_char() {
                None => {
                    let message = format!("the text that begins here has no end, expected `{quote}`");
                    return Err(error_at(self.sql, start, message));
                }
                Some('\\') if escapes => self.escape(&mut text),
                Some(c) if c == quote => {
                    if !self.rest().starts_with(quote) {
                        return Ok(text);
                    }
                    self.at += quote.len_utf8();
                    text.push(quote);
                }
                Some(c) => text.push(c),
            }
        }
    }

    /// What follows a backslash, by Hive's rules.
    fn escape(&mut self, text: &mut String) {
        let rest = self.rest();
        let unicode = rest.strip_prefix('u').and_then(|hex| code_point(hex.get(..4)?, 16));
        let octal = rest.starts_with(['0', '1']).then(|| code_point(rest.get(..3)?, 8)).flatten();
        if let Some(c) = unicode {
            self.at += 5;
            text.push(c);
        } else if let Some(c) = octal {
            self.at += 3;
            text.push(c);
        } else {
            match self.next_char() {
                Some('0') => text.push('\0'),
                Some('b') => text.push('\u{8}'),
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some('Z') => text.push('\u{1a}'),
                // Hive leaves these two for LIKE to unescape.
                Some(c @ ('%' | '_')) => text.extend(['\\', c]),
                Some(c) => text.push(c),
                None => {}
            }
        }
    }
}

/// An error about the text at `offset`: `line 3:14: …`.
pub(super) fn error_at(sql: &str, offset: usize, message: impl std::fmt::Display) -> Error {
    let before = &sql[..offset];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|&c| c != '\n').count() + 1;
    anyhow!("line {line}:{column}: {message}")
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn code_point(digits: &str, radix: u32) -> Option<char> {
    // `from_str_radix` alone would take a sign.
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    char::from_u32(u32::from_str_radix(digits, radix).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(sql: &str, dialect: Dialect) -> Vec<Kind> {
        Lexer::new(sql, dialect).tokens().unwrap().into_iter().map(|token| token.kind).collect()
    }

    fn hive_text(sql: &str) -> String {
        match kinds(sql, Dialect::Hive).remove(0) {
            Kind::Text(text) => text,
            other => panic!("{sql} is {other:?}"),
        }
    }

    #[test]
    fn comments_and_blanks_are_skipped_anywhere() {
        let expected = [Kind::Word("a".to_owned()), Kind::Symbol('-'), Kind::Number("01".to_owned())];
        assert_eq!(kinds("-- it's\n a/* ' -- */-\t01 -- end", Dialect::Hive), expected);
    }

    #[test]
    fn hive_strings_have_backslash_escapes() {
        for (sql, text) in [
            (r"'it\'s'", "it's"),
            ("'it''s'", "it's"),
            (r#""it's \"x\"""#, "it's \"x\""),
            (r"'\\s+'", r"\s+"),
            (r"'\u0001\001\0'", "\u{1}\u{1}\0"),
            (r"'\t\n\r\Z'", "\t\n\r\u{1a}"),
            (r"'\%\_\q'", r"\%\_q"),
            (r"'\u+041'", "u+041"),
        ] {
            assert_eq!(hive_text(sql), text, "{sql}");
        }
    }

    #[test]
    fn trino_strings_have_none() {
        assert_eq!(kinds(r"'a\'", Dialect::Trino), [Kind::Text(r"a\".to_owned())]);
        assert_eq!(kinds("'it''s'", Dialect::Trino), [Kind::Text("it's".to_owned())]);
    }

    #[test]
    fn each_dialect_quotes_names_its_own_way() {
        assert_eq!(kinds("`a b`", Dialect::Hive), [Kind::Quoted("a b".to_owned())]);
        assert_eq!(kinds("\"a\"\"b\"", Dialect::Trino), [Kind::Quoted("a\"b".to_owned())]);
    }

    #[test]
    fn what_has_no_end_is_an_error_where_it_begins() {
        for sql in ["é\n  'open", "é\n  /* open", "é\n  `open"] {
            let error = Lexer::new(sql, Dialect::Hive).tokens().unwrap_err().to_string();
            assert!(error.starts_with("line 2:3: ") && error.contains("no end"), "{error}");
        }
    }
}
