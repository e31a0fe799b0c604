//! Functions that read a time with its zone from a text.
//!
//! A zone is part of a column's type here, and part of each value in Trino. So a text that is written in the query keeps its
//! own zone, and in a column all texts must be in UTC. Where only the instant counts, `dialect` calls `…_instant`.

use super::function::{is_text, text_at, texts};
use super::moment::{out_of_range, stored};
use super::zone::offset_name;
use chrono::{NaiveDateTime, TimeDelta};
use datafusion::arrow::array::{Array, ArrayRef, Int64Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::common::{Result, ScalarValue, exec_err, internal_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A time on the clock of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ZonedTime {
    pub(super) local: NaiveDateTime,
    /// Seconds ahead of UTC; `None`: no zone is written, so it is the session's, UTC.
    pub(super) ahead: Option<i32>,
}

impl ZonedTime {
    pub(super) fn utc(&self) -> Option<NaiveDateTime> {
        self.local.checked_sub_signed(TimeDelta::try_seconds(self.ahead.unwrap_or(0).into())?)
    }
}

/// From the texts of a row to its time.
///
/// # Errors
/// The text has none; the message says so in Trino's words.
pub(super) type Read = fn(&[&str]) -> Result<ZonedTime>;

/// A function of so many texts, and what `dialect` makes of it in `try(…)` and where only the instant counts.
pub(super) fn zoned_texts(name: &'static str, count: usize, read: Read) -> Vec<ScalarUDF> {
    let kinds = [(false, false), (false, true), (true, false), (true, true)];
    let function = |(lenient, is_instant): (bool, bool)| {
        let full = format!("{}{name}{}", if lenient { "try_" } else { "" }, if is_instant { "_instant" } else { "" });
        let signature = Signature::user_defined(Volatility::Immutable);
        ScalarUDF::from(ZonedText { full, name, count, read, lenient, is_instant, signature })
    };
    kinds.into_iter().map(function).collect()
}

#[derive(Debug)]
struct ZonedText {
    full: String,
    name: &'static str,
    count: usize,
    read: Read,
    lenient: bool,
    is_instant: bool,
    signature: Signature,
}

// A name stands for one function, so the name decides whether two are the same.
impl PartialEq for ZonedText {
    fn eq(&self, other: &Self) -> bool {
        self.full == other.full
    }
}

impl Eq for ZonedText {}

impl Hash for ZonedText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.full.hash(state);
    }
}

impl ScalarUDFImpl for ZonedText {
    fn name(&self) -> &str {
        &self.full
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        if args.len() != self.count || !args.iter().all(|arg| is_text(arg) || arg.is_null()) {
            return plan_err!("{} takes {} text(s)", self.name, self.count);
        }
        Ok(vec![DataType::Utf8View; self.count])
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        internal_err!("the type of {} follows from its text", self.full)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let literals = args.scalar_arguments.iter().map(|arg| match arg {
            Some(
                ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)) | ScalarValue::LargeUtf8(Some(text)),
            ) => Some(text.as_str()),
            _ => None,
        });
        let written = literals.collect::<Option<Vec<_>>>().filter(|_| !self.is_instant);
        // What cannot be read is told when it runs.
        let ahead = written.and_then(|texts| (self.read)(&texts).ok()).and_then(|time| time.ahead);
        let zone = offset_name(ahead.unwrap_or(0));
        Ok(Arc::new(Field::new(&self.full, DataType::Timestamp(TimeUnit::Millisecond, Some(zone.into())), true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let data_type = args.return_field.data_type().clone();
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let arrays = args.args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let times = self.times(&arrays, &data_type)?;
        Ok(if is_constant {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&times, 0)?)
        } else {
            ColumnarValue::Array(times)
        })
    }
}

impl ZonedText {
    fn times(&self, args: &[ArrayRef], data_type: &DataType) -> Result<ArrayRef> {
        let DataType::Timestamp(_, Some(zone)) = data_type else { return internal_err!("{data_type} has no zone") };
        let columns = (0..args.len()).map(|i| texts(args, i)).collect::<Result<Vec<_>>>()?;
        let rows = args.first().map_or(0, |column| column.len());
        let time = |row: usize| {
            let Some(texts) = columns.iter().map(|column| text_at(column, row)).collect::<Option<Vec<_>>>() else {
                return Ok(None);
            };
            let time = match (self.read)(&texts) {
                Err(_) if self.lenient => return Ok(None),
                time => time?,
            };
            let own = offset_name(time.ahead.unwrap_or(0));
            if !self.is_instant && own != **zone {
                return exec_err!(
                    "the embedded engine keeps one zone a column, UTC, and '{}' is in {own}: write {}(…) AT TIME ZONE 'UTC'",
                    texts.join("', '"),
                    self.name
                );
            }
            time.utc().and_then(|utc| stored(utc, TimeUnit::Millisecond)).map(Some).ok_or_else(out_of_range)
        };
        let times = (0..rows).map(time).collect::<Result<Int64Array>>()?;
        Ok(cast(&times, data_type)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn a_written_time_keeps_its_zone() {
        let time = "from_iso8601_timestamp('2023-01-31T06:22:15+0900')";
        assert_eq!(answer(&format!("SELECT CAST({time} AS varchar)")), "2023-01-31 06:22:15.000 +09:00");
        assert_eq!(answer(&format!("SELECT CAST({time} AS date)")), "2023-01-31");
        assert_eq!(answer(&format!("SELECT date({time} AT TIME ZONE 'UTC')")), "2023-01-30");
    }

    #[test]
    fn times_of_a_column_are_in_utc_or_need_one_zone() {
        let rows = "(VALUES ('2023-01-31T06:22:15Z'), ('2023-01-31T15:22:15+09:00')) AS t(x)";
        let sql = format!("SELECT count(DISTINCT from_iso8601_timestamp(x) AT TIME ZONE 'UTC') FROM {rows}");
        assert_eq!(answer(&sql), "1");
        let sql = format!("SELECT count(DISTINCT to_unixtime(from_iso8601_timestamp(x))) FROM {rows}");
        assert_eq!(answer(&sql), "1");
        let error = answer(&format!("SELECT max(from_iso8601_timestamp(x)) FROM {rows}"));
        assert!(error.contains("'2023-01-31T15:22:15+09:00' is in +09:00: write from_iso8601_timestamp(…)"), "{error}");
        assert_eq!(answer("SELECT try(from_iso8601_timestamp(x)) IS NULL FROM (VALUES ('x')) AS t(x)"), "true");
    }
}
