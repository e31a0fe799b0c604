//! What is due is run: in order, after what it needs, and from where it was left.

use chrono::{DurationRound, TimeDelta, Utc};
use meterlake_core::run::one_line;

use crate::fixture::{Fixture, hourly};

#[tokio::test(flavor = "multi_thread")]
async fn every_missed_firing_is_caught_up_with_in_order() {
    let fixture = Fixture::new(&hourly("merge", "merge", "args = { lookback = 48 }")).await;
    let since = fixture.missed(6).await;
    fixture.run_once().await.unwrap();
    let expected = fixture.expected("merge", since);
    assert_eq!(expected.len(), 6);
    assert_eq!(fixture.log(), expected);
    fixture.run_once().await.unwrap();
    assert_eq!(fixture.log(), expected, "nothing is run again");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_new_in_the_list_is_run_from_then_on() {
    let fixture = Fixture::new(&hourly("merge", "merge", "")).await;
    let before = Utc::now();
    fixture.run_once().await.unwrap();
    assert!(fixture.log().is_empty());
    assert!(fixture.progress("merge").await.done >= before - TimeDelta::milliseconds(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_waits_for_what_it_needs_and_for_no_more() {
    let list = [hourly("merge", "merge", ""), hourly("aggregate", "aggregate", "after = ['merge']")].concat();
    let fixture = Fixture::new(&list).await;
    let since = fixture.missed(4).await;
    fixture.script("merge", "sleep 0.2; echo \"merged $*\" >> \"$HERE/log\"");
    fixture.run_once().await.unwrap();
    assert_eq!(fixture.log_of("merge"), fixture.expected("merge", since));
    assert_eq!(fixture.log_of("aggregate"), fixture.expected("aggregate", since));
    let log = fixture.log();
    let place = |line: &str| log.iter().position(|other| other == line).unwrap();
    for (merge, aggregate) in fixture.log_of("merge").iter().zip(fixture.log_of("aggregate")) {
        assert!(place(&merge.replacen("merge", "merged", 1)) < place(&aggregate), "{log:?}");
    }
    // The next merge does not wait for the aggregate of the one before.
    assert!(place(&fixture.log_of("merge")[3]) < place(&fixture.log_of("aggregate")[3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_entries_of_one_job_never_run_at_once() {
    let list = [hourly("repair", "repair", ""), hourly("vacuum", "repair", "args = { vacuum = true }")].concat();
    let fixture = Fixture::new(&list).await;
    let since = fixture.missed(3).await;
    fixture.script("repair", "mkdir \"$HERE/busy\" || exit 1\nsleep 0.1\nrmdir \"$HERE/busy\"");
    fixture.run_once().await.unwrap();
    let [repair, vacuum] = ["repair", "vacuum"].map(|name| fixture.expected(name, since));
    let in_turn: Vec<String> = repair.into_iter().zip(vacuum).flat_map(|(repair, vacuum)| [repair, vacuum]).collect();
    assert_eq!(fixture.log(), in_turn);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_crashed_leaves_off_where_it_was() {
    let fixture = Fixture::new(&hourly("merge", "merge", "")).await;
    let since = fixture.missed(5).await;
    let expected = fixture.expected("merge", since);
    fixture.script("merge", "[ $(wc -l < \"$HERE/log\") -lt 3 ] || sleep 60");
    let lease = TimeDelta::milliseconds(500);
    let mut settings = fixture.settings();
    settings.lease = lease;
    // Two are done, and it is dropped in the midst of the third.
    fixture.run_until(&settings, async || fixture.log().len() == 3).await;
    assert!(fixture.is_leased("merge").await);
    fixture.script("merge", "");
    fixture.run_until(&settings, async || fixture.log().len() == 6).await;
    let log = fixture.log();
    assert_eq!((&log[..3], &log[3..]), (&expected[..3], &expected[2..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_notes_do_not_disturb_what_else_the_lake_has() {
    let fixture = Fixture::new(&hourly("vacuum", "repair", "args = { vacuum = true }")).await;
    let lake = &fixture.lake;
    let tables = lake.catalog.tables(&lake.config.database).await.unwrap();
    fixture.missed(2).await;
    fixture.run_once().await.unwrap();
    assert_eq!(lake.catalog.tables(&lake.config.database).await.unwrap(), tables);
    assert!(!fixture.is_leased("repair").await && fixture.progress("vacuum").await.failures == 0);
    // All of it lies where no query looks.
    let objects = lake.store.list(&lake.config.lake).await.unwrap();
    assert!(objects.iter().all(|object| object.is_hidden_in(&lake.config.lake)) && !objects.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lake_without_tables_or_a_job_without_its_program_is_refused_at_once() {
    let fixture = Fixture::new(&hourly("merge", "merge", "")).await;
    std::fs::remove_file(fixture.path("merge")).unwrap();
    // The jobs' programs may be in PATH, but not in that of a test.
    let error = one_line(&fixture.run_once().await.unwrap_err());
    assert!(error.contains("no program `merge`") && error.contains("PATH"), "{error}");
    fixture.script("merge", "");
    fixture.lake.catalog.drop_table(&fixture.lake.layout.raw.name).await.unwrap();
    let error = one_line(&fixture.run_once().await.unwrap_err());
    assert!(error.contains("--bin tables"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_due_runs_when_its_minute_comes() {
    let fixture = Fixture::new("[[schedule]]\nname = 'merge'\njob = 'merge'\ncron = '* * * * *'\n").await;
    let since = Utc::now();
    fixture.run_until(&fixture.settings(), async || !fixture.log().is_empty()).await;
    let late = Utc::now() - since.duration_trunc(TimeDelta::minutes(1)).unwrap() - TimeDelta::minutes(1);
    assert!(late >= TimeDelta::zero() && late < TimeDelta::seconds(5), "{late}");
    assert_eq!(fixture.log(), fixture.expected("merge", since));
}
