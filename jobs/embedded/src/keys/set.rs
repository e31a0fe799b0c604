//! A set of keys that several threads fill.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::error::Result as PlanResult;
use siphasher::sip128::{Hasher128, SipHasher13};

/// A power of two, so that a hash's low bits choose.
const SHARDS: usize = 64;

/// 128 bits of a keyed hash stand for a key.
///
/// Two of 2^40 keys share a hash with a probability below 2^-48, and the random key keeps anybody from making such a
/// pair: a call that passes for another's copy would go free.
pub(super) struct KeySet {
    shards: Vec<Mutex<HashSet<u128, BuildHasherDefault<Taken>>>>,
    /// How often a key came, of those that came more than once.
    repeated: Mutex<HashMap<u128, u64, BuildHasherDefault<Taken>>>,
    secret: (u64, u64),
}

impl KeySet {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            repeated: Mutex::default(),
            secret: rand::random(),
        }
    }

    /// Adds a key; false if it was in.
    pub(super) fn insert(&self, key: u128) -> bool {
        self.shard(key).lock().unwrap_or_else(PoisonError::into_inner).insert(key)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).is_empty())
    }

    pub(super) fn contains(&self, key: u128) -> bool {
        self.shard(key).lock().unwrap_or_else(PoisonError::into_inner).contains(&key)
    }

    /// Adds a key; how often it was added by now.
    pub(super) fn number(&self, key: u128) -> u64 {
        if self.insert(key) {
            return 1;
        }
        let mut repeated = self.repeated.lock().unwrap_or_else(PoisonError::into_inner);
        let times = repeated.entry(key).or_insert(1);
        *times += 1;
        *times
    }

    /// Bytes that the set takes, about.
    pub(super) fn size(&self) -> usize {
        let entries = |shard: &Mutex<HashSet<_, _>>| shard.lock().unwrap_or_else(PoisonError::into_inner).capacity();
        let once = self.shards.iter().map(entries).sum::<usize>() * (size_of::<u128>() + 1);
        let repeated = self.repeated.lock().unwrap_or_else(PoisonError::into_inner).capacity();
        once + repeated * (size_of::<(u128, u64)>() + 1)
    }

    /// The hash of each row's key, and whether any of its columns is NULL.
    pub(super) fn hashes(&self, columns: &[ArrayRef]) -> PlanResult<Vec<(u128, bool)>> {
        let rows = columns.first().map_or(0, |column| column.len());
        let has_null = |row: usize| columns.iter().any(|column| column.is_null(row));
        if let Some(bytes) = columns.iter().map(bytes_of).collect::<Option<Vec<_>>>() {
            let mut key = Vec::new();
            let hash = |row: usize| {
                key.clear();
                for bytes in &bytes {
                    // The length goes before, so that two keys do not run into the same bytes. NULL has none.
                    let value = bytes(row);
                    let length = value.map_or(u64::MAX, |value| value.len() as u64);
                    key.extend_from_slice(&length.to_le_bytes());
                    key.extend_from_slice(value.unwrap_or_default());
                }
                (self.hash(&key), has_null(row))
            };
            return Ok((0..rows).map(hash).collect());
        }
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        let encoded = RowConverter::new(fields)?.convert_columns(columns)?;
        Ok((0..rows).map(|row| (self.hash(encoded.row(row).data()), has_null(row))).collect())
    }

    fn hash(&self, key: &[u8]) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        hasher.write(key);
        hasher.finish128().as_u128()
    }

    fn shard(&self, key: u128) -> &Mutex<HashSet<u128, BuildHasherDefault<Taken>>> {
        &self.shards[(key as usize) & (SHARDS - 1)]
    }
}

/// Gives the bytes of a value by its row.
type BytesOf<'a> = Box<dyn Fn(usize) -> Option<&'a [u8]> + 'a>;

/// How a column's values are read as bytes without encoding them, where they can be.
fn bytes_of(column: &ArrayRef) -> Option<BytesOf<'_>> {
    let valid = move |row: usize| column.is_valid(row).then_some(row);
    Some(match column.data_type() {
        DataType::Utf8 => {
            let texts = column.as_string::<i32>();
            Box::new(move |row| valid(row).map(|row| texts.value(row).as_bytes()))
        }
        DataType::Utf8View => {
            let texts = column.as_string_view();
            Box::new(move |row| valid(row).map(|row| texts.value(row).as_bytes()))
        }
        DataType::Binary => {
            let bytes = column.as_binary::<i32>();
            Box::new(move |row| valid(row).map(|row| bytes.value(row)))
        }
        DataType::BinaryView => {
            let bytes = column.as_binary_view();
            Box::new(move |row| valid(row).map(|row| bytes.value(row)))
        }
        DataType::Boolean => {
            let values = column.as_boolean();
            Box::new(move |row| valid(row).map(|row| if values.value(row) { &[1][..] } else { &[0] }))
        }
        _ => return None,
    })
}

/// A key is a hash already: its upper half is taken as it is.
#[derive(Default)]
struct Taken(u64);

impl Hasher for Taken {
    fn write(&mut self, bytes: &[u8]) {
        let half = bytes.get(8..16).and_then(|half| half.try_into().ok());
        self.0 = half.map_or(0, u64::from_ne_bytes);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
