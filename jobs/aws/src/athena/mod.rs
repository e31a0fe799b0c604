//! The engine Athena.

mod api;
mod errors;
mod kind;
mod patience;
mod price;
mod results;
mod run;
mod sdk;
mod stop;
#[cfg(test)]
mod tests;
mod token;
mod workgroup;

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use async_trait::async_trait;
use aws_config::SdkConfig;
use meterlake_core::config::Config;
use meterlake_core::engine::{Engine, Outcome, Rows, Statement};

use self::api::Api;
use self::errors::CallError;
use self::kind::Kind;
use self::price::Price;
use self::run::{Finished, Runner};
use self::sdk::Sdk;

/// Runs statements on Athena, in one workgroup.
pub struct AthenaEngine {
    runner: Runner,
}

impl AthenaEngine {
    /// Looks the workgroup up, so that what cannot work fails before anything runs.
    ///
    /// # Errors
    /// A setting is wrong, or the workgroup is missing, disabled, enforces its own result location, or has none where
    /// the settings have none either.
    pub async fn open(config: &Config, sdk: &SdkConfig) -> Result<Self> {
        Self::over(config, Arc::new(Sdk::new(sdk))).await
    }

    async fn over(config: &Config, api: Arc<dyn Api>) -> Result<Self> {
        let config = &config.athena;
        let price = Price::parse(&config.price_per_tb)?;
        let output = workgroup::output(&*api, config).await?;
        let (workgroup, stop_on_exit) = (config.workgroup.clone(), config.stop_on_exit);
        Ok(Self { runner: Runner { api, workgroup, output, price, stop_on_exit } })
    }
}

#[async_trait]
impl Engine for AthenaEngine {
    async fn execute(&self, statement: &Statement) -> Result<Outcome> {
        let finished = self.runner.run(statement).await?;
        let rows = if finished.kind == Kind::Write {
            let written = results::rows_written(&*self.runner.api, &finished.id).await;
            let Some(rows) = written.map_err(|error| unread(statement, &finished, &error))? else {
                bail!(
                    "{} ran on Athena (execution {}), which does not say how many rows it wrote",
                    statement.label,
                    finished.id
                );
            };
            rows
        } else {
            0
        };
        Ok(Outcome { rows, scan: finished.scan })
    }

    async fn query(&self, statement: &Statement) -> Result<Rows> {
        let finished = self.runner.run(statement).await?;
        if matches!(finished.kind, Kind::Write | Kind::Unload) {
            return Ok(Rows { scan: finished.scan, ..Rows::default() });
        }
        let rows = results::rows(&*self.runner.api, &finished).await;
        rows.map_err(|error| unread(statement, &finished, &error))
    }

    fn outlives_callers(&self) -> bool {
        true
    }
}

fn unread(statement: &Statement, finished: &Finished, error: &CallError) -> anyhow::Error {
    anyhow!("{} ran on Athena (execution {}), but its result cannot be read: {error}", statement.label, finished.id)
}
