//! Each job may do what it does, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use meterlake_core::config::Config;
use meterlake_tests::proxy::Call;

use crate::grants::{Grant, Need};
use crate::on_behalf::on_behalf_of;
use crate::recorded::Recorder;
use crate::settings::config;
use crate::templates::{Stack, stack};

const JOBS: [&str; 5] = ["Tables", "Repair", "Merge", "Aggregate", "Invoice"];

/// Nothing that the emulator or another test has.
const NAMES: [(&str, &str); 2] = [("BucketName", "meterlake-policies"), ("DatabaseName", "policies")];

#[tokio::test(flavor = "multi_thread")]
async fn a_job_may_do_what_it_does_and_nothing_else() {
    let stack = stack(&NAMES);
    let config = config(&stack);
    let calls = Recorder::new(config.clone()).await.record().await;
    let faults: Vec<String> = JOBS.iter().flat_map(|job| faults(&stack, &config, job, &calls)).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// What a job needs and may not do, may do and does not need, or is said to need and shows in its calls anyway.
fn faults(stack: &Stack, config: &Config, job: &str, calls: &BTreeMap<&'static str, Vec<Call>>) -> Vec<String> {
    let grants = Grant::all(stack, job);
    let called: BTreeSet<Need> = calls[job]
        .iter()
        // What the job does instead where there is no BatchDeletePartition, as in the emulator.
        .filter(|call| call.operation != "DeletePartition")
        .flat_map(|call| Need::of(call, &config.athena.workgroup))
        .collect();
    let on_behalf = on_behalf_of(job, config);
    let mut faults = Vec::new();
    for need in called.iter().chain(&on_behalf) {
        if !grants.iter().any(|grant| grant.covers(need)) {
            faults.push(format!("{job} may not: {need}"));
        }
    }
    for grant in &grants {
        let covers = |need: &&Need| grant.covers(need);
        if !called.iter().any(|need| covers(&need)) && !on_behalf.iter().any(|need| covers(&need)) {
            faults.push(format!("{job} need not: {grant}"));
        }
    }
    faults
}

#[test]
fn nothing_is_allowed_on_everything() {
    let stack = stack(&NAMES);
    for job in JOBS {
        for grant in Grant::all(&stack, job) {
            let grant = grant.to_string();
            assert!(!grant.contains(" *") && !grant.contains(":::*"), "{job}: {grant}");
        }
    }
}
