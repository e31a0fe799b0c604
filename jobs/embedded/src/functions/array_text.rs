//! Texts made of arrays: `array_join`, and `concat_ws`, which also takes texts one by one.

use super::Family;
use super::arrays::{list_of, span};
use super::cast::print::texts as written;
use super::function::{collect, is_text, text_at, texts, typed};
use super::type_names::trino_name;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, StringViewArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, internal_datafusion_err, internal_err, plan_err};

/// The functions of this family.
pub(super) fn functions() -> Family {
    vec![typed("array_join", join_types, array_join), typed("concat_ws", concat_ws_types, concat_ws)]
}

/// What a function takes, once it is coerced, and what it gives.
type Types = Result<(Vec<DataType>, DataType)>;

fn join_types(args: &[DataType]) -> Types {
    let text = |given: &DataType| is_text(given) || given.is_null();
    match args {
        [list @ DataType::List(item), others @ ..]
            if matches!(others.len(), 1 | 2) && others.iter().all(text) && !item.data_type().is_nested() =>
        {
            let texts = vec![DataType::Utf8View; others.len()];
            Ok(([vec![list.clone()], texts].concat(), DataType::Utf8View))
        }
        _ => {
            let given: Vec<String> = args.iter().map(trino_name).collect();
            plan_err!("array_join takes an array of plain values, and one text or two, not ({})", given.join(", "))
        }
    }
}

/// Joins an array's items, each as `CAST(x AS varchar)` writes it. NULLs are left out, or replaced by the third argument.
fn array_join(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [lists, ..] = args else { return internal_err!("array_join takes an array") };
    let lists = lists.as_list::<i32>();
    let items = written(lists.values())?;
    let separators = texts(args, 1)?;
    let replacements = args.get(2).map(|_| texts(args, 2)).transpose()?;
    collect::<StringViewArray, _>(lists.len(), |row| {
        let Some(separator) = text_at(separators, row).filter(|_| lists.is_valid(row)) else { return Ok(None) };
        let replacement = match replacements.map(|texts| text_at(texts, row)) {
            Some(None) => return Ok(None),
            given => given.flatten(),
        };
        let parts: Vec<&str> =
            span(lists.value_offsets(), row).filter_map(|at| text_at(&items, at).or(replacement)).collect();
        Ok(Some(parts.join(separator)))
    })
}

fn concat_ws_types(args: &[DataType]) -> Types {
    let text = |given: &DataType| is_text(given) || given.is_null();
    let is_list = |given: &DataType| matches!(given, DataType::List(item) if text(item.data_type()));
    match args {
        [separator, list] if text(separator) && is_list(list) => {
            Ok((vec![DataType::Utf8View, list_of(DataType::Utf8View)], DataType::Utf8View))
        }
        [_, _, ..] if args.iter().all(text) => Ok((vec![DataType::Utf8View; args.len()], DataType::Utf8View)),
        _ => {
            let given: Vec<String> = args.iter().map(trino_name).collect();
            plan_err!("concat_ws takes a separator and texts, or one array of texts, not ({})", given.join(", "))
        }
    }
}

/// Joins texts, and passes over NULLs.
fn concat_ws(args: &[ArrayRef]) -> Result<ArrayRef> {
    let separators = texts(args, 0)?;
    let missing = || internal_datafusion_err!("concat_ws takes texts");
    if let Some(lists) = args.get(1).and_then(|list| list.as_list_opt::<i32>()) {
        let items = lists.values().as_string_view_opt().ok_or_else(missing)?;
        return collect::<StringViewArray, _>(lists.len(), |row| {
            let Some(separator) = text_at(separators, row).filter(|_| lists.is_valid(row)) else { return Ok(None) };
            let parts: Vec<&str> = span(lists.value_offsets(), row).filter_map(|at| text_at(items, at)).collect();
            Ok(Some(parts.join(separator)))
        });
    }
    let columns = (1..args.len()).map(|i| texts(args, i)).collect::<Result<Vec<_>>>()?;
    collect::<StringViewArray, _>(separators.len(), |row| {
        let Some(separator) = text_at(separators, row) else { return Ok(None) };
        let parts: Vec<&str> = columns.iter().filter_map(|column| text_at(column, row)).collect();
        Ok(Some(parts.join(separator)))
    })
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::answer;

    #[test]
    fn items_are_written_as_a_cast_writes_them() {
        for (expression, expected) in [
            ("array_join(ARRAY[0.5e0, 1e10, NULL], ';')", "5.0E-1;1.0E10"),
            ("array_join(ARRAY[1, NULL, 3], '-', 'x')", "1-x-3"),
            ("array_join(ARRAY[TIMESTAMP '2023-01-31 06:22:15.000'], ',')", "2023-01-31 06:22:15.000"),
            ("array_join(ARRAY[true, false], ',')", "true,false"),
            ("array_join(ARRAY['a', 'b'], CAST(NULL AS varchar)) IS NULL", "true"),
            ("array_join(ARRAY['a', 'b'], ',', CAST(NULL AS varchar)) IS NULL", "true"),
            ("concat_ws('-', 'a', NULL, 'b')", "a-b"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
    }
}
