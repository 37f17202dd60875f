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

use yaoku_iam::{Call, Operation};

use super::{Action, Api, Exchange, Reply, XmlRoot, identity_action as action, parameters};
use crate::wire::{Format, WireError};

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
};

impl Exchange<'_> {
    /// Does an operation on identities, and says its errors in the words of RAM.
    async fn manage<O: Operation>(&self, operation: O) -> Result<O::Output, WireError> {
        let call = Call { principal: self.principal, environment: self.environment };
        operation.perform(self.iam, &call).await.map_err(|error| failure::of(error, self.request_id))
    }
}
