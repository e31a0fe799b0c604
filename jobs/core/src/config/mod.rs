//! The configuration: flag > environment (`METERLAKE_…`) > file (`meterlake.toml`) > default.

mod gates;
mod ranges;
mod settings;

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::{Context, Result, anyhow, bail};
use toml::{Table, Value};

use crate::layout::{Layout, TableLayout};
use crate::names::{Name, TableName};

pub use gates::{GatesConfig, Limit};
pub use ranges::{AGGREGATE_LOOKBACK, Bounds, MERGE_LOOKBACK};
pub use settings::{
    AggregateConfig, AthenaConfig, BillingConfig, Config, EmbeddedConfig, EngineKind, Glued, MergeConfig, RawConfig,
    RepairConfig, TableFolders, TableNames,
};

/// The file that is looked for from the current folder upwards.
pub const FILE_NAME: &str = "meterlake.toml";
const PLANS_FILE: &str = "plans.toml";
/// The setting that has no default, so that a table of the defaults lacks it.
const WITHOUT_DEFAULT: &str = "aggregate.lookback";
const ENVIRONMENT_PREFIX: &str = "METERLAKE_";
/// Variables of that prefix that are no settings: where the file is, what to log, and what `loadgen` keeps secret.
const NOT_SETTINGS: [&str; 4] = ["METERLAKE_CONFIG", "METERLAKE_LOG", "METERLAKE_PASSWORD", "METERLAKE_TOKEN"];

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
            let billing = table.entry("billing").or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(billing) = billing {
                billing.entry("plans").or_insert_with(|| Value::from(PLANS_FILE));
                make_absolute(billing.get_mut("plans"), &folder);
            }
            for key in ["lake", "sql"] {
                make_absolute(table.get_mut(key), &folder);
            }
            deserialize(table)
        };
        read().with_context(|| format!("the configuration {} is wrong", file.display()))
    }

    /// The configuration with one setting changed.
    fn with(&self, key: &str, text: &str) -> Result<Self> {
        let mut config = self.clone();
        if key == WITHOUT_DEFAULT {
            config.aggregate.lookback.get_or_insert_default();
        }
        let mut table = Value::try_from(config)?;
        let slot = key.split('.').try_fold(&mut table, |value, segment| value.get_mut(segment));
        match slot {
            Some(Value::Integer(number)) => {
                *number = text.parse().map_err(|_| anyhow!("`{text}` is not a whole number"))?;
            }
            Some(Value::Boolean(switch)) => {
                *switch = text.parse().map_err(|_| anyhow!("`{text}` is neither true nor false"))?;
            }
            Some(value) => *value = Value::from(text),
            None => bail!("`{key}` is no setting"),
        }
        deserialize(table.try_into()?)
    }

    fn check(&self) -> Result<()> {
        let (copies, malformed) =
            (format!("{}-copies", self.folders.merged), format!("{}-malformed", self.folders.merged));
        let folders = [
            ("folders.raw", &self.folders.raw),
            ("folders.merged", &self.folders.merged),
            ("folders.merged with -copies", &copies),
            ("folders.merged with -malformed", &malformed),
            ("folders.usage_daily", &self.folders.usage_daily),
            ("folders.invoices", &self.folders.invoices),
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
            ("tables.lines", &self.tables.lines),
            ("tables.merged", &self.tables.merged),
            ("tables.copies", &self.tables.copies),
            ("tables.malformed", &self.tables.malformed),
            ("tables.usage_daily", &self.tables.usage_daily),
            ("tables.invoices", &self.tables.invoices),
            ("tables.line_items", &self.tables.line_items),
        ];
        for (at, (key, table)) in tables.iter().enumerate() {
            if let Some((other, _)) = tables[..at].iter().find(|(_, name)| name == table) {
                bail!("the settings `{other}` and `{key}` are the same: give each table its own name");
            }
        }
        self.billing.zone()?;
        self.gates.check()
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
            lines: table(&self.tables.lines, &self.folders.raw),
            merged: table(&self.tables.merged, &self.folders.merged),
            // Folders of their own, in which MSCK REPAIR TABLE finds nothing.
            copies: table(&self.tables.copies, &format!("{}-copies", self.folders.merged)),
            malformed: table(&self.tables.malformed, &format!("{}-malformed", self.folders.merged)),
            usage_daily: table(&self.tables.usage_daily, &self.folders.usage_daily),
            invoices: table(&self.tables.invoices, &self.folders.invoices),
            line_items: table(&self.tables.line_items, &self.folders.invoices),
        }
    }
}

/// A path in the file is relative to the file's folder.
fn make_absolute(value: Option<&mut Value>, folder: &Path) {
    if let Some(Value::String(path)) = value
        && !path.contains("://")
        && !path.is_empty()
    {
        *path = folder.join(&*path).to_string_lossy().into_owned();
    }
}

fn deserialize(table: Table) -> Result<Config> {
    ranges::check(&table)?;
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
    let mut keys = vec![WITHOUT_DEFAULT.to_owned()];
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
    fn a_switch_is_true_or_false() {
        let set = |text| assemble("", &[("METERLAKE_ATHENA_STOP_ON_EXIT", text)], &[]);
        assert!(set("true").unwrap().athena.stop_on_exit);
        assert!(!set("false").unwrap().athena.stop_on_exit);
        assert!(format!("{:#}", set("yes").unwrap_err()).contains("neither true nor false"));
        assert!(assemble("[athena]\nstop_on_exit = true", &[], &[]).unwrap().athena.stop_on_exit);
    }

    #[test]
    fn a_setting_without_a_default_is_given_like_any_other() {
        let lookback = |variables: &[(&str, &str)], overrides: &[(&str, &str)]| {
            assemble("", variables, overrides).unwrap().aggregate.lookback
        };
        assert_eq!(lookback(&[], &[("database", "a")]), None);
        assert_eq!(lookback(&[("METERLAKE_AGGREGATE_LOOKBACK", "5")], &[]), Some(5));
        assert_eq!(lookback(&[("METERLAKE_AGGREGATE_LOOKBACK", "5")], &[(WITHOUT_DEFAULT, "6")]), Some(6));
        assert!(assemble("", &[], &[(WITHOUT_DEFAULT, "1101")]).is_err());
    }

    #[test]
    fn athena_is_an_engine_with_settings() {
        let file = "engine = 'athena'\n[athena]\nworkgroup = 'metering'";
        let config = assemble(file, &[], &[("athena.price_per_tb", "6.25")]).unwrap();
        assert_eq!(config.engine, EngineKind::Athena);
        let athena = AthenaConfig {
            workgroup: "metering".to_owned(),
            price_per_tb: "6.25".to_owned(),
            ..AthenaConfig::default()
        };
        assert_eq!(config.athena, athena);
    }

    #[test]
    fn an_error_names_the_key_and_where_it_was_set() {
        let message = |result: Result<Config>| format!("{:#}", result.unwrap_err());
        assert!(message(assemble("lakes = 'x'", &[], &[])).contains("lakes"));
        assert!(message(assemble("[merge]\nlookback = -1", &[], &[])).contains("merge.lookback"));
        assert!(message(assemble("[billing]\nadjust_months = 99999", &[], &[])).contains("give 0 to 36 months"));
        let lookback = message(assemble("", &[("METERLAKE_MERGE_LOOKBACK", "3000000000")], &[]));
        assert!(lookback.contains("METERLAKE_MERGE_LOOKBACK") && lookback.contains("0 to 8784 hours"), "{lookback}");
        assert!(message(assemble("vacuum_after = 'soon'", &[], &[])).contains("vacuum_after"));
        assert!(message(assemble("", &[], &[("vacuum_after", "367d")])).contains("vacuum_after"));
        assert!(message(assemble("lake = ", &[], &[])).contains(FILE_NAME));
        assert!(message(assemble("", &[("METERLAKE_TABLES_RAW", "a b")], &[])).contains("METERLAKE_TABLES_RAW"));
        assert!(message(assemble("", &[], &[("tables.rew", "x")])).contains("tables.rew"));
        assert!(message(assemble("", &[], &[("engine", "spark")])).contains("embedded"));
        assert!(message(assemble("", &[], &[("folders.merged", "json-data/x")])).contains("folders.merged"));
        assert!(message(assemble("", &[], &[("folders.raw", "../x")])).contains("folders.raw"));
        assert!(message(assemble("[gates]\nmalformed_percent = '200'", &[], &[])).contains("gates.malformed_percent"));
    }
}
