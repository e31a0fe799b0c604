//! Several catalogs on one lake at once. Each has a connection of its own, as another process has.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;

use futures::future::try_join_all;
use tokio::runtime;

use super::tests::{lake, partition, raw};
use super::*;

const HOUR: [&str; 4] = ["2023", "1", "31", "6"];

fn several(lake: &Path) -> [SqliteCatalog; 4] {
    [(); 4].map(|()| SqliteCatalog::open(lake).unwrap())
}

#[tokio::test]
async fn no_partition_is_lost_or_mixed_while_others_write() {
    let (folder, catalog) = lake().await;
    let catalogs = several(folder.path());
    // Every writer puts its own run in the same place fifty times.
    let put = async |(writer, catalog): (usize, &SqliteCatalog)| {
        for number in 0..50 {
            catalog.put_partitions(&raw(), &[partition(HOUR, &format!("{writer}-{number}"))]).await?;
        }
        anyhow::Ok(())
    };
    // Every writer adds the same partitions, two overlapping ones at a time.
    let add = async |catalog: &SqliteCatalog| {
        let mut added = 0;
        for day in 0..50 {
            let days = [day, day + 1].map(|day: u32| partition(["2023", "2", &day.to_string(), "0"], "0"));
            added += catalog.add_partitions(&raw(), &days).await?;
        }
        anyhow::Ok(added)
    };
    let puts = try_join_all(catalogs.iter().enumerate().map(put));
    let (_, added) = tokio::try_join!(puts, try_join_all(catalogs.iter().map(add))).unwrap();
    assert_eq!(added.iter().sum::<usize>(), 51);
    let all = catalog.partitions(&raw(), &Default::default()).await.unwrap();
    assert_eq!(all.len(), 52);
    let last = [0, 1, 2, 3].map(|writer| partition(HOUR, &format!("{writer}-49")));
    assert!(last.contains(&all[0]), "{:?}", all[0]);
}

#[test]
fn eight_threads_open_a_new_lake_at_once_and_one_creates_the_database() {
    for _ in 0..10 {
        let (folder, start) = (tempfile::tempdir().unwrap(), Barrier::new(8));
        let open = || {
            start.wait();
            let catalog = SqliteCatalog::open(folder.path()).unwrap();
            let runtime = runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(catalog.create_database(&raw().database)).unwrap()
        };
        let created = thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>()
        });
        assert_eq!(created, 1);
    }
}

/// Set in the processes that [`processes_killed_while_they_write_leave_whole_calls`] starts: the lake they write to.
const LAKE_OF_CHILD: &str = "METERLAKE_TEST_LAKE";

/// Adds ten partitions a call, and says so after each call, until killed.
#[tokio::test]
async fn child_that_writes_until_it_is_killed() {
    let Some(lake) = std::env::var_os(LAKE_OF_CHILD) else { return };
    let catalog = SqliteCatalog::open(Path::new(&lake)).unwrap();
    let process = std::process::id().to_string();
    for call in 0.. {
        let hours =
            std::array::from_fn::<_, 10, _>(|n| partition([&process, "1", &call.to_string(), &n.to_string()], "0"));
        catalog.add_partitions(&raw(), &hours).await.unwrap();
        println!("\nadded");
    }
}

#[tokio::test]
async fn processes_killed_while_they_write_leave_whole_calls() {
    let (folder, catalog) = lake().await;
    let child = format!("{}::child_that_writes_until_it_is_killed", module_path!().split_once("::").unwrap().1);
    for round in 0..5 {
        let children = [(); 2].map(|()| {
            Command::new(std::env::current_exe().unwrap())
                .args([&child, "--exact", "--nocapture"])
                .env(LAKE_OF_CHILD, folder.path())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        });
        for mut child in children {
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let said = lines.map_while(Result::ok).filter(|line| line == "added").take(3 + round).count();
            child.kill().unwrap();
            child.wait().unwrap();

            let process = i64::from(child.id());
            let of_child = PartitionFilter::default().and("year", process, process);
            let added = catalog.partitions(&raw(), &of_child).await.unwrap().len();
            assert!(said == 3 + round && added >= said * 10 && added.is_multiple_of(10), "{said} calls, {added} added");
        }
    }
    let check: String =
        Connection::open(&catalog.file).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}
