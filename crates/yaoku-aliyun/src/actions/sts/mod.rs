//! The security token service, Version 2015-04-01.

mod caller;
mod session;

use yaoku_iam::{Call, Operation};

use super::ram::failure;
use super::{Action, Api, Exchange, Reply, XmlRoot};
use crate::wire::{Format, WireError};

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
};

/// Does an operation on identities, and says its errors in the words of STS, which are RAM's.
async fn perform<O: Operation>(exchange: &Exchange<'_>, operation: O) -> Result<O::Output, WireError> {
    let call = Call { principal: exchange.principal, environment: exchange.environment };
    operation.perform(exchange.iam, &call).await.map_err(|error| failure::of(error, exchange.request_id))
}
