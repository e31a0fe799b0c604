//! One mechanism for all functions written here: what it is called, what it takes, what it gives, and how a batch runs.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array, StringViewArray, new_empty_array};
use datafusion::arrow::datatypes::{DataType, Field, Int64Type, TimeUnit};
use datafusion::common::{Result, ScalarValue, internal_datafusion_err, plan_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What a function accepts as an argument, and so the form in which its code receives the argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// Text, received as a [`StringViewArray`].
    Text,
    /// An integer, received as an [`Int64Array`].
    Int,
    /// Bytes, received as a [`BinaryArray`].
    Binary,
    /// Text or bytes, received as a [`StringViewArray`] or a [`BinaryArray`].
    Sized,
    /// A date or a timestamp, received as it is.
    Moment,
    /// A number, received as `Int64`, `Float64` or `Decimal128`.
    Number,
    /// Anything, received as it is.
    Any,
    /// Anything, of which only the type is asked: received as an array without rows.
    Type,
}

/// The type of a function's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gives {
    Text,
    Texts,
    Bool,
    Int,
    /// Trino's `integer`.
    Integer,
    Double,
    Binary,
    Date,
    /// `timestamp(3)`, the precision that Trino's functions give.
    Timestamp,
    /// `timestamp(3) with time zone`, in UTC.
    Instant,
    /// `timestamp(9) with time zone`, in UTC.
    NanoInstant,
    /// The type of the argument with this number, counted from zero.
    Argument(usize),
    /// Arrays of the type of the only argument.
    ListOfArgument,
}

/// The code of a function: its arguments, all of the same length but those of [`Takes::Type`], to its result.
pub(super) type Run = fn(&[ArrayRef]) -> Result<ArrayRef>;

/// A function under its Trino name.
#[derive(Debug)]
pub(super) struct Function {
    name: &'static str,
    takes: &'static [Takes],
    required: usize,
    gives: Gives,
    run: Run,
    signature: Signature,
}

/// A function all of whose arguments are required.
pub(super) fn function(name: &'static str, takes: &'static [Takes], gives: Gives, run: Run) -> ScalarUDF {
    with_optional(name, takes, takes.len(), gives, run)
}

/// A function whose arguments after the first `required` may be left out.
pub(super) fn with_optional(
    name: &'static str,
    takes: &'static [Takes],
    required: usize,
    gives: Gives,
    run: Run,
) -> ScalarUDF {
    let signature = Signature::user_defined(Volatility::Immutable);
    ScalarUDF::from(Function { name, takes, required, gives, run, signature })
}

/// A function whose types depend on those of its arguments.
#[derive(Debug)]
struct Typed {
    name: &'static str,
    types: Types,
    run: Run,
    signature: Signature,
}

/// From the types of the arguments to those that the code takes, and the type that it gives.
pub(super) type Types = fn(&[DataType]) -> Result<(Vec<DataType>, DataType)>;

/// A function that says itself what it takes and gives.
pub(super) fn typed(name: &'static str, types: Types, run: Run) -> ScalarUDF {
    ScalarUDF::from(Typed { name, types, run, signature: Signature::user_defined(Volatility::Immutable) })
}

/// As [`typed`], but never computed before the query runs.
pub(super) fn kept(name: &'static str, types: Types, run: Run) -> ScalarUDF {
    ScalarUDF::from(Typed { name, types, run, signature: Signature::user_defined(Volatility::Volatile) })
}

impl PartialEq for Typed {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Typed {}

impl Hash for Typed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Typed {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        Ok((self.types)(given)?.0)
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok((self.types)(args)?.1)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        invoke(&args, self.run, |_| false)
    }
}

/// Runs a function's code on arrays of one length; those of which only the type is asked have no rows.
fn invoke(args: &ScalarFunctionArgs, run: Run, is_type: impl Fn(usize) -> bool) -> Result<ColumnarValue> {
    // Constants alone are computed once, not once a row.
    let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
    let rows = if constant { 1 } else { args.number_rows };
    let array = |(i, arg): (usize, &ColumnarValue)| {
        if is_type(i) { Ok(new_empty_array(&arg.data_type())) } else { arg.to_array(rows) }
    };
    let result = run(&args.args.iter().enumerate().map(array).collect::<Result<Vec<_>>>()?)?;
    Ok(if constant {
        ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)
    } else {
        ColumnarValue::Array(result)
    })
}

// A name stands for one function, so the name decides whether two are the same.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if given.len() < self.required || given.len() > self.takes.len() {
            let count = if self.required == self.takes.len() {
                self.required.to_string()
            } else {
                format!("{} to {}", self.required, self.takes.len())
            };
            return plan_err!("{} takes {count} argument(s), not {}", self.name, given.len());
        }
        given.iter().zip(self.takes).enumerate().map(|(i, (given, takes))| self.coerce(i, given, *takes)).collect()
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(match self.gives {
            Gives::Text => DataType::Utf8View,
            Gives::Texts => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8View, true))),
            Gives::Bool => DataType::Boolean,
            Gives::Int => DataType::Int64,
            Gives::Integer => DataType::Int32,
            Gives::Double => DataType::Float64,
            Gives::Binary => DataType::Binary,
            Gives::Date => DataType::Date32,
            Gives::Timestamp => DataType::Timestamp(TimeUnit::Millisecond, None),
            Gives::Instant => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
            Gives::NanoInstant => DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into())),
            Gives::Argument(i) => args.get(i).cloned().unwrap_or(DataType::Null),
            Gives::ListOfArgument => {
                let item = args.first().cloned().unwrap_or(DataType::Null);
                DataType::List(Arc::new(Field::new_list_field(item, true)))
            }
        })
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        invoke(&args, self.run, |i| self.takes.get(i) == Some(&Takes::Type))
    }
}

impl Function {
    fn coerce(&self, position: usize, given: &DataType, takes: Takes) -> Result<DataType> {
        let null = given.is_null();
        Ok(match takes {
            Takes::Any | Takes::Type => given.clone(),
            Takes::Text if null || is_text(given) => DataType::Utf8View,
            Takes::Int if null || given.is_integer() => DataType::Int64,
            Takes::Binary if null || is_binary(given) => DataType::Binary,
            Takes::Sized if null || is_text(given) => DataType::Utf8View,
            Takes::Sized if is_binary(given) => DataType::Binary,
            Takes::Moment if null => DataType::Timestamp(TimeUnit::Millisecond, None),
            Takes::Moment if matches!(given, DataType::Timestamp(..) | DataType::Date32) => given.clone(),
            Takes::Number if null || given.is_integer() => DataType::Int64,
            Takes::Number if given.is_floating() => DataType::Float64,
            Takes::Number if matches!(given, DataType::Decimal128(..)) => given.clone(),
            _ => {
                let wanted = match takes {
                    Takes::Text => "text",
                    Takes::Int => "an integer",
                    Takes::Binary => "varbinary (to_utf8 makes it of text)",
                    Takes::Sized => "text or varbinary",
                    Takes::Moment => "a date or timestamp",
                    Takes::Number => "a number",
                    Takes::Any | Takes::Type => "a value",
                };
                let given = super::type_names::trino_name(given);
                return plan_err!("{} takes {wanted} as argument {}, not {given}", self.name, position + 1);
            }
        })
    }
}

pub(super) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, value) => is_text(value),
        _ => false,
    }
}

fn is_binary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_))
}

/// Argument `i` of a call that declares it as text.
pub(super) fn texts(args: &[ArrayRef], i: usize) -> Result<&StringViewArray> {
    args.get(i)
        .and_then(|array| array.as_string_view_opt())
        .ok_or_else(|| internal_datafusion_err!("argument {i} is not text"))
}

/// Argument `i` of a call that declares it as an integer.
pub(super) fn ints(args: &[ArrayRef], i: usize) -> Result<&Int64Array> {
    args.get(i)
        .and_then(|array| array.as_primitive_opt::<Int64Type>())
        .ok_or_else(|| internal_datafusion_err!("argument {i} is not an integer"))
}

/// Argument `i` of a call that declares it as bytes.
pub(super) fn binaries(args: &[ArrayRef], i: usize) -> Result<&BinaryArray> {
    args.get(i)
        .and_then(|array| array.as_binary_opt::<i32>())
        .ok_or_else(|| internal_datafusion_err!("argument {i} is not varbinary"))
}

/// Whether a value is NULL. Arrow does not count NULLs without a type.
pub(super) fn is_null(array: &dyn Array, at: usize) -> bool {
    array.data_type().is_null() || array.is_null(at)
}

pub(super) fn text_at(array: &StringViewArray, row: usize) -> Option<&str> {
    array.is_valid(row).then(|| array.value(row))
}

pub(super) fn int_at(array: &Int64Array, row: usize) -> Option<i64> {
    array.is_valid(row).then(|| array.value(row))
}

/// A result with one optional value a row.
pub(super) fn collect<A, T>(rows: usize, value: impl FnMut(usize) -> Result<Option<T>>) -> Result<ArrayRef>
where
    A: Array + FromIterator<Option<T>> + 'static,
{
    Ok(Arc::new((0..rows).map(value).collect::<Result<A>>()?))
}

/// Keeps what was made of the last text, because an argument such as a unit or a path is mostly the same in every row.
pub(super) struct Memo<V>(Option<(String, V)>);

impl<V> Memo<V> {
    pub(super) fn new() -> Self {
        Self(None)
    }

    pub(super) fn get(&mut self, text: &str, make: impl FnOnce(&str) -> Result<V>) -> Result<&V> {
        let known = self.0.take().filter(|(last, _)| last == text);
        let entry = match known {
            Some(entry) => entry,
            None => (text.to_owned(), make(text)?),
        };
        Ok(&self.0.insert(entry).1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::answer;

    #[test]
    fn a_wrong_argument_is_named() {
        let expected = "for function split_part. Expected: split_part(varchar(x), varchar(y), bigint)";
        let error = answer("SELECT split_part(1, ',', 1)");
        assert_eq!(
            error,
            format!("line 1:8: Unexpected parameters (integer, varchar(1), integer) {expected}: write '1'")
        );
        assert_eq!(
            answer("SELECT split_part('a')"),
            format!("line 1:8: Unexpected parameters (varchar(1)) {expected}")
        );
    }

    #[test]
    fn a_memo_makes_a_value_once_for_equal_texts() {
        let mut made = 0;
        let mut memo = Memo::new();
        for text in ["a", "a", "b", "b"] {
            memo.get(text, |text| {
                made += 1;
                Ok(text.to_owned())
            })
            .unwrap();
        }
        assert_eq!(made, 2);
    }
}
