//! The list of schedules, `schedules/schedules.toml`. What is wrong with it is said with its line.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use crate::expression::Expression;
use crate::firings::firings;
use crate::jobs::{Args, JOBS, Known, flags};

/// Where the list lies, below the current folder or one above it.
pub const FILE: &str = "schedules/schedules.toml";
const BUILT_IN: &str = include_str!("../../../schedules/schedules.toml");

/// The list.
#[derive(Debug)]
pub struct Schedules {
    /// The file that it was read from, for messages.
    pub file: String,
    /// Its entries, in the file's order.
    pub entries: Vec<Entry>,
    /// The places of all entries, each behind those that it needs first.
    order: Vec<usize>,
}

/// When a job runs, and with what.
#[derive(Debug)]
pub struct Entry {
    /// Its name, which no other entry has.
    pub name: String,
    /// The job.
    pub job: &'static Known,
    /// When, on the clock of `zone`.
    pub expression: Expression,
    /// The time zone.
    pub zone: Tz,
    /// What the job is given.
    pub args: Args,
    /// The places of the entries that it needs first.
    pub after: Vec<usize>,
    /// Where it stands in the file, from 1.
    pub line: usize,
}

/// An entry that is due at a time.
#[derive(Debug, Clone, Copy)]
pub struct Firing<'a> {
    /// When.
    pub at: DateTime<Utc>,
    /// The place of the entry.
    pub place: usize,
    /// The entry.
    pub entry: &'a Entry,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawList {
    schedule: Vec<Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    name: Spanned<String>,
    job: Spanned<String>,
    cron: Spanned<String>,
    time_zone: Option<Spanned<String>>,
    #[serde(default)]
    after: Vec<Spanned<String>>,
    args: Option<Spanned<toml::Table>>,
}

impl Entry {
    /// The times after `after` at which it is due, in order.
    pub fn due_after(&self, after: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> + use<> {
        firings(&self.expression, self.zone, after)
    }

    /// The job's arguments on a command line.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        flags(&self.args)
    }
}

impl Schedules {
    /// Reads a file; without one, `schedules/schedules.toml` in the current folder or one above it; without that, what
    /// is built into this program.
    ///
    /// # Errors
    /// The file cannot be read or something in it is wrong; the error says where.
    pub fn load(file: Option<&Path>) -> Result<Self> {
        let found = match file {
            Some(file) => Some(file.to_owned()),
            None => find()?,
        };
        let Some(file) = found else { return Self::built_in() };
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read the schedules {}", file.display()))?;
        Self::parse(&file.display().to_string(), &text)
    }

    /// The list that is built into this program.
    ///
    /// # Errors
    /// None, as a test sees to it.
    pub fn built_in() -> Result<Self> {
        Self::parse(&format!("{FILE} (built in)"), BUILT_IN)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Something is wrong; the error begins with `file:line:`.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        Reader { text }.read(file).map_err(|Fault { at, problem }| {
            let line = line_of(text, at);
            anyhow!("{file}:{line}: {}", problem.split_whitespace().collect::<Vec<_>>().join(" "))
        })
    }

    /// All that is due after a time, in order; at the same time, what is needed first comes first.
    pub fn due_after(&self, after: DateTime<Utc>) -> impl Iterator<Item = Firing<'_>> {
        let upcoming = |place: &usize| (*place, self.entries[*place].due_after(after).peekable());
        let mut upcoming: Vec<_> = self.order.iter().map(upcoming).collect();
        std::iter::from_fn(move || {
            let first = upcoming.iter_mut().filter_map(|(place, times)| Some((*times.peek()?, *place)));
            // The first of several least ones, so the order stays.
            let (at, place) = first.min_by_key(|(at, _)| *at)?;
            upcoming.iter_mut().find(|(other, _)| *other == place)?.1.next();
            Some(Firing { at, place, entry: &self.entries[place] })
        })
    }

    /// Where an entry stands among those that need each other.
    #[must_use]
    pub fn rank(&self, place: usize) -> usize {
        self.order.iter().position(|other| *other == place).unwrap_or(place)
    }

    /// The jobs of the list, each once.
    #[must_use]
    pub fn jobs(&self) -> Vec<&'static Known> {
        JOBS.iter().filter(|job| self.entries.iter().any(|entry| entry.job.name == job.name)).collect()
    }

    /// The line of an entry, as errors begin.
    #[must_use]
    pub fn place_of(&self, entry: &Entry) -> String {
        format!("{}:{}", self.file, entry.line)
    }
}

fn find() -> Result<Option<PathBuf>> {
    let folder = std::env::current_dir().context("cannot tell the current folder")?;
    Ok(folder.ancestors().map(|folder| folder.join(FILE)).find(|file| file.is_file()))
}

/// Something wrong, at a byte of the text.
struct Fault {
    at: usize,
    problem: String,
}

struct Reader<'t> {
    text: &'t str,
}

impl Reader<'_> {
    fn read(&self, file: &str) -> Result<Schedules, Fault> {
        let list: RawList = toml::from_str(self.text).map_err(|error| Fault {
            at: error.span().map_or(0, |span| span.start),
            problem: error.message().to_owned(),
        })?;
        if list.schedule.is_empty() {
            return Err(Fault { at: 0, problem: "there is no entry".to_owned() });
        }
        let names: Vec<&str> = list.schedule.iter().map(|raw| raw.get_ref().name.get_ref().as_str()).collect();
        let entries: Vec<Entry> = list
            .schedule
            .iter()
            .enumerate()
            .map(|(place, raw)| self.entry(place, raw, &names))
            .collect::<Result<_, _>>()?;
        let order = order(&entries).map_err(|place| Fault {
            at: list.schedule[place].get_ref().after.first().map_or(0, |name| name.span().start),
            problem: format!("`{}` needs itself first, by way of `after`", names[place]),
        })?;
        Ok(Schedules { file: file.to_owned(), entries, order })
    }

    fn entry(&self, place: usize, raw: &Spanned<RawEntry>, names: &[&str]) -> Result<Entry, Fault> {
        let line = line_of(self.text, raw.span().start);
        let raw = raw.get_ref();
        let name = raw.name.get_ref();
        let is_sound = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_sound) {
            return Err(fault(&raw.name, format!("`{name}` is no name: use 1 to 64 letters, digits and `-`")));
        }
        if names[..place].contains(&name.as_str()) {
            return Err(fault(&raw.name, format!("there are two entries `{name}`: give each its own name")));
        }
        let job = Known::of_name(raw.job.get_ref()).ok_or_else(|| {
            let known: Vec<&str> = JOBS.iter().map(|job| job.name).collect();
            fault(
                &raw.job,
                format!("`{}` is no job that can be scheduled: there are {}", raw.job.get_ref(), known.join(", ")),
            )
        })?;
        let expression: Expression =
            raw.cron.get_ref().parse().map_err(|error: anyhow::Error| fault(&raw.cron, error.to_string()))?;
        let zone = match &raw.time_zone {
            None => Tz::UTC,
            Some(zone) => zone.get_ref().parse().map_err(|_| {
                fault(zone, format!("`{}` is no time zone: write an IANA name such as Europe/Berlin", zone.get_ref()))
            })?,
        };
        if expression.is_hourly() && shifts_by_part_of_an_hour(zone) {
            let problem = "clocks change by half an hour there, so that no minute comes once an hour: use UTC";
            return Err(fault(raw.time_zone.as_ref().unwrap_or(&raw.cron), format!("{zone}: {problem}")));
        }
        let mut after = Vec::new();
        for needed in &raw.after {
            let place = names.iter().position(|name| name == needed.get_ref());
            after.push(place.ok_or_else(|| fault(needed, format!("there is no entry `{}`", needed.get_ref())))?);
        }
        let args = raw.args.as_ref().map_or_else(|| Ok(Args::new()), |args| args_of(args, job))?;
        Ok(Entry { name: name.clone(), job, expression, zone, args, after, line })
    }
}

fn args_of(args: &Spanned<toml::Table>, job: &Known) -> Result<Args, Fault> {
    let mut found = Args::new();
    for (key, value) in args.get_ref() {
        let value = match value {
            toml::Value::Boolean(switch) => Value::from(*switch),
            toml::Value::Integer(number) => Value::from(*number),
            toml::Value::String(text) => Value::from(text.as_str()),
            _ => return Err(fault(args, format!("`{key}` is neither a text, a whole number, true nor false"))),
        };
        found.insert(key.clone(), value);
    }
    job.check(&found).map_err(|error| fault(args, meterlake_core::run::one_line(&error)))?;
    Ok(found)
}

fn fault<T>(value: &Spanned<T>, problem: String) -> Fault {
    Fault { at: value.span().start, problem }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Whether summer and winter differ by no whole hours, as on Lord Howe Island.
fn shifts_by_part_of_an_hour(zone: Tz) -> bool {
    use chrono::{Offset, TimeZone};
    let offset = |month: u32| {
        let day = chrono::NaiveDate::from_ymd_opt(2024, month, 1).unwrap_or_default();
        zone.offset_from_utc_date(&day).fix().local_minus_utc()
    };
    (offset(7) - offset(1)) % 3600 != 0
}

/// The places in an order in which each comes after those that it needs; or the first that needs itself.
fn order(entries: &[Entry]) -> Result<Vec<usize>, usize> {
    if let Some(place) = (0..entries.len()).find(|place| leads_to_itself(entries, *place)) {
        return Err(place);
    }
    let mut order: Vec<usize> = Vec::new();
    while order.len() < entries.len() {
        let is_ready =
            |place: &usize| !order.contains(place) && entries[*place].after.iter().all(|needed| order.contains(needed));
        order.extend((0..entries.len()).find(is_ready));
    }
    Ok(order)
}

fn leads_to_itself(entries: &[Entry], place: usize) -> bool {
    let mut reached = BTreeSet::new();
    let mut open = entries[place].after.clone();
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(&entries[next].after);
        }
    }
    reached.contains(&place)
}

#[cfg(test)]
mod tests;
