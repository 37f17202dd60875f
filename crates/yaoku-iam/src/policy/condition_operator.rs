//! Operators of conditions, and the values that they compare with.

use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;

use super::effort::Effort;
use super::error::shown;
use super::pattern::{Case, Pattern};
use super::truth::Truth;
use super::{ConditionKey, Value};

/// What an operator compares, and with what: met by a value that agrees with any of these.
pub(super) enum Test {
    /// `StringEquals…`, `StringNotEquals…`.
    Text(Box<[Box<str>]>, Case),
    /// `StringLike`, `StringNotLike`.
    Like(Box<[Pattern]>),
    /// `Numeric…`.
    Number(Box<[Number]>, Comparison),
    /// `Date…`: milliseconds since 1970.
    Date(Box<[i64]>, Comparison),
    /// `Bool`.
    Flag(Box<[bool]>),
    /// `IpAddress`, `NotIpAddress`.
    Network(Box<[IpNet]>),
}

/// How two ordered values stand to each other.
#[derive(Clone, Copy)]
pub(super) enum Comparison {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Comparison {
    const fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

impl Test {
    /// Reads an operator's name and values; the flag tells whether the operator is the negation of the test. None for an
    /// unknown operator.
    pub(super) fn parse(operator: &str, values: &[String]) -> Option<Result<(Self, bool), String>> {
        let (kind, negated) = match operator {
            "StringNotEquals" => ("StringEquals", true),
            "StringNotEqualsIgnoreCase" => ("StringEqualsIgnoreCase", true),
            "StringNotLike" => ("StringLike", true),
            "NumericNotEquals" => ("NumericEquals", true),
            "DateNotEquals" => ("DateEquals", true),
            "NotIpAddress" => ("IpAddress", true),
            plain => (plain, false),
        };
        let test = match kind {
            "StringEquals" => Ok(Self::text(values, Case::Sensitive)),
            "StringEqualsIgnoreCase" => Ok(Self::text(values, Case::Insensitive)),
            "StringLike" => each(values, |text| Pattern::new(text, Case::Sensitive)).map(Self::Like),
            "Bool" => each(values, flag).map(Self::Flag),
            "IpAddress" => each(values, network).map(Self::Network),
            _ => {
                let ordered = kind.strip_prefix("Numeric").map(|how| (how, true));
                let (how, numeric) = ordered.or_else(|| kind.strip_prefix("Date").map(|how| (how, false)))?;
                let comparison = match how {
                    "Equals" => Comparison::Equal,
                    "LessThan" => Comparison::Less,
                    "LessThanEquals" => Comparison::LessOrEqual,
                    "GreaterThan" => Comparison::Greater,
                    "GreaterThanEquals" => Comparison::GreaterOrEqual,
                    _ => return None,
                };
                match numeric {
                    true => each(values, number).map(|values| Self::Number(values, comparison)),
                    false => each(values, date).map(|values| Self::Date(values, comparison)),
                }
            }
        };
        Some(test.map(|test| (test, negated)))
    }

    fn text(values: &[String], case: Case) -> Self {
        Self::Text(values.iter().map(|value| value.as_str().into()).collect(), case)
    }

    /// Whether `found` agrees with any of the values. Of one that isn't of the operator's kind that can't be told.
    pub(super) fn is_met_by(&self, found: Value<'_>, effort: &Effort) -> Truth {
        self.compare(found, effort).unwrap_or(Truth::Unknown)
    }

    /// None for what isn't of the operator's kind.
    fn compare(&self, found: Value<'_>, effort: &Effort) -> Option<Truth> {
        match self {
            Self::Text(wanted, Case::Sensitive) => {
                found.with_text(|found| wanted.iter().any(|wanted| **wanted == *found).into())
            }
            Self::Text(wanted, Case::Insensitive) => {
                found.with_text(|found| any(wanted, |wanted| same_but_for_case(wanted, found, effort)))
            }
            Self::Like(wanted) => {
                found.with_text(|found| wanted.iter().any(|pattern| pattern.matches(found, effort)).into())
            }
            Self::Number(wanted, comparison) => {
                let Value::Text(text) = found else { return None };
                let found = number(text).ok()?;
                Some(wanted.iter().any(|wanted| comparison.holds(found.cmp(wanted))).into())
            }
            Self::Date(wanted, comparison) => {
                let found = match found {
                    Value::Time(milliseconds) => i64::try_from(milliseconds).ok()?,
                    Value::Text(text) => date(text).ok()?,
                    Value::Address(_) | Value::Flag(_) => return None,
                };
                Some(wanted.iter().any(|wanted| comparison.holds(found.cmp(wanted))).into())
            }
            Self::Flag(wanted) => {
                let found = match found {
                    Value::Flag(found) => found,
                    Value::Text(text) => flag(text).ok()?,
                    Value::Address(_) | Value::Time(_) => return None,
                };
                Some(wanted.contains(&found).into())
            }
            Self::Network(wanted) => {
                let found = match found {
                    Value::Address(address) => address,
                    Value::Text(text) => text.parse::<IpAddr>().ok()?,
                    Value::Time(_) | Value::Flag(_) => return None,
                };
                let found = found.to_canonical();
                Some(any(wanted, |network| contains(network, found)))
            }
        }
    }

    /// Why the test can't mean what it says of that key: it could never be met, whatever the request has.
    pub(super) fn contradicts(&self, key: &ConditionKey) -> Option<String> {
        let kind = match key {
            ConditionKey::CurrentTime => "a time",
            ConditionKey::SourceIp => "an address",
            ConditionKey::SecureTransport | ConditionKey::MfaPresent => "true or false",
            ConditionKey::PrincipalArn => "an ARN",
            ConditionKey::UserAgent
            | ConditionKey::ExternalId
            | ConditionKey::EncryptionContext(_)
            | ConditionKey::ResourceTag(_)
            | ConditionKey::Other(_) => return None,
        };
        let is_possible = match (self, key) {
            (Self::Date(..), ConditionKey::CurrentTime)
            | (Self::Network(_), ConditionKey::SourceIp)
            | (Self::Flag(_), ConditionKey::SecureTransport | ConditionKey::MfaPresent) => true,
            (Self::Number(..) | Self::Date(..) | Self::Flag(_) | Self::Network(_), _) => false,
            (Self::Text(wanted, case), _) => wanted.iter().all(|wanted| may_be_text_of(key, wanted, *case)),
            (Self::Like(wanted), _) => wanted.iter().all(|wanted| may_be_like_text_of(key, wanted)),
        };
        (!is_possible).then(|| format!("it can never hold: the value of this key is {kind}"))
    }
}

/// Whether a request can have that text under a key whose values are all of one kind.
fn may_be_text_of(key: &ConditionKey, text: &str, case: Case) -> bool {
    let is = |shown: &str| match case {
        Case::Sensitive => *text == *shown,
        Case::Insensitive => text.eq_ignore_ascii_case(shown),
    };
    match key {
        ConditionKey::CurrentTime => {
            let time = text.parse::<jiff::Timestamp>().ok().and_then(|time| u64::try_from(time.as_millisecond()).ok());
            time.is_some_and(|time| Value::Time(time).with_text(is).unwrap_or_default())
        }
        ConditionKey::SourceIp => {
            text.parse().is_ok_and(|address| Value::Address(address).with_text(is).unwrap_or_default())
        }
        ConditionKey::SecureTransport | ConditionKey::MfaPresent => is("true") || is("false"),
        ConditionKey::PrincipalArn => !text.contains(OF_SESSION),
        _ => true,
    }
}

/// As [`may_be_text_of`], of a text with wildcards: as far as its characters tell.
fn may_be_like_text_of(key: &ConditionKey, pattern: &Pattern) -> bool {
    let only = |others: &[u8]| {
        let of_key = |byte: u8| byte.is_ascii_digit() || b"*?".contains(&byte) || others.contains(&byte);
        pattern.as_str().bytes().all(of_key)
    };
    match key {
        ConditionKey::CurrentTime => only(b"-:TZ"),
        ConditionKey::SourceIp => only(b"abcdef:."),
        ConditionKey::SecureTransport | ConditionKey::MfaPresent => {
            ["true", "false"].iter().any(|text| pattern.matches(text, &Effort::default()))
        }
        ConditionKey::PrincipalArn => !pattern.as_str().contains(OF_SESSION),
        _ => true,
    }
}

/// What the ARN of a session has, by which no policy knows it: there it has its role's.
const OF_SESSION: &str = "assumed-role/";

fn any<T>(wanted: &[T], is_met: impl Fn(&T) -> Truth) -> Truth {
    wanted.iter().map(is_met).max().unwrap_or(Truth::No)
}

/// Whether a block has an address in it. An IPv4 address has a form in IPv6 as well: whether a block of IPv6 that has that in
/// it is meant to have the address, nobody said.
fn contains(network: &IpNet, found: IpAddr) -> Truth {
    match (network, found) {
        (IpNet::V6(network), IpAddr::V4(found)) if network.contains(&found.to_ipv6_mapped()) => Truth::Unknown,
        _ => network.contains(&found).into(),
    }
}

fn each<T>(values: &[String], read: impl Fn(&str) -> Result<T, String>) -> Result<Box<[T]>, String> {
    values.iter().map(|value| read(value)).collect()
}

/// Whether two texts differ in case only. There are letters that differ as capitals but not as small letters, and the other way
/// round: of those it can't be told.
fn same_but_for_case(one: &str, other: &str, effort: &Effort) -> Truth {
    if !effort.take(one.len().min(other.len())) {
        return Truth::Unknown;
    }
    if one.chars().flat_map(char::to_lowercase).eq(other.chars().flat_map(char::to_lowercase)) {
        return Truth::Yes;
    }
    match one.chars().flat_map(char::to_uppercase).eq(other.chars().flat_map(char::to_uppercase)) {
        true => Truth::Unknown,
        false => Truth::No,
    }
}

/// Reads `true` or `false`, in any case.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(format!("{} is neither true nor false", shown(text))),
    }
}

fn network(text: &str) -> Result<IpNet, String> {
    let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    let network = network.map_err(|_| format!("{} is neither an IP address nor a CIDR block", shown(text)))?;
    // Callers' addresses are looked at in their own form as well, not in that of IPv4 mapped into IPv6.
    let mapped = network.prefix_len().checked_sub(96).zip(match network {
        IpNet::V6(network) => network.network().to_ipv4_mapped(),
        IpNet::V4(_) => None,
    });
    Ok(mapped.and_then(|(length, address)| IpNet::new(address.into(), length).ok()).unwrap_or(network))
}

/// Reads ISO 8601 with an offset or `Z`, with or without seconds: milliseconds since 1970.
fn date(text: &str) -> Result<i64, String> {
    let time = text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond);
    time.map_err(|_| {
        format!("{} is not a valid time; use the form 2026-01-31T08:00:00+08:00 or 2026-01-31T00:00:00Z", shown(text))
    })
}

/// A decimal number, exactly: in units of 10^-9.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Number(i128);

fn number(text: &str) -> Result<Number, String> {
    let read = || {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) || whole.len() > 25 || fraction.len() > 9 {
            return None;
        }
        // Nine digits at the most, so ten to the power of what is missing of nine fits.
        let missing = u32::try_from(9 - fraction.len()).ok()?;
        let fraction = fraction.parse::<i128>().ok()? * 10_i128.pow(missing);
        let billionths = whole.parse::<i128>().ok()? * 1_000_000_000 + fraction;
        Some(Number(if negative { -billionths } else { billionths }))
    };
    read().ok_or_else(|| {
        format!("{} is not a decimal number with at most 25 digits, 9 of them after the decimal point", shown(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact() {
        let read = |text| number(text).ok().map(|number| number.0);
        assert_eq!(read("9007199254740993"), Some(9_007_199_254_740_993_000_000_000));
        assert_eq!((read("-1.5"), read("-0.000000001"), read("0")), (Some(-1_500_000_000), Some(-1), Some(0)));
        for text in ["", "-", ".", "1.", ".5", "+1", "1e3", "0x1", "1.0000000001", " 1", "１"] {
            assert!(number(text).is_err(), "{text}");
        }
    }

    #[test]
    fn dates_are_those_of_iso_8601_with_an_offset() {
        assert_eq!(date("1970-01-01T08:00:00+08:00"), Ok(0));
        assert_eq!(date("1970-01-01T00:00:01Z"), Ok(1000));
        assert_eq!(date("1970-01-01T00:01Z"), Ok(60_000));
        for text in ["", "2026-01-31", "2026-01-31T00:00:00", "2026-02-30T00:00:00Z", "now"] {
            assert!(date(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_of_version_4_is_one_in_the_clothes_of_version_6_too() {
        let (test, _) = Test::parse("IpAddress", &["10.0.0.0/8".into()]).unwrap().unwrap();
        assert_eq!(test.is_met_by(Value::Address("::ffff:10.1.2.3".parse().unwrap()), &Effort::default()), Truth::Yes);
        assert_eq!(test.is_met_by(Value::Address("::10.1.2.3".parse().unwrap()), &Effort::default()), Truth::No);
        let (mapped, _) =
            Test::parse("IpAddress", &["::ffff:10.0.0.0/104".into(), "::ffff:192.0.2.1".into()]).unwrap().unwrap();
        for (address, is_in) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("192.0.2.1", true), ("192.0.2.2", false)]
        {
            assert_eq!(
                mapped.is_met_by(Value::Address(address.parse().unwrap()), &Effort::default()),
                is_in.into(),
                "{address}"
            );
        }
        let (all, _) = Test::parse("IpAddress", &["::/0".into()]).unwrap().unwrap();
        for (address, is_in) in [("10.1.2.3", Truth::Unknown), ("2001:db8::1", Truth::Yes)] {
            assert_eq!(all.is_met_by(Value::Address(address.parse().unwrap()), &Effort::default()), is_in, "{address}");
        }
    }

    #[test]
    fn letters_that_are_one_as_capitals_only_may_be_one() {
        let test = |wanted: &str| Test::parse("StringEqualsIgnoreCase", &[wanted.into()]).unwrap().unwrap().0;
        for (one, other, same) in [
            ("Shop", "sHOP", Truth::Yes),
            ("ΟΔΟΣ", "οδος", Truth::Unknown),
            ("STRASSE", "straße", Truth::Unknown),
            ("shop", "shops", Truth::No),
        ] {
            assert_eq!(test(one).is_met_by(Value::Text(other), &Effort::default()), same, "{one} {other}");
        }
    }

    #[test]
    fn what_is_not_of_the_operators_kind_is_neither_met_nor_unmet() {
        let texts = ["NumericEquals 3", "DateLessThan 2026-01-31T00:00:00Z", "Bool true", "IpAddress 10.0.0.0/8"];
        for text in texts {
            let (operator, wanted) = text.split_once(' ').unwrap();
            let (test, _) = Test::parse(operator, &[wanted.into()]).unwrap().unwrap();
            for found in ["", "high", " 3", "3x", "10.0.0", "yes"] {
                assert_eq!(test.is_met_by(Value::Text(found), &Effort::default()), Truth::Unknown, "{text} {found:?}");
            }
        }
        let all = [Value::Text("x"), Value::Flag(true), Value::Time(0), Value::Address([10, 0, 0, 1].into())];
        let met = |operator: &str, wanted: &str| {
            let (test, _) = Test::parse(operator, &[wanted.into()]).unwrap().unwrap();
            all.map(|value| test.is_met_by(value, &Effort::default()))
        };
        use Truth::{No, Unknown, Yes};
        assert_eq!(met("NumericEquals", "0"), [Unknown, Unknown, Unknown, Unknown]);
        assert_eq!(met("DateEquals", "1970-01-01T00:00:00Z"), [Unknown, Unknown, Yes, Unknown]);
        assert_eq!(met("Bool", "false"), [Unknown, No, Unknown, Unknown]);
        assert_eq!(met("IpAddress", "10.0.0.1"), [Unknown, Unknown, Unknown, Yes]);
        assert_eq!(met("StringEquals", "true"), [No, Yes, No, No]);
    }
}
