//! Objects of lines, decoded in chunks of any size.

use std::io::Write;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use flate2::Compression;
use flate2::write::GzEncoder;
use meterlake_core::catalog::{Column, Parameters, StorageFormat};
use meterlake_core::engine::ObjectRead;
use meterlake_core::location::Location;

use super::decoder::{Decoder, RowFormat};
use super::json::JsonLines;
use super::{LineFormat, MAX_LINE_BYTES, ReadLog};

struct Decoded {
    a: Vec<Option<String>>,
    b: Vec<Option<i64>>,
    read: ObjectRead,
    kept: Vec<serde_json::Value>,
}

/// Decodes an object of a table `(a string, b bigint)`, fed in chunks.
fn decode(content: &[u8], chunk: usize) -> anyhow::Result<Decoded> {
    decode_as(content, chunk, json()?)
}

fn json() -> anyhow::Result<JsonLines> {
    let column = |name: &str| Column { name: name.to_owned(), data_type: "string".to_owned(), comment: None };
    let columns = [column("a"), column("b")];
    JsonLines::new(&columns.iter().collect::<Vec<_>>(), &Parameters::new())
}

fn decode_as(content: &[u8], chunk: usize, lines: JsonLines) -> anyhow::Result<Decoded> {
    let format = RowFormat {
        lines: LineFormat::Json(lines),
        wanted: vec![Some(0), Some(1)],
        schema: Arc::new(Schema::new(vec![
            Field::new("a", DataType::Utf8, true),
            Field::new("b", DataType::Int64, true),
        ])),
        batch_size: 2,
    };
    let folder: Location = "file:///lake/hour=06".parse()?;
    let log = Arc::new(ReadLog::new(Some(folder.clone())));
    let mut decoder = Decoder::new(Arc::new(format), log.object(&folder.join("object")));
    let mut batches: Vec<RecordBatch> = Vec::new();
    for chunk in content.chunks(chunk) {
        decoder.push(chunk)?;
        batches.extend(std::iter::from_fn(|| decoder.take()));
    }
    decoder.finish()?;
    batches.extend(std::iter::from_fn(|| decoder.take()));
    let kept = log.take_spool()?.map(std::io::read_to_string).transpose()?.unwrap_or_default();
    let text = |batch: &RecordBatch| -> Vec<Option<String>> {
        batch.column(0).as_string::<i32>().iter().map(|value| value.map(str::to_owned)).collect()
    };
    let numbers =
        |batch: &RecordBatch| -> Vec<Option<i64>> { batch.column(1).as_primitive::<Int64Type>().iter().collect() };
    Ok(Decoded {
        a: batches.iter().flat_map(text).collect(),
        b: batches.iter().flat_map(numbers).collect(),
        read: log.reads().pop().unwrap(),
        kept: kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect(),
    })
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

const LINES: &str = "{\"a\":\"x\",\"b\":1}\r\n\n  \r\n{\"a\":\"사용자\",\"b\":\"9223372036854775807\"}\nnot json\n{\"a\":null,\"b\":\"1.5\"}";

#[test]
fn chunks_line_ends_and_compression_change_nothing() {
    let two_members = [gzip(&LINES.as_bytes()[..20]), gzip(&LINES.as_bytes()[20..])].concat();
    let with_mark = [b"\xef\xbb\xbf", LINES.as_bytes()].concat();
    for content in [LINES.as_bytes().to_vec(), gzip(LINES.as_bytes()), two_members, with_mark] {
        for chunk in [1, 3, 7, 1000] {
            let decoded = decode(&content, chunk).unwrap();
            assert_eq!(decoded.a, [Some("x".to_owned()), Some("사용자".to_owned()), None]);
            assert_eq!(decoded.b, [Some(1), Some(i64::MAX), None]);
            assert_eq!((decoded.read.records, decoded.read.malformed), (3, 1));
            assert_eq!(decoded.kept[0]["line"], 5, "blank lines count as lines of the object");
            assert_eq!(decoded.kept[0]["text"], "not json");
            assert_eq!(decoded.kept[0]["object"], "file:///lake/hour=06/object");
        }
    }
}

#[test]
fn an_empty_object_has_no_lines() {
    for content in [&b""[..], b"\n", b"\xef\xbb\xbf", &gzip(b"")] {
        let decoded = decode(content, 10).unwrap();
        assert_eq!((decoded.a.len(), decoded.read.records, decoded.read.malformed), (0, 0, 0));
    }
}

#[test]
fn broken_compression_is_an_error_and_not_an_end() {
    let whole = gzip(LINES.as_bytes());
    assert!(decode(&whole[..whole.len() - 5], 10).is_err());
    let mut flipped = whole;
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0xff;
    assert!(decode(&flipped, 10).is_err());
}

#[test]
fn bytes_that_are_no_text_and_endless_lines_are_malformed() {
    let content = [b"{\"a\":\"\xff\"}\n{\"a\":\"ok\"}\n\0\n".to_vec(), vec![b'x'; MAX_LINE_BYTES + 10]].concat();
    let decoded = decode(&content, 1 << 20).unwrap();
    assert_eq!((decoded.read.records, decoded.read.malformed), (1, 3));
    assert!(decoded.kept[2]["text"].as_str().unwrap().len() < 100_000, "of an endless line only a part is kept");
}

/// Decodes an object as Athena does, with a SerDe of a name.
fn decode_like_athena(content: &str, serde: &str, ignores_malformed: bool) -> anyhow::Result<Decoded> {
    let setting = ("ignore.malformed.json".to_owned(), ignores_malformed.to_string());
    let format = StorageFormat {
        input_format: String::new(),
        output_format: String::new(),
        serde: serde.to_owned(),
        serde_parameters: Parameters::from([setting]),
    };
    decode_as(content.as_bytes(), 7, json()?.like_athena(&format))
}

#[test]
fn to_athena_a_malformed_line_is_a_row_of_nulls_or_the_end() {
    let (openx, hive) = ("org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe");
    let lines = "{\"a\":\"x\",\"b\":1}\n{\"a\":\n\nno JSON\n{}\n{\"a\":-}\n";
    let some = |text: &str| Some(text.to_owned());
    let decoded = decode_like_athena(lines, openx, true).unwrap();
    assert_eq!(decoded.a, [some("x"), None, None, None, None, some("-")]);
    assert_eq!(decoded.b, [Some(1), None, None, None, None, None]);
    assert_eq!(decoded.read.malformed, 1);
    // Only OpenX reads the last line.
    assert_eq!(decode_like_athena(lines, hive, true).unwrap().a, [some("x"), None, None, None, None, None]);

    let error = decode_like_athena(lines, openx, false).err().unwrap().to_string();
    assert!(error.starts_with("HIVE_CURSOR_ERROR: Row is not a valid JSON Object"), "{error}");
    let others = lines.replace("{\"a\":\n", "");
    assert_eq!(decode_like_athena(&others, openx, false).unwrap().a, [some("x"), None, None, None, some("-")]);
    assert!(decode_like_athena(&others, hive, false).is_err());
}
