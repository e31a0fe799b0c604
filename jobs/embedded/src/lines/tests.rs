//! Objects of lines, decoded in chunks of any size. What comes of them is what Trino 476 answered over the same bytes.

use std::io::Write;
use std::sync::Arc;

use anyhow::Result;
use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, Schema};
use flate2::Compression;
use flate2::write::GzEncoder;
use meterlake_core::catalog::{Column, Parameters, StorageFormat};

use super::compression::BLOCK_BYTES;
use super::decoder::Decoder;
use super::json::JsonLines;
use super::rows::RowFormat;
use super::text::TextLines;
use super::{LineFormat, MAX_LINE_BYTES};

/// Decodes an object that is fed in chunks.
fn decode(content: &[u8], chunk: usize, name: &str, format: RowFormat) -> Result<Vec<RecordBatch>> {
    let mut decoder = Decoder::new(Arc::new(format), name)?;
    let mut batches: Vec<RecordBatch> = Vec::new();
    for mut chunk in content.chunks(chunk) {
        while !chunk.is_empty() {
            decoder.read(&mut chunk)?;
            batches.extend(std::iter::from_fn(|| decoder.take()));
        }
    }
    decoder.finish()?;
    batches.extend(std::iter::from_fn(|| decoder.take()));
    Ok(batches)
}

/// A table `(line string, rest string)`, of which the first columns are read.
fn text(columns: usize) -> RowFormat {
    let fields: Vec<Field> =
        ["line", "rest"].into_iter().take(columns).map(|name| Field::new(name, DataType::Utf8View, true)).collect();
    RowFormat {
        lines: LineFormat::Text(TextLines::new(&Parameters::new()).unwrap()),
        wanted: [Some(0), Some(1)].into_iter().take(columns).collect(),
        schema: Arc::new(Schema::new(fields)),
        batch_size: 100,
    }
}

/// The lines of an object of this name.
fn lines_of(content: &[u8], chunk: usize, name: &str) -> Result<Vec<String>> {
    let batches = decode(content, chunk, name, text(2))?;
    let text = |batch: &RecordBatch| -> Vec<String> {
        batch.column(0).as_string_view().iter().map(|value| value.unwrap_or("~").to_owned()).collect()
    };
    Ok(batches.iter().flat_map(text).collect())
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_line_is_a_row_however_it_ends_and_comes() {
    for (content, expected) in [
        (&b"a\nb\rc\r\nd\r\re\n\r f\n\n\ng\r"[..], vec!["a", "b", "c", "d", "", "e", "", " f", "", "", "g"]),
        (b"a\r\n\r\nb", vec!["a", "", "b"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", vec!["a", "\u{feff}b"]),
        (b"\xef\xbb\xbf", vec![]),
        (b"\xef\xbb\xbf\n", vec![""]),
        (b"\xef\xbb\xbf\r\n\n", vec!["", ""]),
        (b"\xef\xbb", vec!["\u{fffd}"]),
        (b"\n", vec![""]),
        (b"a\0b\n\0\n", vec!["a\0b", "\0"]),
        ("a\u{2028}b\u{85}c\u{2029}d\u{b}e\n".as_bytes(), vec!["a\u{2028}b\u{85}c\u{2029}d\u{b}e"]),
        (
            b"a line of more than 12 bytes\nwith \xed\xa0\x80, half a pair",
            vec!["a line of more than 12 bytes", "with \u{fffd}, half a pair"],
        ),
        (b"\x1f\x8b\x08\x00", vec!["\u{1f}\u{fffd}\u{8}\0"]),
    ] {
        for chunk in [1, 2, 3, 7, 1000] {
            assert_eq!(lines_of(content, chunk, "object").unwrap(), expected, "{content:?} by {chunk}");
            assert_eq!(lines_of(&gzip(content), chunk, "object.gz").unwrap(), expected, "{content:?} by {chunk}");
            let rows: usize =
                decode(content, chunk, "object", text(0)).unwrap().iter().map(RecordBatch::num_rows).sum();
            assert_eq!(rows, expected.len(), "rows of {content:?} without a column");
        }
    }
}

#[test]
fn a_line_end_may_fall_between_two_blocks() {
    let filler = vec![b'x'; BLOCK_BYTES - 1];
    for end in [&b"\r\n"[..], b"\n", b"\r"] {
        for (before, after) in [(filler.clone(), &b"y\r\n\r\nz"[..]), (filler[1..].to_vec(), b"y\r\n\r\nz")] {
            let content = [&before, end, after].concat();
            for chunk in [4096, BLOCK_BYTES - 1, BLOCK_BYTES, content.len()] {
                let lines = lines_of(&content, chunk, "object").unwrap();
                assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [before.len(), 1, 0, 1], "by {chunk}");
            }
        }
    }
}

#[test]
fn gzip_has_members_and_what_is_behind_them_does_not_matter() {
    let mark = b"\xef\xbb\xbf";
    let members = [gzip(&[mark, &b"a"[..]].concat()), gzip(b"b\nc"), gzip(&[mark, &b"d\n"[..]].concat())].concat();
    let two = gzip(b"a\nb\n");
    for (content, expected) in [
        (members, vec!["ab", "c\u{feff}d"]),
        ([&two[..], &[0; 700]].concat(), vec!["a", "b"]),
        ([&two[..], &[0; 3]].concat(), vec!["a", "b"]),
        ([&two[..], b"junk"].concat(), vec!["a", "b"]),
        ([&two[..], &[0; 20], &two].concat(), vec!["a", "b"]),
        ([&two[..], &two[..4]].concat(), vec!["a", "b"]),
        (gzip(b""), vec![]),
    ] {
        for chunk in [1, 3, 1000] {
            assert_eq!(lines_of(&content, chunk, "object.gz").unwrap(), expected, "by {chunk}");
        }
    }
}

#[test]
fn the_name_alone_says_how_an_object_is_compressed() {
    let data = gzip(b"a\n");
    for name in ["object", "object.GZ", "object.gzip", "object.gz.1", "gz"] {
        assert!(lines_of(&data, 10, name).unwrap()[0].starts_with('\u{1f}'), "{name}");
        assert_eq!(lines_of(b"a\n", 10, name).unwrap(), ["a"], "{name}");
    }
    let error = |content: &[u8], name: &str| format!("{:#}", lines_of(content, 10, name).unwrap_err());
    for content in [&b"a\nb\n"[..], b"{\"requestId\":\"a line of JSON\"}\n", &[0; 30], &data[..2]] {
        let error = error(content, "object.gz");
        assert!(error.starts_with("its name ends in .gz and it is no GZIP data: name it otherwise, or"), "{error}");
    }
    assert!(error(b"a\n", "object.zst").starts_with("the embedded engine does not decompress .zst"));
}

#[test]
fn broken_compression_is_an_error_and_not_an_end() {
    let whole = gzip(&b"a line\n".repeat(5000));
    let second = [&whole[..], &whole[..12]].concat();
    let mut flipped = whole.clone();
    let end = flipped.len();
    flipped[end - 6] ^= 0xff;
    for content in [&whole[..whole.len() - 3], &whole[..whole.len() - 9], &whole[..12], &second, &flipped] {
        for chunk in [1, 1000] {
            let error = lines_of(content, chunk, "object.gz").unwrap_err().to_string();
            assert_eq!(error, "its GZIP data is cut off or broken");
        }
    }
}

#[test]
fn a_long_line_is_read_and_an_endless_one_is_an_error() {
    let longest = vec![b'x'; MAX_LINE_BYTES];
    let lines = [&longest[..], b"\nend"].concat();
    for content in [lines.clone(), [b"start\n", &lines[..]].concat()] {
        assert!(lines_of(&content, 1 << 20, "object").unwrap().iter().any(|line| line.len() == MAX_LINE_BYTES));
    }
    for columns in [0, 2] {
        for (content, name) in [
            ([&b"start\n"[..], b"y", &lines].concat(), "object"),
            (gzip(&[&lines[..], &longest, b"y\n"].concat()), "object.gz"),
            ([b"y", &longest[..]].concat(), "object"),
        ] {
            let error = decode(&content, 1 << 20, name, text(columns)).unwrap_err().to_string();
            assert_eq!(
                error,
                "it has a line of over 24 MiB, which Athena does not read either: end each record of the log with a newline"
            );
        }
    }
}

#[test]
fn texts_stay_in_the_block_that_was_read() {
    let content = b"a line of more than 12 bytes\n".repeat(3 * BLOCK_BYTES / 29);
    let batches = decode(&content, 64 << 10, "object", RowFormat { batch_size: 8192, ..text(2) }).unwrap();
    let lines: usize = batches.iter().map(RecordBatch::num_rows).sum();
    assert_eq!(lines, content.len() / 29);
    for batch in batches {
        assert!(batch.num_rows() <= 8192);
        let (line, rest) = (batch.column(0).as_string_view(), batch.column(1).as_string_view());
        assert_eq!((line.data_buffers().len(), rest.data_buffers().len()), (1, 0));
        assert!(line.data_buffers()[0].len() <= BLOCK_BYTES);
    }
}

/// Decodes lines of JSON of a table `(a string, b bigint)` with a SerDe of a name.
fn json(content: &str, serde: &str, ignores_malformed: bool) -> Result<Vec<(Option<String>, Option<i64>)>> {
    let setting = ("ignore.malformed.json".to_owned(), ignores_malformed.to_string());
    let format = StorageFormat {
        input_format: String::new(),
        output_format: String::new(),
        serde: serde.to_owned(),
        serde_parameters: Parameters::from([setting]),
    };
    let column = |name: &str| Column { name: name.to_owned(), data_type: "string".to_owned(), comment: None };
    let columns = [column("a"), column("b")];
    let format = RowFormat {
        lines: LineFormat::Json(JsonLines::new(&columns.iter().collect::<Vec<_>>(), &format)),
        wanted: vec![Some(0), Some(1)],
        schema: Arc::new(Schema::new(vec![
            Field::new("a", DataType::Utf8, true),
            Field::new("b", DataType::Int64, true),
        ])),
        batch_size: 2,
    };
    let rows = |batch: &RecordBatch| -> Vec<_> {
        let a = batch.column(0).as_string::<i32>().iter().map(|value| value.map(str::to_owned));
        a.zip(batch.column(1).as_primitive::<Int64Type>().iter()).collect()
    };
    Ok(decode(content.as_bytes(), 7, "object", format)?.iter().flat_map(rows).collect())
}

#[test]
fn a_malformed_line_of_json_is_a_row_of_nulls_or_the_end() {
    let (openx, hive) = ("org.openx.data.jsonserde.JsonSerDe", "org.apache.hive.hcatalog.data.JsonSerDe");
    let lines =
        "{\"a\":\"x\",\"b\":1}\n{\"a\":\n\nno JSON\n{}\n{\"a\":-}\r{\"a\":\"사용자\",\"b\":\"9223372036854775807\"}\n";
    let row = |a: &str, b| (Some(a.to_owned()), b);
    let null = (None, None);
    let (first, last) = (row("x", Some(1)), row("사용자", Some(i64::MAX)));
    let nulls = [null.clone(), null.clone(), null.clone(), null.clone()];
    let rows = [&[first.clone()][..], &nulls, &[row("-", None), last.clone()]].concat();
    assert_eq!(json(lines, openx, true).unwrap(), rows);
    // Only OpenX reads the line before the last.
    assert_eq!(json(lines, hive, true).unwrap(), [&[first][..], &nulls, &[null, last]].concat());

    let error = json(lines, openx, false).unwrap_err().to_string();
    assert!(error.starts_with("HIVE_CURSOR_ERROR: Row is not a valid JSON Object"), "{error}");
    assert_eq!(json(&lines.replace("{\"a\":\n", ""), openx, false).unwrap().len(), 6);
    assert!(json("{\"a\":1}\n{\"a\":\n", hive, false).is_err());
}
