//! The audit record of a call: what is known of it, without secrets, in bounded size.

use std::borrow::Cow;
use std::fmt::Display;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::json;
use yaoku_audit::{Event, Identity, ReadWrite, Resources, SessionAttributes, SessionContext};
use yaoku_iam::{Access, Caller, Credential, Described, Failed, PrincipalKind, Trace};

use crate::RequestId;
use crate::protocol::Telling;
use crate::shown_contexts::ShownContexts;
use crate::time::format_time;

/// Bytes of a parameter that a record shows, and of a sentence.
pub(crate) const MAX_VALUE: usize = 512;
/// Bytes of a name that an unauthenticated caller chose.
pub(crate) const MAX_NAME: usize = 128;
/// Bytes of all parameters that the record of a call shows, and of the names of all things that it was about.
const OF_DONE: Room = Room { parameters: 16 << 10, resources: 8 << 10 };
/// The same of a call that was refused: it costs its caller nothing, and so must not fill the log.
const OF_REFUSED: Room = Room { parameters: 1536, resources: 1024 };
/// Bytes of the chosen names of encryption contexts and their values: as many as a call can have, so that none is left out.
const CHOSEN: usize = 704 << 10;
/// What stands for what was left out.
const LEFT_OUT: &str = "…";

/// Bytes as they are written, with escapes.
struct Room {
    parameters: usize,
    resources: usize,
}

/// What is known of a call that is to be recorded.
pub(crate) struct Call<'a> {
    pub(crate) event_id: RequestId,
    pub(crate) request_id: RequestId,
    pub(crate) event_type: &'static str,
    pub(crate) millis: u64,
    pub(crate) host: &'a str,
    /// Empty where nobody asked.
    pub(crate) source: &'a dyn Display,
    pub(crate) user_agent: &'a str,
    pub(crate) region: &'a str,
    pub(crate) told: &'a dyn Telling,
    pub(crate) caller: Option<&'a Caller>,
    pub(crate) trace: &'a Trace,
    /// None where encryption contexts are not shown.
    pub(crate) shown_contexts: Option<&'a ShownContexts>,
    /// Code and message of what went wrong.
    pub(crate) error: Option<(&'a str, &'a str)>,
    /// Whether what came of it is known.
    pub(crate) ended: bool,
}

/// The record of a call.
pub(crate) fn record(call: &Call<'_>) -> Result<Vec<u8>, yaoku_audit::Error> {
    let (event_id, request_id) = (call.event_id.to_string(), call.request_id.to_string());
    let time = format_time(call.millis);
    let source = call.source.to_string();
    let told = call.told;
    let room = if call.error.is_some() { OF_REFUSED } else { OF_DONE };
    let resources = match told.action() {
        Some(_) => within(told.resources(&call.trace.touched()), room.resources),
        None => Vec::new(),
    };
    let (name, host) = (shortened(told.name(), MAX_NAME), shortened(call.host, MAX_NAME));
    let user_agent = shortened(call.user_agent, MAX_VALUE);
    let claimed = shortened(told.claimed_access_key(), MAX_NAME);
    let message = call.error.map(|(_, message)| shortened(message, MAX_VALUE)).unwrap_or_default();
    let (resource_type, resource_name) = resources.first().map_or(("", ""), |(kind, name)| (kind, name));
    let who = call.caller.map(|caller| caller.principal().describe());
    let began = who.as_ref().and_then(|who| who.session_began).map(format_time).unwrap_or_default();
    let operator = call.caller.and_then(operator);
    let owners = call.trace.owners();
    let recipients: Vec<_> = owners.iter().map(|owner| owner.as_str()).collect();
    // A change that failed changed nothing.
    let elements = match call.ended && call.error.is_none() {
        true => with_failed_parts(told.elements(), call.trace),
        false => None,
    };
    let event = Event {
        event_id: &event_id,
        event_version: "1",
        event_time: &time,
        event_type: call.event_type,
        event_category: "Management",
        event_name: &name,
        read_write: match told.action() {
            Some(action) if action.access == Access::Write => ReadWrite::Write,
            _ => ReadWrite::Read,
        },
        event_source: &host,
        service_name: told.service(),
        api_version: told.api_version(),
        acs_region: call.region,
        request_id: &request_id,
        source_ip_address: &source,
        user_agent: &user_agent,
        user_identity: identity(call, who.as_ref(), &claimed, &began, operator.as_deref()),
        request_parameters: Shown { call, room: room.parameters },
        response_elements: elements.as_ref(),
        recipient_account_ids: &recipients,
        referenced_resources: Resources(&resources),
        resource_name,
        resource_type,
        error_code: call.error.map_or("", |(code, _)| code),
        error_message: &message,
    };
    event.record()
}

/// The elements of an answer, and what parts of the call were not done: an answer may give the others.
fn with_failed_parts(elements: Option<serde_json::Value>, trace: &Trace) -> Option<serde_json::Value> {
    let failed = trace.failed();
    if failed.is_empty() {
        return elements;
    }
    let failed = failed.into_iter().map(|(code, Failed { count, first })| {
        json!({ "errorCode": code, "count": count, "first": shortened(&first, MAX_NAME) })
    });
    let mut elements = elements.unwrap_or_else(|| json!({}));
    if let Some(elements) = elements.as_object_mut() {
        elements.insert("failedItems".to_owned(), failed.collect());
    }
    Some(elements)
}

/// Which user of the operating system gave an operator's command.
fn operator(caller: &Caller) -> Option<String> {
    let Credential::Operator(user) = caller.credential() else { return None };
    Some(match user.login_uid.filter(|login| *login != user.uid) {
        Some(login) => format!("uid {}, logged in as uid {login}", user.uid),
        None => format!("uid {}", user.uid),
    })
}

/// Who called. Only what was proven makes an account.
fn identity<'a>(
    call: &Call<'a>,
    who: Option<&'a Described>,
    claimed: &'a str,
    began: &'a str,
    operator: Option<&'a str>,
) -> Identity<'a> {
    let (Some(caller), Some(who)) = (call.caller, who) else {
        return Identity { r#type: "unknown", access_key_id: claimed, ..Identity::default() };
    };
    // No credential of this server has a second factor.
    let attributes = SessionAttributes { creation_date: began, mfa_authenticated: "false" };
    let (r#type, session_context) = match who.kind {
        PrincipalKind::Root => ("root-account", None),
        PrincipalKind::User(_) => ("ram-user", None),
        PrincipalKind::Session(_) => ("assumed-role", Some(SessionContext { attributes })),
        PrincipalKind::Disk(_) => ("disk", None),
        PrincipalKind::Service => ("system", None),
    };
    Identity {
        r#type,
        principal_id: &who.id,
        account_id: who.account.as_str(),
        access_key_id: caller.access_key_id(),
        user_name: &who.name,
        operating_system_user: operator.unwrap_or_default(),
        session_context,
    }
}

/// The parameters of a call that may be shown, and the encryption contexts, where these are, within that many bytes.
struct Shown<'a> {
    call: &'a Call<'a>,
    room: usize,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let Call { told, trace, shown_contexts, error, .. } = *self.call;
        let (mut left, mut left_out, mut result) = (self.room, 0_usize, Ok(()));
        let mut show = |name: &str, value: &str, left: &mut usize| {
            let (name, value) = (shortened(name, MAX_NAME), shortened(value, MAX_VALUE));
            match left.checked_sub(written(&name) + written(&value) + QUOTES) {
                Some(rest) if left_out == 0 && result.is_ok() => {
                    *left = rest;
                    result = map.serialize_entry(&name, &value);
                }
                _ => left_out += 1,
            }
        };
        let contexts = if shown_contexts.is_some() { trace.encryption_contexts() } else { Vec::new() };
        if let Some(shown) = shown_contexts {
            let mut of_chosen = if error.is_none() { CHOSEN } else { OF_REFUSED.parameters };
            shown.show_chosen(&contexts, &mut |name, value| show(name, value, &mut of_chosen));
        }
        told.parameters(&mut |name, value| show(name, value, &mut left));
        if let Some(shown) = shown_contexts {
            shown.show_others(&contexts, &mut |name, value| show(name, value, &mut left));
            left_out += trace.contexts_left_out();
        }
        result?;
        if left_out > 0 {
            map.serialize_entry(LEFT_OUT, &format!("{left_out} more"))?;
        }
        map.end()
    }
}

/// What stands around a name and a value.
const QUOTES: usize = r#""":"","#.len();

/// As many of the things that a call was about as fit, each with its name shortened; the last stands for those that don't.
fn within<'a>(all: Vec<(&'static str, Cow<'a, str>)>, room: usize) -> Vec<(&'static str, Cow<'a, str>)> {
    let (mut left, mut shown) = (room, Vec::with_capacity(all.len()));
    for (kind, name) in all {
        let name = match shortened(&name, MAX_VALUE.min(room / 2)) {
            Cow::Borrowed(_) => name,
            Cow::Owned(short) => Cow::Owned(short),
        };
        let Some(rest) = left.checked_sub(written(&name) + kind.len() + QUOTES) else {
            shown.push((kind, Cow::Borrowed(LEFT_OUT)));
            break;
        };
        left = rest;
        shown.push((kind, name));
    }
    shown
}

/// The beginning of a text that takes at most that many bytes in a record; a mark at its end tells that it went on.
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    let mut taken = 0;
    for (at, character) in text.char_indices() {
        taken += width(character);
        if taken > most {
            // The mark may take the place of what stood last.
            let mut end = at;
            let mut kept: usize = text[..at].chars().map(width).sum();
            while kept + LEFT_OUT.len() > most {
                let Some(last) = text[..end].chars().next_back() else { break };
                end -= last.len_utf8();
                kept -= width(last);
            }
            return Cow::Owned(format!("{}{LEFT_OUT}", &text[..end]));
        }
    }
    Cow::Borrowed(text)
}

/// Bytes that a text takes in a record.
fn written(text: &str) -> usize {
    text.chars().map(width).sum()
}

/// Bytes that a character takes in a record, as JSON and [`yaoku_audit::is_obeyed`] have it.
fn width(character: char) -> usize {
    match character {
        '"' | '\\' => 2,
        other if yaoku_audit::is_obeyed(other) => r"\u0000".len(),
        other => other.len_utf8(),
    }
}

/// The name that a program gives itself: as much of it as records show, and policies look through.
pub fn user_agent(text: &str) -> &str {
    cut(text, MAX_VALUE)
}

/// A text that a caller sent, as much of it as may be repeated to them.
pub fn repeatable(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    text.chars().take(64).map(plain).collect()
}

/// The beginning of a text, of at most `most` bytes.
pub fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}

/// What is told of something that no protocol's action asks for.
pub(crate) struct Deed<'a> {
    pub(crate) service: &'static str,
    pub(crate) name: &'static str,
    pub(crate) access: Access,
    pub(crate) resources: Vec<(&'static str, Cow<'a, str>)>,
    pub(crate) elements: Option<serde_json::Value>,
}

impl Telling for Deed<'_> {
    fn service(&self) -> &str {
        self.service
    }

    fn api_version(&self) -> &str {
        ""
    }

    fn name(&self) -> &str {
        self.name
    }

    fn action(&self) -> Option<crate::ToldAction> {
        Some(crate::ToldAction { access: self.access, counted: None })
    }

    fn claimed_access_key(&self) -> &str {
        ""
    }

    fn parameters(&self, _: &mut dyn FnMut(&str, &str)) {}

    fn resources(&self, _: &[yaoku_iam::Named]) -> Vec<(&'static str, Cow<'_, str>)> {
        self.resources.iter().map(|(kind, name)| (*kind, Cow::Borrowed(&**name))).collect()
    }

    fn elements(&self) -> Option<serde_json::Value> {
        self.elements.clone()
    }
}

#[cfg(test)]
mod tests {
    use yaoku_iam::Named;

    use super::*;

    /// A call that says as much as any can, all of it in characters that take the most room.
    struct Loud {
        known: bool,
        count: usize,
        text: String,
    }

    impl Telling for Loud {
        fn service(&self) -> &str {
            "Kms"
        }

        fn api_version(&self) -> &str {
            "2016-01-20"
        }

        fn name(&self) -> &str {
            &self.text
        }

        fn action(&self) -> Option<crate::ToldAction> {
            self.known.then_some(crate::ToldAction { access: Access::Write, counted: None })
        }

        fn claimed_access_key(&self) -> &str {
            &self.text
        }

        fn parameters(&self, show: &mut dyn FnMut(&str, &str)) {
            (0..self.count).for_each(|number| show(&format!("{number}{}", self.text), &self.text));
        }

        fn resources(&self, _: &[Named]) -> Vec<(&'static str, Cow<'_, str>)> {
            (0..self.count).map(|_| ("ACS::KMS::Key", Cow::Borrowed(self.text.as_str()))).collect()
        }

        fn elements(&self) -> Option<serde_json::Value> {
            None
        }
    }

    fn recorded(told: &Loud, is_refused: bool) -> (usize, serde_json::Value) {
        let trace = Trace::default();
        let text = told.text.as_str();
        let record = record(&Call {
            event_id: RequestId::random(),
            request_id: RequestId::random(),
            event_type: "ApiCall",
            millis: 1_795_485_600_000,
            host: text,
            source: &"2001:0db8:0000:0000:0000:0000:0000:0001",
            user_agent: text,
            region: "cn-hangzhou",
            told,
            caller: None,
            shown_contexts: None,
            trace: &trace,
            error: is_refused.then_some(("Forbidden.NoPermission", text)),
            ended: true,
        })
        .unwrap();
        (record.len(), serde_json::from_slice(&record).unwrap())
    }

    #[test]
    fn whatever_a_refused_call_says_its_record_is_short_and_marks_what_it_leaves_out() {
        for text in ["x", "\"", "\\", "\u{1b}", "\u{202e}", "钥", "😀", "\u{9b}"] {
            for (known, count) in [(false, 0), (true, 1), (true, 512)] {
                let told = Loud { known, count, text: text.repeat(100_000) };
                let (len, record) = recorded(&told, true);
                assert!(len < 6 << 10, "{len} bytes of {text:?}");
                assert!(record["eventName"].as_str().unwrap().ends_with(LEFT_OUT), "{text:?}");
                if count == 512 {
                    let left_out = record["requestParameters"][LEFT_OUT].as_str().unwrap();
                    assert!(left_out.ends_with(" more"), "{left_out}");
                    let named = record["referencedResources"]["ACS::KMS::Key"].as_array().unwrap();
                    assert_eq!(named.last().unwrap(), LEFT_OUT);
                }
                assert!(recorded(&told, false).0 < 32 << 10);
            }
        }
    }

    #[test]
    fn what_fits_is_shown_as_it_is() {
        let told = Loud { known: true, count: 3, text: "alias/钥\n".into() };
        let (_, record) = recorded(&told, true);
        assert_eq!(
            record["requestParameters"],
            serde_json::json!({
                "0alias/钥\n": "alias/钥\n", "1alias/钥\n": "alias/钥\n", "2alias/钥\n": "alias/钥\n",
            })
        );
        assert_eq!(record["eventName"], "alias/钥\n");
        for most in 3..40 {
            for text in ["abcdefghijklmnopqrstuvwxyz", "\u{1b}\u{1b}\u{1b}\u{1b}", "钥钥钥钥钥", "a\"b\"c\"d\"e\"f\"g"]
            {
                let short = shortened(text, most);
                assert!(written(&short) <= most && (*short == *text || short.ends_with(LEFT_OUT)), "{short:?} {most}");
            }
        }
    }
}
