//! A set of keys that several threads fill.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};
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
        if let [column] = columns {
            let keys = |bytes: &mut dyn Iterator<Item = Option<&[u8]>>| {
                bytes.map(|key| (self.hash(&key), key.is_none())).collect()
            };
            match column.data_type() {
                DataType::Utf8 => {
                    return Ok(keys(&mut column.as_string::<i32>().iter().map(|key| key.map(str::as_bytes))));
                }
                DataType::Utf8View => {
                    return Ok(keys(&mut column.as_string_view().iter().map(|key| key.map(str::as_bytes))));
                }
                DataType::Binary => return Ok(keys(&mut column.as_binary::<i32>().iter())),
                DataType::BinaryView => return Ok(keys(&mut column.as_binary_view().iter())),
                _ => {}
            }
        }
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        let encoded = RowConverter::new(fields)?.convert_columns(columns)?;
        let has_null = |row: usize| columns.iter().any(|column| column.is_null(row));
        Ok((0..rows).map(|row| (self.hash(&Some(encoded.row(row).data())), has_null(row))).collect())
    }

    fn hash(&self, key: &Option<&[u8]>) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        match key {
            Some(bytes) => hasher.write(bytes),
            // No UTF-8 text and no encoded row consists of these bytes.
            None => u128::MAX.hash(&mut hasher),
        }
        hasher.finish128().as_u128()
    }

    fn shard(&self, key: u128) -> &Mutex<HashSet<u128, BuildHasherDefault<Taken>>> {
        &self.shards[(key as usize) & (SHARDS - 1)]
    }
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
