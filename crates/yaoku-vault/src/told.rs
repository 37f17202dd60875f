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
