//! What only yaoku has: tokens and certificates of users, disks, which call by their URLs, and managed objects, which are fetched by KMIP. An
//! API of its own, Version 2026-11-27, at the endpoint of the others.

mod arguments;
mod certificates;
pub(in crate::actions) mod disk_failure;
mod disks;
pub(in crate::actions) mod object_failure;
mod objects;
mod tokens;

use super::{Action, Api, Exchange, Reply, XmlRoot, identity_action as action, parameters};
use crate::wire::Format;

/// The API.
pub(crate) const API: Api = Api {
    version: "2026-11-27",
    service: "Yaoku",
    families: &[tokens::ACTIONS, certificates::ACTIONS, disks::ACTIONS, objects::ACTIONS],
    unsupported: &[],
    format: Format::Json,
    xml_root: XmlRoot::OfAction,
    resources: &[
        ("TokenId", "ACS::Yaoku::Token"),
        ("CertificateId", "ACS::Yaoku::Certificate"),
        ("UserName", "ACS::RAM::User"),
        ("DiskName", "ACS::Yaoku::Disk"),
        ("ObjectId", "ACS::Yaoku::ManagedObject"),
        ("KeyId", "ACS::KMS::Key"),
    ],
    unrecorded: None,
    refuses_unknown: true,
};
