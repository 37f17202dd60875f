//! Who performs what falls due: the domains above know what is due, and somebody above them performs it with a record.

use std::future::Future;

use crate::{AccountId, Domain, Operation};

/// Performs operations of a domain that are due, as the service itself.
pub trait Performer<D: Domain>: Send + Sync {
    /// Performs an operation on something of an account. None where there was nothing to do any more: then nothing is recorded.
    fn perform<T: Send, O: Operation<Domain = D, Output = Option<T>> + 'static>(
        &self,
        account: AccountId,
        operation: O,
    ) -> impl Future<Output = Result<Option<T>, D::Error>> + Send;
}

/// What is due could not be performed or recorded, whatever the operation would have come to. It is tried again.
#[derive(Debug, thiserror::Error)]
#[error("what is due can't be performed at present, and waits: {0}")]
pub struct NotPerformed(pub String);
