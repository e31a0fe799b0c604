//! Every way that Cognito's answers lead, with a stand-in that gives the documented ones. `tests/` logs in at an emulator.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

/// What a call is answered: a body, or the code and message of an error.
type Answer = Result<Value, (&'static str, &'static str)>;

/// Answers calls in this order, and keeps them: the operation and its input.
struct Script {
    answers: Mutex<Vec<Answer>>,
    calls: Mutex<Vec<(String, Value)>>,
}

async fn answer(State(script): State<Arc<Script>>, headers: HeaderMap, body: String) -> impl IntoResponse {
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.strip_prefix("AWSCognitoIdentityProviderService.").unwrap().to_owned();
    assert!(!headers.contains_key(header::AUTHORIZATION), "the call is signed");
    script.calls.lock().unwrap().push((operation, serde_json::from_str(&body).unwrap()));
    let (status, body) = match script.answers.lock().unwrap().remove(0) {
        Ok(body) => (StatusCode::OK, body),
        Err((code, message)) => (StatusCode::BAD_REQUEST, json!({"__type": code, "message": message})),
    };
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], body.to_string())
}

/// Logs in at the stand-in; gives the outcome and the operations that were called.
async fn play(answers: Vec<Answer>, code: Code<'_>) -> (Result<Secret>, Vec<String>) {
    let script = Arc::new(Script { answers: Mutex::new(answers), calls: Mutex::default() });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&script));
    tokio::spawn(async { axum::serve(listener, router).await.unwrap() });

    let user = User { email: "ann@example.com".to_owned(), password: Secret::from("Secret-1".to_owned()) };
    let outcome = log_in(&Cognito::at(&url), &user, code).await;
    assert!(script.answers.lock().unwrap().is_empty(), "not all was asked");
    let calls = script.calls.lock().unwrap();
    for (operation, input) in calls.iter() {
        assert_eq!(input["ClientId"], "client", "{operation}");
        let username =
            if operation == "InitiateAuth" { &input["AuthParameters"]["USERNAME"] } else { &input["Username"] };
        assert_eq!(username, "ann@example.com", "{operation}");
    }
    (outcome, calls.iter().map(|(operation, _)| operation.clone()).collect())
}

/// The one line that the user reads.
async fn error(answers: Vec<Answer>, code: Code<'_>) -> String {
    let error = play(answers, code).await.0.unwrap_err();
    let line = meterlake_core::run::one_line(&error);
    assert!(!line.contains("ann@") && !line.contains("Secret-1"), "{line}");
    line
}

fn known() -> Code<'static> {
    Code::Known("123456".to_owned())
}

fn logged_in() -> Answer {
    Ok(
        json!({"AuthenticationResult": {"IdToken": "id", "AccessToken": "access", "TokenType": "Bearer", "ExpiresIn": 3600}}),
    )
}

fn unknown() -> Answer {
    Err(("NotAuthorizedException", "Incorrect username or password."))
}

fn unconfirmed() -> Answer {
    Err(("UserNotConfirmedException", "User is not confirmed."))
}

fn signed_up(confirmed: bool) -> Answer {
    Ok(json!({"UserConfirmed": confirmed, "UserSub": "sub"}))
}

#[tokio::test]
async fn a_known_user_needs_one_call_and_gets_the_id_token() {
    let (token, calls) = play(vec![logged_in()], known()).await;
    assert_eq!((token.unwrap().reveal(), calls), ("id", vec!["InitiateAuth".to_owned()]));
}

#[tokio::test]
async fn a_new_user_is_signed_up_confirmed_and_logged_in() {
    for unknown in [unknown(), Err(("UserNotFoundException", "User does not exist."))] {
        let (token, calls) = play(vec![unknown, signed_up(false), Ok(json!({})), logged_in()], known()).await;
        assert_eq!(token.unwrap().reveal(), "id");
        assert_eq!(calls, ["InitiateAuth", "SignUp", "ConfirmSignUp", "InitiateAuth"]);
    }
}

#[tokio::test]
async fn a_pool_that_confirms_by_itself_needs_no_code() {
    let mut ask = || panic!("no code is needed");
    let code = Code::Ask { resend: true, ask: &mut ask };
    let (token, calls) = play(vec![unknown(), signed_up(true), logged_in()], code).await;
    assert_eq!((token.unwrap().reveal(), calls.len()), ("id", 3));
}

#[tokio::test]
async fn a_code_is_asked_for_and_sent_again_until_one_is_typed() {
    for resend in [false, true] {
        let mut typed = ["", "", "123456"].into_iter();
        let mut ask = || Ok(typed.next().unwrap().to_owned());
        let sent = || Ok(json!({"CodeDeliveryDetails": {}}));
        let mut answers = vec![unconfirmed(), sent(), sent(), Ok(json!({})), logged_in()];
        let mut wanted =
            vec!["InitiateAuth", "ResendConfirmationCode", "ResendConfirmationCode", "ConfirmSignUp", "InitiateAuth"];
        if resend {
            answers.insert(1, sent());
            wanted.insert(1, "ResendConfirmationCode");
        }
        let (token, calls) = play(answers, Code::Ask { resend, ask: &mut ask }).await;
        assert_eq!((token.unwrap().reveal(), calls), ("id", wanted.into_iter().map(str::to_owned).collect()));
    }
}

#[tokio::test]
async fn without_anybody_to_ask_it_says_how_to_give_the_code() {
    let mut ask = || Err(anyhow::anyhow!("run this again with --code"));
    let line = error(vec![unconfirmed()], Code::Ask { resend: false, ask: &mut ask }).await;
    assert!(line.contains("not confirmed yet") && line.ends_with("run this again with --code"), "{line}");
}

#[tokio::test]
async fn each_refusal_says_what_was_refused_and_what_to_do() {
    let line = error(vec![unknown(), Err(("UsernameExistsException", "User already exists"))], known()).await;
    let wanted = "Cognito refused to log in: Incorrect username or password (NotAuthorizedException): check --email and the \
                  password, and that the client has no secret";
    assert_eq!(line, wanted);
    for (answers, wanted) in [
        (
            vec![
                unknown(),
                Err(("InvalidPasswordException", "Password did not conform with policy: Password not long enough")),
            ],
            "refused to sign up: Password did not conform with policy: Password not long enough (InvalidPasswordException): choose",
        ),
        (
            vec![
                unconfirmed(),
                Err(("CodeMismatchException", "Invalid verification code provided, please try again.")),
            ],
            "refused to confirm the account: Invalid verification code provided, please try again (CodeMismatchException): give",
        ),
        (
            vec![unconfirmed(), Err(("ExpiredCodeException", "Invalid code provided, please request a code again."))],
            "(ExpiredCodeException): have a new code sent with --resend-code",
        ),
        (
            vec![Err(("InvalidParameterException", "USER_PASSWORD_AUTH flow not enabled for this client"))],
            "USER_PASSWORD_AUTH flow not enabled for this client (InvalidParameterException): check",
        ),
        (
            vec![Err(("ResourceNotFoundException", "User pool client client does not exist."))],
            "(ResourceNotFoundException): check --user-pool-client and --region",
        ),
        (vec![Ok(json!({"ChallengeName": "NEW_PASSWORD_REQUIRED"}))], "(NEW_PASSWORD_REQUIRED)"),
        (vec![Ok(json!({}))], "gave no ID token"),
    ] {
        let line = error(answers, known()).await;
        assert!(line.contains(wanted), "{line}");
    }
}
