//! Runs `cases.slt`: queries and the rows that Trino gives for them.

use super::{explain_plan_error, rewrite, session_config};
use datafusion::arrow::array::{Array, AsArray, RecordBatch};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::prelude::{SessionConfig, SessionContext};

const CASES: &str = include_str!("cases.slt");

struct Case<'a> {
    line: usize,
    sql: String,
    rows: Vec<&'a str>,
}

/// A case is a query, `----`, and its rows up to an empty line. `#` starts a comment.
fn cases() -> Vec<Case<'static>> {
    let mut cases = Vec::new();
    let mut lines = CASES.lines().enumerate().filter(|(_, line)| !line.starts_with('#')).peekable();
    while let Some((number, line)) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let mut sql = vec![line];
        sql.extend(lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "----"));
        let rows = lines.by_ref().map(|(_, line)| line).take_while(|line| !line.is_empty()).collect();
        cases.push(Case { line: number + 1, sql: sql.join("\n"), rows });
    }
    cases
}

#[tokio::test]
async fn queries_give_what_trino_gives() {
    let cases = cases();
    assert!(cases.len() >= 80, "only {} cases", cases.len());
    let mut failures = Vec::new();
    for case in &cases {
        let rows = answer(&case.sql).await.unwrap_or_else(|error| vec![format!("error: {error}")]);
        if rows != case.rows {
            failures.push(format!("line {}: {}\n  wanted {:?}\n  got    {rows:?}", case.line, case.sql, case.rows));
        }
    }
    assert!(failures.is_empty(), "{} of {} cases:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

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

async fn answer(sql: &str) -> anyhow::Result<Vec<String>> {
    let ctx = SessionContext::new_with_config(session_config(SessionConfig::new()));
    crate::functions::register(&ctx)?;
    // A small usage log for the cases that need a table.
    let calls =
        "SELECT * FROM (VALUES ('u1', 1, 'GET', 200, 10), ('u1', 2, 'POST', 500, NULL), ('u2', 3, 'GET', 200, 30),
        ('u3', 4, NULL, 404, 5)) AS t(customer, seq, method, status, bytes)";
    run(&ctx, calls).await.map(|batches| ctx.register_batch("calls", batches[0].clone()))??;
    let batches = run(&ctx, sql).await.map_err(explain_plan_error)?;
    batches.iter().map(rows).collect::<Result<Vec<_>, _>>().map(|rows| rows.concat())
}

async fn run(ctx: &SessionContext, sql: &str) -> datafusion::error::Result<Vec<RecordBatch>> {
    let rewritten = rewrite(sql).map_err(|error| datafusion::error::DataFusionError::External(error.into()))?;
    let plan = ctx.state().statement_to_plan(rewritten.statement).await?;
    ctx.execute_logical_plan(plan).await?.collect().await
}

/// The rows of a batch with a bar between the columns, in the manner of Trino's command line.
fn rows(batch: &RecordBatch) -> anyhow::Result<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL").with_timestamp_format(Some("%Y-%m-%d %H:%M:%S%.3f"));
    let options = options.with_timestamp_tz_format(Some("%Y-%m-%d %H:%M:%S%.3f %:z"));
    (0..batch.num_rows())
        .map(|row| {
            let cells = batch.columns().iter().map(|column| {
                Ok(match column.data_type() {
                    // White space at the ends must show.
                    DataType::Utf8View if column.is_valid(row) => quoted(column.as_string_view().value(row)),
                    DataType::Utf8 if column.is_valid(row) => quoted(column.as_string::<i32>().value(row)),
                    DataType::Binary if column.is_valid(row) => {
                        column.as_binary::<i32>().value(row).iter().map(|byte| format!("{byte:02x}")).collect()
                    }
                    _ => ArrayFormatter::try_new(column.as_ref(), &options)?.value(row).to_string(),
                })
            });
            Ok(cells.collect::<anyhow::Result<Vec<_>>>()?.join(" | "))
        })
        .collect()
}

fn quoted(text: &str) -> String {
    if text.is_empty() || text.trim() != text { format!("'{text}'") } else { text.to_owned() }
}
