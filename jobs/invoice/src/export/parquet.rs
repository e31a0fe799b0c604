//! Parquet for SQL: the tables `invoices` and `line_items`. The columns are those of `sql/tables/V003__invoices.sql`.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use meterlake_core::location::Location;
use meterlake_core::period::Day;
use meterlake_core::store::{ObjectWriter, Store};
use polars::prelude::{
    BatchedWriter, Column, DataFrame, DataType, Int32Chunked, Int128Chunked, IntoColumn, IntoSeries, NamedFrom,
    NewChunkedArray, ParquetCompression, ParquetWriter, Schema, Series,
};
use rust_decimal::Decimal;

use crate::document::Document;
use crate::exact::TooLarge;
use crate::plans::METER_DECIMALS;

/// Decimals of an amount: no currency has more.
pub(crate) const AMOUNT_SCALE: u32 = 4;
/// Decimals of a quantity: as many as the plan file takes.
const QUANTITY_SCALE: u32 = METER_DECIMALS;
const PRECISION: usize = 38;

/// The rows of a chunk.
pub(crate) struct Tables {
    pub(super) invoices: DataFrame,
    pub(super) line_items: DataFrame,
}

#[derive(Default)]
pub(super) struct Builder {
    invoices: Columns,
    line_items: Columns,
}

/// Columns being filled, in the order of the first row.
#[derive(Default)]
struct Columns {
    columns: Vec<(&'static str, Cells)>,
    next: usize,
}

enum Cells {
    Text(Vec<Option<String>>),
    Date(Vec<i32>),
    Number(Vec<i32>),
    Decimal(Vec<Option<i128>>, u32),
}

impl Builder {
    pub(super) fn add(&mut self, document: &Document<'_>, status: &str) -> Result<()> {
        let code = document.currency.code();
        let row = &mut self.invoices;
        row.text("invoice_id", Some(&document.id));
        row.text("customer_id", Some(document.customer_id));
        row.text("customer_name", Some(document.customer_name));
        row.date("period_start", document.period_start());
        row.date("period_end", document.period_end());
        row.text("currency", Some(code));
        row.decimal("subtotal", Some(document.totals.subtotal), AMOUNT_SCALE)?;
        row.decimal("tax", Some(document.totals.tax), AMOUNT_SCALE)?;
        row.decimal("total", Some(document.totals.total), AMOUNT_SCALE)?;
        row.text("status", Some(status));
        row.end();
        for (at, line) in document.lines.iter().enumerate() {
            let row = &mut self.line_items;
            row.text("invoice_id", Some(&document.id));
            row.text("customer_id", Some(document.customer_id));
            row.number("line", i32::try_from(at + 1)?);
            row.text("kind", Some(line.kind.name()));
            row.text("plan", line.plan.map(|plan| plan.plan.as_str()));
            row.text("charge", line.charge.map(|charge| charge.id.as_str()));
            row.text("meter", line.charge.and_then(|charge| charge.meter.as_deref()));
            row.text("usage_month", Some(&document.usage_month(line).to_string()));
            row.decimal("quantity", line.quantity, QUANTITY_SCALE)?;
            row.decimal("amount", Some(line.amount), AMOUNT_SCALE)?;
            row.text("currency", Some(code));
            row.end();
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Result<Tables> {
        Ok(Tables { invoices: self.invoices.frame()?, line_items: self.line_items.frame()? })
    }
}

impl Columns {
    fn text(&mut self, name: &'static str, text: Option<&str>) {
        if let Cells::Text(cells) = self.cells(name, || Cells::Text(Vec::new())) {
            cells.push(text.map(str::to_owned));
        }
    }

    fn date(&mut self, name: &'static str, day: Day) {
        let days = (day.date() - chrono::DateTime::UNIX_EPOCH.date_naive()).num_days();
        if let Cells::Date(cells) = self.cells(name, || Cells::Date(Vec::new())) {
            // A year of four digits fits.
            cells.push(i32::try_from(days).unwrap_or_default());
        }
    }

    fn number(&mut self, name: &'static str, number: i32) {
        if let Cells::Number(cells) = self.cells(name, || Cells::Number(Vec::new())) {
            cells.push(number);
        }
    }

    fn decimal(&mut self, name: &'static str, number: Option<Decimal>, scale: u32) -> Result<()> {
        let mantissa = number.map(|number| mantissa(number, scale)).transpose();
        let mantissa = mantissa.with_context(|| format!("the column {name}"))?;
        if let Cells::Decimal(cells, _) = self.cells(name, || Cells::Decimal(Vec::new(), scale)) {
            cells.push(mantissa);
        }
        Ok(())
    }

    /// The cells of the row's next column.
    fn cells(&mut self, name: &'static str, new: impl FnOnce() -> Cells) -> &mut Cells {
        if self.next == self.columns.len() {
            self.columns.push((name, new()));
        }
        self.next += 1;
        &mut self.columns[self.next - 1].1
    }

    fn end(&mut self) {
        self.next = 0;
    }

    fn frame(self) -> Result<DataFrame> {
        let columns: Result<Vec<Column>> = self.columns.into_iter().map(|(name, cells)| column(name, cells)).collect();
        Ok(DataFrame::new_infer_height(columns?)?)
    }
}

fn column(name: &'static str, cells: Cells) -> Result<Column> {
    Ok(match cells {
        Cells::Text(cells) => Series::new(name.into(), cells).into_column(),
        Cells::Date(cells) => Int32Chunked::from_vec(name.into(), cells).into_date().into_column(),
        Cells::Number(cells) => Series::new(name.into(), cells).into_column(),
        Cells::Decimal(cells, scale) => {
            let physical = Int128Chunked::from_iter_options(name.into(), cells.into_iter());
            physical.into_decimal(PRECISION, scale as usize)?.into_series().into_column()
        }
    })
}

/// Whether the tables can hold every number of an invoice.
///
/// # Errors
/// One has too many digits.
pub(super) fn check(document: &Document<'_>) -> Result<(), TooLarge> {
    let totals = [document.totals.subtotal, document.totals.tax, document.totals.total];
    for amount in totals.into_iter().chain(document.lines.iter().map(|line| line.amount)) {
        mantissa(amount, AMOUNT_SCALE)?;
    }
    for quantity in document.lines.iter().filter_map(|line| line.quantity) {
        mantissa(quantity, QUANTITY_SCALE)?;
    }
    Ok(())
}

/// A number as a whole number of units of its last decimal.
fn mantissa(number: Decimal, scale: u32) -> Result<i128, TooLarge> {
    let number = number.normalize();
    let missing = scale.checked_sub(number.scale()).ok_or(TooLarge)?;
    let mantissa = 10_i128.checked_pow(missing).and_then(|power| number.mantissa().checked_mul(power));
    mantissa.filter(|mantissa| mantissa.unsigned_abs() < 10_u128.pow(38)).ok_or(TooLarge)
}

pub(super) fn invoices_schema() -> Schema {
    let amount = || DataType::Decimal(PRECISION, AMOUNT_SCALE as usize);
    Schema::from_iter([
        ("invoice_id".into(), DataType::String),
        ("customer_id".into(), DataType::String),
        ("customer_name".into(), DataType::String),
        ("period_start".into(), DataType::Date),
        ("period_end".into(), DataType::Date),
        ("currency".into(), DataType::String),
        ("subtotal".into(), amount()),
        ("tax".into(), amount()),
        ("total".into(), amount()),
        ("status".into(), DataType::String),
    ])
}

pub(super) fn line_items_schema() -> Schema {
    Schema::from_iter([
        ("invoice_id".into(), DataType::String),
        ("customer_id".into(), DataType::String),
        ("line".into(), DataType::Int32),
        ("kind".into(), DataType::String),
        ("plan".into(), DataType::String),
        ("charge".into(), DataType::String),
        ("meter".into(), DataType::String),
        ("usage_month".into(), DataType::String),
        ("quantity".into(), DataType::Decimal(PRECISION, QUANTITY_SCALE as usize)),
        ("amount".into(), DataType::Decimal(PRECISION, AMOUNT_SCALE as usize)),
        ("currency".into(), DataType::String),
    ])
}

/// A Parquet file being written, at several places.
pub(super) struct ParquetFile {
    writer: BatchedWriter<Buffer>,
    buffer: Buffer,
    objects: Vec<Box<dyn ObjectWriter>>,
}

/// What the Parquet writer has written and nobody has taken yet.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl ParquetFile {
    pub(super) async fn create(store: &dyn Store, places: &[Location], schema: &Schema) -> Result<Self> {
        let mut objects = Vec::new();
        for place in places {
            objects.push(store.create(place).await?);
        }
        let buffer = Buffer::default();
        let writer = ParquetWriter::new(buffer.clone()).with_compression(ParquetCompression::Zstd(None));
        Ok(Self { writer: writer.batched(schema)?, buffer, objects })
    }

    pub(super) async fn write(&mut self, rows: &DataFrame) -> Result<()> {
        if rows.height() > 0 {
            self.writer.write_batch(rows)?;
        }
        self.pass_on().await
    }

    pub(super) async fn finish(mut self) -> Result<()> {
        self.writer.finish()?;
        self.pass_on().await?;
        for object in self.objects {
            object.finish().await?;
        }
        Ok(())
    }

    async fn pass_on(&mut self) -> Result<()> {
        let content = self.buffer.take();
        let Some((last, others)) = self.objects.split_last_mut() else { return Ok(()) };
        for object in others {
            object.write(content.clone()).await?;
        }
        last.write(content).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_kept_to_its_last_decimal_or_refused() {
        let of = |text: &str, scale| mantissa(text.parse().unwrap(), scale);
        assert_eq!(of("1.50", 4), Ok(15_000));
        assert_eq!(of("-0.001", 4), Ok(-10));
        assert_eq!(of("0.00001", 4), Err(TooLarge));
        assert_eq!(of("79228162514264337593543950335", 12), Err(TooLarge));
    }
}
