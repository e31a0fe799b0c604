//! The texts that a call brings beside its statement, and how many statements it brings.

use anyhow::{Result, bail};

use crate::tokens::{Token, Tokens};

/// Puts parameters, as they are written, in the place of the question marks.
///
/// # Errors
/// There are not as many of one as of the other.
pub(crate) fn with_parameters(sql: &str, parameters: &[String]) -> Result<String> {
    let marks: Vec<usize> = Tokens::of(sql).filter(|(_, token)| *token == Token::Sign("?")).map(|(at, _)| at).collect();
    if marks.len() != parameters.len() {
        bail!("Incorrect number of parameters: expected {} but found {}", marks.len(), parameters.len());
    }
    let (mut filled, mut from) = (String::new(), 0);
    for (at, parameter) in marks.into_iter().zip(parameters) {
        filled.push_str(&sql[from..at]);
        filled.push_str(parameter);
        from = at + 1;
    }
    Ok(filled + &sql[from..])
}

/// The statement without the semicolon that may stand at its end; `None` if another follows on it.
pub(crate) fn only_statement(sql: &str) -> Option<&str> {
    let mut tokens = Tokens::of(sql).skip_while(|(_, token)| *token != Token::Sign(";"));
    let Some((end, _)) = tokens.next() else { return Some(sql) };
    tokens.all(|(_, token)| token == Token::Sign(";")).then_some(&sql[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_take_the_place_of_question_marks_outside_of_strings() {
        let fill = |sql, parameters: &[&str]| {
            let parameters: Vec<String> = parameters.iter().map(|&text| text.to_owned()).collect();
            with_parameters(sql, &parameters).map_err(|error| error.to_string())
        };
        assert_eq!(fill("SELECT '?', ?, ? -- ?", &["1", "'a'"]).as_deref(), Ok("SELECT '?', 1, 'a' -- ?"));
        assert_eq!(fill("SELECT '?'", &[]).as_deref(), Ok("SELECT '?'"));
        assert_eq!(
            fill("SELECT ?", &["1", "2"]).unwrap_err(),
            "Incorrect number of parameters: expected 1 but found 2"
        );
        assert_eq!(fill("SELECT ?", &[]).unwrap_err(), "Incorrect number of parameters: expected 1 but found 0");
    }

    #[test]
    fn a_call_brings_one_statement_and_at_most_semicolons_behind_it() {
        assert_eq!(only_statement("SELECT ';' -- ;"), Some("SELECT ';' -- ;"));
        assert_eq!(only_statement("SELECT 1 ;; -- end"), Some("SELECT 1 "));
        assert_eq!(only_statement("SELECT 1; SELECT 2"), None);
    }
}
