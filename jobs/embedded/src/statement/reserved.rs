//! The words that DDL takes for names only in backticks.
//!
//! The embedded engine has no need to refuse them. Athena does, and an edit that works here should work there.

use super::tokens::Grammar;

/// Athena's list of keywords reserved in DDL.
const DDL: &str = "\
    ALL ALTER AND ARRAY AS AUTHORIZATION BETWEEN BIGINT BINARY BOOLEAN BOTH BY CASE CASHE CAST CHAR COLUMN COMMIT \
    CONF CONSTRAINT CREATE CROSS CUBE CURRENT CURRENT_DATE CURRENT_TIMESTAMP CURSOR DATABASE DATE DAYOFWEEK \
    DECIMAL DELETE DESCRIBE DISTINCT DIV DOUBLE DROP ELSE END EXCHANGE EXISTS EXTENDED EXTERNAL EXTRACT FALSE \
    FETCH FLOAT FLOOR FOLLOWING FOR FOREIGN FROM FULL FUNCTION GRANT GROUP GROUPING HAVING IF IMPORT IN INNER \
    INSERT INT INTEGER INTERSECT INTERVAL INTO IS JOIN LATERAL LEFT LESS LIKE LOCAL MACRO MAP MORE NONE NOT NULL \
    NUMERIC OF ON ONLY OR ORDER OUT OUTER OVER PARTIALSCAN PARTITION PERCENT PRECEDING PRECISION PRESERVE PRIMARY \
    PROCEDURE RANGE READS REDUCE REFERENCES REGEXP REVOKE RIGHT RLIKE ROLLBACK ROLLUP ROW ROWS SELECT SET SMALLINT \
    START TABLE TABLESAMPLE THEN TIME TIMESTAMP TO TRANSFORM TRIGGER TRUE TRUNCATE UNBOUNDED UNION UNIQUEJOIN \
    UPDATE USER USING UTC_TIMESTAMP VALUES VARCHAR VIEWS WHEN WHERE WINDOW WITH";

/// Why an unquoted word is no name, and how to write it; `None` if it is one.
pub(super) fn why_quote(word: &str, grammar: Grammar) -> Option<String> {
    let is_word = |reserved: &str| reserved.eq_ignore_ascii_case(word);
    match grammar {
        Grammar::Hive if DDL.split(' ').any(is_word) => {
            Some(format!("`{word}` is reserved in DDL: write it as `` `{word}` ``"))
        }
        Grammar::Hive if word.starts_with('_') => {
            Some(format!("`{word}` begins with an underscore: write it as `` `{word}` ``"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_words_are_refused_in_ddl_only() {
        for word in ["user", "Date", "TIMESTAMP", "all", "with"] {
            assert!(why_quote(word, Grammar::Hive).unwrap().ends_with(&format!("write it as `` `{word}` ``")));
            assert_eq!(why_quote(word, Grammar::Trino), None);
        }
        assert_eq!(why_quote("status", Grammar::Hive), None);
    }

    #[test]
    fn a_leading_underscore_needs_quotes_in_ddl_only() {
        assert!(why_quote("_x", Grammar::Hive).is_some() && why_quote("1x", Grammar::Hive).is_none());
        assert!(why_quote("_x", Grammar::Trino).is_none());
    }
}
