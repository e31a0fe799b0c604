use meterlake_core::engine::{Engine, Outcome, Rows};

use super::super::api::{Execution, Page};
use super::fake::{Call, Script, as_is, engine, page, statement, succeeded};
use super::{CTAS, UNLOAD};

fn script(pages: Vec<Page>) -> Script {
    Script { gets: [Ok(succeeded(4096))].into(), results: pages.into_iter().map(Ok).collect(), ..Script::default() }
}

/// The rows of a SELECT whose results come in pages.
async fn select(pages: Vec<Page>) -> Rows {
    let (_, engine) = engine(script(pages), as_is).await;
    engine.query(&statement("SELECT …")).await.unwrap()
}

/// The rows of a statement that is no DML.
async fn show(sql: &str, page: Page) -> Rows {
    let gets = [Ok(Execution { is_dml: false, ..succeeded(0) })].into();
    let (_, engine) = engine(Script { gets, ..script(vec![page]) }, as_is).await;
    engine.query(&statement(sql)).await.unwrap()
}

fn text(rows: &Rows) -> Vec<Vec<Option<&str>>> {
    rows.rows.iter().map(|row| row.iter().map(Option::as_deref).collect()).collect()
}

fn next(token: &str, page: Page) -> Page {
    Page { next: Some(token.to_owned()), ..page }
}

#[tokio::test(start_paused = true)]
async fn a_ctas_tells_how_many_rows_it_wrote() {
    for sql in [CTAS, "INSERT INTO t SELECT 1"] {
        let page = Page { update_count: Some(12), ..page(&["rows"], false, &[]) };
        let (fake, engine) = engine(script(vec![page]), as_is).await;
        let Outcome { rows, scan } = engine.execute(&statement(sql)).await.unwrap();
        assert_eq!((rows, scan.bytes), (12, 4096));
        assert_eq!(fake.count(|call| matches!(call, Call::Results { .. })), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ctas_of_no_rows_wrote_none() {
    let page = Page { update_count: Some(0), ..Page::default() };
    let (_, engine) = engine(script(vec![page]), as_is).await;
    assert_eq!(engine.execute(&statement(CTAS)).await.unwrap().rows, 0);
}

#[tokio::test(start_paused = true)]
async fn a_ctas_whose_count_is_missing_is_an_error_and_not_zero_rows() {
    let (_, engine) = engine(script(vec![Page::default()]), as_is).await;
    let error = engine.execute(&statement(CTAS)).await.unwrap_err().to_string();
    assert!(error.contains("how many rows") && error.contains("query-1"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_unload_a_definition_and_a_query_run_for_nothing_write_no_rows() {
    for sql in [UNLOAD, "DROP TABLE t", "SELECT 1"] {
        let (fake, engine) = engine(script(Vec::new()), as_is).await;
        let outcome = engine.execute(&statement(sql)).await.unwrap();
        assert_eq!((outcome.rows, outcome.scan.bytes), (0, 4096));
        assert_eq!(fake.count(|call| matches!(call, Call::Results { .. })), 0, "{sql}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_gives_columns_and_rows_without_the_header_row() {
    let rows = select(vec![page(
        &["user", "requests", "amount", "day"],
        true,
        &[
            &[Some("a"), Some("9007199254740993"), Some("12.3400"), Some("2023-01-31")],
            &[None, Some("0"), None, Some("")],
        ],
    )])
    .await;
    assert_eq!(rows.columns, ["user", "requests", "amount", "day"]);
    let first = [Some("a"), Some("9007199254740993"), Some("12.3400"), Some("2023-01-31")];
    assert_eq!(text(&rows), [first, [None, Some("0"), None, Some("")]]);
    assert_eq!(rows.scan.bytes, 4096);
}

#[tokio::test(start_paused = true)]
async fn null_and_empty_text_differ() {
    let rows = select(vec![page(&["a", "b"], true, &[&[None, Some("")]])]).await;
    assert_eq!(text(&rows), [[None, Some("")]]);
}

#[tokio::test(start_paused = true)]
async fn only_the_first_page_has_a_header_row() {
    let first = next("2", page(&["name"], true, &[&[Some("a")]]));
    // A value may be called as its column is.
    let second = next("3", page(&["name"], false, &[&[Some("name")], &[Some("b")]]));
    let (fake, engine) = engine(script(vec![first, second, page(&["name"], false, &[])]), as_is).await;
    let rows = engine.query(&statement("SELECT name FROM t")).await.unwrap();
    assert_eq!(text(&rows), [[Some("a")], [Some("name")], [Some("b")]]);
    let asked: Vec<_> = fake.calls().into_iter().filter(|call| matches!(call, Call::Results { .. })).collect();
    let page = |token: Option<&str>| Call::Results { id: "query-1".to_owned(), token: token.map(str::to_owned) };
    assert_eq!(asked, [page(None), page(Some("2")), page(Some("3"))]);
}

#[tokio::test(start_paused = true)]
async fn a_first_value_that_is_called_as_its_column_stays() {
    let rows = select(vec![page(&["name"], true, &[&[Some("name")]])]).await;
    assert_eq!(text(&rows), [[Some("name")]]);
}

#[tokio::test(start_paused = true)]
async fn a_first_row_that_is_no_header_stays() {
    for first in [&[Some("a")][..], &[None]] {
        let rows = select(vec![page(&["name"], false, &[first])]).await;
        assert_eq!(text(&rows), [first]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_query_without_rows_has_columns() {
    let rows = select(vec![page(&["n"], true, &[])]).await;
    assert_eq!((rows.columns.len(), rows.rows.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_heading_may_be_a_columns_label() {
    let mut labelled = page(&["n"], false, &[&[Some("Number")], &[Some("1")]]);
    labelled.columns[0].label = "Number".to_owned();
    let rows = select(vec![labelled]).await;
    assert_eq!((rows.columns.as_slice(), text(&rows)), (&["n".to_owned()][..], vec![vec![Some("1")]]));
}

#[tokio::test(start_paused = true)]
async fn show_has_no_header_row_even_where_a_row_looks_like_one() {
    let listed = page(&["tab_name"], false, &[&[Some("tab_name")], &[Some("usage_daily")]]);
    assert_eq!(text(&show("SHOW TABLES", listed).await), [[Some("tab_name")], [Some("usage_daily")]]);
}

#[tokio::test(start_paused = true)]
async fn describe_is_parted_at_its_tabs() {
    let columns = ["col_name", "data_type", "comment"];
    let described = page(
        &columns,
        false,
        &[
            &[Some("user                \tstring              \tthe caller          ")],
            &[Some("year                \tint                 \t                    ")],
            &[Some("\t \t ")],
            &[Some("# Partition Information")],
        ],
    );
    let rows = show("DESCRIBE t", described).await;
    assert_eq!(rows.columns, columns);
    assert_eq!(
        text(&rows),
        [
            [Some("user"), Some("string"), Some("the caller")],
            [Some("year"), Some("int"), Some("")],
            [Some(""), Some(""), Some("")],
            [Some("# Partition Information"), None, None],
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_tab_in_the_only_column_of_a_query_stays() {
    let rows = select(vec![page(&["text"], true, &[&[Some("a\tb")]])]).await;
    assert_eq!(text(&rows), [[Some("a\tb")]]);
}

#[tokio::test(start_paused = true)]
async fn a_statement_that_writes_gives_no_rows_when_queried() {
    for sql in [CTAS, UNLOAD] {
        let (fake, engine) = engine(script(Vec::new()), as_is).await;
        let rows = engine.query(&statement(sql)).await.unwrap();
        assert!(rows.columns.is_empty() && rows.rows.is_empty() && rows.scan.bytes == 4096);
        assert_eq!(fake.count(|call| matches!(call, Call::Results { .. })), 0);
    }
}
