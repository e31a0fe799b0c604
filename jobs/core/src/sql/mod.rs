//! The SQL files: found, checked, and rendered so that no value can break out of its place.
//!
//! A file starts with a header of comments that gives its name, its version and its parameters:
//!
//! ```sql
//! -- name: merge_hour
//! -- version: 1
//! -- parameters:
//! --   raw_table (name): the table to read
//! --   year (integer): the hour's year
//! ```
//!
//! Below it stand statements with `{{ parameter }}` where values go. A file that uses a parameter which its header
//! does not name, or names one that it does not use, is refused when it is read.
//!
//! `{% include "sources/lines.sql" %}` stands for the text of another file, whose parameters the header names too.

mod files;
mod header;
mod include;
mod scan;
mod value;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use minijinja::{Environment, UndefinedBehavior, Value};
use sha2::{Digest, Sha256};

pub use files::SqlFiles;
use header::Header;
pub use header::ParameterType;
pub use scan::Quoting;
pub use value::{SqlValue, SqlValues};

/// A checked SQL file.
#[derive(Debug, Clone)]
pub struct SqlFile {
    /// Where it came from, for messages.
    pub path: String,
    header: Header,
    /// Name and version of each file that it includes: `lines@1`.
    includes: Vec<String>,
    quoting: Quoting,
    statements: Vec<String>,
    checksum: String,
}

impl SqlFile {
    /// Checks a file's text; `read` gives the text of a file that it includes, by its path below `sql/`.
    ///
    /// # Errors
    /// The header is missing or wrong, a string or comment does not end, parameters and their use differ, or a file that
    /// is included is missing or wrong.
    pub fn parse(path: &str, text: &str, quoting: Quoting, read: impl Fn(&str) -> Result<String>) -> Result<Self> {
        let check = || -> Result<Self> {
            let header = Header::parse(text)?;
            let (text, includes) = include::expand(text, &header, read)?;
            let statements = scan::statements(&text, quoting)?;
            if statements.is_empty() {
                bail!("the file has no statement");
            }
            let checksum = checksum(&statements);
            let file = Self { path: path.to_owned(), header, includes, quoting, statements, checksum };
            file.check_parameters()?;
            Ok(file)
        };
        check().with_context(|| format!("the SQL file {path} is wrong"))
    }

    /// What reports call it: `usage_daily@1`, or with the files that it includes `merge_hour@2+lines@1`.
    #[must_use]
    pub fn label(&self) -> String {
        let own = self.header.label();
        self.includes.iter().fold(own, |label, include| format!("{label}+{include}"))
    }

    /// The name in its header.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.header.name
    }

    /// The version in its header.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.header.version
    }

    /// Whether its header names a parameter.
    #[must_use]
    pub fn has_parameter(&self, name: &str) -> bool {
        self.header.parameters.contains_key(name)
    }

    /// A hash of the statements with what they include (SHA-256, hexadecimal). Comments, indentation and blank lines do not count.
    #[must_use]
    pub fn checksum(&self) -> String {
        self.checksum.clone()
    }

    /// The statements with the values in their places, each quoted for its kind.
    ///
    /// # Errors
    /// A value is missing, is not a parameter, or is of the wrong type; or the template fails.
    pub fn render(&self, values: &SqlValues) -> Result<Vec<String>> {
        self.check_values(values).with_context(|| format!("cannot render the SQL file {}", self.path))?;
        let quoting = self.quoting;
        let context: BTreeMap<&str, Value> =
            values.iter().map(|(name, value)| (*name, value.in_template(quoting))).collect();
        let environment = environment(quoting);
        self.statements
            .iter()
            .map(|statement| {
                let sql = environment.render_str(statement, &context);
                sql.with_context(|| format!("cannot render the SQL file {}", self.path))
            })
            .collect()
    }

    /// The one statement of a query file.
    ///
    /// # Errors
    /// As for `render`, or the file holds several statements.
    pub fn render_one(&self, values: &SqlValues) -> Result<String> {
        let mut statements = self.render(values)?;
        match (statements.pop(), statements.is_empty()) {
            (Some(statement), true) => Ok(statement),
            _ => bail!("the SQL file {} holds several statements: a query file holds one", self.path),
        }
    }

    fn check_parameters(&self) -> Result<()> {
        let environment = environment(self.quoting);
        let mut used = BTreeSet::new();
        for statement in &self.statements {
            used.extend(environment.template_from_str(statement)?.undeclared_variables(false));
        }
        if let Some(unknown) = used.iter().find(|name| !self.header.parameters.contains_key(*name)) {
            bail!("it uses {{{{ {unknown} }}}}, which its header does not name as a parameter");
        }
        if let Some(unused) = self.header.parameters.keys().find(|name| !used.contains(*name)) {
            bail!("its header names the parameter `{unused}`, which no statement uses");
        }
        Ok(())
    }

    fn check_values(&self, values: &SqlValues) -> Result<()> {
        for (name, expected) in &self.header.parameters {
            match values.get(name.as_str()).map(SqlValue::parameter_type) {
                Some(given) if given == *expected => {}
                Some(given) => bail!("the parameter `{name}` is declared as {expected}, but the job gives a {given}"),
                None => bail!("the job gives no parameter `{name}`: it has {}", list(values.keys())),
            }
        }
        match values.keys().find(|name| !self.header.parameters.contains_key(**name)) {
            Some(unknown) => bail!("the job gives the parameter `{unknown}`, which the file does not use"),
            None => Ok(()),
        }
    }
}

fn checksum(statements: &[String]) -> String {
    let mut hash = Sha256::new();
    for line in statements.iter().flat_map(|statement| statement.lines().map(str::trim).chain([";"])) {
        if !line.is_empty() {
            hash.update(line.as_bytes());
            hash.update(b"\n");
        }
    }
    hex(&hash.finalize())
}

fn list<'a>(names: impl Iterator<Item = &'a &'static str>) -> String {
    names.copied().collect::<Vec<_>>().join(", ")
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A template environment that quotes what it prints and knows no way around that.
fn environment(quoting: Quoting) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.remove_filter("safe");
    environment.set_formatter(move |out, _, value| {
        if value.is_safe() || value.is_integer() {
            return Ok(write!(out, "{value}")?);
        }
        match value.as_str() {
            Some(text) => Ok(out.write_str(&quoting.literal(text))?),
            None => Err(minijinja::Error::new(
                minijinja::ErrorKind::BadEscape,
                format!("a value of kind {} cannot stand in SQL", value.kind()),
            )),
        }
    });
    environment
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::TableName;

    const TEXT: &str = "-- name: q\n-- version: 2\n-- parameters:\n--   t (name): a table\n--   s (text): a string\n\
                        --   n (integer): a number\n\nSELECT {{ s }}, {{ n }} -- why; {{ x }}\nFROM {{ t }};\n";

    fn file(text: &str) -> Result<SqlFile> {
        SqlFile::parse("q.sql", text, Quoting::Trino, |path| bail!("there is no {path}"))
    }

    fn values(text: &str) -> SqlValues {
        let table = TableName::new("metering".parse().unwrap(), "a-b".parse().unwrap());
        SqlValues::from([("t", (&table).into()), ("s", text.into()), ("n", (-7_i64).into())])
    }

    #[test]
    fn values_are_quoted_so_that_none_can_break_out() {
        let sql = file(TEXT).unwrap().render_one(&values("it's\n; DROP TABLE x --")).unwrap();
        assert_eq!(sql.trim(), "SELECT 'it''s\n; DROP TABLE x --', -7 \nFROM \"metering\".\"a-b\"");
        let hive = SqlFile::parse("q.sql", TEXT, Quoting::Hive, |path| bail!("there is no {path}"))
            .unwrap()
            .render_one(&values(r"it's \"))
            .unwrap();
        assert_eq!(hive.trim(), "SELECT 'it\\'s \\\\', -7 \nFROM `metering`.`a-b`");
    }

    #[test]
    fn texts_are_looped_over_each_quoted() {
        let text = "-- name: q\n-- version: 1\n-- parameters:\n--   paths (texts): some\n\
                    SELECT 1{% for path in paths %}, {{ path }}{% endfor %}";
        let paths = SqlValue::Texts(vec!["it's".to_owned(), "b".to_owned()]);
        let sql = file(text).unwrap().render_one(&SqlValues::from([("paths", paths)])).unwrap();
        assert_eq!(sql, "SELECT 1, 'it''s', 'b'");
    }

    #[test]
    fn names_are_looped_over_each_quoted() {
        let text = "-- name: q\n-- version: 1\n-- parameters:\n--   columns (names): some\n\
                    SELECT {% for column in columns %}{{ column }}, {% endfor %}1";
        let render = |names: &[&str]| {
            let names = SqlValue::Names(names.iter().map(|name| (*name).to_owned()).collect());
            file(text).unwrap().render_one(&SqlValues::from([("columns", names)])).unwrap()
        };
        assert_eq!(render(&["a", "b\"c"]), "SELECT \"a\", \"b\"\"c\", 1");
        assert_eq!(render(&[]), "SELECT 1");
    }

    #[test]
    fn parameters_and_their_use_must_agree() {
        for (text, problem) in [
            (TEXT.replace("--   n (integer): a number\n", ""), "{{ n }}"),
            (TEXT.replace("{{ n }}", "1"), "`n`"),
            (TEXT.replace("{{ s }}", "'{{ s }}'"), "inside quotes"),
            (TEXT.replace("{{ s }}", "{{ s | safe }}"), "safe"),
            (TEXT.replace("-- version: 2\n", ""), "version"),
            (TEXT.replace("(integer)", "(float)"), "float"),
            (TEXT.replace("{{ s }}", "'open"), "does not end"),
        ] {
            let error = format!("{:#}", file(&text).and_then(|file| file.render_one(&values("x"))).unwrap_err());
            assert!(error.contains(problem) && error.contains("q.sql"), "{error}");
        }
        let mut wrong = values("x");
        wrong.insert("n", "text".into());
        assert!(format!("{:#}", file(TEXT).unwrap().render(&wrong).unwrap_err()).contains("declared as integer"));
        wrong.remove("n");
        assert!(format!("{:#}", file(TEXT).unwrap().render(&wrong).unwrap_err()).contains("no parameter `n`"));
    }

    #[test]
    fn a_checksum_is_of_the_statements_and_not_of_their_comments() {
        let checksum = |text: &str| file(text).unwrap().checksum();
        assert_eq!(checksum(TEXT), checksum(&TEXT.replace("why; {{ x }}", "another remark")));
        assert_eq!(checksum(TEXT), checksum(&TEXT.replace("\nFROM", "\n\n   FROM")));
        assert_ne!(checksum(TEXT), checksum(&TEXT.replace("FROM", "FROM ONLY")));
        assert_eq!(file(TEXT).unwrap().label(), "q@2");
    }
}
