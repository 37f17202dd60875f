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
    /// Any other, in lower case as far as its first `/`.
    Other(Box<str>),
}

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
            (_, None) => Self::Other(name.into()),
            (_, Some(tag)) => Self::Other(format!("{name}/{tag}").into()),
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
    /// The value as a text, made where the caller stands.
    pub(super) fn with_text<T>(self, read: impl FnOnce(&str) -> T) -> T {
        match self {
            Self::Text(text) => read(text),
            Self::Flag(flag) => read(if flag { "true" } else { "false" }),
            Self::Address(address) => with_text(format_args!("{address}"), read),
            Self::Time(milliseconds) => match jiff::Timestamp::from_millisecond(milliseconds.cast_signed()) {
                Ok(time) => with_text(format_args!("{time:.0}"), read),
                Err(_) => read(""),
            },
        }
    }
}
