//! A job that fails is tried again, later each time, and holds up nothing but itself and what needs it.

use std::time::{Duration, Instant};

use chrono::{TimeDelta, Utc};
use meterlake_core::run::one_line;

use crate::fixture::{Fixture, hourly};

/// Fails while there is a file `broken`.
const WHILE_BROKEN: &str = "[ ! -e \"$HERE/broken\" ]";

fn list() -> String {
    [
        hourly("merge", "merge", ""),
        hourly("aggregate", "aggregate", "after = ['merge']"),
        hourly("repair", "repair", ""),
    ]
    .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_entry_holds_up_only_what_needs_it() {
    let fixture = Fixture::new(&list()).await;
    let since = fixture.missed(3).await;
    fixture.script("merge", WHILE_BROKEN);
    std::fs::write(fixture.path("broken"), "").unwrap();
    let error = one_line(&fixture.run_once().await.unwrap_err());
    assert!(error.contains("merge failed"), "{error}");
    assert_eq!(fixture.log_of("merge"), fixture.expected("merge", since)[..1], "one try in one pass");
    assert_eq!(fixture.log_of("repair"), fixture.expected("repair", since));
    assert!(fixture.log_of("aggregate").is_empty());

    std::fs::remove_file(fixture.path("broken")).unwrap();
    fixture.run_once().await.unwrap();
    let merges = fixture.expected("merge", since);
    assert_eq!(fixture.log_of("merge"), [&merges[..1], &merges[..]].concat(), "the one that failed, and the rest");
    assert_eq!(fixture.log_of("aggregate"), fixture.expected("aggregate", since));
    assert_eq!(fixture.progress("merge").await.failures, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_firing_is_tried_again_for_ever_ever_more_slowly() {
    let fixture = Fixture::new(&list()).await;
    let since = fixture.missed(2).await;
    std::fs::write(fixture.path("broken"), "").unwrap();
    fixture.script("merge", &format!("date +%s%N >> \"$HERE/times\"\n{WHILE_BROKEN}"));
    let mut settings = fixture.settings();
    settings.lease = TimeDelta::seconds(1);
    fixture.run_until(&settings, async || fixture.log_of("merge").len() == 6).await;
    let merges = fixture.expected("merge", since);
    assert!(fixture.log_of("merge").iter().all(|call| *call == merges[0]), "always the same one");
    let times = std::fs::read_to_string(fixture.path("times")).unwrap();
    let times: Vec<u64> = times.lines().map(|time| time.parse::<u64>().unwrap() / 1_000_000).collect();
    // 200, 400, 800, 800, 800 ms at least.
    let waits: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits.iter().zip([200, 400, 800, 800, 800]).all(|(wait, least)| *wait >= least), "{waits:?}");

    std::fs::remove_file(fixture.path("broken")).unwrap();
    fixture.run_until(&settings, async || fixture.log_of("aggregate").len() == 2).await;
    let all = fixture.log_of("merge");
    assert_eq!(all[all.len() - 2..], merges);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_outlives_the_scheduler_and_one_pass_does_not_mind_it() {
    let fixture = Fixture::new(&hourly("merge", "merge", "")).await;
    let since = fixture.missed(1).await;
    fixture.script("merge", "exit 1");
    let mut settings = fixture.settings();
    settings.backoff.first = Duration::from_secs(600);
    settings.backoff.most = settings.backoff.first;
    fixture.run_until(&settings, async || fixture.progress("merge").await.failures == 1).await;
    assert!(!fixture.is_leased("merge").await);
    // Another scheduler waits as well.
    let started = Instant::now();
    fixture.run_until(&settings, async || started.elapsed() > Duration::from_secs(1)).await;
    let progress = fixture.progress("merge").await;
    assert!(progress.retry_at.unwrap() > Utc::now() + TimeDelta::seconds(500));
    assert_eq!(fixture.log().len(), 1);
    fixture.script("merge", "");
    fixture.run_once().await.unwrap();
    assert_eq!(fixture.log(), [fixture.expected("merge", since), fixture.expected("merge", since)].concat());
}
