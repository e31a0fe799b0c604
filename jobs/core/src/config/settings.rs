//! Every setting, with its default.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, anyhow};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::gates::GatesConfig;
use crate::location::Location;
use crate::names::Name;

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
    /// What the raw access log is like.
    pub raw: RawConfig,
    /// Settings of the embedded engine.
    pub embedded: EmbeddedConfig,
    /// Settings of the engine Athena.
    pub athena: AthenaConfig,
    /// Settings of the job `merge`.
    pub merge: MergeConfig,
    /// Settings of the job `repair`.
    pub repair: RepairConfig,
    /// Settings of the job `aggregate`.
    pub aggregate: AggregateConfig,
    /// What billing goes by.
    pub billing: BillingConfig,
    /// What keeps a month from being made final.
    pub gates: GatesConfig,
}

/// What runs the SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Apache DataFusion, in process.
    Embedded,
    /// Amazon Athena.
    Athena,
}

/// The tables' names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableNames {
    /// The access log as it comes, as JSON: for people to look at.
    pub raw: Name,
    /// The same objects as lines of text.
    pub lines: Name,
    /// The access log merged.
    pub merged: Name,
    /// The copies that merging left out.
    pub copies: Name,
    /// The lines that are no records.
    pub malformed: Name,
    /// Usage per user and day.
    pub usage_daily: Name,
    /// Invoices.
    pub invoices: Name,
    /// Their lines.
    pub line_items: Name,
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
    /// Where `invoice` writes.
    pub invoices: String,
}

/// What the raw access log is like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    /// What two records on one line are.
    pub glued: Glued,
}

/// What two records on one line are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Glued {
    /// Two records: the log's format ends them with no line end.
    Split,
    /// One record that a client wrote another one into: the log's format ends every record with a line end.
    Malformed,
}

impl Glued {
    /// As the setting has it, and the SQL files.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Split => "split",
            Self::Malformed => "malformed",
        }
    }
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

/// Settings of the engine Athena.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AthenaConfig {
    /// The workgroup that queries run in.
    pub workgroup: String,
    /// Where Athena keeps the results of queries, `s3://bucket/folder`; empty: where the workgroup says.
    pub output: String,
    /// The price of scanning one TB, in dollars: a decimal.
    pub price_per_tb: String,
    /// Whether a program that is stopped stops its running query too.
    pub stop_on_exit: bool,
}

/// Settings of the job `merge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MergeConfig {
    /// How many earlier hours are looked at again. Firehose tries for 24, after up to 15 minutes of buffering.
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AggregateConfig {
    /// How many earlier days are looked at again. `None`: as far back as invoice adjusts.
    pub lookback: Option<u32>,
}

/// What billing goes by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BillingConfig {
    /// The time zone in which a call's day is told, as an IANA name.
    pub time_zone: String,
    /// The plan file: a path, `file:///path` or `s3://bucket/key`.
    pub plans: Location,
    /// How many final months an invoice adjusts for usage that turned up later.
    pub adjust_months: u32,
    /// How many days after a month must be aggregated too before it can be finalized.
    pub grace_days: u32,
    /// Who sends the invoices.
    pub provider: String,
    /// What they are for.
    pub service: String,
}

impl BillingConfig {
    /// The time zone.
    ///
    /// # Errors
    /// It is no IANA name.
    pub fn zone(&self) -> Result<Tz> {
        self.time_zone.parse().map_err(|_| {
            anyhow!(
                "the setting `billing.time_zone` is `{}`: give an IANA name such as UTC or Asia/Seoul",
                self.time_zone
            )
        })
    }
}

// The defaults' names are constants that the tests check; a wrong one cannot reach a user.
#[allow(clippy::expect_used)]
fn name(text: &str) -> Name {
    text.parse().expect("a default name is a name")
}

fn below_current_folder(name: &str) -> Location {
    Location::from_path(Path::new(name)).unwrap_or_else(|_| Location::root())
}

impl Default for Config {
    fn default() -> Self {
        Self {
            lake: below_current_folder("lake"),
            engine: EngineKind::Embedded,
            sql: PathBuf::new(),
            database: name("metering"),
            vacuum_after: Duration::from_secs(3600),
            tables: TableNames::default(),
            folders: TableFolders::default(),
            raw: RawConfig::default(),
            embedded: EmbeddedConfig::default(),
            athena: AthenaConfig::default(),
            merge: MergeConfig::default(),
            repair: RepairConfig::default(),
            aggregate: AggregateConfig::default(),
            billing: BillingConfig::default(),
            gates: GatesConfig::default(),
        }
    }
}

impl Default for TableNames {
    fn default() -> Self {
        Self {
            raw: name("restapi_access_log_json"),
            lines: name("restapi_access_log_lines"),
            merged: name("restapi_access_log_parquet"),
            copies: name("restapi_access_log_copies"),
            malformed: name("restapi_access_log_malformed"),
            usage_daily: name("usage_daily"),
            invoices: name("invoices"),
            line_items: name("line_items"),
        }
    }
}

impl Default for TableFolders {
    fn default() -> Self {
        let [raw, merged, usage_daily, invoices] =
            ["json-data", "parquet-data", "usage-daily", "invoices"].map(str::to_owned);
        Self { raw, merged, usage_daily, invoices }
    }
}

impl Default for RawConfig {
    fn default() -> Self {
        Self { glued: Glued::Split }
    }
}

impl Default for EmbeddedConfig {
    fn default() -> Self {
        Self { memory_mib: 512, threads: 0 }
    }
}

impl Default for AthenaConfig {
    fn default() -> Self {
        Self {
            workgroup: "primary".to_owned(),
            output: String::new(),
            price_per_tb: "5".to_owned(),
            stop_on_exit: false,
        }
    }
}

impl Default for MergeConfig {
    fn default() -> Self {
        Self { lookback: 26 }
    }
}

impl Default for RepairConfig {
    fn default() -> Self {
        Self { hours: 48 }
    }
}

impl Default for BillingConfig {
    fn default() -> Self {
        Self {
            time_zone: "UTC".to_owned(),
            plans: below_current_folder(super::PLANS_FILE),
            adjust_months: 3,
            grace_days: 2,
            provider: "The API provider".to_owned(),
            service: "API".to_owned(),
        }
    }
}

mod human_duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::config::ranges::LONGEST_VACUUM_AFTER;

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        let duration = humantime::parse_duration(&text)
            .map_err(|_| D::Error::custom(format!("`{text}` is no duration: write it like 1h, 90m or 0s")))?;
        if duration > LONGEST_VACUUM_AFTER {
            return Err(D::Error::custom(format!("`{text}` is too long: give at most 366 days, such as 1h or 30d")));
        }
        Ok(duration)
    }
}
