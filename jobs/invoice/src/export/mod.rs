//! What a month's invoices are written as: Parquet, CSV, JSON lines, FOCUS, and pages for people.
//!
//! Invoices come in chunks, one per bucket. A chunk is encoded by whichever thread has billed it; [`Exports`] puts the
//! chunks behind each other, so that no file is ever held as a whole.

mod cell;
mod csv;
mod focus;
mod html;
mod jsonl;
mod parquet;
mod summary;

use std::collections::BTreeMap;

use anyhow::Result;
use chrono_tz::Tz;
use meterlake_core::location::Location;
use meterlake_core::period::Month;
use meterlake_core::store::{ObjectWriter, Store};

use crate::bill::Billing;
use crate::document::Document;
use crate::look::{INVOICES_FOLDER, LINE_ITEMS_FOLDER};
use crate::plans::UNATTRIBUTED;
use crate::tally::Tally;
use crate::usage::Usage;

pub(crate) use focus::period;
pub(crate) use parquet::AMOUNT_SCALE;
use parquet::{ParquetFile, Tables};
pub(crate) use summary::Summary;

/// What every export says beside the invoices themselves.
pub(crate) struct Heading {
    pub(crate) month: Month,
    /// `draft` or `final`.
    pub(crate) status: &'static str,
    /// The time zone of its days.
    pub(crate) time_zone: Tz,
    /// The first instant of the month and that of the next: [`period`].
    pub(crate) period: (String, String),
    /// Who sends the invoices.
    pub(crate) provider: String,
    /// What they are for.
    pub(crate) service: String,
    /// The SQL that extracted the usage: `usage_month@1`.
    pub(crate) sql: String,
    /// The hash of the plan file.
    pub(crate) plans_sha256: String,
    /// The hash of all that the invoices were made from.
    pub(crate) fingerprint: String,
    /// Whether pages are made.
    pub(crate) html: bool,
    /// What became of the lines of the month's hours.
    pub(crate) tally: Tally,
}

/// Some invoices, encoded.
pub(crate) struct Chunk {
    /// In the order of [`TEXTS`].
    texts: [Vec<u8>; 4],
    tables: Tables,
    /// A name below the folder, and the content.
    pages: Vec<(String, Vec<u8>)>,
    pub(crate) summary: Summary,
}

/// Makes the first line of a text file.
type Header = fn() -> Result<Vec<u8>>;

/// The text files, each with its first line.
const TEXTS: [(&str, Header); 4] = [
    ("invoices.csv", csv::invoices_header),
    ("line_items.csv", csv::line_items_header),
    ("invoices.jsonl", || Ok(Vec::new())),
    ("focus.csv", focus::header),
];

/// The Parquet files, and the folders of the tables that read them.
const PARQUET: [(&str, &str); 2] = [("invoices.parquet", INVOICES_FOLDER), ("line_items.parquet", LINE_ITEMS_FOLDER)];

/// Whether every file can hold an invoice. One that fails here is left out before anything of it is written, so that
/// [`encode`] does not fail for all others.
///
/// # Errors
/// A number has too many digits for the tables' columns or for FOCUS.
pub(crate) fn check(document: &Document<'_>) -> Result<()> {
    parquet::check(document)?;
    focus::check(document)
}

/// Encodes the invoices of a bucket.
///
/// # Errors
/// A sum has too many digits, or a page cannot be made.
pub(crate) fn encode(heading: &Heading, billing: &Billing<'_>, usage: &Usage) -> Result<Chunk> {
    let mut invoices = csv::Rows::new();
    let mut line_items = csv::Rows::new();
    let mut focus = csv::Rows::new();
    let mut lines = Vec::new();
    let mut tables = parquet::Builder::default();
    let mut pages = Vec::new();
    let has_users = usage.by_user().any(|(user, _)| !UNATTRIBUTED.contains(&user));
    let mut summary = Summary { has_users, ..Summary::of(billing) };
    let days = if heading.html { summary.add_usage(usage, &billing.documents)? } else { BTreeMap::new() };
    for document in &billing.documents {
        invoices.invoice(document, heading.status)?;
        line_items.line_items(document)?;
        focus.focus(document, heading)?;
        jsonl::write(&mut lines, document, heading)?;
        tables.add(document, heading.status)?;
        summary.add(document)?;
        if heading.html {
            summary.list(document);
            let days = days.get(document.customer_id).cloned().unwrap_or_default();
            pages.push((html::page_name(document), html::invoice(document, heading, &days)?));
        }
    }
    let texts = [invoices.into_bytes()?, line_items.into_bytes()?, lines, focus.into_bytes()?];
    Ok(Chunk { texts, tables: tables.finish()?, pages, summary })
}

/// The files of a month, being written.
pub(crate) struct Exports<'a> {
    store: &'a dyn Store,
    folder: &'a Location,
    texts: Vec<Box<dyn ObjectWriter>>,
    parquet: [ParquetFile; 2],
    summary: Summary,
}

impl<'a> Exports<'a> {
    /// Begins all files in a new folder. The invoices are added to `summary`.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn create(store: &'a dyn Store, folder: &'a Location, summary: Summary) -> Result<Self> {
        let mut texts = Vec::new();
        for (name, header) in TEXTS {
            let mut file = store.create(&folder.join(name)).await?;
            file.write(header()?).await?;
            texts.push(file);
        }
        let [invoices, line_items] = PARQUET.map(|(name, table)| [folder.join(name), folder.join(table).join(name)]);
        let parquet = [
            ParquetFile::create(store, &invoices, &parquet::invoices_schema()).await?,
            ParquetFile::create(store, &line_items, &parquet::line_items_schema()).await?,
        ];
        Ok(Self { store, folder, texts, parquet, summary })
    }

    /// Writes a chunk behind those before it.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn append(&mut self, chunk: Chunk) -> Result<()> {
        for (file, text) in self.texts.iter_mut().zip(chunk.texts) {
            file.write(text).await?;
        }
        let [invoices, line_items] = &mut self.parquet;
        invoices.write(&chunk.tables.invoices).await?;
        line_items.write(&chunk.tables.line_items).await?;
        for (name, content) in chunk.pages {
            self.store.write(&self.folder.join(&name), &content).await?;
        }
        self.summary.merge(chunk.summary)
    }

    /// Completes all files and, with pages, writes the one that leads to them.
    ///
    /// # Errors
    /// The store failed.
    pub(crate) async fn finish(self, heading: &Heading) -> Result<Summary> {
        for file in self.texts {
            file.finish().await?;
        }
        for file in self.parquet {
            file.finish().await?;
        }
        if heading.html {
            self.store.write(&self.folder.join("index.html"), &html::index(&self.summary, heading)?).await?;
        }
        Ok(self.summary)
    }
}
