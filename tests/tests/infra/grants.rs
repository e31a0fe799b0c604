//! What a role of the stack allows, and which of it calls need.

use std::fmt;

use meterlake_tests::proxy::{Call, Resource, Service};
use serde_json::Value;

use crate::templates::{ACCOUNT, REGION, Stack};

/// Something that IAM is asked: may this be done to that?
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Need {
    action: String,
    resource: String,
    /// Where keys are listed: what they begin with. `None`: the question does not say.
    prefix: Option<String>,
}

/// The smallest piece of what a role allows: one action on one pattern of resources and, where keys are listed, of keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Grant {
    action: String,
    resource: String,
    prefix: Option<String>,
}

impl Need {
    pub(crate) fn new(action: &str, resource: &str) -> Self {
        Self { action: action.to_owned(), resource: resource.to_owned(), prefix: None }
    }

    pub(crate) fn list(bucket: &str, prefix: &str) -> Self {
        let resource = format!("arn:aws:s3:::{bucket}");
        Self { action: "s3:ListBucket".to_owned(), resource, prefix: Some(prefix.to_owned()) }
    }

    /// What a call to Glue about a table needs: the right to all that the table lies in, too.
    pub(crate) fn table(operation: &str, database: &str, table: &str) -> Vec<Self> {
        let mut needs = Self::database(operation, database);
        needs.push(Self::new(&format!("glue:{operation}"), &glue(&format!("table/{database}/{table}"))));
        needs
    }

    pub(crate) fn database(operation: &str, database: &str) -> Vec<Self> {
        let all = ["catalog".to_owned(), format!("database/{database}")];
        all.iter().map(|resource| Self::new(&format!("glue:{operation}"), &glue(resource))).collect()
    }

    /// What a call needs; `workgroup` is the one that its queries run in.
    pub(crate) fn of(call: &Call, workgroup: &str) -> Vec<Self> {
        let operation = call.operation.as_str();
        let in_workgroup = |name: &str| {
            let arn = format!("arn:aws:athena:{REGION}:{ACCOUNT}:workgroup/{name}");
            vec![Self::new(&format!("athena:{operation}"), &arn)]
        };
        let needs = call.resources.iter().flat_map(|resource| match (call.service, resource) {
            (Service::Glue, Resource::Database(database)) if operation == "GetTables" => {
                Self::table(operation, database, "*")
            }
            (Service::Glue, Resource::Database(database)) => Self::database(operation, database),
            (Service::Glue, Resource::Table { database, table }) => Self::table(operation, database, table),
            (Service::Athena, Resource::WorkGroup(name)) => in_workgroup(name),
            (Service::Athena, Resource::Query(_)) => in_workgroup(workgroup),
            (Service::S3, Resource::Prefix { bucket, prefix }) if operation == "ListObjectsV2" => {
                vec![Self::list(bucket, prefix)]
            }
            (Service::S3, Resource::Bucket(bucket) | Resource::Prefix { bucket, .. }) => {
                vec![Self::new(s3_action(operation), &format!("arn:aws:s3:::{bucket}"))]
            }
            (Service::S3, Resource::Object { bucket, key }) => {
                vec![Self::new(s3_action(operation), &format!("arn:aws:s3:::{bucket}/{key}"))]
            }
            _ => panic!("a call that makes no sense: {call}"),
        });
        needs.collect()
    }
}

/// The name of a resource of Glue.
fn glue(resource: &str) -> String {
    format!("arn:aws:glue:{REGION}:{ACCOUNT}:{resource}")
}

/// S3's actions are not named like its operations.
fn s3_action(operation: &str) -> &'static str {
    match operation {
        "HeadBucket" => "s3:ListBucket",
        "ListMultipartUploads" => "s3:ListBucketMultipartUploads",
        "GetObject" | "HeadObject" => "s3:GetObject",
        "PutObject" | "CreateMultipartUpload" | "UploadPart" | "CompleteMultipartUpload" => "s3:PutObject",
        "AbortMultipartUpload" => "s3:AbortMultipartUpload",
        "DeleteObjects" | "DeleteObject" => "s3:DeleteObject",
        other => panic!("the tests do not know what S3's {other} needs"),
    }
}

impl Grant {
    /// All that a job's role allows.
    pub(crate) fn all(stack: &Stack, job: &str) -> Vec<Self> {
        let roles = stack.part("Roles");
        let role = roles.properties(&format!("{job}Role"));
        let managed = role["ManagedPolicyArns"].as_array().unwrap().iter();
        let mut policies: Vec<Value> =
            managed.map(|policy| roles.properties(policy.as_str().unwrap())["PolicyDocument"].clone()).collect();
        policies.extend(role["Policies"].as_array().unwrap().iter().map(|policy| policy["PolicyDocument"].clone()));
        let statements = policies.iter().flat_map(|policy| policy["Statement"].as_array().unwrap());
        statements.flat_map(Self::of_statement).collect()
    }

    fn of_statement(statement: &Value) -> Vec<Self> {
        assert_eq!(statement["Effect"], "Allow", "{statement}");
        let prefixes = match statement.get("Condition") {
            None => vec![None],
            Some(condition) => {
                let (map, prefixes) = (condition.as_object().unwrap(), &condition["StringLikeIfExists"]["s3:prefix"]);
                assert!(map.len() == 1 && prefixes.is_array(), "the tests do not know this condition: {condition}");
                texts(prefixes).into_iter().map(Some).collect()
            }
        };
        let mut grants = Vec::new();
        for action in texts(&statement["Action"]) {
            assert!(!action.contains('*'), "an action that is not named: {action}");
            for resource in texts(&statement["Resource"]) {
                for prefix in &prefixes {
                    grants.push(Self { action: action.clone(), resource: resource.clone(), prefix: prefix.clone() });
                }
            }
        }
        grants
    }

    /// Whether it allows what is needed.
    pub(crate) fn covers(&self, need: &Need) -> bool {
        let prefix_is = match (&self.prefix, &need.prefix) {
            (Some(pattern), Some(prefix)) => matches(pattern, prefix),
            // The condition holds only if a prefix is asked for.
            (Some(_), None) | (None, _) => true,
        };
        prefix_is && self.action == need.action && matches(&self.resource, &need.resource)
    }
}

fn texts(value: &Value) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    value.as_array().map_or_else(|| vec![text(value)], |all| all.iter().map(text).collect())
}

/// Whether a text matches a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len()).filter(|at| text.is_char_boundary(*at)).any(|at| matches(rest, &text[at..]))
        }),
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, &self.action, &self.resource, self.prefix.as_deref())
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, &self.action, &self.resource, self.prefix.as_deref())
    }
}

fn show(f: &mut fmt::Formatter<'_>, action: &str, resource: &str, prefix: Option<&str>) -> fmt::Result {
    write!(f, "{action} {resource}")?;
    prefix.map_or(Ok(()), |prefix| write!(f, ", keys {prefix}"))
}

#[test]
fn a_star_stands_for_any_text() {
    for (pattern, text, expected) in [
        ("a/*", "a/b/c", true),
        ("a/*", "a/", true),
        ("a/*", "a", false),
        ("a/*/c", "a/b/c", true),
        ("a/*/c", "a/b/d", false),
        ("a", "ab", false),
    ] {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn a_list_is_allowed_where_its_prefix_is_or_where_it_asks_for_none() {
    let prefix = Some("json-data/*".to_owned());
    let grant = Grant { action: "s3:ListBucket".to_owned(), resource: "arn:aws:s3:::b".to_owned(), prefix };
    assert!(grant.covers(&Need::list("b", "json-data/year=2023/")));
    assert!(grant.covers(&Need::new("s3:ListBucket", "arn:aws:s3:::b")));
    for refused in [Need::list("b", "plans/"), Need::list("b", ""), Need::list("c", "json-data/")] {
        assert!(!grant.covers(&refused), "{refused}");
    }
}
