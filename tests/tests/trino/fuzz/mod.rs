//! The two engines side by side on queries made at random: whatever Trino answers, the embedded engine answers alike or
//! refuses, and what Trino refuses, it refuses.
//!
//! Without settings the queries are the same each time. `tests/README.md` says how to let it run for longer.

mod grammar;
mod queries;
mod types;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use athena_local::{Query, QueryFailed, Trino};
use futures::FutureExt;
use futures::future::join_all;
use meterlake_core::config::Config;
use meterlake_core::engine::{Rows, Statement};
use meterlake_core::lake::Lake;
use meterlake_tests::lake::TestLake;
use meterlake_tests::lakes::lake_on_trino;
use meterlake_tests::trino::trino;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};

use crate::corpus::Answer;

const DATABASE: &str = "fuzz";
const TABLE: &str = include_str!("../../../trino/fuzz.sql");
/// How many queries a worker tries, unless it is told for how long.
const QUERIES: usize = 20;
/// How many work side by side.
const WORKERS: u8 = 4;
/// Expressions in a query. They are asked for one by one only where the query is refused, or its answers differ.
const TOGETHER: usize = 8;
/// For how many seconds it goes on.
const SECONDS: &str = "METERLAKE_FUZZ_SECONDS";
/// Another number makes other queries.
const SEED: &str = "METERLAKE_FUZZ_SEED";
/// A difference is made smaller in so many steps at most.
const STEPS: usize = 80;
const PATIENCE: Duration = Duration::from_secs(30);

/// Functions whose last digit is another in Java's and in the system's library.
const ROUGH: &[&str] = &[
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "exp",
    "ln(",
    "log",
    "pow",
    "cbrt",
    "sqrt",
    "cdf",
    "pdf",
    "wilson",
    "degrees",
    "radians",
    "avg",
    "distance",
    "similarity",
    "dot_product",
];

/// What became of the queries.
#[derive(Debug, Default)]
struct Tally {
    alike: usize,
    refused_by_both: usize,
    /// Why the embedded engine refuses what Trino answers: how often, and one of the queries.
    refused: BTreeMap<String, (usize, String)>,
    /// Queries with other values, and such that Trino alone refuses.
    differences: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.alike += other.alike;
        self.refused_by_both += other.refused_by_both;
        for (why, (count, sql)) in other.refused {
            self.refused.entry(why).or_insert((0, sql)).0 += count;
        }
        self.differences.extend(other.differences);
    }
}

struct Engines<'a> {
    trino: &'a Trino,
    embedded: &'a Lake,
    /// Why Trino no longer answers, which ends the run early.
    trino_gone: OnceLock<String>,
}

impl Engines<'_> {
    /// What Trino makes of a query; what it says of a refusal is in the second place.
    async fn ask_trino(&self, sql: &str) -> (Answer, String) {
        let mut tries = 0;
        loop {
            match self.trino.run(&Query { sql, database: DATABASE, property: None }).await {
                Ok(answer) => return (Answer::of_rows(sql, &answer.rows), String::new()),
                Err(error) => match error.downcast::<QueryFailed>() {
                    Ok(failed) => return (Answer::Refusal(failed.name), failed.message),
                    // The server may close a connection that it has kept for long.
                    Err(_) if tries < 3 => tokio::time::sleep(Duration::from_secs(1)).await,
                    // A query may take all its memory, which ends it.
                    Err(error) => {
                        self.trino_gone.get_or_init(|| format!("{error:#}; one of the last queries: {sql}"));
                        return (Answer::Refusal("EXCEEDED".to_owned()), String::new());
                    }
                },
            }
            tries += 1;
        }
    }

    async fn ask_embedded(&self, sql: &str) -> Answer {
        let statement = statement(sql);
        let answer = AssertUnwindSafe(self.embedded.engine.query(&statement)).catch_unwind();
        let answer = tokio::time::timeout(PATIENCE, answer).await.map(|answer| {
            // A panic is no refusal: the query is shown among the differences.
            let panicked = || Rows { rows: vec![vec![Some("it panicked".to_owned())]], ..Rows::default() };
            answer.unwrap_or_else(|_| Ok(panicked()))
        });
        match answer {
            Ok(Ok(answer)) => Answer::of_rows(sql, &answer.rows),
            Ok(Err(error)) => Answer::Refusal(format!("{error:#}")),
            Err(_) => Answer::Refusal("it takes too long".to_owned()),
        }
    }

    /// What both make of a query. `Err`: they differ; Trino's answer, what it says, and the other answer.
    async fn compare(&self, sql: &str) -> Result<(Answer, Answer), Box<(Answer, String, Answer)>> {
        let ((expected, message), found) = futures::future::join(self.ask_trino(sql), self.ask_embedded(sql)).await;
        // What is too much for the small server is no answer, and a fault of Trino's own none either.
        let is_answer =
            |name: &str| !["EXCEEDED", "TOO_LARGE", "INTERNAL_ERROR"].iter().any(|other| name.contains(other));
        if matches!(&expected, Answer::Refusal(name) if !is_answer(name)) {
            return Ok((expected.clone(), expected));
        }
        let is_rough = ROUGH.iter().any(|name| sql.contains(name));
        match expected.difference(&found) {
            Some("value") if is_rough && is_near(&expected, &found) => Ok((found.clone(), found)),
            Some("value" | "accepted") => Err(Box::new((expected, message, found))),
            _ => Ok((expected, found)),
        }
    }

    /// Compares, and makes what differs smaller.
    async fn try_one(&self, tree: &mut dyn ValueTree<Value = String>, wrap: fn(&str) -> String, tally: &mut Tally) {
        let first = wrap(&tree.current());
        let Err(found) = self.compare(&first).await.map(|(expected, found)| match (expected, found) {
            (Answer::Rows(_), Answer::Refusal(why)) => {
                tally.refused.entry(reason(&why)).or_insert_with(|| (0, first.clone())).0 += 1;
            }
            (Answer::Refusal(_), _) => tally.refused_by_both += 1,
            _ => tally.alike += 1,
        }) else {
            return;
        };
        let (mut smallest, mut is_more) = ((first, found), tree.simplify());
        for _ in 0..STEPS {
            if !is_more {
                break;
            }
            let sql = wrap(&tree.current());
            is_more = match self.compare(&sql).await {
                Ok(_) => tree.complicate(),
                Err(found) => {
                    smallest = (sql, found);
                    tree.simplify()
                }
            };
        }
        let (sql, found) = smallest;
        let (expected, message, embedded) = *found;
        tally.differences.push(format!("{sql}\n  Trino:    {expected:?} {message}\n  embedded: {embedded:?}"));
    }
}

/// An error without what is other in each query.
fn reason(error: &str) -> String {
    let error = error.rsplit("failed: ").next().unwrap_or(error);
    let letter = |letter: char| if letter.is_ascii_digit() { '#' } else { letter };
    error.chars().take(110).map(letter).collect::<String>().replace("##", "#")
}

/// Whether answers differ in the last digits of doubles alone.
fn is_near(one: &Answer, other: &Answer) -> bool {
    let (Answer::Rows(one), Answer::Rows(other)) = (one, other) else { return false };
    let cells = |rows: &[String]| -> Vec<String> {
        rows.iter()
            .flat_map(|row| {
                row.split(['\t', '|', ',', '[', ']', '{', '}', '=', ' ']).map(str::to_owned).collect::<Vec<_>>()
            })
            .collect()
    };
    let (one, other) = (cells(one), cells(other));
    one.len() == other.len()
        && one.iter().zip(&other).all(|(one, other)| {
            one == other
                || one
                    .parse::<f64>()
                    .ok()
                    .zip(other.parse::<f64>().ok())
                    .is_some_and(|(one, other)| (one - other).abs() <= 1e-9 * one.abs().max(other.abs()))
        })
}

fn statement(sql: &str) -> Statement {
    let database = DATABASE.parse().unwrap();
    Statement { label: "a query".to_owned(), sql: sql.to_owned(), database, token: None }
}

async fn fill(lake: &Lake) {
    for sql in TABLE.split(";\n").filter(|sql| !sql.trim().is_empty()) {
        let sql = sql.replace("{lake}", &lake.config.lake.to_string());
        lake.engine.execute(&statement(&sql)).await.unwrap_or_else(|error| panic!("{error:#}: {sql}"));
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

/// What one worker finds.
async fn work(engines: &Engines<'_>, worker: u8, until: Option<Instant>) -> Tally {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number(SEED).unwrap_or_default().to_le_bytes());
    seed[8] = worker;
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(proptest::test_runner::Config::default(), rng);
    let (expression, query) = (grammar::expression(), queries::query());
    let mut tally = Tally::default();
    for number in 0.. {
        if engines.trino_gone.get().is_some() || until.map_or(number >= QUERIES, |until| Instant::now() >= until) {
            break;
        }
        if number % 2 == 1 {
            let mut tree = query.new_tree(&mut runner).unwrap();
            engines.try_one(&mut tree, str::to_owned, &mut tally).await;
            continue;
        }
        let mut trees: Vec<_> = (0..TOGETHER).map(|_| expression.new_tree(&mut runner).unwrap()).collect();
        let all: Vec<String> = trees.iter().map(ValueTree::current).collect();
        if let Ok((Answer::Rows(_), Answer::Rows(_))) = engines.compare(&select(&all.join(", "))).await {
            tally.alike += TOGETHER;
            continue;
        }
        for tree in &mut trees {
            engines.try_one(tree, select, &mut tally).await;
        }
    }
    tally
}

fn select(expressions: &str) -> String {
    format!("SELECT n, {expressions} FROM fuzz ORDER BY n")
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_made_at_random_give_what_trino_gives() {
    let Some(trino) = trino() else { return };
    fill(&lake_on_trino(&trino).await).await;
    let beside = TestLake::bare().await;
    let config = Config { database: DATABASE.parse().unwrap(), ..beside.lake.config.clone() };
    let embedded = meterlake_embedded::connect(config).await.unwrap();
    fill(&embedded).await;
    let engines = Engines { trino: &trino, embedded: &embedded, trino_gone: OnceLock::new() };
    let until = number(SECONDS).map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut all = Tally::default();
    join_all((0..WORKERS).map(|worker| work(&engines, worker, until)))
        .await
        .into_iter()
        .for_each(|tally| all.add(tally));

    let mut refused: Vec<(&String, &(usize, String))> = all.refused.iter().collect();
    refused.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    let why: String =
        refused.iter().take(60).map(|(why, (count, sql))| format!("\n{count:6} {why}\n         {sql}")).collect();
    println!(
        "{} alike, {} refused by both, {} by the embedded engine alone:{why}",
        all.alike,
        all.refused_by_both,
        all.refused.values().map(|(count, _)| count).sum::<usize>()
    );
    assert!(all.alike > 0, "no query has an answer");
    all.differences.sort_by_key(String::len);
    assert!(all.differences.is_empty(), "{} differences:\n{}", all.differences.len(), all.differences.join("\n"));
    if let Some(why) = engines.trino_gone.get() {
        panic!("Trino ended before the run did, with no difference so far: {why}");
    }
}
