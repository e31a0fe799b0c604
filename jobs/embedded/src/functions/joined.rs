//! `||` of arrays by Trino's rules: NULL where either side is NULL, be it an array or an item, where
//! DataFusion leaves that array out, and adds that item.

use super::function::typed;
use super::type_names::trino_name;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, MutableArrayData, make_array};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, internal_err, plan_err};
use datafusion::functions_nested::expr_fn::make_array as array_of;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
use datafusion::logical_expr::{Expr, ExprSchemable, when};
use std::sync::Arc;

/// Puts Trino's `||` of arrays in the place of what DataFusion plans for it.
#[derive(Debug)]
pub(super) struct JoinedArrays;

impl FunctionRewrite for JoinedArrays {
    fn name(&self) -> &str {
        "joined_arrays"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        let planned = |name: &str| matches!(name, "array_concat" | "array_append" | "array_prepend");
        let (left, right) = match &expr {
            Expr::ScalarFunction(call) if planned(call.func.name()) => match call.args.as_slice() {
                [left, right] => (left, right),
                _ => return internal_err!("arrays are joined two by two"),
            },
            _ => return Ok(Transformed::no(expr)),
        };
        let (of_left, of_right) = (left.get_type(schema)?, right.get_type(schema)?);
        let is_item =
            |own: &DataType, other: &DataType| depth(own) < depth(other) && (depth(own) > 0 || !own.is_null());
        let side = |side: &Expr, is_item: bool| match is_item {
            true => when(side.clone().is_not_null(), array_of(vec![side.clone()])).end(),
            false => Ok(side.clone()),
        };
        let sides = vec![side(left, is_item(&of_left, &of_right))?, side(right, is_item(&of_right, &of_left))?];
        let joined = typed("array_joined", joined_types, join);
        Ok(Transformed::yes(joined.call(sides)))
    }
}

/// How many arrays lie in each other.
fn depth(data_type: &DataType) -> usize {
    match data_type {
        DataType::List(item) => 1 + depth(item.data_type()),
        _ => 0,
    }
}

fn joined_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let [left, right] = args else { return internal_err!("arrays are joined two by two") };
    let common = match (left, right) {
        (list, DataType::Null) | (DataType::Null, list) => Some(list.clone()),
        _ if left == right => Some(left.clone()),
        _ => comparison_coercion(left, right),
    };
    let Some(common) = common else {
        return plan_err!("Cannot join {} and {}", trino_name(left), trino_name(right));
    };
    let DataType::List(item) = &common else { return internal_err!("arrays are joined, not {common}") };
    let common = DataType::List(Arc::new(Field::new_list_field(item.data_type().clone(), true)));
    Ok((vec![common.clone(), common.clone()], common))
}

fn join(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [left, right] = args else { return internal_err!("arrays are joined two by two") };
    let (left, right) = (left.as_list::<i32>(), right.as_list::<i32>());
    let nulls = NullBuffer::union(left.nulls(), right.nulls());
    let sources = [left.values().to_data(), right.values().to_data()];
    let capacity = left.values().len() + right.values().len();
    let mut items = MutableArrayData::new(sources.iter().collect(), true, capacity);
    let mut lengths = Vec::with_capacity(left.len());
    for row in 0..left.len() {
        let before = items.len();
        if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
            for (source, lists) in [left, right].into_iter().enumerate() {
                let end = |row: usize| usize::try_from(lists.value_offsets()[row]).unwrap_or_default();
                items.try_extend(source, end(row), end(row + 1))?;
            }
        }
        lengths.push(items.len() - before);
    }
    let field = Arc::new(Field::new_list_field(left.value_type(), true));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(ListArray::try_new(field, offsets, make_array(items.freeze()), nulls)?))
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn arrays_are_joined_as_trino_joins_them() {
        for (expression, expected) in [
            ("ARRAY[1] || ARRAY[2, NULL]", "[1, 2, ]"),
            ("(ARRAY[1] || CAST(NULL AS array(integer))) IS NULL", "true"),
            ("ARRAY[1] || 2", "[1, 2]"),
            ("0 || ARRAY[1]", "[0, 1]"),
            ("ARRAY[ARRAY[1]] || ARRAY[2]", "[[1], [2]]"),
            ("(ARRAY[1] || CAST(NULL AS integer)) IS NULL", "true"),
            ("concat(ARRAY['a'], ARRAY['b'], ARRAY['c'])", "[a, b, c]"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
    }
}
