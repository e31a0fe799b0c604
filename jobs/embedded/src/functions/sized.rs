//! `length` and `substr`, which Trino has for texts and for bytes. A part of a text is a view into it: nothing is copied.

use super::Family;
use super::function::{Gives, Takes, function, int_at, ints, with_optional};
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryBuilder, ByteView, GenericByteViewArray, Int64Array, PrimitiveArray, make_view,
};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::{ByteViewType, DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use std::sync::Arc;

/// The functions of this family.
pub(super) fn functions() -> Family {
    use Takes::{Binary, Int, Sized};
    vec![
        function("length", &[Sized], Gives::Int, length),
        with_optional("substr", &[Sized, Int, Int], 2, Gives::Argument(0), substr),
        function("from_big_endian_64", &[Binary], Gives::Int, from_big_endian_64),
    ]
}

fn length(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [value] = args else { return exec_err!("length takes one argument") };
    let lengths: Int64Array = match value.data_type() {
        DataType::Binary => value.as_binary::<i32>().iter().map(|bytes| Some(bytes?.len() as i64)).collect(),
        _ => value.as_string_view().iter().map(|text| Some(characters(text?) as i64)).collect(),
    };
    Ok(Arc::new(lengths))
}

fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

/// Characters or bytes from a position counted from one, or from the end where it is negative.
fn substr(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [value, ..] = args else { return exec_err!("substr takes two or three arguments") };
    let start = ints(args, 1)?;
    let length = args.get(2).map(|_| ints(args, 2)).transpose()?;
    let part = |row: usize| Some((int_at(start, row)?, length.map_or(Some(i64::MAX), |length| int_at(length, row))?));
    match value.data_type() {
        DataType::Binary => {
            let values = value.as_binary::<i32>();
            let mut parts = BinaryBuilder::with_capacity(values.len(), values.value_data().len());
            for (row, bytes) in values.iter().enumerate() {
                parts.append_option(
                    bytes.zip(part(row)).map(|(bytes, (start, length))| slice_bytes(bytes, start, length)),
                );
            }
            Ok(Arc::new(parts.finish()))
        }
        _ => {
            // The text of the row before and its part. Neighbours may be views of one text, as the paths of an object's rows are.
            let mut last = ("", (1, i64::MAX), "");
            slices(value.as_string_view(), |row, text| {
                let Some(bounds) = part(row) else { return Ok(None) };
                if !std::ptr::eq(last.0, text) || last.1 != bounds {
                    last = (text, bounds, slice(text, bounds.0, bounds.1));
                }
                Ok(Some(last.2))
            })
        }
    }
}

/// For each value a part of it, or none. NULL stays NULL.
pub(super) fn slices<'a, T: ByteViewType>(
    values: &'a GenericByteViewArray<T>,
    mut part: impl FnMut(usize, &'a T::Native) -> Result<Option<&'a T::Native>>,
) -> Result<ArrayRef> {
    let mut views = Vec::with_capacity(values.len());
    let mut valid = Vec::with_capacity(values.len());
    let mut is_changed = false;
    for row in 0..values.len() {
        let view = values.views()[row];
        let found = if values.is_null(row) {
            None
        } else {
            let value: &'a T::Native = values.value(row);
            part(row, value)?.map(|part| {
                let (whole, part): (&[u8], &[u8]) = (value.as_ref(), part.as_ref());
                view_of_part(view, whole, part)
            })
        };
        is_changed |= if values.is_null(row) { found.is_some() } else { found != Some(view) };
        valid.push(found.is_some());
        views.push(found.unwrap_or(0));
    }
    if !is_changed {
        return Ok(Arc::new(values.clone()));
    }
    let nulls = NullBuffer::from(valid);
    let nulls = (nulls.null_count() > 0).then_some(nulls);
    let array = GenericByteViewArray::<T>::try_new(views.into(), values.data_buffers().to_vec(), nulls)?;
    Ok(Arc::new(array))
}

/// The view of a part of a value, into the same buffer.
pub(super) fn view_of_part(view: u128, whole: &[u8], part: &[u8]) -> u128 {
    if part.len() == whole.len() {
        return view;
    }
    let view = ByteView::from(view);
    // A part lies within its value.
    let from = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
    make_view(part, view.buffer_index, view.offset.wrapping_add(u32::try_from(from).unwrap_or(0)))
}

fn slice(text: &str, start: i64, length: i64) -> &str {
    // The usual case, cut off at a length that no text of the table has, needs no count of characters.
    if start == 1 && usize::try_from(length).is_ok_and(|length| length >= text.len()) {
        return text;
    }
    if text.is_ascii() {
        let bytes = slice_bytes(text.as_bytes(), start, length);
        return std::str::from_utf8(bytes).unwrap_or_default();
    }
    let skip = match start {
        0 => return "",
        1.. => start - 1,
        _ => i64::try_from(text.chars().count()).unwrap_or(i64::MAX).saturating_add(start),
    };
    let (Ok(skip), Ok(length)) = (usize::try_from(skip), usize::try_from(length)) else { return "" };
    let mut bounds = text.char_indices().map(|(at, _)| at).chain([text.len()]).skip(skip);
    let Some(from) = bounds.next() else { return "" };
    match length.checked_sub(1) {
        None => "",
        Some(more) => &text[from..bounds.nth(more).unwrap_or(text.len())],
    }
}

fn slice_bytes(bytes: &[u8], start: i64, length: i64) -> &[u8] {
    let size = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
    let skip = match start {
        0 => return &[],
        1.. => start - 1,
        _ => size.saturating_add(start),
    };
    if skip < 0 || skip > size || length <= 0 {
        return &[];
    }
    let end = skip.saturating_add(length).min(size);
    usize::try_from(skip)
        .ok()
        .zip(usize::try_from(end).ok())
        .and_then(|(skip, end)| bytes.get(skip..end))
        .unwrap_or(&[])
}

/// Eight bytes as a number, the highest first.
fn from_big_endian_64(args: &[ArrayRef]) -> Result<ArrayRef> {
    let bytes = super::function::binaries(args, 0)?;
    let numbers = bytes.iter().map(|bytes| {
        bytes
            .map(|bytes| match <[u8; 8]>::try_from(bytes) {
                Ok(bytes) => Ok(i64::from_be_bytes(bytes)),
                Err(_) => exec_err!("expected 8-byte input, but got instead: {}", bytes.len()),
            })
            .transpose()
    });
    Ok(Arc::new(numbers.collect::<Result<PrimitiveArray<Int64Type>>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::answer;

    #[test]
    fn substr_counts_code_points_from_either_end() {
        assert_eq!(slice("quadratically", 5, 6), "ratica");
        assert_eq!(slice("요청 기록", 4, i64::MAX), "기록");
        assert_eq!(slice("요청 기록", -2, 1), "기");
        assert_eq!(slice("abc", -4, 2), "");
        assert_eq!(slice("abc", 0, 2), "");
        assert_eq!(slice("abc", 4, 2), "");
        assert_eq!(slice("abc", 3, 100), "c");
        assert_eq!(slice("abc", 1, 0), "");
        assert_eq!(slice("abc", 1, -1), "");
    }

    #[test]
    fn bytes_have_a_length_and_parts() {
        assert_eq!(answer("SELECT length(to_utf8('요청')) + length('요청')"), "8");
        assert_eq!(answer("SELECT to_hex(substr(X'0102030405', 2, 3))"), "020304");
        assert_eq!(answer("SELECT to_hex(substr(X'0102030405', -2))"), "0405");
        assert_eq!(answer("SELECT length(substr(sha256(to_utf8('a')), 1, 16))"), "16");
        assert_eq!(answer("SELECT from_big_endian_64(X'8000000000000001')"), "-9223372036854775807");
    }
}
