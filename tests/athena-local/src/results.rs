//! Results of queries: pages of rows, and the object that holds them all.

use serde_json::{Value, json};

use crate::columns::Column;
use crate::execution::{Execution, State, Table};
use crate::kind::Kind;
use crate::wire::{Refusal, Results};

/// The most rows of a page.
const PAGE: usize = 1000;

/// Athena's answer to `GetQueryResults`.
pub(crate) fn page(execution: &Execution, request: &Results) -> Result<Value, Refusal> {
    match execution.state {
        State::Succeeded => {}
        State::Queued | State::Running => {
            let state = execution.state.as_str();
            return Err(Refusal::invalid(format!("Query has not yet finished. Current state: {state}")));
        }
        State::Failed | State::Cancelled => {
            let state = execution.state.as_str();
            return Err(Refusal::invalid(format!("Query did not finish successfully. Final query state: {state}")));
        }
    }
    let size = request.max_results.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&size) {
        return Err(Refusal::invalid(format!("MaxResults is {size}: at most {PAGE} rows come in a page, at least 1")));
    }
    let from = match &request.next_token {
        None => 0,
        Some(token) => token.parse::<usize>().map_err(|_| Refusal::invalid("Invalid NextToken"))?,
    };

    let Table { columns, rows } = &*execution.gave.table;
    // The names of a SELECT's columns are its first row, and count as one.
    let header = usize::from(execution.kind == Kind::Select);
    let total = rows.len() + header;
    if from > total {
        return Err(Refusal::invalid("Invalid NextToken"));
    }
    let end = total.min(from + size);
    let row = |at: usize| match at.checked_sub(header) {
        None => data(columns.iter().map(|column| Some(&column.name))),
        Some(at) => data(rows[at].iter().map(Option::as_ref)),
    };
    let mut answer = json!({
        "UpdateCount": execution.gave.written,
        "ResultSet": {
            "Rows": (from..end).map(row).collect::<Vec<_>>(),
            "ResultSetMetadata": { "ColumnInfo": columns.iter().map(Column::to_json).collect::<Vec<_>>() },
        },
    });
    // A full page names a next one, even where that turns out to be empty: Athena does so too.
    if end - from == size {
        answer["NextToken"] = json!(end.to_string());
    }
    Ok(answer)
}

/// A row. A cell that is NULL has no value.
fn data<'a>(row: impl Iterator<Item = Option<&'a String>>) -> Value {
    let cell = |cell: Option<&String>| cell.map_or_else(|| json!({}), |text| json!({ "VarCharValue": text }));
    json!({ "Data": row.map(cell).collect::<Vec<_>>() })
}

/// The content of the object that holds a result: CSV for a SELECT, lines of text for others.
pub(crate) fn object(kind: Kind, table: &Table) -> String {
    if kind != Kind::Select {
        let line = |row: &Vec<Option<String>>| {
            row.iter().map(|cell| cell.as_deref().unwrap_or_default()).collect::<Vec<_>>().join("\t") + "\n"
        };
        return table.rows.iter().map(line).collect();
    }
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let header = table.columns.iter().map(|column| quoted(&column.name)).collect::<Vec<_>>().join(",");
    // NULL is nothing at all, the empty text a pair of quotes.
    let line = |row: &Vec<Option<String>>| {
        row.iter().map(|cell| cell.as_deref().map(quoted).unwrap_or_default()).collect::<Vec<_>>().join(",")
    };
    std::iter::once(header).chain(table.rows.iter().map(line)).map(|line| line + "\n").collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::execution::Gave;
    use crate::wire::Start;

    fn columns(names: [&str; 2]) -> Vec<Column> {
        names.map(|name| Column::new(name, "varchar")).to_vec()
    }

    fn execution(kind: Kind, count: usize) -> Execution {
        let mut execution = Execution::new("id".to_owned(), kind, Start::default());
        let rows = (0..count).map(|n| vec![Some(n.to_string()), None]).collect();
        let table = Table { columns: columns(["n", "x"]), rows };
        execution.start();
        execution.succeed(Gave { table: Arc::new(table), ..Gave::default() });
        execution
    }

    fn pages(execution: &Execution, size: Option<usize>) -> Vec<Vec<Value>> {
        let (mut pages, mut token) = (Vec::new(), None);
        loop {
            let query_execution_id = "id".to_owned();
            let page = page(execution, &Results { query_execution_id, max_results: size, next_token: token }).unwrap();
            pages.push(page["ResultSet"]["Rows"].as_array().unwrap().clone());
            token = page["NextToken"].as_str().map(str::to_owned);
            if token.is_none() {
                return pages;
            }
        }
    }

    #[test]
    fn only_the_first_page_of_a_select_begins_with_the_names_of_the_columns() {
        let pages = pages(&execution(Kind::Select, 2500), None);
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [1000, 1000, 501]);
        assert_eq!(pages[0][0], json!({ "Data": [{ "VarCharValue": "n" }, { "VarCharValue": "x" }] }));
        assert_eq!(pages[0][1], json!({ "Data": [{ "VarCharValue": "0" }, {}] }));
        assert_eq!(pages[1][0], json!({ "Data": [{ "VarCharValue": "999" }, {}] }));
    }

    #[test]
    fn what_shows_has_no_header() {
        let pages = pages(&execution(Kind::Show, 3), Some(2));
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(pages[0][0]["Data"][0]["VarCharValue"], "0");
    }

    #[test]
    fn a_page_of_too_many_rows_is_refused() {
        let request = Results { query_execution_id: "id".to_owned(), max_results: Some(1001), next_token: None };
        assert_eq!(page(&execution(Kind::Select, 1), &request).unwrap_err().code, "InvalidRequestException");
    }

    #[test]
    fn a_query_that_is_not_over_has_no_results() {
        let request = Results { query_execution_id: "id".to_owned(), max_results: None, next_token: None };
        let queued = Execution::new("id".to_owned(), Kind::Select, Start::default());
        assert!(page(&queued, &request).unwrap_err().message.contains("QUEUED"));
    }

    #[test]
    fn the_object_of_a_select_has_all_its_values_in_quotes_but_null() {
        let rows = vec![vec![Some("say \"x\"".to_owned()), None], vec![Some(String::new()), Some("1".to_owned())]];
        let rows = Table { columns: columns(["a", "b"]), rows };
        assert_eq!(object(Kind::Select, &rows), "\"a\",\"b\"\n\"say \"\"x\"\"\",\n\"\",\"1\"\n");
        assert_eq!(object(Kind::Show, &rows), "say \"x\"\t\n\t1\n");
    }
}
