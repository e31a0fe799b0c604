//! The stand-in as a program.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::Child;

use aws_sdk_athena::Client;
use aws_sdk_athena::types::QueryExecutionState;
use meterlake_tests::ministack::{bucket, endpoint, sdk_config_for};
use meterlake_tests::programs::{program, run};

use super::{cells, some, state};

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_says_where_it_listens_and_answers_there() {
    let results = format!("{}/results", bucket().await);
    let mut command = program("athena-local", Path::new("."));
    command.args(["--port", "0", "--s3-endpoint", endpoint(), "--glue-endpoint", endpoint()]);
    command.args(["--output", &results, "--enforce-output", "--workgroup", "metering"]);
    let mut running = Running(command.spawn().unwrap());
    let mut url = String::new();
    BufReader::new(running.0.stdout.take().unwrap()).read_line(&mut url).unwrap();

    let client = Client::new(&sdk_config_for(url.trim_end()));
    let started =
        client.start_query_execution().query_string("SELECT 1 AS n").work_group("metering").send().await.unwrap();
    let id = started.query_execution_id().unwrap();
    let execution = loop {
        let execution =
            client.get_query_execution().query_execution_id(id).send().await.unwrap().query_execution.unwrap();
        if !matches!(state(&execution), QueryExecutionState::Queued | QueryExecutionState::Running) {
            break execution;
        }
    };
    assert_eq!(super::output(&execution), format!("{results}/{id}.csv"));
    let page = client.get_query_results().query_execution_id(id).send().await.unwrap();
    assert_eq!(cells(&page), [[some("n")], [some("1")]]);
    let workgroup = client.get_work_group().work_group("metering").send().await.unwrap().work_group.unwrap();
    assert_eq!(workgroup.configuration().unwrap().enforce_work_group_configuration(), Some(true));
}

#[test]
fn what_the_program_cannot_do_it_says_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let endpoints = ["--s3-endpoint", "http://127.0.0.1:1", "--glue-endpoint", "http://127.0.0.1:1"];
    let ran = run("athena-local", Path::new("."), &[["--port", &port].as_slice(), &endpoints].concat());
    assert!(ran.error(1).contains(&format!("cannot listen on port {port}")), "{}", ran.stderr);
    let ran = run("athena-local", Path::new("."), &["--port", &port]);
    assert!(ran.error(2).contains("--s3-endpoint"), "{}", ran.stderr);
}
