//! Walks over a statement's tokens: what all the statements' parsers share.

use anyhow::{Error, Result, anyhow};
use datafusion::sql::sqlparser::tokenizer::{Location as Place, Token, TokenWithSpan};
use meterlake_core::catalog::Parameters;
use meterlake_core::location::Location;
use meterlake_core::names::Name;

use super::TableRef;
use super::reserved;
use super::tokens::{self, Grammar, text_between, tokenize};
use crate::CATALOG;

/// The words that a query begins with.
const QUERY: [&str; 4] = ["SELECT", "WITH", "VALUES", "TABLE"];

/// A place in a statement.
pub(super) struct Cursor<'a> {
    sql: &'a str,
    grammar: Grammar,
    tokens: Vec<TokenWithSpan>,
    at: usize,
    /// Where the statement's text ends: at its semicolon, or before `WITH NO DATA`.
    end: Place,
}

impl<'a> Cursor<'a> {
    /// The first token of a text that holds one statement.
    pub(super) fn new(sql: &'a str) -> Result<Self> {
        let (grammar, mut tokens) = tokenize(sql)?;
        let mut end = last_place(sql);
        if let Some(at) = tokens.iter().position(|token| token.token == Token::SemiColon) {
            if let Some(second) = tokens[at..].iter().find(|token| token.token != Token::SemiColon) {
                let message = "a second statement begins here, expected one at a time";
                return Err(tokens::at(second.span.start, message));
            }
            end = tokens[at].span.start;
            tokens.truncate(at);
        }
        if tokens.is_empty() {
            return Err(anyhow!("the statement is empty"));
        }
        Ok(Self { sql, grammar, tokens, at: 0, end })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|token| &token.token)
    }

    fn word_at(&self, at: usize) -> Option<&str> {
        match &self.tokens.get(at)?.token {
            Token::Word(word) if word.quote_style.is_none() => Some(&word.value),
            _ => None,
        }
    }

    /// The next token in upper case, if it is an unquoted word.
    pub(super) fn keyword(&self) -> Option<String> {
        self.word_at(self.at).map(str::to_ascii_uppercase)
    }

    /// What kind of statement this is, as its first words say: `GRANT`, `CREATE VIEW`.
    pub(super) fn kind(&self) -> String {
        let words: Vec<String> = (0..4).map_while(|at| self.word_at(at).map(str::to_ascii_uppercase)).collect();
        let length = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["CREATE", "OR", ..] => 4,
            ["ALTER" | "CREATE" | "DROP" | "INSERT" | "SHOW", ..] | ["EXPLAIN", "ANALYZE", ..] => 2,
            _ => 1,
        };
        words[..length.min(words.len())].join(" ")
    }

    /// Whether this keyword is next.
    pub(super) fn sees(&self, keyword: &str) -> bool {
        self.word_at(self.at).is_some_and(|word| word.eq_ignore_ascii_case(keyword))
    }

    /// Whether this symbol is next.
    pub(super) fn sees_symbol(&self, symbol: &Token) -> bool {
        self.peek() == Some(symbol)
    }

    /// Takes keywords if all of them are next.
    pub(super) fn eat(&mut self, keywords: &[&str]) -> bool {
        let all = keywords.iter().enumerate().all(|(ahead, keyword)| {
            self.word_at(self.at + ahead).is_some_and(|word| word.eq_ignore_ascii_case(keyword))
        });
        if all {
            self.at += keywords.len();
        }
        all
    }

    /// Takes a symbol if it is next.
    pub(super) fn eat_symbol(&mut self, symbol: &Token) -> bool {
        let there = self.sees_symbol(symbol);
        if there {
            self.at += 1;
        }
        there
    }

    /// Takes keywords that must be next.
    pub(super) fn expect(&mut self, keywords: &[&str]) -> Result<()> {
        for keyword in keywords {
            if !self.eat(&[keyword]) {
                return Err(self.unexpected(keyword));
            }
        }
        Ok(())
    }

    /// Takes a symbol that must be next.
    pub(super) fn expect_symbol(&mut self, symbol: &Token) -> Result<()> {
        if self.eat_symbol(symbol) { Ok(()) } else { Err(self.unexpected(&format!("`{symbol}`"))) }
    }

    /// `(item, item, …)`, at least one.
    pub(super) fn list<T>(&mut self, item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        self.expect_symbol(&Token::LParen)?;
        let items = self.items(item)?;
        if self.eat_symbol(&Token::RParen) { Ok(items) } else { Err(self.unexpected("`,` or `)`")) }
    }

    /// `item, item, …`, at least one.
    pub(super) fn items<T>(&mut self, mut item: impl FnMut(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat_symbol(&Token::Comma) {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// A string.
    pub(super) fn text(&mut self, what: &str) -> Result<String> {
        match self.peek() {
            Some(Token::SingleQuotedString(text)) => {
                let text = text.clone();
                self.at += 1;
                Ok(text)
            }
            _ => Err(self.unexpected(&format!("{what} in quotes"))),
        }
    }

    /// Digits.
    pub(super) fn number(&mut self, what: &str) -> Result<String> {
        match self.peek() {
            Some(Token::Number(digits, _)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let digits = digits.clone();
                self.at += 1;
                Ok(digits)
            }
            _ => Err(self.unexpected(what)),
        }
    }

    /// An unquoted word that need not be a name, in lower case.
    pub(super) fn word(&mut self, what: &str) -> Result<String> {
        let word = self.word_at(self.at).map(str::to_ascii_lowercase).ok_or_else(|| self.unexpected(what))?;
        self.at += 1;
        Ok(word)
    }

    /// A name as written, quoted if it must be.
    pub(super) fn identifier(&mut self, what: &str) -> Result<String> {
        let text = match (self.peek(), self.grammar) {
            (Some(Token::Word(word)), _) if word.quote_style.is_some() => word.value.clone(),
            (Some(Token::Word(word)), grammar) => match reserved::why_quote(&word.value, grammar) {
                Some(why) => return Err(self.error(why)),
                None => word.value.clone(),
            },
            (Some(Token::SingleQuotedString(text)), Grammar::Hive) => {
                let hint = format!("found `{text}` in quotes, expected {what}: DDL quotes names with backticks");
                return Err(self.error(hint));
            }
            (Some(Token::Char('`')), Grammar::Trino) => {
                let hint = format!("found a backtick, expected {what}: only DDL quotes so, write double quotes here");
                return Err(self.error(hint));
            }
            (Some(Token::Number(..)), Grammar::Trino) => {
                let hint = format!("found a digit, expected {what}: write a name that begins so in double quotes");
                return Err(self.error(hint));
            }
            _ => return Err(self.unexpected(what)),
        };
        self.at += 1;
        Ok(text)
    }

    /// A name without a dot.
    pub(super) fn name(&mut self, what: &str) -> Result<Name> {
        let start = self.place();
        self.identifier(what)?.parse().map_err(|error: Error| tokens::at(start, error))
    }

    /// `[awsdatacatalog.][database.]table`
    pub(super) fn table(&mut self) -> Result<TableRef> {
        let mut path = self.path("a table's name", 2)?;
        match (path.pop(), path.pop()) {
            (Some(table), database) => Ok(TableRef { database, table }),
            (None, _) => Err(self.unexpected("a table's name")),
        }
    }

    /// `[awsdatacatalog.]database`
    pub(super) fn database(&mut self) -> Result<Name> {
        let path = self.path("a database's name", 1)?;
        path.into_iter().next().ok_or_else(|| self.unexpected("a database's name"))
    }

    fn path(&mut self, what: &str, longest: usize) -> Result<Vec<Name>> {
        let start = self.place();
        let mut path = vec![self.identifier(what)?];
        while self.eat_symbol(&Token::Period) {
            path.push(self.identifier(what)?);
        }
        if path.len() == longest + 1 && path[0].eq_ignore_ascii_case(CATALOG) {
            path.remove(0);
        }
        if path.len() > longest {
            let message = format!("`{}` has too many parts, expected {what} in `{CATALOG}`", path.join("."));
            return Err(tokens::at(start, message));
        }
        path.iter().map(|part| part.parse().map_err(|error: Error| tokens::at(start, error))).collect()
    }

    /// A location in quotes.
    pub(super) fn location(&mut self) -> Result<Location> {
        let start = self.place();
        self.text("a location")?.parse().map_err(|error: Error| tokens::at(start, error))
    }

    /// `('key'='value', …)`; of two with one key, the later counts, as in Hive.
    pub(super) fn parameters(&mut self) -> Result<Parameters> {
        let pairs = self.list(|cursor| {
            let key = cursor.text("a property")?;
            cursor.expect_symbol(&Token::Eq)?;
            Ok((key, cursor.text("the property's value")?))
        })?;
        Ok(pairs.into_iter().collect())
    }

    /// The rest of the statement, which must be a query, with its comments.
    pub(super) fn query(&mut self) -> Result<String> {
        self.expect_query()?;
        let from = if self.at == 0 { Place::new(1, 1) } else { self.tokens[self.at - 1].span.end };
        self.at = self.tokens.len();
        Ok(text_between(self.sql, from, self.end).trim().to_owned())
    }

    /// A query in parentheses, without them.
    pub(super) fn query_in_parentheses(&mut self) -> Result<String> {
        let start = self.place();
        self.expect_symbol(&Token::LParen)?;
        self.expect_query()?;
        let from = self.tokens[self.at - 1].span.end;
        let mut open = 1;
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            match token.token {
                Token::LParen => open += 1,
                Token::RParen => open -= 1,
                _ => {}
            }
            if open == 0 {
                return Ok(text_between(self.sql, from, token.span.start).trim().to_owned());
            }
        }
        Err(tokens::at(start, "the parenthesis that begins here has no end, expected `)`"))
    }

    fn expect_query(&self) -> Result<()> {
        if self.begins_query(self.at) { Ok(()) } else { Err(self.unexpected("a query")) }
    }

    fn begins_query(&self, at: usize) -> bool {
        let parenthesis = self.tokens.get(at).is_some_and(|token| token.token == Token::LParen);
        parenthesis || self.word_at(at).is_some_and(|word| QUERY.iter().any(|known| word.eq_ignore_ascii_case(known)))
    }

    /// Whether a list in parentheses is next, and not a query in parentheses.
    pub(super) fn sees_list(&self) -> bool {
        self.sees_symbol(&Token::LParen) && !self.begins_query(self.at + 1)
    }

    /// Cuts keywords off the statement's end if they are there.
    pub(super) fn cut_off(&mut self, keywords: &[&str]) -> bool {
        let Some(first) = self.tokens.len().checked_sub(keywords.len()) else { return false };
        let there = first >= self.at
            && (first..)
                .zip(keywords)
                .all(|(at, keyword)| self.word_at(at).is_some_and(|word| word.eq_ignore_ascii_case(keyword)));
        if there {
            self.end = self.tokens[first].span.start;
            self.tokens.truncate(first);
        }
        there
    }

    /// The statement must end here; otherwise the error says what could have come.
    pub(super) fn end(&self, expected: &str) -> Result<()> {
        if self.at == self.tokens.len() { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    /// Where the next token begins.
    pub(super) fn place(&self) -> Place {
        self.tokens.get(self.at).map_or(self.end, |token| token.span.start)
    }

    /// An error about the next token.
    pub(super) fn error(&self, message: impl std::fmt::Display) -> Error {
        tokens::at(self.place(), message)
    }

    /// The error that says what is next and what should be.
    pub(super) fn unexpected(&self, expected: &str) -> Error {
        let found = self.tokens.get(self.at).map_or("the end of the statement".to_owned(), |token| {
            let text = text_between(self.sql, token.span.start, token.span.end);
            let line = text.lines().next().unwrap_or_default();
            format!("`{}`", line.chars().take(40).collect::<String>())
        });
        self.error(format!("found {found}, expected {expected}"))
    }
}

/// The place behind the last character.
fn last_place(sql: &str) -> Place {
    let last = sql.rsplit('\n').next().unwrap_or(sql).chars().count() as u64;
    Place::new(sql.matches('\n').count() as u64 + 1, last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(sql: &str) -> String {
        Cursor::new(sql).and_then(|mut cursor| cursor.table()).unwrap_err().to_string()
    }

    #[test]
    fn a_semicolon_may_end_a_statement_but_not_begin_a_second() {
        assert_eq!(Cursor::new("-- one\n(SELECT ';') ; -- end\n").unwrap().query().unwrap(), "-- one\n(SELECT ';')");
        assert_eq!(error("SELECT 1;\nSELECT 2"), "line 2:1: a second statement begins here, expected one at a time");
        assert_eq!(error(" -- nothing\n;"), "the statement is empty");
    }

    #[test]
    fn a_name_may_spell_out_its_database_and_athenas_catalog() {
        let table = |sql: &str| Cursor::new(sql).unwrap().table().unwrap().to_string();
        assert_eq!(table("Calls"), "calls");
        assert_eq!(table("lake.\"Calls\""), "lake.calls");
        assert_eq!(table("AwsDataCatalog.lake.calls"), "lake.calls");
        assert!(error("other.lake.calls").contains("`other.lake.calls` has too many parts"));
    }

    #[test]
    fn a_wrong_name_is_an_error_that_shows_the_right_one() {
        assert_eq!(
            error("\"a b\""),
            "line 1:1: `a b` is no name for a database, table or column: use 1 to 255 of a-z, 0-9, _ and -"
        );
        assert_eq!(error("x.;"), "line 1:3: found the end of the statement, expected a table's name");
        assert!(error("`x`").contains("write double quotes here"));
        assert!(error("1x").contains("write a name that begins so in double quotes"));
    }
}
