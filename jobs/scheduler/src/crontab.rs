//! The list as a crontab.

use std::fmt::Write;

use crate::list::{Entry, Schedules};

/// Where the lines find the programs and the configuration.
#[derive(Debug, Clone)]
pub struct Places {
    /// The folder of the programs.
    pub programs: String,
    /// The configuration file.
    pub config: String,
}

/// The text of the crontab.
#[must_use]
pub fn crontab(schedules: &Schedules, places: &Places) -> String {
    let mut text = format!(
        "# Made by `scheduler crontab` from schedules/schedules.toml: edit that, not this.\n\
         # CRON_TZ is known to cronie (Fedora, RHEL, Arch); Debian's cron goes by the time zone of the machine.\n\
         SHELL=/bin/sh\nPROGRAMS={}\nMETERLAKE_CONFIG={}\n",
        places.programs, places.config
    );
    let mut zone = None;
    for entry in &schedules.entries {
        if zone != Some(entry.zone) {
            zone = Some(entry.zone);
            let _ = writeln!(text, "\nCRON_TZ={}", entry.zone);
        }
        let _ = writeln!(text, "# {}\n{} {}", entry.name, entry.expression, command(entry));
    }
    text
}

fn command(entry: &Entry) -> String {
    let program = format!("\"$PROGRAMS\"/{}", entry.job.name);
    let words: Vec<String> = std::iter::once(program).chain(entry.flags().iter().map(|flag| quoted(flag))).collect();
    // Cron ends a command at `%`, and a line at its end.
    words.join(" ").replace('%', "\\%")
}

/// A word for the shell.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.:,@+".contains(c);
    if word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}
