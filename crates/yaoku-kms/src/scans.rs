//! Listings that look at many keys: each caller makes one at a time, and few may wait for it.

use std::collections::HashMap;

use parking_lot::Mutex;
use yaoku_iam::{Call, LanesOf, OneOf, PrincipalKey};

use crate::Error;

/// Listings of one principal, the one that is being made included.
const MOST: usize = 16;

/// The listings that are being made.
#[derive(Default)]
pub struct Scans {
    lanes: LanesOf<PrincipalKey>,
    of_each: Mutex<HashMap<PrincipalKey, usize>>,
}

/// The right to make a listing.
#[must_use]
pub struct Scan<'a> {
    turn: Option<OneOf<PrincipalKey>>,
    scans: &'a Scans,
    whose: PrincipalKey,
}

impl Scans {
    /// Waits for the turn of a caller's listing, after those of its own alone.
    ///
    /// # Errors
    /// [`Error::Throttled`] if too many of its own wait, [`Error::Abandoned`] if it went away.
    pub async fn enter(&self, call: &Call<'_>) -> Result<Scan<'_>, Error> {
        let whose = call.principal.key();
        {
            let mut of_each = self.of_each.lock();
            let count = of_each.entry(whose).or_default();
            if *count >= MOST {
                return Err(Error::Throttled);
            }
            *count += 1;
        }
        let mut scan = Scan { turn: None, scans: self, whose };
        scan.turn = Some(self.lanes.enter(whose, call.standing(false)).await);
        if call.is_abandoned() { Err(Error::Abandoned) } else { Ok(scan) }
    }
}

impl Drop for Scan<'_> {
    fn drop(&mut self) {
        self.turn = None;
        let mut of_each = self.scans.of_each.lock();
        if let Some(count) = of_each.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                of_each.remove(&self.whose);
            }
        }
    }
}
