//! The types of expressions.

use super::columns::{Found, Scope, field_of};
use super::place::place;
use super::types::{Clock, Type};
use super::{Checker, cast, hints, refused};
use anyhow::Result;
use datafusion::sql::sqlparser::ast::{
    AccessExpr, Array, CaseWhen, DateTimeField, Expr, Spanned, Subscript, UnaryOperator,
};

impl Checker<'_> {
    /// The type of an expression.
    ///
    /// # Errors
    /// Trino refuses it.
    #[recursive::recursive]
    pub(super) fn expression(&self, expr: &Expr, scope: &Scope<'_>) -> Result<Type> {
        match expr {
            Expr::Identifier(name) => Ok(found(scope.find(&[&name.value]))),
            Expr::CompoundIdentifier(parts) => {
                let mut parts: Vec<&str> = parts.iter().map(|part| part.value.as_str()).collect();
                if parts.len() == 4 && crate::dialect::names::is_catalog(parts[0]) {
                    parts.remove(0);
                }
                Ok(found(scope.find(&parts)))
            }
            Expr::Nested(inner) => self.expression(inner, scope),
            Expr::Value(value) => Ok(Type::of_value(&value.value)),
            Expr::TypedString(literal) => Ok(Type::of_typed(literal)),
            Expr::Interval(interval) => Ok(Type::of_interval(interval)),
            Expr::BinaryOp { .. } => self.operators(expr, scope),
            Expr::UnaryOp { op, expr } => self.unary(*op, expr, scope),
            Expr::Function(function) => self.call(function, scope),
            Expr::Cast { expr: value, data_type, .. } => {
                let (from, to) = (self.expression(value, scope)?, Type::of_written(data_type));
                cast::check(self.sql, expr, value, &from, &to)?;
                Ok(to)
            }
            Expr::Case { operand, conditions, else_result, .. } => {
                self.case(operand.as_deref(), conditions, else_result.as_deref(), scope)
            }
            Expr::IsNull(value) | Expr::IsNotNull(value) => self.expression(value, scope).map(|_| Type::Boolean),
            Expr::IsDistinctFrom(left, right) | Expr::IsNotDistinctFrom(left, right) => {
                self.distinct(left, right, scope)
            }
            Expr::InList { expr, list, .. } => self.in_list(expr, list, scope),
            Expr::InSubquery { expr, subquery, .. } => self.in_subquery(expr, subquery, "IN", scope),
            Expr::AnyOp { left, compare_op, right, .. } | Expr::AllOp { left, compare_op, right } => {
                self.quantified(left, compare_op, right, scope)
            }
            Expr::Between { expr, low, high, .. } => self.between(expr, low, high, scope),
            Expr::Like { expr, pattern, .. } => self.like(expr, pattern, scope),
            Expr::Exists { subquery, .. } => self.query(subquery, scope).map(|_| Type::Boolean),
            Expr::Subquery(query) => {
                let columns = self.query(query, scope)?;
                Ok(match columns.as_deref() {
                    Some([only]) => only.data_type.clone(),
                    _ => Type::Any,
                })
            }
            Expr::Array(Array { elem, .. }) => {
                let name = |types: &str| format!("All ARRAY elements {types}");
                self.same(elem.iter(), scope, name).map(Type::array)
            }
            Expr::Tuple(values) => self.types(values, scope).map(Type::row),
            Expr::CompoundFieldAccess { root, access_chain } => self.access(root, access_chain, scope),
            Expr::Extract { field, expr, .. } => self.extract(field, expr, scope),
            Expr::Ceil { expr: value, .. } => self.named(expr, "ceil", &[value], scope),
            Expr::Floor { expr: value, .. } => self.named(expr, "floor", &[value], scope),
            Expr::Position { expr: value, r#in } => self.named(expr, "strpos", &[r#in, value], scope),
            Expr::Substring { expr: value, substring_from, substring_for, .. } => {
                let parts = [Some(value), substring_from.as_ref(), substring_for.as_ref()];
                let parts: Vec<&Expr> = parts.into_iter().flatten().map(AsRef::as_ref).collect();
                self.named(expr, "substr", &parts, scope)
            }
            Expr::Trim { expr: value, trim_what, .. } => {
                let parts: Vec<&Expr> = std::iter::once(value).chain(trim_what).map(AsRef::as_ref).collect();
                self.named(expr, "trim", &parts, scope)
            }
            Expr::AtTimeZone { timestamp, time_zone } => self.at_time_zone(timestamp, time_zone, scope),
            Expr::GroupingSets(sets) | Expr::Cube(sets) | Expr::Rollup(sets) => {
                sets.iter().flatten().try_for_each(|key| self.expression(key, scope).map(drop))?;
                Ok(Type::Any)
            }
            _ => Ok(Type::Any),
        }
    }

    pub(super) fn types(&self, values: &[Expr], scope: &Scope<'_>) -> Result<Vec<Type>> {
        values.iter().map(|value| self.expression(value, scope)).collect()
    }

    /// The type that values have in common. `message` puts what Trino says of others into a sentence.
    pub(super) fn same<'e>(
        &self,
        values: impl IntoIterator<Item = &'e Expr>,
        scope: &Scope<'_>,
        message: impl Fn(&str) -> String,
    ) -> Result<Type> {
        let mut common = Type::Unknown;
        let mut seen: Vec<(&Expr, Type)> = Vec::new();
        for value in values {
            let own = self.expression(value, scope)?;
            let Some(wider) = common.common(&own) else {
                let mut all: Vec<String> = Vec::new();
                for data_type in seen.iter().map(|(_, data_type)| data_type).chain([&own]) {
                    let data_type = data_type.to_string();
                    if !all.contains(&data_type) {
                        all.push(data_type);
                    }
                }
                let message = message(&format!(
                    "must be the same type or coercible to a common type. Cannot find common type between {common} and \
                     {own}, all types (without duplicates): [{}]",
                    all.join(", ")
                ));
                let other = seen.iter().find(|(_, other)| other.common(&own).is_none());
                let instead = other.and_then(|(other, data_type)| hints::alike((other, data_type), (value, &own)));
                return Err(refused(&place(value.span()), &message, instead));
            };
            common = wider;
            seen.push((value, own));
        }
        Ok(common)
    }

    fn case(
        &self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
        scope: &Scope<'_>,
    ) -> Result<Type> {
        let operand = operand.map(|operand| Ok::<_, anyhow::Error>((operand, self.expression(operand, scope)?)));
        let operand = operand.transpose()?;
        for CaseWhen { condition, .. } in conditions {
            let Some((operand, of)) = &operand else {
                self.condition(condition, scope, |found| {
                    format!("CASE WHEN clause must evaluate to a boolean (actual: {found})")
                })?;
                continue;
            };
            let own = self.expression(condition, scope)?;
            if of.common(&own).is_none() {
                let message = format!("CASE operand type does not match WHEN clause operand type: {of} vs {own}");
                let instead = hints::pair((operand, of), (condition, &own));
                return Err(refused(&place(condition.span()), &message, instead));
            }
        }
        let results = conditions.iter().map(|when| &when.result).chain(otherwise);
        self.same(results, scope, |types| format!("All CASE results {types}"))
    }

    fn unary(&self, op: UnaryOperator, value: &Expr, scope: &Scope<'_>) -> Result<Type> {
        let own = self.expression(value, scope)?;
        let is_signed = own.is_open() || own.is_number() || own.is_interval();
        match op {
            UnaryOperator::Not => {
                if !own.coerces(&Type::Boolean) {
                    let message = format!("Value of logical NOT expression must evaluate to a boolean (actual: {own})");
                    return Err(refused(&place(value.span()), &message, None));
                }
                Ok(Type::Boolean)
            }
            UnaryOperator::Minus if !is_signed => {
                Err(refused(&place(value.span()), &format!("Cannot negate {own}"), None))
            }
            UnaryOperator::Plus if !is_signed => {
                let message = format!("Unary '+' operator cannot by applied to {own} type");
                Err(refused(&place(value.span()), &message, None))
            }
            _ => Ok(own),
        }
    }

    /// `a[1]`, `a[1].b` and the like.
    fn access(&self, root: &Expr, chain: &[AccessExpr], scope: &Scope<'_>) -> Result<Type> {
        let mut own = self.expression(root, scope)?;
        for access in chain {
            own = match access {
                AccessExpr::Dot(Expr::Identifier(field)) => field_of(&own, &[&field.value]),
                AccessExpr::Subscript(Subscript::Index { index }) => {
                    let by = self.expression(index, scope)?;
                    let (fits, item) = match own.clone() {
                        Type::Array(item) => (by.coerces(&Type::Bigint), *item),
                        Type::Map(key, value) => (by.coerces(&key), *value),
                        Type::Row(_) => (by.coerces(&Type::Bigint), Type::Any),
                        open if open.is_open() => (true, Type::Any),
                        _ => (false, Type::Any),
                    };
                    if !fits {
                        let message = format!("Cannot use {by} for subscript of {own}");
                        return Err(refused(&place(root.span()), &message, None));
                    }
                    item
                }
                _ => Type::Any,
            };
        }
        Ok(own)
    }

    fn extract(&self, field: &DateTimeField, value: &Expr, scope: &Scope<'_>) -> Result<Type> {
        let own = self.expression(value, scope)?;
        let field = field.to_string().to_uppercase();
        let of_clock = ["HOUR", "MINUTE", "SECOND"].contains(&field.as_str());
        let of_zone = field.starts_with("TIMEZONE_");
        let fits = match &own {
            open if open.is_open() => true,
            Type::Date => !of_clock && !of_zone,
            Type::Timestamp(clock) => !of_zone || clock.has_zone,
            Type::Time(clock) => of_clock || (of_zone && clock.has_zone),
            Type::DayInterval => of_clock || field == "DAY",
            Type::MonthInterval => field == "YEAR" || field == "MONTH",
            _ => false,
        };
        if fits {
            return Ok(Type::Bigint);
        }
        let instead =
            hints::converted(value, &own, &Type::Timestamp(Clock::UNKNOWN)).filter(|_| own.is_text() || of_clock);
        Err(refused(&place(value.span()), &format!("Cannot extract {field} from {own}"), instead))
    }

    fn at_time_zone(&self, value: &Expr, zone: &Expr, scope: &Scope<'_>) -> Result<Type> {
        self.expression(zone, scope)?;
        match self.expression(value, scope)? {
            Type::Timestamp(clock) => Ok(Type::Timestamp(Clock { has_zone: true, ..clock })),
            Type::Time(clock) => Ok(Type::Time(Clock { has_zone: true, ..clock })),
            open if open.is_open() => Ok(Type::Any),
            own => {
                let message =
                    format!("Type of value must be a time or timestamp with or without time zone (actual {own})");
                let instead = match own {
                    Type::Date => Some(format!("CAST({value} AS timestamp)")),
                    _ => hints::converted(value, &own, &Type::Timestamp(Clock::UNKNOWN)),
                };
                Err(refused(&place(value.span()), &message, instead))
            }
        }
    }
}

fn found(found: Found) -> Type {
    match found {
        Found::Type(found) => found,
        // What is not there, the planner names.
        Found::Nothing | Found::Unknown => Type::Any,
    }
}
