//! What every operation on identities has in common: who calls, and what is asked.

use std::future::Future;

use crate::{Environment, Error, Iam, Principal};

/// One thing that a caller can ask about identities.
pub trait Operation: Sized + Send {
    /// What it gives when it succeeds.
    type Output: Send;
    /// What is known of it beforehand.
    const SPEC: OperationSpec;

    /// Checks permission, and does it; all of it or nothing.
    fn perform(self, iam: &Iam, call: &Call<'_>) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// One caller's one request.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// Under which circumstances.
    pub environment: &'a Environment<'a>,
}

/// What is known of an operation before it is called.
#[derive(Debug, Clone, Copy)]
pub struct OperationSpec {
    /// Its name.
    pub name: &'static str,
    /// Whether it changes anything.
    pub access: Access,
}

/// Whether an operation changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Leaves everything as it is.
    Read,
    /// Changes something.
    Write,
}
