//! Why queries fail, in Athena's words.

use meterlake_core::location::Location;

use crate::trino::QueryFailed;

/// Why an execution failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) message: String,
    /// 1: system, 2: user, 3: other.
    pub(crate) category: i32,
    /// The number in Athena's list of errors.
    pub(crate) number: i32,
    pub(crate) is_retryable: bool,
}

impl Failure {
    /// The statement, or what it reads, is not right.
    pub(crate) fn user(message: impl Into<String>) -> Self {
        Self { message: message.into(), category: 2, number: 1100, is_retryable: false }
    }

    /// A failure that somebody asked for.
    pub(crate) fn asked_for(is_retryable: bool) -> Self {
        if is_retryable {
            let message = "GENERIC_INTERNAL_ERROR: the query failed, as it was told to; it may work if it is run again";
            return Self { message: message.to_owned(), category: 1, number: 401, is_retryable };
        }
        Self::user("GENERIC_USER_ERROR: the query failed, as it was told to")
    }

    /// What the engine says, which is nearly always about the statement; in Athena's words where programs look for them.
    pub(crate) fn of_engine(error: &anyhow::Error, target: Option<&Location>) -> Self {
        if let Some(failed) = error.downcast_ref::<QueryFailed>() {
            return Self::of_trino(failed, target);
        }
        // The first says what we call the statement.
        let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
        let said = if causes.is_empty() { error.to_string() } else { causes.join(": ") };
        Self::user(in_athenas_words(&said, target).unwrap_or(said))
    }

    /// What Trino says is what Athena says, but for the folder that is in the way.
    fn of_trino(failed: &QueryFailed, target: Option<&Location>) -> Self {
        let message = match target.filter(|_| failed.name == "HIVE_PATH_ALREADY_EXISTS") {
            Some(folder) => path_already_exists(folder),
            None => failed.to_string(),
        };
        let user = Self::user(message);
        if failed.kind == "USER_ERROR" || failed.kind == "EXTERNAL" {
            user
        } else {
            Self { category: 1, number: 401, ..user }
        }
    }
}

fn path_already_exists(folder: &Location) -> String {
    format!(
        "HIVE_PATH_ALREADY_EXISTS: Target directory for table already exists: {folder}. You may need to manually clean the \
         data at location '{folder}' before retrying. Athena will not delete data in your account."
    )
}

fn in_athenas_words(said: &str, target: Option<&Location>) -> Option<String> {
    if let Some(folder) = target.filter(|_| said.contains("is not empty: write to a new one")) {
        return Some(path_already_exists(folder));
    }
    if let Some(at) = said.find("HIVE_CURSOR_ERROR: ") {
        return Some(said[at..].to_owned());
    }
    let named = |before: &str, after: &str| {
        let (_, rest) = said.split_once(before)?;
        rest.split_once(after).map(|(name, _)| name)
    };
    if let Some(name) = named("table '", "' not found") {
        return Some(format!("TABLE_NOT_FOUND: Table '{name}' does not exist"));
    }
    if let Some(name) = said.strip_prefix("there is no column ") {
        let name = name.split(';').next().unwrap_or(name);
        return Some(format!("COLUMN_NOT_FOUND: Column '{name}' cannot be resolved"));
    }
    let repeated = named("unique expression names but the expression \"", "\" at position");
    let repeated = repeated.and_then(|expression| expression.rsplit(" AS ").next());
    if let Some(name) = repeated.or_else(|| named("the result has two columns `", "`")) {
        return Some(format!("SYNTAX_ERROR: Column name '{name}' specified more than once"));
    }
    if let Some(name) = named("the column `", "`: a table cannot hold a NULL without a type") {
        return Some(format!("SYNTAX_ERROR: Column type is unknown: {name}"));
    }
    said.contains("more than 100 partitions")
        .then(|| "HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit of 100 open writers for partitions/buckets.".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_words_become_athenas() {
        let folder: Location = "s3://b/f".parse().unwrap();
        for (said, expected) in [
            ("the folder s3://b/f is not empty: write to a new one", "HIVE_PATH_ALREADY_EXISTS: Target directory"),
            ("table 'awsdatacatalog.d.t' not found", "TABLE_NOT_FOUND: Table 'awsdatacatalog.d.t' does not exist"),
            ("there is no column x; there are: y, z", "COLUMN_NOT_FOUND: Column 'x' cannot be resolved"),
            ("cannot read s3://b/f/a: HIVE_CURSOR_ERROR: Row", "HIVE_CURSOR_ERROR: Row"),
            ("the result has two columns `a`: name one", "SYNTAX_ERROR: Column name 'a' specified more than once"),
            (
                "Projections require unique expression names but the expression \"x + 1 AS a\" at position 0 and \"y AS a\"",
                "SYNTAX_ERROR: Column name 'a' specified more than once",
            ),
            (
                "the column `a`: a table cannot hold a NULL without a type: CAST it",
                "SYNTAX_ERROR: Column type is unknown: a",
            ),
            ("the statement writes more than 100 partitions, which", "HIVE_TOO_MANY_OPEN_PARTITIONS: Exceeded limit"),
            ("line 1:1: found `SELEC`", "line 1:1: found `SELEC`"),
        ] {
            let error = anyhow::anyhow!("{said}").context("statement failed");
            let failure = Failure::of_engine(&error, Some(&folder));
            assert!(failure.message.starts_with(expected), "{}", failure.message);
        }
    }
}
