//! Bounds what unauthenticated calls can cost: guessing teaches a caller little, and fills neither the audit log nor the server's
//! own log, nor anything else.
//!
//! Each address has a number of such calls a minute. Beyond it they are all answered alike, whatever was wrong with them, and
//! are recorded once a minute with how many there were. Lines of the server's log are counted separately, in the same way: they
//! also tell of calls that are not the caller's fault, and of requests that did not arrive whole. Authenticated calls never
//! count here: whoever holds an AccessKey is served, even from an address that an attacker shares.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use parking_lot::Mutex;

/// Unauthenticated calls a minute of one address, unless another number is chosen.
pub const DEFAULT_LIMIT: u32 = 60;
/// Addresses that are told apart. What comes beyond shares one place, until the minute of others is over.
const SOURCES: usize = 1 << 16;
const MINUTE: u64 = 60_000;
/// How often places are made free when there is none, in milliseconds.
const SWEEP: u64 = 1000;

/// Addresses of unauthenticated calls.
pub(crate) struct UnauthenticatedLimiter {
    /// Milliseconds that a call takes of its address's minute.
    cost: u64,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Under none, all those for whom there was no place.
    sources: HashMap<Option<IpAddr>, Source>,
    /// When places were last made free.
    swept: u64,
}

/// What is known of an address, in milliseconds since 1970.
#[derive(Default)]
struct Source {
    /// When all that it has used of its minute is given back.
    free: u64,
    /// When a call beyond the bound was recorded last.
    recorded: u64,
    /// Calls beyond the bound that were not recorded since.
    held: u64,
}

/// What becomes of an unauthenticated call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// It is answered for what it is, and recorded.
    Answered,
    /// It is beyond the bound. It is recorded for `held` others before it that were not.
    RecordedForOthers {
        /// How many.
        held: u64,
    },
    /// It is beyond the bound, and not recorded.
    Held,
}

impl UnauthenticatedLimiter {
    /// With that many calls a minute for each address, at least one.
    pub(crate) fn new(limit: u32) -> Self {
        Self { cost: MINUTE / u64::from(limit.clamp(1, 60_000)), known: Mutex::default() }
    }

    /// Counts an unauthenticated call.
    pub(crate) fn called(&self, from: IpAddr, now: u64) -> Treatment {
        let Known { sources, swept } = &mut *self.known.lock();
        let mut from = Some(network(from));
        if sources.len() >= SOURCES && !sources.contains_key(&from) {
            // Not at each call: it looks at all of them.
            if now >= *swept + SWEEP {
                *swept = now;
                sources.retain(|_, source| source.free > now);
            }
            if sources.len() >= SOURCES {
                from = None;
            }
        }
        let source = sources.entry(from).or_default();
        // Where the clock was set back, nobody is held, and nothing left unrecorded, for as long as it was.
        source.free = source.free.min(now + MINUTE);
        source.recorded = source.recorded.min(now);
        let free = source.free.max(now) + self.cost;
        if free <= now + MINUTE {
            source.free = free;
            return Treatment::Answered;
        }
        if now >= source.recorded + MINUTE {
            source.recorded = now;
            return Treatment::RecordedForOthers { held: std::mem::take(&mut source.held) };
        }
        source.held += 1;
        Treatment::Held
    }

    /// As [`Self::called`], where what counts is a line: none, or one, that tells of as many others that were left out.
    pub(crate) fn line(&self, from: IpAddr, now: u64) -> Option<u64> {
        match self.called(from, now) {
            Treatment::Answered => Some(0),
            Treatment::RecordedForOthers { held } => Some(held),
            Treatment::Held => None,
        }
    }
}

/// Those who have one address of IPv6 have all of the network.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_795_485_600_000;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_clock_that_is_set_back_holds_nobody_for_longer_than_a_minute() {
        let limiter = UnauthenticatedLimiter::new(1);
        let one = address("192.0.2.1");
        let past = START - 86_400_000;
        assert_eq!(limiter.called(one, START), Treatment::Answered);
        assert_eq!(limiter.called(one, START), Treatment::RecordedForOthers { held: 0 });
        assert_eq!(limiter.called(one, past), Treatment::Held);
        assert_eq!(limiter.called(one, past + 59_999), Treatment::Held);
        assert_eq!(limiter.called(one, past + 60_000), Treatment::Answered);
        assert_eq!(limiter.called(one, past + 60_000), Treatment::RecordedForOthers { held: 2 });
    }

    #[test]
    fn an_address_has_its_minute_and_gets_it_back() {
        let limiter = UnauthenticatedLimiter::new(3);
        let one = address("192.0.2.1");
        let mut calls = (0..6).map(|_| limiter.called(one, START));
        assert!(calls.by_ref().take(3).all(|treatment| treatment == Treatment::Answered));
        assert_eq!(calls.next(), Some(Treatment::RecordedForOthers { held: 0 }));
        assert!(calls.all(|treatment| treatment == Treatment::Held));
        assert_eq!(limiter.called(address("192.0.2.2"), START), Treatment::Answered, "another address");
        assert_eq!(limiter.called(one, START + 20_000), Treatment::Answered);
        assert_eq!(limiter.called(one, START + 20_000), Treatment::Held);
        assert_eq!(limiter.called(one, START + 59_999), Treatment::Answered);
        let later: Vec<_> = (0..3).map(|_| limiter.called(one, START + 60_000)).collect();
        let expected = [Treatment::Answered, Treatment::RecordedForOthers { held: 3 }, Treatment::Held];
        assert_eq!(later, expected);
    }

    #[test]
    fn lines_that_are_left_out_are_told_of_by_the_next() {
        let limiter = UnauthenticatedLimiter::new(1);
        let one = address("192.0.2.1");
        let at_once: Vec<_> = (0..5).map(|_| limiter.line(one, START)).collect();
        assert_eq!(at_once, [Some(0), Some(0), None, None, None]);
        let later: Vec<_> = (0..2).map(|_| limiter.line(one, START + MINUTE)).collect();
        assert_eq!(later, [Some(0), Some(3)]);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_an_ipv4_address_is_itself_however_it_is_written() {
        let limiter = UnauthenticatedLimiter::new(1);
        for (first, second, same) in [
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8:0:1::1", "2001:db8:0:2::1", false),
            ("192.0.2.7", "::ffff:192.0.2.7", true),
        ] {
            assert_eq!(limiter.called(address(first), START), Treatment::Answered);
            assert_eq!(limiter.called(address(second), START) != Treatment::Answered, same, "{first} {second}");
        }
    }

    #[test]
    fn many_addresses_take_no_more_room_and_lock_nobody_out_for_longer_than_a_minute() {
        let limiter = UnauthenticatedLimiter::new(1);
        let nth = |n: u32| IpAddr::V4(n.into());
        assert!((0..SOURCES as u32).all(|n| limiter.called(nth(n), START) == Treatment::Answered));
        assert_eq!(limiter.called(nth(u32::MAX), START), Treatment::Answered, "the place that all others share");
        assert_ne!(limiter.called(nth(u32::MAX - 1), START), Treatment::Answered);
        assert!(limiter.known.lock().sources.len() <= SOURCES + 1);
        assert_eq!(limiter.called(nth(u32::MAX - 1), START + MINUTE), Treatment::Answered);
        assert_eq!(limiter.known.lock().sources.len(), 1);
    }
}
