//! What the tests of the functions share.

use crate::dialect;
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::util::display::array_value_to_string;
use datafusion::error::{DataFusionError, Result};
use datafusion::prelude::{SessionConfig, SessionContext};

/// What a query of one row gives.
pub(crate) fn batch(sql: &str) -> RecordBatch {
    run(sql).unwrap().remove(0)
}

/// What a query of one row and one column gives, as text; the error's text when it fails.
pub(crate) fn answer(sql: &str) -> String {
    match run(sql) {
        Ok(batches) => array_value_to_string(batches[0].column(0), 0).unwrap(),
        Err(error) => dialect::explain_plan_error(error).to_string(),
    }
}

fn run(sql: &str) -> Result<Vec<RecordBatch>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let ctx = SessionContext::new_with_config(dialect::session_config(SessionConfig::new()));
        super::register(&ctx)?;
        let rewritten = dialect::rewrite(sql).map_err(|error| DataFusionError::External(error.into()))?;
        let plan = dialect::plan(&ctx.state(), rewritten.statement).await?;
        ctx.execute_logical_plan(plan).await?.collect().await
    })
}
