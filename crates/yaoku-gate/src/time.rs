//! The protocol's time format, `YYYY-MM-DDThh:mm:ssZ` in UTC, over the proleptic Gregorian calendar without leap seconds.

const SECONDS_PER_DAY: i64 = 86_400;
/// Days from 0000-03-01 to 1970-01-01.
const DAYS_TO_EPOCH: i64 = 719_468;
/// Days of 400 years, after which the calendar repeats.
const DAYS_PER_ERA: i64 = 146_097;
/// 9999-12-31T23:59:59Z, the last time that the format can say.
const LAST_SECOND: u64 = 253_402_300_799;

/// Parses a time to seconds since 1970, or `None` where it is not exactly of the form or names no real day or second.
pub fn parse_time(text: &str) -> Option<i64> {
    let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let [.., b'Z'] = bytes else { return None };
    for (at, separator) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        if bytes[at] != separator {
            return None;
        }
    }
    let year = number(&bytes[0..4])?;
    let month = number(&bytes[5..7])?;
    let day = number(&bytes[8..10])?;
    let hour = number(&bytes[11..13])?;
    let minute = number(&bytes[14..16])?;
    let second = number(&bytes[17..19])?;
    if !(1..=12).contains(&month)
        || day < 1
        || day > days_in_month(year, month)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    Some(days_from_date(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second)
}

/// As [`parse_time`], of a time that may have a fraction of a second, as of milliseconds, which does not count.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let Some((whole, fraction)) = text.strip_suffix('Z').and_then(|text| text.split_once('.')) else {
        return parse_time(text);
    };
    let digits = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|digit| digit.is_ascii_digit());
    let whole: &[u8; 19] = whole.as_bytes().try_into().ok()?;
    let mut time = [b'Z'; 20];
    time[..19].copy_from_slice(whole);
    std::str::from_utf8(&time).ok().filter(|_| digits).and_then(parse_time)
}

/// Formats milliseconds since 1970, cutting off the fraction of a second. Times beyond the year 9999 show as its last second.
pub fn format_time(milliseconds: u64) -> String {
    let seconds = (milliseconds / 1000).min(LAST_SECOND) as i64;
    let (year, month, day) = date_from_days(seconds / SECONDS_PER_DAY);
    let second = seconds % SECONDS_PER_DAY;
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0')))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970. Counts in years that begin on the first of March, so that a leap day is a year's last.
fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH
}

/// Year, month and day of a count of days since 1970; the inverse of [`days_from_date`].
fn date_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_EPOCH;
    let era = days.div_euclid(DAYS_PER_ERA);
    let day_of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_times() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T12:34:56Z", 951_827_696),
            ("2026-11-24T02:00:00Z", 1_795_485_600),
            ("2038-01-19T03:14:08Z", 2_147_483_648),
            ("9999-12-31T23:59:59Z", LAST_SECOND as i64),
            ("1900-03-01T00:00:00Z", -2_203_891_200),
        ] {
            assert_eq!(parse_time(text), Some(seconds), "{text}");
            if let Ok(seconds) = u64::try_from(seconds) {
                assert_eq!(format_time(seconds * 1000 + 999), text);
            }
        }
        assert_eq!(format_time(u64::MAX), "9999-12-31T23:59:59Z");
    }

    #[test]
    fn refuses_every_other_form() {
        for text in [
            "",
            "2026-11-24",
            "2026-11-24T02:00:00",
            "2026-11-24T02:00:00z",
            "2026-11-24t02:00:00Z",
            "2026-11-24 02:00:00Z",
            "2026-11-24T02:00:00.000Z",
            "2026-11-24T02:00:00+00:00",
            "26-11-24T02:00:00Z",
            "2026-1-24T02:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00: 0Z",
            "２026-01-01T00:00Z",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn timestamps_may_have_fractions() {
        for text in [
            "2026-11-24T02:00:00Z",
            "2026-11-24T02:00:00.000Z",
            "2026-11-24T02:00:00.999999999Z",
            "2026-11-24T02:00:00.5Z",
        ] {
            assert_eq!(parse_timestamp(text), Some(1_795_485_600), "{text}");
        }
        for text in [
            "2026-11-24T02:00:00.Z",
            "2026-11-24T02:00:00.000",
            "2026-11-24T02:00:00.0000000000Z",
            "2026-11-24T02:00:00.-01Z",
            "2026-11-24T02:00:00.0.0Z",
            "2026-11-24T02:00:60.000Z",
            "2026-11-24T02:00.000Z",
            ".000Z",
            "2026-11-24T02:00:0值.0Z",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(seconds in 0..=LAST_SECOND) {
            prop_assert_eq!(parse_time(&format_time(seconds * 1000)), Some(seconds as i64));
        }

        #[test]
        fn every_day_follows_the_one_before(days in -700_000i64..2_900_000) {
            let (year, month, day) = date_from_days(days);
            prop_assert_eq!(days_from_date(year, month, day), days);
            prop_assert!((1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day));
        }

        #[test]
        fn any_text_is_parsed_or_refused(text in "\\PC{0,24}") {
            let _ = (parse_time(&text), parse_timestamp(&text));
        }
    }
}
