//! Lines that are no JSON, as Athena has them.

use meterlake_core::store::Store;
use meterlake_merge::MergeJob;
use meterlake_tests::calls::calls;
use meterlake_tests::lake::{counts, hour, one, run, tables};

use super::{StandIn, some};
use crate::lakes::{lake_on_athena, lake_on_s3};

const LINES: &str =
    "{\"a\": \"x\", \"n\": 1}\n{\"a\":\n\nnot JSON\n{\"n\": -, \"a\": \"bare\"}\n{\"A\": \"y\"} {\"a\": \"z\"}\n";

async fn stand_in_with_table(properties: &str) -> StandIn {
    let stand_in = StandIn::new().await;
    let folder = stand_in.root.join("raw");
    stand_in.store.write(&folder.join("object"), LINES.as_bytes()).await.unwrap();
    let create = format!(
        "CREATE EXTERNAL TABLE raw (a string, n string) ROW FORMAT SERDE 'org.openx.data.jsonserde.JsonSerDe' {properties} \
         LOCATION '{folder}/'"
    );
    stand_in.succeed(&create).await;
    stand_in
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_line_is_a_row_of_nulls_where_the_table_ignores_it() {
    let stand_in = stand_in_with_table("WITH SERDEPROPERTIES ('ignore.malformed.json' = 'true')").await;
    let rows = stand_in.rows("SELECT a, n FROM raw").await;
    // OpenX takes a bare word for a string, a key in any case, and what follows on an object for nothing.
    let expected = [
        [some("x"), some("1")],
        [None, None],
        [None, None],
        [None, None],
        [some("bare"), some("-")],
        [some("y"), None],
    ];
    assert_eq!(rows, expected);
    assert_eq!(stand_in.cell("SELECT count(*) FROM raw").await, some("6"));
    assert_eq!(stand_in.cell("SELECT count(*) FROM raw WHERE coalesce(a, n) IS NOT NULL").await, some("3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_line_fails_the_query_where_the_table_does_not_ignore_it() {
    let stand_in = stand_in_with_table("").await;
    let reason = stand_in.failure("SELECT count(*) FROM raw").await;
    assert!(reason.starts_with("HIVE_CURSOR_ERROR: Row is not a valid JSON Object"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn merge_counts_no_malformed_line_as_a_call_on_athena_nor_off_it() {
    let hour = hour("2023-01-31T06");
    let lines =
        calls(&["a", "b"]) + "{\"extendedRequestId\": \"c\nEndpoint request timed out\n}{\n[\n" + &calls(&["b", "d"]);
    let (on_athena, _athena) = lake_on_athena().await;
    for lake in [on_athena, lake_on_s3().await] {
        tables(&lake).await.unwrap();
        let object = lake.layout.raw.folder_of(hour).join("object");
        lake.store.write(&object, lines.as_bytes()).await.unwrap();
        let merged = run::<MergeJob>(&lake, &one(hour)).await.unwrap();
        assert_eq!(counts(&merged[0]), (3, 1, 4));
    }
}
