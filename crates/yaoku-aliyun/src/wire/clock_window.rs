//! How far a request's timestamp may be from the server's clock.

use super::WireError;

/// The protocol's tolerance, in seconds either way.
pub const TOLERANCE: i64 = 15 * 60;

/// Checks a timestamp against the present; both in seconds since 1970.
///
/// # Errors
/// `InvalidTimeStamp.Expired` for one more than [`TOLERANCE`] in the past, `IllegalTimestamp` for one as far in the future.
pub fn check(timestamp: i64, now: i64) -> Result<(), WireError> {
    match now.saturating_sub(timestamp) {
        late if late > TOLERANCE => Err(WireError::timestamp_expired()),
        late if late < -TOLERANCE => Err(WireError::timestamp_in_the_future()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Code;

    #[test]
    fn fifteen_minutes_either_way() {
        let now = 1_795_485_600;
        for timestamp in [now, now - 900, now + 900] {
            assert_eq!(check(timestamp, now), Ok(()));
        }
        assert_eq!(check(now - 901, now).unwrap_err().code, Code::InvalidTimeStampExpired);
        assert_eq!(check(now + 901, now).unwrap_err().code, Code::IllegalTimestamp);
        assert_eq!(check(i64::MIN, now).unwrap_err().code, Code::InvalidTimeStampExpired);
        assert_eq!(check(i64::MAX, now).unwrap_err().code, Code::IllegalTimestamp);
    }
}
