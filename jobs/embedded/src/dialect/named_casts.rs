//! Names for aggregates that differ in a cast alone, such as `sum(x)` and `sum(CAST(x AS double))`. DataFusion leaves casts out of
//! the names that it gives to columns, so that such a query has two columns of one name, which it refuses.

use std::ops::ControlFlow;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use datafusion::sql::parser::Statement as PlannedStatement;
use datafusion::sql::sqlparser::ast::{Expr, visit_expressions_mut};

use super::build::{call, null, text};

/// The function that gives its first value, and shows the type of a cast in its name.
pub(crate) const TYPED: &str = "typed";

/// Whether a query was refused for two columns of one name.
pub(crate) fn is_name_twice(error: &DataFusionError) -> bool {
    use SchemaError::{DuplicateQualifiedField, DuplicateUnqualifiedField};
    match error.find_root() {
        DataFusionError::SchemaError(error, _) => {
            matches!(**error, DuplicateQualifiedField { .. } | DuplicateUnqualifiedField { .. })
        }
        _ => false,
    }
}

/// The rewritten query with the type of each cast in its name.
pub(crate) fn with_named_casts(mut statement: PlannedStatement) -> PlannedStatement {
    if let PlannedStatement::Statement(query) = &mut statement {
        let _: ControlFlow<()> = visit_expressions_mut(query.as_mut(), |expression| {
            if let Expr::Cast { expr, data_type, .. } = expression {
                let value = std::mem::replace(expr.as_mut(), null());
                **expr = call(TYPED, vec![value, text(data_type.to_string())]);
            }
            ControlFlow::Continue(())
        });
    }
    statement
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn aggregates_may_differ_in_a_cast_alone() {
        for (columns, expected) in [
            ("CAST(sum(x) AS varchar) || ' ' || CAST(sum(CAST(x AS decimal(38, 0))) AS varchar)", "3 3"),
            (
                "max(CAST(x AS varchar)) || CAST(max(x) AS varchar) || CAST(max(CAST(x AS double)) AS varchar)",
                "222.0E0",
            ),
            ("typeof(sum(x)) || typeof(sum(CAST(x AS double)))", "bigintdouble"),
        ] {
            assert_eq!(answer(&format!("SELECT {columns} FROM (VALUES 1, 2) AS t(x)")), expected, "{columns}");
        }
    }
}
