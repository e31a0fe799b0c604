//! Reading a query with Trino's rules for names and quotes.

use super::PATH_COLUMN;
use super::check::offset;
use super::values::rows_of_values;
use anyhow::{Result, anyhow, bail};
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::dialect::{Dialect, GenericDialect};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Whitespace};
use std::any::TypeId;

/// Trino's grammar, as near as sqlparser comes to it.
#[derive(Debug)]
pub(crate) struct TrinoDialect;

impl Dialect for TrinoDialect {
    // sqlparser keeps some of its grammar (UNNEST among it) for the dialects that it knows by type.
    fn dialect(&self) -> TypeId {
        TypeId::of::<GenericDialect>()
    }

    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_'
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        c == '"'
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_filter_during_aggregation(&self) -> bool {
        true
    }

    fn supports_lambda_functions(&self) -> bool {
        true
    }

    // Row types are read under this name.
    fn supports_struct_literal(&self) -> bool {
        true
    }

    // `extract(DAY_OF_WEEK FROM x)`.
    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn supports_unicode_string_literal(&self) -> bool {
        true
    }

    fn supports_numeric_literal_underscores(&self) -> bool {
        true
    }

    fn supports_window_clause_named_window_reference(&self) -> bool {
        true
    }
}

/// How deep a query may be nested. Deeper ones are refused before they exhaust the stack.
const DEPTH: usize = 200;

/// Reads one statement, and whether it mentions `"$path"`.
pub(super) fn parse(sql: &str) -> Result<(Statement, bool)> {
    let mut tokens =
        Tokenizer::new(&TrinoDialect, sql).tokenize_with_location().map_err(ParserError::from).map_err(unreadable)?;
    if let Some(backtick) = tokens.iter().find(|token| token.token == Token::Char('`')) {
        let line = backtick.span.start.line;
        bail!("line {line}: a query quotes names with double quotes; backticks belong to DDL");
    }
    read_numbers(&mut tokens, sql)?;
    refuse_foreign(&tokens)?;
    fold_names(&mut tokens);
    refuse_unread(&tokens)?;
    spell_out(&mut tokens);
    let mut tokens = rows_of_values(selected(tokens));
    angle_types(&mut tokens);
    let mentions_path =
        tokens.iter().any(|token| matches!(&token.token, Token::Word(word) if word.value == PATH_COLUMN));
    let statements = Parser::new(&TrinoDialect)
        .with_recursion_limit(DEPTH)
        .with_tokens_with_locations(tokens)
        .parse_statements()
        .map_err(unreadable)?;
    match <[Statement; 1]>::try_from(statements) {
        Ok([statement]) => Ok((statement, mentions_path)),
        Err(statements) => bail!("expected one statement, found {}", statements.len()),
    }
}

fn unreadable(error: ParserError) -> anyhow::Error {
    match error {
        ParserError::TokenizerError(reason) | ParserError::ParserError(reason) => {
            anyhow!("the query cannot be read: {reason}")
        }
        ParserError::RecursionLimitExceeded => anyhow!("the query is nested more than {DEPTH} deep"),
    }
}

/// Numbers as Trino writes them: `1_000`, `0x1F`, `0o17` and `0b101`.
fn read_numbers(tokens: &mut [TokenWithSpan], sql: &str) -> Result<()> {
    for at in 0..tokens.len() {
        let start = tokens[at].span.start;
        let is_word_next = matches!(tokens.get(at + 1), Some(next) if matches!(next.token, Token::Word(_)));
        if let Some(number) = with_base(&tokens[at..])? {
            tokens[at].token = Token::Number(number.to_string(), false);
            tokens[at + 1].token = Token::Whitespace(Whitespace::Space);
            continue;
        }
        let is_negative = at > 0 && tokens[at - 1].token == Token::Minus;
        match &mut tokens[at].token {
            Token::Number(number, _) if is_word_next => bail!(
                "line {}: {number} has letters behind it: write a number with the digits 0 to 9, and a blank behind it",
                start.line
            ),
            Token::Number(number, _) => {
                number.retain(|c| c != '_');
                let is_whole = number.bytes().all(|byte| byte.is_ascii_digit());
                // The least bigint is read with its sign.
                let most = i64::MAX as u64 + u64::from(is_negative);
                if is_whole && number.parse().map_or(true, |number: u64| number > most) {
                    bail!("line {}: Invalid numeric literal: {number}", start.line);
                }
            }
            // sqlparser reads `0x1F` as the bytes `X'1F'`.
            Token::HexStringLiteral(digits) if offset(sql, start).is_some_and(|at| sql[at..].starts_with('0')) => {
                let number = in_base(digits, 16).filter(|_| !is_word_next);
                let number =
                    number.ok_or_else(|| anyhow!("line {}: Invalid numeric literal: 0x{digits}", start.line))?;
                tokens[at].token = Token::Number(number.to_string(), false);
            }
            _ => {}
        }
    }
    Ok(())
}

/// `0b101` and `0o17`, which sqlparser reads as a number and a word.
fn with_base(tokens: &[TokenWithSpan]) -> Result<Option<i64>> {
    let [first, next, ..] = tokens else { return Ok(None) };
    let (Token::Number(zero, _), Token::Word(word)) = (&first.token, &next.token) else { return Ok(None) };
    let digits = word.value.split_at_checked(1).filter(|_| zero == "0" && word.quote_style.is_none());
    let (digits, base) = match digits {
        Some(("b" | "B", digits)) => (digits, 2),
        Some(("o" | "O", digits)) => (digits, 8),
        _ => return Ok(None),
    };
    let line = first.span.start.line;
    let number = in_base(digits, base);
    number.map(Some).ok_or_else(|| anyhow!("line {line}: Invalid numeric literal: 0{}", word.value))
}

/// Digits behind `0x` and the like. One underscore may stand before each digit.
fn in_base(digits: &str, base: u32) -> Option<i64> {
    let is_well_parted = !digits.contains("__") && !digits.ends_with('_');
    i64::from_str_radix(&digits.replace('_', ""), base).ok().filter(|_| is_well_parted)
}

/// What sqlparser reads and Trino does not.
fn refuse_foreign(tokens: &[TokenWithSpan]) -> Result<()> {
    for token in tokens {
        let line = token.span.start.line;
        match token.token {
            Token::DoubleEq => bail!("line {line}: there is no ==: write ="),
            Token::DoubleColon => bail!("line {line}: there is no ::, write CAST(x AS type)"),
            _ => {}
        }
    }
    Ok(())
}

/// What Trino reads and sqlparser does not, by name.
fn refuse_unread(tokens: &[TokenWithSpan]) -> Result<()> {
    let seen: Vec<&TokenWithSpan> =
        tokens.iter().filter(|token| !matches!(token.token, Token::Whitespace(_))).collect();
    let word = |at: usize| match seen.get(at).map(|token| &token.token) {
        Some(Token::Word(word)) if word.quote_style.is_none() => word.value.as_str(),
        _ => "",
    };
    for (at, token) in seen.iter().enumerate() {
        let line = token.span.start.line;
        let is_expression_at = |at: usize| match seen.get(at).map(|token| &token.token) {
            Some(Token::Word(word)) => word.keyword == Keyword::NoKeyword,
            other => matches!(other, Some(Token::Number(..) | Token::LParen)),
        };
        match (word(at), word(at + 1), word(at + 2)) {
            ("group", "by", third @ ("all" | "distinct")) if is_expression_at(at + 3) => {
                bail!("line {line}: the embedded engine has no GROUP BY {}", third.to_uppercase())
            }
            ("array" | "conditional" | "unconditional" | "with" | "without", "wrapper", "")
                if seen.get(at + 2).is_none_or(|next| next.token != Token::LParen) =>
            {
                bail!("line {line}: the embedded engine has no WRAPPER of json_query")
            }
            ("json_object", "", _) => {
                bail!(
                    "line {line}: the embedded engine has no json_object: write CAST(MAP(ARRAY['a'], ARRAY[x]) AS json)"
                )
            }
            _ => {}
        }
    }
    Ok(())
}

/// Names mean the same in upper and lower case in Trino, also when they are quoted.
fn fold_names(tokens: &mut [TokenWithSpan]) {
    for token in tokens {
        if let Token::Word(word) = &mut token.token {
            word.value = word.value.to_lowercase();
        }
    }
}

/// `< SOME (…)` as `< ANY (…)`, and `trim(LEADING FROM x)` as `ltrim(x)`: sqlparser reads the other forms alone.
fn spell_out(tokens: &mut [TokenWithSpan]) {
    let is = |token: &TokenWithSpan, keyword: Keyword| match &token.token {
        Token::Word(word) => word.quote_style.is_none() && word.keyword == keyword,
        _ => false,
    };
    let is_seen = |at: &usize| !matches!(tokens[*at].token, Token::Whitespace(_));
    let seen: Vec<usize> = (0..tokens.len()).filter(is_seen).collect();
    for places in seen.windows(3) {
        let [before, some, next] = *places else { continue };
        let is_comparison =
            matches!(tokens[before].token, Token::Eq | Token::Neq | Token::Lt | Token::LtEq | Token::Gt | Token::GtEq);
        if is_comparison && is(&tokens[some], Keyword::SOME) && tokens[next].token == Token::LParen {
            tokens[some].token = Token::make_keyword("ANY");
        }
    }
    for places in seen.windows(4) {
        let [trim, open, end, from] = *places else { continue };
        if !is(&tokens[trim], Keyword::TRIM) || tokens[open].token != Token::LParen || !is(&tokens[from], Keyword::FROM)
        {
            continue;
        }
        let ends = [(Keyword::BOTH, "trim"), (Keyword::LEADING, "ltrim"), (Keyword::TRAILING, "rtrim")];
        if let Some((_, name)) = ends.iter().find(|(keyword, _)| is(&tokens[end], *keyword)) {
            tokens[trim].token = Token::make_word(name, None);
            tokens[end].token = Token::Whitespace(Whitespace::Space);
            tokens[from].token = Token::Whitespace(Whitespace::Space);
        }
    }
}

/// `TABLE t` as `SELECT * FROM t`.
fn selected(mut tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let is_seen = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let first = tokens.iter().position(|token| is_seen(&token));
    if let Some(at) = first
        && matches!(&tokens[at].token, Token::Word(word) if word.quote_style.is_none() && word.keyword == Keyword::TABLE)
    {
        let blank = Token::Whitespace(Whitespace::Space);
        let star = [Token::make_keyword("SELECT"), blank.clone(), Token::Mul, blank, Token::make_keyword("FROM")];
        tokens.splice(at..=at, star.map(TokenWithSpan::wrap));
    }
    tokens
}

/// Turns the types `array(bigint)` and `row(a bigint)` into `array<bigint>` and `struct<a bigint>`, the only forms that
/// sqlparser reads.
fn angle_types(tokens: &mut [TokenWithSpan]) {
    // For each open parenthesis, whether it belongs to such a type.
    let mut open = Vec::new();
    // A row is a type after AS and within another type, and a value elsewhere.
    let mut type_may_begin = false;
    let mut row = None;
    let mut after_array = false;
    for at in 0..tokens.len() {
        match &tokens[at].token {
            Token::Word(word) => {
                let plain = word.quote_style.is_none();
                after_array = plain && word.keyword == Keyword::ARRAY;
                let is_row = plain && word.keyword == Keyword::ROW;
                row = (is_row && (type_may_begin || open.last() == Some(&true))).then_some(at);
                type_may_begin = plain && word.keyword == Keyword::AS;
            }
            Token::Whitespace(_) => {}
            Token::LParen => {
                let is_type = after_array || row.is_some();
                open.push(is_type);
                if is_type {
                    tokens[at].token = Token::Lt;
                }
                if let Some(row) = row.take() {
                    tokens[row].token = Token::make_keyword("STRUCT");
                }
                (after_array, type_may_begin) = (false, false);
            }
            Token::RParen => {
                if open.pop() == Some(true) {
                    tokens[at].token = Token::Gt;
                }
                (after_array, row, type_may_begin) = (false, None, false);
            }
            _ => (after_array, row, type_may_begin) = (false, None, false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(sql: &str) -> String {
        parse(sql).unwrap().0.to_string()
    }

    #[test]
    fn a_table_alone_is_a_query() {
        assert_eq!(read("TABLE t ORDER BY 1"), "SELECT * FROM t ORDER BY 1");
    }

    #[test]
    fn what_has_two_forms_is_read_in_both() {
        assert_eq!(read("SELECT a < SOME (SELECT 1), some FROM t"), "SELECT a < ANY(SELECT 1), some FROM t");
        assert_eq!(
            read("SELECT trim(BOTH FROM a), TRIM( leading FROM a), trim(TRAILING 'x' FROM a)"),
            "SELECT TRIM(a), ltrim(a), TRIM(TRAILING 'x' FROM a)"
        );
    }

    #[test]
    fn names_are_folded_and_texts_are_not() {
        assert_eq!(
            read(r#"SELECT "UserId", Key FROM T WHERE a = 'X'"#),
            r#"SELECT "userid", key FROM t WHERE a = 'X'"#
        );
    }

    #[test]
    fn array_types_may_be_nested() {
        assert_eq!(
            read("SELECT CAST(x AS array(array(decimal(10, 2)))), ARRAY[1]"),
            "SELECT CAST(x AS ARRAY<ARRAY<DECIMAL(10,2)>>), ARRAY[1]"
        );
    }

    #[test]
    fn row_types_have_named_fields() {
        assert_eq!(
            read("SELECT CAST(x AS ROW(a varchar, \"user\" array(row(b bigint)))), ROW(1, 2)"),
            "SELECT CAST(x AS STRUCT<a VARCHAR, \"user\" ARRAY<STRUCT<b BIGINT>>>), row(1, 2)"
        );
    }

    #[test]
    fn numbers_may_have_underscores_and_be_hexadecimal() {
        assert_eq!(read("SELECT 1_000, 0x1F, 0b1_01, 0O17, X'1F'"), "SELECT 1000, 31, 5, 15, X'1F'");
        for sql in ["SELECT 0b12", "SELECT 0b1__0", "SELECT 0o7_", "SELECT 0x1__F"] {
            assert!(parse(sql).unwrap_err().to_string().contains("Invalid numeric literal"), "{sql}");
        }
        for sql in ["SELECT 1x", "SELECT 1__0"] {
            let error = parse(sql).unwrap_err().to_string();
            assert!(error.contains("write a number with the digits 0 to 9"), "{sql}: {error}");
        }
    }

    #[test]
    fn a_number_that_is_no_bigint_is_refused() {
        assert!(parse("SELECT -9223372036854775808").is_ok());
        let error = parse("SELECT 9223372036854775808").unwrap_err().to_string();
        assert_eq!(error, "line 1: Invalid numeric literal: 9223372036854775808");
    }

    #[test]
    fn a_backtick_is_explained() {
        let error = parse("SELECT 1,\n `a` FROM t").unwrap_err().to_string();
        assert_eq!(error, "line 2: a query quotes names with double quotes; backticks belong to DDL");
    }

    #[test]
    fn a_slip_is_pointed_at() {
        let error = parse("SELECT a FORM t WHERE x").unwrap_err().to_string();
        assert!(
            error.starts_with("the query cannot be read: Expected: end of statement, found: t at Line: 1"),
            "{error}"
        );
    }

    #[test]
    fn a_backslash_is_a_character() {
        assert_eq!(read(r"SELECT 'a\', 'b'"), r"SELECT 'a\', 'b'");
    }
}
