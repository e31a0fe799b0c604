//! Values as text, as Athena prints them, from the JSON that Trino sends.

use std::fmt;

use anyhow::{Context, Result};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::page::{Argument, NamedType, Signature};

/// Prints the values of a type.
#[derive(Debug)]
pub(super) enum Printer {
    /// Numbers, booleans, and what comes as a text.
    Plain,
    /// `01 ff`
    Binary,
    /// `[a, b]`
    Array(Box<Printer>),
    /// `{a=1, b=2}`, by the keys. They come as texts.
    Map(Box<Printer>),
    /// `{a=1, b=2}`, by the fields' names.
    Row(Vec<(String, Printer)>),
}

impl Printer {
    pub(super) fn of(signature: &Signature) -> Result<Self> {
        let inner = |at: usize| {
            let argument = signature.arguments.get(at).context("a type without the type that it is made of")?;
            Ok::<_, anyhow::Error>(Box::new(Self::of(&serde_json::from_str(argument.value.get())?)?))
        };
        Ok(match signature.raw_type.as_str() {
            "array" => Self::Array(inner(0)?),
            "map" => Self::Map(inner(1)?),
            "row" => Self::Row(fields(&signature.arguments)?),
            "varbinary" => Self::Binary,
            _ => Self::Plain,
        })
    }

    /// `None` is NULL.
    pub(super) fn text(&self, value: &RawValue) -> Result<Option<String>> {
        let json = value.get();
        if json == "null" {
            return Ok(None);
        }
        Ok(Some(match self {
            Self::Plain if json.starts_with('"') => serde_json::from_str(json)?,
            // A number stays as Trino prints it: `1.0E25`.
            Self::Plain => json.to_owned(),
            Self::Binary => {
                let bytes = BASE64_STANDARD.decode(serde_json::from_str::<String>(json)?)?;
                bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
            }
            Self::Array(items) => {
                let values: Vec<Box<RawValue>> = serde_json::from_str(json)?;
                let values = values.iter().map(|value| items.inner(value)).collect::<Result<Vec<_>>>()?;
                format!("[{}]", values.join(", "))
            }
            Self::Map(values) => {
                let Pairs(pairs) = serde_json::from_str(json)?;
                let pairs = pairs.iter().map(|(key, value)| Ok(format!("{key}={}", values.inner(value)?)));
                format!("{{{}}}", pairs.collect::<Result<Vec<_>>>()?.join(", "))
            }
            Self::Row(fields) => {
                let values: Vec<Box<RawValue>> = serde_json::from_str(json)?;
                let pairs = fields.iter().zip(&values);
                let pairs = pairs.map(|((name, field), value)| Ok(format!("{name}={}", field.inner(value)?)));
                format!("{{{}}}", pairs.collect::<Result<Vec<_>>>()?.join(", "))
            }
        }))
    }

    /// A value within another.
    fn inner(&self, value: &RawValue) -> Result<String> {
        Ok(self.text(value)?.unwrap_or_else(|| "null".to_owned()))
    }
}

fn fields(arguments: &[Argument]) -> Result<Vec<(String, Printer)>> {
    let field = |(at, argument): (usize, &Argument)| {
        let field: NamedType = serde_json::from_str(argument.value.get())?;
        let name = field.field_name.map_or_else(|| format!("field{at}"), |field| field.name);
        Ok((name, Printer::of(&field.type_signature)?))
    };
    arguments.iter().enumerate().map(field).collect()
}

/// A JSON object's members, in their order.
struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Pairs;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = members.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: &str = r#"{"rawType": "double", "arguments": []}"#;

    fn text(signature: &str, value: &str) -> Option<String> {
        let signature: Signature = serde_json::from_str(signature).unwrap();
        Printer::of(&signature).unwrap().text(&RawValue::from_string(value.to_owned()).unwrap()).unwrap()
    }

    #[test]
    fn a_plain_value_is_printed_as_trino_sends_it() {
        for (json, expected) in [("1.0E25", "1.0E25"), ("true", "true"), (r#""NaN""#, "NaN"), (r#""a\"é""#, "a\"é")] {
            assert_eq!(text(NUMBER, json).as_deref(), Some(expected));
        }
        assert_eq!(text(NUMBER, "null"), None);
        assert_eq!(text(r#"{"rawType": "varbinary", "arguments": []}"#, r#""Af8=""#).as_deref(), Some("01 ff"));
    }

    #[test]
    fn values_of_several_parts_are_printed_as_athena_does() {
        let of = |kind: &str, arguments: &str| format!(r#"{{"rawType": "{kind}", "arguments": [{arguments}]}}"#);
        let number = format!(r#"{{"kind": "TYPE", "value": {NUMBER}}}"#);
        let long = r#"{"kind": "LONG", "value": 3}"#;
        let varchar = format!(r#"{{"kind": "TYPE", "value": {}}}"#, of("varchar", long));
        assert_eq!(text(&of("array", &number), "[1.5, null]").as_deref(), Some("[1.5, null]"));
        let map = of("map", &format!("{varchar}, {number}"));
        assert_eq!(text(&map, r#"{"z": 1, "a": null}"#).as_deref(), Some("{z=1, a=null}"));
        let field = |name: &str| format!(r#"{{"kind": "NAMED_TYPE", "value": {{{name} "typeSignature": {NUMBER}}}}}"#);
        let row = of("row", &format!("{}, {}", field(r#""fieldName": {"name": "x"},"#), field("")));
        assert_eq!(text(&row, "[1, 2]").as_deref(), Some("{x=1, field1=2}"));
    }
}
