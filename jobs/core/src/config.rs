//! The configuration: flag > environment (`METERLAKE_…`) > file (`meterlake.toml`) > default.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, anyhow, bail};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::layout::{Layout, TableLayout};
use crate::location::Location;
use crate::names::{Name, TableName};

/// The file that is looked for from the current folder upwards.
pub const FILE_NAME: &str = "meterlake.toml";
const ENVIRONMENT_PREFIX: &str = "METERLAKE_";
/// Variables of that prefix that are no settings: where the file is, and what to log.
const NOT_SETTINGS: [&str; 2] = ["METERLAKE_CONFIG", "METERLAKE_LOG"];

/// Every setting. The keys are those of `meterlake.toml`, which describes them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The lake: a folder, `file:///path` or `s3://bucket`.
    pub lake: Location,
    /// What runs the SQL.
    pub engine: EngineKind,
    /// The folder of the SQL files; empty: those built into the binary.
    pub sql: PathBuf,
    /// The database of the tables.
    pub database: Name,
    /// How long a superseded or orphaned generation is kept, from the time of publishing.
    #[serde(with = "human_duration")]
    pub vacuum_after: Duration,
    /// The tables' names.
    pub tables: TableNames,
    /// The tables' folders, below the lake.
    pub folders: TableFolders,
    /// Settings of the embedded engine.
    pub embedded: EmbeddedConfig,
    /// Settings of the job `merge`.
    pub merge: MergeConfig,
    /// Settings of the job `repair`.
    pub repair: RepairConfig,
    /// Settings of the job `aggregate`.
    pub aggregate: AggregateConfig,
    /// What billing goes by.
    pub billing: BillingConfig,
}

/// What runs the SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Apache DataFusion, in process.
    Embedded,
}

/// The tables' names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableNames {
    /// The access log as it comes.
    pub raw: Name,
    /// The access log merged.
    pub merged: Name,
    /// Usage per user and day.
    pub usage_daily: Name,
}

/// The tables' folders, below the lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableFolders {
    /// Where Firehose delivers.
    pub raw: String,
    /// Where `merge` writes.
    pub merged: String,
    /// Where `aggregate` writes.
    pub usage_daily: String,
}

/// Settings of the embedded engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EmbeddedConfig {
    /// Memory for sorts, joins and groups, in MiB; what needs more spills to disk.
    pub memory_mib: usize,
    /// Threads; 0: one per core.
    pub threads: usize,
}

/// Settings of the job `merge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MergeConfig {
    /// How many earlier hours are looked at again.
    pub lookback: u32,
}

/// Settings of the job `repair`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RepairConfig {
    /// How many of the last hours are repaired unless a range is given.
    pub hours: u32,
}

/// Settings of the job `aggregate`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AggregateConfig {
    /// How many earlier days are looked at again.
    pub lookback: u32,
}

/// What billing goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BillingConfig {
    /// The time zone in which a call's day is told, as an IANA name.
    pub time_zone: String,
}

// The defaults' names are constants that the tests check; a wrong one cannot reach a user.
#[allow(clippy::expect_used)]
fn name(text: &str) -> Name {
    text.parse().expect("a default name is a name")
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lake: Location::from_path(Path::new("lake")).unwrap_or_else(|_| Location::root()),
            engine: EngineKind::Embedded,
            sql: PathBuf::new(),
            database: name("metering"),
            vacuum_after: Duration::from_secs(3600),
            tables: TableNames::default(),
            folders: TableFolders::default(),
            embedded: EmbeddedConfig::default(),
            merge: MergeConfig::default(),
            repair: RepairConfig::default(),
            aggregate: AggregateConfig::default(),
            billing: BillingConfig::default(),
        }
    }
}

impl Default for TableNames {
    fn default() -> Self {
        Self {
            raw: name("restapi_access_log_json"),
            merged: name("restapi_access_log_parquet"),
            usage_daily: name("usage_daily"),
        }
    }
}

impl Default for TableFolders {
    fn default() -> Self {
        let [raw, merged, usage_daily] = ["json-data", "parquet-data", "usage-daily"].map(str::to_owned);
        Self { raw, merged, usage_daily }
    }
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self { memory_mib: 512, threads: 0 }
    }
}

impl Default for MergeConfig {
    fn default() -> Self {
        Self { lookback: 24 }
    }
}

impl Default for RepairConfig {
    fn default() -> Self {
        Self { hours: 48 }
    }
}

impl Default for AggregateConfig {
    fn default() -> Self {
        Self { lookback: 35 }
    }
}

impl Default for BillingConfig {
    fn default() -> Self {
        Self { time_zone: "UTC".to_owned() }
    }
}

/// One setting given on the command line: its key (`tables.raw`) and its value as text.
pub type Override = (String, String);

impl Config {
    /// Reads the file (`file`, else `meterlake.toml` in the current folder or one above it), the environment and the
    /// overrides, and checks the result.
    ///
    /// Paths in the file are relative to the file's folder, those in the environment and flags to the current one.
    ///
    /// # Errors
    /// The file cannot be read, or a setting is unknown or wrong; the error names the key and where it was set.
    pub fn load(file: Option<&Path>, overrides: &[Override]) -> Result<Self> {
        let file = match file {
            Some(file) => Some(file.to_owned()),
            None => find_file(&env::current_dir().context("cannot tell the current folder")?),
        };
        let variables = env::vars().filter(|(name, _)| name.starts_with(ENVIRONMENT_PREFIX));
        Self::assemble(file.as_deref(), variables, overrides)
    }

    fn assemble(
        file: Option<&Path>,
        variables: impl Iterator<Item = (String, String)>,
        overrides: &[Override],
    ) -> Result<Self> {
        let mut config = match file {
            Some(file) => Self::from_file(file)?,
            None => Self::default(),
        };
        let keys = keys()?;
        for (variable, text) in variables.filter(|(name, _)| !NOT_SETTINGS.contains(&name.as_str())) {
            match keys.iter().find(|key| environment_name(key) == variable) {
                Some(key) => {
                    let set = config.with(key, &text);
                    config = set.with_context(|| format!("the environment variable {variable} is wrong"))?;
                }
                None => tracing::warn!(variable, "this environment variable is no setting and was ignored"),
            }
        }
        for (key, text) in overrides {
            if !keys.contains(key) {
                bail!("`{key}` is no setting: there are {}", keys.join(", "));
            }
            config = config.with(key, text).with_context(|| format!("the setting `{key}` is wrong"))?;
        }
        config.check()?;
        Ok(config)
    }

    fn from_file(file: &Path) -> Result<Self> {
        let read = || -> Result<Self> {
            let text = fs::read_to_string(file)?;
            let mut table: Table = text.parse()?;
            let folder = std::path::absolute(file)?.parent().map(Path::to_owned).unwrap_or_default();
            table.entry("lake").or_insert_with(|| Value::from("lake"));
            for key in ["lake", "sql"] {
                if let Some(Value::String(path)) = table.get_mut(key)
                    && !path.contains("://")
                    && !path.is_empty()
                {
                    *path = folder.join(&*path).to_string_lossy().into_owned();
                }
            }
            deserialize(table)
        };
        read().with_context(|| format!("the configuration {} is wrong", file.display()))
    }

    /// The configuration with one setting changed.
    fn with(&self, key: &str, text: &str) -> Result<Self> {
        let mut table = Value::try_from(self)?;
        let slot = key.split('.').try_fold(&mut table, |value, segment| value.get_mut(segment));
        match slot {
            Some(Value::Integer(number)) => {
                *number = text.parse().map_err(|_| anyhow!("`{text}` is not a whole number"))?;
            }
            Some(value) => *value = Value::from(text),
            None => bail!("`{key}` is no setting"),
        }
        deserialize(table.try_into()?)
    }

    fn check(&self) -> Result<()> {
        let folders = [
            ("folders.raw", &self.folders.raw),
            ("folders.merged", &self.folders.merged),
            ("folders.usage_daily", &self.folders.usage_daily),
        ];
        for (key, folder) in folders {
            let sound = |segment: &str| !segment.is_empty() && segment != ".." && !segment.starts_with(['.', '_']);
            if !folder.split('/').all(sound) {
                bail!("the setting `{key}` is `{folder}`: give a folder below the lake, such as `json-data`");
            }
            let inside = |other: &str| other == folder || other.starts_with(&format!("{folder}/"));
            if let Some((other, _)) = folders.iter().find(|(other, path)| *other != key && inside(path)) {
                bail!("the settings `{key}` and `{other}` lie one in the other: give each table its own folder");
            }
        }
        let tables = [
            ("tables.raw", &self.tables.raw),
            ("tables.merged", &self.tables.merged),
            ("tables.usage_daily", &self.tables.usage_daily),
        ];
        for (at, (key, table)) in tables.iter().enumerate() {
            if let Some((other, _)) = tables[..at].iter().find(|(_, name)| name == table) {
                bail!("the settings `{other}` and `{key}` are the same: give each table its own name");
            }
        }
        if self.billing.time_zone.parse::<chrono_tz::Tz>().is_err() {
            bail!(
                "the setting `billing.time_zone` is `{}`: give an IANA name such as UTC or Asia/Seoul",
                self.billing.time_zone
            );
        }
        Ok(())
    }

    /// Where the tables lie.
    #[must_use]
    pub fn layout(&self) -> Layout {
        let table = |name: &Name, folder: &str| TableLayout {
            name: TableName::new(self.database.clone(), name.clone()),
            folder: self.lake.join(folder),
        };
        Layout {
            root: self.lake.clone(),
            raw: table(&self.tables.raw, &self.folders.raw),
            merged: table(&self.tables.merged, &self.folders.merged),
            usage_daily: table(&self.tables.usage_daily, &self.folders.usage_daily),
        }
    }
}

fn deserialize(table: Table) -> Result<Config> {
    serde_path_to_error::deserialize(table).map_err(|error| {
        let (path, problem) = (error.path().to_string(), error.inner().message().trim().to_owned());
        if path == "." { anyhow!(problem) } else { anyhow!("the setting `{path}`: {problem}") }
    })
}

/// The keys of all settings, `tables.raw` and so on.
fn keys() -> Result<Vec<String>> {
    fn collect(prefix: &str, table: &Table, keys: &mut Vec<String>) {
        for (key, value) in table {
            match value {
                Value::Table(table) => collect(&format!("{prefix}{key}."), table, keys),
                _ => keys.push(format!("{prefix}{key}")),
            }
        }
    }
    let mut keys = Vec::new();
    collect("", &Table::try_from(Config::default())?, &mut keys);
    Ok(keys)
}

/// `tables.raw` is `METERLAKE_TABLES_RAW`.
fn environment_name(key: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", key.replace('.', "_").to_uppercase())
}

fn find_file(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(FILE_NAME)).find(|file| file.is_file())
}

mod human_duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_duration(&text)
            .map_err(|_| D::Error::custom(format!("`{text}` is no duration: write it like 1h, 90m or 0s")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assemble(file: &str, variables: &[(&str, &str)], overrides: &[(&str, &str)]) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, file).unwrap();
        let owned = |(a, b): &(&str, &str)| ((*a).to_owned(), (*b).to_owned());
        let overrides: Vec<Override> = overrides.iter().map(owned).collect();
        Config::assemble(Some(&path), variables.iter().map(owned), &overrides)
    }

    #[test]
    fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
        let file = "database = 'a'\n[tables]\nraw = 'b'\n[merge]\nlookback = 1";
        let variables = [("METERLAKE_TABLES_RAW", "c"), ("METERLAKE_MERGE_LOOKBACK", "2")];
        let config = assemble(file, &variables, &[("merge.lookback", "3")]).unwrap();
        assert_eq!((config.database.as_str(), config.tables.raw.as_str(), config.merge.lookback), ("a", "c", 3));
        assert_eq!(config.tables.merged.as_str(), "restapi_access_log_parquet");
        assert_eq!(config.vacuum_after, Duration::from_secs(3600));
    }

    #[test]
    fn paths_in_the_file_are_relative_to_it() {
        let config = assemble("lake = 'data'\nsql = 'sql'", &[], &[]).unwrap();
        assert!(config.sql.is_absolute());
        assert_eq!(config.lake.to_path().unwrap().parent(), config.sql.parent());
        assert_eq!(assemble("lake = 's3://bucket'", &[], &[]).unwrap().lake.as_str(), "s3://bucket");
    }

    #[test]
    fn an_error_names_the_key_and_where_it_was_set() {
        let message = |result: Result<Config>| format!("{:#}", result.unwrap_err());
        assert!(message(assemble("lakes = 'x'", &[], &[])).contains("lakes"));
        assert!(message(assemble("[merge]\nlookback = -1", &[], &[])).contains("merge.lookback"));
        assert!(message(assemble("vacuum_after = 'soon'", &[], &[])).contains("vacuum_after"));
        assert!(message(assemble("lake = ", &[], &[])).contains(FILE_NAME));
        assert!(message(assemble("", &[("METERLAKE_TABLES_RAW", "a b")], &[])).contains("METERLAKE_TABLES_RAW"));
        assert!(message(assemble("", &[], &[("tables.rew", "x")])).contains("tables.rew"));
        assert!(message(assemble("", &[], &[("engine", "spark")])).contains("embedded"));
        assert!(message(assemble("", &[], &[("folders.merged", "json-data/x")])).contains("folders.merged"));
        assert!(message(assemble("", &[], &[("folders.raw", "../x")])).contains("folders.raw"));
    }
}
