//! A disk that is full, played by a limit on the size of files.

use meterlake_core::period::Period;
use meterlake_loadgen::{Options, write_files};
use meterlake_tests::lake::{TestLake, hour};
use meterlake_tests::programs::{Ran, isolate, path};
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_one_clear_error_and_nothing_is_lost_or_half_visible() {
    let lake = TestLake::new().await;
    let first = hour("2023-01-31T12");
    let traffic = Options { from: first, to: first, calls_per_hour: 200, ..Options::default() };
    let truth = write_files(&*lake.lake.store, &lake.lake.layout, &traffic).await.unwrap();
    lake.merge_hour(first).await;
    let before = lake.published().await;
    let much = Options { to: first.next(), from: first.next(), calls_per_hour: 15_000, ..traffic };
    let more = write_files(&*lake.lake.store, &lake.lake.layout, &much).await.unwrap();

    // The catalog's files stay below the limit, the rows do not. A program that ignores the signal gets an error.
    let script = "trap '' XFSZ; ulimit -f 512; exec \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh"]).arg(path("merge")).arg("--lake").arg(lake.folder());
    command.args(["--hour", &first.next().to_string()]);
    isolate(&mut command, lake.beside.path());
    let ran = Ran::of(command.output().unwrap());
    let error = ran.error(1);
    assert!(error.contains("2023-01-31T13") && error.to_lowercase().contains("file too large"), "{error}");
    assert_eq!((lake.published().await, lake.calls().await), (before, truth.totals.calls));
    lake.assert_no_stray("after a full disk").await;

    // With room again.
    lake.merge_hour(first.next()).await;
    assert_eq!(lake.calls().await, truth.totals.calls + more.totals.calls);
}
