//! The stack, deployed with `sam deploy` to an emulator that holds every call to the roles' policies, with the job
//! programs as functions.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;
use std::sync::Arc;

use athena_local::{AthenaLocal, WorkGroup, serve};
use meterlake_tests::ministack::{self, Server};
use meterlake_tests::programs;
use meterlake_tests::python::succeed;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::tools::{files, infra, python, tool};

/// The crates of the functions. Each has a program of that name.
const FUNCTIONS: [&str; 6] = ["aggregate", "invoice", "merge", "random-strings", "repair", "tables"];
/// Those that ask Athena.
const JOBS: [&str; 5] = ["aggregate", "invoice", "merge", "repair", "tables"];

/// Calls a service with boto3 and prints its answer.
const CALL: &str = "
import json, sys
import boto3
from botocore.config import Config
service, operation, arguments = sys.argv[1:]
client = boto3.client(service, config=Config(read_timeout=600, retries={'total_max_attempts': 1}))
answer = getattr(client, operation)(**json.loads(arguments))
del answer['ResponseMetadata']
print(json.dumps(answer, default=lambda value: value.read().decode() if hasattr(value, 'read') else str(value)))
";

/// Prints what a URL gives.
const FETCH: &str = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1]).read().decode())";

/// The emulator, called as somebody who may do everything.
pub(crate) struct Emulator(Server);

impl Emulator {
    /// Starts one, with these variables in its environment.
    pub(crate) fn start(environment: &[(&str, &str)]) -> Self {
        Self(ministack::start(environment))
    }

    /// The URL of all services.
    pub(crate) fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// A call to a service by boto3's name of it.
    pub(crate) fn aws(&self, service: &str, operation: &str, arguments: Value) -> Value {
        let mut command = Command::new(python());
        command.args(["-c", CALL, service, operation, &arguments.to_string()]);
        serde_json::from_str(&succeed(self.for_program(&mut command))).unwrap()
    }

    /// Lets a program call it.
    pub(crate) fn for_program<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("AWS_ENDPOINT_URL", self.endpoint()).env("AWS_DEFAULT_REGION", "us-east-1");
        command.env("AWS_REGION", "us-east-1").env("AWS_EC2_METADATA_DISABLED", "true").env_remove("AWS_PROFILE");
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test").env_remove("AWS_SESSION_TOKEN")
    }
}

/// The stack, up and running.
pub(crate) struct Deployed {
    pub(crate) emulator: Emulator,
    outputs: BTreeMap<String, String>,
}

impl Deployed {
    pub(crate) async fn new() -> Self {
        let emulator = Emulator::start(&[("AUTH", "true")]);
        let folder = tempfile::tempdir().unwrap();
        build(&folder);
        let mut deployed = Self { emulator, outputs: BTreeMap::new() };
        let mut deploy = tool("sam");
        deploy.args(["deploy", "--no-confirm-changeset", "--parameter-overrides", &format!("Architecture={}", host())]);
        succeed(deployed.emulator.for_program(&mut deploy).current_dir(folder.path().join("infra")));
        let stack = deployed.emulator.aws("cloudformation", "describe_stacks", json!({"StackName": "meterlake"}));
        for output in stack["Stacks"][0]["Outputs"].as_array().unwrap() {
            let text = |key: &str| output[key].as_str().unwrap().to_owned();
            deployed.outputs.insert(text("OutputKey"), text("OutputValue"));
        }
        // The bucket takes calls over TLS only, which the emulator holds to as well, and it speaks plain HTTP here.
        deployed.emulator.aws("s3", "delete_bucket_policy", json!({"Bucket": deployed.output("S3DestBucket")}));
        deployed.connect_athena().await;
        deployed
    }

    /// Starts the stand-in for Athena, and tells the functions where it and the emulator are.
    async fn connect_athena(&self) {
        let sdk = ministack::sdk_config_for(self.emulator.endpoint());
        let results = format!("s3://{}/athena-results", self.output("S3DestBucket"));
        let workgroup = WorkGroup {
            name: self.output("AthenaWorkGroupName").to_owned(),
            output: Some(results.parse().unwrap()),
            ..WorkGroup::default()
        };
        let athena = Arc::new(AthenaLocal::new(&sdk, &sdk, workgroup).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(listener, athena));
        for job in JOBS {
            let name = format!("meterlake-{job}");
            let configuration =
                self.emulator.aws("lambda", "get_function_configuration", json!({"FunctionName": name}));
            let mut variables = configuration["Environment"]["Variables"].clone();
            variables["AWS_ENDPOINT_URL"] = json!(self.emulator.endpoint());
            variables["AWS_ENDPOINT_URL_ATHENA"] = json!(endpoint);
            let update = json!({"FunctionName": name, "Environment": {"Variables": variables}});
            self.emulator.aws("lambda", "update_function_configuration", update);
            self.allow_database(configuration["Role"].as_str().unwrap().rsplit('/').next().unwrap());
        }
    }

    /// Makes up for what the emulator takes the name of a database for: that of a table, in calls that name no other.
    fn allow_database(&self, role: &str) {
        let policy = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow",
            "Action": ["glue:GetDatabase", "glue:UpdateDatabase"],
            "Resource": "arn:aws:glue:us-east-1:000000000000:table/mydatabase",
        }});
        let policy = json!({"RoleName": role, "PolicyName": "database", "PolicyDocument": policy.to_string()});
        self.emulator.aws("iam", "put_role_policy", policy);
    }

    /// An output of the stack.
    pub(crate) fn output(&self, name: &str) -> &str {
        self.outputs.get(name).unwrap_or_else(|| panic!("the stack has no output {name}: {:?}", self.outputs))
    }

    /// The URL of the stage. That in the outputs is in AWS.
    pub(crate) fn stage(&self) -> String {
        let host = self.output("RestApiEndpoint").strip_prefix("https://").unwrap();
        let api = host.split('.').next().unwrap();
        format!("{}/restapis/{api}/prod/_user_request_/", self.emulator.endpoint())
    }

    /// The code that Cognito mailed to the one new user.
    pub(crate) fn mailed_code(&self) -> String {
        let mails = format!("{}/_ministack/ses/messages", self.emulator.endpoint());
        let mails: Value = serde_json::from_str(&succeed(Command::new(python()).args(["-c", FETCH, &mails]))).unwrap();
        let (_, mails) = mails["messages"].as_object().unwrap().iter().next().unwrap();
        let text = mails[0]["BodyText"].as_str().unwrap();
        text.chars().filter(char::is_ascii_digit).collect()
    }

    /// Invokes a function; gives its answer, or the error that it ended with.
    pub(crate) fn invoke(&self, function: &str, event: &Value) -> Result<Value, String> {
        let call = json!({"FunctionName": function, "Payload": event.to_string()});
        let answer = self.emulator.aws("lambda", "invoke", call);
        let payload = answer["Payload"].as_str().unwrap();
        match answer.get("FunctionError") {
            None => Ok(serde_json::from_str(payload).unwrap()),
            Some(_) => Err(payload.to_owned()),
        }
    }

    /// Does what EventBridge Scheduler does at a time: invokes the schedule's target with its input.
    pub(crate) fn scheduled(&self, name: &str, time: &str) -> Result<Value, String> {
        let schedule = self.emulator.aws("scheduler", "get_schedule", json!({"GroupName": "meterlake", "Name": name}));
        assert_eq!(schedule["ScheduleExpressionTimezone"], "UTC");
        let target = &schedule["Target"];
        let input = target["Input"].as_str().unwrap().replace("<aws.scheduler.scheduled-time>", time);
        self.invoke(target["Arn"].as_str().unwrap(), &serde_json::from_str(&input).unwrap())
    }

    /// An object of the lake.
    pub(crate) fn read(&self, key: &str) -> String {
        let object = json!({"Bucket": self.output("S3DestBucket"), "Key": key});
        self.emulator.aws("s3", "get_object", object)["Body"].as_str().unwrap().to_owned()
    }

    /// Moves an object of the lake.
    pub(crate) fn move_object(&self, from: &str, to: &str) {
        let bucket = self.output("S3DestBucket");
        let copy = json!({"Bucket": bucket, "Key": to, "CopySource": {"Bucket": bucket, "Key": from}});
        self.emulator.aws("s3", "copy_object", copy);
        self.emulator.aws("s3", "delete_object", json!({"Bucket": bucket, "Key": from}));
    }

    /// The keys of the lake's objects that begin so.
    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        let list = json!({"Bucket": self.output("S3DestBucket"), "Prefix": prefix});
        let listed = self.emulator.aws("s3", "list_objects_v2", list);
        let objects = listed["Contents"].as_array().cloned().unwrap_or_default();
        objects.iter().map(|object| object["Key"].as_str().unwrap().to_owned()).collect()
    }
}

/// Lays out the templates, and beside them what `sam build` would put into the functions, built for this machine: without
/// the embedded engine, stripped, each as `bootstrap`.
fn build(folder: &TempDir) {
    let templates = folder.path().join("infra");
    fs::create_dir(&templates).unwrap();
    for file in files().into_iter().chain([infra().join("samconfig.toml")]) {
        fs::copy(&file, templates.join(file.file_name().unwrap())).unwrap();
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/infra/for_emulator.py");
    succeed(Command::new(python()).arg(script).arg(&templates).env("AWS_DEFAULT_REGION", "us-east-1"));

    let mut build = programs::cargo_build();
    build.arg("--no-default-features");
    build.args(FUNCTIONS.iter().flat_map(|function| ["--package".to_owned(), format!("meterlake-{function}")]));
    succeed(&mut build);
    for function in FUNCTIONS {
        let code = folder.path().join("jobs").join(function);
        fs::create_dir_all(&code).unwrap();
        let built = programs::folder().join(function);
        succeed(Command::new("strip").arg(built).arg("-o").arg(code.join("bootstrap")));
    }
    // Built now, the programs with the embedded engine take their place again, where others look for them.
    let _ = programs::path("loadgen");
}

/// The architecture of this machine, as Lambda names it.
fn host() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}
