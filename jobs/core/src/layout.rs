//! The one place that knows which tables a lake has and in which folders their periods lie.

use crate::catalog::{Partition, PartitionFilter};
use crate::location::Location;
use crate::names::TableName;
use crate::period::Period;

/// Where a month's generation keeps the Parquet files of the table `invoices`, below its folder.
pub const INVOICES_FOLDER: &str = "tables/invoices";
/// And those of `line_items`.
pub const LINE_ITEMS_FOLDER: &str = "tables/line_items";

/// The tables of a lake and where they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The lake's folder.
    pub root: Location,
    /// The access log as Firehose leaves it, by arrival hour, as JSON: for people to look at. No job reads it.
    pub raw: TableLayout,
    /// The same objects as lines of text: what `merge` reads.
    pub lines: TableLayout,
    /// The access log merged, typed and free of copies: Parquet, by arrival hour. Its partition is what publishes an hour.
    pub merged: TableLayout,
    /// The copies that merged hours left out. Its partitions point into folders of `merged`; its own folder stays empty.
    pub copies: TableLayout,
    /// The malformed lines of merged hours, in the same way.
    pub malformed: TableLayout,
    /// Usage per user, day of use, method and path: Parquet, by arrival day.
    pub usage_daily: TableLayout,
    /// Invoices: Parquet, by month of use. Its partition is what publishes a month; its folder holds all exports.
    pub invoices: TableLayout,
    /// Their lines: Parquet, in the same folders.
    pub line_items: TableLayout,
}

impl Layout {
    /// All tables.
    #[must_use]
    pub fn tables(&self) -> [&TableLayout; 8] {
        let Self { raw, lines, merged, copies, malformed, usage_daily, invoices, line_items, .. } = self;
        [raw, lines, merged, copies, malformed, usage_daily, invoices, line_items]
    }
}

/// A table's name and its folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLayout {
    /// The table.
    pub name: TableName,
    /// The folder above its partitions' folders.
    pub folder: Location,
}

impl TableLayout {
    /// The folder of a period: `…/year=2023/month=01/day=31/hour=06`.
    #[must_use]
    pub fn folder_of<P: Period>(&self, period: P) -> Location {
        self.folder.join(&period_path(period))
    }

    /// The partition of a period whose objects lie straight in its folder.
    #[must_use]
    pub fn partition<P: Period>(&self, period: P) -> Partition {
        Partition { values: period_values(period), location: self.folder_of(period), parameters: Default::default() }
    }

    /// The period whose folder this is; `None` if it is no such folder of this table, or not written as one.
    #[must_use]
    pub fn period_of_folder<P: Period>(&self, folder: &Location) -> Option<P> {
        period_of_path(folder.relative_to(&self.folder)?)
    }
}

/// `year=2023/month=01/day=31/hour=06`
#[must_use]
pub fn period_path<P: Period>(period: P) -> String {
    let pair = |(key, number): (&&str, u32)| format!("{key}={number:02}");
    P::KEYS.iter().zip(period.numbers()).map(pair).collect::<Vec<_>>().join("/")
}

/// The period of such a path; `None` if it is none, or is written otherwise.
#[must_use]
pub(crate) fn period_of_path<P: Period>(path: &str) -> Option<P> {
    let numbers: Option<Vec<u32>> = path
        .split('/')
        .zip(P::KEYS)
        .map(|(segment, key)| segment.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
        .collect();
    P::of_numbers(&numbers?).filter(|period| period_path(*period) == path)
}

/// The catalog values of a period: `2023, 01, 31, 06`, as its folder spells them, so that MSCK REPAIR TABLE adds nothing.
#[must_use]
pub fn period_values<P: Period>(period: P) -> Vec<String> {
    period.numbers().iter().map(|number| format!("{number:02}")).collect()
}

/// The period that catalog values stand for, canonical or not (`01` and `1` are the same).
#[must_use]
pub fn period_of_values<P: Period>(values: &[String]) -> Option<P> {
    let numbers: Option<Vec<u32>> = values.iter().map(|value| value.parse().ok()).collect();
    P::of_numbers(&numbers?)
}

/// The filter that takes everything in a period, however it is registered: a day's hours, or a month's days.
#[must_use]
pub fn filter_within<P: Period>(period: P) -> PartitionFilter {
    let ranges = P::KEYS.iter().zip(period.numbers());
    ranges.fold(PartitionFilter::default(), |filter, (key, number)| filter.and(key, number.into(), number.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::period::Hour;

    fn table() -> TableLayout {
        TableLayout {
            name: TableName::new("metering".parse().unwrap(), "raw".parse().unwrap()),
            folder: "s3://lake/json-data".parse().unwrap(),
        }
    }

    #[test]
    fn an_hour_has_a_two_digit_folder_and_canonical_values() {
        let partition = table().partition("2023-01-31T06".parse::<Hour>().unwrap());
        assert_eq!(partition.location.as_str(), "s3://lake/json-data/year=2023/month=01/day=31/hour=06");
        assert_eq!(partition.values, ["2023", "01", "31", "06"]);
    }

    #[test]
    fn only_an_hour_folder_as_it_is_written_is_an_hour_folder() {
        let hour = |path: &str| table().period_of_folder::<Hour>(&table().folder.join(path));
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
        let hour = |values: [&str; 4]| period_of_values::<Hour>(&values.map(str::to_owned));
        assert_eq!(hour(["2023", "01", "31", "06"]), hour(["2023", "1", "31", "6"]));
        assert_eq!(hour(["2023", "13", "31", "6"]), None);
        assert_eq!(period_of_values::<Hour>(&["2023".to_owned()]), None);
    }
}
