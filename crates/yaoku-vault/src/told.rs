//! What the protocol tells the gate of a call.

use std::borrow::Cow;

use parking_lot::Mutex;
use yaoku_gate::{Telling, ToldAction};
use yaoku_iam::{Named, Which};
use yaoku_kms::{KEY, KeyId};
use yaoku_secrets::SECRET;

use crate::router::{Act, Route};

/// The service, as records and metrics name it.
pub(crate) const SERVICE: &str = "Vault";

/// A call, as far as it has been read.
pub(crate) struct Told<'a> {
    pub(crate) path: &'a str,
    pub(crate) route: Option<&'a Route<'a>>,
    /// The credential that was claimed, proven or not.
    pub(crate) claimed: Cow<'a, str>,
    pub(crate) notes: Notes,
}

/// What a body or query asks for and a record may show, and what came of it: bodies as a whole hold secrets.
#[derive(Default)]
pub(crate) struct Notes {
    pub(crate) shown: Mutex<Vec<(&'static str, String)>>,
    pub(crate) elements: Mutex<serde_json::Map<String, serde_json::Value>>,
}

/// The first segments of a path, up to one that may be more than a word.
fn beginning(path: &str) -> &str {
    const SEGMENTS: usize = 3;
    const WORD: usize = 24;
    let is_word = |segment: &&str| {
        segment.len() <= WORD
            && segment.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b'_' | b'1'))
    };
    let Some(rest) = path.strip_prefix('/') else { return "/" };
    let words = rest.split('/').take(SEGMENTS).take_while(is_word);
    let shown = words.map(|word| word.len() + 1).sum::<usize>();
    if shown == 0 { "/" } else { path.get(..shown).unwrap_or("/") }
}

impl Telling for Told<'_> {
    fn service(&self) -> &str {
        SERVICE
    }

    fn api_version(&self) -> &str {
        "v1"
    }

    /// Of a path that is none, no more than its beginning: clients of other servers put tokens into theirs.
    fn name(&self) -> &str {
        self.route.map_or_else(|| beginning(self.path), |route| route.act.name())
    }

    fn action(&self) -> Option<ToldAction> {
        let act = self.route?.act;
        Some(ToldAction { access: act.access(), counted: Some(act.number()) })
    }

    fn claimed_access_key(&self) -> &str {
        &self.claimed
    }

    fn parameters(&self, show: &mut dyn FnMut(&str, &str)) {
        match self.route.map(|route| route.act) {
            // What follows is the name of an algorithm or a number of bytes, if it is.
            Some(Act::Hash | Act::Random) => show("path", beginning(self.path)),
            Some(_) => show("path", self.path),
            None => {}
        }
        for (name, value) in &*self.notes.shown.lock() {
            show(name, value);
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
        let elements = self.notes.elements.lock();
        (!elements.is_empty()).then(|| serde_json::Value::Object(elements.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_shown_of_a_path_that_is_none() {
        assert_eq!(beginning("/v1/auth/token/lookup/ykt.Rkv8.HWn0"), "/v1/auth/token");
        assert_eq!(beginning("/v1/ykt.Rkv8.HWn0"), "/v1");
        assert_eq!(beginning("/v1/sys/hvsCAESIJ"), "/v1/sys");
        assert_eq!(beginning("/v1/aaaaaaaaaaaaaaaaaaaaaaaaa"), "/v1");
        assert_eq!(beginning("/v1/%79kt"), "/v1");
        assert_eq!((beginning("/"), beginning("*"), beginning("/A")), ("/", "/", "/"));
    }
}
