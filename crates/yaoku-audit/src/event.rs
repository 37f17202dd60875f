//! One call, in the structure of ActionTrail's events.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::Error;

/// Whether a call changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum ReadWrite {
    /// It does not.
    Read,
    /// It does.
    Write,
}

/// Who called, as far as it is known.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity<'a> {
    /// `root-account`, `ram-user`, `assumed-role`, `disk`, `system`, or `unknown` where nothing was proven.
    pub r#type: &'a str,
    /// Id of the principal.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub principal_id: &'a str,
    /// The account.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub account_id: &'a str,
    /// The AccessKey; one that was claimed, where nothing was proven.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub access_key_id: &'a str,
    /// Name of the user, or role and session.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub user_name: &'a str,
    /// The user of the operating system who gave an operator's command.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub operating_system_user: &'a str,
    /// Of a role's session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_context: Option<SessionContext<'a>>,
}

/// What is particular to a role's session.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SessionContext<'a> {
    /// Nothing else is: ActionTrail has them one level down.
    pub attributes: SessionAttributes<'a>,
}

/// Attributes of a role's session.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionAttributes<'a> {
    /// When it began.
    pub creation_date: &'a str,
    /// Whether it was begun with a second factor: `true` or `false`, as a text.
    pub mfa_authenticated: &'a str,
}

/// Things that a call was about: kind and name, those that it was mainly about first.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resources<'a>(pub &'a [(&'static str, Cow<'a, str>)]);

impl Resources<'_> {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for Resources<'_> {
    /// A list of names for each kind.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut kinds: Vec<(&str, Vec<&str>)> = Vec::new();
        for (kind, name) in self.0 {
            match kinds.iter_mut().find(|(known, _)| known == kind) {
                Some((_, names)) => names.push(name),
                None => kinds.push((kind, vec![name])),
            }
        }
        serializer.collect_map(kinds)
    }
}

/// A call. Everything in it is safe to show: the caller leaves secrets out, and bounds each text.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event<'a, P: Serialize> {
    /// Its own id.
    pub event_id: &'a str,
    /// Version of this structure: a text, as ActionTrail has it. In records of earlier versions it is a number.
    pub event_version: &'static str,
    /// When it was answered, in UTC.
    pub event_time: &'a str,
    /// `ApiCall`.
    pub event_type: &'static str,
    /// `Management`: ActionTrail has no other for calls.
    pub event_category: &'static str,
    /// The action.
    pub event_name: &'a str,
    /// Whether it changes anything.
    #[serde(rename = "eventRW")]
    pub read_write: ReadWrite,
    /// The host that was called.
    pub event_source: &'a str,
    /// The service, such as `Kms`.
    pub service_name: &'a str,
    /// The version of its API.
    pub api_version: &'a str,
    /// The region.
    pub acs_region: &'a str,
    /// Names the call in the answer and in the log.
    pub request_id: &'a str,
    /// Where it came from.
    pub source_ip_address: &'a str,
    /// What the client calls itself.
    pub user_agent: &'a str,
    /// Who called.
    pub user_identity: Identity<'a>,
    /// Parameters that may be shown.
    pub request_parameters: P,
    /// What may be shown of the answer to a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_elements: Option<&'a serde_json::Value>,
    /// Accounts, not the caller's, of which keys were used, and that are shown the event too.
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    pub recipient_account_ids: &'a [&'a str],
    /// All that it was about, by kind.
    #[serde(skip_serializing_if = "Resources::is_empty")]
    pub referenced_resources: Resources<'a>,
    /// What it was done to; empty if that is not known.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub resource_name: &'a str,
    /// Its kind.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub resource_type: &'a str,
    /// Why it failed; empty if it did not.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub error_code: &'a str,
    /// A sentence on that.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub error_message: &'a str,
}

impl<P: Serialize> Event<'_, P> {
    /// The record of the event: JSON without line feeds, nor anything else that a terminal would obey.
    ///
    /// # Errors
    /// [`Error::Form`] if the parameters can't be written as JSON.
    pub fn record(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(1024);
        serde_json::to_writer(&mut out, self).map_err(|_| Error::Form("can't write the event as JSON"))?;
        Ok(escaped(out))
    }
}

/// Whether a character is not seen but obeyed: a control character, or one that turns the order of those around it.
pub fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The same JSON, with characters that are not seen but obeyed written as escapes. Of control characters, JSON itself
/// escapes those below U+0020 only.
fn escaped(json: Vec<u8>) -> Vec<u8> {
    if json.iter().all(|byte| (b' '..=b'~').contains(byte)) {
        return json;
    }
    let text = String::from_utf8_lossy(&json);
    let mut out = String::with_capacity(json.len() + 64);
    for character in text.chars() {
        match is_obeyed(character) {
            // All of them are below U+10000, so that four digits suffice.
            true => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            false => out.push(character),
        }
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_terminals_obey_is_escaped_and_remains_the_same_text() {
        let text = "a\u{1b}[2J\u{9b}31m\u{7f}\u{202e}\u{2066}\u{200f}\r\n\"\\钥😀é";
        let json = escaped(serde_json::to_vec(text).unwrap());
        let shown = String::from_utf8(json).unwrap();
        assert!(!shown.chars().any(is_obeyed) && shown.contains("钥😀é"), "{shown:?}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        assert_eq!(escaped(b"{\"a\":\"b\"}".to_vec()), b"{\"a\":\"b\"}");
    }
}
