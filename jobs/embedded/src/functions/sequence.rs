//! `sequence`: numbers, days or times from one to another, up or down.

use super::Family;
use super::calendar::add_months;
use super::function::{ints, typed};
use super::moment::{Moments, out_of_range, per_second};
use super::type_names::trino_name;
use chrono::TimeDelta;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, ListArray};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{DataType, Field, IntervalMonthDayNanoType, IntervalUnit};
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use std::sync::Arc;

/// More items Trino refuses.
const MOST: usize = 10_000;

/// The functions of this family.
pub(super) fn functions() -> Family {
    vec![typed("sequence", types, sequence)]
}

fn types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    let taken = match args {
        [from, to, step @ ..] if step.len() < 2 && [from, to].into_iter().chain(step).all(is_number) => {
            vec![DataType::Int64; args.len()]
        }
        [DataType::Date32, DataType::Date32] => args.to_vec(),
        [from @ (DataType::Date32 | DataType::Timestamp(..)), to, DataType::Interval(_)] if from == to => {
            vec![from.clone(), to.clone(), interval]
        }
        [DataType::Timestamp(from, zone), DataType::Timestamp(to, other), DataType::Interval(_)] if zone == other => {
            // The finer of the two: a literal has as many digits as are written.
            let unit = if per_second(*from) > per_second(*to) { *from } else { *to };
            let moment = DataType::Timestamp(unit, zone.clone());
            vec![moment.clone(), moment, interval]
        }
        _ => {
            let given: Vec<String> = args.iter().map(trino_name).collect();
            return plan_err!(
                "sequence takes two integers and a step, or two dates or timestamps of one type and an interval, not ({})",
                given.join(", ")
            );
        }
    };
    let item = taken.first().cloned().unwrap_or(DataType::Null);
    Ok((taken, DataType::List(Arc::new(Field::new_list_field(item, true)))))
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_null()
}

fn sequence(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [from, to, ..] = args else { return internal_err!("sequence takes two or three arguments") };
    let rows = from.len();
    let mut items = Items { values: Vec::new(), lengths: Vec::with_capacity(rows), valid: Vec::with_capacity(rows) };
    let is_null = |row: usize| args.iter().any(|arg| arg.is_null(row));
    if from.data_type() == &DataType::Int64 {
        let (from, to) = (ints(args, 0)?, ints(args, 1)?);
        let steps = args.get(2).map(|_| ints(args, 2)).transpose()?;
        for row in 0..rows {
            if is_null(row) {
                items.append_null();
                continue;
            }
            let (from, to) = (from.value(row), to.value(row));
            let step = steps.map_or(if to < from { -1 } else { 1 }, |steps| steps.value(row));
            items.append(to, step.signum(), |n| {
                Ok(i64::try_from(n).ok().and_then(|n| from.checked_add(n.checked_mul(step)?)))
            })?;
        }
        return items.lists(&DataType::Int64, |values| Ok(Arc::new(Int64Array::from(values))));
    }
    let (moments, ends) = (Moments::new(from)?, Moments::new(to)?);
    let steps = args.get(2).map(|steps| steps.as_primitive::<IntervalMonthDayNanoType>());
    for row in 0..rows {
        let (Some(from), Some(to), false) = (moments.utc(row)?, ends.utc(row)?, is_null(row)) else {
            items.append_null();
            continue;
        };
        let (start, end) = (moments.stored(from)?, moments.stored(to)?);
        let (months, millis) = match steps {
            None => (0, if end < start { -DAY } else { DAY }),
            Some(steps) => {
                let step = steps.value(row);
                (i64::from(step.months), i64::from(step.days) * DAY + step.nanoseconds / 1_000_000)
            }
        };
        if moments.is_date() && millis % DAY != 0 {
            return exec_err!("sequence step must be a day interval if start and end values are dates");
        }
        let local = moments.local(row)?.unwrap_or(from);
        items.append(end, months.signum() + millis.signum(), |n| {
            let n = i64::try_from(n).unwrap_or(i64::MAX);
            let later = if months != 0 {
                add_months(local, n, months).map(|local| moments.instant(local))
            } else {
                n.checked_mul(millis).and_then(TimeDelta::try_milliseconds).and_then(|n| from.checked_add_signed(n))
            };
            later.map(|later| moments.stored(later)).transpose()
        })?;
    }
    items.lists(from.data_type(), |values| moments.like_stored(values.into_iter().map(Some).collect()))
}

const DAY: i64 = 86_400_000;

/// The items of all rows' arrays.
struct Items {
    values: Vec<i64>,
    lengths: Vec<usize>,
    valid: Vec<bool>,
}

impl Items {
    fn append_null(&mut self) {
        self.lengths.push(0);
        self.valid.push(false);
    }

    /// Appends the array of the items up to an end. An item that does not exist is beyond it.
    fn append(&mut self, end: i64, direction: i64, item: impl Fn(usize) -> Result<Option<i64>>) -> Result<()> {
        let is_within = |value: i64| if direction > 0 { value <= end } else { value >= end };
        let Some(first) = item(0)? else { return Err(out_of_range()) };
        if direction == 0 {
            return exec_err!("step must not be zero");
        }
        if !is_within(first) {
            return exec_err!(
                "sequence stop value should be greater than or equal to start value if step is greater than zero \
                 otherwise stop should be less than or equal to start"
            );
        }
        let before = self.values.len();
        let mut next = Some(first);
        while let Some(value) = next.filter(|value| is_within(*value)) {
            if self.values.len() - before == MOST {
                return exec_err!("result of sequence function must not have more than 10000 entries");
            }
            self.values.push(value);
            next = item(self.values.len() - before)?;
        }
        self.lengths.push(self.values.len() - before);
        self.valid.push(true);
        Ok(())
    }

    fn lists(self, item: &DataType, values: impl FnOnce(Vec<i64>) -> Result<ArrayRef>) -> Result<ArrayRef> {
        let field = Arc::new(Field::new_list_field(item.clone(), true));
        let (offsets, nulls) = (OffsetBuffer::from_lengths(self.lengths), NullBuffer::from(self.valid));
        Ok(Arc::new(ListArray::try_new(field, offsets, values(self.values)?, Some(nulls))?))
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn a_sequence_goes_up_or_down() {
        for (sequence, expected) in [
            ("sequence(1, 3)", "[1, 2, 3]"),
            ("sequence(5, 1)", "[5, 4, 3, 2, 1]"),
            ("sequence(1, 10, 4)", "[1, 5, 9]"),
            ("sequence(DATE '2023-01-30', DATE '2023-02-01')", "[2023-01-30, 2023-01-31, 2023-02-01]"),
            (
                "sequence(DATE '2023-01-31', DATE '2023-05-31', INTERVAL '1' MONTH)",
                "[2023-01-31, 2023-02-28, 2023-03-31, 2023-04-30, 2023-05-31]",
            ),
            (
                "sequence(TIMESTAMP '2023-01-31 23:00:00', TIMESTAMP '2023-01-31 22:00:00', INTERVAL '-30' MINUTE)",
                "[2023-01-31T23:00:00, 2023-01-31T22:30:00, 2023-01-31T22:00:00]",
            ),
            ("sequence(1, 10001)", "result of sequence function must not have more than 10000 entries"),
            ("sequence(1, 2, 0)", "step must not be zero"),
        ] {
            assert_eq!(answer(&format!("SELECT {sequence}")), expected, "{sequence}");
        }
        assert!(answer("SELECT sequence(5, 1, 1)").starts_with("sequence stop value should be greater than"));
    }
}
