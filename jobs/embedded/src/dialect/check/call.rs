//! Calls of functions.

use super::columns::{Column, Relation, Scope};
use super::place::{place, place_of_call};
use super::resolve::{Argument, Resolution, resolve};
use super::types::{Clock, Type, list};
use super::{Checker, foreign, hints, refused};
use anyhow::{Result, bail};
use datafusion::sql::sqlparser::ast::{
    Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause, FunctionArguments, Spanned, Value,
    ValueWithSpan, WindowSpec, WindowType,
};
use datafusion::sql::sqlparser::tokenizer::Span;

/// Aggregates that give a real for reals. The embedded engine computes them as doubles.
const OF_DOUBLES: [&str; 5] = ["avg", "corr", "covar_pop", "covar_samp", "sum"];

impl Checker<'_> {
    pub(super) fn call(&self, function: &Function, scope: &Scope<'_>) -> Result<Type> {
        let name = function.name.to_string();
        self.around(function, scope)?;
        let at = function.name.span();
        let Some(arguments) = values(function) else { return Ok(keyword(&name)) };
        let bare = match &function.args {
            FunctionArguments::List(list) => list.args.len() > arguments.len(),
            _ => false,
        };
        if bare {
            // `count(*)`; of others nothing is known.
            return Ok(if name == "count" { Type::Bigint } else { Type::Any });
        }
        match (name.as_str(), arguments.as_slice()) {
            ("if", [condition, results @ ..]) if matches!(results.len(), 1 | 2) => {
                self.if_(at, condition, results, scope)
            }
            ("coalesce", [_, _, ..]) => {
                let message = |types: &str| format!("All COALESCE operands {types}");
                self.same(arguments.iter().copied(), scope, message)
            }
            ("nullif", [left, right]) => self.nullif(at, left, right, scope),
            ("try", [value]) => self.expression(value, scope),
            ("row", values) => {
                values.iter().map(|value| self.expression(value, scope)).collect::<Result<Vec<_>>>().map(Type::row)
            }
            ("grouping", _) => Ok(Type::Bigint),
            ("current_timestamp" | "localtimestamp" | "current_time" | "localtime", [digits]) => {
                Ok(with_digits(keyword(&name), digits))
            }
            ("format", [_, _, ..]) => {
                arguments.iter().try_for_each(|value| self.expression(value, scope).map(drop))?;
                Ok(Type::Varchar(None))
            }
            ("listagg", [value, rest @ ..]) => {
                rest.iter().try_for_each(|separator| self.listed(at, separator, scope).map(drop))?;
                self.listed(at, value, scope)
            }
            // SHOW FUNCTIONS does not show it.
            ("version", []) => Ok(Type::Varchar(None)),
            // They have a syntax of their own.
            ("normalize", [value, ..]) => {
                self.resolved(&|| place(at), "normalize", &[value, &crate::dialect::build::text("NFC")], scope)
            }
            ("json_value" | "json_query" | "json_exists" | "json_object" | "json_array" | "json_table", _) => {
                Ok(Type::Any)
            }
            (_, arguments) => self.resolved(&|| place(at), &name, arguments, scope),
        }
    }

    /// A function that the grammar writes in another way.
    pub(super) fn named(&self, call: &Expr, name: &str, arguments: &[&Expr], scope: &Scope<'_>) -> Result<Type> {
        self.resolved(&|| place_of_call(self.sql, call.span()), name, arguments, scope)
    }

    fn resolved(&self, at: &dyn Fn() -> String, name: &str, arguments: &[&Expr], scope: &Scope<'_>) -> Result<Type> {
        let typed = arguments.iter().map(|argument| match argument {
            Expr::Lambda(lambda) => Ok(Argument::Lambda(lambda.params.iter().count())),
            other => self.expression(other, scope).map(Argument::Value),
        });
        let typed = typed.collect::<Result<Vec<_>>>()?;
        if OF_DOUBLES.contains(&name) && typed.iter().any(|of| matches!(of, Argument::Value(Type::Real))) {
            bail!("{}the embedded engine has no {name} of real: write {name}(CAST(x AS double))", at());
        }
        let mut lambda = |number: usize, parameters: &[Type]| match arguments.get(number) {
            Some(Expr::Lambda(lambda)) => {
                let names = lambda.params.iter().map(|parameter| parameter.name.value.clone());
                let columns = names.zip(parameters.iter().cloned());
                let columns = columns.map(|(name, data_type)| Column::new(name, data_type)).collect();
                let relation = [Relation::new(Vec::new(), Some(columns))];
                self.expression(&lambda.body, &scope.within(&relation))
            }
            _ => Ok(Type::Any),
        };
        match resolve(name, &typed, &mut lambda)? {
            Resolution::Gives(given) => Ok(given),
            Resolution::NoFunction if foreign::may_be_athenas(name) => Ok(Type::Any),
            Resolution::NoFunction => {
                let message = format!("Function '{name}' not registered");
                Err(refused(&at(), &message, foreign::instead(name).map(str::to_owned)))
            }
            Resolution::NoForm { forms, wrong } => {
                let types = typed.iter().map(|argument| match argument {
                    Argument::Value(value) => value.to_string(),
                    Argument::Lambda(_) => "<function>".to_owned(),
                });
                let types = types.collect::<Vec<_>>().join(", ");
                let expected: Vec<&str> = forms.iter().map(|form| form.text.as_str()).collect();
                let message =
                    format!("Unexpected parameters ({types}) for function {name}. Expected: {}", expected.join(", "));
                let instead = wrong.into_iter().find_map(|(number, wanted)| match typed.get(number) {
                    Some(Argument::Value(own)) => hints::converted(arguments[number], own, &wanted),
                    _ => None,
                });
                let instead = instead.or_else(|| (name == "log").then(|| "ln(x), log10(x) or log(base, x)".to_owned()));
                Err(refused(&at(), &message, instead))
            }
        }
    }

    /// What stands around the arguments: FILTER, OVER, ORDER BY.
    fn around(&self, function: &Function, scope: &Scope<'_>) -> Result<()> {
        if let Some(filter) = &function.filter {
            self.condition(filter, scope, |found| {
                format!("Filter expression must evaluate to a boolean (actual: {found})")
            })?;
        }
        if let Some(WindowType::WindowSpec(window)) = &function.over {
            self.window(window, scope)?;
        }
        if let FunctionArguments::List(list) = &function.args {
            for clause in &list.clauses {
                if let FunctionArgumentClause::OrderBy(keys) = clause {
                    keys.iter().try_for_each(|key| self.order_key(&key.expr, scope))?;
                }
            }
        }
        function.within_group.iter().try_for_each(|key| self.order_key(&key.expr, scope))
    }

    pub(super) fn window(&self, window: &WindowSpec, scope: &Scope<'_>) -> Result<()> {
        window.partition_by.iter().try_for_each(|key| self.expression(key, scope).map(drop))?;
        window.order_by.iter().try_for_each(|key| self.order_key(&key.expr, scope))
    }

    fn if_(&self, at: Span, condition: &Expr, results: &[&Expr], scope: &Scope<'_>) -> Result<Type> {
        self.condition(condition, scope, |found| format!("IF condition must evaluate to a boolean (actual: {found})"))?;
        let types = results.iter().map(|result| self.expression(result, scope)).collect::<Result<Vec<_>>>()?;
        let ([first, second], [own, other]) = (results, types.as_slice()) else {
            return Ok(types.into_iter().next().unwrap_or(Type::Any));
        };
        own.common(other).ok_or_else(|| {
            let message = format!("Result types for IF must be the same: {own} vs {other}");
            refused(&place(at), &message, hints::alike((first, own), (second, other)))
        })
    }

    fn nullif(&self, at: Span, left: &Expr, right: &Expr, scope: &Scope<'_>) -> Result<Type> {
        let (own, other) = (self.expression(left, scope)?, self.expression(right, scope)?);
        if own.common(&other).is_some() {
            return Ok(own);
        }
        let message = format!("Types are not comparable with NULLIF: {own} vs {other}");
        Err(refused(&place(at), &message, hints::pair((left, &own), (right, &other))))
    }

    fn listed(&self, at: Span, value: &Expr, scope: &Scope<'_>) -> Result<Type> {
        let own = self.expression(value, scope)?;
        if own.coerces(&Type::Varchar(None)) {
            return Ok(Type::Varchar(None));
        }
        let message = format!("Expected expression of varchar, but '{value}' has {own} type");
        Err(refused(&place(at), &message, hints::converted(value, &own, &Type::Varchar(None))))
    }
}

/// `a || b`.
pub(super) fn concatenated(at: impl Fn() -> String, left: &(&Expr, Type), right: &(&Expr, Type)) -> Result<Type> {
    let arguments = [Argument::Value(left.1.clone()), Argument::Value(right.1.clone())];
    match resolve("concat", &arguments, &mut |_, _| Ok(Type::Any))? {
        Resolution::Gives(given) => Ok(given),
        Resolution::NoFunction => Ok(Type::Any),
        Resolution::NoForm { forms, .. } => {
            let expected: Vec<&str> = forms.iter().map(|form| form.text.as_str()).collect();
            let message = format!(
                "Unexpected parameters ({}) for function concat. Expected: {}",
                list([&left.1, &right.1]),
                expected.join(", ")
            );
            let text = Type::Varchar(None);
            let is_bytes = |data_type: &Type| matches!(data_type, Type::Varbinary);
            let instead = match (left, right) {
                ((_, Type::Array(_)), _) | (_, (_, Type::Array(_))) => None,
                ((_, own), (other, data_type)) if is_bytes(own) => hints::converted(other, data_type, own),
                ((value, own), (_, other)) if is_bytes(other) => hints::converted(value, own, other),
                ((value, own), _) if !own.is_text() => hints::converted(value, own, &text),
                (_, (value, own)) => hints::converted(value, own, &text),
            };
            Err(refused(&at(), &message, instead))
        }
    }
}

/// The arguments that are expressions; `None`: the function stands without parentheses.
fn values(function: &Function) -> Option<Vec<&Expr>> {
    let FunctionArguments::List(list) = &function.args else { return None };
    let value = |argument| match argument {
        &FunctionArg::Unnamed(FunctionArgExpr::Expr(ref expr)) => Some(expr),
        _ => None,
    };
    Some(list.args.iter().filter_map(value).collect())
}

/// What stands without parentheses.
fn keyword(name: &str) -> Type {
    let clock = |has_zone| Clock { digits: Some(3), has_zone };
    match name {
        "current_date" => Type::Date,
        "current_timestamp" => Type::Timestamp(clock(true)),
        "localtimestamp" => Type::Timestamp(clock(false)),
        "current_time" => Type::Time(clock(true)),
        "localtime" => Type::Time(clock(false)),
        "current_user" | "current_catalog" | "current_schema" => Type::Varchar(None),
        _ => Type::Any,
    }
}

fn with_digits(time: Type, digits: &Expr) -> Type {
    let digits = match digits {
        Expr::Value(ValueWithSpan { value: Value::Number(number, _), .. }) => number.parse().ok(),
        _ => None,
    };
    match time {
        Type::Timestamp(clock) => Type::Timestamp(Clock { digits, ..clock }),
        Type::Time(clock) => Type::Time(Clock { digits, ..clock }),
        other => other,
    }
}
