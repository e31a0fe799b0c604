//! A corpus of queries, each with the answer of the real Trino: the embedded engine gives the same, but for the differences
//! that are known. `tests/README.md` says how it grows.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use athena_local::{Query, QueryFailed, Trino};
use futures::{StreamExt, stream};
use meterlake_core::config::Config;
use meterlake_core::engine::Statement;
use meterlake_core::lake::Lake;
use meterlake_tests::calls::{call, lines, with};
use meterlake_tests::lake::{Row, TestLake};
use meterlake_tests::lakes::lake_on_trino;
use meterlake_tests::trino::trino;

const DATABASE: &str = "metering";
const TABLES: &str = include_str!("../../trino/corpus/tables.sql");
/// Set: what the engines give now is written into the files, in place of being compared with them.
const WRITE: &str = "METERLAKE_WRITE_CORPUS";
/// What the type check of the embedded engine takes for Trino's functions.
const FUNCTIONS: &str = "../jobs/embedded/src/dialect/check/functions.txt";
/// How long a query may take. Those that Trino answers take a second at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an engine makes of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Lines of cells, parted by tabs.
    Rows(Vec<String>),
    /// It refuses it, with an error of this name; the embedded engine's errors have none.
    Refusal(String),
}

impl Answer {
    pub(crate) fn of_rows(sql: &str, rows: &[Row]) -> Self {
        let cell = |cell: &Option<String>| match cell {
            None => "\\N".to_owned(),
            Some(text) => {
                let text = text.replace('\\', "\\\\").replace('\t', "\\t");
                text.replace('\n', "\\n").replace('\r', "\\r")
            }
        };
        // A mark at the end, because editors take blanks from the ends of lines.
        let line = |row: &Row| row.iter().map(cell).collect::<Vec<_>>().join("\t") + "|";
        let mut lines: Vec<String> = rows.iter().map(line).collect();
        if !is_ordered(sql) {
            lines.sort();
        }
        Self::Rows(lines)
    }

    fn lines(&self) -> Vec<String> {
        match self {
            Self::Rows(lines) => lines.clone(),
            Self::Refusal(name) => vec![format!("error {name}")],
        }
    }

    /// In one word, how the embedded engine's answer differs from this one.
    pub(crate) fn difference(&self, embedded: &Self) -> Option<&'static str> {
        match (self, embedded) {
            (Self::Rows(expected), Self::Rows(found)) => (unordered(expected) != unordered(found)).then_some("value"),
            (Self::Rows(_), Self::Refusal(_)) => Some("refused"),
            (Self::Refusal(_), Self::Rows(_)) => Some("accepted"),
            (Self::Refusal(_), Self::Refusal(_)) => None,
        }
    }
}

/// Lines with the entries of each map sorted: a map has no order, and engines print it as they happen to keep it.
fn unordered(lines: &[String]) -> Vec<String> {
    let cell = |cell: &str| match cell.strip_prefix('{').and_then(|map| map.strip_suffix('}')) {
        Some(map) if !map.contains(['{', '[']) => {
            let mut entries: Vec<&str> = map.split(", ").collect();
            entries.sort_unstable();
            format!("{{{}}}", entries.join(", "))
        }
        _ => cell.to_owned(),
    };
    let line = |line: &String| line.trim_end_matches('|').split('\t').map(cell).collect::<Vec<_>>().join("\t");
    lines.iter().map(line).collect()
}

/// Whether a query says in which order its rows come, outside of parentheses.
fn is_ordered(sql: &str) -> bool {
    let (mut depth, mut is_quoted, mut outside) = (0, false, String::new());
    for letter in sql.chars() {
        match letter {
            '\'' => is_quoted = !is_quoted,
            '(' if !is_quoted => depth += 1,
            ')' if !is_quoted => depth -= 1,
            _ if depth == 0 && !is_quoted => outside.push(letter.to_ascii_lowercase()),
            _ => {}
        }
    }
    outside.contains("order by")
}

struct Entry {
    name: String,
    sql: String,
    answer: Answer,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("trino/corpus").join(name)
}

/// `# name`, the query, `----`, and the answer; an empty line parts them.
fn corpus() -> Vec<Entry> {
    let text = fs::read_to_string(file("answers.txt")).unwrap();
    let entry = |block: &str| {
        let (name, rest) = block.trim_start_matches("# ").split_once('\n').unwrap();
        let (sql, answer) = rest.split_once("\n----").unwrap_or_else(|| panic!("{name} has no answer, `----`"));
        let lines: Vec<&str> = answer.lines().filter(|line| !line.is_empty()).collect();
        let answer = match lines.first().and_then(|line| line.strip_prefix("error ")) {
            Some(error) => Answer::Refusal(error.to_owned()),
            None => Answer::Rows(lines.into_iter().map(str::to_owned).collect()),
        };
        Entry { name: name.to_owned(), sql: sql.to_owned(), answer }
    };
    text.split("\n\n").map(str::trim_end).filter(|block| !block.is_empty()).map(entry).collect()
}

fn write(entries: &[Entry]) {
    let block = |entry: &Entry| {
        let lines: String = entry.answer.lines().iter().map(|line| format!("{line}\n")).collect();
        format!("# {}\n{}\n----\n{lines}", entry.name, entry.sql)
    };
    fs::write(file("answers.txt"), entries.iter().map(block).collect::<Vec<_>>().join("\n")).unwrap();
}

fn statement(sql: &str) -> Statement {
    let database = DATABASE.parse().unwrap();
    Statement { label: "a query of the corpus".to_owned(), sql: sql.to_owned(), database, token: None }
}

/// Makes the tables and the objects below the raw one.
async fn fill(lake: &Lake) {
    let root = &lake.config.lake;
    let calls = [call("a"), with(call("b"), "status", "-"), with(call("c"), "responseLength", "x")];
    for (name, calls) in [("one", &calls[..]), ("two", &calls[1..])] {
        let object = root.join("raw/hour=06").join(name);
        lake.store.write(&object, lines(calls).as_bytes()).await.unwrap();
    }
    for sql in TABLES.split(";\n") {
        let sql = sql.replace("{lake}", &root.to_string());
        if !sql.trim().is_empty() {
            lake.engine.execute(&statement(&sql)).await.unwrap_or_else(|error| panic!("{error:#}: {sql}"));
        }
    }
}

/// What Trino makes of each query.
async fn ask_trino(trino: &Trino, entries: &[Entry]) -> Vec<Answer> {
    fill(&lake_on_trino(trino).await).await;
    let answer = async |entry: &Entry| {
        let query = Query { sql: &entry.sql, database: DATABASE, property: None };
        match trino.run(&query).await {
            Ok(answer) => Answer::of_rows(&entry.sql, &answer.rows),
            Err(error) => Answer::Refusal(error.downcast::<QueryFailed>().unwrap().name),
        }
    };
    stream::iter(entries).map(answer).buffered(4).collect().await
}

/// What the embedded engine makes of each query.
async fn ask_embedded(entries: &[Entry]) -> Vec<Answer> {
    let beside = TestLake::bare().await;
    let config = Config { database: DATABASE.parse().unwrap(), ..beside.lake.config.clone() };
    let lake = meterlake_embedded::connect(config).await.unwrap();
    fill(&lake).await;
    let answer = async |entry: &Entry| {
        let statement = statement(&entry.sql);
        match tokio::time::timeout(PATIENCE, lake.engine.query(&statement)).await {
            Ok(Ok(answer)) => Answer::of_rows(&entry.sql, &answer.rows),
            Ok(Err(error)) => Answer::Refusal(format!("{error:#}")),
            Err(_) => Answer::Refusal("it takes too long".to_owned()),
        }
    };
    stream::iter(entries).map(answer).buffered(4).collect().await
}

/// Each known difference, by the query's name.
fn known() -> BTreeMap<String, String> {
    let text = fs::read_to_string(file("differences.txt")).unwrap();
    let line = |line: &str| line.split_once(' ').map(|(name, kind)| (name.to_owned(), kind.to_owned())).unwrap();
    text.lines().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn trino_gives_the_answers_of_the_corpus() {
    let Some(trino) = trino() else { return };
    let mut entries = corpus();
    let answers = ask_trino(&trino, &entries).await;
    if std::env::var_os(WRITE).is_some() {
        for (entry, answer) in entries.iter_mut().zip(answers) {
            entry.answer = answer;
        }
        write(&entries);
        return;
    }
    let pairs = entries.iter().zip(&answers).filter(|(entry, answer)| entry.answer != **answer);
    let other = pairs.map(|(entry, answer)| format!("{}: {:?}, and now {answer:?}", entry.name, entry.answer));
    let other: Vec<String> = other.collect();
    assert!(other.is_empty(), "{} answers are others:\n{}", other.len(), other.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_engine_differs_from_trino_where_it_is_known_to() {
    let entries = corpus();
    let answers = ask_embedded(&entries).await;
    let found: BTreeMap<&str, (&str, &Entry, &Answer)> = entries
        .iter()
        .zip(&answers)
        .filter_map(|(entry, answer)| Some((&*entry.name, (entry.answer.difference(answer)?, entry, answer))))
        .collect();
    if std::env::var_os(WRITE).is_some() {
        let lines: String = found.iter().map(|(name, (kind, ..))| format!("{name} {kind}\n")).collect();
        fs::write(file("differences.txt"), lines).unwrap();
        return;
    }
    let known = known();
    let mut wrong = Vec::new();
    for (&name, &(kind, entry, answer)) in &found {
        if known.get(name).is_none_or(|known| known != kind) {
            let Entry { sql, answer: expected, .. } = entry;
            wrong.push(format!("new: {name} {kind}\n  {sql}\n  Trino: {expected:?}\n  embedded: {answer:?}"));
        }
    }
    let gone = known.keys().filter(|name| !found.contains_key(name.as_str()));
    wrong.extend(gone.map(|name| format!("gone, so take it off differences.txt: {name}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_functions_of_the_type_check_are_those_of_trino() {
    let Some(trino) = trino() else { return };
    let query = Query { sql: "SHOW FUNCTIONS", database: DATABASE, property: None };
    let mut functions: Vec<String> = Vec::new();
    for row in trino.run(&query).await.unwrap().rows {
        let [name, result, arguments, kind, ..] = row.as_slice() else { panic!("{row:?} has too few columns") };
        let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
        let line = format!("{}({}) {}", text(name), text(arguments), text(result));
        if text(kind) != "table" && !functions.contains(&line) {
            functions.push(line);
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(FUNCTIONS);
    let file = fs::read_to_string(&path).unwrap();
    let (heading, known): (Vec<&str>, Vec<&str>) = file.lines().partition(|line| line.starts_with('#'));
    if std::env::var_os(WRITE).is_some() {
        let lines: String =
            heading.into_iter().chain(functions.iter().map(String::as_str)).flat_map(|line| [line, "\n"]).collect();
        fs::write(path, lines).unwrap();
        return;
    }
    assert_eq!(functions, known);
}
