//! One mechanism for aggregates that need all rows of a group at once: it gathers them, and computes the result at the end.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, ListArray, new_empty_array};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue, not_impl_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// From the types of the arguments to those that the code takes, and the type that it gives.
pub(super) type Types = fn(&[DataType]) -> Result<(Vec<DataType>, DataType)>;

/// The code of an aggregate: the rows of a group, a column an argument, to its value; the type is that of the value.
pub(super) type Finish = fn(&[ArrayRef], &DataType) -> Result<ScalarValue>;

/// An aggregate under its Trino name.
pub(super) fn gathered(name: &'static str, types: Types, finish: Finish) -> AggregateUDF {
    AggregateUDF::from(Gathered { name, types, finish, signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug)]
struct Gathered {
    name: &'static str,
    types: Types,
    finish: Finish,
    signature: Signature,
}

// A name stands for one function, so the name decides whether two are the same.
impl PartialEq for Gathered {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Gathered {}

impl Hash for Gathered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl AggregateUDFImpl for Gathered {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, args: &[DataType]) -> Result<Vec<DataType>> {
        Ok((self.types)(args)?.0)
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok((self.types)(args)?.1)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return not_impl_err!("{}(DISTINCT …): select the distinct rows in a subquery first", self.name);
        }
        let columns = args.expr_fields.iter().map(|field| Column::new(field.data_type().clone())).collect();
        Ok(Box::new(Rows { columns, finish: self.finish, result: args.return_type().clone() }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let state = |(at, field): (usize, &FieldRef)| {
            Arc::new(Field::new(format!("{}[{at}]", args.name), list_of(field.data_type()), true))
        };
        Ok(args.input_fields.iter().enumerate().map(state).collect())
    }
}

pub(super) fn list_of(item: &DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item.clone(), true)))
}

/// The values of one argument, batch by batch.
#[derive(Debug)]
struct Column {
    data_type: DataType,
    batches: Vec<ArrayRef>,
}

impl Column {
    fn new(data_type: DataType) -> Self {
        Self { data_type, batches: Vec::new() }
    }

    fn values(&self) -> Result<ArrayRef> {
        let batches: Vec<&dyn Array> = self.batches.iter().map(AsRef::as_ref).collect();
        if batches.is_empty() { Ok(new_empty_array(&self.data_type)) } else { Ok(concat(&batches)?) }
    }
}

#[derive(Debug)]
struct Rows {
    columns: Vec<Column>,
    finish: Finish,
    result: DataType,
}

impl Accumulator for Rows {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for (column, values) in self.columns.iter_mut().zip(values) {
            column.batches.push(Arc::clone(values));
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let columns = self.columns.iter().map(Column::values).collect::<Result<Vec<_>>>()?;
        (self.finish)(&columns, &self.result)
    }

    fn size(&self) -> usize {
        let batches = self.columns.iter().flat_map(|column| &column.batches);
        size_of_val(self) + batches.map(|batch| batch.get_array_memory_size()).sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let state = |column: &Column| {
            let values = column.values()?;
            let offsets = OffsetBuffer::from_lengths([values.len()]);
            let item = Field::new_list_field(column.data_type.clone(), true);
            Ok(ScalarValue::List(Arc::new(ListArray::try_new(Arc::new(item), offsets, values, None)?)))
        };
        self.columns.iter().map(state).collect()
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for (column, states) in self.columns.iter_mut().zip(states) {
            let lists = states.as_list::<i32>();
            let valid = (0..lists.len()).filter(|row| lists.is_valid(*row));
            column.batches.extend(valid.map(|row| lists.value(row)));
        }
        Ok(())
    }
}
