//! Where `x IN (SELECT …)` may stand. It is NULL, not false, where it is not true and `x` or one of the values is NULL.
//! DataFusion takes that NULL for false. In a condition of WHERE both keep a row out, so the rows are right; elsewhere, as
//! under NOT, the rows would be others than Trino's, so that it is refused.

use std::collections::HashSet;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::optimizer::AnalyzerRule;

/// The rule; `functions::register` adds it to a session.
#[derive(Debug)]
pub(crate) struct InSubqueries;

impl AnalyzerRule for InSubqueries {
    fn name(&self) -> &str {
        "in_subqueries"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.apply_with_subqueries(|plan| {
            if let LogicalPlan::Join(join) = plan
                && join.on.iter().any(|(key, _)| is_double(key, join.left.schema()))
            {
                return plan_err!("the embedded engine joins no doubles by USING, because of NaN: write ON t.x = u.x");
            }
            let mut right = HashSet::new();
            if let LogicalPlan::Filter(filter) = plan {
                collect(&filter.predicate, true, &mut right);
            }
            plan.apply_expressions(|expr| {
                expr.apply(|part| match part {
                    Expr::InSubquery(subquery) if !right.contains(&std::ptr::from_ref(subquery)) => refuse(subquery),
                    _ => Ok(TreeNodeRecursion::Continue),
                })
            })
        })?;
        Ok(plan)
    }
}

/// The subqueries of a condition that DataFusion computes as Trino does: those that make a row pass when they are true, and
/// those with NOT that each row must pass.
fn collect(condition: &Expr, must_hold: bool, right: &mut HashSet<*const InSubquery>) {
    match condition {
        // The keys of the join that DataFusion makes of it are compared as Arrow compares doubles.
        Expr::InSubquery(InSubquery { subquery, .. }) if is_of_doubles(subquery.subquery.schema()) => {}
        Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::And | Operator::Or), right: other }) => {
            let must_hold = must_hold && *op == Operator::And;
            collect(left, must_hold, right);
            collect(other, must_hold, right);
        }
        Expr::InSubquery(subquery) if !subquery.negated || (must_hold && is_plain(subquery)) => {
            right.insert(subquery);
        }
        // `NOT x IN (…)` is what DataFusion makes `x NOT IN (…)` of.
        Expr::Not(inner) if must_hold => {
            if let Expr::InSubquery(subquery) = inner.as_ref()
                && !subquery.negated
                && is_plain(subquery)
            {
                right.insert(subquery);
            }
        }
        _ => {}
    }
}

fn is_double(expr: &Expr, schema: &DFSchema) -> bool {
    expr.get_type(schema).is_ok_and(|of| of.is_floating())
}

fn is_of_doubles(schema: &DFSchema) -> bool {
    schema.fields().iter().any(|field| field.data_type().is_floating())
}

/// Whether DataFusion makes an anti join of NOT IN that heeds NULLs: of a value of each row, and a subquery that is the same for
/// all rows.
fn is_plain(subquery: &InSubquery) -> bool {
    subquery.subquery.outer_ref_columns.is_empty() && !subquery.expr.column_refs().is_empty()
}

fn refuse(subquery: &InSubquery) -> Result<TreeNodeRecursion> {
    if is_of_doubles(subquery.subquery.subquery.schema()) {
        return plan_err!("the embedded engine does not run IN (SELECT …) of doubles, because of NaN: write EXISTS");
    }
    if subquery.negated {
        return plan_err!(
            "the embedded engine does not run {} NOT IN (SELECT …) here: because of NULLs it runs such only of a column, as a \
             condition that each row must pass, and with a subquery that names nothing outside: write NOT EXISTS",
            subquery.expr.human_display()
        );
    }
    plan_err!(
        "the embedded engine does not run {} IN (SELECT …) here: because of NULLs it runs such only as a condition of WHERE or \
         HAVING, beside AND and OR but not under NOT, CASE or IS NULL: write EXISTS",
        subquery.expr.human_display()
    )
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn a_null_among_the_values_is_neither_in_nor_out() {
        for (condition, expected) in [
            ("x IN (SELECT y FROM u)", "1"),
            ("x IN (SELECT y FROM u) OR x = 1", "2"),
            ("x IN (SELECT y FROM u) AND x > 1", "1"),
            ("x NOT IN (SELECT y FROM u)", "0"),
            ("x NOT IN (SELECT y FROM u) AND x > 0", "0"),
            ("NOT (x IN (SELECT y FROM u))", "0"),
            ("x + 1 NOT IN (SELECT y FROM u)", "0"),
            ("x NOT IN (SELECT y FROM u WHERE y > 0)", "1"),
            ("x NOT IN (SELECT y FROM u WHERE y > 9)", "3"),
        ] {
            assert_eq!(answer(&query(condition)), expected, "{condition}");
        }
    }

    #[test]
    fn what_datafusion_would_take_for_false_is_refused() {
        for condition in [
            "x NOT IN (SELECT y FROM u) OR x = 7",
            "NOT (x IN (SELECT y FROM u) AND x < 9)",
            "(x IN (SELECT y FROM u)) IS NULL",
            "1 NOT IN (SELECT y FROM u)",
            "x NOT IN (SELECT y FROM u WHERE u.y > t.x)",
            "x IN (SELECT CAST(y AS double) FROM u)",
            "CASE WHEN x IN (SELECT y FROM u) THEN false ELSE true END",
        ] {
            let error = answer(&query(condition));
            assert!(error.starts_with("the embedded engine does not run "), "{condition}: {error}");
        }
        let error = answer("SELECT x IN (SELECT 5) FROM (VALUES 1) AS t(x)");
        assert!(error.starts_with("the embedded engine does not run t.x IN (SELECT …) here"), "{error}");
    }

    fn query(condition: &str) -> String {
        format!(
            "WITH u AS (SELECT y FROM (VALUES 5, NULL) AS u(y))
             SELECT count(*) FROM (VALUES 1, 5, NULL) AS t(x) WHERE {condition}"
        )
    }
}
