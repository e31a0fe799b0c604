//! Which form of a function a call means, by the types of its arguments, and what it gives.

use super::signatures::{Formal, Signature, signatures};
use super::types::{Clock, Field, Type};
use anyhow::Result;
use std::collections::HashMap;

/// An argument of a call.
#[derive(Debug, Clone)]
pub(super) enum Argument {
    Value(Type),
    /// A lambda, by how many parameters it has. What it gives depends on what it is given.
    Lambda(usize),
}

/// What is made of a call.
#[derive(Debug)]
pub(super) enum Resolution {
    /// What the function gives.
    Gives(Type),
    /// Trino has no such function.
    NoFunction,
    /// No form of it takes such arguments. These are all forms, and of each that goes on longest the first argument that it
    /// does not take, and what it takes in its place.
    NoForm { forms: &'static [Signature], wrong: Vec<(usize, Type)> },
}

/// Types a lambda's result, given the place of the lambda and the types of its parameters.
pub(super) type TypeOfLambda<'a> = dyn FnMut(usize, &[Type]) -> Result<Type> + 'a;

/// Finds what a call gives.
///
/// # Errors
/// Those of a lambda's body.
pub(super) fn resolve(name: &str, arguments: &[Argument], lambda: &mut TypeOfLambda<'_>) -> Result<Resolution> {
    let Some(forms) = signatures(name) else { return Ok(Resolution::NoFunction) };
    let mut fitting = Vec::new();
    let mut wrong: Vec<(usize, Type)> = Vec::new();
    for form in forms {
        let Some(formals) = form.formals(name, arguments.len()) else { continue };
        let mut binding = Binding::default();
        let fits = binding.values(&formals, arguments).and_then(|()| binding.require_order(name));
        match fits {
            Ok(()) => fitting.push((form, formals, binding)),
            Err((at, wanted)) if wrong.first().is_none_or(|(nearest, _)| at >= *nearest) => {
                wrong.retain(|(nearest, _)| *nearest == at);
                wrong.push((at, wanted));
            }
            Err(_) => {}
        }
    }
    let mut given: Vec<(bool, &Signature, Type)> = Vec::new();
    for (form, formals, mut binding) in fitting {
        if binding.lambdas(&formals, arguments, lambda)? {
            given.push((binding.is_exact, form, binding.type_of(&form.result)));
        }
    }
    Ok(match best(&given) {
        Some(result) => Resolution::Gives(result),
        None => Resolution::NoForm { forms, wrong },
    })
}

/// What the call gives: by the only form that takes the arguments as they are, or else by the one into whose types the
/// others' do not coerce. Where that leaves several, it is not known.
fn best(given: &[(bool, &Signature, Type)]) -> Option<Type> {
    let exact: Vec<_> = given.iter().filter(|(is_exact, ..)| *is_exact).collect();
    let candidates = if exact.is_empty() { given.iter().collect() } else { exact };
    let (_, _, first) = candidates.first()?;
    if candidates.iter().all(|(_, _, result)| result == first) {
        return Some(first.clone());
    }
    let is_narrowest = |form: &Signature| {
        candidates.iter().all(|(_, other, _)| {
            form.arguments.iter().zip(&other.arguments).all(|(own, others)| match (own, others) {
                (Formal::Plain(own), Formal::Plain(others)) => own.coerces(others),
                (own, others) => kind(own).coerces(&kind(others)),
            })
        })
    };
    let mut narrowest = candidates.iter().filter(|(_, form, _)| is_narrowest(form));
    match (narrowest.next(), narrowest.next()) {
        (Some((_, _, result)), None) => Some(result.clone()),
        _ => Some(Type::Any),
    }
}

/// The type that a formal stands for, without what it binds.
fn kind(formal: &Formal) -> Type {
    Binding::default().type_of(formal)
}

/// What a call makes of the variables of a signature.
#[derive(Debug)]
struct Binding {
    types: HashMap<String, Type>,
    sizes: HashMap<String, Option<u64>>,
    /// Whether each argument is of the very type.
    is_exact: bool,
}

impl Default for Binding {
    fn default() -> Self {
        Self { types: HashMap::new(), sizes: HashMap::new(), is_exact: true }
    }
}

impl Binding {
    /// Takes all arguments but lambdas, or gives the place of the first that does not fit and what fits there.
    fn values(&mut self, formals: &[&Formal], arguments: &[Argument]) -> Result<(), (usize, Type)> {
        for (at, (formal, argument)) in formals.iter().zip(arguments).enumerate() {
            let fits = match (formal, argument) {
                (Formal::Function(parameters, _), Argument::Lambda(count)) => parameters.len() == *count,
                (Formal::Function(..), Argument::Value(value)) => value.is_open(),
                (_, Argument::Lambda(_)) => false,
                (formal, Argument::Value(value)) => self.takes(formal, value),
            };
            if !fits {
                return Err((at, self.type_of(formal)));
            }
        }
        Ok(())
    }

    /// Refuses JSON and maps, which have no order, where a function compares values by their order. SHOW FUNCTIONS does not tell
    /// which functions do.
    fn require_order(&self, function: &str) -> Result<(), (usize, Type)> {
        let (at, variable) = match function {
            "greatest" | "least" | "array_sort" => (0, "e"),
            "array_max" | "array_min" => (0, "t"),
            "max" | "min" if self.types.contains_key("e") => (0, "e"),
            "max" | "min" => (0, "t"),
            "max_by" | "min_by" => (1, "k"),
            _ => return Ok(()),
        };
        match self.types.get(variable) {
            Some(bound) if !bound.is_orderable() => Err((at, Type::Any)),
            _ => Ok(()),
        }
    }

    /// Types the lambdas. False: one gives what the function does not take.
    fn lambdas(&mut self, formals: &[&Formal], arguments: &[Argument], lambda: &mut TypeOfLambda<'_>) -> Result<bool> {
        for (at, (formal, argument)) in formals.iter().zip(arguments).enumerate() {
            let (Formal::Function(parameters, result), Argument::Lambda(_)) = (formal, argument) else { continue };
            let parameters: Vec<Type> = parameters.iter().map(|formal| self.type_of(formal)).collect();
            let given = lambda(at, &parameters)?;
            // The state of `reduce` keeps its type: a text of a length is no text without one.
            let is_longer = match result.as_ref() {
                Formal::Variable(name) => {
                    matches!((self.types.get(name), &given), (Some(Type::Varchar(None)), Type::Varchar(Some(_))))
                }
                _ => false,
            };
            if is_longer || !self.takes(result, &given) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn takes(&mut self, formal: &Formal, value: &Type) -> bool {
        match (formal, value) {
            (Formal::Variable(name), value) => {
                let bound = match self.types.get(name) {
                    Some(bound) => bound.common(value),
                    None => Some(value.clone()),
                };
                let Some(bound) = bound else { return false };
                self.types.insert(name.clone(), bound);
                true
            }
            (_, Type::Any | Type::Unknown) => {
                self.is_exact &= matches!(value, Type::Any);
                true
            }
            (Formal::Plain(wanted), value) => {
                self.is_exact &= value.is_same_kind(wanted);
                value.coerces(wanted)
            }
            (Formal::Text { of, length }, Type::Varchar(size) | Type::Char(size)) => {
                self.is_exact &=
                    matches!((of, value), (Type::Varchar(_), Type::Varchar(_)) | (Type::Char(_), Type::Char(_)));
                self.sizes.insert(length.clone(), *size);
                // `codepoint` takes one character, so it takes no text whose length is not known.
                length.parse().map_or(true, |most: u64| size.is_some_and(|size| size <= most))
            }
            (Formal::Time { of, has_zone, digits }, value) => {
                let wanted = of(Clock { digits: None, has_zone: *has_zone });
                self.is_exact &= value.is_same_kind(&wanted);
                if let Type::Timestamp(clock) | Type::Time(clock) = value {
                    self.sizes.insert(digits.clone(), clock.digits);
                }
                value.coerces(&wanted)
            }
            (Formal::Array(item), Type::Array(value)) => self.takes(item, value),
            (Formal::Map(key, item), Type::Map(own, value)) => self.takes(key, own) && self.takes(item, value),
            (Formal::Row(formals), Type::Row(fields)) => {
                formals.len() == fields.len()
                    && formals.iter().zip(fields).all(|(formal, field)| self.takes(formal, &field.data_type))
            }
            _ => false,
        }
    }

    fn type_of(&self, formal: &Formal) -> Type {
        let size = |name: &String| name.parse().ok().or_else(|| self.sizes.get(name).copied().flatten());
        match formal {
            Formal::Plain(plain) => plain.clone(),
            Formal::Text { of: Type::Char(_), length } => Type::Char(size(length)),
            Formal::Text { length, .. } => Type::Varchar(size(length)),
            Formal::Time { of, has_zone, digits } => of(Clock { digits: size(digits), has_zone: *has_zone }),
            Formal::Variable(name) => self.types.get(name).cloned().unwrap_or(Type::Any),
            Formal::Array(item) => Type::array(self.type_of(item)),
            Formal::Map(key, value) => Type::Map(Box::new(self.type_of(key)), Box::new(self.type_of(value))),
            Formal::Row(fields) => {
                Type::Row(fields.iter().map(|field| Field { name: None, data_type: self.type_of(field) }).collect())
            }
            Formal::Function(..) => Type::Any,
        }
    }
}
