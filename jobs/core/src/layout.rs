//! The one place that knows which tables a lake has and in which folders their periods lie.

use crate::catalog::{Partition, PartitionFilter};
use crate::location::Location;
use crate::names::TableName;
use crate::period::{Day, Hour, Period};
use chrono::{Datelike, Timelike};

/// The tables of a lake and where they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The lake's folder.
    pub root: Location,
    /// The access log as Firehose leaves it: JSON lines, by arrival hour.
    pub raw: TableLayout,
    /// The access log merged, typed and free of copies: Parquet, by arrival hour.
    pub merged: TableLayout,
}

/// A table's name and its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLayout {
    /// The table.
    pub name: TableName,
    /// The folder above its partitions' folders.
    pub folder: Location,
}

/// The partition keys of the hourly tables, outermost first; all of type `int`.
pub const HOUR_KEYS: [&str; 4] = ["year", "month", "day", "hour"];

impl TableLayout {
    /// The folder of an hour: `…/year=2023/month=01/day=31/hour=06`.
    #[must_use]
    pub fn hour_folder(&self, hour: Hour) -> Location {
        self.folder.join(&hour_path(hour))
    }

    /// The partition of an hour whose objects lie straight in its folder.
    #[must_use]
    pub fn hour_partition(&self, hour: Hour) -> Partition {
        Partition { values: hour_values(hour), location: self.hour_folder(hour), parameters: Default::default() }
    }

    /// The hour whose folder this is; `None` if it is none of this table's hour folders, or not written as one.
    #[must_use]
    pub fn hour_of_folder(&self, folder: &Location) -> Option<Hour> {
        let path = folder.relative_to(&self.folder)?;
        let mut segments = path.split('/');
        let mut numbers = [0_u32; HOUR_KEYS.len()];
        for (key, number) in HOUR_KEYS.iter().zip(&mut numbers) {
            *number = segments.next()?.strip_prefix(key)?.strip_prefix('=')?.parse().ok()?;
        }
        let hour = hour_of_numbers(numbers)?;
        (hour_path(hour) == path).then_some(hour)
    }
}

/// `year=2023/month=01/day=31/hour=06`
#[must_use]
pub fn hour_path(hour: Hour) -> String {
    hour.start().format("year=%Y/month=%m/day=%d/hour=%H").to_string()
}

/// The canonical catalog values of an hour: `2023, 1, 31, 6`.
#[must_use]
pub fn hour_values(hour: Hour) -> Vec<String> {
    hour_numbers(hour).iter().map(u32::to_string).collect()
}

/// Year, month, day and hour.
#[must_use]
pub fn hour_numbers(hour: Hour) -> [u32; 4] {
    let start = hour.start();
    [start.year().unsigned_abs(), start.month(), start.day(), start.hour()]
}

/// The hour that catalog values stand for, canonical or not (`01` and `1` are the same hour).
#[must_use]
pub fn hour_of_values(values: &[String]) -> Option<Hour> {
    let numbers: Vec<u32> = values.iter().map_while(|value| value.parse().ok()).collect();
    hour_of_numbers(numbers.try_into().ok()?)
}

/// The filter that takes a day's hours, however they are registered.
#[must_use]
pub fn day_filter(day: Day) -> PartitionFilter {
    let date = day.start();
    PartitionFilter::default()
        .and("year", date.year().into(), date.year().into())
        .and("month", date.month().into(), date.month().into())
        .and("day", date.day().into(), date.day().into())
}

fn hour_of_numbers([year, month, day, hour]: [u32; 4]) -> Option<Hour> {
    Hour::of(Day::of(i32::try_from(year).ok()?, month, day)?, hour)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> TableLayout {
        TableLayout {
            name: TableName::new("metering".parse().unwrap(), "raw".parse().unwrap()),
            folder: "s3://lake/json-data".parse().unwrap(),
        }
    }

    #[test]
    fn an_hour_has_a_two_digit_folder_and_canonical_values() {
        let partition = table().hour_partition("2023-01-31T06".parse().unwrap());
        assert_eq!(partition.location.as_str(), "s3://lake/json-data/year=2023/month=01/day=31/hour=06");
        assert_eq!(partition.values, ["2023", "1", "31", "6"]);
    }

    #[test]
    fn only_an_hour_folder_as_it_is_written_is_an_hour_folder() {
        let hour = |path: &str| table().hour_of_folder(&table().folder.join(path));
        assert_eq!(hour("year=2023/month=01/day=31/hour=06"), "2023-01-31T06".parse().ok());
        for path in [
            "year=2023/month=1/day=31/hour=06",
            "year=2023/month=01/day=31/hour=24",
            "year=2023/month=02/day=30/hour=06",
            "year=2023/month=01/day=31",
            "year=2023/month=01/day=31/hour=06/x",
            "day=31",
        ] {
            assert_eq!(hour(path), None, "{path}");
        }
    }

    #[test]
    fn values_stand_for_an_hour_however_they_are_padded() {
        let hour = |values: [&str; 4]| hour_of_values(&values.map(str::to_owned));
        assert_eq!(hour(["2023", "01", "31", "06"]), hour(["2023", "1", "31", "6"]));
        assert_eq!(hour(["2023", "13", "31", "6"]), None);
        assert_eq!(hour_of_values(&["2023".to_owned()]), None);
    }
}
