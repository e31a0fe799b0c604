//! Trino's functions: their names, what they take and what they give.

use super::types::{Clock, Type};
use std::collections::HashMap;
use std::sync::LazyLock;

/// What stands for an argument or a result in a signature.
#[derive(Debug)]
pub(super) enum Formal {
    /// A type; of a decimal or a time, with any digits.
    Plain(Type),
    /// `varchar(x)` or `char(x)`: a text, whose length may come back in the result.
    Text {
        of: Type,
        length: String,
    },
    /// `timestamp(p)`, `time(p) with time zone`: a time, whose digits may come back in the result.
    Time {
        of: fn(Clock) -> Type,
        has_zone: bool,
        digits: String,
    },
    /// `T`: any type, and the same one wherever it stands.
    Variable(String),
    Array(Box<Formal>),
    Map(Box<Formal>, Box<Formal>),
    Row(Vec<Formal>),
    /// A lambda: its parameters and its result.
    Function(Vec<Formal>, Box<Formal>),
}

/// One of the forms of a function.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) arguments: Vec<Formal>,
    pub(super) result: Formal,
    /// As Trino writes it: `substr(varchar(x), bigint)`.
    pub(super) text: String,
}

/// Functions whose last argument may come again and again. SHOW FUNCTIONS does not tell.
const REPEATED: [&str; 5] = ["concat", "concat_ws", "greatest", "least", "map_concat"];

static FUNCTIONS: LazyLock<HashMap<&str, Vec<Signature>>> = LazyLock::new(|| {
    let mut functions: HashMap<&str, Vec<Signature>> = HashMap::new();
    for line in include_str!("functions.txt").lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, signature)) = read(line) {
            functions.entry(name).or_default().push(signature);
        }
    }
    functions
});

/// All forms of a function; `None`: Trino does not have it.
pub(super) fn signatures(name: &str) -> Option<&'static [Signature]> {
    FUNCTIONS.get(name).map(Vec::as_slice)
}

/// The names of Trino's functions.
#[cfg(test)]
pub(crate) fn functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.keys().copied()
}

impl Signature {
    /// What the argument at a place must be, of so many; `None`: it does not take so many.
    pub(super) fn formals(&self, name: &str, given: usize) -> Option<Vec<&Formal>> {
        let mut formals: Vec<&Formal> = self.arguments.iter().collect();
        // `concat(x, array)` and `concat(array, x)` are just for two, and so is `concat_ws(x, array)`.
        let is_of_two =
            formals.len() > 1 && formals.iter().any(|formal| matches!(formal, Formal::Variable(_) | Formal::Array(_)));
        if name == "concat" && given < 2 {
            return None;
        }
        if let Some(last) = self.arguments.last()
            && REPEATED.contains(&name)
            && !is_of_two
        {
            formals.resize(given.max(formals.len()), last);
        }
        (formals.len() == given).then_some(formals)
    }
}

/// `name(arguments) result`.
fn read(line: &str) -> Option<(&str, Signature)> {
    let (name, rest) = line.split_once('(')?;
    let end = closing(rest)?;
    let arguments = split(&rest[..end]).into_iter().map(formal).collect();
    let text = line[..name.len() + end + 2].to_owned();
    Some((name, Signature { arguments, result: formal(rest[end + 1..].trim()), text }))
}

/// Where the parenthesis is closed that is open at the start.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Splits at the commas that stand in no parenthesis.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    let last = text[start..].trim();
    if !last.is_empty() {
        parts.push(last);
    }
    parts
}

fn formal(text: &str) -> Formal {
    let (name, inner, behind) = match text.split_once('(') {
        Some((name, rest)) => {
            let end = closing(rest).unwrap_or(rest.len());
            (name, split(&rest[..end]), rest.get(end + 1..).unwrap_or_default().trim())
        }
        None => (text, Vec::new(), ""),
    };
    let boxed = |at: usize| Box::new(inner.get(at).map_or(Formal::Plain(Type::Any), |text| formal(text)));
    let digits = || inner.first().copied().unwrap_or_default().to_owned();
    let has_zone = behind == "with time zone" || name.ends_with(" with time zone");
    match (name, inner.len()) {
        ("varchar", 1) => Formal::Text { of: Type::Varchar(None), length: digits() },
        ("char", 1) => Formal::Text { of: Type::Char(None), length: digits() },
        ("timestamp", 1) => Formal::Time { of: Type::Timestamp, has_zone, digits: digits() },
        ("time", 1) => Formal::Time { of: Type::Time, has_zone, digits: digits() },
        ("array", 1) => Formal::Array(boxed(0)),
        ("map", 2) => Formal::Map(boxed(0), boxed(1)),
        ("row", _) => Formal::Row(inner.into_iter().map(formal).collect()),
        ("function", 1..) => {
            let (result, parameters) = inner.split_last().map_or(("", &[][..]), |(last, rest)| (*last, rest));
            Formal::Function(parameters.iter().map(|text| formal(text)).collect(), Box::new(formal(result)))
        }
        _ => named(name),
    }
}

fn named(name: &str) -> Formal {
    let is_variable = {
        let mut letters = name.chars();
        letters.next().is_some_and(|c| c.is_ascii_alphabetic()) && letters.all(|c| c.is_ascii_digit())
    };
    if is_variable {
        // SHOW FUNCTIONS writes one variable now in small letters, now in capitals.
        return Formal::Variable(name.to_lowercase());
    }
    Formal::Plain(match name {
        "boolean" => Type::Boolean,
        "tinyint" => Type::Tinyint,
        "smallint" => Type::Smallint,
        "integer" => Type::Integer,
        "bigint" => Type::Bigint,
        "decimal" => Type::Decimal(None),
        "real" => Type::Real,
        "double" => Type::Double,
        "varchar" => Type::Varchar(None),
        "varbinary" => Type::Varbinary,
        "json" => Type::Json,
        "date" => Type::Date,
        "unknown" => Type::Unknown,
        "interval day to second" => Type::DayInterval,
        "interval year to month" => Type::MonthInterval,
        other => Type::Other(other.to_lowercase()),
    })
}
