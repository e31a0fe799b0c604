//! The arguments of `invoice quote`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Result, anyhow, bail};
use meterlake_core::period::Day;
use meterlake_core::run::{OutputFormat, WrongArguments};
use rust_decimal::Decimal;

use crate::plans::parse_number;

/// What to quote.
#[derive(Debug, Clone, clap::Args)]
pub struct QuoteArgs {
    /// The plan file
    #[arg(long, value_name = "FILE")]
    pub plans: PathBuf,
    /// The plan's id
    #[arg(long, value_name = "ID")]
    pub plan: String,
    /// How much of a meter, such as billable_requests=1500000; may be repeated; without it only flat prices are owed
    #[arg(long, value_name = "METER=QUANTITY")]
    pub usage: Vec<Usage>,
    /// The day whose version of the plan is quoted, for all of its month [default: today]
    #[arg(long, value_name = "DAY")]
    pub date: Option<Day>,
    /// How the quote is printed
    #[arg(long, value_enum, default_value_t)]
    pub output: OutputFormat,
}

impl QuoteArgs {
    /// The quantity of each meter.
    ///
    /// # Errors
    /// [`WrongArguments`]: a meter is there twice.
    pub fn quantities(&self) -> Result<BTreeMap<String, Decimal>> {
        let mut quantities = BTreeMap::new();
        for Usage { meter, quantity } in &self.usage {
            if quantities.insert(meter.clone(), *quantity).is_some() {
                return Err(anyhow!(WrongArguments(format!("--usage has the meter `{meter}` twice"))));
            }
        }
        Ok(quantities)
    }
}

/// A meter and a quantity of it. Written `METER=QUANTITY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The meter.
    pub meter: String,
    /// How much; not negative, may be a fraction.
    pub quantity: Decimal,
}

impl FromStr for Usage {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((meter, quantity)) = text.split_once('=').filter(|(meter, _)| !meter.is_empty()) else {
            bail!("write it as METER=QUANTITY, such as billable_requests=1500000");
        };
        let quantity = parse_number(quantity).map_err(|problem| anyhow!(problem))?;
        if quantity < Decimal::ZERO {
            bail!("`{quantity}` is negative");
        }
        Ok(Self { meter: meter.to_owned(), quantity })
    }
}
