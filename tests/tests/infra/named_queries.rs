//! The statements that a person finds in Athena's console are those that the job `tables` runs.

use meterlake_core::sql::{SqlFiles, SqlValues};

use crate::settings::config;
use crate::templates::stack;

#[test]
fn the_named_queries_are_the_files_of_sql_tables() {
    let stack = stack(&[]);
    let config = config(&stack);
    let layout = config.layout();
    let values = SqlValues::from([
        ("database", (&config.database).into()),
        ("raw_table", (&layout.raw.name).into()),
        ("lines_table", (&layout.lines.name).into()),
        ("raw_location", (&layout.raw.folder).into()),
        ("merged_table", (&layout.merged.name).into()),
        ("merged_location", (&layout.merged.folder).into()),
        ("copies_table", (&layout.copies.name).into()),
        ("copies_location", (&layout.copies.folder).into()),
        ("malformed_table", (&layout.malformed.name).into()),
        ("malformed_location", (&layout.malformed.folder).into()),
        ("usage_daily_table", (&layout.usage_daily.name).into()),
        ("usage_daily_location", (&layout.usage_daily.folder).into()),
        ("invoices_table", (&layout.invoices.name).into()),
        ("invoices_location", (&layout.invoices.folder).into()),
        ("line_items_table", (&layout.line_items.name).into()),
    ]);
    let mut run = Vec::new();
    for file in SqlFiles::new(None).tables().unwrap() {
        let own = values.clone().into_iter().filter(|(name, _)| file.has_parameter(name)).collect();
        run.extend(file.render(&own).unwrap().into_iter().map(|sql| sql.trim().to_owned()));
    }

    let queries = stack.part("Queries");
    let mut named: Vec<(String, String)> = Vec::new();
    for name in queries.resources("AWS::Athena::NamedQuery") {
        let query = queries.properties(&name);
        assert_eq!(query["WorkGroup"], "SaaSMeteringDemo");
        let text = |key: &str| query[key].as_str().unwrap().trim().to_owned();
        named.push((text("Name"), text("QueryString")));
    }
    // Their names are numbered in the order in which they are to be run.
    named.sort();
    assert_eq!(named.into_iter().map(|(_, sql)| sql).collect::<Vec<_>>(), run);
}
