//! Errors of planning and running, as one line that names what is wrong.

use std::error::Error;

use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;

/// One line about why a query could not be planned or run, without traces, wrappers and guesses.
#[must_use]
pub(crate) fn explain_plan_error(error: DataFusionError) -> anyhow::Error {
    anyhow::anyhow!(explain(&error))
}

const CORRELATED: &str =
    "the embedded engine cannot run this subquery, which refers to the query around it: write a join";

/// `column1`: what DataFusion calls a column of VALUES. Trino calls it `_col0`.
fn is_of_values(name: &str) -> bool {
    name.strip_prefix("column").is_some_and(|number| number.parse::<usize>().is_ok())
}

fn explain(error: &DataFusionError) -> String {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => explain(inner),
        DataFusionError::Shared(inner) => explain(inner),
        DataFusionError::Collection(errors) if !errors.is_empty() => explain(&errors[0]),
        DataFusionError::External(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => explain(inner),
            None => with_causes(inner.as_ref()),
        },
        DataFusionError::ArrowError(inner, _) if inner.to_string().contains("declared as non-nullable") => {
            "the embedded engine gives no NULL for a subquery whose WHERE leaves no row: write (SELECT max(x) …)".to_owned()
        }
        DataFusionError::ArrowError(inner, _) => inner.to_string(),
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            // DataFusion's own names come to light where it takes a subquery out of its place and cannot put it elsewhere.
            SchemaError::FieldNotFound { field, .. } if is_of_values(&field.name) => CORRELATED.to_owned(),
            SchemaError::FieldNotFound { field, valid_fields } => {
                let known: Vec<_> = valid_fields.iter().map(|column| column.name.as_str()).collect();
                let among = if known.is_empty() { String::new() } else { format!("; there are: {}", known.join(", ")) };
                format!("there is no column {}{among}", field.flat_name())
            }
            other => other.to_string(),
        },
        DataFusionError::NotImplemented(message) if message.contains("OuterReferenceColumn") => CORRELATED.to_owned(),
        DataFusionError::NotImplemented(message) if message.contains("logical expression Exists(") => {
            "the embedded engine runs EXISTS, and ANY, SOME and ALL of a subquery, only as conditions of WHERE or HAVING".to_owned()
        }
        DataFusionError::NotImplemented(message) => {
            format!("the embedded engine does not support: {}", first_line(message))
        }
        DataFusionError::Plan(message) | DataFusionError::Execution(message) => plain(message),
        other => plain(&other.strip_backtrace()),
    }
}

/// An error that is none of DataFusion's, and what caused it.
fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn plain(message: &str) -> String {
    let line = first_line(message);
    if let Some((name, _)) = line.strip_prefix("Invalid function '").and_then(|rest| rest.split_once('\'')) {
        return format!("the embedded engine has no function `{name}`");
    }
    // A function's own words about its arguments stand in the middle of DataFusion's.
    let own = line.split_once("coercion failed with: Error during planning: ").map(|(_, own)| own);
    own.and_then(|own| own.split(". No function matches").next()).unwrap_or(line).to_owned()
}

/// What stands before a trace or a second line.
fn first_line(message: &str) -> &str {
    let message = message.split("\n\nbacktrace: ").next().unwrap_or(message);
    message.lines().next().unwrap_or(message).trim()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::answer;

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(
            answer("SELECT numeric_histogram(1, 2e0)"),
            "the embedded engine has no function `numeric_histogram`"
        );
        assert_eq!(answer("SELECT a FROM (VALUES (1)) AS t(b)"), "there is no column a; there are: b");
        assert_eq!(answer("SELECT * FROM nowhere"), "table 'datafusion.public.nowhere' not found");
    }

    #[test]
    fn wrappers_and_traces_are_taken_off() {
        let inner = DataFusionError::Plan("no\nDid you mean 'yes'?\n\nbacktrace: 1".into());
        let error = DataFusionError::Shared(std::sync::Arc::new(inner.context("while planning")));
        assert_eq!(explain_plan_error(error).to_string(), "no");
    }

    #[test]
    fn what_cannot_be_read_is_told_with_its_cause() {
        let error = anyhow::anyhow!("its GZIP data is broken").context("cannot read s3://b/k");
        let error = explain_plan_error(DataFusionError::External(error.into()));
        assert_eq!(error.to_string(), "cannot read s3://b/k: its GZIP data is broken");
    }
}
