//! The plan file of a run: where it is, what it says, and which meters it may price.

use std::collections::BTreeSet;

use anyhow::{Context, Result, anyhow, bail};
use meterlake_core::catalog::Table;
use meterlake_core::generation::sha256;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::store::{LocalStore, Store};

use crate::plans::Plans;

/// A plan file that was read and is sound.
#[derive(Debug, Clone)]
pub(crate) struct PlanFile {
    pub(crate) location: Location,
    pub(crate) text: String,
    /// Of its text, hexadecimal.
    pub(crate) sha256: String,
    pub(crate) plans: Plans,
}

impl PlanFile {
    /// Reads the plan file, which may lie outside the lake; `meters` are the columns that it may price.
    pub(crate) async fn read(lake: &Lake, location: &Location, meters: &BTreeSet<String>) -> Result<Self> {
        let content = match location.to_path() {
            Some(_) => LocalStore.read(location).await,
            None if lake.config.lake.to_path().is_some() => {
                bail!("the plans {location} are on S3 and the lake is not: copy the file, and name it with --plans")
            }
            None => lake.store.read(location).await,
        };
        let content = content.with_context(|| format!("cannot read the plans {location}"))?;
        let content = content.ok_or_else(|| {
            anyhow!("there is no plan file at {location}: name one with --plans or the setting billing.plans")
        })?;
        Self::parse(location, content, meters)
    }

    pub(crate) fn parse(location: &Location, content: Vec<u8>, meters: &BTreeSet<String>) -> Result<Self> {
        let file = location.to_path().map_or_else(|| location.to_string(), |path| path.display().to_string());
        let text = String::from_utf8(content).with_context(|| format!("the plans {file} are not UTF-8"))?;
        let meters = meters.iter().map(String::as_str).collect();
        let plans = Plans::parse(&file, &text, &meters)?;
        Ok(Self { location: location.clone(), sha256: sha256(text.as_bytes()), text, plans })
    }
}

/// The meters of a usage table: its columns of whole numbers and decimals. Floats are none: their sum depends on the
/// order in which they are added.
pub(crate) fn meters(usage: &Table) -> BTreeSet<String> {
    let is_exact = |data_type: &str| {
        ["tinyint", "smallint", "int", "integer", "bigint"].contains(&data_type) || data_type.starts_with("decimal")
    };
    let columns = usage.columns.iter().filter(|column| is_exact(&column.data_type));
    columns.map(|column| column.name.clone()).collect()
}
