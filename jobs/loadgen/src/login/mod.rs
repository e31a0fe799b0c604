//! A token from Cognito for somebody who may not even have an account: sign up, confirm, log in.

mod cognito;

use anyhow::{Context, Result};

pub use self::cognito::{Cognito, Refusal};

use crate::secret::Secret;

/// Who logs in.
#[derive(Clone)]
pub struct User {
    /// The e-mail address, by which the pool knows its users.
    pub email: String,
    /// The password, also of the account that is made.
    pub password: Secret,
}

/// Where the code comes from that Cognito sends to a new user.
pub enum Code<'a> {
    /// It is known.
    Known(String),
    /// It must be asked for, perhaps after another one was sent.
    Ask {
        /// Have a new code sent first.
        resend: bool,
        /// Gives what the user types; nothing typed asks for a new code.
        ask: &'a mut dyn FnMut() -> Result<String>,
    },
}

/// Logs a user in and gives the ID token. A user whom the pool does not know is signed up; one who is not confirmed yet is
/// confirmed by the code.
///
/// # Errors
/// [`Refusal`]: Cognito refused a step. Or it cannot be reached, or there is no code.
pub async fn log_in(cognito: &Cognito, user: &User, code: Code<'_>) -> Result<Secret> {
    let refused = match cognito.log_in(user).await {
        Ok(token) => return Ok(token),
        Err(error) => error,
    };
    match code_of(&refused) {
        "UserNotConfirmedException" => confirm(cognito, user, code).await?,
        // Which of the two a pool answers for an unknown user is a setting of the client.
        "UserNotFoundException" | "NotAuthorizedException" => match cognito.sign_up(user).await {
            Ok(true) => {}
            Ok(false) => confirm(cognito, user, code).await?,
            // The user is known after all: what the log-in said stands.
            Err(error) if code_of(&error) == "UsernameExistsException" => return Err(refused),
            Err(error) => return Err(error),
        },
        _ => return Err(refused),
    }
    cognito.log_in(user).await
}

async fn confirm(cognito: &Cognito, user: &User, code: Code<'_>) -> Result<()> {
    let code = match code {
        Code::Known(code) => code,
        Code::Ask { resend, ask } => {
            if resend {
                cognito.resend_code(user).await?;
            }
            loop {
                let code = ask()
                    .context("the account is not confirmed yet, and the code is needed that was sent by e-mail")?;
                if !code.is_empty() {
                    break code;
                }
                cognito.resend_code(user).await?;
            }
        }
    };
    cognito.confirm(user, &code).await
}

/// Cognito's code of an error; empty if it is none of Cognito's.
fn code_of(error: &anyhow::Error) -> &str {
    error.downcast_ref::<Refusal>().map_or("", |refusal| &refusal.code)
}

#[cfg(test)]
mod tests;
