//! Files that include others: what several statements must say alike stands in one place.

use anyhow::{Context, Result, anyhow, bail};

use super::header::Header;

const START: &str = "{% include \"";
const END: &str = "\" %}";

/// The text with each included file's in its place, and the names and versions of those files in their order.
///
/// # Errors
/// A file that is included cannot be read, is wrong, includes another one, or has a parameter that `header` does not name.
pub(super) fn expand(
    text: &str,
    header: &Header,
    read: impl Fn(&str) -> Result<String>,
) -> Result<(String, Vec<String>)> {
    let (mut expanded, mut includes) = (String::with_capacity(text.len()), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(START) {
        let (path, after) =
            after.split_once(END).context("an include is written {% include \"sources/lines.sql\" %}")?;
        let included = read(path).with_context(|| format!("it includes {path}"))?;
        let label = check(&included, header).with_context(|| format!("it includes {path}, which is wrong"))?;
        if !includes.contains(&label) {
            includes.push(label);
        }
        expanded.push_str(before);
        expanded.push_str(&included);
        rest = after;
    }
    expanded.push_str(rest);
    Ok((expanded, includes))
}

/// The included file's name and version.
fn check(included: &str, header: &Header) -> Result<String> {
    if included.contains(START) {
        bail!("a file that is included includes no other one");
    }
    let own = Header::parse(included)?;
    for (parameter, declared) in &own.parameters {
        if header.parameters.get(parameter) != Some(declared) {
            return Err(anyhow!(
                "its parameter `{parameter} ({declared})` is missing in the header of the file itself"
            ));
        }
    }
    Ok(own.label())
}

#[cfg(test)]
mod tests {
    use super::super::{Quoting, SqlFile, SqlValues};
    use super::*;

    const OUTER: &str = "-- name: q\n-- version: 2\n-- parameters:\n--   n (integer): a number\n\
                         SELECT * FROM ({% include \"sources/part.sql\" %})";
    const PART: &str = "-- name: part\n-- version: 3\n-- parameters:\n--   n (integer): a number\nSELECT {{ n }}";

    fn parse(outer: &str, part: &str) -> Result<SqlFile> {
        SqlFile::parse("q.sql", outer, Quoting::Trino, |path| match path {
            "sources/part.sql" => Ok(part.to_owned()),
            _ => bail!("there is no {path}"),
        })
    }

    #[test]
    fn an_included_file_is_part_of_the_statement_its_label_and_its_checksum() {
        let file = parse(OUTER, PART).unwrap();
        let sql = file.render_one(&SqlValues::from([("n", 7_i64.into())])).unwrap();
        assert_eq!(sql.split_whitespace().collect::<Vec<_>>().join(" "), "SELECT * FROM ( SELECT 7)");
        assert_eq!(file.label(), "q@2+part@3");
        let twice = parse(&OUTER.replace("{% include", "{% include \"sources/part.sql\" %} {% include"), PART).unwrap();
        assert_eq!(twice.label(), "q@2+part@3");
        let edited = parse(OUTER, &PART.replace("{{ n }}", "{{ n }} + 1")).unwrap();
        assert_ne!(file.checksum(), edited.checksum());
    }

    #[test]
    fn a_wrong_include_is_named() {
        let message = |outer: &str, part: &str| format!("{:#}", parse(outer, part).unwrap_err());
        assert!(message(&OUTER.replace("part.sql", "other.sql"), PART).contains("sources/other.sql"));
        assert!(message(OUTER, &PART.replace("-- version: 3\n", "")).contains("sources/part.sql"));
        assert!(message(OUTER, &PART.replace("(integer)", "(text)")).contains("`n (text)`"));
        assert!(message(OUTER, OUTER).contains("includes no other one"));
    }
}
