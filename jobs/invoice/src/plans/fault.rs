//! What is wrong with a plan file.

use std::cell::RefCell;
use std::fmt;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line, from 1.
    pub line: usize,
    /// The key, such as `plans[0].charges[1].tiers[2].unit`; where the file is no TOML, as far as it can be told.
    pub key: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// Everything that is wrong with a plan file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanErrors {
    /// The file.
    pub file: String,
    /// The faults, by line; at least one.
    pub faults: Vec<Fault>,
}

impl PlanErrors {
    /// Each fault as a line of text: `plans.toml:12: plans[0].minimum: …`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        self.faults.iter().map(|fault| format!("{}:{fault}", self.file))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, problem } = self;
        if key.is_empty() { write!(f, "{line}: {problem}") } else { write!(f, "{line}: {key}: {problem}") }
    }
}

impl fmt::Display for PlanErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().collect::<Vec<_>>().join("; "))
    }
}

impl std::error::Error for PlanErrors {}

/// Collects faults while a file is read, and knows its lines.
#[derive(Debug, Default)]
pub(super) struct Faults {
    line_starts: Vec<usize>,
    found: RefCell<Vec<Fault>>,
}

impl Faults {
    pub(super) fn in_text(text: &str) -> Self {
        let after_newline = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { line_starts: std::iter::once(0).chain(after_newline).collect(), found: RefCell::default() }
    }

    /// The line, from 1, that holds a byte.
    pub(super) fn line(&self, at: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= at)
    }

    /// Notes a fault at a byte.
    pub(super) fn add(&self, at: usize, key: &str, problem: String) {
        let fault = Fault { line: self.line(at), key: key.to_owned(), problem };
        self.found.borrow_mut().push(fault);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    pub(super) fn into_errors(self, file: &str) -> PlanErrors {
        let mut faults = self.found.into_inner();
        faults.sort_by_key(|fault| fault.line);
        PlanErrors { file: file.to_owned(), faults }
    }
}
