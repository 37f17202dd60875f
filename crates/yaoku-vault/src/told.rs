//! What the protocol tells the gate of a call.

use std::borrow::Cow;

use yaoku_gate::{Telling, ToldAction};
use yaoku_iam::{Named, Which};
use yaoku_kms::{KEY, KeyId};
use yaoku_secrets::SECRET;

use crate::router::Route;

/// The service, as records and metrics name it.
pub(crate) const SERVICE: &str = "Vault";

/// A call, as far as it has been read.
pub(crate) struct Told<'a> {
    pub(crate) path: &'a str,
    pub(crate) route: Option<&'a Route<'a>>,
    /// The credential that was claimed, proven or not.
    pub(crate) claimed: Cow<'a, str>,
}

impl Telling for Told<'_> {
    fn service(&self) -> &str {
        SERVICE
    }

    fn api_version(&self) -> &str {
        "v1"
    }

    fn name(&self) -> &str {
        self.route.map_or(self.path, |route| route.act.name())
    }

    fn action(&self) -> Option<ToldAction> {
        let act = self.route?.act;
        Some(ToldAction { access: act.access(), counted: Some(act.number()) })
    }

    fn claimed_access_key(&self) -> &str {
        &self.claimed
    }

    /// The path alone: bodies hold secrets.
    fn parameters(&self, show: &mut dyn FnMut(&str, &str)) {
        if self.route.is_some() {
            show("path", self.path);
        }
    }

    fn resources(&self, touched: &[Named]) -> Vec<(&'static str, Cow<'_, str>)> {
        let shown = |named: &Named| match &named.name {
            Which::Id(id) if named.kind == KEY => {
                Some(("ACS::KMS::Key", Cow::Owned(KeyId::from_bytes(*id).to_string())))
            }
            Which::Name(name) if named.kind == SECRET => Some(("ACS::KMS::Secret", Cow::Owned(name.to_string()))),
            Which::All | Which::Id(_) | Which::Name(_) => None,
        };
        touched.iter().filter_map(shown).collect()
    }

    fn elements(&self) -> Option<serde_json::Value> {
        None
    }
}
