//! The edge cases of `fixtures/`, as a person reads them.

use meterlake_tests::calls::gzip;
use meterlake_tests::lake::{Row, TestLake, counts, hour};

const SAMPLE: &str = include_str!("../../fixtures/access-log-edge-cases.jsonl");
const USER: &str = "5c1d9f5e-0c4b-4d4f-9a55-1f0f8d2f6a01";
const HOUR: &str = "2023-01-31T06";

/// The eight calls, sorted by time and in the order of the table's columns.
fn expected() -> Vec<Row> {
    let call = |[id, extended, ip, user, time, method, path, status, protocol, length]: [&str; 10]| {
        let id = if id.len() < 36 { format!("0b0d1c1e-{id}") } else { id.to_owned() };
        let time = format!("2023-01-31 {time}");
        let text = [&id, extended, ip, user, &time, method, path, status, protocol, length];
        text.map(|text| (text != "NULL").then(|| text.to_owned())).to_vec()
    };
    let one = "1111-4a1a-8a1a-000000000001";
    [
        [
            "7777-4a1a-8a1a-000000000007",
            "fk9ba0001oAMFabc=",
            "198.51.100.4",
            "-",
            "05:59:59.500",
            "GET",
            "-",
            "403",
            "HTTP/1.1",
            "43",
        ],
        [
            "5555-4a1a-8a1a-000000000005",
            "NULL",
            "198.51.100.4",
            "-",
            "06:20:00.000",
            "GET",
            "/v1/search",
            "NULL",
            "HTTP/1.1",
            "NULL",
        ],
        [
            "f0a72781-3a69-4bd8-bef0-b4c2a95cbf3a",
            "NULL",
            "15.165.43.146",
            "-",
            "06:22:15.164",
            "GET",
            "/random/strings",
            "200",
            "HTTP/1.1",
            "11",
        ],
        [
            one,
            "fk9aWHgLIAMFW2g=",
            "203.0.113.9",
            USER,
            "06:22:15.165",
            "GET",
            "/random/strings",
            "200",
            "HTTP/1.1",
            "27",
        ],
        [
            one,
            "fk9aXFgCoAMFdQw=",
            "203.0.113.9",
            USER,
            "06:22:16.900",
            "GET",
            "/random/strings",
            "200",
            "HTTP/1.1",
            "40",
        ],
        [
            "2222-4a1a-8a1a-000000000002",
            "fk9aYEQDoAMFYxA=",
            "2001:db8::17",
            "사용자@example.kr",
            "06:23:20.000",
            "POST",
            "/v1/orders/{id}",
            "503",
            "HTTP/2.0",
            "NULL",
        ],
        [
            "3333-4a1a-8a1a-000000000003",
            "fk9aZGOBoAMFzzz=",
            "198.51.100.4",
            "a \"quoted\" name",
            "06:59:59.999",
            "GET",
            "/v1/search",
            "429",
            "HTTP/1.1",
            "0",
        ],
        [
            "4444-4a1a-8a1a-000000000004",
            "NULL",
            "198.51.100.4",
            USER,
            "07:00:00.001",
            "GET",
            "/v1/search",
            "200",
            "HTTP/1.1",
            "NULL",
        ],
    ]
    .map(call)
    .to_vec()
}

async fn assert_has_the_eight_calls(lake: &TestLake) {
    let mut rows = lake.merged().await;
    for row in &mut rows {
        let hour: Row = row.drain(..4).collect();
        assert_eq!(hour, ["2023", "1", "31", "6"].map(|value| Some(value.to_owned())));
    }
    rows.sort_by(|a, b| a[4].cmp(&b[4]));
    assert_eq!(rows, expected());
    let bytes = lake.number("SELECT sum(responselength) FROM restapi_access_log_parquet").await;
    assert_eq!(bytes, 11 + 27 + 40 + 43);
}

/// Lines `from` to `to`, counted from 1, both included.
fn part(from: usize, to: usize) -> String {
    SAMPLE.lines().skip(from - 1).take(to + 1 - from).map(|line| format!("{line}\n")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_is_eight_calls_one_copy_and_one_malformed_line() {
    let lake = TestLake::new().await;
    lake.put(hour(HOUR), "sample", SAMPLE);
    let report = lake.merge_hour(hour(HOUR)).await;
    assert_eq!((counts(&report), &report["status"]), ((8, 1, 1), &"published".into()));
    assert_eq!((&report["source_files"], &report["source_bytes"]), (&1.into(), &SAMPLE.len().into()));
    assert_has_the_eight_calls(&lake).await;

    assert_eq!((&report["unreadable_values"], &report["unsplit"]), (&1.into(), &0.into()));
    let tenth = SAMPLE.lines().nth(9).unwrap();
    let expected = ["year=2023/month=01/day=31/hour=06/sample", "0", "not JSON", tenth];
    assert_eq!(lake.malformed(hour(HOUR)).await, [expected.map(|text| Some(text.to_owned())).to_vec()]);
    assert_eq!(lake.copies_in(hour(HOUR)).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_over_three_objects_is_the_same_calls_however_they_are_written() {
    let crlf = |text: String| text.replace('\n', "\r\n");
    let cut = |text: String| text.trim_end().to_owned();
    let two_members = [gzip(part(3, 5)), gzip(part(6, 7))].concat();
    let ways: [(&str, [Vec<u8>; 3]); 4] = [
        ("plain, GZIP, plain", [part(1, 2).into(), gzip(part(3, 7)), part(8, 11).into()]),
        ("no last newline", [cut(part(1, 2)).into(), gzip(cut(part(3, 7))), cut(part(8, 11)).into()]),
        ("CRLF", [crlf(part(1, 2)).into(), gzip(crlf(part(3, 7))), cut(crlf(part(8, 11))).into()]),
        ("GZIP of two members", [part(1, 2).into(), two_members, part(8, 11).into()]),
    ];
    for (way, objects) in ways {
        let lake = TestLake::new().await;
        for (name, content) in ["a", "b.gz", "c"].iter().zip(objects) {
            lake.put(hour(HOUR), name, content);
        }
        let report = lake.merge_hour(hour(HOUR)).await;
        assert_eq!((counts(&report), &report["source_files"]), ((8, 1, 1), &3.into()), "{way}");
        assert_has_the_eight_calls(&lake).await;
        let malformed = lake.malformed(hour(HOUR)).await;
        assert_eq!(malformed.len(), 1, "{way}");
        assert!(malformed[0][0].as_deref().unwrap().ends_with("/c"), "{way}");
    }
}
