//! Trino's functions for DataFusion: those it lacks, and those it means differently.
//!
//! A function that DataFusion has under another name is not here: `dialect` renames the call. Here are the functions
//! that need code ([`function::Function`]), DataFusion's functions whose result type differs from Trino's
//! ([`adapted::Adapted`]), and Trino's rules for `CAST` ([`cast`]).

mod adapted;
mod arithmetic;
mod array_items;
mod array_text;
mod arrays;
mod average;
mod bits;
mod calendar;
mod cast;
mod coalesce;
mod date_format;
mod decimals;
mod doubles;
mod elements;
mod extremes;
mod function;
mod gathered;
mod hash;
mod intervals;
mod java_format;
mod joined;
mod json;
mod json_cast;
mod json_path;
mod json_text;
mod lambdas;
mod map_aggregates;
mod maps;
mod moment;
mod numbers;
mod parts;
mod pattern;
mod percentile;
mod regexp;
mod row;
mod row_json;
mod rows;
mod sequence;
mod sha1;
mod sized;
mod sum;
mod text;
mod trim;
mod type_names;
mod url;
mod zone;
mod zoned_text;

#[cfg(test)]
pub(crate) mod testing;

pub(crate) use cast::millisecond_texts;
pub(crate) use coalesce::CoalesceOnce;
pub(crate) use intervals::interval_text;
pub(crate) use type_names::trino_name;

use crate::dialect;
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::ScalarUDF;
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// Makes Trino's functions and casts known to a session, and how it unnests.
///
/// # Errors
/// When the session refuses a registration.
pub(crate) fn register(ctx: &SessionContext) -> Result<()> {
    let families = [
        adapted::functions(),
        arithmetic::functions(),
        array_items::functions(),
        array_text::functions(),
        arrays::functions(),
        bits::functions(),
        calendar::functions(),
        cast::functions(),
        date_format::functions(),
        doubles::functions(),
        elements::functions(),
        hash::functions(),
        java_format::functions(),
        intervals::functions(),
        json::functions(),
        json_cast::functions(),
        json_path::functions(),
        json_text::functions(),
        maps::functions(),
        numbers::functions(),
        parts::functions(),
        regexp::functions(),
        row::functions(),
        rows::functions(),
        sequence::functions(),
        sized::functions(),
        trim::functions(),
        text::functions(),
        type_names::functions(),
        url::functions(),
        zone::functions(),
    ];
    for function in families.into_iter().flatten() {
        ctx.register_udf(function);
    }
    ctx.register_udaf(sum::sum());
    ctx.register_udaf(average::average());
    ctx.register_udaf(percentile::approx_percentile());
    for aggregate in map_aggregates::aggregates().into_iter().chain(extremes::aggregates()) {
        ctx.register_udaf(aggregate);
    }
    for function in lambdas::functions() {
        ctx.register_higher_order_function(Arc::new(function));
    }
    ctx.add_analyzer_rule(Arc::new(dialect::unnest::LateralUnnest));
    ctx.add_analyzer_rule(Arc::new(dialect::subqueries::InSubqueries));
    ctx.state_ref().write().register_expr_planner(Arc::new(arithmetic::TrinoArithmetic))?;
    ctx.state_ref().write().register_function_rewrite(Arc::new(joined::JoinedArrays))?;
    ctx.state_ref().write().register_function_rewrite(Arc::new(doubles::ComparedDoubles))?;
    ctx.state_ref().write().register_function_rewrite(Arc::new(cast::TrinoCasts))
}

/// The functions of one family.
type Family = Vec<ScalarUDF>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// DataFusion's functions that are used as they are under Trino's names. Each was read and compared.
    const USED: &str = "
        abs acos array_agg array_distinct array_except array_intersect array_union any_value asin atan atan2 bool_and
        bool_or cbrt chr corr cos cosh count covar_pop covar_samp cume_dist current_date degrees exp first_value flatten
        lag last_value lead ln log log10 log2 map_keys map_values nth_value percent_rank pi radians sin sinh starts_with
        stddev stddev_pop stddev_samp substring tan tanh translate uuid var_pop var_samp";

    #[test]
    fn a_function_of_datafusion_is_not_taken_for_trinos_unseen() {
        let (plain, own) = (SessionContext::new(), SessionContext::new());
        register(&own).unwrap();
        let is_datafusions = |name: &&str| {
            let same = [
                plain.udf(name).ok().zip(own.udf(name).ok()).map(|(a, b)| a == b),
                plain.udaf(name).ok().zip(own.udaf(name).ok()).map(|(a, b)| a == b),
                plain.udwf(name).ok().zip(own.udwf(name).ok()).map(|(a, b)| a == b),
            ];
            same.into_iter().flatten().next().unwrap_or(false)
        };
        let found: BTreeSet<&str> =
            dialect::functions().filter(is_datafusions).filter(|name| !dialect::is_rewritten(name)).collect();
        let used: BTreeSet<&str> = USED.split_whitespace().collect();
        assert_eq!(found, used);
    }

    #[test]
    fn a_result_has_the_type_that_trino_gives_it() {
        let plain =
            ["bigint", "integer", "smallint", "tinyint", "double", "real", "varchar", "varbinary", "boolean", "date"];
        let mut wrong = Vec::new();
        for line in include_str!("../dialect/check/functions.txt").lines().filter(|line| !line.starts_with('#')) {
            let Some((call, result)) = line.rsplit_once(") ") else { continue };
            let Some((name, arguments)) = call.split_once('(') else { continue };
            let arguments: Vec<&str> = arguments.split(", ").filter(|argument| !argument.is_empty()).collect();
            if !plain.contains(&result) || !arguments.iter().all(|argument| plain.contains(argument)) {
                continue;
            }
            let nulls: Vec<String> = arguments.iter().map(|argument| format!("CAST(NULL AS {argument})")).collect();
            let found = testing::answer(&format!("SELECT typeof({name}({}))", nulls.join(", ")));
            // A refusal is no type.
            if found != result && plain.contains(&found.as_str()) {
                wrong.push(format!("{line}: {found}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
