//! `avg` of decimals in the type of its argument.
//!
//! DataFusion's averages of decimals have four digits more. What is no decimal is left to DataFusion.

use super::decimals::rounded_quotient;
use super::sum::SumOf;
use datafusion::arrow::array::{Array, ArrayRef, UInt64Array};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, internal_err, not_impl_err};
use datafusion::functions_aggregate::average::Avg;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
};
use std::sync::Arc;

/// Trino's `avg`.
pub(super) fn average() -> AggregateUDF {
    AggregateUDF::from(TrinoAvg { inner: Avg::new() })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TrinoAvg {
    inner: Avg,
}

impl AggregateUDFImpl for TrinoAvg {
    fn name(&self) -> &str {
        "avg"
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args.first() {
            Some(decimal @ DataType::Decimal128(..)) => Ok(decimal.clone()),
            _ => self.inner.return_type(args),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let data_type = args.return_type().clone();
        match &data_type {
            DataType::Decimal128(..) if args.is_distinct => {
                not_impl_err!("avg(DISTINCT …) of decimals: divide sum(DISTINCT …) by count(DISTINCT …)")
            }
            DataType::Decimal128(_, scale) => {
                let sum = SumOf::new(DataType::Decimal128(38, *scale));
                Ok(Box::new(AverageOf { sum, data_type }))
            }
            _ => self.inner.accumulator(args),
        }
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        match args.return_type() {
            DataType::Decimal128(_, scale) => Ok(vec![
                Arc::new(Field::new(format!("{}[count]", args.name), DataType::UInt64, true)),
                Arc::new(Field::new(format!("{}[sum]", args.name), DataType::Decimal128(38, *scale), true)),
            ]),
            _ => self.inner.state_fields(args),
        }
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !matches!(args.return_type(), DataType::Decimal128(..)) && self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        self.inner.create_groups_accumulator(args)
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.return_type() {
            DataType::Decimal128(..) => self.accumulator(args),
            _ => self.inner.create_sliding_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

/// The average of decimals, rounded half away from zero to their own scale.
#[derive(Debug)]
struct AverageOf {
    sum: SumOf,
    data_type: DataType,
}

impl Accumulator for AverageOf {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.sum.update_batch(values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let DataType::Decimal128(precision, scale) = self.data_type else {
            return internal_err!("an average of {}", self.data_type);
        };
        // No row, no average.
        let average = rounded_quotient(self.sum.total, self.sum.rows.into());
        Ok(ScalarValue::Decimal128(average, precision, scale))
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::UInt64(u64::try_from(self.sum.rows).ok()), self.sum.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let [counts, sums] = states else { return internal_err!("the state of an average has two columns") };
        let Some(counts) = counts.as_any().downcast_ref::<UInt64Array>() else {
            return internal_err!("the first column of the state of an average is a count");
        };
        let before = self.sum.rows;
        self.sum.merge_batch(std::slice::from_ref(sums))?;
        let rows: u64 = counts.iter().flatten().sum();
        self.sum.rows = before + i64::try_from(rows).unwrap_or(i64::MAX);
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.sum.retract_batch(values)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn an_average_of_decimals_has_their_type_and_is_rounded() {
        assert_eq!(answer("SELECT typeof(avg(1.1))"), "decimal(2,1)");
        let cents = "(VALUES (DECIMAL '0.01'), (DECIMAL '0.02'), (NULL)) AS t(x)";
        assert_eq!(answer(&format!("SELECT avg(x) FROM {cents}")), "0.02");
        assert_eq!(answer(&format!("SELECT avg(-x) FROM {cents}")), "-0.02");
        assert_eq!(answer(&format!("SELECT avg(x) IS NULL FROM {cents} WHERE x > 1")), "true");
        let sliding =
            "SELECT array_join(array_agg(a), ' ') FROM (SELECT avg(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING
                       AND CURRENT ROW) AS a FROM (VALUES (1.0), (2.5), (3.0)) AS t(x))";
        assert_eq!(answer(sliding), "1.0 1.8 2.8");
    }
}
