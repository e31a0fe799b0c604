//! The arguments of `loadgen login`, and what it asks for.

use std::io::{self, Write};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use console::Term;
use meterlake_core::run::WrongArguments;
use meterlake_loadgen::Secret;
use meterlake_loadgen::login::User;

// No `Debug`: an argument may be a secret.
#[derive(Args)]
pub(crate) struct LoginArgs {
    /// The id of the user pool's client (the stack's output UserPoolClientId)
    #[arg(long, value_name = "ID")]
    pub(crate) user_pool_client: String,
    /// Who logs in
    #[arg(long, value_name = "ADDRESS")]
    email: String,
    /// The password [default: asked for]; better given in the environment, which others on this machine cannot see
    #[arg(long, env = "METERLAKE_PASSWORD", hide_env_values = true, value_parser = clap::value_parser!(Secret))]
    password: Option<Secret>,
    /// The code of the e-mail that a new user gets [default: asked for if it is needed]
    #[arg(long)]
    pub(crate) code: Option<String>,
    /// Have a new code sent, then ask for it
    #[arg(long, conflicts_with = "code")]
    pub(crate) resend_code: bool,
    /// The AWS region of the user pool [default: as the AWS SDK finds it, such as in AWS_REGION]
    #[arg(long)]
    pub(crate) region: Option<String>,
}

impl LoginArgs {
    /// Who logs in. The password is asked for if it is not given.
    pub(crate) fn user(&self) -> Result<User> {
        let password = match &self.password {
            Some(password) if !password.reveal().is_empty() => password.clone(),
            _ => ask_password()?,
        };
        Ok(User { email: self.email.clone(), password })
    }
}

fn ask_password() -> Result<Secret> {
    let missing =
        || anyhow!(WrongArguments("no password: set METERLAKE_PASSWORD, or run this in a terminal".to_owned()));
    let terminal = Term::stderr();
    if !terminal.is_term() {
        return Err(missing());
    }
    terminal.write_str("Password: ")?;
    let password = terminal.read_secure_line().context("cannot ask for the password: set METERLAKE_PASSWORD")?;
    if password.is_empty() { Err(missing()) } else { Ok(password.into()) }
}

/// Asks for the code that Cognito has sent.
pub(crate) fn ask_code() -> Result<String> {
    write!(io::stderr(), "Code from the e-mail (nothing: send a new one): ")?;
    let mut line = String::new();
    if io::stdin().read_line(&mut line)? == 0 {
        return Err(anyhow!("run this again with --code, or with --resend-code for a new one"));
    }
    Ok(line.trim().to_owned())
}
