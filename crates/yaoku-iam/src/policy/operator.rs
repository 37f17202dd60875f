//! Operators of conditions, and the values that they compare with.

use std::cmp::Ordering;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Value;
use super::error::shown;
use super::pattern::{Case, Pattern};

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

    /// Whether `found` agrees with any of the values; one that isn't of the operator's kind never does.
    pub(super) fn is_met_by(&self, found: Value<'_>) -> bool {
        match self {
            Self::Text(wanted, case) => found.with_text(|found| {
                wanted.iter().any(|wanted| match case {
                    Case::Sensitive => **wanted == *found,
                    Case::Insensitive => same_but_for_case(wanted, found),
                })
            }),
            Self::Like(wanted) => found.with_text(|found| wanted.iter().any(|pattern| pattern.matches(found))),
            Self::Number(wanted, comparison) => {
                let Value::Text(text) = found else { return false };
                let Ok(found) = number(text) else { return false };
                wanted.iter().any(|wanted| comparison.holds(found.cmp(wanted)))
            }
            Self::Date(wanted, comparison) => {
                let found = match found {
                    Value::Time(milliseconds) => milliseconds.cast_signed(),
                    Value::Text(text) => match date(text) {
                        Ok(found) => found,
                        Err(_) => return false,
                    },
                    Value::Address(_) | Value::Flag(_) => return false,
                };
                wanted.iter().any(|wanted| comparison.holds(found.cmp(wanted)))
            }
            Self::Flag(wanted) => {
                let found = match found {
                    Value::Flag(found) => Ok(found),
                    Value::Text(text) => flag(text),
                    Value::Address(_) | Value::Time(_) => return false,
                };
                found.is_ok_and(|found| wanted.contains(&found))
            }
            Self::Network(wanted) => {
                let found = match found {
                    Value::Address(address) => address,
                    Value::Text(text) => match text.parse::<IpAddr>() {
                        Ok(address) => address,
                        Err(_) => return false,
                    },
                    Value::Time(_) | Value::Flag(_) => return false,
                };
                let found = found.to_canonical();
                wanted.iter().any(|network| network.contains(&found))
            }
        }
    }
}

fn each<T>(values: &[String], read: impl Fn(&str) -> Result<T, String>) -> Result<Box<[T]>, String> {
    values.iter().map(|value| read(value)).collect()
}

fn same_but_for_case(one: &str, other: &str) -> bool {
    one.chars().flat_map(char::to_lowercase).eq(other.chars().flat_map(char::to_lowercase))
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
        assert!(test.is_met_by(Value::Address("::ffff:10.1.2.3".parse().unwrap())));
        assert!(!test.is_met_by(Value::Address("::10.1.2.3".parse().unwrap())));
        let (mapped, _) =
            Test::parse("IpAddress", &["::ffff:10.0.0.0/104".into(), "::ffff:192.0.2.1".into()]).unwrap().unwrap();
        for (address, is_in) in
            [("10.1.2.3", true), ("::ffff:10.1.2.3", true), ("192.0.2.1", true), ("192.0.2.2", false)]
        {
            assert_eq!(mapped.is_met_by(Value::Address(address.parse().unwrap())), is_in, "{address}");
        }
    }
}
