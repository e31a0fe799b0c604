//! Functions of whole numbers by their digits, of buckets, and of checksums.

use super::Family;
use super::function::{Gives, Takes, binaries, collect, function, int_at, ints, text_at, texts, typed};
use super::type_names::trino_name;
use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float64Array, Int64Array, StringViewArray,
};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{Result, exec_err, internal_err, plan_err};
use ring::hmac;
use std::sync::Arc;

/// The functions of this family.
pub(super) fn functions() -> Family {
    use Takes::{Binary, Int, Number, Text};
    vec![
        function("bitwise_and", &[Int, Int], Gives::Int, |args| of_two(args, |a, b| a & b)),
        function("bitwise_or", &[Int, Int], Gives::Int, |args| of_two(args, |a, b| a | b)),
        function("bitwise_xor", &[Int, Int], Gives::Int, |args| of_two(args, |a, b| a ^ b)),
        function("bitwise_not", &[Int], Gives::Int, |args| {
            Ok(Arc::new(ints(args, 0)?.iter().map(|value| value.map(|value| !value)).collect::<Int64Array>()))
        }),
        function("bit_count", &[Int, Int], Gives::Int, bit_count),
        typed("bitwise_left_shift", shift_types, |args| shifted(args, left)),
        typed("bitwise_right_shift", shift_types, |args| shifted(args, right)),
        typed("bitwise_right_shift_arithmetic", shift_types, |args| shifted(args, arithmetic)),
        function("to_base", &[Int, Int], Gives::Text, to_base),
        function("from_base", &[Text, Int], Gives::Int, from_base),
        typed("width_bucket", bucket_types, width_bucket),
        function("is_finite", &[Number], Gives::Bool, |args| tested(args, f64::is_finite)),
        function("is_infinite", &[Number], Gives::Bool, |args| tested(args, f64::is_infinite)),
        function("is_nan", &[Number], Gives::Bool, |args| tested(args, f64::is_nan)),
        function("nan", &[], Gives::Double, |_| Ok(Arc::new(Float64Array::from(vec![f64::NAN])))),
        function("infinity", &[], Gives::Double, |_| Ok(Arc::new(Float64Array::from(vec![f64::INFINITY])))),
        function("e", &[], Gives::Double, |_| Ok(Arc::new(Float64Array::from(vec![std::f64::consts::E])))),
        function("crc32", &[Binary], Gives::Int, |args| {
            let bytes = binaries(args, 0)?;
            collect::<Int64Array, _>(bytes.len(), |row| Ok(bytes.is_valid(row).then(|| crc32(bytes.value(row)))))
        }),
        function("to_big_endian_64", &[Int], Gives::Binary, |args| {
            let values = ints(args, 0)?;
            collect::<BinaryArray, _>(values.len(), |row| Ok(int_at(values, row).map(|value| value.to_be_bytes())))
        }),
        function("hmac_sha1", &[Binary, Binary], Gives::Binary, |args| {
            signed(args, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY)
        }),
        function("hmac_sha256", &[Binary, Binary], Gives::Binary, |args| signed(args, hmac::HMAC_SHA256)),
        function("hmac_sha512", &[Binary, Binary], Gives::Binary, |args| signed(args, hmac::HMAC_SHA512)),
    ]
}

fn of_two(args: &[ArrayRef], of: fn(i64, i64) -> i64) -> Result<ArrayRef> {
    let (a, b) = (ints(args, 0)?, ints(args, 1)?);
    collect::<Int64Array, _>(a.len(), |row| Ok(int_at(a, row).zip(int_at(b, row)).map(|(a, b)| of(a, b))))
}

/// How many bits are set, of a number of so many bits.
fn bit_count(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, bits) = (ints(args, 0)?, ints(args, 1)?);
    collect::<Int64Array, _>(values.len(), |row| {
        let (Some(value), Some(bits)) = (int_at(values, row), int_at(bits, row)) else { return Ok(None) };
        if !(2..=64).contains(&bits) {
            return exec_err!("Bits specified in bit_count must be between 2 and 64, got {bits}");
        }
        let most = i64::MAX >> (64 - bits);
        if !(-most - 1..=most).contains(&value) {
            return exec_err!(
                "Number must be representable with the bits specified. {value} can not be represented with {bits} bits"
            );
        }
        let mask = u64::MAX >> (64 - bits);
        Ok(Some(i64::from((value as u64 & mask).count_ones())))
    })
}

/// A number keeps its type, and so its number of bits.
fn shift_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    match args {
        [value, by] if value.is_integer() && (by.is_integer() || by.is_null()) => {
            Ok((vec![value.clone(), DataType::Int64], value.clone()))
        }
        _ => plan_err!("a shift takes an integer, and by how many bits"),
    }
}

fn shifted(args: &[ArrayRef], by: fn(i64, u32, u32) -> i64) -> Result<ArrayRef> {
    let [value, _] = args else { return internal_err!("a shift takes two arguments") };
    let bits = match value.data_type() {
        DataType::Int8 => 8,
        DataType::Int16 => 16,
        DataType::Int32 => 32,
        _ => 64,
    };
    let wide = [cast(value, &DataType::Int64)?];
    let (values, shifts) = (ints(&wide, 0)?, ints(args, 1)?);
    let shifted = collect::<Int64Array, _>(values.len(), |row| {
        let (Some(value), Some(shift)) = (int_at(values, row), int_at(shifts, row)) else { return Ok(None) };
        let Ok(shift) = u32::try_from(shift) else { return exec_err!("the embedded engine does not shift by {shift}") };
        Ok(Some(by(value, shift, bits)))
    })?;
    Ok(cast(&shifted, value.data_type())?)
}

/// The lowest bits of a number as a number of so many bits.
fn narrow(value: i64, bits: u32) -> i64 {
    value << (64 - bits) >> (64 - bits)
}

fn left(value: i64, shift: u32, bits: u32) -> i64 {
    if shift >= bits { 0 } else { narrow(value << shift, bits) }
}

fn right(value: i64, shift: u32, bits: u32) -> i64 {
    match shift {
        0 => value,
        shift if shift >= bits => 0,
        shift => narrow(((value as u64 & (u64::MAX >> (64 - bits))) >> shift) as i64, bits),
    }
}

fn arithmetic(value: i64, shift: u32, bits: u32) -> i64 {
    value >> shift.min(bits - 1)
}

fn radix(radix: i64) -> Result<u32> {
    match u32::try_from(radix) {
        Ok(radix @ 2..=36) => Ok(radix),
        _ => exec_err!("Radix must be between 2 and 36"),
    }
}

fn to_base(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, bases) = (ints(args, 0)?, ints(args, 1)?);
    collect::<StringViewArray, _>(values.len(), |row| {
        let (Some(value), Some(base)) = (int_at(values, row), int_at(bases, row)) else { return Ok(None) };
        let base = radix(base)?;
        let (mut rest, mut digits) = (value.unsigned_abs(), Vec::new());
        loop {
            digits.extend(char::from_digit((rest % u64::from(base)) as u32, base));
            rest /= u64::from(base);
            if rest == 0 {
                break;
            }
        }
        digits.extend((value < 0).then_some('-'));
        Ok(Some(digits.into_iter().rev().collect::<String>()))
    })
}

fn from_base(args: &[ArrayRef]) -> Result<ArrayRef> {
    let (values, bases) = (texts(args, 0)?, ints(args, 1)?);
    collect::<Int64Array, _>(values.len(), |row| {
        let (Some(text), Some(base)) = (text_at(values, row), int_at(bases, row)) else { return Ok(None) };
        match i64::from_str_radix(text, radix(base)?) {
            Ok(value) => Ok(Some(value)),
            Err(_) => exec_err!("Not a valid base-{base} number: {text}"),
        }
    })
}

fn bucket_types(args: &[DataType]) -> Result<(Vec<DataType>, DataType)> {
    let is_number = |arg: &DataType| arg.is_numeric() || arg.is_null();
    match args {
        [x, low, high, count]
            if [x, low, high].into_iter().all(is_number) && (count.is_integer() || count.is_null()) =>
        {
            let double = DataType::Float64;
            Ok((vec![double.clone(), double.clone(), double, DataType::Int64], DataType::Int64))
        }
        [x, DataType::List(_)] if is_number(x) => {
            Ok((vec![DataType::Float64, super::gathered::list_of(&DataType::Float64)], DataType::Int64))
        }
        _ => {
            let given: Vec<String> = args.iter().map(trino_name).collect();
            plan_err!(
                "width_bucket takes a number, two bounds and a count, or a number and an array, not ({})",
                given.join(", ")
            )
        }
    }
}

fn width_bucket(args: &[ArrayRef]) -> Result<ArrayRef> {
    let double = |at: usize| args[at].as_primitive::<Float64Type>();
    let x = double(0);
    if let Some(lists) = args[1].as_list_opt::<i32>() {
        return collect::<Int64Array, _>(x.len(), |row| {
            if x.is_null(row) || lists.is_null(row) {
                return Ok(None);
            }
            let bins = lists.value(row);
            let bins = bins.as_primitive::<Float64Type>();
            if bins.is_empty() {
                return exec_err!("Bins cannot be an empty array");
            }
            if bins.null_count() > 0 || bins.values().iter().any(|bin| !bin.is_finite()) || x.value(row).is_nan() {
                return exec_err!("Bin values must be finite");
            }
            if !bins.values().is_sorted() {
                return exec_err!("Bin values are not sorted in ascending order");
            }
            Ok(Some(bins.values().partition_point(|bin| *bin <= x.value(row)) as i64))
        });
    }
    let (low, high, count) = (double(1), double(2), ints(args, 3)?);
    collect::<Int64Array, _>(x.len(), |row| {
        if x.is_null(row) || low.is_null(row) || high.is_null(row) || count.is_null(row) {
            return Ok(None);
        }
        let (x, low, high, count) = (x.value(row), low.value(row), high.value(row), count.value(row));
        if count <= 0 || x.is_nan() || !low.is_finite() || !high.is_finite() || low == high {
            return exec_err!("width_bucket takes two finite bounds that differ, and a count above zero");
        }
        let (least, most) = (low.min(high), low.max(high));
        let bucket = if x < least {
            0
        } else if x >= most {
            count + 1
        } else {
            (count as f64 * (x - least) / (most - least) + 1.0) as i64
        };
        Ok(Some(if low > high { count - bucket + 1 } else { bucket }))
    })
}

fn tested(args: &[ArrayRef], test: fn(f64) -> bool) -> Result<ArrayRef> {
    let [numbers] = args else { return internal_err!("one number") };
    let numbers = cast(numbers, &DataType::Float64)?;
    Ok(Arc::new(numbers.as_primitive::<Float64Type>().iter().map(|x| x.map(test)).collect::<BooleanArray>()))
}

/// The checksum of zip and gzip.
fn crc32(bytes: &[u8]) -> i64 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 })
    });
    i64::from(!crc)
}

fn signed(args: &[ArrayRef], algorithm: hmac::Algorithm) -> Result<ArrayRef> {
    let (bytes, keys) = (binaries(args, 0)?, binaries(args, 1)?);
    collect::<BinaryArray, _>(bytes.len(), |row| {
        let is_whole = bytes.is_valid(row) && keys.is_valid(row);
        Ok(is_whole
            .then(|| hmac::sign(&hmac::Key::new(algorithm, keys.value(row)), bytes.value(row)).as_ref().to_vec()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::testing::answer;

    #[test]
    fn numbers_are_shifted_in_their_own_width() {
        for (expression, expected) in [
            ("bitwise_and(12, 10)", "8"),
            ("bitwise_xor(12, 10)", "6"),
            ("bitwise_left_shift(1, 4)", "16"),
            ("bitwise_left_shift(1, 31)", "-2147483648"),
            ("bitwise_left_shift(1, 32)", "0"),
            ("bitwise_right_shift(-16, 2)", "1073741820"),
            ("bitwise_right_shift_arithmetic(-16, 2)", "-4"),
            ("bitwise_right_shift_arithmetic(-16, 40)", "-1"),
            ("bit_count(255, 64)", "8"),
            ("bit_count(-1, 8)", "8"),
            ("to_base(255, 16)", "ff"),
            ("to_base(-5, 2)", "-101"),
            ("from_base('zz', 36)", "1295"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
    }

    #[test]
    fn numbers_fall_into_buckets() {
        for (expression, expected) in [
            ("width_bucket(5.3, 0, 10, 5)", "3"),
            ("width_bucket(-1, 0, 10, 5)", "0"),
            ("width_bucket(10, 0, 10, 5)", "6"),
            ("width_bucket(5.3, 10, 0, 5)", "3"),
            ("width_bucket(5.3e0, ARRAY[1e0, 5e0, 10e0])", "2"),
            ("is_infinite(-infinity())", "true"),
        ] {
            assert_eq!(answer(&format!("SELECT {expression}")), expected, "{expression}");
        }
    }

    #[test]
    fn checksums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let key = "to_utf8('Jefe')";
        let sql = format!("SELECT to_hex(hmac_sha256(to_utf8('what do ya want for nothing?'), {key}))");
        assert_eq!(answer(&sql), "5BDCC146BF60754E6A042426089575C75A003F089D2739839DEC58B964EC3843");
    }
}
