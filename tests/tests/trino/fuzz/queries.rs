//! Small queries made at random.

use proptest::prelude::*;
use proptest::sample::select;

use super::grammar::{columns, of, plain};
use super::types::Type;

/// A query that is more than a list of expressions over the rows.
pub(super) fn query() -> BoxedStrategy<String> {
    let row = |wanted: Type, depth: u32| of(wanted, depth, columns());
    let condition = move || row(Type::Boolean, 2);
    let key = move || plain().prop_flat_map(move |wanted| row(wanted, 1));
    let pair = move || plain().prop_flat_map(move |wanted| (row(wanted.clone(), 1), row(wanted, 1)));
    let grouped =
        (key(), condition(), proptest::collection::vec(aggregate(), 1..4)).prop_map(|(key, condition, all)| {
            format!("SELECT {key}, {} FROM fuzz WHERE {condition} GROUP BY 1", all.join(", "))
        });
    let whole = proptest::collection::vec(aggregate(), 1..4);
    let whole = (whole, condition())
        .prop_map(|(all, condition)| format!("SELECT {} FROM fuzz WHERE {condition}", all.join(", ")));
    let joined = (select(vec!["JOIN", "LEFT JOIN", "FULL JOIN"]), pair()).prop_map(|(join, (one, other))| {
        format!(
            "SELECT a.n, b.n, a.k FROM (SELECT n, {one} AS k FROM fuzz) a {join} (SELECT n, {other} AS k FROM fuzz) b ON \
             a.k = b.k"
        )
    });
    let sets = select(vec!["UNION", "UNION ALL", "EXCEPT", "INTERSECT"]);
    let both =
        (sets, pair()).prop_map(|(set, (one, other))| format!("SELECT {one} FROM fuzz {set} SELECT {other} FROM fuzz"));
    let within = pair().prop_map(|(one, other)| {
        format!("SELECT n FROM fuzz WHERE {one} NOT IN (SELECT {other} FROM fuzz WHERE n < 4)")
    });
    let unnested = plain()
        .prop_flat_map(move |item| row(Type::Array(Box::new(item)), 2))
        .prop_map(|array| format!("SELECT n, y, z FROM fuzz CROSS JOIN UNNEST({array}) WITH ORDINALITY AS u(y, z)"));
    let windows = (window(), key())
        .prop_map(|(function, key)| format!("SELECT n, {function} OVER (PARTITION BY {key} ORDER BY n) FROM fuzz"));
    let sorted = (key(), select(vec!["", " DESC", " NULLS FIRST", " DESC NULLS LAST"]))
        .prop_map(|(key, order)| format!("SELECT n, {key} FROM fuzz ORDER BY 2{order}, 1 LIMIT 7"));
    let filtered = (condition(), condition())
        .prop_map(|(one, other)| format!("SELECT n FROM (SELECT * FROM fuzz WHERE {one}) WHERE {other}"));
    prop_oneof![3 => grouped, 1 => whole, 1 => joined, 1 => both, 1 => within, 1 => unnested, 2 => windows, 2 => sorted, 2 => filtered].boxed()
}

/// What an aggregate is called with is deterministic: sums of doubles, which depend on the order, are of whole numbers.
fn aggregate() -> BoxedStrategy<String> {
    let row = |wanted: Type| of(wanted, 2, columns());
    let any = move || plain().prop_flat_map(row);
    let named = |names: &'static [&'static str], argument: BoxedStrategy<String>| {
        (select(names), argument).prop_map(|(name, argument)| format!("{name}({argument})")).boxed()
    };
    prop_oneof![
        3 => named(&["count", "min", "max"], any().boxed()),
        2 => named(&["sum", "avg"], row(Type::Bigint)),
        2 => named(&["sum", "avg"], row(Type::Decimal)),
        1 => named(&["sum", "avg"], row(Type::Integer)),
        1 => named(&["sum", "avg"], Just("round(x)".to_owned()).boxed()),
        1 => named(&["bool_and", "bool_or", "count_if", "every"], row(Type::Boolean)),
        1 => named(&["bitwise_and_agg", "bitwise_or_agg", "bitwise_xor_agg"], row(Type::Bigint)),
        1 => named(&["sum", "avg"], row(Type::Days)),
        1 => any().prop_map(|value| format!("count(DISTINCT {value})")),
        1 => any().prop_map(|value| format!("array_agg({value} ORDER BY n)")),
        1 => any().prop_map(|value| format!("min_by({value}, n)")),
        1 => any().prop_map(|value| format!("max_by({value}, n)")),
        1 => row(Type::Boolean).prop_map(|condition| format!("count(*) FILTER (WHERE {condition})")),
        1 => row(Type::Varchar).prop_map(|text| format!("listagg({text}, ',') WITHIN GROUP (ORDER BY n)")),
        1 => any().prop_map(|value| format!("histogram({value})")),
        1 => Just("count(*)".to_owned()),
    ]
    .boxed()
}

fn window() -> BoxedStrategy<String> {
    let any = || plain().prop_flat_map(|wanted| of(wanted, 1, columns()));
    prop_oneof![
        select(vec!["row_number()", "rank()", "dense_rank()", "ntile(3)", "cume_dist()", "percent_rank()"])
            .prop_map(str::to_owned),
        any().prop_map(|value| format!("lag({value})")),
        any().prop_map(|value| format!("lead({value}, 2)")),
        any().prop_map(|value| format!("first_value({value})")),
        any().prop_map(|value| format!("max({value})")),
        of(Type::Decimal, 1, columns()).prop_map(|value| format!("sum({value})")),
        of(Type::Bigint, 1, columns()).prop_map(|value| format!("avg({value})")),
    ]
    .boxed()
}
