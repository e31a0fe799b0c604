//! SIGTERM, and Ctrl-C in a terminal.

use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::fixture::{Fixture, hourly, until};

fn start(fixture: &Fixture) -> Child {
    let mut command = Command::new(fixture.scheduler());
    command.args(["--schedules", "schedules.toml", "--lake", "lake", "run"]);
    command.current_dir(fixture.path("")).env_remove("METERLAKE_CONFIG").env_remove("METERLAKE_LOG");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn tell(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn end(child: Child) -> Output {
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_scheduler_stops_at_once_for_each_signal() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let fixture = Fixture::new(&hourly("merge", "merge", "")).await;
        let child = start(&fixture);
        until(async || is_enrolled(&fixture).await).await;
        tell(&child, signal);
        let output = end(child);
        assert_eq!(output.status.code(), Some(0), "{signal:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

async fn is_enrolled(fixture: &Fixture) -> bool {
    let notes = fixture.book().await.look(&fixture.schedules).await.unwrap();
    notes["merge"].entries.contains_key("merge")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_job_is_told_to_end_and_resumed_next_time() {
    let fixture = Fixture::new(&hourly("merge", "merge", "")).await;
    let since = fixture.missed(2).await;
    fixture.script("merge", "trap 'echo ended >> \"$HERE/log\"; exit 1' TERM\nsleep 60 & wait");
    let child = start(&fixture);
    until(async || fixture.log().len() == 1).await;
    tell(&child, Signal::TERM);
    let output = end(child);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("waiting for merge") && !stderr.contains("ERROR"), "{stderr}");
    assert_eq!(fixture.log().len(), 2, "told once, and no other begun");
    let progress = fixture.progress("merge").await;
    assert_eq!((progress.failures, fixture.is_leased("merge").await), (0, false), "it did not fail");

    fixture.script("merge", "");
    fixture.run_once().await.unwrap();
    let calls: Vec<String> = fixture.log().into_iter().filter(|line| line != "ended").collect();
    let expected = fixture.expected("merge", since);
    let resumed = |call: &String| call.replace("--lake=lake", "--lake=here");
    assert_eq!(calls.iter().map(resumed).collect::<Vec<_>>(), [&expected[..1], &expected[..]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_finishes_when_told_to_end_is_done() {
    let fixture = Fixture::new(&hourly("merge", "merge", "")).await;
    fixture.missed(1).await;
    fixture.script("merge", "trap 'echo finished; exit 0' TERM\nsleep 60 & wait");
    let child = start(&fixture);
    until(async || fixture.log().len() == 1).await;
    tell(&child, Signal::INT);
    let output = end(child);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "finished\n", "what a job says is passed on");
    fixture.run_once().await.unwrap();
    assert_eq!(fixture.log().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_a_job_that_does_not_listen() {
    let fixture = Fixture::new(&hourly("merge", "merge", "")).await;
    fixture.missed(1).await;
    fixture.script("merge", "trap '' TERM\necho $$ > \"$HERE/pid\"\nsleep 60 & wait; wait");
    let child = start(&fixture);
    until(async || fixture.path("pid").exists()).await;
    tell(&child, Signal::TERM);
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    tell(&child, Signal::TERM);
    assert_eq!(end(child).status.code(), Some(0));
    let pid: i32 = std::fs::read_to_string(fixture.path("pid")).unwrap().trim().parse().unwrap();
    assert!(kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).is_err(), "it is gone");
    assert!(!fixture.is_leased("merge").await);
}
