//! The three statements that make an hour: one writes its rows, two count what went in and what came out.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use chrono::TimeDelta;
use meterlake_core::engine::{Scan, Statement};
use meterlake_core::generation::Generation;
use meterlake_core::lake::Lake;
use meterlake_core::period::{Hour, Period};
use meterlake_core::slot::Draft;
use meterlake_core::sql::{SqlFile, SqlValue, SqlValues};

/// What an hour's lines became, as `merge_hour_kinds.sql` counts it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Kinds {
    pub(crate) calls: u64,
    pub(crate) copies: u64,
    pub(crate) malformed: u64,
    /// Malformed lines and pieces, by the reason.
    pub(crate) reasons: BTreeMap<String, u64>,
    /// Lines: the first piece of a line stands for it.
    pub(crate) lines: u64,
    /// Times, statuses and lengths of calls and copies that could not be read.
    pub(crate) unreadable_values: u64,
    /// Of the calls and of the distinct keys of copies: sums of their keys, by which two generations are compared.
    pub(crate) sums: String,
}

impl Kinds {
    pub(crate) fn rows(&self) -> u64 {
        self.calls + self.copies + self.malformed
    }
}

/// The lines of an hour over the text, as `merge_hour_lines.sql` counts them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lines {
    /// By raw object, below the raw folder. An object without a line is not among them.
    pub(crate) by_object: BTreeMap<String, u64>,
    /// Characters of the longest.
    pub(crate) longest: u64,
}

/// Renders and runs the statements of an hour.
pub(crate) struct Statements<'a> {
    pub(crate) lake: &'a Lake,
    pub(crate) hour: Hour,
    pub(crate) draft: &'a Draft,
    /// The raw objects to leave out, by their `"$path"`.
    pub(crate) left_out: &'a [String],
    /// The generation that the hour before publishes.
    pub(crate) prior: Option<&'a Generation>,
}

impl Statements<'_> {
    /// `merge_hour.sql` with its values.
    ///
    /// # Errors
    /// The file is wrong.
    pub(crate) fn render(&self, sql: &SqlFile) -> Result<String> {
        let layout = &self.lake.layout;
        let latest = self.hour.end() + TimeDelta::days(1);
        let mut values = self.values();
        values.extend([
            ("staging_table", self.draft.staging_value(self.lake)),
            ("location", (&self.draft.folder).into()),
            ("calls_table", (&layout.merged.name).into()),
            ("copies_table", (&layout.copies.name).into()),
            ("generations", SqlValue::Texts(self.prior.iter().map(ToString::to_string).collect())),
            ("glued", self.lake.config.raw.glued.as_str().into()),
            ("latest_time", latest.format("%Y-%m-%d %H:%M:%S.000").to_string().as_str().into()),
        ]);
        let names = ["prior_year", "prior_month", "prior_day", "prior_hour"];
        values.extend(names.into_iter().zip(self.hour.previous().numbers().into_iter().map(SqlValue::from)));
        sql.render_one(&values)
    }

    /// What all statements over the lines take.
    fn values(&self) -> SqlValues {
        let layout = &self.lake.layout;
        let mut values = SqlValues::from([
            ("lines_table", (&layout.lines.name).into()),
            ("raw_folder", format!("{}/", layout.lines.folder).as_str().into()),
            ("unreadable", SqlValue::Texts(self.left_out.to_vec())),
        ]);
        values.extend(Hour::KEYS.iter().copied().zip(self.hour.numbers().into_iter().map(SqlValue::from)));
        values
    }

    /// Writes the hour's rows; gives how many.
    ///
    /// # Errors
    /// The engine failed.
    pub(crate) async fn write_rows(&self, sql: &SqlFile) -> Result<(u64, Scan)> {
        let outcome = self.lake.engine.execute(&self.statement(sql, self.render(sql)?)).await?;
        Ok((outcome.rows, outcome.scan))
    }

    /// Counts the lines of each raw object over the text.
    ///
    /// # Errors
    /// The engine failed, or the answer has another form than `merge_hour_lines.sql` gives.
    pub(crate) async fn count_lines(&self) -> Result<(Lines, Scan)> {
        let file = self.lake.sql.query("merge_hour_lines")?;
        let answer = self.lake.engine.query(&self.statement(&file, file.render_one(&self.values())?)).await?;
        let mut lines = Lines::default();
        for row in &answer.rows {
            let read = || -> Option<(String, u64, u64)> {
                let [object, count, longest] = row.as_slice() else { return None };
                Some((object.clone()?, count.as_ref()?.parse().ok()?, longest.as_ref()?.parse().ok()?))
            };
            let shape = || format!("{} did not give an object and two numbers: {row:?}", file.label());
            let (object, count, longest) = read().with_context(shape)?;
            lines.by_object.insert(object, count);
            lines.longest = lines.longest.max(longest);
        }
        Ok((lines, answer.scan))
    }

    /// Counts what was written.
    ///
    /// # Errors
    /// The engine failed, or the answer has another form than `merge_hour_kinds.sql` gives.
    pub(crate) async fn count_kinds(&self) -> Result<(Kinds, Scan)> {
        let file = self.lake.sql.query("merge_hour_kinds")?;
        let values = SqlValues::from([("staging_table", self.draft.staging_value(self.lake))]);
        let answer = self.lake.engine.query(&self.statement(&file, file.render_one(&values)?)).await?;
        let mut kinds = Kinds::default();
        let (mut call_sum, mut copied) = (String::new(), String::new());
        for row in &answer.rows {
            let read = || -> Option<_> {
                let [kind, reason, numbers @ .., calls, copies] = row.as_slice() else { return None };
                let numbers: Option<Vec<u64>> = numbers.iter().map(|cell| cell.as_ref()?.parse().ok()).collect();
                Some((kind.as_deref()?, reason.clone(), numbers?, calls.clone()?, copies.clone()?))
            };
            let shape = || format!("{} gave a row of another form: {row:?}", file.label());
            let (kind, reason, numbers, calls, copies) = read().with_context(shape)?;
            let &[rows, lines, unreadable, keys] = numbers.as_slice() else { anyhow::bail!(shape()) };
            match kind {
                "call" => (kinds.calls, call_sum) = (rows, calls),
                "copy" => (kinds.copies, copied) = (rows, format!("{keys} {copies}")),
                "malformed" => {
                    kinds.malformed += rows;
                    *kinds.reasons.entry(reason.unwrap_or_default()).or_default() += rows;
                }
                _ => anyhow::bail!(shape()),
            }
            kinds.lines += lines;
            kinds.unreadable_values += unreadable;
        }
        kinds.sums = format!("{call_sum}/{copied}");
        Ok((kinds, answer.scan))
    }

    fn statement(&self, file: &SqlFile, sql: String) -> Statement {
        Statement { label: file.label(), sql, database: self.lake.config.database.clone(), token: self.draft.token() }
    }
}
