//! The hidden column `"$path"`. What else the dialect is, the corpus in `tests/trino` says, with the answers of a real Trino.

use super::{explain_plan_error, rewrite, session_config};
use datafusion::arrow::array::{ArrayRef, RecordBatch};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::{SessionConfig, SessionContext};

#[tokio::test]
async fn the_path_is_a_column_that_no_star_shows() -> anyhow::Result<()> {
    let ctx = SessionContext::new_with_config(session_config(SessionConfig::new()));
    let raw = run(&ctx, r#"SELECT 1 AS id, 's3://lake/a' AS "$path""#).await?;
    ctx.register_batch("raw", raw[0].clone())?;
    for (sql, expected) in [
        (r#"SELECT * FROM raw WHERE "$PATH" LIKE '%/a'"#, "1"),
        (r#"SELECT *, "$path" FROM raw"#, "1 | s3://lake/a"),
        (r#"SELECT a.*, b."$path" FROM raw AS a JOIN raw AS b ON a.id = b.id"#, "1 | s3://lake/a"),
        (r#"SELECT * FROM raw AS a CROSS JOIN raw AS b WHERE a."$path" = b."$path""#, "1 | 1"),
        (r#"WITH raw AS (SELECT *, "$path" AS p FROM raw) SELECT * FROM raw"#, "1 | s3://lake/a"),
        (r#"SELECT * FROM (SELECT "$path" FROM raw)"#, "s3://lake/a"),
    ] {
        let found = run(&ctx, sql).await.map_err(explain_plan_error)?;
        assert_eq!(rows(&found[0])?, [expected], "{sql}");
    }
    Ok(())
}

async fn run(ctx: &SessionContext, sql: &str) -> datafusion::error::Result<Vec<RecordBatch>> {
    let rewritten = rewrite(sql).map_err(|error| datafusion::error::DataFusionError::External(error.into()))?;
    let plan = ctx.state().statement_to_plan(rewritten.statement).await?;
    ctx.execute_logical_plan(plan).await?.collect().await
}

/// The rows of a batch with a bar between the columns.
fn rows(batch: &RecordBatch) -> anyhow::Result<Vec<String>> {
    let options = FormatOptions::default();
    let cells = |row: usize| {
        let cell = |column: &ArrayRef| Ok(ArrayFormatter::try_new(column, &options)?.value(row).to_string());
        Ok(batch.columns().iter().map(cell).collect::<anyhow::Result<Vec<_>>>()?.join(" | "))
    };
    (0..batch.num_rows()).map(cells).collect()
}
