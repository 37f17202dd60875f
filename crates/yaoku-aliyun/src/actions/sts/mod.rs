//! The security token service, Version 2015-04-01.

mod caller;
mod session;

use super::{Action, Api, Exchange, Reply, XmlRoot};
use crate::wire::Format;

/// The API.
pub(super) const API: Api = Api {
    version: "2015-04-01",
    service: "Sts",
    families: &[session::ACTIONS, caller::ACTIONS],
    unsupported: &["AssumeRoleWithOIDC", "AssumeRoleWithSAML"],
    format: Format::Xml,
    xml_root: XmlRoot::OfAction,
    resources: &[("RoleArn", "ACS::RAM::Role")],
    unrecorded: None,
    refuses_unknown: false,
};
