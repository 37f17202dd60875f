//! The audit record of a call: what is known of it, without secrets, in bounded size.

use std::borrow::Cow;
use std::fmt::Display;

use serde::ser::{Serialize, SerializeMap, Serializer};
use yaoku_audit::{Event, Identity, ReadWrite, Resources, SessionAttributes, SessionContext};
use yaoku_iam::{Access, Caller, Credential, Described, PrincipalKind, Trace};

use crate::RequestId;
use crate::life::Telling;
use crate::time::format_time;

/// Bytes of a parameter that a record shows, and of a sentence.
pub(crate) const MAX_VALUE: usize = 512;
/// Bytes of a name that an unauthenticated caller chose.
const MAX_NAME: usize = 128;
/// Parameters that a record shows.
const MAX_PARAMS: usize = 64;

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
    let resources = match told.action() {
        Some(_) => told.resources(&call.trace.touched()),
        None => Vec::new(),
    };
    let (resource_type, resource_name) = resources.first().map_or(("", ""), |(kind, name)| (kind, name));
    let who = call.caller.map(|caller| caller.principal().describe());
    let began = who.as_ref().and_then(|who| who.session_began).map(format_time).unwrap_or_default();
    let operator = call.caller.and_then(operator);
    let owners = call.trace.owners();
    let recipients: Vec<_> = owners.iter().map(|owner| owner.as_str()).collect();
    // A change that failed changed nothing.
    let elements = if call.ended && call.error.is_none() { told.elements() } else { None };
    let event = Event {
        event_id: &event_id,
        event_version: "1",
        event_time: &time,
        event_type: call.event_type,
        event_category: "Management",
        event_name: cut(told.name(), MAX_NAME),
        read_write: match told.action() {
            Some(action) if action.access == Access::Write => ReadWrite::Write,
            _ => ReadWrite::Read,
        },
        event_source: cut(call.host, MAX_NAME),
        service_name: told.service(),
        api_version: told.api_version(),
        acs_region: call.region,
        request_id: &request_id,
        source_ip_address: &source,
        user_agent: call.user_agent,
        user_identity: identity(call, who.as_ref(), &began, operator.as_deref()),
        request_parameters: Shown(told),
        response_elements: elements.as_ref(),
        recipient_account_ids: &recipients,
        referenced_resources: Resources(&resources),
        resource_name,
        resource_type,
        error_code: call.error.map_or("", |(code, _)| code),
        error_message: call.error.map_or("", |(_, message)| cut(message, MAX_VALUE)),
    };
    event.record()
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
    began: &'a str,
    operator: Option<&'a str>,
) -> Identity<'a> {
    let (Some(caller), Some(who)) = (call.caller, who) else {
        let claimed = cut(call.told.claimed_access_key(), MAX_NAME);
        return Identity { r#type: "unknown", access_key_id: claimed, ..Identity::default() };
    };
    // No credential of this server has a second factor.
    let attributes = SessionAttributes { creation_date: began, mfa_authenticated: "false" };
    let (r#type, session_context) = match who.kind {
        PrincipalKind::Root => ("root-account", None),
        PrincipalKind::User(_) => ("ram-user", None),
        PrincipalKind::Session(_) => ("assumed-role", Some(SessionContext { attributes })),
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

/// The parameters of a call that may be shown.
struct Shown<'a>(&'a dyn Telling);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let (mut left, mut result) = (MAX_PARAMS, Ok(()));
        self.0.parameters(&mut |name, value| {
            if left > 0 && result.is_ok() {
                left -= 1;
                result = map.serialize_entry(cut(name, MAX_NAME), cut(value, MAX_VALUE));
            }
        });
        result?;
        map.end()
    }
}

/// The name that a program gives itself: as much of it as records show, and policies look through.
pub fn user_agent(text: &str) -> &str {
    cut(text, MAX_VALUE)
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
