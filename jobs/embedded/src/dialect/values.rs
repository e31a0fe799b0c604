//! VALUES as Trino writes it, in the form that sqlparser reads.

use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

/// `VALUES 1, 2` with parentheses around each row, and `VALUES ROW(1, 2)` without its name: sqlparser reads them so.
pub(super) fn rows_of_values(tokens: Vec<TokenWithSpan>) -> Vec<TokenWithSpan> {
    let mut read = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some((token, tail)) = rest.split_first() {
        let is_values =
            matches!(&token.token, Token::Word(word) if word.quote_style.is_none() && word.keyword == Keyword::VALUES);
        let is_nested = is_values && is_within_expression(&read);
        if is_nested {
            // sqlparser takes it for a function.
            let blank = || Token::Whitespace(Whitespace::Space);
            let star =
                [Token::make_keyword("SELECT"), blank(), Token::Mul, blank(), Token::make_keyword("FROM"), blank()];
            read.extend(star.into_iter().chain([Token::LParen]).map(TokenWithSpan::wrap));
        }
        read.push(token.clone());
        rest = tail;
        if !is_values {
            continue;
        }
        loop {
            let (row, tail) = rest.split_at(row_length(rest));
            rest = tail;
            push_row(row, &mut read);
            match rest.split_first() {
                Some((comma, tail)) if comma.token == Token::Comma => {
                    read.push(comma.clone());
                    rest = tail;
                }
                _ => break,
            }
        }
        if is_nested {
            read.push(TokenWithSpan::wrap(Token::RParen));
        }
    }
    read
}

/// Whether what comes next is a subquery of an expression: a parenthesis stands before it, and before that an operator or a
/// word such as IN.
fn is_within_expression(read: &[TokenWithSpan]) -> bool {
    let mut before = read.iter().rev().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_)));
    if before.next() != Some(&Token::LParen) {
        return false;
    }
    match before.next() {
        Some(Token::Word(word)) if word.quote_style.is_none() => matches!(
            word.keyword,
            Keyword::IN | Keyword::ALL | Keyword::ANY | Keyword::SOME | Keyword::SELECT | Keyword::EXISTS
        ),
        Some(token) => matches!(token, Token::Eq | Token::Neq | Token::Lt | Token::LtEq | Token::Gt | Token::GtEq),
        None => false,
    }
}

/// How many tokens a row of VALUES has: up to a comma, a parenthesis that it did not open, or what comes behind VALUES.
fn row_length(tokens: &[TokenWithSpan]) -> usize {
    let mut depth = 0_usize;
    let ends = |token: &Token, depth: usize| match token {
        Token::Comma | Token::RParen | Token::SemiColon | Token::EOF => depth == 0,
        Token::Word(word) if word.quote_style.is_none() && depth == 0 => matches!(
            word.keyword,
            Keyword::ORDER
                | Keyword::LIMIT
                | Keyword::OFFSET
                | Keyword::FETCH
                | Keyword::UNION
                | Keyword::EXCEPT
                | Keyword::INTERSECT
        ),
        _ => false,
    };
    for (at, token) in tokens.iter().enumerate() {
        if ends(&token.token, depth) {
            return at;
        }
        match token.token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    tokens.len()
}

fn push_row(row: &[TokenWithSpan], read: &mut Vec<TokenWithSpan>) {
    let is_seen = |token: &&TokenWithSpan| !matches!(token.token, Token::Whitespace(_));
    let is_named = matches!(row.iter().find(is_seen).map(|token| &token.token),
        Some(Token::Word(word)) if word.quote_style.is_none() && word.keyword == Keyword::ROW);
    let skipped = if is_named { row.iter().position(|token| is_seen(&token)).map_or(0, |at| at + 1) } else { 0 };
    let whole = &row[skipped..];
    if is_parenthesized(whole) {
        read.extend_from_slice(whole);
        return;
    }
    // A nested VALUES has rows of its own.
    let row = rows_of_values(row.to_vec());
    read.push(TokenWithSpan::wrap(Token::LParen));
    read.extend(row);
    read.push(TokenWithSpan::wrap(Token::RParen));
}

/// Whether the parenthesis at the start is closed at the end.
fn is_parenthesized(tokens: &[TokenWithSpan]) -> bool {
    let mut depth = 0_i32;
    let mut seen = tokens.iter().map(|token| &token.token).filter(|token| !matches!(token, Token::Whitespace(_)));
    if seen.next() != Some(&Token::LParen) {
        return false;
    }
    depth += 1;
    for token in seen {
        match token {
            _ if depth == 0 => return false,
            Token::LParen => depth += 1,
            Token::RParen => depth -= 1,
            _ => {}
        }
    }
    depth == 0
}

#[cfg(test)]
mod tests {
    use super::super::grammar::parse;

    fn read(sql: &str) -> String {
        parse(sql).unwrap().0.to_string()
    }

    #[test]
    fn a_row_of_one_value_needs_no_parentheses() {
        assert_eq!(
            read("SELECT x FROM (VALUES 1, (2), (1 + 2) * 3) AS t(x)"),
            "SELECT x FROM (VALUES (1), (2), ((1 + 2) * 3)) AS t (x)"
        );
        assert_eq!(read("VALUES ROW(1, 'a'), (2, 'b') ORDER BY 1"), "VALUES (1, 'a'), (2, 'b') ORDER BY 1");
        assert_eq!(read("VALUES ARRAY[1, 2], ARRAY[]"), "VALUES (ARRAY[1, 2]), (ARRAY[])");
        assert_eq!(
            read("SELECT 1 IN (VALUES 1, -2 LIMIT 1), x = (VALUES 5)"),
            "SELECT 1 IN (SELECT * FROM (VALUES (1), (-2)) LIMIT 1), x = (SELECT * FROM (VALUES (5)))"
        );
    }
}
