//! Trino's functions for DataFusion: those it lacks, and those it means differently.
//!
//! A function that DataFusion has under another name is not here: `dialect` renames the call. Here are the functions
//! that need code ([`function::Function`]), DataFusion's functions whose result type differs from Trino's
//! ([`adapted::Adapted`]), and Trino's rules for `CAST` ([`cast`]).

mod adapted;
mod arithmetic;
mod arrays;
mod average;
mod bits;
mod calendar;
mod cast;
mod coalesce;
mod date_format;
mod decimals;
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

pub(crate) use coalesce::CoalesceOnce;
pub(crate) use intervals::interval_text;
pub(crate) use type_names::trino_name;

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
        arrays::functions(),
        bits::functions(),
        calendar::functions(),
        cast::functions(),
        date_format::functions(),
        elements::functions(),
        hash::functions(),
        java_format::functions(),
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
    for aggregate in maps::aggregates().into_iter().chain(extremes::aggregates()) {
        ctx.register_udaf(aggregate);
    }
    for function in lambdas::functions() {
        ctx.register_higher_order_function(Arc::new(function));
    }
    ctx.add_analyzer_rule(Arc::new(crate::dialect::unnest::LateralUnnest));
    ctx.state_ref().write().register_expr_planner(Arc::new(arithmetic::TrinoArithmetic))?;
    ctx.state_ref().write().register_function_rewrite(Arc::new(joined::JoinedArrays))?;
    ctx.state_ref().write().register_function_rewrite(Arc::new(cast::TrinoCasts))
}

/// The functions of one family.
type Family = Vec<ScalarUDF>;
