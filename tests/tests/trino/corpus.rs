//! A corpus of queries, each with the answer of the real Trino: the embedded engine gives the same, but for the differences
//! that are known. `tests/README.md` says how it grows.

use std::collections::{BTreeMap, HashSet};
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
/// Where the queries are counted by theme and class, and what stands before the table.
const CLASSES_FILE: &str = "trino/README.md";
const CLASSES_MARK: &str = "<!-- The corpus test writes and compares what follows. -->\n\n";
const ALL: &str = "~ all";
const SAME: &str = "same";
const CLASSES: [&str; 5] = [SAME, "other value", "refused, by name", "refused, without a name", "accepted"];
/// Queries whose answer may follow the order of rows, on any engine.
const BY_ORDER: &[&str] = &["tbl_grouping_sets"];
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
    /// The file that it stands in, without its ending.
    theme: String,
    name: String,
    sql: String,
    answer: Answer,
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("trino/corpus").join(name)
}

/// The themes, each a file of entries.
fn themes() -> Vec<String> {
    let files = fs::read_dir(file("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut themes: Vec<String> = files.filter_map(|name| name.strip_suffix(".txt").map(str::to_owned)).collect();
    themes.sort();
    themes
}

/// A theme's file: `# name`, the query, `----`, and the answer; an empty line parts them.
fn entries_of(theme: &str) -> Vec<Entry> {
    let text = fs::read_to_string(file(&format!("{theme}.txt"))).unwrap();
    let entry = |block: &str| {
        let (name, rest) = block.trim_start_matches("# ").split_once('\n').unwrap();
        let (sql, answer) = rest.split_once("\n----").unwrap_or_else(|| panic!("{name} has no answer, `----`"));
        let lines: Vec<&str> = answer.lines().filter(|line| !line.is_empty()).collect();
        let answer = match lines.first().and_then(|line| line.strip_prefix("error ")) {
            Some(error) => Answer::Refusal(error.to_owned()),
            None => Answer::Rows(lines.into_iter().map(str::to_owned).collect()),
        };
        Entry { theme: theme.to_owned(), name: name.to_owned(), sql: sql.to_owned(), answer }
    };
    text.split("\n\n").map(str::trim_end).filter(|block| !block.is_empty()).map(entry).collect()
}

fn corpus() -> Vec<Entry> {
    themes().iter().flat_map(|theme| entries_of(theme)).collect()
}

fn write(entries: &[Entry]) {
    let block = |entry: &Entry| {
        let lines: String = entry.answer.lines().iter().map(|line| format!("{line}\n")).collect();
        format!("# {}\n{}\n----\n{lines}", entry.name, entry.sql)
    };
    for theme in themes() {
        let blocks: Vec<String> = entries.iter().filter(|entry| entry.theme == theme).map(block).collect();
        fs::write(file(&format!("{theme}.txt")), blocks.join("\n")).unwrap();
    }
}

fn statement(sql: &str) -> Statement {
    let database = DATABASE.parse().unwrap();
    Statement { label: "a query of the corpus".to_owned(), sql: sql.to_owned(), database, token: None }
}

/// The statements that make the tables.
fn tables() -> Vec<String> {
    TABLES.split(";\n").filter(|sql| !sql.trim().is_empty()).map(str::to_owned).collect()
}

/// The same; the tables that are made from numbers have their rows in another order and in eight files.
fn shuffled_tables() -> Vec<String> {
    let shuffled = |sql: String| match sql.contains("FROM UNNEST(sequence(") {
        false => vec![sql],
        true => (0..8).map(|part| format!("{sql} WHERE n % 8 = {part} ORDER BY n * 7919 % 601")).collect(),
    };
    tables().into_iter().flat_map(shuffled).collect()
}

/// Makes the tables by `statements`, and the objects below the raw one.
async fn fill(lake: &Lake, statements: &[String]) {
    let root = &lake.config.lake;
    let calls = [call("a"), with(call("b"), "status", "-"), with(call("c"), "responseLength", "x")];
    for (name, calls) in [("one", &calls[..]), ("two", &calls[1..])] {
        let object = root.join("raw/hour=06").join(name);
        lake.store.write(&object, lines(calls).as_bytes()).await.unwrap();
    }
    for sql in statements {
        let sql = sql.replace("{lake}", &root.to_string());
        lake.engine.execute(&statement(&sql)).await.unwrap_or_else(|error| panic!("{error:#}: {sql}"));
    }
}

/// What Trino makes of each query.
async fn ask_trino(trino: &Trino, entries: &[Entry]) -> Vec<Answer> {
    fill(&lake_on_trino(trino).await, &tables()).await;
    let answer = async |entry: &Entry| {
        let query = Query { sql: &entry.sql, database: DATABASE, property: None };
        match trino.run(&query).await {
            Ok(answer) => Answer::of_rows(&entry.sql, &answer.rows),
            Err(error) => Answer::Refusal(error.downcast::<QueryFailed>().unwrap().name),
        }
    };
    stream::iter(entries).map(answer).buffered(4).collect().await
}

/// What the embedded engine makes of each query, with so many threads, over tables made by `statements`.
async fn ask_embedded(entries: &[Entry], threads: usize, statements: &[String]) -> Vec<Answer> {
    let beside = TestLake::bare().await;
    let mut config = Config { database: DATABASE.parse().unwrap(), ..beside.lake.config.clone() };
    config.embedded.threads = threads;
    let lake = meterlake_embedded::connect(config).await.unwrap();
    fill(&lake, statements).await;
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

/// A query's class, as its column in the table is headed: what the embedded engine makes of what Trino makes of it.
fn class(entry: &Entry, embedded: &Answer) -> &'static str {
    match (entry.answer.difference(embedded), embedded) {
        (None, _) => SAME,
        (Some("refused"), Answer::Refusal(why)) => match names_a_word_of(&entry.sql, why) {
            true => "refused, by name",
            false => "refused, without a name",
        },
        (Some("accepted"), _) => "accepted",
        (Some(_), _) => "other value",
    }
}

/// Words that stand in errors and in queries without naming anything.
const NAMELESS: [&str; 8] = ["and", "for", "from", "not", "select", "the", "values", "with"];

/// Whether an error names what it is about: a function, a keyword or a name of the query.
fn names_a_word_of(sql: &str, error: &str) -> bool {
    let error = error.split_once("failed: ").map_or(error, |(_, error)| error);
    let words = |text: &str| -> Vec<String> {
        let parted = text.split(|letter: char| !letter.is_alphanumeric() && !"_$".contains(letter));
        let words = parted.filter(|word| word.len() > 2).map(str::to_lowercase);
        words.filter(|word| !NAMELESS.contains(&word.as_str())).collect()
    };
    let known = words(sql);
    words(error).iter().any(|word| known.contains(word))
}

/// The queries by theme and class, and each that is not in the first class, as `tests/trino/README.md` shows them.
fn classes(entries: &[Entry], answers: &[Answer]) -> String {
    let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut others = String::new();
    for (entry, answer) in entries.iter().zip(answers) {
        let class = class(entry, answer);
        for theme in [&entry.theme, ALL] {
            *counts.entry(theme).or_default().entry(class).or_default() += 1;
        }
        if class != SAME {
            others += &format!("- `{}` {class}: `{}`\n", entry.name, entry.sql.replace('\n', " "));
        }
    }
    let mut text =
        format!("| theme | queries | {} |\n|---|{}\n", CLASSES.join(" | "), "---|".repeat(CLASSES.len() + 1));
    for (theme, counts) in counts {
        let cells: Vec<String> =
            CLASSES.iter().map(|class| counts.get(class).copied().unwrap_or_default().to_string()).collect();
        text += &format!("| {theme} | {} | {} |\n", counts.values().sum::<usize>(), cells.join(" | "));
    }
    format!("{text}\nNot the same:\n\n{others}")
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
    let answers = ask_embedded(&entries, 1, &tables()).await;
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join(CLASSES_FILE);
    let text = fs::read_to_string(&readme).unwrap();
    let (heading, known) = text.split_once(CLASSES_MARK).expect("a mark before the classes");
    let found = classes(&entries, &answers);
    if std::env::var_os(WRITE).is_some() {
        fs::write(readme, format!("{heading}{CLASSES_MARK}{found}")).unwrap();
        return;
    }
    let known: HashSet<&str> = known.lines().collect();
    let mut wrong: Vec<String> = Vec::new();
    for (entry, answer) in entries.iter().zip(&answers) {
        let class = class(entry, answer);
        if class != SAME && !known.iter().any(|line| line.starts_with(&format!("- `{}` {class}:", entry.name))) {
            let Entry { name, sql, answer: expected, .. } = entry;
            wrong.push(format!("new: {name} {class}\n  {sql}\n  Trino: {expected:?}\n  embedded: {answer:?}"));
        }
    }
    let lines: HashSet<&str> = found.lines().collect();
    wrong.extend(known.difference(&lines).map(|line| format!("no longer so, in {CLASSES_FILE}: {line}")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_threads_and_rows_in_another_order_change_no_answer() {
    let entries = corpus();
    let one = ask_embedded(&entries, 1, &tables()).await;
    let eight = ask_embedded(&entries, 8, &shuffled_tables()).await;
    let pairs = entries.iter().zip(one.iter().zip(&eight));
    let others = pairs.filter(|(entry, (one, eight))| {
        !BY_ORDER.contains(&&*entry.name) && (one.difference(eight).is_some() || eight.difference(one).is_some())
    });
    let others: Vec<String> =
        others.map(|(entry, (one, eight))| format!("{} {}\n  {one:?}\n  {eight:?}", entry.name, entry.sql)).collect();
    assert!(others.is_empty(), "{}", others.join("\n"));
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
