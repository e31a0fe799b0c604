//! Usage put straight into `usage_daily`, and invoices read back as text.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use chrono::Utc;
use meterlake_core::clock::Clock;
use meterlake_core::day_inputs::DayInputs;
use meterlake_core::generation::Generation;
use meterlake_core::location::Location;
use meterlake_core::notes::DayNotes;
use meterlake_core::period::{Day, Month, Period};
use meterlake_core::publish::Publication;
use meterlake_core::slot::Slot;
use meterlake_invoice::{Args, InvoiceJob};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::lake::{TestLake, run};

/// A row of usage. All requests are billable, and each is answered with ten bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Who called.
    pub user: String,
    /// The day of the calls, in the billing time zone.
    pub date: String,
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// How many calls.
    pub requests: u64,
}

/// A row of usage, `GET /v1`.
#[must_use]
pub fn used(user: &str, date: &str, requests: u64) -> Used {
    let [user, date] = [user, date].map(str::to_owned);
    Used { user, date, method: "GET".to_owned(), path: "/v1".to_owned(), requests }
}

/// A month written `2023-01`.
#[must_use]
pub fn month(text: &str) -> Month {
    text.parse().expect("a month")
}

/// A day written `2023-01-31`.
#[must_use]
pub fn day(text: &str) -> Day {
    text.parse().expect("a day")
}

/// The same arguments of `invoice`, with so much accepted: `malformed=12,days=2`.
#[must_use]
pub fn accept(numbers: &str, args: Args) -> Args {
    Args { accept: Some(numbers.parse().expect("numbers to accept")), ..args }
}

/// Arguments of `invoice` for a draft of a month.
#[must_use]
pub fn draft(text: &str) -> Args {
    Args { month: Some(Some(month(text))), no_html: true, ..Args::default() }
}

/// Arguments of `invoice` that make a month final.
#[must_use]
pub fn finalize(text: &str) -> Args {
    Args { finalize: true, ..draft(text) }
}

/// A line of CSV, by heading.
pub type Record = BTreeMap<String, String>;

/// The files of a month's invoices.
#[derive(Debug, Clone)]
pub struct Invoices {
    /// What the run said.
    pub report: Value,
    /// Their folder.
    pub folder: PathBuf,
}

impl Invoices {
    /// Those that a report tells of.
    #[must_use]
    pub fn of(report: Value) -> Self {
        let output: Location = report["output"].as_str().expect("an output").parse().expect("a location");
        Self { report, folder: output.to_path().expect("a local lake") }
    }

    /// `draft`, `final` or `already final`.
    #[must_use]
    pub fn status(&self) -> &str {
        self.report["status"].as_str().expect("a status")
    }

    /// A file's text.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).expect("a file of text")
    }

    /// A CSV file's records.
    #[must_use]
    pub fn records(&self, name: &str) -> Vec<Record> {
        records(&self.folder.join(name))
    }

    /// Of each invoice, customer and total, such as `u 1.50`.
    #[must_use]
    pub fn totals(&self) -> Vec<String> {
        let invoices = self.records("invoices.csv");
        invoices.iter().map(|invoice| format!("{} {}", invoice["customer_id"], invoice["total"])).collect()
    }

    /// Of each line: customer, kind, charge, month, quantity and amount.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let line = |line: &Record| {
            ["customer_id", "kind", "charge", "usage_month", "quantity", "amount"]
                .map(|key| line[key].clone())
                .join(" ")
        };
        self.records("line_items.csv").iter().map(line).collect()
    }
}

/// A CSV file's records.
#[must_use]
pub fn records(file: &Path) -> Vec<Record> {
    let mut reader = csv::Reader::from_path(file).expect("a CSV file");
    reader.deserialize().map(|record| record.expect("a record")).collect()
}

/// The sum of a column's decimals.
#[must_use]
pub fn sum(records: &[Record], column: &str) -> Decimal {
    records.iter().map(|record| record[column].parse::<Decimal>().expect("a decimal")).sum()
}

/// What is noted of a day with these rows.
fn noted(rows: &[Used]) -> DayNotes {
    DayNotes { rows: rows.len() as u64, ..DayNotes::default() }
}

impl TestLake {
    /// A lake with its tables and a plan file.
    pub async fn with_plans(plans: &str) -> Self {
        let mut lake = Self::new().await;
        let file = lake.beside.path().join("plans.toml");
        fs::write(&file, plans).expect("a file that can be written");
        lake.lake.config.billing.plans = Location::from_path(&file).expect("a path in UTF-8");
        lake
    }

    /// Puts another plan file in place.
    pub fn set_plans(&self, plans: &str) {
        fs::write(self.lake.config.billing.plans.to_path().expect("a local file"), plans).expect("a writable file");
    }

    /// Publishes a day of arrival with just these rows, as `aggregate` would if its hours had given them.
    pub async fn put_usage(&self, arrival: &str, rows: &[Used]) {
        self.put_usage_noting(arrival, rows, noted(rows)).await;
    }

    /// The same, with other notes.
    pub async fn put_usage_noting(&self, arrival: &str, rows: &[Used], notes: DayNotes) {
        let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let values: Vec<String> = rows
            .iter()
            .map(|row| {
                let [user, date, method, path] = [&row.user, &row.date, &row.method, &row.path].map(|t| literal(t));
                format!("({user}, {date}, {method}, {path}, {})", row.requests)
            })
            .collect();
        let select = format!(
            "SELECT u AS \"user\", CAST(d AS date) AS usage_date, m AS httpmethod, p AS resourcepath, \
             CAST(n AS bigint) AS requests, CAST(n AS bigint) AS billable_requests, \
             CAST(CAST(n AS decimal(38,0)) * 10 AS decimal(38,0)) AS response_bytes FROM (VALUES {}) AS t (u, d, m, p, n)",
            values.join(", ")
        );
        self.publish_usage(day(arrival), (!rows.is_empty()).then_some(select), notes).await;
    }

    /// Publishes a day with a row for each of many customers, named by numbers.
    pub async fn put_usage_of_many(&self, arrival: Day, customers: u64) {
        // Numbers up to a million millions, from two short sequences.
        let select = format!(
            "SELECT 'customer-' || lpad(CAST(a * 1000 + b AS varchar), 9, '0') AS \"user\", DATE '{arrival}' AS \
             usage_date, 'GET' AS httpmethod, '/v1/items' AS resourcepath, CAST(a % 977 + b + 1 AS bigint) AS requests, \
             CAST(a % 977 + b + 1 AS bigint) AS billable_requests, CAST(b * 1000 AS decimal(38,0)) AS response_bytes \
             FROM UNNEST(sequence(0, {})) AS x (a) CROSS JOIN UNNEST(sequence(0, 999)) AS y (b) \
             WHERE a * 1000 + b < {customers}",
            customers.div_ceil(1000)
        );
        let noted = DayNotes { rows: customers, ..DayNotes::default() };
        self.publish_usage(arrival, Some(select), noted).await;
    }

    /// Publishes what a query gives as a day of arrival.
    pub async fn publish_usage(&self, arrival: Day, select: Option<String>, notes: DayNotes) {
        let lake = &self.lake;
        let generation = Generation::begin(&Clock::real());
        let table = &lake.layout.usage_daily;
        let folder = generation.folder(&table.folder_of(arrival));
        if let Some(select) = select {
            self.execute(&format!("UNLOAD ({select}) TO '{folder}' WITH (format = 'PARQUET', compression = 'ZSTD')"))
                .await;
        }
        let sql = lake.sql.query("usage_daily").expect("a sound file");
        let inputs = DayInputs::look(lake, arrival).await.expect("a catalog that answers");
        let publication = Publication {
            fingerprint: inputs.fingerprint(lake, &sql),
            generation,
            sql: sql.label(),
            published_at: Utc::now(),
            notes,
        };
        let slot = Slot::look(lake, table, arrival).await.expect("an answer");
        assert!(slot.publish(&publication, &folder).await.expect("an answer").is_some());
    }

    /// Publishes every day of a month, and those of grace, that has nothing published, as a day without calls.
    pub async fn fill(&self, text: &str) {
        self.fill_but(text, &[]).await;
    }

    /// The same, but for some days.
    pub async fn fill_but(&self, text: &str, missing: &[&str]) {
        let first = day(&format!("{text}-01"));
        let last = Day::containing(month(text).end()).offset(1);
        let days: Vec<Day> = Day::range(first, last).collect();
        let table = &self.lake.layout.usage_daily;
        let values: Vec<_> = days.iter().map(|day| table.partition(*day).values).collect();
        let there = self.lake.catalog.get_partitions(&table.name, &values).await.expect("an answer");
        let is_missing = |day: &Day| missing.contains(&day.to_string().as_str());
        for (day, _) in days.iter().zip(there).filter(|(day, there)| there.is_none() && !is_missing(day)) {
            self.put_usage(&day.to_string(), &[]).await;
        }
    }

    /// Runs `invoice`.
    ///
    /// # Errors
    /// The job's.
    pub async fn try_invoice(&self, args: &Args) -> Result<Invoices> {
        Ok(Invoices::of(run::<InvoiceJob>(&self.lake, args).await?.remove(0)))
    }

    /// Runs `invoice`.
    pub async fn invoice(&self, args: &Args) -> Invoices {
        self.try_invoice(args).await.expect("invoices that can be made")
    }

    /// Runs `invoice` and gives its error in one line.
    pub async fn invoice_fails(&self, args: &Args) -> String {
        meterlake_core::run::one_line(&self.try_invoice(args).await.expect_err("invoices that cannot be made"))
    }
}
