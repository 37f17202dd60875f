//! The key management service, Version 2016-01-20.

mod aliases;
mod arguments;
mod asymmetric;
mod crypto;
mod data_keys;
pub(in crate::actions) mod failure;
mod filters;
mod import;
mod keys;
mod mac;
mod names;
mod policies;
mod secret_arguments;
pub(in crate::actions) mod secret_failure;
mod secret_policies;
mod secret_rotation;
mod secret_values;
mod secrets;
mod service;
mod tags;
mod unsupported;
mod versions;

pub use arguments::fuzzing;
pub(in crate::actions) use failure::of_dry_run;

use super::{Action, Api, Exchange, Reply, XmlRoot, parameters};
use crate::wire::Format;

/// The API.
pub(super) const API: Api = Api {
    version: "2016-01-20",
    service: "Kms",
    families: &[
        crypto::ACTIONS,
        data_keys::ACTIONS,
        secret_values::ACTIONS,
        asymmetric::ACTIONS,
        mac::ACTIONS,
        keys::ACTIONS,
        versions::ACTIONS,
        aliases::ACTIONS,
        secrets::ACTIONS,
        secret_policies::ACTIONS,
        secret_rotation::ACTIONS,
        tags::ACTIONS,
        import::ACTIONS,
        policies::ACTIONS,
        service::ACTIONS,
    ],
    unsupported: unsupported::UNSUPPORTED,
    format: Format::Json,
    xml_root: XmlRoot::Fixed("KMS"),
    resources: &[
        ("AliasName", "ACS::KMS::Alias"),
        ("SecretName", "ACS::KMS::Secret"),
        ("KeyId", "ACS::KMS::Key"),
        ("DestinationKeyId", "ACS::KMS::Key"),
    ],
    // Clients ask it of every region, unasked.
    unrecorded: Some("DescribeRegions"),
    refuses_unknown: false,
};

/// The protocol's name of a key state.
pub fn state_name(state: yaoku_kms::KeyState) -> &'static str {
    super::names::Named::name(state)
}

/// Declares an action.
macro_rules! action {
    ($name:literal, $operation:ty, $function:ident($($Parameters:ident)?)) => {
        crate::actions::Action {
            name: $name,
            spec: &<$operation as yaoku_kms::Operation>::SPEC,
            params: crate::actions::params!($function($($Parameters)?)),
            run: crate::actions::run!($function($($Parameters)?)),
        }
    };
}
use action;
