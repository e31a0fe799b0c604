//! `sum` that fails where it overflows.
//!
//! DataFusion's sums wrap around. What is no integer and no decimal is left to DataFusion.

use super::decimals::fits;
use datafusion::arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, exec_err, internal_err, not_impl_err};
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature,
};
use datafusion::physical_expr::NullState;
use std::sync::Arc;

/// Trino's `sum`.
pub(super) fn sum() -> AggregateUDF {
    AggregateUDF::from(TrinoSum { inner: Sum::new() })
}

/// Whether a sum is exact: one of integers or of decimals.
fn is_exact(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Int64 | DataType::Decimal128(..))
}

/// Wide enough that no sum of distinct values overflows before it is looked at.
fn widest(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Decimal128(_, scale) => DataType::Decimal256(76, *scale),
        _ => DataType::Decimal256(76, 0),
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TrinoSum {
    inner: Sum,
}

impl AggregateUDFImpl for TrinoSum {
    fn name(&self) -> &str {
        "sum"
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    /// A sum of decimals has all 38 digits.
    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        match args.first() {
            Some(DataType::Decimal128(_, scale)) => Ok(DataType::Decimal128(38, *scale)),
            _ => self.inner.return_type(args),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let data_type = args.return_type().clone();
        if !is_exact(&data_type) {
            return self.inner.accumulator(args);
        }
        if !args.is_distinct {
            return Ok(Box::new(SumOf::new(data_type)));
        }
        let wide = Arc::new(Field::new(args.name, widest(&data_type), true));
        let inner = self.inner.accumulator(AccumulatorArgs { return_field: wide, ..args })?;
        Ok(Box::new(DistinctSum { inner, data_type }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        if args.is_distinct && is_exact(args.return_type()) {
            let wide = Arc::new(Field::new(args.name, widest(args.return_type()), true));
            return self.inner.state_fields(StateFieldsArgs { return_field: wide, ..args });
        }
        self.inner.state_fields(args)
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.inner.groups_accumulator_supported(args)
    }

    fn create_groups_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        match args.return_type() {
            DataType::Int64 => Ok(Box::new(SumsOf::<Int64Type>::new(DataType::Int64))),
            decimal @ DataType::Decimal128(..) => Ok(Box::new(SumsOf::<Decimal128Type>::new(decimal.clone()))),
            _ => self.inner.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match args.return_type() {
            data_type if !is_exact(data_type) => self.inner.create_sliding_accumulator(args),
            _ if args.is_distinct => not_impl_err!("sum(DISTINCT …) over a frame that slides"),
            data_type => Ok(Box::new(SumOf::new(data_type.clone()))),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

/// Adds a column up in 128 bits; none where even those overflow.
fn total_of(values: &ArrayRef) -> Result<Option<i128>> {
    Ok(match values.data_type() {
        DataType::Int64 => {
            let values = values.as_primitive::<Int64Type>();
            if values.null_count() == 0 {
                // A batch has far fewer values than would overflow.
                Some(values.values().iter().map(|value| i128::from(*value)).sum())
            } else {
                Some(values.iter().flatten().map(i128::from).sum())
            }
        }
        DataType::Decimal128(..) => {
            values.as_primitive::<Decimal128Type>().iter().flatten().try_fold(0_i128, i128::checked_add)
        }
        other => return internal_err!("a sum of {other}"),
    })
}

/// An exact sum as a value of its type.
fn sum_value(total: i128, data_type: &DataType) -> Result<ScalarValue> {
    match data_type {
        DataType::Decimal128(precision, scale) if fits(total) => {
            Ok(ScalarValue::Decimal128(Some(total), *precision, *scale))
        }
        DataType::Decimal128(..) => exec_err!("Decimal overflow"),
        _ => match i64::try_from(total) {
            Ok(total) => Ok(ScalarValue::Int64(Some(total))),
            Err(_) => exec_err!("bigint addition overflow: the sum is {total}"),
        },
    }
}

/// One exact sum, also over a frame that slides.
#[derive(Debug)]
pub(super) struct SumOf {
    pub(super) total: i128,
    pub(super) rows: i64,
    data_type: DataType,
}

impl SumOf {
    pub(super) fn new(data_type: DataType) -> Self {
        Self { total: 0, rows: 0, data_type }
    }

    fn add(&mut self, values: &[ArrayRef], retract: bool) -> Result<()> {
        let [values] = values else { return internal_err!("sum takes one argument") };
        let rows = i64::try_from(values.len() - values.null_count()).unwrap_or(i64::MAX);
        let total = total_of(values)?
            .and_then(|total| if retract { self.total.checked_sub(total) } else { self.total.checked_add(total) });
        self.total = total.ok_or_else(|| exec_datafusion_err!("Decimal overflow"))?;
        self.rows += if retract { -rows } else { rows };
        Ok(())
    }
}

impl Accumulator for SumOf {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, false)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.rows == 0 { ScalarValue::try_from(&self.data_type) } else { sum_value(self.total, &self.data_type) }
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.add(states, false)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, true)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }
}

/// DataFusion's sum of distinct values, in a type so wide that it cannot wrap around.
#[derive(Debug)]
struct DistinctSum {
    inner: Box<dyn Accumulator>,
    data_type: DataType,
}

impl Accumulator for DistinctSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let wide = widest(&self.data_type);
        let values = values.iter().map(|values| Ok(cast(values, &wide)?)).collect::<Result<Vec<_>>>()?;
        self.inner.update_batch(&values)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.inner.evaluate()? {
            ScalarValue::Decimal256(None, ..) => ScalarValue::try_from(&self.data_type),
            ScalarValue::Decimal256(Some(total), ..) => match total.to_i128() {
                Some(total) => sum_value(total, &self.data_type),
                None => exec_err!("Decimal overflow"),
            },
            other => internal_err!("a sum of distinct values is {other}"),
        }
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.inner.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.inner.state()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.inner.merge_batch(states)
    }
}

/// A type whose sums are exact.
trait Exact: ArrowPrimitiveType + Send {
    /// A sum; none where it overflows.
    fn sum(a: Self::Native, b: Self::Native) -> Option<Self::Native>;

    /// Whether a sum is a value of the type.
    fn is_value(sum: Self::Native) -> bool;

    const OVERFLOW: &'static str;
}

impl Exact for Int64Type {
    fn sum(a: i64, b: i64) -> Option<i64> {
        a.checked_add(b)
    }

    fn is_value(_: i64) -> bool {
        true
    }

    const OVERFLOW: &'static str = "bigint addition overflow in sum: make the sum one of decimal(38,0)";
}

impl Exact for Decimal128Type {
    fn sum(a: i128, b: i128) -> Option<i128> {
        a.checked_add(b)
    }

    fn is_value(sum: i128) -> bool {
        fits(sum)
    }

    const OVERFLOW: &'static str = "Decimal overflow";
}

/// Exact sums, one a group.
#[derive(Debug)]
struct SumsOf<T: Exact> {
    sums: Vec<T::Native>,
    seen: NullState,
    data_type: DataType,
}

impl<T: Exact> SumsOf<T> {
    fn new(data_type: DataType) -> Self {
        Self { sums: Vec::new(), seen: NullState::new(), data_type }
    }
}

impl<T: Exact> GroupsAccumulator for SumsOf<T> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        group_count: usize,
    ) -> Result<()> {
        let [values] = values else { return internal_err!("sum takes one argument") };
        self.sums.resize(group_count, T::default_value());
        let (sums, mut is_exact) = (&mut self.sums, true);
        self.seen.accumulate(groups, values.as_primitive::<T>(), filter, group_count, |group, value| {
            let sum = &mut sums[group];
            match T::sum(*sum, value) {
                Some(more) => *sum = more,
                None => is_exact = false,
            }
        });
        if is_exact { Ok(()) } else { exec_err!("{}", T::OVERFLOW) }
    }

    fn evaluate(&mut self, emit: EmitTo) -> Result<ArrayRef> {
        let sums = emit.take_needed(&mut self.sums);
        if !sums.iter().all(|sum| T::is_value(*sum)) {
            return exec_err!("{}", T::OVERFLOW);
        }
        let sums = PrimitiveArray::<T>::new(sums.into(), self.seen.build(emit));
        Ok(Arc::new(sums.with_data_type(self.data_type.clone())))
    }

    fn state(&mut self, emit: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], group_count: usize) -> Result<()> {
        self.update_batch(states, groups, None, group_count)
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        let [values] = values else { return internal_err!("sum takes one argument") };
        let (_, values, nulls) = values.as_primitive::<T>().clone().into_parts();
        let kept = filter.map(|filter| {
            let (kept, nulls) = filter.clone().into_parts();
            NullBuffer::from(nulls.map_or_else(|| kept.clone(), |nulls| nulls.inner() & &kept))
        });
        let state = PrimitiveArray::<T>::new(values, NullBuffer::union(nulls.as_ref(), kept.as_ref()));
        Ok(vec![Arc::new(state.with_data_type(self.data_type.clone()))])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<T::Native>() + self.seen.size()
    }
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    const MOST: &str = "(VALUES ('a', 9223372036854775807), ('a', 1), ('b', 2), ('b', 2)) AS t(k, x)";

    #[test]
    fn a_sum_that_overflows_is_an_error() {
        assert!(answer(&format!("SELECT sum(x) FROM {MOST}")).starts_with("bigint addition overflow"));
        assert!(
            answer(&format!("SELECT sum(DISTINCT x), count(*) FROM {MOST}")).starts_with("bigint addition overflow")
        );
        assert!(answer(&format!("SELECT k, sum(x) FROM {MOST} GROUP BY k")).starts_with("bigint addition overflow"));
        let over = format!("SELECT sum(x) OVER (ORDER BY k, x ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) FROM {MOST}");
        assert!(answer(&over).starts_with("bigint addition overflow"));
        let sliding =
            "SELECT array_join(array_agg(s), ' ') FROM (SELECT sum(x) OVER (ORDER BY x ROWS BETWEEN 1 PRECEDING
                       AND CURRENT ROW) AS s FROM (VALUES (9223372036854775806), (1), (NULL)) AS t(x))";
        assert_eq!(answer(sliding), "1 9223372036854775807 9223372036854775806");
    }

    #[test]
    fn sums_by_group_are_those_of_their_rows() {
        let of = |aggregate: &str| {
            answer(&format!(
                "SELECT array_join(array_agg(s ORDER BY k), ' ') FROM (SELECT k, {aggregate} AS s FROM (VALUES ('a', 1,
                1.25), ('a', 1, 1.5), ('b', NULL, NULL), ('c', 3, 0.01)) AS t(k, x, y) GROUP BY k)"
            ))
        };
        assert_eq!(of("coalesce(sum(x), -1)"), "2 -1 3");
        assert_eq!(of("coalesce(sum(x) FILTER (WHERE y > 1.3), -1)"), "1 -1 -1");
        assert_eq!(of("coalesce(sum(y), 0)"), "2.75 0.00 0.01");
        assert_eq!(of("coalesce(sum(DISTINCT x), 0)"), "1 0 3");
        assert_eq!(of("coalesce(avg(y), 0)"), "1.38 0.00 0.01");
    }

    #[test]
    fn decimals_are_summed_with_38_digits() {
        assert_eq!(answer("SELECT typeof(sum(1.1))"), "decimal(38,1)");
        let most = "CAST('99999999999999999999999999999999999999' AS decimal(38,0))";
        assert_eq!(answer(&format!("SELECT sum(x) FROM (VALUES ({most}), (1)) AS t(x)")), "Decimal overflow");
        let sum = format!("SELECT sum(x) FROM (VALUES ({most}), (1)) AS t(x) GROUP BY x > 0");
        assert_eq!(answer(&sum), "Decimal overflow");
    }
}
