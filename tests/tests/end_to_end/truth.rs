//! Synthetic traffic whose right totals are known: every hour and every user agrees with them.

use std::collections::BTreeMap;

use meterlake_core::period::Period;
use meterlake_loadgen::{Late, Options, Truth, Usage, write_files};
use meterlake_tests::lake::{TestLake, counts, hour, one, range};

fn traffic() -> Options {
    Options {
        from: hour("2023-01-31T22"),
        to: hour("2023-02-01T01"),
        calls_per_hour: 1000,
        copies: 0.1,
        malformed: 0.02,
        bare_dashes: 0.05,
        unauthenticated: 0.05,
        legacy: 0.2,
        late_share: 0.3,
        seed: 7,
        ..Options::default()
    }
}

async fn write(lake: &TestLake, late: Late) -> Truth {
    let options = Options { late, ..traffic() };
    write_files(&*lake.lake.store, &lake.lake.layout, &options).await.unwrap()
}

async fn assert_agrees(lake: &TestLake, truth: &Truth) {
    let reports = lake.merge(&range(traffic().from, traffic().to)).await;
    for (report, (hour, expected)) in reports.iter().zip(&truth.hours) {
        assert_eq!(report["period"], hour.to_string());
        assert_eq!(counts(report), (expected.calls, expected.duplicates, expected.malformed), "{hour}");
        assert_eq!(lake.calls_in(*hour).await, expected.calls, "{hour}");
        assert_eq!(
            (&report["source_files"], &report["source_bytes"]),
            (&expected.objects.into(), &expected.bytes.into())
        );
        assert_eq!(lake.malformed(*hour).await.len() as u64, expected.malformed, "{hour}");
    }
    assert_eq!(reports.len(), truth.hours.len());

    let totals = &truth.totals;
    assert_eq!(totals.lines, totals.calls + totals.copies + totals.malformed);
    let unattributed = "SELECT count(*) FROM restapi_access_log_parquet WHERE \"user\" = '-'";
    assert_eq!((lake.calls().await, lake.number(unattributed).await), (totals.calls, totals.unattributed));
    assert_eq!(usage(lake).await, truth.users);
}

/// Each user's calls by the day they were made, as the merged table has them.
async fn usage(lake: &TestLake) -> BTreeMap<String, BTreeMap<meterlake_core::period::Day, Usage>> {
    let rows = lake
        .query(
            "SELECT \"user\", CAST(CAST(requesttime AS date) AS varchar), count(*), \
             count_if(status BETWEEN 400 AND 499), count_if(status BETWEEN 500 AND 599), count_if(status = 429), \
             count_if(status IS NULL), coalesce(sum(responselength), 0) \
             FROM restapi_access_log_parquet WHERE \"user\" <> '-' GROUP BY 1, 2",
        )
        .await;
    let mut users = BTreeMap::<_, BTreeMap<_, _>>::new();
    for row in rows {
        let cells: Vec<String> = row.into_iter().map(Option::unwrap).collect();
        let number = |at: usize| cells[at].parse().unwrap();
        let usage = Usage {
            requests: number(2),
            client_errors: number(3),
            server_errors: number(4),
            throttled: number(5),
            unknown_status: number(6),
            response_bytes: number(7),
        };
        users.entry(cells[0].clone()).or_default().insert(cells[1].parse().unwrap(), usage);
    }
    users
}

#[tokio::test(flavor = "multi_thread")]
async fn every_hour_and_every_user_agree_with_the_truth() {
    let lake = TestLake::new().await;
    let truth = write(&lake, Late::All).await;
    let totals = &truth.totals;
    assert!([totals.copies, totals.malformed, totals.unattributed, totals.blank].iter().all(|number| *number > 0));
    assert_agrees(&lake, &truth).await;
    lake.assert_no_stray("after the truth").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_objects_are_found_by_the_next_hours_run() {
    let lake = TestLake::new().await;
    let on_time = write(&lake, Late::OnTime).await;
    assert_agrees(&lake, &on_time).await;
    let all = write(&lake, Late::LateOnly).await;
    assert!(all.totals.calls > on_time.totals.calls);
    lake.merge(&one(traffic().to.next())).await;
    // Nothing is left to do for the hours themselves.
    let again = lake.merge(&range(traffic().from, traffic().to)).await;
    assert!(again.iter().all(|report| report["status"] == "unchanged"), "{again:?}");
    assert_agrees(&lake, &all).await;
}
