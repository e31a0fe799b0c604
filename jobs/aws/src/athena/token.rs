//! The `ClientRequestToken`: which starts are the same execution.

use meterlake_core::engine::Statement;
use sha2::{Digest, Sha256};

/// Tokens for the attempts at one statement.
pub(super) struct Tokens<'a> {
    statement: &'a Statement,
    /// Athena remembers tokens for long. Without this, the same text an hour later (`MSCK REPAIR TABLE t`, a count)
    /// would be answered with the old execution. A statement that brings its own token asks for just that.
    nonce: Option<[u8; 16]>,
}

impl<'a> Tokens<'a> {
    pub(super) fn of(statement: &'a Statement) -> Self {
        Self { statement, nonce: statement.token.is_none().then(rand::random) }
    }

    /// 64 hex digits; Athena takes 32 to 128 characters. Each attempt has its own, because a failed query keeps its
    /// token.
    pub(super) fn token(&self, attempt: u32) -> String {
        let Statement { label, sql, database, token, .. } = self.statement;
        let attempt = attempt.to_string();
        let mut hash = Sha256::new();
        // The text too: the same token with another text is an error to Athena.
        for part in [label, token.as_deref().unwrap_or_default(), sql, database.as_str(), &attempt] {
            // With its length, so that no two lists of parts look the same.
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        if let Some(nonce) = &self.nonce {
            hash.update(nonce);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(token: Option<&str>) -> Statement {
        Statement {
            label: "merge_hour@1".to_owned(),
            sql: "SELECT 1".to_owned(),
            database: "metering".parse().unwrap(),
            token: token.map(str::to_owned),
        }
    }

    #[test]
    fn a_token_is_64_hex_digits() {
        let token = Tokens::of(&statement(None)).token(1);
        assert_eq!(token.len(), 64);
        assert!(token.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn the_same_attempt_has_the_same_token_and_another_attempt_another() {
        let statement = statement(None);
        let tokens = Tokens::of(&statement);
        assert_eq!(tokens.token(1), tokens.token(1));
        assert_ne!(tokens.token(1), tokens.token(2));
    }

    #[test]
    fn the_same_text_asked_again_is_another_execution() {
        let statement = statement(None);
        assert_ne!(Tokens::of(&statement).token(1), Tokens::of(&statement).token(1));
    }

    #[test]
    fn another_process_with_the_same_token_joins() {
        let (first, second) = (statement(Some("merge 2023-01-31T06")), statement(Some("merge 2023-01-31T06")));
        assert_eq!(Tokens::of(&first).token(1), Tokens::of(&second).token(1));
        assert_ne!(Tokens::of(&first).token(1), Tokens::of(&statement(Some("merge 2023-01-31T07"))).token(1));
        let other_label = Statement { label: "merge_hour@2".to_owned(), ..first.clone() };
        let other_database = Statement { database: "other".parse().unwrap(), ..first.clone() };
        assert_ne!(Tokens::of(&first).token(1), Tokens::of(&other_label).token(1));
        assert_ne!(Tokens::of(&first).token(1), Tokens::of(&other_database).token(1));
    }

    #[test]
    fn where_one_part_ends_and_the_next_begins_counts() {
        let named = |label: &str, token: &str| Statement { label: label.to_owned(), ..statement(Some(token)) };
        let (first, second) = (named("ab", "c"), named("a", "bc"));
        assert_ne!(Tokens::of(&first).token(1), Tokens::of(&second).token(1));
    }
}
