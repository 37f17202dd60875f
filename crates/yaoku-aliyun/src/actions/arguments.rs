//! An action's parameters, read as what they mean; what only one API has is in a module of the same name there.

use std::borrow::Cow;

use serde::Deserialize;
use yaoku_iam::AccountId;

use super::names::Named;
use crate::wire::params::Params;
use crate::wire::{Code, WireError};

/// The most characters that a JSON parameter other than the encryption context can have.
const MAX_JSON: usize = 65_536;

/// The parameters of a request, and what is needed to understand the ARNs among them.
pub(crate) struct Arguments<'a> {
    pub(crate) params: &'a Params<'a>,
    pub(crate) region: &'a str,
    pub(crate) account: AccountId,
}

impl<'a> Arguments<'a> {
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.params.get(name)
    }

    /// A parameter with something in it.
    pub(super) fn given(&self, name: &str) -> Option<&'a str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// Fails unless the parameter, or the first element of the list of that name, is there.
    pub(super) fn require(&self, name: &'static str) -> Result<(), WireError> {
        if self.text(name).is_some() || self.has_list(name) { Ok(()) } else { Err(WireError::missing_parameter(name)) }
    }

    /// Whether there is a first element of the flattened list `name`.
    pub(super) fn has_list(&self, name: &str) -> bool {
        self.params.iter().any(|param| {
            let rest = param.name().strip_prefix(name).and_then(|rest| rest.strip_prefix(".1"));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    }

    pub(super) fn required_text(&self, name: &'static str) -> Result<&'a str, WireError> {
        self.text(name).ok_or_else(|| WireError::missing_parameter(name))
    }

    /// Fails with `UnsupportedOperation` if a parameter that this version can't honour is given.
    pub(super) fn refuse(&self, names: &[&'static str]) -> Result<(), WireError> {
        match names.iter().find(|name| self.given(name).is_some()) {
            Some(name) => Err(unsupported(format!("The parameter {name} is not supported by this server."))),
            None => Ok(()),
        }
    }

    pub(super) fn boolean(&self, name: &'static str) -> Result<Option<bool>, WireError> {
        match self.given(name) {
            None => Ok(None),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(WireError::invalid_parameter(name, "it must be true or false")),
        }
    }

    pub(super) fn integer(&self, name: &'static str) -> Result<Option<u32>, WireError> {
        let Some(text) = self.given(name) else { return Ok(None) };
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        let why = || format!("it must be an integer from 0 to {}", u32::MAX);
        number.map(Some).ok_or_else(|| WireError::invalid_parameter(name, why()))
    }

    /// A whole number below 10¹², such as seconds since 1970.
    pub(super) fn long_integer(&self, name: &'static str) -> Result<Option<u64>, WireError> {
        let Some(text) = self.given(name) else { return Ok(None) };
        let digits = text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit());
        let number = digits.then(|| text.parse().ok()).flatten();
        number.map(Some).ok_or_else(|| WireError::invalid_parameter(name, "it must be an integer"))
    }

    /// A value by its name in the protocol.
    pub(super) fn named<T: Named>(&self, name: &'static str) -> Result<Option<T>, WireError> {
        let Some(text) = self.given(name) else { return Ok(None) };
        let known = || T::NAMES.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(" or ");
        T::of_name(text).map(Some).ok_or_else(|| WireError::invalid_parameter(name, format!("it must be {}", known())))
    }

    /// As [`Self::named`], for a parameter that must be there.
    pub(super) fn required_name<T: Named>(&self, name: &'static str) -> Result<T, WireError> {
        self.named(name)?.ok_or_else(|| WireError::missing_parameter(name))
    }

    pub(super) fn json<T: Deserialize<'a>>(&self, name: &'static str, form: &str) -> Result<Option<T>, WireError> {
        let Some(text) = self.given(name) else { return Ok(None) };
        if text.len() > MAX_JSON {
            return Err(WireError::invalid_parameter(name, format!("it must be at most {MAX_JSON} bytes")));
        }
        serde_json::from_str(text)
            .map(Some)
            .map_err(|_| WireError::invalid_parameter(name, format!("it must be {form}")))
    }
}

pub(super) fn unsupported(message: impl Into<Cow<'static, str>>) -> WireError {
    WireError::new(Code::UnsupportedOperation, message)
}
