//! The whole of the templates, with every reference resolved as for a stack in a test account.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use crate::tools::{files, parsed};

pub(crate) const ACCOUNT: &str = "123456789012";
pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const STACK: &str = "meterlake";

/// A stack: a template, and what its parameters are.
pub(crate) struct Stack {
    template: Value,
    parameters: BTreeMap<String, Value>,
}

/// The stack that the root template makes when only these parameters are given.
pub(crate) fn stack(parameters: &[(&str, &str)]) -> Stack {
    let given = parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    Stack::new("template.yaml", given)
}

/// A template by its file's name.
pub(crate) fn template(file: &str) -> &'static Value {
    static TEMPLATES: OnceLock<BTreeMap<String, Value>> = OnceLock::new();
    let all = TEMPLATES.get_or_init(|| {
        let names = files().into_iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        names.zip(parsed()).collect()
    });
    &all[file]
}

impl Stack {
    fn new(file: &str, given: BTreeMap<String, Value>) -> Self {
        let template = template(file).clone();
        let mut parameters = BTreeMap::new();
        for (name, parameter) in template["Parameters"].as_object().unwrap() {
            let value = given.get(name).or_else(|| parameter.get("Default"));
            let value = value.unwrap_or_else(|| panic!("{file}: the parameter {name} is not given"));
            parameters.insert(name.clone(), json!(text(value)));
        }
        let unknown: Vec<_> = given.keys().filter(|name| !parameters.contains_key(*name)).collect();
        assert!(unknown.is_empty(), "{file} has no parameters {unknown:?}");
        Self { template, parameters }
    }

    /// A stack that is one of its resources.
    pub(crate) fn part(&self, name: &str) -> Self {
        let part = &self.template["Resources"][name];
        assert!(part["Type"] == "AWS::CloudFormation::Stack" && self.is_made(part), "the stack has no part {name}");
        let given = self.resolve(&part["Properties"]["Parameters"]).as_object().unwrap().clone();
        Self::new(part["Properties"]["TemplateURL"].as_str().unwrap(), given.into_iter().collect())
    }

    /// What its parameters are.
    pub(crate) fn parameters(&self) -> &BTreeMap<String, Value> {
        &self.parameters
    }

    /// The properties of a resource, resolved.
    pub(crate) fn properties(&self, resource: &str) -> Value {
        self.resolve(&self.template["Resources"][resource]["Properties"])
    }

    /// The names of the resources of a type that are made, sorted.
    pub(crate) fn resources(&self, of_type: &str) -> Vec<String> {
        let all = self.template["Resources"].as_object().unwrap().iter();
        let made = all.filter(|(_, resource)| resource["Type"] == of_type && self.is_made(resource));
        made.map(|(name, _)| name.clone()).collect()
    }

    /// The properties that all functions have, resolved.
    pub(crate) fn globals(&self) -> Value {
        self.resolve(&self.template["Globals"]["Function"])
    }

    fn is_made(&self, resource: &Value) -> bool {
        resource["Condition"].as_str().is_none_or(|name| self.condition(&self.template["Conditions"][name]))
    }

    fn condition(&self, condition: &Value) -> bool {
        let (function, arguments) = only(condition.as_object().unwrap());
        let arguments = arguments.as_array().unwrap();
        match function.as_str() {
            "Fn::Not" => !self.condition(&arguments[0]),
            "Fn::Equals" => text(&self.resolve(&arguments[0])) == text(&self.resolve(&arguments[1])),
            other => panic!("the tests do not know the condition {other}"),
        }
    }

    /// A value with all functions worked out; what is `AWS::NoValue` is gone.
    pub(crate) fn resolve(&self, value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.resolve(item)).filter(|item| !item.is_null()).collect(),
            Value::Object(map) => match map.iter().next() {
                Some((function, argument)) if map.len() == 1 && (function == "Ref" || function.starts_with("Fn::")) => {
                    self.call(function, argument)
                }
                _ => {
                    let all = map.iter().map(|(key, value)| (key.clone(), self.resolve(value)));
                    Value::Object(all.filter(|(_, value)| !value.is_null()).collect())
                }
            },
            other => other.clone(),
        }
    }

    fn call(&self, function: &str, argument: &Value) -> Value {
        match function {
            "Ref" => self.reference(argument.as_str().unwrap()),
            "Fn::GetAtt" => match argument {
                Value::String(path) => self.attribute(path),
                path => self.attribute(&format!("{}.{}", path[0].as_str().unwrap(), path[1].as_str().unwrap())),
            },
            "Fn::Sub" => json!(self.substitute(argument.as_str().unwrap())),
            "Fn::If" => {
                let is_true = self.condition(&self.template["Conditions"][argument[0].as_str().unwrap()]);
                self.resolve(&argument[if is_true { 1 } else { 2 }])
            }
            other => panic!("the tests do not know the function {other}"),
        }
    }

    fn reference(&self, name: &str) -> Value {
        match name {
            "AWS::AccountId" => json!(ACCOUNT),
            "AWS::Region" => json!(REGION),
            "AWS::Partition" => json!("aws"),
            "AWS::URLSuffix" => json!("amazonaws.com"),
            "AWS::StackName" => json!(STACK),
            "AWS::StackId" => json!(format!("arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{STACK}/1")),
            "AWS::NoValue" => Value::Null,
            parameter if self.parameters.contains_key(parameter) => self.parameters[parameter].clone(),
            resource => json!(self.name_of(resource)),
        }
    }

    /// `${Name}` and `${Name.Attribute}` replaced.
    fn substitute(&self, pattern: &str) -> String {
        let mut pieces = pattern.split("${");
        let mut result = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let (name, rest) = piece.split_once('}').unwrap();
            let value = if name.contains('.') { self.attribute(name) } else { self.reference(name) };
            result.push_str(&text(&value));
            result.push_str(rest);
        }
        result
    }

    fn attribute(&self, path: &str) -> Value {
        let (resource, attribute) = path.split_once('.').unwrap();
        if let Some(output) = attribute.strip_prefix("Outputs.") {
            let part = self.part(resource);
            return part.resolve(&part.template["Outputs"][output]["Value"]);
        }
        match attribute {
            "Arn" => json!(self.arn_of(resource)),
            "QueueName" => json!(self.name_of(resource)),
            other => panic!("the tests do not know the attribute {resource}.{other}"),
        }
    }

    /// The name that a resource has, or would be given.
    fn name_of(&self, resource: &str) -> String {
        let found = &self.template["Resources"][resource];
        let key = match found["Type"].as_str().unwrap_or_else(|| panic!("there is no resource {resource}")) {
            "AWS::S3::Bucket" => "BucketName",
            "AWS::Glue::Database" => return text(&self.resolve(&found["Properties"]["DatabaseInput"]["Name"])),
            "AWS::KinesisFirehose::DeliveryStream" => "DeliveryStreamName",
            "AWS::Serverless::Function" => "FunctionName",
            "AWS::Logs::LogGroup" => "LogGroupName",
            "AWS::Logs::LogStream" => "LogStreamName",
            "AWS::SQS::Queue" => "QueueName",
            "AWS::Athena::WorkGroup" | "AWS::Scheduler::ScheduleGroup" => "Name",
            _ => return resource.to_owned(),
        };
        text(&self.resolve(&found["Properties"][key]))
    }

    fn arn_of(&self, resource: &str) -> String {
        let name = self.name_of(resource);
        match self.template["Resources"][resource]["Type"].as_str().unwrap() {
            "AWS::S3::Bucket" => format!("arn:aws:s3:::{name}"),
            "AWS::IAM::Role" => format!("arn:aws:iam::{ACCOUNT}:role/{name}"),
            "AWS::Serverless::Function" => format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"),
            "AWS::Logs::LogGroup" => format!("arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{name}:*"),
            "AWS::SQS::Queue" => format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"),
            "AWS::KinesisFirehose::DeliveryStream" => {
                format!("arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/{name}")
            }
            of_type => format!("arn:aws:{of_type}:{REGION}:{ACCOUNT}:{name}"),
        }
    }
}

fn only(map: &Map<String, Value>) -> (&String, &Value) {
    assert_eq!(map.len(), 1, "{map:?}");
    map.iter().next().unwrap()
}

/// A scalar as CloudFormation passes it on.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
