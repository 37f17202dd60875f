//! What the protocol tells the gate of a call.

use std::borrow::Cow;

use parking_lot::Mutex;
use yaoku_gate::{Telling, ToldAction, cut};
use yaoku_iam::{Named, Which};
use yaoku_kms::KeyId;

use crate::actions::{self, Action, Api, Exposure};
use crate::wire::Params;

/// Bytes of a name of something that records show.
const MAX_NAME: usize = 512;
/// What ActionTrail calls a key.
const KEY: &str = "ACS::KMS::Key";
/// What ActionTrail calls a secret.
const SECRET: &str = "ACS::KMS::Secret";
/// As [`KEY`], of users.
const USER: &str = "ACS::RAM::User";

/// A call, as far as it has been read.
pub(crate) struct Told<'a> {
    /// The action as it was asked for, known or not.
    pub(crate) asked: &'a str,
    /// The AccessKey that was claimed, proven or not.
    pub(crate) claimed: &'a str,
    pub(crate) api: Option<&'static Api>,
    pub(crate) action: Option<&'static Action>,
    params: Option<&'a Params<'a>>,
    /// What may be shown of the answer to a change.
    pub(crate) elements: Mutex<Option<serde_json::Value>>,
}

impl<'a> Told<'a> {
    pub(crate) fn new(
        asked: &'a str,
        claimed: &'a str,
        api: Option<&'static Api>,
        params: Option<&'a Params<'a>>,
    ) -> Self {
        Self { asked, claimed, api, action: None, params, elements: Mutex::default() }
    }

    /// Whether what was asked for takes something away, so that there is room for it whatever else is under way.
    pub(crate) fn asks_to_revoke(&self) -> bool {
        let action = self.api.and_then(|api| api.action(self.asked));
        action.is_some_and(|action| action.spec.revokes)
    }

    /// Whether what was asked for is of those actions that leave no audit record once their caller is proven.
    pub(crate) fn is_unrecorded(&self) -> bool {
        self.api.and_then(|api| api.unrecorded).is_some_and(|action| action == self.asked)
    }
}

impl Telling for Told<'_> {
    fn service(&self) -> &str {
        self.api.map_or("", |api| api.service)
    }

    fn api_version(&self) -> &str {
        self.api.map_or("", |api| api.version)
    }

    fn name(&self) -> &str {
        self.asked
    }

    fn action(&self) -> Option<ToldAction> {
        self.action.map(|action| ToldAction { access: action.spec.access, counted: actions::index(action) })
    }

    fn claimed_access_key(&self) -> &str {
        self.claimed
    }

    fn parameters(&self, show: &mut dyn FnMut(&str, &str)) {
        let (Some(action), Some(params)) = (self.action, self.params) else { return };
        for param in params.iter() {
            // Of a flattened list or map, the part before the first dot.
            let name = param.name().split('.').next().unwrap_or_default();
            if action.params.iter().any(|known| known.name == name && known.exposure == Exposure::Shown) {
                show(param.name(), param.value());
            }
        }
    }

    /// Keys and secrets are those that the call came to, however they were named, or else as they were.
    fn resources(&self, touched: &[Named]) -> Vec<(&'static str, Cow<'_, str>)> {
        let (Some(api), Some(params)) = (self.api, self.params) else { return Vec::new() };
        let keys: Vec<_> = touched.iter().filter_map(key).collect();
        let secrets: Vec<_> = touched.iter().filter_map(secret).collect();
        let is_known = |kind: &str| (kind == KEY && !keys.is_empty()) || (kind == SECRET && !secrets.is_empty());
        let named = api.resources.iter().filter(|(_, kind)| !is_known(kind));
        let named = named.filter_map(|(param, kind)| Some((*kind, Cow::Borrowed(cut(params.get(param)?, MAX_NAME)))));
        let mut resources: Vec<_> = named.collect();
        resources.extend(secrets.into_iter().map(|name| (SECRET, Cow::Owned(name.to_owned()))));
        resources.extend(keys.into_iter().map(|key| (KEY, Cow::Owned(key.to_string()))));
        resources.extend(touched.iter().filter_map(user).map(|name| (USER, Cow::Owned(name.to_owned()))));
        resources
    }

    fn elements(&self) -> Option<serde_json::Value> {
        self.elements.lock().clone()
    }
}

fn key(named: &Named) -> Option<KeyId> {
    match named.name {
        Which::Id(id) if named.kind == yaoku_kms::KEY => Some(KeyId::from_bytes(id)),
        _ => None,
    }
}

/// A user whose AccessKeys are in a secret.
fn user(named: &Named) -> Option<&str> {
    match &named.name {
        Which::Name(name) if named.kind == yaoku_iam::USER => Some(name),
        _ => None,
    }
}

fn secret(named: &Named) -> Option<&str> {
    match &named.name {
        Which::Name(name) if named.kind == yaoku_secrets::SECRET => Some(name),
        _ => None,
    }
}
