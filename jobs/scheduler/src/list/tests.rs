use serde_json::json;

use super::*;

const MERGE: &str = "[[schedule]]\nname = 'merge'\njob = 'merge'\ncron = '10 * * * *'\n";

fn error(text: &str) -> String {
    Schedules::parse("s.toml", text).unwrap_err().to_string()
}

/// A list of `merge`, which ends on line 4, and of an entry that begins on line 5.
fn error_in(second: &str) -> String {
    error(&format!("{MERGE}[[schedule]]\n{second}"))
}

fn fired(schedules: &Schedules, from: &str, count: usize) -> Vec<String> {
    let from: DateTime<Utc> = from.parse().unwrap();
    let show = |firing: Firing<'_>| format!("{} {}", firing.at.format("%d %H:%M"), firing.entry.name);
    schedules.due_after(from).take(count).map(show).collect()
}

#[test]
fn the_list_that_is_built_in_is_sound_and_has_all_jobs() {
    let schedules = Schedules::built_in().unwrap();
    let names: Vec<&str> = schedules.entries.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(
        names,
        ["merge", "repair", "aggregate", "invoice-draft", "invoice-final", "vacuum", "merge-late", "repair-full",]
    );
    assert_eq!(schedules.jobs().len(), JOBS.len());
    assert_eq!(schedules.entries[4].args, *json!({"finalize": true, "wait_until": "+9d"}).as_object().unwrap());
    assert_eq!(schedules.entries[5].flags(), ["--vacuum"]);
    assert_eq!(schedules.entries[6].flags(), ["--lookback=960"]);
}

#[test]
fn by_the_times_alone_each_entry_comes_after_what_it_needs() {
    // Cron and EventBridge know nothing of `after`.
    let schedules = Schedules::built_in().unwrap();
    let last = |name: &str, by: DateTime<Utc>| {
        let due = schedules.due_after(by - chrono::TimeDelta::days(2)).take_while(|firing| firing.at < by);
        due.filter(|firing| firing.entry.name == name).last().unwrap().at
    };
    // What is needed may take this long.
    let slack = chrono::TimeDelta::minutes(20);
    for firing in schedules.due_after("2023-01-31T12:00:00Z".parse().unwrap()).take(24 * 40) {
        use meterlake_core::period::{Day, Hour, Period};
        let at = firing.at;
        match firing.entry.name.as_str() {
            "aggregate" => {
                let day = Day::last_complete(at);
                let merged = last("merge", at - slack);
                assert!(Hour::last_complete(merged) >= Hour::containing(day.end()).previous(), "{at}");
            }
            "invoice-draft" => {
                let aggregated = Day::last_complete(last("aggregate", at - slack));
                assert_eq!(aggregated, Day::containing(at).previous());
                assert_eq!(aggregated.next().start(), aggregated.month().end());
            }
            "invoice-final" => {
                let grace = meterlake_core::config::Config::default().billing.grace_days;
                let aggregated = Day::last_complete(last("aggregate", at - slack));
                let month = aggregated.month().previous();
                assert!(aggregated >= Day::containing(month.end()).offset(i32::try_from(grace).unwrap() - 1), "{at}");
            }
            _ => {}
        }
    }
}

#[test]
fn firings_come_in_order_and_at_the_same_time_what_is_needed_comes_first() {
    let text = "\
[[schedule]]
name = 'a'
job = 'aggregate'
cron = '0 0 * * *'
after = ['b']
[[schedule]]
name = 'b'
job = 'merge'
cron = '0 */12 * * *'
time_zone = 'Asia/Seoul'
";
    let schedules = Schedules::parse("s.toml", text).unwrap();
    assert_eq!(fired(&schedules, "2023-01-31T13:00:00Z", 4), ["31 15:00 b", "01 00:00 a", "01 03:00 b", "01 15:00 b"]);
    let both = Schedules::parse("s.toml", &text.replace("Asia/Seoul", "UTC")).unwrap();
    assert_eq!(fired(&both, "2023-01-31T13:00:00Z", 3), ["01 00:00 b", "01 00:00 a", "01 12:00 b"]);
}

#[test]
fn a_wrong_value_is_said_with_its_line() {
    let entry = |line: &str| format!("name = 'x'\njob = 'repair'\ncron = '0 0 * * *'\n{line}\n");
    for (second, line, words) in [
        ("name = 'merge'\njob = 'repair'\ncron = '0 0 * * *'".to_owned(), 6, "two entries `merge`"),
        ("name = 'a b'\njob = 'repair'\ncron = '0 0 * * *'".to_owned(), 6, "`a b` is no name"),
        ("name = 'x'\njob = 'mrge'\ncron = '0 0 * * *'".to_owned(), 7, "there are merge, repair, aggregate, invoice"),
        ("name = 'x'\njob = 'repair'\ncron = '0 0 30 2 *'".to_owned(), 8, "never fires"),
        ("name = 'x'\njob = 'repair'\ncron = '0 0 * *'".to_owned(), 8, "4 fields"),
        ("name = 'x'\njob = 'repair'\ncron = 5".to_owned(), 8, "expected a string"),
        (entry("time_zone = 'Europe/Berln'"), 9, "`Europe/Berln` is no time zone"),
        (entry("after = ['merge', 'mergee']"), 9, "there is no entry `mergee`"),
        (entry("after = ['x']"), 9, "`x` needs itself first"),
        (entry("args = { vaccum = true }"), 9, "`vaccum`"),
        (entry("args = { full = 1.5 }"), 9, "`full` is neither"),
        (entry("args = { from = '2023-01-31T06' }"), 9, "`from` cannot be scheduled"),
        (entry("zone = 'UTC'"), 9, "unknown field `zone`"),
        ("name = 'x'\ncron = '0 0 * * *'".to_owned(), 5, "missing field `job`"),
        ("name = 'x'\njob = ".to_owned(), 7, "s.toml:7"),
    ] {
        let error = error_in(&second);
        assert!(error.starts_with(&format!("s.toml:{line}: ")) && error.contains(words), "{second}: {error}");
        assert_eq!(error.lines().count(), 1);
    }
    assert!(error("").contains("schedule"));
    assert!(error("schedule = []").contains("no entry"));
}

#[test]
fn a_cycle_is_found_also_by_way_of_others() {
    let entry = |name: &str, after: &str| {
        format!("[[schedule]]\nname = '{name}'\njob = 'repair'\ncron = '0 0 * * *'\nafter = ['{after}']\n")
    };
    let cycle = [entry("a", "b"), entry("b", "c"), entry("c", "b")].concat();
    assert!(error(&cycle).starts_with("s.toml:10: `b` needs itself first"), "{}", error(&cycle));
}

#[test]
fn an_hourly_entry_is_refused_where_no_minute_comes_once_an_hour() {
    let error = error(&format!("{MERGE}time_zone = 'Australia/Lord_Howe'\n"));
    assert!(error.starts_with("s.toml:5: ") && error.contains("half an hour"), "{error}");
    Schedules::parse("s.toml", &format!("{MERGE}time_zone = 'Australia/Adelaide'\n")).unwrap();
}
