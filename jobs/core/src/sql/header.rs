//! The header of a SQL file.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context, Result, anyhow, bail};

/// What kind of value a parameter takes, and so how it is quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterType {
    /// An identifier.
    Name,
    /// Any number of identifiers, to loop over: `{% for column in columns %}`.
    Names,
    /// A string literal.
    Text,
    /// Any number of string literals, to loop over.
    Texts,
    /// A whole number.
    Integer,
}

impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Names => "names",
            Self::Text => "text",
            Self::Texts => "texts",
            Self::Integer => "integer",
        })
    }
}

/// Name, version and parameters.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) name: String,
    pub(super) version: u32,
    pub(super) parameters: BTreeMap<String, ParameterType>,
}

impl Header {
    /// `merge_hour@2`
    pub(super) fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Reads the comment lines that a file starts with. Lines that are no part of the form are free text.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let (mut name, mut version, mut parameters) = (None, None, None);
        for line in text.lines().map_while(|line| line.trim().strip_prefix("--")) {
            if let Some(value) = line.trim().strip_prefix("name:") {
                name = Some(value.trim().to_owned());
            } else if let Some(value) = line.trim().strip_prefix("version:") {
                let value = value.trim();
                version = Some(value.parse().with_context(|| format!("its version `{value}` is not a whole number"))?);
            } else if let Some(value) = line.trim().strip_prefix("parameters:") {
                if !["", "none"].contains(&value.trim()) {
                    bail!("write `-- parameters: none`, or `-- parameters:` and one parameter a line below it");
                }
                parameters = Some(BTreeMap::new());
            } else if let Some(parameters) = &mut parameters
                && let Some((parameter, declared)) = parameter(line)?
                && parameters.insert(parameter.clone(), declared).is_some()
            {
                bail!("its header names the parameter `{parameter}` twice");
            }
        }
        let missing = |what: &str| anyhow!("its header has no `-- {what}:` line");
        Ok(Self {
            name: name.filter(|name| !name.is_empty()).ok_or_else(|| missing("name"))?,
            version: version.ok_or_else(|| missing("version"))?,
            parameters: parameters.ok_or_else(|| missing("parameters"))?,
        })
    }
}

/// Reads `  name (type): what it is`; a line with another indentation or form is free text.
fn parameter(line: &str) -> Result<Option<(String, ParameterType)>> {
    let Some((name, rest)) = line.strip_prefix("   ").and_then(|line| line.split_once(" (")) else { return Ok(None) };
    let Some((declared, _)) = rest.split_once("):") else { return Ok(None) };
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(None);
    }
    let declared = match declared {
        "name" => ParameterType::Name,
        "names" => ParameterType::Names,
        "text" => ParameterType::Text,
        "texts" => ParameterType::Texts,
        "integer" => ParameterType::Integer,
        other => bail!("its parameter `{name}` has the type `{other}`: use name, names, text, texts or integer"),
    };
    Ok(Some((name.to_owned(), declared)))
}
