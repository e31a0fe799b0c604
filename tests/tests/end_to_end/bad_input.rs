//! Input that no one should have written: counted and kept, or refused by name, and never half-visible.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use meterlake_tests::calls::{call, calls, gzip, lines, many_calls, with};
use meterlake_tests::lake::{Row, TestLake, counts, hour, one};
use meterlake_tests::programs::{Ran, run};

const HOUR: &str = "2023-01-31T06";

fn merge(lake: &TestLake) -> Ran {
    let folder = lake.folder().display().to_string();
    run("merge", lake.beside.path(), &["--lake", &folder, "--hour", HOUR, "--output", "json"])
}

/// Two calls published, and an object come late that cannot be read.
async fn assert_is_refused_by_name(lake: &TestLake, object: &str) {
    let ran = merge(lake);
    assert!(ran.error(1).contains(&format!("hour=06/{object}")), "{}", ran.stderr);
    assert_eq!((ran.stdout.as_str(), lake.calls().await), ("", 2));
    lake.assert_no_stray("after an object that cannot be read").await;
    assert_eq!(lake.calls().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gzip_object_that_is_cut_off_or_broken_is_left_out_by_name_until_it_is_whole() {
    let whole = gzip(many_calls(1000));
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0xff;
    let mut wrong_sum = whole.clone();
    wrong_sum[whole.len() - 6] ^= 0xff;
    let broken =
        [whole[..whole.len() / 2].to_vec(), whole[..whole.len() - 4].to_vec(), whole[..6].to_vec(), flipped, wrong_sum];
    for content in broken {
        let lake = TestLake::new().await;
        lake.put(hour(HOUR), "good", calls(&["1", "2"]));
        let object = lake.put(hour(HOUR), "broken.gz", content);
        let ran = merge(&lake);
        assert!(ran.stderr.contains("hour=06/broken.gz") && ran.stderr.contains("cut off"), "{}", ran.stderr);
        let report = ran.reports().remove(0);
        assert_eq!((counts(&report), &report["unreadable_objects"]), ((2, 0, 0), &1.into()));
        lake.assert_no_stray("after an object that cannot be read").await;
        // Delivered whole, it counts.
        fs::write(object, &whole).unwrap();
        assert_eq!(counts(&lake.merge_hour(hour(HOUR)).await).0, 1002);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_on_gzip_data_does_not_matter() {
    let lake = TestLake::new().await;
    lake.put(hour(HOUR), "a.gz", [gzip(calls(&["1"])), b"no GZIP".to_vec()].concat());
    lake.put(hour(HOUR), "b.gz", [gzip(calls(&["2"])), vec![0; 512]].concat());
    let report = lake.merge_hour(hour(HOUR)).await;
    assert_eq!((counts(&report), &report["unreadable_objects"]), ((2, 0, 0), &0.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_may_not_be_read_is_refused_by_name() {
    let lake = TestLake::new().await;
    lake.put(hour(HOUR), "good", calls(&["1", "2"]));
    lake.merge_hour(hour(HOUR)).await;
    let object = lake.put(hour(HOUR), "secret", calls(&["3"]));
    fs::set_permissions(&object, fs::Permissions::from_mode(0o000)).unwrap();
    if fs::read(&object).is_ok() {
        // Root may read everything.
        return;
    }
    assert_is_refused_by_name(&lake, "secret").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_counted_and_kept_and_fails_nothing() {
    let lake = TestLake::new().await;
    let good = calls(&["1"]);
    let long = format!("{{\"user\": \"{}\"\n", "x".repeat(20 << 20));
    let not_utf8 = [b"{\"user\": \"\xff\xfe\"}\n".as_slice(), good.as_bytes()].concat();
    let objects: [(&str, Vec<u8>, u64); 10] = [
        // Bytes that are no UTF-8 are U+FFFD, and the line a record.
        ("not-utf8", not_utf8, 0),
        ("long", [long.as_bytes(), calls(&["2"]).as_bytes()].concat(), 1),
        ("nul", b"\0\0\0\n{\"user\": \"a\0b\"}\n\0".to_vec(), 3),
        ("empty", Vec::new(), 0),
        ("empty.gz", gzip(""), 0),
        ("mark", [b"\xef\xbb\xbf", calls(&["3"]).as_bytes()].concat(), 0),
        ("only-mark", b"\xef\xbb\xbf".to_vec(), 0),
        ("blank", b"\n \r\n\t\n".to_vec(), 0),
        ("one-byte", b"{".to_vec(), 1),
        ("values", b"[]\n1\nnull\n\"x\"\n{}\n{\"unknown\": 1}\n{} {}\n<xml/>\n".to_vec(), 8),
    ];
    let malformed: u64 = objects.iter().map(|(_, _, malformed)| malformed).sum();
    for (name, content, _) in &objects {
        lake.put(hour(HOUR), name, content);
    }
    let report = &merge(&lake).reports()[0];
    assert_eq!((counts(report), &report["source_files"]), ((4, 0, malformed), &objects.len().into()));
    assert_eq!(lake.calls().await, 4);

    let kept = lake.malformed(hour(HOUR)).await;
    assert_eq!(kept.len() as u64, malformed);
    for (name, _, expected) in &objects {
        let of_object = |line: &&Row| line[0].as_deref().unwrap().ends_with(&format!("/{name}"));
        assert_eq!(kept.iter().filter(of_object).count() as u64, *expected, "{name}");
    }
    let longest = kept.iter().map(|line| line[3].as_deref().unwrap().len()).max().unwrap();
    assert_eq!(longest, 65_536, "of a long line a part is kept");
    lake.assert_no_stray("after garbage").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_nothing_but_garbage_is_published_with_no_call() {
    let lake = TestLake::new().await;
    lake.put(hour(HOUR), "a", "garbage\n".repeat(100));
    assert_eq!(counts(&lake.merge_hour(hour(HOUR)).await), (0, 0, 100));
    assert_eq!((lake.calls().await, lake.malformed(hour(HOUR)).await.len()), (0, 100));
    assert_eq!(lake.merge_hour(hour(HOUR)).await["status"], "unchanged");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_no_number_or_time_is_null_and_the_call_still_counts() {
    let lake = TestLake::new().await;
    let numbers = ["-", "", "12x", "9223372036854775808", "1e3", "-1", "NaN", " 5"];
    let records: Vec<_> = numbers
        .iter()
        .enumerate()
        .map(|(at, number)| {
            let record = with(with(call(&at.to_string()), "responseLength", number), "status", number);
            with(record, "requestTime", number)
        })
        .collect();
    lake.put(hour(HOUR), "a", lines(&records));
    assert_eq!(counts(&lake.merge_hour(hour(HOUR)).await), (numbers.len() as u64, 0, 0));
    for (at, number) in numbers.iter().enumerate() {
        let sql = format!(
            "SELECT status, requesttime, responselength FROM restapi_access_log_parquet WHERE extendedrequestid = '{at}'"
        );
        let row = lake.query(&sql).await.remove(0);
        // None is a status, nor a time after 2000.
        let length = match *number {
            "1e3" => Some("1000".to_owned()),
            " 5" => Some("5".to_owned()),
            _ => None,
        };
        assert_eq!(row, [None, None, length], "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_survive_whatever_is_in_them() {
    let names = [
        "'",
        "\"",
        "`",
        ";",
        "'; DROP TABLE restapi_access_log_parquet; --",
        "a\nb",
        "a\r\nb",
        "\t",
        "\\",
        "\\'",
        "{{ x }}",
        "%s",
        "사용자",
        "🦀",
        "\u{202e}abc",
        "null",
        "NULL",
        " ",
        "/*",
        "--",
        "\u{1}",
        "é",
        "e\u{301}",
    ];
    let lake = TestLake::new().await;
    let records: Vec<_> =
        names.iter().enumerate().map(|(at, name)| with(call(&at.to_string()), "user", name)).collect();
    lake.put(hour(HOUR), "a", lines(&records));
    assert_eq!(counts(&lake.merge_hour(hour(HOUR)).await), (names.len() as u64, 0, 0));
    let sql = "SELECT \"user\" FROM restapi_access_log_parquet ORDER BY try_cast(extendedrequestid AS integer)";
    let found: Vec<_> = lake.query(sql).await.into_iter().map(|mut row| row.remove(0).unwrap()).collect();
    assert_eq!(found, names);
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_objects_and_firehoses_own_leavings_are_no_input() {
    let lake = TestLake::new().await;
    lake.put(hour(HOUR), "a", calls(&["1"]));
    lake.put(hour(HOUR), "_SUCCESS", "x");
    lake.put(hour(HOUR), ".a.4711.tmp", calls(&["2"]));
    let report = lake.merge(&one(hour(HOUR))).await.remove(0);
    assert_eq!((counts(&report), &report["source_files"]), ((1, 0, 0), &1.into()));
}
