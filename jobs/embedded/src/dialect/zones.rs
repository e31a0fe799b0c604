//! Refuses what would mix times of two zones in one column. In Trino each time with a zone keeps its own; in Arrow a column has
//! one, so that all but one branch would be shown in another zone than Trino shows.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result, plan_err};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

/// Checks a plan before the types of its branches are made alike.
///
/// # Errors
/// The plan mixes times of two zones.
pub(crate) fn require_one_zone(plan: &LogicalPlan) -> Result<()> {
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Union(union) => {
                for column in 0..node.schema().fields().len() {
                    let types = union.inputs.iter().map(|input| input.schema().field(column).data_type());
                    require_same(types.cloned(), "UNION")?;
                }
            }
            LogicalPlan::Values(values) => {
                // The rows' types are alike already, by casts.
                for value in values.values.iter().flatten() {
                    if let Expr::Cast(cast) = value {
                        let types = [cast.expr.get_type(&values.schema)?, cast.field.data_type().clone()];
                        require_same(types, "VALUES")?;
                    }
                }
            }
            _ => {}
        }
        let schema = merge_schema(&node.inputs());
        node.apply_expressions(|expression| {
            expression.apply(|part| require_one_zone_in(part, &schema).map(|()| TreeNodeRecursion::Continue))
        })
    })?;
    Ok(())
}

fn require_one_zone_in(expression: &Expr, schema: &DFSchema) -> Result<()> {
    // What has no type yet, such as a lambda's parameter, is let through.
    let types = |values: Vec<&Expr>| -> Vec<DataType> {
        values.into_iter().filter_map(|value| value.get_type(schema).ok()).collect()
    };
    match expression {
        Expr::Case(case) => {
            let branches = case.when_then_expr.iter().map(|(_, then)| &**then).chain(case.else_expr.as_deref());
            require_same(types(branches.collect()), "CASE, IF or COALESCE")
        }
        Expr::ScalarFunction(call) if call.args.len() > 1 => {
            let gives = expression.get_type(schema).map(|given| zones(&given));
            match gives {
                Ok(gives) if !gives.is_empty() => require_same(types(call.args.iter().collect()), call.name()),
                _ => Ok(()),
            }
        }
        Expr::WindowFunction(call) => require_same(types(call.params.args.iter().collect()), "lag, lead or the like"),
        _ => Ok(()),
    }
}

fn require_same(types: impl IntoIterator<Item = DataType>, place: &str) -> Result<()> {
    let mut known: Option<Vec<String>> = None;
    for zones in types.into_iter().map(|data_type| zones(&data_type)).filter(|zones| !zones.is_empty()) {
        match &known {
            Some(known) if *known != zones => {
                return plan_err!(
                    "the embedded engine does not mix times of the zones {} and {} in {place}: put both into one zone \
                     with at_timezone",
                    known.join(", "),
                    zones.join(", ")
                );
            }
            _ => known = Some(zones),
        }
    }
    Ok(())
}

/// The zones of all times in a type.
fn zones(data_type: &DataType) -> Vec<String> {
    match data_type {
        DataType::Timestamp(_, Some(zone)) => vec![zone.to_string()],
        DataType::List(item) | DataType::Map(item, _) => zones(item.data_type()),
        DataType::Struct(fields) => fields.iter().flat_map(|field| zones(field.data_type())).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    const SEOUL: &str = "TIMESTAMP '2023-01-31 06:00:00 Asia/Seoul'";
    const UTC: &str = "TIMESTAMP '2023-01-31 06:00:00 UTC'";

    #[test]
    fn two_zones_do_not_meet_in_one_column() {
        for sql in [
            format!("SELECT CASE WHEN x THEN {SEOUL} ELSE {UTC} END FROM (VALUES true) AS t(x)"),
            format!("SELECT IF(x, {SEOUL}, {UTC}) FROM (VALUES true) AS t(x)"),
            format!("SELECT ARRAY[{SEOUL}, {UTC}]"),
            format!("SELECT greatest({SEOUL}, {UTC})"),
            format!("SELECT {SEOUL} UNION ALL SELECT {UTC}"),
            format!("SELECT x FROM (VALUES {SEOUL}, {UTC}) AS t(x)"),
            format!("SELECT (SELECT coalesce({SEOUL}, {UTC}))"),
        ] {
            let found = answer(&sql);
            assert!(found.contains("of the zones Asia/Seoul and UTC"), "{sql}: {found}");
        }
    }

    #[test]
    fn they_are_compared_and_may_be_null() {
        assert_eq!(answer(&format!("SELECT {SEOUL} < {UTC}")), "true");
        assert_eq!(answer(&format!("SELECT date_diff('hour', {SEOUL}, {UTC})")), "9");
        assert_eq!(answer(&format!("SELECT IF(x, {UTC}, NULL) = {UTC} FROM (VALUES true) AS t(x)")), "true");
    }
}
