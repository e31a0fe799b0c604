//! The calls to Cognito that a newcomer needs. They need no AWS account: none is signed.

use std::error::Error;

use anyhow::{Context, Result, anyhow, bail};
use aws_config::{BehaviorVersion, Region};
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_cognitoidentityprovider::types::{AttributeType, AuthFlowType};
use meterlake_core::run::WrongArguments;

use super::User;
use crate::secret::Secret;

/// A user pool, seen by one of its clients.
pub struct Cognito {
    client: Client,
    client_id: String,
}

/// Cognito understood, and refused.
#[derive(Debug, thiserror::Error)]
#[error("Cognito refused to {step}: {} ({code}){}", message.trim_end_matches('.'), self.advice())]
pub struct Refusal {
    /// What was tried.
    step: &'static str,
    /// Cognito's name of the error, such as `CodeMismatchException`.
    pub code: String,
    message: String,
}

impl Refusal {
    /// What to do about it, after what Cognito itself says.
    fn advice(&self) -> &'static str {
        match self.code.as_str() {
            "CodeMismatchException" => {
                ": give the code of the latest e-mail, or have a new one sent with --resend-code"
            }
            "ExpiredCodeException" => ": have a new code sent with --resend-code",
            "InvalidParameterException" => ": check --email, and that the client allows ALLOW_USER_PASSWORD_AUTH",
            "InvalidPasswordException" => ": choose a password that does",
            "LimitExceededException" | "TooManyFailedAttemptsException" | "TooManyRequestsException" => {
                ": try again in some minutes"
            }
            "NotAuthorizedException" => ": check --email and the password, and that the client has no secret",
            "PasswordResetRequiredException" => ": an administrator wants the password reset",
            "ResourceNotFoundException" => ": check --user-pool-client and --region",
            _ => "",
        }
    }
}

impl Cognito {
    /// The client of this id, in this region, else in the one that the AWS SDK finds; the SDK finds the endpoint, too.
    ///
    /// # Errors
    /// [`WrongArguments`]: there is no region.
    pub async fn connect(client_id: String, region: Option<String>) -> Result<Self> {
        let mut config = aws_config::defaults(BehaviorVersion::latest()).no_credentials();
        if let Some(region) = region {
            config = config.region(Region::new(region));
        }
        let config = config.load().await;
        if config.region().is_none() {
            bail!(WrongArguments("no AWS region: give --region or set AWS_REGION".to_owned()));
        }
        Ok(Self { client: Client::new(&config), client_id })
    }

    /// The client `client` at an endpoint of a test's own.
    #[cfg(test)]
    pub(super) fn at(endpoint: &str) -> Self {
        let config = aws_config::SdkConfig::builder().behavior_version(BehaviorVersion::latest());
        let config = config.region(Region::new("us-east-1")).endpoint_url(endpoint).build();
        Self { client: Client::new(&config), client_id: "client".to_owned() }
    }

    /// Logs in by password and gives the ID token.
    pub(super) async fn log_in(&self, user: &User) -> Result<Secret> {
        let call = self.client.initiate_auth().client_id(&self.client_id).auth_flow(AuthFlowType::UserPasswordAuth);
        let call = call.auth_parameters("USERNAME", &user.email).auth_parameters("PASSWORD", user.password.reveal());
        let answer = call.send().await.map_err(|error| failed("log in", error))?;
        if let Some(challenge) = answer.challenge_name() {
            bail!("Cognito asks for more than the password ({challenge}): log in with another user, or another client");
        }
        let token = answer.authentication_result.and_then(|result| result.id_token);
        token.map(Secret::from).context("Cognito logged the user in but gave no ID token")
    }

    /// Makes an account; says whether it needs no confirming.
    pub(super) async fn sign_up(&self, user: &User) -> Result<bool> {
        let email = AttributeType::builder().name("email").value(&user.email).build()?;
        let call = self.client.sign_up().client_id(&self.client_id).username(&user.email);
        let call = call.password(user.password.reveal()).user_attributes(email);
        Ok(call.send().await.map_err(|error| failed("sign up", error))?.user_confirmed())
    }

    /// Confirms an account by the code that was sent.
    pub(super) async fn confirm(&self, user: &User, code: &str) -> Result<()> {
        let call = self.client.confirm_sign_up().client_id(&self.client_id).username(&user.email);
        call.confirmation_code(code).send().await.map_err(|error| failed("confirm the account", error))?;
        Ok(())
    }

    /// Has a new code sent.
    pub(super) async fn resend_code(&self, user: &User) -> Result<()> {
        let call = self.client.resend_confirmation_code().client_id(&self.client_id).username(&user.email);
        call.send().await.map_err(|error| failed("send a new code", error))?;
        Ok(())
    }
}

/// A [`Refusal`], or why there is no answer.
fn failed<E>(step: &'static str, error: SdkError<E>) -> anyhow::Error
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    match error.as_service_error().and_then(|error| Some((error.code()?, error.message().unwrap_or("no reason given"))))
    {
        Some((code, message)) => anyhow!(Refusal { step, code: code.to_owned(), message: message.to_owned() }),
        None => anyhow::Error::new(error)
            .context("no answer from Cognito: check --region, and AWS_ENDPOINT_URL if it is set"),
    }
}
