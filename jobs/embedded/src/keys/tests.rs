//! Labels by key give what DataFusion's own plans give.

use std::sync::Arc;

use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::{KnownKeyRule, NumberedKeyRule};
use crate::session::LabellingPlanner;

/// Keys and numbers.
type Rows<'a> = (&'a [Option<&'a str>], &'a [Option<i64>]);

fn context(with_rules: bool) -> SessionContext {
    let mut builder = SessionStateBuilder::new()
        .with_config(SessionConfig::new().with_target_partitions(3).with_batch_size(2))
        .with_default_features()
        .with_query_planner(Arc::new(LabellingPlanner));
    if with_rules {
        builder = builder.with_optimizer_rule(Arc::new(NumberedKeyRule)).with_optimizer_rule(Arc::new(KnownKeyRule));
    }
    let context = SessionContext::new_with_state(builder.build());
    let schema =
        Arc::new(Schema::new(vec![Field::new("k", DataType::Utf8, true), Field::new("n", DataType::Int64, true)]));
    let table = |parts: &[Rows<'_>]| {
        let batches = parts.iter().map(|(keys, numbers)| {
            let columns: Vec<datafusion::arrow::array::ArrayRef> =
                vec![Arc::new(StringArray::from(keys.to_vec())), Arc::new(Int64Array::from(numbers.to_vec()))];
            vec![RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()]
        });
        Arc::new(MemTable::try_new(Arc::clone(&schema), batches.collect()).unwrap())
    };
    let here = table(&[
        (&[Some("a"), Some("b"), None, Some("a")], &[Some(1), Some(2), None, Some(1)]),
        (&[Some("c"), None, Some("b"), Some("")], &[Some(3), None, Some(2), Some(5)]),
    ]);
    let there = table(&[(&[Some("b"), None], &[Some(2), None]), (&[Some("z")], &[Some(9)])]);
    context.register_table("here", here).unwrap();
    context.register_table("there", there).unwrap();
    context
}

async fn answer(with_rules: bool, sql: &str) -> (String, bool) {
    let frame = context(with_rules).sql(sql).await.unwrap();
    let plan = frame.clone().create_physical_plan().await.unwrap();
    let uses_label =
        format!("{}", datafusion::physical_plan::displayable(plan.as_ref()).indent(false)).contains("KeyLabelExec");
    (pretty_format_batches(&frame.collect().await.unwrap()).unwrap().to_string(), uses_label)
}

#[tokio::test]
async fn these_shapes_are_answered_by_keys_and_answered_right() {
    for sql in [
        "SELECT k, n FROM (SELECT *, row_number() OVER (PARTITION BY k) AS r FROM here) WHERE r = 1 ORDER BY k, n",
        "SELECT k FROM (SELECT *, row_number() OVER (PARTITION BY k, n) AS r FROM here) WHERE r = 1 AND n > 1 ORDER BY k",
        "SELECT count(*), sum(r) FROM (SELECT *, row_number() OVER (PARTITION BY k) AS r FROM here) WHERE r = 1",
        "SELECT k, n FROM here WHERE NOT EXISTS (SELECT 1 FROM there WHERE there.k = here.k) ORDER BY k, n",
        "SELECT n FROM here WHERE NOT EXISTS (SELECT 1 FROM there WHERE there.k = here.k AND there.n = here.n) ORDER BY n",
        "SELECT count(*) FROM (SELECT *, row_number() OVER (PARTITION BY k) AS r FROM here) h
         WHERE r = 1 AND NOT EXISTS (SELECT 1 FROM there WHERE there.k = h.k)",
        "SELECT k, n, r > 1 AS again FROM (SELECT *, row_number() OVER (PARTITION BY k) AS r FROM here) ORDER BY k, n, r",
        "SELECT r, count(*) FROM (SELECT *, row_number() OVER (PARTITION BY k, n IS NULL) AS r FROM here) GROUP BY r ORDER BY r",
        "SELECT count(*) FROM (SELECT *, row_number() OVER (PARTITION BY k) AS r FROM here) WHERE r = 2 OR n = 3",
        "SELECT here.k, n, t.k IS NOT NULL AS known FROM here LEFT JOIN (SELECT DISTINCT k FROM there) t ON t.k = here.k ORDER BY 1, 2",
        "SELECT h.k, h.n, t.n, t.x FROM here h LEFT JOIN (SELECT DISTINCT n, k AS x FROM there) t ON t.x = h.k AND t.n = h.n
         ORDER BY h.k, h.n",
        "SELECT count(*), count(t.k) FROM here LEFT JOIN
         (SELECT DISTINCT k FROM (SELECT k FROM there UNION ALL SELECT k FROM here)) t ON t.k = here.k",
    ] {
        let ((expected, _), (found, uses_label)) = (answer(false, sql).await, answer(true, sql).await);
        assert_eq!(found, expected, "{sql}");
        assert!(uses_label, "{sql}");
    }
}

#[tokio::test]
async fn other_shapes_are_left_alone() {
    for sql in [
        "SELECT k, n FROM (SELECT *, row_number() OVER (PARTITION BY k ORDER BY n) AS r FROM here) WHERE r = 1 ORDER BY k, n",
        "SELECT n, row_number() OVER (ORDER BY n) AS r FROM here ORDER BY n",
        "SELECT k, count(*) OVER (PARTITION BY k) AS c FROM here ORDER BY k",
        "SELECT here.k, t.n FROM here LEFT JOIN (SELECT DISTINCT k, n FROM there) t ON t.k = here.k ORDER BY 1, 2",
        "SELECT count(*) FROM here LEFT JOIN there t ON t.k = here.k",
        "SELECT count(*) FROM here LEFT JOIN (SELECT DISTINCT k FROM there) t ON t.k = here.k AND here.n < 2",
        "SELECT k FROM here WHERE k NOT IN (SELECT k FROM there WHERE k IS NOT NULL) ORDER BY k",
        "SELECT k FROM here WHERE NOT EXISTS (SELECT 1 FROM there WHERE there.k = here.k AND there.n < here.n) ORDER BY k",
    ] {
        assert_eq!(answer(true, sql).await, answer(false, sql).await, "{sql}");
    }
}
