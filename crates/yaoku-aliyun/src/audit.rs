//! The audit record of a call: what is known of it, without secrets, in bounded size.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use http::header::USER_AGENT;
use http::request::Parts;
use serde::ser::{Serialize, SerializeMap, Serializer};
use yaoku_audit::{Event, Identity, ReadWrite, Resources, SessionAttributes, SessionContext};
use yaoku_iam::{AccessKey, Described, Principal, PrincipalKind};
use yaoku_kms::Access;

use crate::actions::{Action, Api, Exposure, Notes};
use crate::wire::time::format_time;
use crate::wire::{Params, RequestId, WireError};

/// Bytes of a parameter that a record shows, and of a sentence.
pub(crate) const MAX_VALUE: usize = 512;
/// Bytes of a name that a stranger chose.
const MAX_NAME: usize = 128;
/// What ActionTrail calls a key.
const KEY: &str = "ACS::KMS::Key";
/// Parameters that a record shows.
const MAX_PARAMS: usize = 64;

/// What is known of a call that was answered.
pub(crate) struct Call<'a> {
    pub(crate) request_id: RequestId,
    pub(crate) millis: u64,
    pub(crate) parts: &'a Parts,
    pub(crate) host: &'a str,
    pub(crate) source: IpAddr,
    pub(crate) region: &'a str,
    /// The API that was asked for, if it is one.
    pub(crate) api: Option<&'static Api>,
    pub(crate) params: Option<&'a Params<'a>>,
    /// The action as it was asked for, known or not.
    pub(crate) asked: &'a str,
    pub(crate) action: Option<&'static Action>,
    pub(crate) caller: Option<&'a Caller>,
    /// Of an AccessKey that was claimed, proven or not.
    pub(crate) claimed: &'a str,
    /// What the action left for its record.
    pub(crate) notes: &'a Notes,
    pub(crate) error: Option<&'a WireError>,
}

/// Who called, for sure.
#[derive(Clone)]
pub(crate) enum Caller {
    /// Whoever signed with an AccessKey.
    Signed(Arc<AccessKey>),
    /// The operator, as the root of an account.
    Operator(Principal),
}

impl Caller {
    pub(crate) fn principal(&self) -> &Principal {
        match self {
            Self::Signed(key) => &key.principal,
            Self::Operator(root) => root,
        }
    }

    /// Nothing, where none was needed.
    pub(crate) fn access_key_id(&self) -> &str {
        match self {
            Self::Signed(key) => key.id.as_str(),
            Self::Operator(_) => "",
        }
    }
}

/// The record of a call.
pub(crate) fn record(call: &Call<'_>) -> Result<Vec<u8>, yaoku_audit::Error> {
    let request_id = call.request_id.to_string();
    let time = format_time(call.millis);
    let source = call.source.to_string();
    let resources = resources(call);
    let (resource_type, resource_name) = resources.first().map_or(("", ""), |(kind, name)| (kind, name));
    let who = call.caller.map(|caller| caller.principal().describe());
    let began = who.as_ref().and_then(|who| who.session_began).map(format_time).unwrap_or_default();
    let owners = call.notes.touched.owners();
    let recipients: Vec<_> = owners.iter().map(|owner| owner.as_str()).collect();
    // A change that failed changed nothing.
    let elements = call.notes.elements.lock();
    let event = Event {
        event_id: &request_id,
        event_version: "1",
        event_time: &time,
        event_type: "ApiCall",
        event_category: "Management",
        event_name: cut(call.asked, MAX_NAME),
        read_write: match call.action {
            Some(action) if action.spec.access() == Access::Write => ReadWrite::Write,
            _ => ReadWrite::Read,
        },
        event_source: cut(call.host, MAX_NAME),
        service_name: call.api.map_or("", |api| api.service),
        api_version: call.api.map_or("", |api| api.version),
        acs_region: call.region,
        request_id: &request_id,
        source_ip_address: &source,
        user_agent: user_agent(&call.parts.headers).unwrap_or_default(),
        user_identity: identity(call, who.as_ref(), &began),
        request_parameters: Shown { action: call.action, params: call.params },
        response_elements: elements.as_ref().filter(|_| call.error.is_none()),
        recipient_account_ids: &recipients,
        referenced_resources: Resources(&resources),
        resource_name,
        resource_type,
        error_code: call.error.map_or("", |error| error.code.as_str()),
        error_message: call.error.map_or("", |error| cut(&error.message, MAX_VALUE)),
    };
    event.record()
}

/// Something that is recorded though it is no call of an action.
pub(crate) struct Deed<'a> {
    pub(crate) event_type: &'static str,
    pub(crate) service: &'static str,
    pub(crate) name: &'static str,
    pub(crate) read_write: ReadWrite,
    pub(crate) millis: u64,
    pub(crate) region: &'a str,
    pub(crate) request_id: RequestId,
    /// From where it was asked for; nowhere, where nobody asked.
    pub(crate) origin: Origin<'a>,
    pub(crate) who: Identity<'a>,
    /// What came of it.
    pub(crate) elements: Option<&'a serde_json::Value>,
    /// The key that it was done to, if it was done to one.
    pub(crate) key: Option<&'a str>,
    pub(crate) error: Option<&'a WireError>,
}

/// From where something was asked for.
#[derive(Clone, Copy, Default)]
pub(crate) struct Origin<'a> {
    pub(crate) host: &'a str,
    pub(crate) address: &'a str,
    pub(crate) agent: &'a str,
}

impl Deed<'_> {
    /// The record of it.
    pub(crate) fn record(self) -> Result<Vec<u8>, yaoku_audit::Error> {
        // One deed may leave several records.
        let (id, request_id) = (RequestId::random().to_string(), self.request_id.to_string());
        let time = format_time(self.millis);
        let resources: Vec<_> = self.key.into_iter().map(|key| (KEY, Cow::Borrowed(key))).collect();
        let event = Event {
            event_id: &id,
            event_version: "1",
            event_time: &time,
            event_type: self.event_type,
            event_category: "Management",
            event_name: self.name,
            read_write: self.read_write,
            event_source: self.origin.host,
            service_name: self.service,
            api_version: "",
            acs_region: self.region,
            request_id: &request_id,
            source_ip_address: self.origin.address,
            user_agent: self.origin.agent,
            user_identity: self.who,
            request_parameters: serde_json::Map::new(),
            response_elements: self.elements,
            recipient_account_ids: &[],
            referenced_resources: Resources(&resources),
            resource_name: self.key.unwrap_or_default(),
            resource_type: self.key.map_or("", |_| KEY),
            error_code: self.error.map_or("", |error| error.code.as_str()),
            error_message: self.error.map_or("", |error| cut(&error.message, MAX_VALUE)),
        };
        event.record()
    }
}

/// Who called. Only what was proven makes an account.
fn identity<'a>(call: &Call<'a>, who: Option<&'a Described>, began: &'a str) -> Identity<'a> {
    let (Some(caller), Some(who)) = (call.caller, who) else {
        return Identity { r#type: "unknown", access_key_id: cut(call.claimed, MAX_NAME), ..Identity::default() };
    };
    // No credential of this server has a second factor.
    let attributes = SessionAttributes { creation_date: began, mfa_authenticated: "false" };
    let (r#type, session_context) = match who.kind {
        PrincipalKind::Root => ("root-account", None),
        PrincipalKind::User(_) => ("ram-user", None),
        PrincipalKind::Session(_) => ("assumed-role", Some(SessionContext { attributes })),
    };
    Identity {
        r#type,
        principal_id: &who.id,
        account_id: who.account.as_str(),
        access_key_id: caller.access_key_id(),
        user_name: &who.name,
        session_context,
    }
}

/// Kinds and names of what the call is about. Keys are those that it came to, however they were named, or else as they were.
fn resources<'a>(call: &Call<'a>) -> Vec<(&'static str, Cow<'a, str>)> {
    let (Some(api), Some(_), Some(params)) = (call.api, call.action, call.params) else { return Vec::new() };
    let touched = call.notes.touched.keys();
    let named = api.resources.iter().filter(|(_, kind)| touched.is_empty() || *kind != KEY);
    let named = named.filter_map(|(param, kind)| Some((*kind, Cow::Borrowed(cut(params.get(param)?, MAX_VALUE)))));
    let mut resources: Vec<_> = named.collect();
    resources.extend(touched.iter().map(|key| (KEY, Cow::Owned(key.to_string()))));
    resources
}

/// The parameters of a call that may be shown.
struct Shown<'a> {
    action: Option<&'static Action>,
    params: Option<&'a Params<'a>>,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let (Some(action), Some(params)) = (self.action, self.params) {
            let shown = params.iter().filter(|param| {
                // Of a flattened list or map, the part before the first dot.
                let name = param.name().split('.').next().unwrap_or_default();
                action.params.iter().any(|known| known.name == name && known.exposure == Exposure::Shown)
            });
            for param in shown.take(MAX_PARAMS) {
                map.serialize_entry(cut(param.name(), MAX_NAME), cut(param.value(), MAX_VALUE))?;
            }
        }
        map.end()
    }
}

/// The program that sent a request, as it calls itself: as much of it as records show, and policies look through.
pub(crate) fn user_agent(headers: &HeaderMap) -> Option<&str> {
    headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).map(|agent| cut(agent, MAX_VALUE))
}

/// The beginning of a text, of at most `most` bytes.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let end = (0..=most).rev().find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}
