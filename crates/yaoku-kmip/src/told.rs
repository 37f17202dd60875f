//! What the protocol tells the gate of a call.

use std::borrow::Cow;

use yaoku_gate::{Telling, ToldAction, repeatable};
use yaoku_iam::{Named, Which};
use yaoku_kms::{KEY, KeyId};
use yaoku_objects::{OBJECT, ObjectId};

use crate::profile::{Act, Version, other_operation};

/// The service, as records and metrics name it.
pub(crate) const SERVICE: &str = "KMIP";

/// One operation of a message, as far as it has been read.
pub(crate) struct Told<'a> {
    pub(crate) version: String,
    /// Its name, known or not; empty of a message that is not one.
    pub(crate) name: Cow<'static, str>,
    pub(crate) act: Option<Act>,
    /// The AccessKey that was claimed, proven or not.
    pub(crate) claimed: String,
    /// The object that it is about, as the client named it.
    pub(crate) object: Option<&'a str>,
}

impl<'a> Told<'a> {
    pub(crate) fn new(version: Version, number: Option<u32>, claimed: Option<&str>, object: Option<&'a str>) -> Self {
        let act = number.and_then(|number| Act::of(number, version));
        let name = match (act, number) {
            (Some(act), _) => act.name().into(),
            (None, Some(number)) => match other_operation(number) {
                Some(name) => name.into(),
                None => format!("0x{number:x}").into(),
            },
            (None, None) => "".into(),
        };
        Self { version: version.to_string(), name, act, claimed: claimed.map(repeatable).unwrap_or_default(), object }
    }
}

impl Telling for Told<'_> {
    fn service(&self) -> &str {
        SERVICE
    }

    fn api_version(&self) -> &str {
        &self.version
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn action(&self) -> Option<ToldAction> {
        let act = self.act?;
        let counted = Act::ALL.iter().position(|known| *known == act);
        Some(ToldAction { access: act.access(), counted })
    }

    fn claimed_access_key(&self) -> &str {
        &self.claimed
    }

    /// The identifier alone: payloads hold plaintexts and keys.
    fn parameters(&self, show: &mut dyn FnMut(&str, &str)) {
        if let Some(object) = self.object {
            show("UniqueIdentifier", &repeatable(object));
        }
    }

    fn resources(&self, touched: &[Named]) -> Vec<(&'static str, Cow<'_, str>)> {
        let shown = |named: &Named| match &named.name {
            Which::Id(id) if named.kind == KEY => {
                Some(("ACS::KMS::Key", Cow::Owned(KeyId::from_bytes(*id).to_string())))
            }
            Which::Id(id) if named.kind == OBJECT => {
                Some(("ACS::Yaoku::ManagedObject", Cow::Owned(ObjectId::from_bytes(*id).to_string())))
            }
            Which::All | Which::Id(_) | Which::Name(_) => None,
        };
        touched.iter().filter_map(shown).collect()
    }

    fn elements(&self) -> Option<serde_json::Value> {
        None
    }
}
