//! Trino's functions that DataFusion can compute in other words. [`rule`] is the table.

use super::aggregates::{approx_distinct, bitwise, count_if, extreme_by, extremes, listagg};
use super::attempt::attempt;
use super::build::{call, case, cast, null, number, text};
use super::bytes::{digest, from_utf8, hashed, length, to_base64url};
use super::patterns::{regexp_like, regexp_replace, with_pattern};
use super::times;
use super::types::gives_json;
use anyhow::{Result, bail, ensure};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DataType, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, Ident, TimezoneInfo,
    Value, ValueWithSpan, visit_expressions,
};
use std::ops::ControlFlow;

/// How a call is said to DataFusion.
enum Rule {
    /// By another name.
    Name(&'static str),
    /// By another name, and with one more argument.
    With(&'static str, &'static str),
    /// As the same call, cast to bigint.
    Bigint,
    /// As what this makes of it.
    Code(fn(Function) -> Result<Expr>),
}

fn rule(name: &str) -> Option<Rule> {
    use Rule::{Bigint, Code, Name, With};
    Some(match name {
        // Conditions
        "if" => Code(if_),
        "try" => Code(|function| attempt(one(function)?)),
        "greatest" | "least" => Code(null_if_any_null),
        "nullif" => Code(nullif),
        // Numbers
        "ceiling" => Name("ceil"),
        "round" => Code(round),
        "truncate" => Code(truncate),
        "mod" => Code(|function| pair(function).map(|(a, b)| operator(a, BinaryOperator::Modulo, b))),
        "pow" | "power" => Code(power),
        "rand" | "random" => Code(random),
        // Text
        "codepoint" => Name("ascii"),
        "strpos" => Code(strpos),
        "concat" => Code(concat),
        "replace" => Code(replace),
        "ltrim" => Code(|function| trim_of_one_end(function, "trim_start")),
        "rtrim" => Code(|function| trim_of_one_end(function, "trim_end")),
        "regexp_like" => Code(regexp_like),
        "regexp_replace" => Code(regexp_replace),
        "regexp_extract" | "regexp_extract_all" | "regexp_split" | "regexp_position" | "regexp_count" => {
            Code(with_pattern)
        }
        // Bytes
        "md5" => Code(|function| digest(function, "md5")),
        "sha256" => Code(|function| Ok(call("sha256", vec![hashed(function)?]))),
        "sha512" => Code(|function| digest(function, "sha512")),
        "length" => Code(length),
        "to_base64" => With("encode", "base64pad"),
        "from_base64" => With("decode", "base64"),
        "from_hex" => With("decode", "hex"),
        "to_base64url" => Code(to_base64url),
        "to_hex" => Code(|function| Ok(call("upper", vec![call("encode", vec![one(function)?, text("hex")])]))),
        "to_utf8" => Code(|function| Ok(cast(one(function)?, DataType::Bytea))),
        "from_utf8" => Code(from_utf8),
        "typeof" => Code(times::type_of),
        // Time
        "at_timezone" => Code(times::at_timezone_call),
        "to_unixtime" => Code(times::to_unixtime),
        "from_unixtime" => Code(times::from_unixtime),
        "date" => Code(|function| Ok(cast(one(function)?, DataType::Date))),
        "localtimestamp" => Code(|_| Ok(cast(call("now", vec![]), DataType::Timestamp(Some(3), TimezoneInfo::None)))),
        "now" | "current_timestamp" => Code(now),
        // Arrays
        "array_sort" => Code(array_sort),
        "array_remove" => Name("array_remove_all"),
        "filter" => Name("array_filter"),
        "any_match" => Name("array_any_match"),
        "map" => Code(map),
        // Trino has them since version 452, and reads a NULL in an array as zero.
        "cosine_distance" | "dot_product" => Code(|function| bail!("the embedded engine has no {}", function.name)),
        // JSON
        "json_format" => Code(json_format),
        // Aggregates
        "arbitrary" => Name("any_value"),
        "every" => Name("bool_and"),
        "variance" => Name("var_samp"),
        "bitwise_and_agg" => Code(|function| bitwise(function, "bit_and")),
        "bitwise_or_agg" => Code(|function| bitwise(function, "bit_or")),
        "bitwise_xor_agg" => Code(|function| bitwise(function, "bit_xor")),
        // DataFusion computes them in other steps, so that the last digits differ.
        "regr_slope" | "regr_intercept" => Code(|function| bail!("the embedded engine has no {}", function.name)),
        "count_if" => Code(count_if),
        "max" => Code(|function| extremes(function, "max_n")),
        "min" => Code(|function| extremes(function, "min_n")),
        "max_by" => Code(|function| extreme_by(function, false)),
        "min_by" => Code(|function| extreme_by(function, true)),
        "approx_distinct" => Code(approx_distinct),
        "listagg" => Code(listagg),
        // Windows
        "row_number" | "rank" | "dense_rank" | "ntile" => Bigint,
        _ => return None,
    })
}

/// Whether DataFusion is told a call of Trino's in other words.
#[cfg(test)]
pub(crate) fn is_rewritten(name: &str) -> bool {
    rule(name).is_some()
}

/// What to write for functions of DataFusion that Trino does not have.
pub(super) fn instead(name: &str) -> Option<&'static str> {
    Some(match name {
        "nvl" | "ifnull" => "coalesce(x, y)",
        "to_char" => "date_format(x, format)",
        "date_part" => "extract(YEAR FROM x), or year(x)",
        "to_timestamp" => "from_unixtime(x), or CAST(x AS timestamp)",
        "left" => "substr(x, 1, n)",
        "right" => "substr(x, -n)",
        "make_array" => "ARRAY[x, y]",
        "array_append" | "array_push_back" => "x || y",
        "array_length" | "list_length" => "cardinality(x)",
        "array_sum" => "reduce(x, 0, (s, y) -> s + y, s -> s)",
        "string_to_array" | "string_to_list" => "split(x, separator)",
        "string_agg" => "listagg(x, separator) WITHIN GROUP (ORDER BY y)",
        "btrim" => "trim(BOTH y FROM x)",
        "initcap" => "upper(substr(x, 1, 1)) || lower(substr(x, 2))",
        "named_struct" | "struct" => "CAST(ROW(x, y) AS ROW(a type, b type))",
        "ascii" => "codepoint(x)",
        "instr" => "strpos(x, y)",
        "substring_index" | "substr_index" => "split_part(x, separator, n)",
        "median" => "approx_percentile(x, 0.5)",
        "current_time" | "localtime" => "now(), or localtimestamp",
        "approx_percentile_cont" | "percentile_cont" => "approx_percentile(x, p)",
        "octet_length" => "length(to_utf8(x))",
        "ends_with" => "substr(x, -length(y)) = y",
        "sha224" => "sha256(to_utf8(x))",
        _ => return None,
    })
}

/// Rewrites a call whose arguments are rewritten already.
pub(super) fn rewrite_call(mut function: Function) -> Result<Expr> {
    let name = function.name.to_string();
    if let Some(instead) = instead(&name) {
        bail!("Function '{name}' not registered: write {instead}");
    }
    let Some(rule) = rule(&name) else { return Ok(Expr::Function(function)) };
    match rule {
        Rule::Name(name) => Ok(renamed(function, name)),
        Rule::With(name, argument) => {
            arguments(&mut function)?.push(argument_of(text(argument)));
            Ok(renamed(function, name))
        }
        Rule::Bigint => Ok(bigint(Expr::Function(function))),
        Rule::Code(code) => code(function),
    }
}

pub(super) fn renamed(mut function: Function, name: &str) -> Expr {
    function.name = Ident::new(name).into();
    // DataFusion takes `name` without parentheses for a column.
    if matches!(function.args, FunctionArguments::None) {
        return call(name, vec![]);
    }
    Expr::Function(function)
}

/// Without characters it is the engine's own, which knows Trino's white space.
fn trim_of_one_end(mut function: Function, own: &str) -> Result<Expr> {
    let has_characters = arguments(&mut function)?.len() > 1;
    Ok(if has_characters { Expr::Function(function) } else { renamed(function, own) })
}

pub(super) fn bigint(expr: Expr) -> Expr {
    cast(expr, DataType::BigInt(None))
}

pub(super) fn operator(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let nested = |expr: Expr| match expr {
        binary @ Expr::BinaryOp { .. } => Expr::Nested(Box::new(binary)),
        other => other,
    };
    Expr::BinaryOp { left: Box::new(nested(left)), op, right: Box::new(nested(right)) }
}

pub(super) fn argument_of(expr: Expr) -> FunctionArg {
    FunctionArg::Unnamed(FunctionArgExpr::Expr(expr))
}

pub(super) fn arguments(function: &mut Function) -> Result<&mut Vec<FunctionArg>> {
    match &mut function.args {
        FunctionArguments::List(list) => Ok(&mut list.args),
        _ => bail!("{} takes arguments in parentheses", function.name),
    }
}

/// The arguments of a call, taken out of it.
pub(super) fn take(function: &mut Function) -> Result<Vec<Expr>> {
    let name = function.name.to_string();
    let args = std::mem::take(arguments(function)?).into_iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        other => bail!("{name} cannot take {other}"),
    });
    args.collect()
}

pub(super) fn exactly<const N: usize>(function: &mut Function) -> Result<[Expr; N]> {
    let args = take(function)?;
    let given = args.len();
    args.try_into().map_err(|_| anyhow::anyhow!("{} takes {N} argument(s), not {given}", function.name))
}

pub(super) fn one(mut function: Function) -> Result<Expr> {
    exactly::<1>(&mut function).map(|[arg]| arg)
}

fn pair(mut function: Function) -> Result<(Expr, Expr)> {
    exactly::<2>(&mut function).map(|[a, b]| (a, b))
}

fn if_(mut function: Function) -> Result<Expr> {
    let mut args = take(&mut function)?.into_iter();
    match (args.next(), args.next(), args.next(), args.next()) {
        (Some(condition), Some(result), otherwise, None) => Ok(case(condition, result, otherwise)),
        _ => bail!("if takes a condition and one or two values"),
    }
}

/// The first value keeps its type, where DataFusion's `nullif` gives it the one that both have in common. Texts have one.
fn nullif(function: Function) -> Result<Expr> {
    let name = function.name.to_string();
    let (value, other) = pair(function)?;
    refuse_random(&name, std::slice::from_ref(&value))?;
    Ok(match &other {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(_), .. }) => call("nullif", vec![value, other]),
        _ => case(operator(value.clone(), BinaryOperator::Eq, other), null(), Some(value)),
    })
}

/// What computes its arguments twice would take two values of each for one.
fn refuse_random(name: &str, args: &[Expr]) -> Result<()> {
    let random = args.iter().find_map(|arg| {
        let found = visit_expressions(arg, |part| match part {
            Expr::Function(function) if RANDOM.contains(&function.name.to_string().as_str()) => {
                ControlFlow::Break(function.name.to_string())
            }
            _ => ControlFlow::Continue(()),
        });
        found.break_value()
    });
    match random {
        Some(random) => {
            bail!("the embedded engine computes the arguments of {name} twice: write {random}() in a subquery")
        }
        None => Ok(()),
    }
}

/// Functions that give another value each time.
const RANDOM: [&str; 4] = ["rand", "random", "shuffle", "uuid"];

/// DataFusion's `greatest` and `least` pass over NULLs.
fn null_if_any_null(mut function: Function) -> Result<Expr> {
    let args = take(&mut function)?;
    refuse_random(&function.name.to_string(), &args)?;
    let any_null = args.iter().map(|arg| Expr::IsNull(Box::new(arg.clone())));
    match any_null.reduce(|a, b| Expr::BinaryOp { left: Box::new(a), op: BinaryOperator::Or, right: Box::new(b) }) {
        Some(any_null) => Ok(case(any_null, null(), Some(call(&function.name.to_string(), args)))),
        None => bail!("{} takes at least one argument", function.name),
    }
}

fn round(mut function: Function) -> Result<Expr> {
    let mut args = take(&mut function)?;
    if let Some(digits) = args.get_mut(1) {
        *digits = call("round_digits", vec![std::mem::replace(digits, null())]);
    }
    Ok(call("round", args))
}

/// Without a number of digits a decimal loses its scale, too.
fn truncate(mut function: Function) -> Result<Expr> {
    let name = if arguments(&mut function)?.len() == 1 { "truncate_whole" } else { "trunc" };
    Ok(renamed(function, name))
}

/// A random double from 0 to 1, or a random integer up to a bound, or between two.
fn random(mut function: Function) -> Result<Expr> {
    if matches!(function.args, FunctionArguments::None) {
        bail!("random takes arguments in parentheses");
    }
    let args = take(&mut function)?;
    let bounds = args.iter().map(super::literals::whole).collect::<Option<Vec<_>>>();
    let (from, to) = match bounds.as_deref() {
        Some([]) => return Ok(call("random", vec![])),
        Some([to]) => (0, *to),
        Some([from, to]) => (*from, *to),
        _ => bail!("random: the embedded engine needs bounds that are written in the query"),
    };
    ensure!(from < to, "bound must be positive, and the first bound below the second");
    let scaled =
        operator(call("random", vec![]), BinaryOperator::Multiply, cast(number(to - from), DataType::DoublePrecision));
    let below = cast(call("floor", vec![scaled]), DataType::Int(None));
    let bound = i32::try_from(from).and_then(|from| i32::try_from(to).map(|_| from));
    match bound {
        Ok(from) => Ok(operator(below, BinaryOperator::Plus, cast(number(from.into()), DataType::Int(None)))),
        Err(_) => bail!("random: the embedded engine has bounds of 32 bits"),
    }
}

/// The place of a text within another, or of its so manieth occurrence.
fn strpos(mut function: Function) -> Result<Expr> {
    let name = if arguments(&mut function)?.len() == 3 { "strpos_instance" } else { "strpos" };
    Ok(renamed(function, name))
}

/// A power is a double, whatever its arguments.
fn power(function: Function) -> Result<Expr> {
    let (base, exponent) = pair(function)?;
    let double = || DataType::DoublePrecision;
    Ok(call("power", vec![cast(base, double()), cast(exponent, double())]))
}

/// DataFusion's `concat` passes over NULLs, and its `||` does not.
fn concat(mut function: Function) -> Result<Expr> {
    let args = take(&mut function)?.into_iter();
    let joined =
        args.reduce(|a, b| Expr::BinaryOp { left: Box::new(a), op: BinaryOperator::StringConcat, right: Box::new(b) });
    joined.ok_or_else(|| anyhow::anyhow!("concat takes at least two arguments"))
}

fn replace(mut function: Function) -> Result<Expr> {
    let mut args = take(&mut function)?;
    if args.len() == 2 {
        args.push(text(""));
    }
    Ok(call("replace", args))
}

/// Trino's clock has three digits of a second.
fn now(_: Function) -> Result<Expr> {
    Ok(cast(call("now", vec![]), DataType::Timestamp(Some(3), TimezoneInfo::WithTimeZone)))
}

fn array_sort(mut function: Function) -> Result<Expr> {
    if arguments(&mut function)?.len() == 2 {
        return Ok(renamed(function, "array_sort_by"));
    }
    Ok(call("array_sort", vec![one(function)?, text("ASC"), text("NULLS LAST")]))
}

/// A map without entries is one of unknown types.
fn map(mut function: Function) -> Result<Expr> {
    let is_empty = arguments(&mut function)?.is_empty();
    Ok(if is_empty { call("map_empty", vec![]) } else { Expr::Function(function) })
}

fn json_format(function: Function) -> Result<Expr> {
    let json = one(function)?;
    Ok(if gives_json(&json) { json } else { call("json_format", vec![json]) })
}

#[cfg(test)]
mod tests {
    use super::super::rewrite;

    fn rewritten(sql: &str) -> String {
        let text = rewrite(&format!("SELECT {sql} AS x")).unwrap().statement.to_string();
        text.trim_start_matches("SELECT ").trim_end_matches(" AS x").to_owned()
    }

    #[test]
    fn a_call_is_said_in_other_words() {
        for (trino, datafusion) in [
            ("IF(a, b)", "CASE WHEN a THEN b END"),
            ("count_if(a > b)", "count(CASE WHEN a > b THEN 1 END)"),
            ("concat(a, '-', b)", "a || '-' || b"),
            ("mod(a + c, b)", "(a + c) % b"),
            ("least(a, b)", "CASE WHEN a IS NULL OR b IS NULL THEN NULL ELSE least(a, b) END"),
            ("max_by(a, b)", "first_value(a ORDER BY b DESC NULLS LAST) FILTER (WHERE b IS NOT NULL)"),
            ("row_number() OVER (ORDER BY a)", "CAST(row_number() OVER (ORDER BY a) AS BIGINT)"),
            ("md5(to_utf8(a))", "digest(CAST(a AS VARCHAR), 'md5')"),
            ("from_utf8(to_utf8(a))", "CAST(a AS VARCHAR)"),
        ] {
            assert_eq!(rewritten(trino), datafusion);
        }
    }

    #[test]
    fn a_foreign_function_is_told_what_to_write() {
        let error = rewrite("SELECT nvl(a, 1) FROM t").unwrap_err().to_string();
        assert_eq!(error, "line 1:8: Function 'nvl' not registered: write coalesce(x, y)");
    }

    #[test]
    fn a_wrong_number_of_arguments_is_named() {
        let error = rewrite("SELECT mod(1)").unwrap_err().to_string();
        assert!(
            error.starts_with("line 1:8: Unexpected parameters (integer) for function mod. Expected: mod("),
            "{error}"
        );
    }
}
