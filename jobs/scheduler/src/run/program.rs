//! The jobs as programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::SecondsFormat;
use meterlake_core::run::above_progress;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::list::{Firing, Schedules};

/// Where the programs are, and the flags that all of them get.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The folder that is looked into before PATH.
    pub folder: PathBuf,
    /// Such as `--lake`.
    pub flags: Vec<String>,
}

impl Programs {
    /// Whether the programs of all jobs are there.
    ///
    /// # Errors
    /// One is not.
    pub fn check(&self, schedules: &Schedules) -> Result<()> {
        schedules.jobs().iter().try_for_each(|job| self.find(job.name).map(drop))
    }

    fn find(&self, job: &str) -> Result<PathBuf> {
        let path = env::var_os("PATH").unwrap_or_default();
        let mut folders = std::iter::once(self.folder.clone()).chain(env::split_paths(&path));
        match folders.find(|folder| is_program(&folder.join(job))) {
            Some(folder) => Ok(folder.join(job)),
            None => bail!("there is no program `{job}` in {} nor in PATH: build it there", self.folder.display()),
        }
    }

    pub(super) fn start(&self, firing: &Firing<'_>) -> Result<Program> {
        let job = firing.entry.job.name;
        let mut command = Command::new(self.find(job)?);
        command.args(firing.entry.flags()).arg("--at").arg(firing.at.to_rfc3339_opts(SecondsFormat::Secs, true));
        command.args(&self.flags).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // In a group of its own a Ctrl-C in the terminal reaches the scheduler alone, which then ends the job in its way.
        command.process_group(0).kill_on_drop(true).env_remove("AWS_LAMBDA_RUNTIME_API");
        let mut child = command.spawn().with_context(|| format!("cannot start {job}"))?;
        let mut output = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            output.spawn(relay(stdout, Stream::Output));
        }
        if let Some(stderr) = child.stderr.take() {
            output.spawn(relay(stderr, Stream::Error));
        }
        Ok(Program { child, output })
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}

/// A running job.
pub(super) struct Program {
    child: Child,
    output: JoinSet<()>,
}

impl Program {
    /// Waits for its end and for what it still says. May be called again if it was not waited for to the end.
    pub(super) async fn wait(&mut self) -> Result<ExitStatus> {
        let status = self.child.wait().await?;
        // Not for ever: a process that it left behind may hold its output open.
        let _ = timeout(Duration::from_secs(1), async { while self.output.join_next().await.is_some() {} }).await;
        Ok(status)
    }

    /// Asks it, and what it has started, to end; or ends it.
    pub(super) fn end(&self, signal: Signal) {
        let group = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(group) = group
            && let Err(error) = kill_process_group(group, signal)
        {
            tracing::debug!(%error, "the job had ended before it was told to");
        }
    }
}

#[derive(Clone, Copy)]
enum Stream {
    Output,
    Error,
}

/// Passes on what a job says, line by line, above the status line.
async fn relay(from: impl AsyncRead + Unpin, to: Stream) {
    use std::io::Write;
    let mut lines = BufReader::new(from);
    let mut line = Vec::new();
    // A job's last words may lack the end of the line, and a closed pipe ends the matter.
    while lines.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        if line.last() != Some(&b'\n') {
            line.push(b'\n');
        }
        let passed = above_progress(|| match to {
            Stream::Output => std::io::stdout().lock().write_all(&line),
            Stream::Error => std::io::stderr().lock().write_all(&line),
        });
        if passed.is_err() {
            break;
        }
        line.clear();
    }
}
