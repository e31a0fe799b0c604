//! One object being written.

use std::io::Write;
use std::sync::Arc;

use anyhow::{Result, bail};
use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{DataType, SchemaRef};
use datafusion::arrow::json::LineDelimitedWriter;
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::AsyncArrowWriter;
use datafusion::parquet::arrow::arrow_writer::ArrowWriterOptions;
use datafusion::parquet::basic::{Compression, GzipLevel, ZstdLevel};
use datafusion::parquet::file::properties::WriterProperties;
use datafusion::parquet::schema::types::ColumnPath;
use flate2::write::GzEncoder;
use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use object_store::path::Path;
use tokio::io::AsyncWriteExt;

use crate::statement::{Output, OutputFormat};

pub(super) enum FileWriter {
    Parquet(Box<AsyncArrowWriter<BufWriter>>),
    Lines(Box<LineWriter>),
}

/// Lines being written.
pub(super) struct LineWriter {
    output: BufWriter,
    encoder: Encoder,
    format: OutputFormat,
}

/// Compresses lines or leaves them as they are.
enum Encoder {
    Plain,
    Gzip(Box<GzEncoder<Vec<u8>>>),
}

/// How the names of an output's objects end.
pub(super) fn suffix(output: &Output) -> Result<&'static str> {
    Ok(match (output.format, is_gzip(output)?) {
        (OutputFormat::Parquet, _) => ".parquet",
        (OutputFormat::Json, true) => ".json.gz",
        (OutputFormat::Json, false) => ".json",
        (OutputFormat::TextFile { .. }, true) => ".txt.gz",
        (OutputFormat::TextFile { .. }, false) => ".txt",
    })
}

/// Whether lines are compressed: with GZIP unless NONE is asked for, as Athena does.
fn is_gzip(output: &Output) -> Result<bool> {
    if output.format == OutputFormat::Parquet {
        return Ok(false);
    }
    match output.compression.as_deref() {
        None | Some("GZIP") => Ok(true),
        Some("NONE") => Ok(false),
        Some(other) => bail!("the embedded engine does not write lines with the compression {other}: use GZIP or NONE"),
    }
}

/// Athena's defaults: GZIP, and level 3 of ZSTD.
fn parquet_compression(output: &Output) -> Result<Compression> {
    Ok(match output.compression.as_deref() {
        None | Some("GZIP") => Compression::GZIP(GzipLevel::default()),
        Some("ZSTD") => Compression::ZSTD(ZstdLevel::try_new(output.compression_level.unwrap_or(3).into())?),
        Some("SNAPPY") => Compression::SNAPPY,
        Some("LZ4") => Compression::LZ4_RAW,
        Some("NONE" | "UNCOMPRESSED") => Compression::UNCOMPRESSED,
        Some(other) => bail!("the embedded engine does not write Parquet with the compression {other}"),
    })
}

/// A dictionary that grows larger is given up. Those of ids are, in each row group: the sooner, the less is done in vain.
const MOST_DICTIONARY_BYTES: usize = 256 << 10;

fn has_many_values(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Timestamp(..) | DataType::Binary | DataType::BinaryView)
}

impl FileWriter {
    pub(super) fn create(store: Arc<dyn ObjectStore>, path: Path, schema: SchemaRef, output: &Output) -> Result<Self> {
        let buffered = BufWriter::new(store, path);
        if output.format == OutputFormat::Parquet {
            let mut properties = WriterProperties::builder()
                .set_compression(parquet_compression(output)?)
                .set_dictionary_page_size_limit(MOST_DICTIONARY_BYTES);
            // Times and keys have so many values that a dictionary is begun in each row group, and given up.
            for field in schema.fields().iter().filter(|field| has_many_values(field.data_type())) {
                properties =
                    properties.set_column_dictionary_enabled(ColumnPath::new(vec![field.name().clone()]), false);
            }
            let properties = properties.build();
            // Arrow's own note of the types would tell readers of text views, which not all of them know.
            let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
            let writer = AsyncArrowWriter::try_new_with_options(buffered, schema, options)?;
            return Ok(Self::Parquet(Box::new(writer)));
        }
        let encoder = match is_gzip(output)? {
            true => Encoder::Gzip(Box::new(GzEncoder::new(Vec::new(), flate2::Compression::default()))),
            false => Encoder::Plain,
        };
        Ok(Self::Lines(Box::new(LineWriter { output: buffered, encoder, format: output.format })))
    }

    pub(super) async fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        match self {
            Self::Parquet(writer) => writer.write(batch).await?,
            Self::Lines(writer) => {
                let lines = encode(batch, writer.format)?;
                writer.output.write_all(&writer.encoder.push(&lines)?).await?;
            }
        }
        Ok(())
    }

    /// Bytes in memory that wait for their row group to be complete.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Parquet(writer) => writer.memory_size(),
            Self::Lines(_) => 0,
        }
    }

    /// Ends the row group, if there is one.
    pub(super) async fn flush(&mut self) -> Result<()> {
        match self {
            Self::Parquet(writer) => Ok(writer.flush().await?),
            Self::Lines(_) => Ok(()),
        }
    }

    pub(super) async fn close(self) -> Result<()> {
        match self {
            Self::Parquet(writer) => {
                writer.close().await?;
            }
            Self::Lines(writer) => {
                let LineWriter { mut output, encoder, .. } = *writer;
                output.write_all(&encoder.finish()?).await?;
                output.shutdown().await?;
            }
        }
        Ok(())
    }
}

impl Encoder {
    fn push(&mut self, lines: &[u8]) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Plain => lines.to_vec(),
            Self::Gzip(gzip) => {
                gzip.write_all(lines)?;
                std::mem::take(gzip.get_mut())
            }
        })
    }

    fn finish(self) -> Result<Vec<u8>> {
        Ok(match self {
            Self::Plain => Vec::new(),
            Self::Gzip(gzip) => gzip.finish()?,
        })
    }
}

fn encode(batch: &RecordBatch, format: OutputFormat) -> Result<Vec<u8>> {
    let mut lines = Vec::new();
    let OutputFormat::TextFile { delimiter } = format else {
        let mut writer = LineDelimitedWriter::new(&mut lines);
        writer.write(batch)?;
        writer.finish()?;
        return Ok(lines);
    };
    let options = FormatOptions::default().with_null("\\N");
    let columns: Result<Vec<_>, _> =
        batch.columns().iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options)).collect();
    let columns = columns?;
    for row in 0..batch.num_rows() {
        for (at, column) in columns.iter().enumerate() {
            if at > 0 {
                write!(lines, "{delimiter}")?;
            }
            write!(lines, "{}", column.value(row))?;
        }
        lines.push(b'\n');
    }
    Ok(lines)
}
