//! Splits a statement into sqlparser's tokens.
//!
//! Athena has two grammars, and they quote differently: Hive's for DDL, Trino's for everything that holds a query.

use anyhow::{Error, Result, anyhow};
use datafusion::sql::sqlparser::dialect::Dialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Location, Span, Token, TokenWithSpan, Tokenizer, Word};

use crate::dialect::{TrinoDialect, offset};

/// The grammar that a statement is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grammar {
    /// Backticks quote names; `'…'` and `"…"` are strings with backslash escapes.
    Hive,
    /// `"…"` quotes names; `'…'` is a string without escapes.
    Trino,
}

/// The tokens of Hive's DDL. sqlparser's own `HiveDialect` takes `"…"` for a name and knows no backslash.
#[derive(Debug)]
struct HiveDdl;

impl Dialect for HiveDdl {
    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_'
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        c == '`'
    }

    fn supports_numeric_prefix(&self) -> bool {
        true
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }
}

/// The tokens of a text, without blanks and comments, and the grammar that Athena reads it with.
///
/// # Errors
/// A text, a quoted name or a comment has no end: where it begins.
pub(super) fn tokenize(sql: &str) -> Result<(Grammar, Vec<TokenWithSpan>)> {
    // The first words are the same in both grammars. What follows may be an error in the wrong one.
    let mut tokens = Vec::new();
    let outcome = Tokenizer::new(&TrinoDialect, sql).tokenize_with_location_into_buf(&mut tokens);
    tokens.retain(is_seen);
    if is_ddl(&tokens) {
        let ddl = Tokenizer::new(&HiveDdl, sql).with_unescape(false).tokenize_with_location();
        let tokens = ddl.map_err(|error| at(error.location, error.message))?;
        return Ok((Grammar::Hive, tokens.into_iter().filter(is_seen).flat_map(plain).collect()));
    }
    outcome.map_err(|error| at(error.location, error.message))?;
    Ok((Grammar::Trino, tokens))
}

fn is_seen(token: &TokenWithSpan) -> bool {
    !matches!(token.token, Token::Whitespace(_))
}

fn is_ddl(tokens: &[TokenWithSpan]) -> bool {
    let keyword = |at: usize| match tokens.get(at).map(|token| &token.token) {
        Some(Token::Word(Word { quote_style: None, keyword, .. })) => *keyword,
        _ => Keyword::NoKeyword,
    };
    match keyword(0) {
        Keyword::CREATE => !matches!(keyword(1), Keyword::TABLE | Keyword::VIEW | Keyword::OR),
        Keyword::ALTER | Keyword::DESC | Keyword::DESCRIBE | Keyword::DROP | Keyword::MSCK | Keyword::SHOW => true,
        _ => false,
    }
}

/// A token of DDL without quotes and escapes, and `>>` as the ends of two types.
fn plain(token: TokenWithSpan) -> Vec<TokenWithSpan> {
    let TokenWithSpan { token, span } = token;
    match token {
        Token::ShiftRight => {
            let middle = Location::new(span.start.line, span.start.column + 1);
            let (first, second) = (Span::new(span.start, middle), Span::new(middle, span.end));
            vec![TokenWithSpan::new(Token::Gt, first), TokenWithSpan::new(Token::Gt, second)]
        }
        Token::SingleQuotedString(text) => {
            vec![TokenWithSpan::new(Token::SingleQuotedString(unescape(&text, '\'')), span)]
        }
        Token::DoubleQuotedString(text) => {
            vec![TokenWithSpan::new(Token::SingleQuotedString(unescape(&text, '"')), span)]
        }
        Token::Word(word) if word.quote_style.is_some() => {
            let name = Word { value: word.value.replace("``", "`"), ..word };
            vec![TokenWithSpan::new(Token::Word(name), span)]
        }
        other => vec![TokenWithSpan::new(other, span)],
    }
}

/// What a string stands for by Hive's rules: `\001` and `\u0001` are delimiters that tables are given.
fn unescape(raw: &str, quote: char) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        if c == quote {
            // Doubled.
            rest.next();
        }
        if c != '\\' {
            text.push(c);
            continue;
        }
        let escaped = rest.as_str();
        let unicode = escaped.strip_prefix('u').and_then(|hex| code_point(hex.get(..4)?, 16));
        let octal = escaped.starts_with(['0', '1']).then(|| code_point(escaped.get(..3)?, 8)).flatten();
        if let Some((c, length)) = unicode.map(|c| (c, 5)).or(octal.map(|c| (c, 3))) {
            rest = escaped[length..].chars();
            text.push(c);
            continue;
        }
        match rest.next() {
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
    text
}

fn code_point(digits: &str, radix: u32) -> Option<char> {
    // `from_str_radix` alone would take a sign.
    if !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    char::from_u32(u32::from_str_radix(digits, radix).ok()?)
}

/// An error about what is at a place: `line 3:14: …`.
pub(super) fn at(place: Location, message: impl std::fmt::Display) -> Error {
    anyhow!("line {}:{}: {message}", place.line, place.column)
}

/// The text from one place to another.
pub(super) fn text_between(sql: &str, start: Location, end: Location) -> &str {
    let range = offset(sql, start).zip(offset(sql, end));
    range.and_then(|(start, end)| sql.get(start..end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(sql: &str) -> Vec<String> {
        tokenize(sql).unwrap().1.into_iter().map(|token| token.token.to_string()).collect()
    }

    fn hive_text(sql: &str) -> String {
        match tokenize(&format!("DROP {sql}")).unwrap().1.remove(1).token {
            Token::SingleQuotedString(text) => text,
            other => panic!("{sql} is {other:?}"),
        }
    }

    #[test]
    fn comments_and_blanks_are_skipped_anywhere() {
        assert_eq!(kinds("-- it's\n drop/* ' -- */-\t01 -- end"), ["drop", "-", "01"]);
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
            (r"'\''''", "''"),
        ] {
            assert_eq!(hive_text(sql), text, "{sql}");
        }
    }

    #[test]
    fn trino_strings_have_none() {
        assert_eq!(kinds(r"SELECT '\n', 'it''s'"), ["SELECT", r"'\n'", ",", "'it's'"]);
    }

    #[test]
    fn a_name_is_quoted_by_each_grammar_in_its_own_way() {
        let name = |sql: &str| match tokenize(sql).unwrap().1.remove(1).token {
            Token::Word(word) if word.quote_style.is_some() => word.value,
            other => panic!("{sql} is {other:?}"),
        };
        assert_eq!(name("DROP `a ``b`"), "a `b");
        assert_eq!(name("TABLE \"a\"\"b\""), "a\"b");
    }

    #[test]
    fn types_within_types_end_one_by_one() {
        assert_eq!(kinds("ALTER a<b<c>>"), ["ALTER", "a", "<", "b", "<", "c", ">", ">"]);
    }

    #[test]
    fn what_has_no_end_is_an_error_where_it_begins() {
        for sql in ["DROP é\n  'open", "DROP é\n  `open", "é\n  \"open"] {
            let error = tokenize(sql).unwrap_err().to_string();
            assert!(error.starts_with("line 2:3: "), "{error}");
        }
        assert!(tokenize("DROP é\n  /* open").unwrap_err().to_string().starts_with("line 2:"));
    }
}
