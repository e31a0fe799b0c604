//! The arguments of each subcommand.

mod files;
mod gateway;
mod login;

pub(crate) use files::FilesArgs;
pub(crate) use gateway::GatewayArgs;
pub(crate) use login::{LoginArgs, ask_code};
