//! What the clients of all AWS services share: their settings, and how their errors read.

use std::error::Error;
use std::fmt::Display;

use anyhow::anyhow;
use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::RequestId;

/// How often a call is tried that was throttled, or that the service could not answer just then.
const MAX_ATTEMPTS: u32 = 5;

/// Credentials, region and endpoint as the SDK finds them: in the environment, the profile or the machine's role. Calls
/// are tried at least five times, with a growing pause.
pub async fn sdk_config() -> SdkConfig {
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let retry = config.retry_config().cloned().unwrap_or_else(RetryConfig::standard);
    // Who asks for more, in AWS_MAX_ATTEMPTS or the profile, gets more.
    let attempts = retry.max_attempts().max(MAX_ATTEMPTS);
    config.into_builder().retry_config(retry.with_max_attempts(attempts)).build()
}

/// The error of a call to a service: what failed, then the service's own code and message, and the request's id, by which
/// AWS finds it.
pub(crate) fn failed<E>(error: SdkError<E>, what: impl Display) -> anyhow::Error
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
{
    let what = what.to_string();
    let SdkError::ServiceError(answer) = &error else {
        let hint = hint(&error);
        let error = anyhow::Error::new(error).context(what);
        return match hint {
            Some(hint) => error.context(hint),
            None => error,
        };
    };
    let mut said = match (answer.err().code(), answer.err().message()) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (Some(text), None) | (None, Some(text)) => text.to_owned(),
        // An answer without a body, such as a HEAD's.
        (None, None) => format!("HTTP {}", answer.raw().status()),
    };
    if let Some(id) = error.request_id() {
        said.push_str(&format!(" (request id {id})"));
    }
    anyhow!(said).context(what)
}

/// What to do about a call that never reached its service.
fn hint<E: Error + 'static>(error: &E) -> Option<&'static str> {
    let mut cause = Some(error as &(dyn Error + 'static));
    while let Some(found) = cause {
        if found.is::<aws_credential_types::provider::error::CredentialsError>() {
            return Some("no usable AWS credentials: set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
        }
        if found.to_string().to_lowercase().contains("region must be set") {
            return Some("no AWS region: set AWS_REGION");
        }
        cause = found.source();
    }
    None
}
