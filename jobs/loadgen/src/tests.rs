//! The truth against a recount of the written files that knows nothing of how they were made.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::io::Read;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use flate2::read::GzDecoder;
use meterlake_core::config::Config;
use meterlake_core::location::Location;
use meterlake_core::period::{Day, Hour, Period};
use meterlake_core::store::{LocalStore, Store};
use serde_json::Value;
use tempfile::TempDir;

use super::*;

struct Lake {
    folder: TempDir,
    layout: Layout,
}

struct File {
    hour: Hour,
    name: String,
    size: u64,
    text: String,
}

impl Lake {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lake = Location::from_path(folder.path()).unwrap();
        Self { folder, layout: Config { lake, ..Config::default() }.layout() }
    }

    async fn write(&self, options: &Options) -> Truth {
        write_files(&LocalStore, &self.layout, options).await.unwrap()
    }

    /// Path below the lake, and bytes.
    async fn content(&self) -> BTreeMap<String, Vec<u8>> {
        let mut content = BTreeMap::new();
        for object in LocalStore.list(&self.layout.root).await.unwrap() {
            let path = object.location.relative_to(&self.layout.root).unwrap().to_owned();
            content.insert(path, LocalStore.read(&object.location).await.unwrap().unwrap());
        }
        content
    }

    async fn files(&self) -> Vec<File> {
        let mut files = Vec::new();
        for (path, bytes) in self.content().await {
            let object = self.layout.root.join(&path);
            let mut text = String::new();
            match path.strip_suffix(".gz") {
                Some(_) => GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap(),
                None => (&*bytes).read_to_string(&mut text).unwrap(),
            };
            let hour = self.layout.raw.period_of_folder(&object.parent()).unwrap();
            files.push(File { hour, name: object.name().to_owned(), size: bytes.len() as u64, text });
        }
        files
    }
}

impl File {
    fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter(|line| !line.trim().is_empty())
    }

    fn records(&self) -> impl Iterator<Item = Value> {
        self.lines().filter_map(record)
    }

    /// The time in its name.
    fn start(&self) -> DateTime<Utc> {
        let time = &self.name["amazon-apigateway-random-gen-1-".len()..][.."2023-01-31-06-00-12".len()];
        NaiveDateTime::parse_from_str(time, "%Y-%m-%d-%H-%M-%S").unwrap().and_utc()
    }
}

/// What a line says; a bare `-` is read as if it were quoted.
fn record(line: &str) -> Option<Value> {
    serde_json::from_str(&line.replace(":-,", ":\"-\",")).ok()
}

/// Everything that can go wrong, and enough calls for each to happen.
fn eventful() -> Options {
    Options {
        from: "2023-01-31T22".parse().unwrap(),
        to: "2023-02-01T01".parse().unwrap(),
        calls_per_hour: 600,
        users: 9,
        objects_per_hour: 5,
        copies: 0.3,
        malformed: 0.1,
        bare_dashes: 0.05,
        late_share: 0.4,
        unauthenticated: 0.1,
        legacy: 0.3,
        ..Options::default()
    }
}

fn number(value: &Value) -> u64 {
    value.as_u64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_default()
}

/// Counts as merge must: of each hour's lines with a record, one of each that the folder of the hour before does not have.
fn recount(files: &[File], options: &Options) -> Truth {
    let mut truth = Truth::of_hours(options.from, options.to);
    let mut records: HashMap<Hour, Vec<(&str, Value)>> = HashMap::new();
    for file in files {
        let hour = truth.hours.get_mut(&file.hour).unwrap();
        let (lines, well_formed) = (file.lines().count() as u64, file.records().count() as u64);
        hour.objects += 1;
        hour.bytes += file.size;
        hour.malformed += lines - well_formed;
        truth.totals.lines += lines;
        truth.totals.blank += file.text.lines().count() as u64 - lines;
        let of_file = file.lines().filter_map(|line| Some((line.trim(), record(line)?)));
        records.entry(file.hour).or_default().extend(of_file);
    }
    for (hour, counts) in &mut truth.hours {
        let of = |hour: &Hour| records.get(hour).into_iter().flatten();
        let mut seen: HashSet<&str> = of(&hour.previous()).map(|(line, _)| *line).collect();
        for (line, record) in of(hour) {
            if !seen.insert(line) {
                counts.duplicates += 1;
                continue;
            }
            counts.calls += 1;
            if record["user"] == "-" {
                truth.totals.unattributed += 1;
                continue;
            }
            let at = DateTime::from_timestamp_millis(number(&record["requestTime"]).cast_signed()).unwrap();
            let days = truth.users.entry(record["user"].as_str().unwrap().to_owned()).or_default();
            let usage = days.entry(Day::containing(at)).or_default();
            let status = number(&record["status"]);
            usage.requests += 1;
            usage.client_errors += u64::from(status / 100 == 4);
            usage.server_errors += u64::from(status / 100 == 5);
            usage.throttled += u64::from(status == 429);
            usage.unknown_status += u64::from(record["status"] == "-");
            usage.response_bytes += number(&record["responseLength"]);
        }
    }
    for hour in truth.hours.values() {
        truth.totals.calls += hour.calls;
        truth.totals.copies += hour.duplicates;
        truth.totals.malformed += hour.malformed;
        truth.totals.objects += hour.objects;
        truth.totals.bytes += hour.bytes;
    }
    truth
}

#[tokio::test]
async fn the_truth_is_what_a_recount_of_the_files_says() {
    let all = Options::default;
    for options in [
        all(),
        eventful(),
        Options { seed: 2, late: Late::OnTime, ..eventful() },
        Options { seed: 3, objects_per_hour: 1, gzip: Gzip::All, ..eventful() },
        Options { seed: 4, objects_per_hour: 60, calls_per_hour: 40, late: Late::OnTime, ..eventful() },
        Options { seed: 5, copies: 1.0, malformed: 0.5, legacy: 1.0, gzip: Gzip::None, ..eventful() },
        Options { unauthenticated: 1.0, users: 1, ..all() },
        Options { calls_per_hour: 0, ..all() },
    ] {
        let lake = Lake::new();
        let truth = lake.write(&options).await;
        assert_eq!(truth, recount(&lake.files().await, &options), "{options:?}");
        let totals = &truth.totals;
        assert_eq!(totals.lines, totals.calls + totals.copies + totals.malformed, "{options:?}");
    }
}

#[tokio::test]
async fn the_same_options_give_the_same_bytes_and_another_seed_gives_others() {
    let (first, second, other) = (Lake::new(), Lake::new(), Lake::new());
    let truth = first.write(&eventful()).await;
    assert_eq!(truth, second.write(&eventful()).await);
    let content = first.content().await;
    assert_eq!(content, second.content().await);

    assert_eq!(truth, first.write(&eventful()).await);
    assert_eq!(content, first.content().await, "writing again must overwrite");

    other.write(&Options { seed: 2, ..eventful() }).await;
    assert!(other.content().await.keys().all(|path| !content.contains_key(path)));
}

#[tokio::test]
async fn what_is_on_time_and_what_is_late_make_all() {
    let (parts, all) = (Lake::new(), Lake::new());
    let on_time = parts.write(&Options { late: Late::OnTime, ..eventful() }).await;
    let early = parts.content().await;
    let after = parts.write(&Options { late: Late::LateOnly, ..eventful() }).await;
    let truth = all.write(&eventful()).await;

    assert_eq!(after, truth);
    assert_eq!(parts.content().await, all.content().await);
    let late: BTreeSet<String> = all.content().await.into_keys().filter(|path| !early.contains_key(path)).collect();
    assert!(!late.is_empty() && !early.is_empty());
    assert_eq!(on_time.totals.objects + late.len() as u64, truth.totals.objects);
    assert!(on_time.totals.calls < truth.totals.calls);
}

#[tokio::test]
async fn an_object_lies_in_the_hour_it_began_in_and_may_hold_calls_of_the_next() {
    let options = Options { copies: 0.0, malformed: 0.0, ..eventful() };
    let lake = Lake::new();
    lake.write(&options).await;
    let mut crossing: BTreeMap<Hour, u32> = BTreeMap::new();
    for file in lake.files().await {
        assert_eq!(Hour::containing(file.start()), file.hour, "{}", file.name);
        let times: Vec<_> = file
            .records()
            .map(|record| DateTime::from_timestamp_millis(number(&record["requestTime"]).cast_signed()).unwrap())
            .collect();
        assert!(times.iter().all(|time| *time > file.start() - TimeDelta::seconds(3)), "{}", file.name);
        *crossing.entry(file.hour).or_default() += u32::from(times.iter().any(|time| *time >= file.hour.end()));
    }
    assert_eq!(crossing.into_values().collect::<Vec<_>>(), [1, 1, 1, 1]);
}

#[tokio::test]
async fn copies_lie_in_the_same_object_in_another_of_the_hour_and_across_the_edge() {
    let lake = Lake::new();
    lake.write(&eventful()).await;
    let mut places: BTreeMap<&str, Vec<(Hour, usize)>> = BTreeMap::new();
    let files = lake.files().await;
    for (number, file) in files.iter().enumerate() {
        for line in file.lines().filter(|line| record(line).is_some()) {
            places.entry(line).or_default().push((file.hour, number));
        }
    }
    let (mut same_object, mut same_hour, mut next_hour) = (0, 0, 0);
    for place in places.into_values() {
        match place[..] {
            [_] => {}
            [(_, a), (_, b)] if a == b => same_object += 1,
            [(a, _), (b, _)] if a == b => same_hour += 1,
            [(a, _), (b, _)] if a.next() == b => next_hour += 1,
            _ => panic!("delivered to {place:?}"),
        }
    }
    assert!(same_object > 20 && same_hour > 20 && next_hour > 20, "{same_object} {same_hour} {next_hour}");
}

#[tokio::test]
async fn objects_come_in_every_form_that_firehose_gives() {
    let lake = Lake::new();
    lake.write(&Options { objects_per_hour: 12, ..eventful() }).await;
    let files = lake.files().await;
    let any = |of: &dyn Fn(&File) -> bool| files.iter().any(of) && !files.iter().all(of);
    assert!(any(&|file| file.name.ends_with(".gz")));
    assert!(any(&|file| file.text.ends_with('\n')));
    assert!(any(&|file| file.text.contains("\r\n")));
    assert!(any(&|file| file.text.contains("\"responseLength\":\"-\"")));

    let text: String = files.iter().flat_map(|file| file.lines()).collect::<Vec<_>>().join("\n");
    assert!(text.contains("\"status\":-,"));
    assert!(text.lines().any(|line| line.starts_with('{') && !line.ends_with('}')));
    assert!(text.lines().any(|line| line.starts_with("Endpoint")));
    assert!(lake.folder.path().join("json-data/year=2023/month=01/day=31/hour=22").is_dir());
}

#[tokio::test]
async fn a_bare_dash_for_the_status_is_a_call_without_one() {
    let lake = Lake::new();
    let truth = lake.write(&Options { bare_dashes: 0.2, copies: 0.2, ..Options::default() }).await;
    let files = lake.files().await;
    let bare: HashSet<&str> =
        files.iter().flat_map(File::lines).filter(|line| line.contains("\"status\":-,")).collect();
    assert!(bare.iter().all(|line| serde_json::from_str::<Value>(line).is_err()));
    let unknown: u64 = truth.users.values().flat_map(BTreeMap::values).map(|usage| usage.unknown_status).sum();
    assert!(unknown > 300, "{unknown}");
    assert_eq!((bare.len() as u64, truth.totals.malformed), (unknown, 0));
}

#[tokio::test]
async fn the_request_id_is_the_last_key_and_no_spoiled_line_has_its_value() {
    let lake = Lake::new();
    lake.write(&eventful()).await;
    for file in lake.files().await {
        for line in file.lines() {
            let key = line.find(",\"requestId\":\"");
            assert_eq!(key.is_some(), record(line).is_some(), "{line}");
            assert!(key.is_none_or(|key| line[key..].matches(':').count() == 1), "{line}");
        }
    }
}

#[tokio::test]
async fn a_request_id_may_repeat_but_an_extended_one_is_a_call_of_its_own() {
    let lake = Lake::new();
    let truth = lake.write(&Options { calls_per_hour: 3000, ..Options::default() }).await;
    let ids =
        |records: &[Value], key| records.iter().map(|record| record[key].to_string()).collect::<HashSet<_>>().len();
    let records: Vec<Value> = lake.files().await.iter().flat_map(|file| file.records().collect::<Vec<_>>()).collect();
    assert_eq!(ids(&records, "extendedRequestId") as u64, truth.totals.calls);
    assert!((ids(&records, "requestId") as u64) < truth.totals.calls);
}

#[tokio::test]
async fn a_dry_run_tells_the_truth_and_writes_nothing() {
    let (dry, wet) = (Lake::new(), Lake::new());
    let truth = dry.write(&Options { dry_run: true, ..eventful() }).await;
    assert!(dry.content().await.is_empty());
    assert_eq!(truth, wet.write(&eventful()).await);
}

#[tokio::test]
async fn the_truth_survives_json() {
    let truth = Lake::new().write(&eventful()).await;
    let json = serde_json::to_string(&truth).unwrap();
    assert!(json.contains("\"2023-01-31T22\":{\"calls\":"));
    assert_eq!(serde_json::from_str::<Truth>(&json).unwrap(), truth);
}

#[tokio::test]
async fn a_lake_that_cannot_be_written_to_is_named() {
    let lake = Lake::new();
    std::fs::write(lake.folder.path().join("json-data"), "a file").unwrap();
    let error = write_files(&LocalStore, &lake.layout, &Options::default()).await.unwrap_err();
    let message = format!("{error:#}");
    assert!(message.starts_with("the lake cannot be written to: cannot write /"), "{message}");
    assert!(!message.contains('\n'));
}
