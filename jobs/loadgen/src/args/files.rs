//! The arguments of `loadgen files`.

use std::path::PathBuf;

use anyhow::{Result, bail};
use chrono::Utc;
use clap::Args;
use meterlake_core::config::Config;
use meterlake_core::layout::Layout;
use meterlake_core::period::{Hour, Period};
use meterlake_loadgen::{Gzip, Late, Options};

#[derive(Debug, Args)]
pub(crate) struct FilesArgs {
    /// The lake: a folder, which is made if it is missing, or s3://bucket [default: setting `lake`, else ./lake]
    #[arg(long)]
    lake: Option<String>,
    /// The configuration [default: meterlake.toml here or in a folder above]
    #[arg(long, env = "METERLAKE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// First hour of arrival, UTC, such as 2023-01-31T06
    #[arg(long, value_name = "HOUR")]
    from: Option<Hour>,
    /// Last hour of arrival, included [default: the last complete one]
    #[arg(long, value_name = "HOUR", requires = "from")]
    to: Option<Hour>,
    /// Instead of --from and --to: the last N complete hours
    #[arg(long, value_name = "N", default_value_t = 3, conflicts_with = "from", value_parser = clap::value_parser!(i32).range(1..=87_600))]
    hours: i32,
    /// Calls per hour: the mean of a day, with more by day than by night
    #[arg(long, value_name = "N", default_value_t = Options::default().calls_per_hour)]
    calls_per_hour: u32,
    /// Callers; the first few make most of the calls
    #[arg(long, value_name = "N", default_value_t = Options::default().users)]
    users: u32,
    /// Objects per hour, 1 to 3600
    #[arg(long, value_name = "N", default_value_t = Options::default().objects_per_hour)]
    objects_per_hour: u32,
    /// Which objects are GZIP
    #[arg(long, value_enum, default_value_t = Options::default().gzip)]
    gzip: Gzip,
    /// Share (0 to 1) of calls delivered twice, also into the next hour's folder
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    copies: f64,
    /// Share (0 to 1) of records that arrive as a line that is no record
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    malformed: f64,
    /// Share (0 to 1) of calls logged with a bare - for the status, which are calls without a status
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    bare_dashes: f64,
    /// Share (0 to 1) of objects to leave out, which --late-only writes in a second run
    #[arg(long, value_name = "SHARE")]
    late: Option<f64>,
    /// Write only what the same command without this flag left out
    #[arg(long, requires = "late")]
    late_only: bool,
    /// Share (0 to 1) of calls without a user
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    unauthenticated: f64,
    /// Share (0 to 1) of lines in the older form: bare numbers, no extendedRequestId
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    legacy: f64,
    /// Decides everything that is left to chance
    #[arg(long, value_name = "N", default_value_t = Options::default().seed)]
    seed: u64,
    /// Write nothing, only print what would be true
    #[arg(long)]
    dry_run: bool,
}

impl FilesArgs {
    /// What to write.
    pub(crate) fn options(&self) -> Options {
        let last = Hour::last_complete(Utc::now());
        Options {
            from: self.from.unwrap_or(last.offset(1 - self.hours)),
            to: self.to.unwrap_or(last),
            calls_per_hour: self.calls_per_hour,
            users: self.users,
            objects_per_hour: self.objects_per_hour,
            gzip: self.gzip,
            copies: self.copies,
            malformed: self.malformed,
            bare_dashes: self.bare_dashes,
            late_share: self.late.unwrap_or_default(),
            late: match (self.late, self.late_only) {
                (None, _) => Late::All,
                (Some(_), false) => Late::OnTime,
                (Some(_), true) => Late::LateOnly,
            },
            unauthenticated: self.unauthenticated,
            legacy: self.legacy,
            seed: self.seed,
            dry_run: self.dry_run,
        }
    }

    /// Where to write.
    pub(crate) fn layout(&self) -> Result<Layout> {
        let lake = self.lake.iter().map(|lake| ("lake".to_owned(), lake.clone())).collect::<Vec<_>>();
        let layout = Config::load(self.config.as_deref(), &lake)?.layout();
        match layout.root.to_path() {
            Some(path) if path.exists() && !path.is_dir() => bail!("the lake {} is a file: give a folder", layout.root),
            _ => Ok(layout),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        files: FilesArgs,
    }

    fn options(arguments: &str) -> Result<Options, clap::Error> {
        let arguments = ["files"].into_iter().chain(arguments.split_whitespace());
        Cli::try_parse_from(arguments).map(|cli| cli.files.options())
    }

    #[test]
    fn without_flags_it_is_the_default_in_the_last_three_complete_hours() {
        let options = options("").unwrap();
        assert_eq!(options.from, options.to.offset(-2));
        assert!(options.to.end() <= Utc::now());
        let Options { from, to, .. } = options;
        assert_eq!(options, Options { from, to, ..Options::default() });
    }

    #[test]
    fn a_range_or_a_number_of_hours_may_be_given_but_not_both() {
        let hour = |text: &str| text.parse::<Hour>().unwrap();
        let range = options("--from 2023-01-31T06 --to 2023-01-31T07").unwrap();
        assert_eq!((range.from, range.to), (hour("2023-01-31T06"), hour("2023-01-31T07")));
        assert!(options("--from 2023-01-31T06").unwrap().to.end() <= Utc::now());
        let one = options("--hours 1").unwrap();
        assert_eq!(one.from, one.to);
        for wrong in ["--to 2023-01-31T06", "--hours 0", "--from now --to now"] {
            assert!(options(wrong).is_err(), "{wrong}");
        }
        assert!(options("--from 2023-01-31T06 --to 2023-01-31T07 --hours 2").is_err());
    }

    #[test]
    fn late_objects_are_left_out_and_then_written_alone() {
        let late = |arguments| options(arguments).map(|options| (options.late, options.late_share)).unwrap();
        assert_eq!(late(""), (Late::All, 0.0));
        assert_eq!(late("--late 0.2"), (Late::OnTime, 0.2));
        assert_eq!(late("--late 0.2 --late-only"), (Late::LateOnly, 0.2));
        assert!(options("--late-only").is_err());
    }

    #[test]
    fn a_lake_is_a_folder_that_may_be_missing_or_a_bucket() {
        let folder = tempfile::tempdir().unwrap();
        let (file, config) = (folder.path().join("file"), folder.path().join("meterlake.toml"));
        std::fs::write(&file, "").unwrap();
        std::fs::write(&config, "[folders]\nraw = 'in'").unwrap();
        let layout = |lake: &str| {
            let arguments = ["files", "--config", config.to_str().unwrap(), "--lake", lake];
            Cli::try_parse_from(arguments).unwrap().files.layout()
        };
        let missing = folder.path().join("missing").display().to_string();
        assert_eq!(layout(&missing).unwrap().raw.folder.to_path(), Some(folder.path().join("missing/in")));
        assert!(layout(file.to_str().unwrap()).unwrap_err().to_string().contains("is a file"));
        assert_eq!(layout("s3://bucket").unwrap().raw.folder.as_str(), "s3://bucket/in");
    }
}
