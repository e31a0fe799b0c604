use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::Once;

use meterlake_core::engine::Engine;
use serde_json::{Value, json};

use super::super::api::{Execution, Page};
use super::CTAS;
use super::fake::{Script, as_is, engine, failed, page, statement, succeeded};

thread_local! {
    /// What this thread has logged. A test and all that it awaits run on one thread.
    static LOGGED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Buffer;

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines that executing a statement logs.
///
/// The subscriber is the process's: a subscriber of one thread alone may lose events, because a thread without one that
/// comes to the same line of code first switches that line off for all.
async fn logged(sql: &str, script: Script) -> Vec<Value> {
    static SUBSCRIBED: Once = Once::new();
    SUBSCRIBED.call_once(|| {
        let lines = tracing_subscriber::fmt().json().flatten_event(true).without_time().with_target(false);
        lines.with_writer(|| Buffer).init();
    });
    let (_, engine) = engine(script, as_is).await;
    LOGGED.take();
    drop(engine.execute(&statement(sql)).await);
    let text = String::from_utf8(LOGGED.take()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_query_is_one_line_with_its_times_bytes_and_cost() {
    let script = Script {
        gets: [Ok(Execution { queued_ms: 150, running_ms: 2300, ..succeeded(1 << 40) })].into(),
        results: [Ok(Page { update_count: Some(1), ..page(&["rows"], false, &[]) })].into(),
        ..Script::default()
    };
    let line = json!({
        "level": "INFO", "message": "a statement on Athena is over", "label": "merge_hour@1",
        "execution_id": "query-1", "state": "SUCCEEDED", "queued_ms": 150, "running_ms": 2300,
        "scanned_bytes": 1_u64 << 40, "estimated_cost_usd": "5",
    });
    assert_eq!(logged(CTAS, script).await, [line]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_has_its_own_line_and_costs_nothing() {
    let gets = [Ok(failed(true)), Ok(succeeded(0))].into();
    let lines = logged("MSCK REPAIR TABLE `a`.`b`", Script { gets, ..Script::default() }).await;
    let seen: Vec<_> = lines.iter().map(|line| (line["level"].as_str(), line["state"].as_str())).collect();
    assert_eq!(seen, [(Some("INFO"), Some("FAILED")), (Some("WARN"), None), (Some("INFO"), Some("SUCCEEDED"))]);
    assert_eq!((&lines[0]["scanned_bytes"], &lines[0]["estimated_cost_usd"]), (&json!(123), &json!("0")));
    assert_eq!((&lines[1]["attempt"], &lines[2]["execution_id"]), (&json!(1), &json!("query-2")));
}
