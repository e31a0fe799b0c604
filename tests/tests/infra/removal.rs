//! What a stack that is deleted leaves behind.

use serde_json::{Value, json};

use crate::deployed::Emulator;
use crate::templates::stack;

/// By itself: in the nested stacks of an emulator nothing can be said about removal.
const LAKE: &str = include_str!("../../../infra/lake.yaml");

#[test]
fn the_lake_outlives_the_stack_unless_it_is_said_that_it_should_not() {
    let emulator = Emulator::start(&[]);
    for (policy, is_kept) in [("RetainExceptOnCreate", true), ("Retain", true), ("Delete", false)] {
        let name = policy.to_lowercase();
        let lake = [
            ("RemovalPolicy", policy),
            ("BucketName", &name),
            ("DatabaseName", &name),
            ("StreamName", &name),
            ("WorkgroupName", &name),
        ];
        let parameters = stack(&lake).part("Lake").parameters().clone();
        let parameter = |(key, value): (&String, &Value)| json!({"ParameterKey": key, "ParameterValue": value});
        let parameters: Vec<Value> = parameters.iter().map(parameter).collect();
        let create = json!({"StackName": name, "TemplateBody": LAKE, "Parameters": parameters,
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]});
        let id = emulator.aws("cloudformation", "create_stack", create)["StackId"].clone();
        wait(&emulator, &id, "CREATE_COMPLETE");
        assert!(has(&emulator, &name), "{policy}");
        emulator.aws("cloudformation", "delete_stack", json!({"StackName": id}));
        wait(&emulator, &id, "DELETE_COMPLETE");
        assert_eq!(has(&emulator, &name), is_kept, "{policy}");
    }
}

/// Waits until a stack is in a state; all that is asked for is done within seconds.
fn wait(emulator: &Emulator, id: &Value, expected: &str) {
    let mut found = Value::Null;
    for _ in 0..30 {
        found = emulator.aws("cloudformation", "describe_stacks", json!({"StackName": id}))["Stacks"][0].clone();
        if found["StackStatus"] == expected {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    panic!("the stack is not {expected}: {found}");
}

/// Whether the bucket and the database of this name are there, which come and go together.
fn has(emulator: &Emulator, name: &str) -> bool {
    let buckets = emulator.aws("s3", "list_buckets", json!({}));
    let databases = emulator.aws("glue", "get_databases", json!({}));
    let is_in = |all: &Value| all.as_array().unwrap().iter().any(|one| one["Name"] == name);
    assert_eq!(is_in(&buckets["Buckets"]), is_in(&databases["DatabaseList"]));
    is_in(&buckets["Buckets"])
}
