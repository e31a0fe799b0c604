//! What our few statements mean, over objects of one text a line.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use meterlake_core::catalog::{Catalog, Partition, PartitionFilter, StorageFormat, Table};
use meterlake_core::engine::{Engine, Outcome, Rows, Scan, Statement};
use meterlake_core::location::Location;
use meterlake_core::names::TableName;
use meterlake_core::store::{Store, visible_objects};

use super::Process;

/// A SQL file that says what it is given, a line a parameter, under the head of the real one.
pub(super) fn what_it_is_given(text: &str) -> String {
    let head: Vec<&str> = text.lines().take_while(|line| line.starts_with("--")).collect();
    let mut file = head.join("\n") + "\n\n";
    let name = head[0].trim_start_matches("-- name:").trim();
    writeln!(file, "statement = {name}").expect("a text");
    for line in &head {
        let Some((parameter, rest)) = line.strip_prefix("--   ").and_then(|line| line.split_once(" (")) else {
            continue;
        };
        if parameter.contains(' ') {
            continue;
        }
        let is_list = rest.starts_with("texts)") || rest.starts_with("names)");
        let value = if is_list {
            format!("{{% for one in {parameter} %}}{{{{ one }}}}, {{% endfor %}}")
        } else {
            format!("{{{{ {parameter} }}}}")
        };
        writeln!(file, "{parameter} = {value}").expect("a text");
    }
    file
}

/// The values that a statement was given.
pub(super) struct Given(BTreeMap<String, String>);

impl Given {
    pub(super) fn read(sql: &str) -> Self {
        let pairs = sql.lines().filter_map(|line| line.split_once(" = "));
        Self(pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect())
    }

    pub(super) fn raw(&self, key: &str) -> Result<&str> {
        self.0.get(key).map(String::as_str).with_context(|| format!("the statement was not given {key}"))
    }

    pub(super) fn text(&self, key: &str) -> Result<String> {
        Ok(unquoted(self.raw(key)?))
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>> {
        let texts = self.raw(key).unwrap_or_default().split(',').map(|text| unquoted(text.trim()));
        Ok(texts.filter(|text| !text.is_empty()).collect())
    }

    pub(super) fn number(&self, key: &str) -> Result<i64> {
        Ok(self.raw(key)?.parse()?)
    }

    pub(super) fn table(&self, key: &str) -> Result<TableName> {
        let name = self.raw(key)?.replace('"', "");
        let (database, table) = name.split_once('.').context("a qualified name")?;
        Ok(TableName::new(database.parse()?, table.parse()?))
    }

    fn filter(&self, keys: &[(&str, &str)]) -> Result<PartitionFilter> {
        keys.iter().try_fold(PartitionFilter::default(), |filter, (key, parameter)| {
            let number = self.number(parameter)?;
            Ok(filter.and(key, number, number))
        })
    }
}

fn unquoted(literal: &str) -> String {
    literal.trim_matches('\'').replace("''", "'")
}

const HOUR: [(&str, &str); 4] = [("year", "year"), ("month", "month"), ("day", "day"), ("hour", "hour")];
const PRIOR: [(&str, &str); 4] =
    [("year", "prior_year"), ("month", "prior_month"), ("day", "prior_day"), ("hour", "prior_hour")];

/// The text of a row, which is an object's name and a line.
pub(super) fn line_of(row: &str) -> &str {
    row.split_once('\t').map_or(row, |(_, line)| line)
}

impl Process {
    /// The lines of the objects in a folder, each behind its object's path.
    pub(super) async fn rows_in(&self, folder: &Location) -> Result<Vec<(Location, String)>> {
        let mut rows = Vec::new();
        for object in visible_objects(self, folder).await? {
            // An object that goes between the listing and the read fails the query, as on Athena.
            let content = self.read(&object.location).await?.context("HIVE_CANNOT_OPEN_SPLIT: no such key")?;
            let text = String::from_utf8(content)?;
            rows.extend(text.lines().map(|line| (object.location.clone(), line.to_owned())));
        }
        Ok(rows)
    }

    /// The rows of those partitions that pass, of these generations.
    async fn published(&self, table: &TableName, filter: &PartitionFilter, given: &Given) -> Result<Vec<String>> {
        let generations = given.texts("generations")?;
        let is_seen = |path: &Location| generations.iter().any(|one| path.as_str().contains(&format!("/run={one}/")));
        let mut rows = Vec::new();
        let partitions: Vec<Partition> = Catalog::partitions(self, table, filter).await?;
        for partition in partitions {
            let found = self.rows_in(&partition.location).await?;
            rows.extend(found.into_iter().filter(|(path, _)| is_seen(path)).map(|(_, row)| row));
        }
        Ok(rows)
    }

    /// The lines of an hour that are not blank, each behind its object.
    async fn lines(&self, given: &Given) -> Result<Vec<(String, String)>> {
        let (raw, unreadable) = (given.text("raw_folder")?, given.texts("unreadable")?);
        let mut lines = Vec::new();
        for partition in Catalog::partitions(self, &given.table("lines_table")?, &given.filter(&HOUR)?).await? {
            for (path, line) in self.rows_in(&partition.location).await? {
                if !line.trim().is_empty() && !unreadable.contains(&path.to_string()) {
                    lines.push((path.as_str().trim_start_matches(&raw).to_owned(), line));
                }
            }
        }
        Ok(lines)
    }

    async fn merge_hour(&self, given: &Given) -> Result<u64> {
        let mut known = BTreeSet::new();
        for table in ["calls_table", "copies_table"] {
            let before = self.published(&given.table(table)?, &given.filter(&PRIOR)?, given).await?;
            known.extend(before.iter().map(|row| line_of(row).to_owned()));
        }
        let mut kinds: BTreeMap<&str, String> = BTreeMap::new();
        let lines = self.lines(given).await?;
        for (object, line) in &lines {
            let kind = match line.starts_with('{') {
                false => "malformed",
                true if known.insert(line.clone()) => "call",
                true => "copy",
            };
            writeln!(kinds.entry(kind).or_default(), "{object}\t{line}")?;
        }
        let location: Location = given.text("location")?.parse()?;
        for (kind, rows) in kinds {
            self.write(&location.join(&format!("kind={kind}/part.txt")), rows.as_bytes()).await?;
        }
        self.stage(given, location).await?;
        Ok(lines.len() as u64)
    }

    async fn stage(&self, given: &Given, location: Location) -> Result<()> {
        let table = Table {
            name: given.table("staging_table")?,
            columns: Vec::new(),
            partition_keys: Vec::new(),
            location,
            format: StorageFormat::default(),
            parameters: Default::default(),
        };
        if !self.create_table(&table).await? {
            bail!("TABLE_ALREADY_EXISTS: {}", table.name);
        }
        Ok(())
    }

    async fn staged(&self, given: &Given) -> Result<Vec<(Location, String)>> {
        let name = given.table("staging_table")?;
        let table = Catalog::table(self, &name).await?.with_context(|| format!("TABLE_NOT_FOUND: {name}"))?;
        self.rows_in(&table.location).await
    }

    async fn usage_daily(&self, given: &Given) -> Result<u64> {
        let day = given.filter(&HOUR[..3])?;
        let calls = self.published(&given.table("merged_table")?, &day, given).await?;
        let location: Location = given.text("location")?.parse()?;
        let rows: Vec<String> = calls.iter().map(|row| format!("{}\n", line_of(row))).collect();
        self.write(&location.join("part.txt"), rows.concat().as_bytes()).await?;
        self.stage(given, location).await?;
        Ok(rows.len() as u64)
    }

    async fn kinds(&self, given: &Given) -> Result<Vec<Vec<String>>> {
        let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (path, row) in self.staged(given).await? {
            let kind = path.parent().name().trim_start_matches("kind=").to_owned();
            kinds.entry(kind).or_default().push(line_of(&row).to_owned());
        }
        let row = |(kind, mut lines): (String, Vec<String>)| {
            let count = lines.len().to_string();
            lines.sort();
            let calls = if kind == "call" { lines.join("|") } else { "0".to_owned() };
            lines.dedup();
            let (keys, copies) = match kind.as_str() {
                "copy" => (lines.len(), lines.join("|")),
                _ => (0, "0".to_owned()),
            };
            let reason = if kind == "malformed" { "no JSON object" } else { "" };
            vec![kind, reason.to_owned(), count.clone(), count, "0".to_owned(), keys.to_string(), calls, copies]
        };
        Ok(kinds.into_iter().map(row).collect())
    }
}

#[async_trait]
impl Engine for Process {
    async fn execute(&self, statement: &Statement) -> Result<Outcome> {
        let given = Given::read(&statement.sql);
        let rows = match given.raw("statement")? {
            "merge_hour" => self.merge_hour(&given).await?,
            "usage_daily" => self.usage_daily(&given).await?,
            "usage_month" => self.usage_month(&given).await?,
            other => bail!("nobody knows what {other} means"),
        };
        Ok(Outcome { rows, scan: Scan::default() })
    }

    async fn query(&self, statement: &Statement) -> Result<Rows> {
        let given = Given::read(&statement.sql);
        let rows = match given.raw("statement")? {
            "merge_hour_lines" => {
                let mut objects: BTreeMap<String, u64> = BTreeMap::new();
                for (object, _) in self.lines(&given).await? {
                    *objects.entry(object).or_default() += 1;
                }
                objects.into_iter().map(|(object, lines)| vec![object, lines.to_string(), "1".to_owned()]).collect()
            }
            "merge_hour_kinds" => self.kinds(&given).await?,
            "usage_daily_totals" => {
                let rows = self.staged(&given).await?.len().to_string();
                vec![vec![rows.clone(), rows, "0".to_owned()]]
            }
            "usage_too_late" => vec![self.usage_too_late(&given).await?],
            other => bail!("nobody knows what {other} means"),
        };
        let cell = |cell: String| Some(cell).filter(|cell| !cell.is_empty());
        let rows = rows.into_iter().map(|row| row.into_iter().map(cell).collect()).collect();
        Ok(Rows { columns: Vec::new(), rows, scan: Scan::default() })
    }
}
