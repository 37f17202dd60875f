//! How parameters are read: what many actions have in common. What only one API has is in a module of the same name there.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use yaoku_iam::AccountId;

use super::Param;
use super::names::Named;
use crate::wire::params::Params;
use crate::wire::{Code, WireError};

/// The most characters that a JSON parameter other than the encryption context can have.
const MAX_JSON: usize = 65_536;
/// From here on a number of seconds since 1970 (the year 5138) can only be meant as milliseconds (1973).
const FIRST_MILLISECONDS: u64 = 100_000_000_000;

/// What any request may have beside its action's parameters.
const PROTOCOLS_OWN: [&str; 12] = [
    "AccessKeyId",
    "Action",
    "Format",
    "RegionId",
    "SecurityToken",
    "Signature",
    "SignatureMethod",
    "SignatureNonce",
    "SignatureType",
    "SignatureVersion",
    "Timestamp",
    "Version",
];

/// The parameters of a request, and what is needed to understand the ARNs among them.
pub(crate) struct Arguments<'a> {
    params: &'a Params<'a>,
    pub(crate) region: &'a str,
    pub(crate) account: AccountId,
}

impl<'a> Arguments<'a> {
    pub(crate) fn new(params: &'a Params<'a>, region: &'a str, account: AccountId) -> Self {
        Self { params, region, account }
    }

    /// Whether the parameter, or the first element of the list of that name, is there.
    pub(super) fn has(&self, name: &str) -> bool {
        self.params.get(name).is_some() || self.has_list(name)
    }

    /// A parameter that is neither one of these nor of the protocol's own.
    pub(super) fn unknown(&self, params: &[Param]) -> Option<&'a str> {
        let known = |name: &str| PROTOCOLS_OWN.contains(&name) || params.iter().any(|param| param.name == name);
        // Of a flattened list, the part before the first dot.
        let names = self.params.iter().map(|param| param.name());
        names.into_iter().find(|name| !known(name.split('.').next().unwrap_or_default()))
    }

    /// Whether there is a first element of the flattened list `name`.
    fn has_list(&self, name: &str) -> bool {
        self.params.iter().any(|param| {
            let rest = param.name().strip_prefix(name).and_then(|rest| rest.strip_prefix(".1"));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    /// A parameter that the action declares. Only what [`parameters!`](super::parameters) makes asks for one.
    pub(super) fn declared(&'a self, name: &'static str) -> Parameter<'a> {
        Parameter { arguments: self, name }
    }
}

/// A place in a listing, as clients give it back.
pub(super) fn place_text(place: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(place)
}

impl Parameter<'_> {
    /// A place in a listing, as [`place_text`] gave it out.
    pub(super) fn place(self) -> Read<Vec<u8>> {
        /// More than any that is given out.
        const MAX: usize = 1024;
        let Some(text) = self.filled() else { return Ok(None) };
        let place = URL_SAFE_NO_PAD.decode(text).ok().filter(|_| text.len() <= MAX);
        place.map(Some).ok_or_else(|| self.invalid("it is not one that was given out"))
    }
}

/// A declared parameter in a request, there or not. Its methods are the readers that declarations name: they give nothing
/// where it is not there and, unless they say otherwise, where it is empty.
#[derive(Clone, Copy)]
pub(super) struct Parameter<'a> {
    arguments: &'a Arguments<'a>,
    name: &'static str,
}

/// What readers give.
pub(super) type Read<T> = Result<Option<T>, WireError>;

impl<'a> Parameter<'a> {
    /// What is needed to understand ARNs.
    pub(super) const fn arguments(self) -> &'a Arguments<'a> {
        self.arguments
    }

    pub(super) const fn name(self) -> &'static str {
        self.name
    }

    /// The value, which may be empty.
    pub(super) fn value(self) -> Option<&'a str> {
        self.arguments.params.get(self.name)
    }

    /// The value, if it is not empty.
    pub(super) fn filled(self) -> Option<&'a str> {
        self.value().filter(|text| !text.is_empty())
    }

    /// What follows `NAME.` in the names of a flattened map, with the values.
    pub(super) fn entries(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.arguments.params.map(self.name)
    }

    /// What a reader gave, where that must be something.
    pub(super) fn required<T>(self, read: Option<T>) -> Result<T, WireError> {
        read.ok_or_else(|| self.missing())
    }

    /// What a reader gives, which must be something.
    pub(super) fn demand<T>(self, reader: impl FnOnce(Self) -> Read<T>) -> Result<T, WireError> {
        self.required(reader(self)?)
    }

    pub(super) fn missing(self) -> WireError {
        WireError::missing_parameter(self.name)
    }

    pub(super) fn invalid(self, why: impl std::fmt::Display) -> WireError {
        WireError::invalid_parameter(self.name, why)
    }

    /// Read by the action's function, where it depends on others whether the value counts.
    pub(super) const fn itself(self) -> Self {
        self
    }

    /// A text, which may be empty.
    pub(super) fn text(self) -> Read<&'a str> {
        Ok(self.value())
    }

    /// As [`Self::text`].
    pub(super) fn string(self) -> Read<String> {
        Ok(self.value().map(str::to_owned))
    }

    /// A text that is not empty.
    pub(super) fn filled_string(self) -> Read<String> {
        Ok(self.filled().map(str::to_owned))
    }

    pub(super) fn boolean(self) -> Read<bool> {
        match self.filled() {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(self.invalid("it must be true or false")),
        }
    }

    pub(super) fn integer(self) -> Read<u32> {
        let Some(text) = self.filled() else { return Ok(None) };
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number.map(Some).ok_or_else(|| self.invalid(format!("it must be a whole number from 0 to {}", u32::MAX)))
    }

    /// A whole number from 1.
    pub(super) fn at_least_one(self) -> Read<u32> {
        match self.integer()? {
            Some(0) => Err(self.invalid("it must be at least 1")),
            number => Ok(number),
        }
    }

    /// A whole number from 1 to `largest`.
    pub(super) fn up_to(self, largest: u32) -> Read<u32> {
        match self.integer()? {
            Some(number) if !(1..=largest).contains(&number) => Err(self.invalid(format!("it must be 1 to {largest}"))),
            number => Ok(number),
        }
    }

    /// Seconds since 1970.
    pub(super) fn unix_seconds(self) -> Read<u64> {
        let Some(text) = self.filled() else { return Ok(None) };
        let digits = text.len() <= 18 && text.bytes().all(|b| b.is_ascii_digit());
        match digits.then(|| text.parse().ok()).flatten() {
            Some(number) if number >= FIRST_MILLISECONDS => {
                Err(self.invalid("it must be in seconds since 1970, and this can only be milliseconds"))
            }
            Some(number) => Ok(Some(number)),
            None => Err(self.invalid("it must be a whole number of seconds since 1970")),
        }
    }

    /// A value by its name in the protocol.
    pub(super) fn named<T: Named>(self) -> Read<T> {
        let Some(text) = self.filled() else { return Ok(None) };
        let known = || T::NAMES.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(" or ");
        T::of_name(text).map(Some).ok_or_else(|| self.invalid(format!("it must be {}", known())))
    }

    pub(super) fn json<T: Deserialize<'a>>(self, form: &str) -> Read<T> {
        let Some(text) = self.filled() else { return Ok(None) };
        if text.len() > MAX_JSON {
            return Err(self.invalid(format!("it must be at most {MAX_JSON} bytes")));
        }
        serde_json::from_str(text).map(Some).map_err(|_| self.invalid(format!("it must be {form}")))
    }

    /// A flattened list of at most `most` values.
    pub(super) fn list(self, most: usize) -> Read<Vec<&'a str>> {
        self.arguments.params.list(self.name, most).map(Some)
    }

    /// A flattened list of at most `most` objects, each as the values of `fields`.
    pub(super) fn objects<const N: usize>(self, fields: [&str; N], most: usize) -> Read<Vec<[Option<&'a str>; N]>> {
        self.arguments.params.objects(self.name, fields, most).map(Some)
    }

    /// Taken and passed over; that it was given is recorded.
    #[expect(clippy::unnecessary_wraps, reason = "a reader as the others")]
    pub(super) fn passed_over(self) -> Read<()> {
        Ok(None)
    }

    /// `DryRun`, which is read before all others: see [`super::Exchange::run`].
    #[expect(clippy::unnecessary_wraps, reason = "a reader as the others")]
    pub(super) fn dry_run(self) -> Read<()> {
        Ok(None)
    }

    /// Fails with `UnsupportedOperation` if it is given: this version can't honour it.
    pub(super) fn refused(self) -> Read<()> {
        match self.filled() {
            Some(_) => Err(unsupported(format!("The parameter {} is not supported by this server.", self.name))),
            None => Ok(None),
        }
    }

    /// As [`Self::refused`], of what may be false.
    pub(super) fn refused_if_true(self) -> Read<()> {
        match self.boolean()? {
            Some(true) => self.refused(),
            Some(false) | None => Ok(None),
        }
    }
}

pub(super) fn unsupported(message: impl Into<Cow<'static, str>>) -> WireError {
    WireError::new(Code::UnsupportedOperation, message)
}
