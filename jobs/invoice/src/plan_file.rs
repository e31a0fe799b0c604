//! The plan file of a run: where it is, what it says, and which meters it may price.

use std::collections::BTreeSet;

use anyhow::{Context, Result, anyhow, bail};
use meterlake_core::catalog::Table;
use meterlake_core::generation::sha256;
use meterlake_core::lake::Lake;
use meterlake_core::location::Location;
use meterlake_core::store::{LocalStore, Store};

use crate::plans::{METER_DECIMALS, Plans};

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
        let text = Plans::text(&file, content)?;
        let meters = meters.iter().map(String::as_str).collect();
        let plans = Plans::parse(&file, &text, &meters)?;
        Ok(Self { location: location.clone(), sha256: sha256(text.as_bytes()), text, plans })
    }
}

/// The meters of a usage table: its columns of whole numbers and decimals. Floats are none: their sum depends on the
/// order in which they are added. Decimals with more digits than a line's quantity has are none either.
pub(crate) fn meters(usage: &Table) -> BTreeSet<String> {
    let is_exact = |data_type: &str| {
        ["tinyint", "smallint", "int", "integer", "bigint"].contains(&data_type)
            || scale(data_type).is_some_and(|scale| scale <= METER_DECIMALS)
    };
    let columns = usage.columns.iter().filter(|column| is_exact(&column.data_type));
    columns.map(|column| column.name.clone()).collect()
}

/// The digits after the point of a decimal type, such as `decimal(20,4)`; none for another type.
fn scale(data_type: &str) -> Option<u32> {
    let precision_and_scale = data_type.strip_prefix("decimal")?.trim().trim_start_matches('(').trim_end_matches(')');
    match precision_and_scale.split_once(',') {
        Some((_, scale)) => scale.trim().parse().ok(),
        None => Some(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_type_has_a_scale() {
        let scales = ["decimal(20,4)", "decimal(38, 18)", "decimal(5)", "decimal", "double", "string"].map(scale);
        assert_eq!(scales, [Some(4), Some(18), Some(0), Some(0), None, None]);
    }
}
