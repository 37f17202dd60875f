//! What conditions can ask about a request.

use std::net::IpAddr;

use crate::text::with_text;

/// The name of something that a condition asks about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ConditionKey {
    /// `acs:CurrentTime`: when the request is decided.
    CurrentTime,
    /// `acs:SourceIp`: the address that the request comes from.
    SourceIp,
    /// `acs:SecureTransport`: whether it came over TLS.
    SecureTransport,
    /// `acs:MFAPresent`: whether its sender has shown a second factor.
    MfaPresent,
    /// `acs:UserAgent`: the program that sent it, as it calls itself.
    UserAgent,
    /// `acs:PrincipalARN`: who sent it.
    PrincipalArn,
    /// `sts:ExternalId`: what the sender of AssumeRole gave as `ExternalId`.
    ExternalId,
    /// `kms:tag/<name>`, also `acs:ResourceTag/<name>`: a tag of the resource, by its name.
    ResourceTag(Box<str>),
    /// `kms:EncryptionContext/<name>`: what the encryption context of the request has under a name.
    EncryptionContext(Box<str>),
    /// Any other, in lower case as far as its first `/`.
    Other(Box<str>),
}

/// The services that are here, as the names of condition keys begin.
const SERVICES: &[&str] = &["acs", "actiontrail", "kms", "ram", "sts", "yaoku"];

/// Keys of these services that no request can have here: there are no private networks and no directories of accounts.
const ABSENT: &[&str] = &["acs:principalrdid", "acs:principalrdpath", "acs:sourcevpc", "acs:vpcsourceip"];

impl ConditionKey {
    /// Reads a key. Every text is one: that of a service which isn't here is missing from every request.
    pub fn parse(text: &str) -> Self {
        let (name, tag) = match text.split_once('/') {
            Some((name, tag)) => (name.to_ascii_lowercase(), Some(tag)),
            None => (text.to_ascii_lowercase(), None),
        };
        match (name.as_str(), tag) {
            ("acs:currenttime", None) => Self::CurrentTime,
            ("acs:sourceip", None) => Self::SourceIp,
            ("acs:securetransport", None) => Self::SecureTransport,
            ("acs:mfapresent", None) => Self::MfaPresent,
            ("acs:useragent", None) => Self::UserAgent,
            ("acs:principalarn", None) => Self::PrincipalArn,
            ("sts:externalid", None) => Self::ExternalId,
            ("kms:tag" | "acs:resourcetag", Some(tag)) => Self::ResourceTag(tag.into()),
            ("kms:encryptioncontext", Some(name)) => Self::EncryptionContext(name.into()),
            (_, None) => Self::Other(name.into()),
            (_, Some(tag)) => Self::Other(format!("{name}/{tag}").into()),
        }
    }

    /// Whether it is known what a request has under the key. Not so of one that a service which is here may have in the cloud:
    /// the request may have what it asks about, and nobody here looks. Nor of what is no name of a key.
    pub(super) fn is_known(&self) -> bool {
        let Self::Other(name) = self else { return true };
        let plain = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        match name.split_once(':') {
            Some((service, _)) if SERVICES.contains(&service) => ABSENT.contains(&&**name),
            Some((service, rest)) => plain(service) && rest.split('/').next().is_some_and(plain),
            None => false,
        }
    }
}

/// One value that a request has under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// A text; conditions on numbers, times, flags and addresses read it as such.
    Text(&'a str),
    /// An address.
    Address(IpAddr),
    /// Milliseconds since 1970.
    Time(u64),
    /// Yes or no.
    Flag(bool),
}

/// Knows what a request has under each key; asked only for keys of conditions that could matter.
pub trait Context {
    /// Shows each value that the request has under `key`; none, if it lacks it.
    fn visit(&self, key: &ConditionKey, see: &mut dyn FnMut(Value<'_>));
}

impl Value<'_> {
    /// The value as a text, made where the caller stands; none of a time beyond the calendar.
    pub(super) fn with_text<T>(self, read: impl FnOnce(&str) -> T) -> Option<T> {
        match self {
            Self::Text(text) => Some(read(text)),
            Self::Flag(flag) => Some(read(if flag { "true" } else { "false" })),
            Self::Address(address) => Some(with_text(format_args!("{}", address.to_canonical()), read)),
            Self::Time(milliseconds) => {
                let time = jiff::Timestamp::from_millisecond(i64::try_from(milliseconds).ok()?).ok()?;
                Some(with_text(format_args!("{time:.0}"), read))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_a_service_here_may_have_in_the_cloud_are_not_taken_as_missing() {
        for known in [
            "acs:SourceIp",
            "KMS:Tag/team",
            "acs:ResourceTag/a:b",
            "acs:SourceVpc",
            "kms:EncryptionContext/aws:s3:arn",
            "ecs:tag/team",
            "x:y",
            "oss:a.b/c d",
        ] {
            assert!(ConditionKey::parse(known).is_known(), "{known}");
        }
        for unknown in [
            "kms:EncryptionAlgorithm",
            "acs:RequestTag/team",
            "acs:SourceIp/32",
            "acs:SourceVpc/x",
            "kms:tag",
            "kms:tags/team",
            "kms:EncryptionContext",
            "STS:x",
            "SourceIp",
            "",
            "acs",
            ":x",
            "x:",
            " acs:SourceIp",
            "acs :SourceIp",
            "x:a b",
            "x:/y",
        ] {
            assert!(!ConditionKey::parse(unknown).is_known(), "{unknown}");
        }
    }

    #[test]
    fn a_mapped_address_is_shown_as_what_it_is() {
        let mapped = Value::Address("::ffff:10.1.2.3".parse().unwrap());
        assert_eq!(mapped.with_text(str::to_owned).as_deref(), Some("10.1.2.3"));
        assert_eq!(Value::Time(u64::MAX).with_text(str::to_owned), None);
        assert_eq!(Value::Time(i64::MAX as u64).with_text(str::to_owned), None);
    }
}
