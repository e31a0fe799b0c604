//! Hashes and encodings of `varbinary`.

use super::Family;
use super::function::{Gives, Takes, binaries, collect, function, text_at, texts, with_optional};
use super::sha1::sha1;
use crate::utf8::{to_text, to_text_with};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BinaryBuilder, StringViewArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use ring::digest::{SHA256, digest};
use std::sync::Arc;
use xxhash_rust::xxh64::xxh64;

/// The functions of this family. MD5 and SHA-512 are DataFusion's `digest`: `dialect` calls it for them. SHA-256, by which copies
/// are told, is ring's, which is about twice as fast on processors without instructions for it.
pub(super) fn functions() -> Family {
    vec![
        function("sha1", &[Takes::Binary], Gives::Binary, |args| hashed(args, sha1)),
        function("sha256", &[Takes::Sized], Gives::Binary, sha256),
        function("xxhash64", &[Takes::Binary], Gives::Binary, |args| {
            hashed(args, |bytes| xxh64(bytes, 0).to_be_bytes().to_vec())
        }),
        with_optional("from_utf8", &[Takes::Binary, Takes::Text], 1, Gives::Text, from_utf8),
    ]
}

fn hashed(args: &[ArrayRef], hash: fn(&[u8]) -> Vec<u8>) -> Result<ArrayRef> {
    let bytes = binaries(args, 0)?;
    collect::<BinaryArray, _>(bytes.len(), |row| Ok(bytes.is_valid(row).then(|| hash(bytes.value(row)))))
}

fn sha256(args: &[ArrayRef]) -> Result<ArrayRef> {
    let [value] = args else { return exec_err!("sha256 takes one argument") };
    let mut hashes = BinaryBuilder::with_capacity(value.len(), value.len() * SHA256.output_len());
    let mut append = |bytes: Option<&[u8]>| hashes.append_option(bytes.map(|bytes| digest(&SHA256, bytes)));
    match value.data_type() {
        DataType::Binary => value.as_binary::<i32>().iter().for_each(append),
        _ => value.as_string_view().iter().for_each(|text| append(text.map(str::as_bytes))),
    }
    Ok(Arc::new(hashes.finish()))
}

/// Bytes as text; what is not UTF-8 becomes U+FFFD, or the character that is given, never an error.
fn from_utf8(args: &[ArrayRef]) -> Result<ArrayRef> {
    let bytes = binaries(args, 0)?;
    if args.len() > 1 {
        let replacements = texts(args, 1)?;
        return collect::<StringViewArray, _>(bytes.len(), |row| {
            let Some(replacement) = text_at(replacements, row).filter(|_| bytes.is_valid(row)) else { return Ok(None) };
            if replacement.chars().count() > 1 {
                return exec_err!("Replacement character string must empty or a single character");
            }
            Ok(Some(to_text_with(bytes.value(row), replacement).into_owned()))
        });
    }
    collect::<StringViewArray, _>(bytes.len(), |row| Ok(bytes.is_valid(row).then(|| to_text(bytes.value(row)))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn sha1_agrees_with_the_standard() {
        assert_eq!(hex(&sha1(b"")), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(hex(&sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        let two_blocks = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(hex(&sha1(two_blocks)), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(hex(&sha1(&[b'a'; 1_000_000])), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    }
}
