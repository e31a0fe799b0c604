//! Trino's aggregates that DataFusion can compute in other words.

use super::build::{case, cast, null, number, text};
use super::calls::{argument_of, arguments, bigint, exactly, operator, renamed};
use anyhow::{Result, bail, ensure};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments,
    OrderByExpr, OrderByOptions,
};

/// Over bigints, whatever whole numbers are given.
pub(super) fn bitwise(mut function: Function, name: &str) -> Result<Expr> {
    if let [FunctionArg::Unnamed(FunctionArgExpr::Expr(value))] = arguments(&mut function)?.as_mut_slice() {
        *value = cast(std::mem::replace(value, null()), DataType::BigInt(None));
    }
    Ok(renamed(function, name))
}

pub(super) fn count_if(mut function: Function) -> Result<Expr> {
    let [condition] = exactly::<1>(&mut function)?;
    arguments(&mut function)?.push(argument_of(case(condition, number(1), None)));
    Ok(renamed(function, "count"))
}

/// `max(x, n)` is another aggregate than `max(x)`.
pub(super) fn extremes(mut function: Function, of_many: &str) -> Result<Expr> {
    let is_of_many = arguments(&mut function)?.len() == 2;
    Ok(if is_of_many { renamed(function, of_many) } else { Expr::Function(function) })
}

/// The first value in the order of the key, among the rows that have a key.
pub(super) fn extreme_by(mut function: Function, ascending: bool) -> Result<Expr> {
    let name = function.name.to_string();
    ensure!(function.over.is_none(), "the embedded engine has no {name} as a window function");
    let [value, key] = exactly::<2>(&mut function)?;
    let keyed = Expr::IsNotNull(Box::new(key.clone()));
    function.filter = Some(Box::new(match function.filter.take() {
        Some(filter) => operator(Expr::Nested(filter), BinaryOperator::And, keyed),
        None => keyed,
    }));
    let options = OrderByOptions { asc: Some(ascending), nulls_first: Some(false) };
    let FunctionArguments::List(list) = &mut function.args else { bail!("{name} takes two arguments") };
    list.args.push(argument_of(value));
    list.clauses.push(FunctionArgumentClause::OrderBy(vec![OrderByExpr { expr: key, options, with_fill: None }]));
    Ok(renamed(function, "first_value"))
}

/// The second argument, the error allowed, is not DataFusion's to choose.
pub(super) fn approx_distinct(mut function: Function) -> Result<Expr> {
    arguments(&mut function)?.truncate(1);
    Ok(bigint(Expr::Function(function)))
}

pub(super) fn listagg(mut function: Function) -> Result<Expr> {
    let order = std::mem::take(&mut function.within_group);
    let FunctionArguments::List(list) = &mut function.args else { bail!("listagg takes arguments") };
    if list.args.len() == 1 {
        list.args.push(argument_of(text("")));
    }
    list.clauses.retain(|clause| !matches!(clause, FunctionArgumentClause::OnOverflow(_)));
    if !order.is_empty() {
        list.clauses.push(FunctionArgumentClause::OrderBy(order));
    }
    Ok(renamed(function, "string_agg"))
}
