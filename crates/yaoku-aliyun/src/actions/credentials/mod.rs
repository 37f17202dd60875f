//! Credentials that only yaoku has: an API of its own, Version 2026-11-27, at the endpoint of the others.

mod arguments;
mod certificates;
mod tokens;

use super::{Action, Api, Exchange, Reply, XmlRoot, identity_action as action, parameters};
use crate::wire::Format;

/// The API.
pub(crate) const API: Api = Api {
    version: "2026-11-27",
    service: "Yaoku",
    families: &[tokens::ACTIONS, certificates::ACTIONS],
    unsupported: &[],
    format: Format::Json,
    xml_root: XmlRoot::OfAction,
    resources: &[
        ("TokenId", "ACS::Yaoku::Token"),
        ("CertificateId", "ACS::Yaoku::Certificate"),
        ("UserName", "ACS::RAM::User"),
    ],
    unrecorded: None,
};
