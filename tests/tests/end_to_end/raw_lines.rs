//! Raw lines as they come to people: every line that is not blank comes out as a call, a copy or malformed.

use std::fs;
use std::path::Path;

use meterlake_core::catalog::PartitionFilter;
use meterlake_core::config::Glued;
use meterlake_merge::Args;
use meterlake_tests::calls::{call, calls, gzip, lines, many_calls, with};
use meterlake_tests::hostile::{self, with_raw};
use meterlake_tests::lake::{Row, TestLake, counts, hour, one};
use meterlake_tests::tree::copy_tree;
use serde_json::Value;

const HOUR: &str = "2023-01-31T06";

async fn merged(objects: &[(&str, Vec<u8>)]) -> (TestLake, Value) {
    merged_as(objects, Glued::Split).await
}

async fn merged_as(objects: &[(&str, Vec<u8>)], glued: Glued) -> (TestLake, Value) {
    let mut lake = TestLake::new().await;
    lake.lake.config.raw.glued = glued;
    for (name, content) in objects {
        lake.put(hour(HOUR), name, content);
    }
    let report = lake.merge_hour(hour(HOUR)).await;
    assert_adds_up(&lake, &report).await;
    (lake, report)
}

/// The three tables have what the report says.
async fn assert_adds_up(lake: &TestLake, report: &Value) {
    let malformed = lake.malformed(hour(HOUR)).await.len() as u64;
    let tables = (lake.calls_in(hour(HOUR)).await, lake.copies_in(hour(HOUR)).await, malformed);
    assert_eq!(tables, counts(report), "{report}");
    let reasons: u64 =
        report["malformed_reasons"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(reasons, malformed);
}

/// One value of each call, by the order of the extended ids.
async fn values(lake: &TestLake, columns: &str) -> Vec<Row> {
    let sql =
        format!("SELECT {columns} FROM restapi_access_log_parquet ORDER BY try_cast(extendedrequestid AS integer)");
    lake.query(&sql).await
}

fn cell(text: &str) -> Option<String> {
    (text != "NULL").then(|| text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hostile_line_comes_out_as_something() {
    let (_, report) = merged(&hostile::lines()).await;
    let (calls, copies, malformed) = counts(&report);
    assert!(calls > 100 && copies > 0 && malformed > 20, "{report}");
    assert!(report["unsplit"].as_u64() > Some(5) && report["unreadable_values"].as_u64() > Some(20), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bare_dash_is_a_value_that_is_missing() {
    // As the formats have it that leave numbers unquoted, for a 304, a throttled call and one that reached nothing.
    let records =
        [with_raw("1", "responseLength", "-"), with_raw("2", "status", " - "), with_raw("3", "requestTime", "-")];
    let (lake, report) = merged(&[("a", records.join("\n").into_bytes())]).await;
    assert_eq!((counts(&report), &report["unreadable_values"]), ((3, 0, 0), &1.into()));
    let rows = values(&lake, "status, responselength, requesttime IS NULL").await;
    let expected = [["200", "NULL", "false"], ["NULL", "27", "false"], ["200", "27", "true"]];
    assert_eq!(rows, expected.map(|row| row.map(cell)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_with_a_column_twice_is_malformed_and_changes_no_customer() {
    // elastic/integrations#9834: the documented format has a key twice.
    let twice = [
        r#"{"requestId":"1","user":"cust-a","User":"cust-b"}"#,
        r#"{"requestId":"1","user":"cust-a","user":"cust-a"}"#,
        r#"{"requestId":"1","user":{"id":"cust-a"}}"#,
    ];
    let (_, report) = merged(&[("a", twice.join("\n").into_bytes())]).await;
    assert_eq!(counts(&report), (0, 0, 3));
    assert_eq!(report["malformed_reasons"], serde_json::json!({"a column twice or nested": 3}));
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_that_a_transform_wrote_as_floats_are_numbers() {
    // pandas-dev/pandas#57224.
    let forms = ["503.0", "\"503.0\"", "5.03e2", "\" 503\"", "503", "\"5.03E+2\""];
    let records: Vec<String> =
        forms.iter().enumerate().map(|(at, form)| with_raw(&at.to_string(), "status", form)).collect();
    let (lake, report) = merged(&[("a", records.join("\n").into_bytes())]).await;
    assert_eq!((counts(&report), &report["unreadable_values"]), ((6, 0, 0), &0.into()));
    assert!(values(&lake, "status").await.iter().all(|row| row[0].as_deref() == Some("503")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_or_length_that_no_response_has_is_unreadable() {
    let status = ["99", "600", "2xx", "-200", "200.5"].map(|form| ("status", form));
    let length = ["-1", "1099511627776", "9223372036854775807", "1.5", "many"].map(|form| ("responseLength", form));
    let records: Vec<Value> = status
        .iter()
        .chain(&length)
        .enumerate()
        .map(|(at, (key, form))| with(call(&at.to_string()), key, form))
        .collect();
    let (lake, report) = merged(&[("a", lines(&records).into_bytes())]).await;
    assert_eq!((counts(&report), &report["unreadable_values"]), ((10, 0, 0), &10.into()));
    let rows = values(&lake, "status IS NULL, responselength IS NULL, unreadable").await;
    for (at, row) in rows.iter().enumerate() {
        let is_status = at < 5;
        assert_eq!(*row, [is_status.to_string(), (!is_status).to_string(), "1".to_owned()].map(Some), "{at}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_read_in_the_forms_that_people_log() {
    let right = "2023-01-31 06:22:15.000";
    let forms = [
        ("1675146135000", right),
        ("1675146135", right),
        ("1675146135.0", right),
        ("1.675146135e12", right),
        ("31/Jan/2023:06:22:15 +0000", right),
        ("31/Jan/2023:15:22:15 +0900", right),
        ("2023-01-31T06:22:15Z", right),
        ("2023-01-30 21:22:15.000-09:00", right),
        ("2023-01-31T06:22:15", "NULL"),
        ("31/Feb/2023:06:22:15 +0000", "NULL"),
        ("31/Jan/2023:06:22:15 +1500", "NULL"),
        // A day after the hour of arrival, and before there was a gateway.
        ("2023-02-01T07:00:00Z", "2023-02-01 07:00:00.000"),
        ("2023-02-01T07:00:01Z", "NULL"),
        ("946684799999", "NULL"),
        ("99999999999999999999", "NULL"),
        ("-", "NULL"),
        ("soon", "NULL"),
    ];
    let records: Vec<Value> =
        forms.iter().enumerate().map(|(at, (form, _))| with(call(&at.to_string()), "requestTime", form)).collect();
    let (lake, report) = merged(&[("a", lines(&records).into_bytes())]).await;
    let missing = forms.iter().filter(|(_, time)| *time == "NULL").count();
    assert_eq!(report["unreadable_values"], missing);
    let found = values(&lake, "requesttime").await;
    for ((form, time), row) in forms.iter().zip(found) {
        assert_eq!(row, [cell(time)], "{form}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_epoch_stands_in_where_there_is_no_time() {
    // A client can add a key that the format lacks.
    let with_both =
        |id: &str, time: &str| with(with(call(id), "requestTime", time), "requestTimeEpoch", "1675146135164");
    let records = [with_both("1", "31/Jan/2023:07:00:00 +0000"), with_both("2", "-")];
    let (lake, _) = merged(&[("a", lines(&records).into_bytes())]).await;
    let expected = ["2023-01-31 07:00:00.000", "2023-01-31 06:22:15.164"].map(|time| [cell(time)]);
    assert_eq!(values(&lake, "requesttime").await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_without_a_line_end_between_them_are_all_counted() {
    // Firehose adds none: osquery/osquery#2166 and nine others.
    let one = |id: &str| call(id).to_string();
    let separators = ["", " ", ",", ", ", r"\n", r"\r\n", " \t", r",\n"];
    let text = separators
        .iter()
        .enumerate()
        .fold(one("first"), |text, (at, separator)| text + separator + &one(&at.to_string()));
    for end in ["", "\n", r"\n", ",", "\r\n"] {
        let (_, report) = merged(&[("a", format!("{text}{end}").into_bytes())]).await;
        assert_eq!((counts(&report), &report["unsplit"]), ((9, 0, 0), &8.into()), "{end:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_like_a_seam_inside_a_value_is_none() {
    let paths = ["/v1/{a}{b}", "}{", "{\"a\":1}{\"b\":2}", "},{\"x\""];
    let records: Vec<Value> =
        paths.iter().enumerate().map(|(at, path)| with(call(&at.to_string()), "resourcePath", path)).collect();
    let (lake, report) = merged(&[("a", lines(&records).into_bytes())]).await;
    assert_eq!((counts(&report), &report["unsplit"]), ((4, 0, 0), &0.into()));
    assert_eq!(values(&lake, "resourcepath").await, paths.map(|path| [cell(path)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_record_among_fifty_thousand_on_one_line_costs_one() {
    let records: String = many_calls(50_000).replace('\n', "");
    let (_, report) = merged(&[("a.gz", gzip(&records))]).await;
    assert_eq!((counts(&report), &report["unsplit"]), ((50_000, 0, 0), &49_999.into()));

    let at = records.match_indices("}{").nth(25_000).unwrap().0;
    // A value whose quote is missing, before the request id: up to there a broken record would be read.
    let start = records[..at].rfind("\"ip\":").unwrap();
    let bad = format!("{}{}", &records[..start], records[start..].replacen("\",", ",", 1));
    let (lake, report) = merged(&[("a.gz", gzip(bad))]).await;
    assert_eq!((counts(&report), &report["unsplit"]), ((49_999, 0, 1), &49_999.into()));
    assert_eq!(lake.malformed(hour(HOUR)).await[0][1].as_deref(), Some("25001"));
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_that_are_no_lines_of_text_are_named_and_left_out() {
    let line = calls(&["x"]);
    let odd: [(&str, Vec<u8>); 9] = [
        ("zip.zip", b"PK\x03\x04\x14\0\0\0\x08\0 and more \n and more\n".to_vec()),
        ("snappy", b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01{\"requestId\":\"1\"}\n".to_vec()),
        ("parquet", b"PAR1\x15\x04\x15\n\x10PAR1".to_vec()),
        ("twice.gz", gzip(gzip(&line))),
        ("text.gz", line.clone().into_bytes()),
        ("packed", gzip(&line)),
        ("text.zst", line.clone().into_bytes()),
        ("utf16", line.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("envelope", b"{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{\"message\":\"{}\"}]}\n".to_vec()),
    ];
    let good = [("a", calls(&["1", "2"]).into_bytes()), ("z.gz", gzip(calls(&["3"])))];
    let objects: Vec<(&str, Vec<u8>)> = good.iter().chain(&odd).cloned().collect();
    let (lake, report) = merged(&objects).await;
    assert_eq!((counts(&report), &report["unreadable_objects"]), ((3, 0, 0), &9.into()));
    assert_eq!(report["source_files"], 11);
    // What was found stays known: the next run reads none of them again.
    assert_eq!(lake.merge_hour(hour(HOUR)).await["status"], "unchanged");

    let (lake, report) = merged(&odd).await;
    assert_eq!((counts(&report), &report["status"]), ((0, 0, 0), &"empty".into()));
    assert_eq!((lake.calls().await, &report["unreadable_objects"]), (0, &9.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_odd_objects_than_a_statement_can_leave_out_refuse_the_hour() {
    let lake = TestLake::new().await;
    for at in 0..91 {
        lake.put(hour(HOUR), &format!("{at:02}.gz"), "text\n");
    }
    let error = lake.merge_fails(&one(hour(HOUR))).await;
    assert!(error.contains("91 raw objects") && error.contains("plain text under a name that ends in .gz"), "{error}");
    fs::remove_file(lake.raw_folder(hour(HOUR)).join("00.gz")).unwrap();
    assert_eq!(lake.merge_hour(hour(HOUR)).await["unreadable_objects"], 90);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_breaks_off_in_its_middle_stops_no_hour() {
    let whole = gzip(many_calls(60_000));
    let cut = whole[..whole.len() / 2].to_vec();
    assert!(cut.len() > 64 << 10, "the break lies behind what is looked at first");
    let (lake, report) =
        merged(&[("a", calls(&["1"]).into_bytes()), ("b.gz", cut), ("c", calls(&["2"]).into_bytes())]).await;
    assert_eq!((counts(&report), &report["unreadable_objects"]), ((2, 0, 0), &1.into()));
    lake.put(hour(HOUR), "b.gz", &whole);
    let report = lake.merge_hour(hour(HOUR)).await;
    assert_eq!((counts(&report), &report["unreadable_objects"]), ((60_002, 0, 0), &0.into()));
    lake.assert_no_stray("after a broken object").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_no_engine_takes_leaves_its_object_out() {
    let endless = vec![b'x'; (24 << 20) + 1];
    let behind = [calls(&["9"]).into_bytes(), endless.clone()].concat();
    let (_, report) = merged(&[("a", calls(&["1"]).into_bytes()), ("b", endless), ("c", behind)]).await;
    assert_eq!((counts(&report), &report["unreadable_objects"]), ((1, 0, 0), &2.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_line_that_all_engines_take_is_a_line_like_any_other() {
    let long = [calls(&["1"]).into_bytes(), vec![b'x'; 10 << 20], b"\n".to_vec()].concat();
    let (lake, report) = merged(&[("a", long), ("b", calls(&["2"]).into_bytes())]).await;
    assert_eq!((counts(&report), &report["unreadable_objects"]), ((2, 0, 1), &0.into()));
    lake.assert_no_stray("after a look at whole objects").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_makes_its_calls_free_or_names_another_user() {
    let injected = hostile::lines().into_iter().find(|(name, _)| *name == "injected").unwrap();
    let expected = injected.1.split(|byte| *byte == b'\n').count() as u64;
    let (lake, report) = merged_as(&[injected], Glued::Malformed).await;
    assert_eq!(counts(&report), (expected, 0, 0));
    // All but the ids is as the gateway wrote it.
    let columns = "\"user\", status, requesttime, responselength, ip, httpmethod, resourcepath, protocol";
    let found = lake.query(&format!("SELECT DISTINCT {columns} FROM restapi_access_log_parquet")).await;
    let expected = ["owner", "200", "2023-01-31 06:22:15.165", "1", "NULL", "NULL", "NULL", "NULL"];
    assert_eq!(found, [expected.map(cell)]);
    // Lines that were read in part are told of.
    assert!(report["unreadable_values"].as_u64() > Some(5), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_three_tables_follow_each_generation_of_an_hour() {
    let mut lake = TestLake::new().await;
    let folder = lake.beside.path().join("sql");
    copy_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../sql"), &folder);
    lake.lake.config.sql.clone_from(&folder);
    let lake = TestLake { lake: meterlake_embedded::connect(lake.lake.config.clone()).await.unwrap(), ..lake };
    let merge = async |expected: (u64, u64, u64)| {
        let report = lake.merge_hour(hour(HOUR)).await;
        assert_eq!(counts(&report), expected);
        assert_adds_up(&lake, &report).await;
    };
    lake.put(hour(HOUR), "a", "garbage\n");
    merge((0, 0, 1)).await;
    lake.put(hour(HOUR), "b", calls(&["1"]));
    merge((1, 0, 1)).await;
    lake.put(hour(HOUR), "c", calls(&["1", "2"]));
    merge((2, 1, 1)).await;

    let file = folder.join("sources/lines.sql");
    let text = fs::read_to_string(&file).unwrap();
    let edit = |condition: &str| {
        let edited = text.replace("WHERE text <> '' OR NOT is_whole", &format!("WHERE text <> '' AND {condition}"));
        assert_ne!(text, edited);
        fs::write(&file, edited).unwrap();
    };
    // No edit can lose an object.
    edit("path NOT LIKE '%/c'");
    let error = lake.merge_fails(&Args { lookback: Some(0), ..one(hour(HOUR)) }).await;
    assert!(error.contains("hour=06/c") && error.contains("gave no line"), "{error}");
    // One that drops the copy's line from what a line is leaves no partition of copies.
    edit("NOT (path LIKE '%/c' AND text LIKE '%\"extendedRequestId\":\"1\"%')");
    merge((2, 0, 1)).await;
    let copies = &lake.lake.layout.copies;
    assert!(lake.lake.catalog.partitions(&copies.name, &PartitionFilter::default()).await.unwrap().is_empty());
    lake.assert_no_stray("after an edit").await;
}
