//! The workgroup: where results go, and the executions that it lists.

use aws_sdk_athena::error::ProvideErrorMetadata;
use aws_sdk_athena::types::{QueryExecutionState, WorkGroupState};
use meterlake_core::store::Store;

use super::{StandIn, output, output_to, reason, some, state};

#[tokio::test(flavor = "multi_thread")]
async fn a_workgroup_tells_its_settings() {
    let stand_in = StandIn::with(|workgroup| workgroup.name = "metering".to_owned()).await;
    let get = async |name: &str| stand_in.client.get_work_group().work_group(name).send().await;
    let workgroup = get("metering").await.unwrap().work_group.unwrap();
    assert_eq!((workgroup.name(), workgroup.state()), ("metering", Some(&WorkGroupState::Enabled)));
    let configuration = workgroup.configuration().unwrap();
    assert_eq!(configuration.enforce_work_group_configuration(), Some(false));
    let output = configuration.result_configuration().unwrap().output_location().unwrap();
    assert_eq!(output, format!("{}/results", stand_in.root));
    let error = get("primary").await.unwrap_err();
    assert_eq!((error.code(), error.message()), (Some("InvalidRequestException"), Some("WorkGroup is not found.")));
}

#[tokio::test(flavor = "multi_thread")]
async fn results_go_where_a_query_says_unless_the_workgroup_enforces_its_own() {
    for is_enforced in [false, true] {
        let stand_in = StandIn::with(|workgroup| workgroup.is_enforced = is_enforced).await;
        let elsewhere = stand_in.root.join("elsewhere");
        let start = stand_in.client.start_query_execution().query_string("SELECT 1");
        let started = start.result_configuration(output_to(elsewhere.as_str())).send().await.unwrap();
        let execution = stand_in.wait(started.query_execution_id().unwrap()).await;
        let expected = if is_enforced { stand_in.root.join("results") } else { elsewhere };
        assert!(output(&execution).starts_with(expected.as_str()), "{}", output(&execution));
        assert!(!stand_in.text(output(&execution)).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workgroup_that_enforces_its_output_lets_no_table_say_where_it_lies() {
    let stand_in = StandIn::with(|workgroup| workgroup.is_enforced = true).await;
    let folder = stand_in.root.join("t");
    let placed = format!("CREATE TABLE t WITH (external_location = '{folder}/') AS SELECT 1 AS n");
    let reason = stand_in.failure(&placed).await;
    assert!(reason.contains("enforces a centralized output location"), "{reason}");
    assert!(stand_in.store.list(&folder).await.unwrap().is_empty());
    stand_in.succeed("CREATE TABLE t AS SELECT 1 AS n").await;
    assert_eq!(stand_in.cell("SELECT n FROM t").await, some("1"));
    // An UNLOAD may.
    stand_in.succeed(&format!("UNLOAD (SELECT 1 AS n) TO '{folder}/' WITH (format = 'PARQUET')")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_scans_too_much_is_cut_off_and_paid_for() {
    let stand_in = StandIn::with(|workgroup| workgroup.scan_cutoff = Some(100)).await;
    let configuration =
        stand_in.client.get_work_group().work_group("primary").send().await.unwrap().work_group.unwrap();
    assert_eq!(configuration.configuration().unwrap().bytes_scanned_cutoff_per_query(), Some(100));
    stand_in.succeed("CREATE TABLE t AS SELECT 1 AS n").await;
    let execution = stand_in.run("SELECT n FROM t").await;
    assert_eq!(state(&execution), QueryExecutionState::Cancelled);
    assert_eq!(reason(&execution), "Bytes scanned limit was exceeded");
    assert!(execution.statistics().unwrap().data_scanned_in_bytes() > Some(100));
    // DDL scans nothing.
    assert_eq!(stand_in.succeed("DESCRIBE t").await.statistics().unwrap().data_scanned_in_bytes(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_starts_without_an_output_or_in_a_disabled_workgroup() {
    for (stand_in, expected) in [
        (StandIn::with(|workgroup| workgroup.is_enabled = false).await, "WorkGroup primary is disabled."),
        (StandIn::with(|workgroup| workgroup.output = None).await, "No output location provided."),
    ] {
        let error = stand_in.client.start_query_execution().query_string("SELECT 1").send().await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidRequestException"));
        assert!(error.message().unwrap().starts_with(expected), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn executions_are_listed_the_last_first_and_page_by_page() {
    let stand_in = StandIn::new().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.insert(0, stand_in.start(&format!("SELECT {n}")).await);
    }
    let (mut listed, mut token) = (Vec::new(), None);
    loop {
        let page = stand_in.client.list_query_executions().max_results(2).set_next_token(token).send().await.unwrap();
        assert!(page.query_execution_ids().len() <= 2);
        listed.extend(page.query_execution_ids.unwrap_or_default());
        token = page.next_token;
        if token.is_none() {
            break;
        }
        // What starts meanwhile shifts no page.
        stand_in.start("SELECT 'late'").await;
    }
    // The last is that of the database.
    listed.pop();
    assert_eq!(listed, ids);
    let too_many = stand_in.client.list_query_executions().max_results(51).send().await.unwrap_err();
    assert_eq!(too_many.code(), Some("InvalidRequestException"));
}
