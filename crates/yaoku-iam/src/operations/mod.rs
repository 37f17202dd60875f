//! Every operation on identities: one type each, in the module of its family.

pub mod caller;

use crate::{Operation, OperationSpec};

/// What is known of every operation that there is.
pub const REGISTRY: &[OperationSpec] = &[caller::GetCallerIdentity::SPEC];
