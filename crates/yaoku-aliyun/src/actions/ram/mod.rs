//! Resource access management, Version 2015-05-01.

mod access_keys;
mod arguments;
mod attachments;
pub(super) mod failure;
mod groups;
mod logins;
mod members;
mod policies;
mod roles;
mod tags;
mod unsupported;
mod users;
mod versions;

use super::{Action, Api, Exchange, Reply, XmlRoot, identity_action as action, parameters};
use crate::wire::Format;

/// The API.
pub(crate) const API: Api = Api {
    version: "2015-05-01",
    service: "Ram",
    families: &[
        users::ACTIONS,
        access_keys::ACTIONS,
        groups::ACTIONS,
        members::ACTIONS,
        policies::ACTIONS,
        versions::ACTIONS,
        attachments::ACTIONS,
        roles::ACTIONS,
        tags::ACTIONS,
        logins::ACTIONS,
    ],
    unsupported: unsupported::UNSUPPORTED,
    format: Format::Xml,
    xml_root: XmlRoot::OfAction,
    resources: &[
        ("UserAccessKeyId", "ACS::RAM::AccessKey"),
        ("UserName", "ACS::RAM::User"),
        ("GroupName", "ACS::RAM::Group"),
        ("RoleName", "ACS::RAM::Role"),
        ("PolicyName", "ACS::RAM::Policy"),
    ],
    unrecorded: None,
    refuses_unknown: false,
};
