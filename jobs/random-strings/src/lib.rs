//! The sample API that is metered: `GET /random/strings?chars=letters&num=3&len=8` gives a JSON array of random strings.
//!
//! [`answer`] takes API Gateway's proxy event and gives its proxy response. The gateway's routes decide which requests
//! come here.

mod parameters;

use std::collections::HashMap;

use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use crate::parameters::{Charset, Parameters, WrongParameter};

/// The parameters of a request, by name. API Gateway has decoded them, and of one that was given twice kept the last.
pub type Query = HashMap<String, String>;

/// What API Gateway says of a request (REST API, Lambda proxy integration), as far as it matters here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// `null` where the request has none.
    #[serde(default)]
    pub query_string_parameters: Option<Query>,
}

/// What API Gateway is to tell the client.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// The HTTP status.
    pub status_code: u16,
    /// The HTTP headers.
    pub headers: HashMap<&'static str, &'static str>,
    /// A JSON text.
    pub body: String,
    /// Never: the body is text.
    pub is_base64_encoded: bool,
}

/// 200 and the strings, or 400 and a message that says what is allowed.
pub fn answer(request: &Request, rng: &mut impl Rng) -> Response {
    let none = Query::new();
    match Parameters::parse(request.query_string_parameters.as_ref().unwrap_or(&none)) {
        Ok(parameters) => Response::json(200, &json!(parameters.strings(rng))),
        Err(error) => Response::json(400, &json!({ "message": error.to_string() })),
    }
}

impl Response {
    fn json(status_code: u16, body: &Value) -> Self {
        let headers = HashMap::from([("content-type", "application/json")]);
        Self { status_code, headers, body: body.to_string(), is_base64_encoded: false }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn ask(event: Value) -> Value {
        let request: Request = serde_json::from_value(event).unwrap();
        serde_json::to_value(answer(&request, &mut ChaCha8Rng::seed_from_u64(1))).unwrap()
    }

    #[test]
    fn a_proxy_event_gets_a_proxy_response() {
        let response = ask(json!({
            "resource": "/random/strings", "path": "/random/strings", "httpMethod": "GET",
            "headers": {"Authorization": "…"}, "multiValueHeaders": {},
            "queryStringParameters": {"chars": "digits", "num": "3", "len": "5"},
            "multiValueQueryStringParameters": {"chars": ["letters", "digits"], "num": ["3"], "len": ["5"]},
            "requestContext": {"stage": "prod"}, "body": null, "isBase64Encoded": false,
        }));
        assert_eq!((&response["statusCode"], &response["isBase64Encoded"]), (&json!(200), &json!(false)));
        assert_eq!(response["headers"], json!({"content-type": "application/json"}));
        let strings: Vec<String> = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        assert_eq!(strings.len(), 3);
        assert!(strings.iter().all(|string| string.len() == 5 && string.bytes().all(|byte| byte.is_ascii_digit())));
    }

    #[test]
    fn without_parameters_it_is_one_letter() {
        for event in [json!({"queryStringParameters": null}), json!({"queryStringParameters": {}}), json!({})] {
            let response = ask(event);
            let strings: Vec<String> = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
            assert!(strings.len() == 1 && strings[0].len() == 1 && strings[0].as_bytes()[0].is_ascii_alphabetic());
        }
    }

    #[test]
    fn a_wrong_value_is_the_clients_fault_and_the_message_says_what_is_allowed() {
        let response = ask(json!({"queryStringParameters": {"num": "many \"1\""}}));
        assert_eq!(
            (&response["statusCode"], &response["headers"]["content-type"]),
            (&json!(400), &json!("application/json"))
        );
        let body: Value = serde_json::from_str(response["body"].as_str().unwrap()).unwrap();
        assert_eq!(body, json!({"message": "num must be a whole number from 1 to 100"}));
    }
}
