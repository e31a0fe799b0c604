//! A set of keys that several threads fill.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::arrow::row::{RowConverter, SortField};
use datafusion::error::Result as PlanResult;
use siphasher::sip128::{Hasher128, SipHasher13};

/// A power of two, so that a hash's low bits choose.
const SHARDS: usize = 64;

type Shard = HashSet<u128, BuildHasherDefault<Taken>>;

/// 128 bits of a keyed hash stand for a key.
///
/// Two of 2^40 keys share a hash with a probability below 2^-48, and the random key keeps anybody from making such a
/// pair: a call that passes for another's copy would go free.
pub(super) struct KeySet {
    shards: Vec<Mutex<Shard>>,
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

    /// Adds keys.
    pub(super) fn insert(&self, keys: &[u128]) {
        self.by_shard(keys, |shard, row| {
            shard.insert(keys[row]);
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| lock(shard).is_empty())
    }

    /// Of each key, whether it is in.
    pub(super) fn contains(&self, keys: &[u128]) -> Vec<bool> {
        let mut known = vec![false; keys.len()];
        self.by_shard(keys, |shard, row| known[row] = shard.contains(&keys[row]));
        known
    }

    /// Adds keys; of each, how often it was added by now.
    pub(super) fn number(&self, keys: &[u128]) -> Vec<u64> {
        let mut numbers = vec![1; keys.len()];
        self.by_shard(keys, |shard, row| {
            if !shard.insert(keys[row]) {
                let mut repeated = lock(&self.repeated);
                let times = repeated.entry(keys[row]).or_insert(1);
                *times += 1;
                numbers[row] = *times;
            }
        });
        numbers
    }

    /// Visits the rows of these keys, shard by shard: each lock is taken once, and the processor waits for the memory of many
    /// keys at a time.
    fn by_shard(&self, keys: &[u128], mut visit: impl FnMut(&mut Shard, usize)) {
        let mut counts = [0; SHARDS];
        for key in keys {
            counts[shard_of(*key)] += 1;
        }
        let mut total = 0;
        let mut ends = counts.map(|count| {
            total += count;
            total - count
        });
        let mut rows = vec![0; keys.len()];
        for (row, key) in keys.iter().enumerate() {
            let end = &mut ends[shard_of(*key)];
            rows[*end] = row;
            *end += 1;
        }
        let mut start = 0;
        for (shard, end) in self.shards.iter().zip(ends) {
            if start < end {
                let mut shard = lock(shard);
                rows[start..end].iter().for_each(|row| visit(&mut shard, *row));
            }
            start = end;
        }
    }

    /// Bytes that the set takes, about.
    pub(super) fn size(&self) -> usize {
        let once = self.shards.iter().map(|shard| lock(shard).capacity()).sum::<usize>() * (size_of::<u128>() + 1);
        let repeated = lock(&self.repeated).capacity();
        once + repeated * (size_of::<(u128, u64)>() + 1)
    }

    /// The hash of each row's key.
    pub(super) fn hashes(&self, columns: &[ArrayRef]) -> PlanResult<Vec<u128>> {
        let rows = columns.first().map_or(0, |column| column.len());
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
                self.hash(&key)
            };
            return Ok((0..rows).map(hash).collect());
        }
        let fields = columns.iter().map(|column| SortField::new(column.data_type().clone())).collect();
        let encoded = RowConverter::new(fields)?.convert_columns(columns)?;
        Ok((0..rows).map(|row| self.hash(encoded.row(row).data())).collect())
    }

    fn hash(&self, key: &[u8]) -> u128 {
        let mut hasher = SipHasher13::new_with_keys(self.secret.0, self.secret.1);
        hasher.write(key);
        hasher.finish128().as_u128()
    }
}

fn shard_of(key: u128) -> usize {
    (key as usize) & (SHARDS - 1)
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
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
