//! A statement, piece by piece.

/// A piece of a statement; comments and blanks are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    Word(&'a str),
    /// A string, without its quotes.
    Text(&'a str),
    /// A name in quotes, without them.
    Quoted(&'a str),
    Sign(&'a str),
}

impl<'a> Token<'a> {
    pub(crate) fn is(self, word: &str) -> bool {
        matches!(self, Self::Word(found) if found.eq_ignore_ascii_case(word))
    }

    /// What it names, if it may be a name.
    pub(crate) fn name(self) -> Option<&'a str> {
        match self {
            Self::Word(name) | Self::Quoted(name) => Some(name),
            Self::Text(_) | Self::Sign(_) => None,
        }
    }
}

/// The pieces of a statement, each with the place in the text where it begins.
pub(crate) struct Tokens<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self { text, rest: text }
    }

    /// The words, in upper case.
    pub(crate) fn words(text: &'a str) -> impl Iterator<Item = String> {
        Self::of(text).filter_map(|(_, token)| match token {
            Token::Word(word) => Some(word.to_uppercase()),
            _ => None,
        })
    }

    /// What is left once a piece of a length has been taken off.
    fn take(&mut self, rest: &'a str, length: usize) -> &'a str {
        self.rest = &rest[length..];
        &rest[..length]
    }

    /// What stands between quotes; the rest if the second one is missing.
    fn between(&mut self, rest: &'a str, quote: &str) -> &'a str {
        let (inner, after) = split(&rest[quote.len()..], quote);
        self.rest = after;
        inner
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = (usize, Token<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.rest.trim_start();
            let at = self.text.len() - rest.len();
            let first = rest.chars().next()?;
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
            if let Some(comment) = rest.strip_prefix("--") {
                self.rest = split(comment, "\n").1;
                continue;
            }
            if let Some(comment) = rest.strip_prefix("/*") {
                self.rest = split(comment, "*/").1;
                continue;
            }
            let token = match first {
                '\'' => Token::Text(self.between(rest, "'")),
                '"' => Token::Quoted(self.between(rest, "\"")),
                '`' => Token::Quoted(self.between(rest, "`")),
                letter if is_word(letter) => {
                    let length = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
                    Token::Word(self.take(rest, length))
                }
                sign => Token::Sign(self.take(rest, sign.len_utf8())),
            };
            return Some((at, token));
        }
    }
}

fn split<'a>(text: &'a str, end: &str) -> (&'a str, &'a str) {
    text.split_once(end).unwrap_or((text, &text[text.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_taken_apart_without_its_comments() {
        let sql = "a /* 'b' */ 'c''d' \"e f\".`g` -- h\n=? 'no end";
        let expected = [
            (0, Token::Word("a")),
            (12, Token::Text("c")),
            (15, Token::Text("d")),
            (19, Token::Quoted("e f")),
            (24, Token::Sign(".")),
            (25, Token::Quoted("g")),
            (34, Token::Sign("=")),
            (35, Token::Sign("?")),
            (37, Token::Text("no end")),
        ];
        assert_eq!(Tokens::of(sql).collect::<Vec<_>>(), expected);
    }
}
