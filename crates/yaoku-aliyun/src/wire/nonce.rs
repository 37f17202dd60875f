//! Which requests were accepted already: a table of fixed size that never lets one in twice.
//!
//! The table is an array of sets; a request's fingerprint picks its set. A set remembers the 64 fingerprints with the
//! newest timestamps. Taking in another one pushes out that with the oldest timestamp, and raises the set's floor to it: from
//! then on the set refuses every timestamp at or below its floor. So a request once accepted is either still remembered, or
//! too old: no load, and no clock that is set back, lets it in again.
//!
//! What gives way under load is the tolerance for clients whose clock is behind (and for requests long on their way). The
//! table reaches back `capacity / rate` seconds on average: at 100,000 requests a second and the default of 4,194,304 records, 42 seconds, varying
//! between sets by an eighth either way (one standard deviation). It reaches the protocol's whole 15 minutes up to
//! 4,000 requests a second or so. A caller whose timestamps are ahead of the clock raises floors up to as far; rate limits
//! a caller are what keeps one from doing it to others.
//!
//! A record takes 12 bytes (64-bit fingerprint, 32-bit timestamp), a set 4 more for its floor, 48.25 MiB for the default.
//! The pages are the system's until they are written to. Fingerprints are keyed at random, so that nobody can aim at a set;
//! two requests with the same one, about one in 2^42 when the table is full, cost the second a `SignatureNonceUsed`.

use std::{
    collections::hash_map::RandomState,
    hash::BuildHasher,
    sync::atomic::{AtomicU32, Ordering},
};

use parking_lot::Mutex;

use super::{Authentication, WireError, clock_window, credentials::Scheme};

/// The usual capacity, in records.
pub const DEFAULT_CAPACITY: usize = 1 << 22;
/// Records in a set.
const WAYS: usize = 64;
/// Two timestamps further apart than this, in seconds, are never within the clock's window together: the nonce is free again.
const REUSE_AFTER: u32 = 2 * clock_window::TOLERANCE as u32;
/// Parts of the table that are locked one by one, a power of two.
const SHARDS: usize = 64;

/// The nonces of accepted requests.
pub struct NonceTable {
    keys: RandomState,
    shards: Box<[Mutex<Shard>]>,
    sets_per_shard: u64,
    highest_floor: AtomicU32,
}

/// What a nonce is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce<'a> {
    /// The AccessKey that signed.
    pub access_key_id: &'a str,
    /// The scheme: a nonce of one says nothing about the other.
    pub scheme: Scheme,
    /// The nonce itself.
    pub nonce: &'a [u8],
}

/// Neighbouring arrays rather than records: a lookup reads fingerprints only, and zeroed memory costs nothing until used.
struct Shard {
    /// [`WAYS`] to a set. A record with timestamp 0 is vacant.
    fingerprints: Vec<u64>,
    timestamps: Vec<u32>,
    /// One to a set.
    floors: Vec<u32>,
}

impl NonceTable {
    /// A table of at least `capacity` records that accepts timestamps after `floor`, in seconds since 1970.
    ///
    /// A new process does not know what the one before it accepted: give the time of start as the floor, less what clients
    /// may be behind, and a capture from before that is refused.
    pub fn new(capacity: usize, floor: i64) -> Self {
        let sets_per_shard = capacity.div_ceil(WAYS * SHARDS).max(1);
        let floor = u32::try_from(floor.max(0)).unwrap_or(u32::MAX);
        let shard = || Shard {
            fingerprints: vec![0; sets_per_shard * WAYS],
            timestamps: vec![0; sets_per_shard * WAYS],
            floors: vec![floor; sets_per_shard],
        };
        Self {
            keys: RandomState::new(),
            shards: (0..SHARDS).map(|_| Mutex::new(shard())).collect(),
            sets_per_shard: sets_per_shard as u64,
            highest_floor: AtomicU32::new(floor),
        }
    }

    /// Records a request whose signature is verified and whose timestamp is within the clock's window.
    ///
    /// # Errors
    /// `SignatureNonceUsed` where the caller used the nonce before, with a timestamp less than half an hour away;
    /// `InvalidTimeStamp.Expired` where that can no longer be told.
    pub fn accept(&self, request: &Authentication<'_>) -> Result<(), WireError> {
        let nonce = Nonce { access_key_id: request.access_key_id, scheme: request.scheme(), nonce: request.nonce() };
        self.record(nonce, request.timestamp)
    }

    /// Records a nonce at a timestamp in seconds since 1970; see [`Self::accept`].
    ///
    /// # Errors
    /// As for [`Self::accept`].
    pub fn record(&self, nonce: Nonce<'_>, timestamp: i64) -> Result<(), WireError> {
        let timestamp = u32::try_from(timestamp).map_err(|_| WireError::timestamp_expired())?;
        let fingerprint = self.keys.hash_one(nonce);
        // The top bits choose the shard, the rest the set: multiplying spreads them over any number of sets.
        let shard = (fingerprint >> (u64::BITS - SHARDS.ilog2())) as usize;
        let within = fingerprint << SHARDS.ilog2();
        let set = ((u128::from(within) * u128::from(self.sets_per_shard)) >> u64::BITS) as usize;
        let floor = self.shards[shard].lock().record(set, fingerprint, timestamp)?;
        if floor > self.highest_floor.load(Ordering::Relaxed) {
            self.highest_floor.fetch_max(floor, Ordering::Relaxed);
        }
        Ok(())
    }

    /// How many records the table has, vacant or not.
    pub fn capacity(&self) -> usize {
        self.sets_per_shard as usize * SHARDS * WAYS
    }

    /// The bytes that the table takes when every page of it is in use.
    pub fn size_in_bytes(&self) -> usize {
        self.capacity() * (size_of::<u64>() + size_of::<u32>()) + self.capacity() / WAYS * size_of::<u32>()
    }

    /// The newest timestamp, in seconds since 1970, at or below which some set refuses requests. A metric of its distance from
    /// the clock tells how far behind a client may be: where that falls below the protocol's 15 minutes, the table is too small.
    pub fn highest_floor(&self) -> i64 {
        self.highest_floor.load(Ordering::Relaxed).into()
    }
}

impl Shard {
    /// Records a fingerprint in a set and returns the set's floor.
    fn record(&mut self, set: usize, fingerprint: u64, timestamp: u32) -> Result<u32, WireError> {
        let records = set * WAYS..(set + 1) * WAYS;
        let fingerprints = &mut self.fingerprints[records.clone()];
        let timestamps = &mut self.timestamps[records];
        let floor = &mut self.floors[set];
        if timestamp <= *floor {
            return Err(WireError::timestamp_expired());
        }
        // Seldom is a fingerprint known: to look for it alone, always to the end, lets several be compared at a time.
        if fingerprints.iter().fold(false, |found, &known| found | (known == fingerprint)) {
            let mut records = fingerprints.iter().zip(timestamps.iter());
            if records
                .any(|(&known, &since)| known == fingerprint && since != 0 && timestamp.abs_diff(since) <= REUSE_AFTER)
            {
                return Err(WireError::nonce_used());
            }
        }
        let oldest_timestamp = timestamps.iter().copied().min().unwrap_or(0);
        let oldest = timestamps.iter().position(|&since| since == oldest_timestamp).unwrap_or(0);
        if timestamp <= oldest_timestamp {
            // The set is full of newer ones: this one would be the next to go, and could not be refused again but by its age.
            return Err(WireError::timestamp_expired());
        }
        fingerprints[oldest] = fingerprint;
        timestamps[oldest] = timestamp;
        // A vacant record's timestamp is 0 and raises nothing.
        *floor = (*floor).max(oldest_timestamp);
        Ok(*floor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::wire::Code;

    const NOW: i64 = 1_795_485_600;

    fn nonce(number: &[u8]) -> Nonce<'_> {
        Nonce { access_key_id: "testid", scheme: Scheme::V1, nonce: number }
    }

    fn code(result: Result<(), WireError>) -> Option<Code> {
        result.err().map(|error| error.code)
    }

    #[test]
    fn takes_a_nonce_once() {
        let table = NonceTable::new(1, 0);
        assert_eq!(code(table.record(nonce(b"n-1"), NOW)), None);
        assert_eq!(code(table.record(nonce(b"n-1"), NOW)), Some(Code::SignatureNonceUsed));
        assert_eq!(code(table.record(nonce(b"n-1"), NOW + 10)), Some(Code::SignatureNonceUsed));
        assert_eq!(code(table.record(nonce(b"n-1"), NOW - 10)), Some(Code::SignatureNonceUsed));
        assert_eq!(code(table.record(nonce(b"n-2"), NOW)), None);
        assert_eq!(code(table.record(Nonce { access_key_id: "other", ..nonce(b"n-1") }, NOW)), None);
        assert_eq!(code(table.record(Nonce { scheme: Scheme::Acs3, ..nonce(b"n-1") }, NOW)), None);
        assert_eq!(code(table.record(nonce(b"n-1"), NOW + 1801)), None);
        assert_eq!(code(table.record(nonce(b"n-1"), NOW)), Some(Code::SignatureNonceUsed));
        assert_eq!(table.highest_floor(), 0);
    }

    #[test]
    fn takes_nothing_from_before_its_floor() {
        let table = NonceTable::new(1, NOW);
        assert_eq!(code(table.record(nonce(b"a"), NOW)), Some(Code::InvalidTimeStampExpired));
        assert_eq!(code(table.record(nonce(b"a"), NOW + 1)), None);
        for timestamp in [0, -1, i64::MIN, i64::MAX] {
            assert_eq!(code(table.record(nonce(b"b"), timestamp)), Some(Code::InvalidTimeStampExpired));
        }
    }

    #[test]
    fn the_default_takes_48_mebibytes() {
        let table = NonceTable::new(DEFAULT_CAPACITY, 0);
        assert_eq!(table.capacity(), DEFAULT_CAPACITY);
        assert_eq!(table.size_in_bytes(), 48 * 1024 * 1024 + 256 * 1024);
    }

    /// A hundred seconds of ten times the load that the table reaches back over, all of it replayed at once and at the end.
    #[test]
    fn a_flood_lets_no_replay_in() {
        let table = NonceTable::new(8192, 0);
        let capacity = table.capacity();
        let (size, per_second) = (table.size_in_bytes(), capacity as u64 / 10);
        let mut refused = 0u64;
        let all = || {
            (0..100).flat_map(|second| {
                (0..per_second).map(move |i| (second, (second as u64 * per_second + i).to_le_bytes()))
            })
        };
        for (second, number) in all() {
            match code(table.record(nonce(&number), NOW + second)) {
                None => assert!(table.record(nonce(&number), NOW + second).is_err()),
                Some(_) => refused += 1,
            }
        }
        assert_eq!(refused, 0, "a request with the present timestamp is accepted at any load");
        assert!((NOW + 80..NOW + 95).contains(&table.highest_floor()), "{}", table.highest_floor() - NOW);
        assert_eq!((table.capacity(), table.size_in_bytes()), (capacity, size));
        for (second, number) in all() {
            assert!(table.record(nonce(&number), NOW + second).is_err(), "replay of second {second}");
        }
        // The table reaches back about ten seconds, its parts more or less by chance; a third of that serves every late client, and
        // twice that none.
        for late in 0..100u8 {
            assert_eq!(code(table.record(nonce(&[1, late]), NOW + 99 - 3)), None);
            assert_eq!(code(table.record(nonce(&[2, late]), NOW + 99 - 20)), Some(Code::InvalidTimeStampExpired));
        }
    }

    #[test]
    fn a_burst_within_one_second_lets_no_replay_in() {
        let table = NonceTable::new(1, 0);
        let numbers: Vec<_> = (0..3 * table.capacity() as u64).map(u64::to_le_bytes).collect();
        let accepted: HashSet<_> = numbers.iter().filter(|number| table.record(nonce(*number), NOW).is_ok()).collect();
        assert!(accepted.len() <= table.capacity());
        for number in accepted {
            assert_eq!(code(table.record(nonce(number), NOW)), Some(Code::SignatureNonceUsed));
        }
        assert_eq!(table.highest_floor(), 0);
    }

    proptest! {
        /// While nothing is pushed out, the table is a set of nonces.
        #[test]
        fn agrees_with_a_set(requests in prop::collection::vec((0u16..80, 0i64..900), 0..300)) {
            let table = NonceTable::new(1, 0);
            let mut used = HashSet::new();
            for (number, second) in requests {
                let expected = if used.insert(number) { None } else { Some(Code::SignatureNonceUsed) };
                prop_assert_eq!(code(table.record(nonce(&number.to_le_bytes()), NOW + second)), expected);
            }
        }

        /// Whatever is pushed out, no request gets in twice.
        #[test]
        fn never_accepts_the_same_request_twice(requests in prop::collection::vec((0u64..128, 0i64..8), 0..1000)) {
            let mut shard = Shard { fingerprints: vec![0; 2 * WAYS], timestamps: vec![0; 2 * WAYS], floors: vec![0; 2] };
            let mut accepted = HashSet::new();
            for (at, (number, jitter)) in requests.iter().enumerate() {
                // Few numbers, so that they come back; one set, so that it overflows; the clock jumps about.
                let timestamp = (at as u32 / 100) + 1000 + *jitter as u32 * 3;
                if shard.record(1, *number, timestamp).is_ok() {
                    prop_assert!(accepted.insert((*number, timestamp)));
                }
            }
            prop_assert!(shard.timestamps[..WAYS].iter().all(|&timestamp| timestamp == 0));
        }
    }
}
