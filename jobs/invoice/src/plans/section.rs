//! Tables of the plan file and their values, each with its place. Reading notes what is wrong and goes on.

use meterlake_core::period::Day;
use rust_decimal::Decimal;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Faults;
use super::number;

/// A table of the file.
pub(super) struct Section<'t> {
    table: &'t DeTable<'t>,
    at: usize,
    /// The key that leads to it; empty for the file itself.
    key: String,
    faults: &'t Faults,
}

/// A value of the file.
pub(super) struct Entry<'t> {
    value: &'t DeValue<'t>,
    at: usize,
    key: String,
    faults: &'t Faults,
}

impl<'t> Section<'t> {
    /// The file itself.
    pub(super) fn root(table: &'t Spanned<DeTable<'t>>, faults: &'t Faults) -> Self {
        Self { table: table.get_ref(), at: 0, key: String::new(), faults }
    }

    /// Notes a fault of the table as a whole, under a key of it.
    pub(super) fn fault(&self, key: &str, problem: impl Into<String>) {
        self.faults.add(self.at, &self.key_of(key), problem.into());
    }

    /// Notes every key that is not among `known`.
    pub(super) fn only(&self, what: &str, known: &[&str]) {
        for (key, _) in self.table.iter().filter(|(key, _)| !known.contains(&key.get_ref().as_ref())) {
            let (at, path) = (key.span().start, self.key_of(key.get_ref()));
            self.faults.add(at, &path, format!("unknown key: {what} has {}", known.join(", ")));
        }
    }

    /// The value of a key, if it is there.
    pub(super) fn get(&self, key: &str) -> Option<Entry<'t>> {
        let value = self.table.get(key)?;
        Some(Entry { value: value.get_ref(), at: value.span().start, key: self.key_of(key), faults: self.faults })
    }

    /// The value of a key that must be there.
    pub(super) fn required(&self, key: &str, example: &str) -> Option<Entry<'t>> {
        let entry = self.get(key);
        if entry.is_none() {
            self.fault(key, format!("is missing: write {key} = {example}"));
        }
        entry
    }

    fn key_of(&self, key: &str) -> String {
        if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) }
    }
}

impl<'t> Entry<'t> {
    pub(super) fn fault(&self, problem: impl Into<String>) {
        self.faults.add(self.at, &self.key, problem.into());
    }

    /// The tables of an array of tables.
    pub(super) fn sections(&self) -> Vec<Section<'t>> {
        self.elements("tables").into_iter().filter_map(Entry::section).collect()
    }

    /// A text that is not empty.
    pub(super) fn text(&self) -> Option<&'t str> {
        match self.value {
            DeValue::String(text) if text.trim().is_empty() => self.none("is empty"),
            DeValue::String(text) if text.chars().any(char::is_control) => self.none("has a control character"),
            DeValue::String(text) => Some(text.as_ref()),
            _ => self.expected("a text in quotes"),
        }
    }

    /// The texts of an array, each with its place.
    pub(super) fn texts(&self) -> Vec<(Self, &'t str)> {
        let elements = self.elements("texts").into_iter();
        elements.filter_map(|element| element.text().map(|text| (element, text))).collect()
    }

    pub(super) fn flag(&self) -> Option<bool> {
        match self.value {
            DeValue::Boolean(flag) => Some(*flag),
            _ => self.expected("true or false"),
        }
    }

    pub(super) fn day(&self) -> Option<Day> {
        match self.value {
            DeValue::Datetime(moment) if moment.time.is_none() && moment.offset.is_none() => {
                let date = moment.date?;
                let day = Day::of(date.year.into(), date.month.into(), date.day.into());
                day.or_else(|| self.none(&format!("`{date}` is out of range: the years are 1970 to 9998")))
            }
            DeValue::Datetime(moment) => self.none(&format!("`{moment}` has a time: write a date, such as 2023-01-31")),
            _ => self.expected("a date without quotes, such as 2023-01-31"),
        }
    }

    /// A number, written in quotes or as an integer. A float could not be kept as it was written.
    pub(super) fn number(&self) -> Option<Decimal> {
        let number = match self.value {
            DeValue::String(text) => number::parse(text),
            DeValue::Integer(integer) if integer.radix() == 10 => {
                number::parse(integer.as_str().strip_prefix('+').unwrap_or(integer.as_str()))
            }
            DeValue::Float(float) => Err(format!("is a float: write it in quotes, \"{}\"", float.as_str())),
            _ => return self.expected("a number in quotes, such as \"0.0035\", or an integer"),
        };
        number.map_err(|problem| self.fault(problem)).ok()
    }

    /// A number that is zero or more.
    pub(super) fn price(&self) -> Option<Decimal> {
        let number = self.number()?;
        if number.is_sign_negative() { self.none(&format!("`{number}` is negative")) } else { Some(number) }
    }

    /// A number that is more than zero.
    pub(super) fn size(&self) -> Option<Decimal> {
        let number = self.number()?;
        if number > Decimal::ZERO { Some(number) } else { self.none(&format!("`{number}` must be more than 0")) }
    }

    /// A share of one, from 0 to 1.
    pub(super) fn share(&self) -> Option<Decimal> {
        let number = self.number()?;
        if (Decimal::ZERO..=Decimal::ONE).contains(&number) {
            return Some(number);
        }
        self.none(&format!("`{number}` must be a share from 0 to 1: 20 % is \"0.2\""))
    }

    fn section(self) -> Option<Section<'t>> {
        match self.value {
            DeValue::Table(table) => Some(Section { table, at: self.at, key: self.key, faults: self.faults }),
            _ => self.expected("a table"),
        }
    }

    fn elements(&self, of: &str) -> Vec<Self> {
        let DeValue::Array(array) = self.value else {
            self.fault(format!("must be an array of {of}, not {}", self.value.type_str()));
            return Vec::new();
        };
        let element = |(index, value): (usize, &'t Spanned<DeValue<'t>>)| Self {
            value: value.get_ref(),
            at: value.span().start,
            key: format!("{}[{index}]", self.key),
            faults: self.faults,
        };
        array.iter().enumerate().map(element).collect()
    }

    fn expected<T>(&self, what: &str) -> Option<T> {
        self.none(&format!("must be {what}, not {}", self.value.type_str()))
    }

    fn none<T>(&self, problem: &str) -> Option<T> {
        self.fault(problem);
        None
    }
}
