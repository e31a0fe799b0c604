//! `FROM t CROSS JOIN UNNEST(t.items)`: DataFusion plans it as a subquery that it then cannot run. This puts the
//! unnesting on top of `t` itself.

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{NullHandling, Result, ScalarValue, TableReference};
use datafusion::logical_expr::logical_plan::builder::unnest_with_options;
use datafusion::logical_expr::{
    Expr, Filter, Join, JoinType, LogicalPlan, Projection, Subquery, SubqueryAlias, Unnest,
};
use datafusion::optimizer::AnalyzerRule;
use std::sync::Arc;

/// The rule; `functions::register` adds it to a session.
#[derive(Debug)]
pub(crate) struct LateralUnnest;

impl AnalyzerRule for LateralUnnest {
    fn name(&self) -> &str {
        "lateral_unnest"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Join(join) => match on_top_of_left(&join)? {
                Some(unnested) => Ok(Transformed::yes(unnested)),
                None => Ok(Transformed::no(LogicalPlan::Join(join))),
            },
            other => Ok(Transformed::no(other)),
        })
        .map(|transformed| transformed.data)
    }
}

fn on_top_of_left(join: &Join) -> Result<Option<LogicalPlan>> {
    let always = matches!(join.filter, None | Some(Expr::Literal(ScalarValue::Boolean(Some(true)), _)));
    // An outer join keeps a row without items only where nothing else decides about it.
    let outer = join.join_type == JoinType::Left && always;
    if !join.on.is_empty() || !(outer || join.join_type == JoinType::Inner) {
        return Ok(None);
    }
    let (alias, subquery) = match join.right.as_ref() {
        LogicalPlan::SubqueryAlias(SubqueryAlias { input, alias, .. }) => match input.as_ref() {
            LogicalPlan::Subquery(Subquery { subquery, .. }) => (Some(alias), subquery),
            _ => return Ok(None),
        },
        LogicalPlan::Subquery(Subquery { subquery, .. }) => (None, subquery),
        _ => return Ok(None),
    };
    let plan = match Lateral::of(subquery) {
        Some(lateral) => lateral.over(&join.left, alias, outer)?,
        None => match computed(subquery, &join.left, alias)? {
            Some(plan) => plan,
            None => return Ok(None),
        },
    };
    Ok(Some(match &join.filter {
        Some(filter) if !always => LogicalPlan::Filter(Filter::try_new(filter.clone(), Arc::new(plan))?),
        _ => plan,
    }))
}

/// `LATERAL (SELECT t.a + 1 AS b)` has one row for each of the left side: it is a column more.
fn computed(
    subquery: &LogicalPlan,
    left: &Arc<LogicalPlan>,
    alias: Option<&TableReference>,
) -> Result<Option<LogicalPlan>> {
    let LogicalPlan::Projection(projection) = subquery else { return Ok(None) };
    if !matches!(projection.input.as_ref(), LogicalPlan::EmptyRelation(empty) if empty.produce_one_row) {
        return Ok(None);
    }
    let column = |expr: &Expr| {
        let name = expr.qualified_name();
        let inner = inner_columns(expr.clone(), left)?;
        Ok(match alias {
            Some(alias) => inner.unalias().alias_qualified(Some(alias.clone()), name.1),
            None => inner,
        })
    };
    let columns = projection.expr.iter().map(column).collect::<Result<Vec<_>>>()?;
    beside(left, left, columns).map(Some)
}

/// What the planner makes of UNNEST: the arrays, their unnesting, and what names the items.
struct Lateral<'a> {
    arrays: &'a [Expr],
    unnest: &'a Unnest,
    /// From the outermost inwards.
    naming: Vec<&'a [Expr]>,
}

impl<'a> Lateral<'a> {
    fn of(mut plan: &'a LogicalPlan) -> Option<Self> {
        let mut naming = Vec::new();
        while let LogicalPlan::Projection(projection) = plan {
            naming.push(projection.expr.as_slice());
            plan = &projection.input;
        }
        let LogicalPlan::Unnest(unnest) = plan else { return None };
        let LogicalPlan::Projection(arrays) = unnest.input.as_ref() else { return None };
        matches!(arrays.input.as_ref(), LogicalPlan::EmptyRelation(_)).then_some(Self {
            arrays: &arrays.expr,
            unnest,
            naming,
        })
    }

    fn over(&self, left: &Arc<LogicalPlan>, alias: Option<&TableReference>, outer: bool) -> Result<LogicalPlan> {
        let arrays = self.arrays.iter().map(|array| inner_columns(array.clone(), left)).collect::<Result<Vec<_>>>()?;
        let mut options = self.unnest.options.clone();
        if outer {
            options.null_handling = NullHandling::PreserveAndExpandEmpty;
        }
        let mut plan = unnest_with_options(beside(left, left, arrays)?, self.unnest.exec_columns.clone(), options)?;
        for (depth, items) in self.naming.iter().enumerate().rev() {
            let mut items = items.iter().map(|item| inner_columns(item.clone(), left)).collect::<Result<Vec<_>>>()?;
            if let (0, Some(alias)) = (depth, alias) {
                for item in &mut items {
                    let name = item.qualified_name().1;
                    *item = item.clone().unalias().alias_qualified(Some(alias.clone()), name);
                }
            }
            plan = beside(left, &Arc::new(plan), items)?;
        }
        Ok(plan)
    }
}

/// The columns of the left side, and these expressions beside them.
fn beside(left: &LogicalPlan, input: &Arc<LogicalPlan>, exprs: Vec<Expr>) -> Result<LogicalPlan> {
    let columns = left.schema().columns().into_iter().map(Expr::Column).chain(exprs).collect();
    Ok(LogicalPlan::Projection(Projection::try_new(columns, Arc::clone(input))?))
}

/// A reference from the subquery to the left side is now a column like any other. Its name stays, since the unnesting
/// goes by it.
fn inner_columns(expr: Expr, left: &LogicalPlan) -> Result<Expr> {
    let name = expr.qualified_name();
    let inner = expr.transform_up(|expr| {
        Ok(match expr {
            Expr::OuterReferenceColumn(_, column) if left.schema().has_column(&column) => {
                Transformed::yes(Expr::Column(column))
            }
            other => Transformed::no(other),
        })
    })?;
    Ok(if inner.data.qualified_name() == name { inner.data } else { inner.data.alias_qualified(name.0, name.1) })
}
