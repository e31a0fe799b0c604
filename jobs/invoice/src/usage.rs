//! Reads extracted usage with polars and groups it by what rating and charts tell apart.

use std::io::Cursor;

use anyhow::{Context, Result, bail};
use chrono::{DateTime, TimeDelta};
use meterlake_core::period::{Day, Period};
use polars::frame::group_by::{GroupsIndicator, GroupsType};
use polars::prelude::{
    Column, DataFrame, DataType, DecimalChunked, Int32Chunked, Int64Chunked, ParquetReader, SerReader, StringChunked,
};
use rust_decimal::Decimal;

use crate::exact::TooLarge;
use crate::rating::RatingError;

const USER: &str = "user";
const DAY: &str = "usage_date";
const METHOD: &str = "httpmethod";
const PATH: &str = "resourcepath";

/// What rows of usage are told apart by, beside the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grain {
    pub(crate) by_day: bool,
    pub(crate) by_path: bool,
}

impl Grain {
    /// The columns that tell groups of a user apart.
    fn keys(self) -> impl Iterator<Item = &'static str> {
        let day = self.by_day.then_some(DAY).into_iter();
        day.chain(self.by_path.then_some([METHOD, PATH]).into_iter().flatten())
    }

    /// The columns to extract beside the user, with these meters.
    pub(crate) fn columns(self, meters: &[String]) -> Vec<String> {
        self.keys().map(str::to_owned).chain(meters.iter().cloned()).collect()
    }
}

/// The usage of some users, grouped, in the order of their names.
pub(crate) struct Usage {
    users: StringChunked,
    /// Days since 1970-01-01; only where days are told apart.
    days: Option<Int32Chunked>,
    /// Only where they are told apart, as are paths.
    methods: Option<StringChunked>,
    paths: Option<StringChunked>,
    meters: Vec<Meter>,
    groups: Vec<Group>,
}

/// A group: a row that shows what it is, and its sums.
pub(crate) struct Group {
    row: usize,
    /// One per meter, as mantissas; `None` where it has more than 38 digits, which only its own customer suffers from.
    sums: Vec<Option<i128>>,
}

struct Meter {
    name: String,
    /// Digits after the point of its sums.
    scale: u32,
}

/// A meter's column, as it lies in the files.
enum Values {
    Whole(Int64Chunked),
    Decimal(DecimalChunked),
}

impl Usage {
    /// Reads Parquet files and groups their rows. `meters` are the columns to sum up; NULL counts as nothing.
    ///
    /// # Errors
    /// A file is no Parquet of the columns that usage_month.sql unloads.
    pub(crate) fn read(files: &[Vec<u8>], meters: &[String], grain: Grain) -> Result<Self> {
        let columns: Vec<String> = std::iter::once(USER.to_owned()).chain(grain.columns(meters)).collect();
        let mut all: Option<DataFrame> = None;
        for file in files {
            let reader = ParquetReader::new(Cursor::new(file.as_slice())).with_columns(Some(columns.clone()));
            let frame = reader.finish().context("the extracted usage cannot be read")?;
            match &mut all {
                Some(all) => drop(all.vstack_mut(&frame)?),
                None => all = Some(frame),
            }
        }
        match all {
            Some(frame) => Self::group(frame, meters, grain),
            None => Ok(Self::none()),
        }
    }

    fn none() -> Self {
        let users = StringChunked::from_iter(std::iter::empty::<Option<&str>>());
        Self { users, days: None, methods: None, paths: None, meters: Vec::new(), groups: Vec::new() }
    }

    fn group(mut frame: DataFrame, meters: &[String], grain: Grain) -> Result<Self> {
        frame.rechunk_mut();
        let values: Result<Vec<(Meter, Values)>> = meters.iter().map(|meter| column_values(&frame, meter)).collect();
        let (meters, values): (Vec<Meter>, Vec<Values>) = values?.into_iter().unzip();
        let grouped = frame.group_by(std::iter::once(USER).chain(grain.keys()))?;
        let mut groups = Vec::with_capacity(grouped.get_groups().len());
        let found: &GroupsType = grouped.get_groups();
        for group in found.iter() {
            groups.push(match group {
                GroupsIndicator::Idx((first, rows)) => {
                    Group { row: first as usize, sums: sums(&values, rows.iter().map(|row| *row as usize)) }
                }
                GroupsIndicator::Slice([first, length]) => {
                    let rows = first as usize..(first + length) as usize;
                    Group { row: first as usize, sums: sums(&values, rows) }
                }
            });
        }
        let text = |name: &str| -> Result<StringChunked> { Ok(frame.column(name)?.str()?.clone()) };
        let days = || -> Result<Int32Chunked> {
            Ok(frame.column(DAY)?.date().context("usage_date must be a date")?.physical().clone())
        };
        let path_text = |name: &str| grain.by_path.then(|| text(name)).transpose();
        let mut usage = Self {
            users: text(USER)?,
            days: grain.by_day.then(days).transpose()?,
            methods: path_text(METHOD)?,
            paths: path_text(PATH)?,
            meters,
            groups,
        };
        usage.sort();
        Ok(usage)
    }

    /// By user, day, method and path, so that the same usage always comes out in the same order.
    fn sort(&mut self) {
        let mut groups = std::mem::take(&mut self.groups);
        groups.sort_by(|a, b| {
            let by_user = self.user(a).cmp(self.user(b));
            by_user.then_with(|| self.rest_of_key(a).cmp(&self.rest_of_key(b)))
        });
        self.groups = groups;
    }

    /// Each user with its groups, in the order of the users.
    pub(crate) fn by_user(&self) -> impl Iterator<Item = (&str, &[Group])> {
        let users = self.groups.chunk_by(|a, b| self.user(a) == self.user(b));
        users.map(|groups| (groups.first().map(|group| self.user(group)).unwrap_or_default(), groups))
    }

    fn user(&self, group: &Group) -> &str {
        self.users.get(group.row).unwrap_or_default()
    }

    fn rest_of_key(&self, group: &Group) -> (Option<i32>, Option<&str>, Option<&str>) {
        let days = self.days.as_ref().and_then(|days| days.get(group.row));
        (days, text_at(&self.methods, group.row), text_at(&self.paths, group.row))
    }

    /// The day of a group; `None` where days are not told apart.
    pub(crate) fn day(&self, group: &Group) -> Option<Day> {
        let days = self.days.as_ref()?.get(group.row)?;
        Some(Day::containing(DateTime::UNIX_EPOCH + TimeDelta::days(days.into())))
    }

    /// Method and path of a group; empty where they are not told apart.
    pub(crate) fn method_and_path(&self, group: &Group) -> (&str, &str) {
        let text = |column| text_at(column, group.row).unwrap_or_default();
        (text(&self.methods), text(&self.paths))
    }

    /// A group's quantity of a meter.
    ///
    /// # Errors
    /// The meter was not extracted, or its sum has too many digits.
    pub(crate) fn quantity(&self, group: &Group, meter: &str) -> Result<Decimal, RatingError> {
        let at = self.meters.iter().position(|one| one.name == meter);
        let at = at.ok_or_else(|| RatingError::NoMeter(meter.to_owned()))?;
        let quantity = Decimal::try_from_i128_with_scale(group.sums[at].ok_or(TooLarge)?, self.meters[at].scale);
        quantity.map_err(|_| TooLarge.into())
    }
}

fn text_at(column: &Option<StringChunked>, row: usize) -> Option<&str> {
    column.as_ref()?.get(row)
}

fn column_values(frame: &DataFrame, name: &str) -> Result<(Meter, Values)> {
    let column: &Column = frame.column(name)?;
    let (scale, values) = match column.dtype() {
        DataType::Decimal(_, scale) => (u32::try_from(*scale)?, Values::Decimal(column.decimal()?.clone())),
        whole if whole.is_integer() => (0, Values::Whole(column.cast(&DataType::Int64)?.i64()?.clone())),
        other => bail!("the meter `{name}` is of the type {other}: make it a bigint or a decimal"),
    };
    Ok((Meter { name: name.to_owned(), scale }, values))
}

fn sums(values: &[Values], rows: impl Iterator<Item = usize> + Clone) -> Vec<Option<i128>> {
    let sum = |values: &Values| {
        let mut rows = rows.clone();
        match values {
            Values::Whole(values) => {
                rows.try_fold(0_i128, |sum, row| sum.checked_add(values.get(row).unwrap_or_default().into()))
            }
            Values::Decimal(values) => {
                rows.try_fold(0_i128, |sum, row| sum.checked_add(values.physical().get(row).unwrap_or_default()))
            }
        }
    };
    values.iter().map(sum).collect()
}

#[cfg(test)]
mod tests {
    use polars::prelude::{IntoColumn, NamedFrom, NewChunkedArray, ParquetWriter, Series};

    use super::*;

    fn file(rows: &[(&str, i32, &str, &str, Option<i64>)]) -> Vec<u8> {
        let users: Vec<&str> = rows.iter().map(|row| row.0).collect();
        let days = Int32Chunked::from_iter_values(DAY.into(), rows.iter().map(|row| row.1)).into_date();
        let methods: Vec<&str> = rows.iter().map(|row| row.2).collect();
        let paths: Vec<&str> = rows.iter().map(|row| row.3).collect();
        let requests: Vec<Option<i64>> = rows.iter().map(|row| row.4).collect();
        let columns = vec![
            Series::new(USER.into(), users).into_column(),
            days.into_column(),
            Series::new(METHOD.into(), methods).into_column(),
            Series::new(PATH.into(), paths).into_column(),
            Series::new("requests".into(), requests).into_column(),
        ];
        let mut content = Vec::new();
        ParquetWriter::new(&mut content).finish(&mut DataFrame::new_infer_height(columns).unwrap()).unwrap();
        content
    }

    fn groups(files: &[Vec<u8>], by_day: bool, by_path: bool) -> Vec<String> {
        let usage = Usage::read(files, &["requests".to_owned()], Grain { by_day, by_path }).unwrap();
        let mut groups = Vec::new();
        for (user, own) in usage.by_user() {
            for group in own {
                let (method, path) = usage.method_and_path(group);
                let day = usage.day(group).map(|day| day.to_string()).unwrap_or_default();
                groups.push(format!("{user} {day} {method} {path} {}", usage.quantity(group, "requests").unwrap()));
            }
        }
        groups
    }

    #[test]
    fn rows_are_summed_by_what_is_told_apart() {
        let a = file(&[
            ("b", 0, "GET", "/x", Some(1)),
            ("a", 1, "GET", "/x", Some(2)),
            ("a", 0, "GET", "/y", None),
            ("a", 0, "POST", "/x", Some(i64::MAX)),
        ]);
        let b = file(&[("a", 0, "POST", "/x", Some(i64::MAX))]);
        let files = [a, b];
        assert_eq!(groups(&files, false, false), ["a    18446744073709551616", "b    1"]);
        assert_eq!(
            groups(&files, true, false),
            ["a 1970-01-01   18446744073709551614", "a 1970-01-02   2", "b 1970-01-01   1"]
        );
        assert_eq!(
            groups(&files, true, true),
            [
                "a 1970-01-01 GET /y 0",
                "a 1970-01-01 POST /x 18446744073709551614",
                "a 1970-01-02 GET /x 2",
                "b 1970-01-01 GET /x 1"
            ]
        );
        assert!(groups(&[], true, true).is_empty());
    }
}
