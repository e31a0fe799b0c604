//! What a statement is, by its words, and where it writes.

use meterlake_core::location::Location;

/// The kinds of statements that Athena treats differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Gives rows and changes nothing: `SELECT` and the like.
    Select,
    /// `CREATE TABLE … AS`
    CreateTableAs,
    /// `INSERT INTO`
    Insert,
    /// `UNLOAD`
    Unload,
    /// `SHOW`, `EXPLAIN`
    Show,
    /// `DESCRIBE`
    Describe,
    /// Any other.
    Definition,
}

impl Kind {
    pub(crate) fn of(sql: &str) -> Self {
        let mut words = Tokens(sql).filter_map(|token| match token {
            Token::Word(word) => Some(word.to_uppercase()),
            _ => None,
        });
        match words.next().unwrap_or_default().as_str() {
            "SELECT" | "WITH" | "VALUES" | "TABLE" => Self::Select,
            "INSERT" => Self::Insert,
            "UNLOAD" => Self::Unload,
            "SHOW" | "EXPLAIN" => Self::Show,
            "DESCRIBE" | "DESC" => Self::Describe,
            // Also in `CREATE TABLE IF NOT EXISTS t WITH (…) AS`. A column named so is in backticks.
            "CREATE" if words.next().as_deref() == Some("TABLE") && words.any(|word| word == "AS") => {
                Self::CreateTableAs
            }
            _ => Self::Definition,
        }
    }

    /// Athena's `StatementType`. It counts a CTAS as DDL.
    pub(crate) fn statement_type(self) -> &'static str {
        match self {
            Self::Select | Self::Insert | Self::Unload => "DML",
            Self::CreateTableAs | Self::Definition => "DDL",
            Self::Show | Self::Describe => "UTILITY",
        }
    }

    /// Athena's `SubstatementType`.
    pub(crate) fn substatement_type(self, sql: &str) -> String {
        match self {
            Self::Select => "SELECT".to_owned(),
            Self::CreateTableAs => "CREATE_TABLE_AS_SELECT".to_owned(),
            Self::Describe => "DESCRIBE_TABLE".to_owned(),
            Self::Insert | Self::Unload | Self::Show | Self::Definition => {
                let words = Tokens(sql).filter_map(|token| match token {
                    Token::Word(word) => Some(word.to_uppercase()),
                    _ => None,
                });
                let wanted = if matches!(self, Self::Insert | Self::Unload) { 1 } else { 2 };
                words.take(wanted).collect::<Vec<_>>().join("_")
            }
        }
    }

    /// Whether it gives rows.
    pub(crate) fn gives_rows(self) -> bool {
        matches!(self, Self::Select | Self::Show | Self::Describe)
    }
}

/// The folder that a CTAS or an UNLOAD names to write to.
pub(crate) fn target(kind: Kind, sql: &str) -> Option<Location> {
    // `external_location = '…'` stands before the query, `TO '…'` behind it.
    let (word, is_last) = match kind {
        Kind::CreateTableAs => ("EXTERNAL_LOCATION", false),
        Kind::Unload => ("TO", true),
        _ => return None,
    };
    let tokens: Vec<Token<'_>> = Tokens(sql).filter(|token| *token != Token::Sign("=")).collect();
    let mut found = tokens.windows(2).filter_map(|pair| match pair {
        [Token::Word(name), Token::Text(text)] if name.eq_ignore_ascii_case(word) => Some(*text),
        _ => None,
    });
    let text = if is_last { found.next_back() } else { found.next() };
    text?.trim_end_matches('/').parse().ok()
}

/// The table that a CTAS creates, with its database if it names one.
pub(crate) fn created_table(sql: &str) -> Option<(Option<&str>, &str)> {
    let is = |token: &Token<'_>, word: &str| matches!(token, Token::Word(found) if found.eq_ignore_ascii_case(word));
    let mut tokens = Tokens(sql).skip_while(|token| !is(token, "TABLE")).skip(1).peekable();
    if tokens.peek().is_some_and(|token| is(token, "IF")) {
        // IF NOT EXISTS
        tokens.nth(2);
    }
    let mut names = Vec::new();
    while let Some(Token::Word(name) | Token::Quoted(name)) = tokens.next() {
        names.push(name);
        if tokens.next() != Some(Token::Sign(".")) {
            break;
        }
    }
    let table = names.pop()?;
    Some((names.pop(), table))
}

/// Puts parameters in the place of the question marks. `None` if there are not as many of one as of the other.
pub(crate) fn with_parameters(sql: &str, parameters: &[String]) -> Option<String> {
    if parameters.is_empty() {
        return Some(sql.to_owned());
    }
    let mut parameters = parameters.iter();
    let (mut filled, mut tokens, mut from) = (String::new(), Tokens(sql), 0);
    while let Some(token) = tokens.next() {
        if token == Token::Sign("?") {
            let end = sql.len() - tokens.0.len();
            filled.push_str(&sql[from..end - 1]);
            filled.push_str(parameters.next()?);
            from = end;
        }
    }
    filled.push_str(&sql[from..]);
    parameters.next().is_none().then_some(filled)
}

/// A piece of a statement; comments and blanks are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// A string, without its quotes.
    Text(&'a str),
    /// A name in quotes, without them.
    Quoted(&'a str),
    Sign(&'a str),
}

struct Tokens<'a>(&'a str);

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let rest = self.0.trim_start();
            let first = rest.chars().next()?;
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
            if is_word(first) {
                let end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
                self.0 = &rest[end..];
                return Some(Token::Word(&rest[..end]));
            }
            if let Some(comment) = rest.strip_prefix("--") {
                self.0 = split(comment, "\n").1;
            } else if let Some(comment) = rest.strip_prefix("/*") {
                self.0 = split(comment, "*/").1;
            } else if first == '\'' {
                let (text, after) = split(&rest[1..], "'");
                self.0 = after;
                return Some(Token::Text(text));
            } else if let '"' | '`' = first {
                let (name, after) = split(&rest[1..], &rest[..1]);
                self.0 = after;
                return Some(Token::Quoted(name));
            } else {
                let (sign, after) = rest.split_at(first.len_utf8());
                self.0 = after;
                return Some(Token::Sign(sign));
            }
        }
    }
}

fn split<'a>(text: &'a str, end: &str) -> (&'a str, &'a str) {
    text.split_once(end).unwrap_or((text, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_told_by_its_words() {
        for (sql, kind, statement_type, substatement_type) in [
            ("SELECT 1", Kind::Select, "DML", "SELECT"),
            ("-- UNLOAD\n(select 1)", Kind::Select, "DML", "SELECT"),
            ("INSERT INTO t SELECT 1", Kind::Insert, "DML", "INSERT"),
            ("UNLOAD (SELECT 1) TO 's3://b/f'", Kind::Unload, "DML", "UNLOAD"),
            ("CREATE TABLE t AS SELECT 1 AS n", Kind::CreateTableAs, "DDL", "CREATE_TABLE_AS_SELECT"),
            ("CREATE EXTERNAL TABLE t (`as` int) LOCATION 's3://b/f'", Kind::Definition, "DDL", "CREATE_EXTERNAL"),
            ("SHOW PARTITIONS t", Kind::Show, "UTILITY", "SHOW_PARTITIONS"),
            ("DESCRIBE t", Kind::Describe, "UTILITY", "DESCRIBE_TABLE"),
        ] {
            let found = Kind::of(sql);
            assert_eq!(found, kind, "{sql}");
            assert_eq!((found.statement_type(), &*found.substatement_type(sql)), (statement_type, substatement_type));
        }
    }

    #[test]
    fn the_folder_to_write_to_is_found() {
        let of = |sql| target(Kind::of(sql), sql).map(|folder| folder.to_string());
        let ctas = "CREATE TABLE t WITH (format = 'PARQUET', external_location = 's3://b/f/') AS SELECT 'TO' AS c";
        assert_eq!(of(ctas).as_deref(), Some("s3://b/f"));
        assert_eq!(of("unload (select 'to', 'x') to 's3://b/g' with (format = 'x')").as_deref(), Some("s3://b/g"));
        assert_eq!(of("CREATE TABLE t AS SELECT 1 AS n"), None);
    }

    #[test]
    fn the_table_that_is_created_is_found() {
        assert_eq!(created_table("CREATE TABLE t AS SELECT 1"), Some((None, "t")));
        assert_eq!(created_table("create table if not exists \"d\".t as select 1"), Some((Some("d"), "t")));
        assert_eq!(created_table("CREATE TABLE \"c\".\"d\".\"t\" WITH (x = 'y') AS SELECT 1"), Some((Some("d"), "t")));
    }

    #[test]
    fn parameters_take_the_place_of_question_marks_outside_of_strings() {
        let fill = |sql, parameters: &[&str]| {
            with_parameters(sql, &parameters.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(fill("SELECT '?', ?, ? -- ?", &["1", "'a'"]).as_deref(), Some("SELECT '?', 1, 'a' -- ?"));
        assert_eq!(fill("SELECT ?", &["1", "2"]), None);
        assert_eq!(fill("SELECT ?, ?", &["1"]), None);
    }
}
