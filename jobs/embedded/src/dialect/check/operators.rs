//! Operators and comparisons.

use super::call::concatenated;
use super::columns::Scope;
use super::place::{place, place_between};
use super::types::{Type, list};
use super::{Checker, hints, refused};
use anyhow::Result;
use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Query, Spanned};

impl Checker<'_> {
    /// Types a chain of operators. A long one nests to the left, so that is not gone down by recursion.
    pub(super) fn operators(&self, expr: &Expr, scope: &Scope<'_>) -> Result<Type> {
        let (mut first, mut chain) = (expr, Vec::new());
        while let Expr::BinaryOp { left, op, right } = first {
            chain.push((left.as_ref(), op, right.as_ref()));
            first = left;
        }
        let mut own = self.expression(first, scope)?;
        while let Some((left, op, right)) = chain.pop() {
            let other = self.expression(right, scope)?;
            own = self.operator((left, own), op, (right, other))?;
        }
        Ok(own)
    }

    fn operator(&self, left: (&Expr, Type), op: &BinaryOperator, right: (&Expr, Type)) -> Result<Type> {
        use BinaryOperator::{
            And, Divide, Eq, Gt, GtEq, Lt, LtEq, Minus, Modulo, Multiply, NotEq, Or, Plus, StringConcat,
        };
        match op {
            And | Or => logical(&left).and_then(|()| logical(&right)).map(|()| Type::Boolean),
            Eq | NotEq => self.comparison(&left, op, &right, false),
            Lt | LtEq | Gt | GtEq => self.comparison(&left, op, &right, true),
            Plus | Minus | Multiply | Divide | Modulo => self.arithmetic(&left, op, &right),
            StringConcat => {
                let at = || place_between(self.sql, left.0.span(), "||", right.0.span());
                concatenated(at, &left, &right)
            }
            _ => Ok(Type::Any),
        }
    }

    fn comparison(
        &self,
        left: &(&Expr, Type),
        op: &BinaryOperator,
        right: &(&Expr, Type),
        is_ordered: bool,
    ) -> Result<Type> {
        match left.1.common(&right.1) {
            Some(common) if !is_ordered || common.is_orderable() => Ok(Type::Boolean),
            Some(_) => Err(self.cannot_apply(left, op, right, None)),
            None => Err(self.cannot_apply(left, op, right, hints::pair((left.0, &left.1), (right.0, &right.1)))),
        }
    }

    fn cannot_apply(
        &self,
        left: &(&Expr, Type),
        op: &BinaryOperator,
        right: &(&Expr, Type),
        instead: Option<String>,
    ) -> anyhow::Error {
        let op = op.to_string();
        let at = place_between(self.sql, left.0.span(), &op, right.0.span());
        refused(&at, &format!("Cannot apply operator: {} {op} {}", left.1, right.1), instead)
    }

    fn arithmetic(&self, left: &(&Expr, Type), op: &BinaryOperator, right: &(&Expr, Type)) -> Result<Type> {
        use BinaryOperator::{Divide, Minus, Multiply, Plus};
        let (own, other) = (&left.1, &right.1);
        let is_time = |data_type: &Type| matches!(data_type, Type::Date | Type::Timestamp(_) | Type::Time(_));
        Ok(match (own, op, other) {
            (a, _, b) if a.is_open() && b.is_open() => Type::Any,
            (a, _, b) if a.is_number() && b.is_number() => match a.common(b) {
                // What a decimal becomes depends on the operator.
                Some(Type::Decimal(_)) | None => Type::Decimal(None),
                Some(common) => common,
            },
            (a, _, b) | (b, _, a) if a.is_number() && b.is_open() => Type::Any,
            (a, Plus | Minus, b) if is_time(a) && b.is_interval() => a.clone(),
            (a, Plus, b) if a.is_interval() && is_time(b) => b.clone(),
            (a, Plus | Minus, b) if a.is_interval() && a == b => a.clone(),
            (a, Multiply | Divide, b) if a.is_interval() && b.is_number() => a.clone(),
            (a, Multiply, b) if a.is_number() && b.is_interval() => b.clone(),
            (Type::Date | Type::Timestamp(_), Minus, Type::Date | Type::Timestamp(_))
            | (Type::Time(_), Minus, Type::Time(_)) => Type::DayInterval,
            (a, _, b) | (b, _, a) if a.is_open() && (is_time(b) || b.is_interval()) => Type::Any,
            (a, Plus, b) if is_time(a) && b.is_whole() => {
                return Err(self.cannot_apply(left, op, right, Some(hints::moved(left.0, right.0, "+"))));
            }
            (a, Minus, b) if is_time(a) && b.is_whole() => {
                return Err(self.cannot_apply(left, op, right, Some(hints::moved(left.0, right.0, "-"))));
            }
            (a, Plus, b) if a.is_whole() && is_time(b) => {
                return Err(self.cannot_apply(left, op, right, Some(hints::moved(right.0, left.0, "+"))));
            }
            // Of a text and something else, the text is meant to be the other.
            (a, _, b) if a.is_text() => {
                return Err(self.cannot_apply(left, op, right, hints::converted(left.0, a, counted(b))));
            }
            (a, _, b) if b.is_text() => {
                return Err(self.cannot_apply(left, op, right, hints::converted(right.0, b, counted(a))));
            }
            _ => return Err(self.cannot_apply(left, op, right, None)),
        })
    }

    pub(super) fn distinct(&self, left: &Expr, right: &Expr, scope: &Scope<'_>) -> Result<Type> {
        let (own, other) = (self.expression(left, scope)?, self.expression(right, scope)?);
        if own.common(&other).is_some() {
            return Ok(Type::Boolean);
        }
        let at = place_between(self.sql, left.span(), "IS", right.span());
        let instead = hints::pair((left, &own), (right, &other));
        Err(refused(&at, &format!("Cannot check if {own} is identical to {other}"), instead))
    }

    pub(super) fn between(&self, value: &Expr, low: &Expr, high: &Expr, scope: &Scope<'_>) -> Result<Type> {
        let own = self.expression(value, scope)?;
        let (least, most) = (self.expression(low, scope)?, self.expression(high, scope)?);
        for (bound, data_type) in [(low, &least), (high, &most)] {
            if own.common(data_type).is_none_or(|common| !common.is_orderable()) {
                let at = place_between(self.sql, value.span(), "BETWEEN", low.span());
                let message = format!("Cannot check if {own} is BETWEEN {least} and {most}");
                return Err(refused(&at, &message, hints::pair((value, &own), (bound, data_type))));
            }
        }
        Ok(Type::Boolean)
    }

    pub(super) fn in_list(&self, value: &Expr, list: &[Expr], scope: &Scope<'_>) -> Result<Type> {
        let values = std::iter::once(value).chain(list);
        self.same(values, scope, |types| format!("IN value and list items {types}"))?;
        Ok(Type::Boolean)
    }

    pub(super) fn in_subquery(&self, value: &Expr, query: &Query, op: &str, scope: &Scope<'_>) -> Result<Type> {
        let own = self.expression(value, scope)?;
        let Some(columns) = self.query(query, scope)? else { return Ok(Type::Boolean) };
        let given: Vec<Type> = columns.into_iter().map(|column| column.data_type).collect();
        let values = match own {
            Type::Row(fields) => fields.into_iter().map(|field| field.data_type).collect(),
            only => vec![only],
        };
        let meet = |(a, b): (&Type, &Type)| a.common(b).is_some();
        if values.len() == given.len() && values.iter().zip(&given).all(meet) {
            return Ok(Type::Boolean);
        }
        let message = format!(
            "Value expression and result of subquery must be of the same type: row({}) vs row({})",
            list(&values),
            list(&given)
        );
        let instead = match (values.as_slice(), given.as_slice()) {
            ([own], [other]) => hints::converted(value, own, other),
            _ => None,
        };
        Err(refused(&place_between(self.sql, value.span(), op, query.span()), &message, instead))
    }

    pub(super) fn quantified(
        &self,
        value: &Expr,
        op: &BinaryOperator,
        compared: &Expr,
        scope: &Scope<'_>,
    ) -> Result<Type> {
        match compared {
            Expr::Subquery(query) => self.in_subquery(value, query, &op.to_string(), scope),
            Expr::Nested(inner) => self.quantified(value, op, inner, scope),
            other => {
                self.expression(value, scope)?;
                self.expression(other, scope).map(|_| Type::Boolean)
            }
        }
    }

    pub(super) fn like(&self, value: &Expr, pattern: &Expr, scope: &Scope<'_>) -> Result<Type> {
        for (part, what) in [(value, "Left side of"), (pattern, "Pattern for")] {
            let own = self.expression(part, scope)?;
            if !own.coerces(&Type::Varchar(None)) {
                let message = format!("{what} LIKE expression must evaluate to a varchar (actual: {own})");
                let instead = hints::converted(part, &own, &Type::Varchar(None));
                return Err(refused(&place(part.span()), &message, instead));
            }
        }
        Ok(Type::Boolean)
    }
}

fn logical((term, own): &(&Expr, Type)) -> Result<()> {
    if own.coerces(&Type::Boolean) {
        return Ok(());
    }
    let message = format!("Logical expression term must evaluate to a boolean (actual: {own})");
    Err(refused(&place(term.span()), &message, hints::converted(term, own, &Type::Boolean)))
}

/// The type that a text in arithmetic is meant to have.
fn counted(other: &Type) -> &Type {
    match other {
        Type::Varchar(_) | Type::Char(_) => &Type::Double,
        other => other,
    }
}
