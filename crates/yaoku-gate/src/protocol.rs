//! What a protocol brings: what it tells of a call, and how it spells what went wrong.

use std::borrow::Cow;

use yaoku_iam::{Access, Named};

/// What a protocol tells of a call, as far as it has been read.
pub trait Telling: Sync {
    /// The service that was asked for, as records name it; empty if it is none.
    fn service(&self) -> &str;
    /// The version of its API.
    fn api_version(&self) -> &str;
    /// The action as it was asked for, known or not.
    fn name(&self) -> &str;
    /// The action, if it is known.
    fn action(&self) -> Option<ToldAction>;
    /// The AccessKey that was claimed, proven or not.
    fn claimed_access_key(&self) -> &str;
    /// Shows the parameters that may be shown, by name and value.
    fn parameters(&self, show: &mut dyn FnMut(&str, &str));
    /// Kinds and names of what the call is about, of those that it came to or else named, the main ones first.
    fn resources(&self, touched: &[Named]) -> Vec<(&'static str, Cow<'_, str>)>;
    /// What may be shown of the answer to a change.
    fn elements(&self) -> Option<serde_json::Value>;
}

/// What is known of an action.
#[derive(Debug, Clone, Copy)]
pub struct ToldAction {
    /// Whether it changes anything.
    pub access: Access,
    /// Its position among those that are counted.
    pub counted: Option<usize>,
}

/// How a protocol spells what went wrong.
pub trait Spelling: Send {
    /// The error of a refusal by the gate.
    fn of(refusal: Refusal) -> Self;
    /// Its code, and the position of that among those that are counted.
    fn code(&self) -> (&'static str, usize);
    /// A sentence on it.
    fn message(&self) -> &str;
    /// Whether it is the server's failure.
    fn is_ours(&self) -> bool;
}

/// Why the gate refuses a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its address makes too many unauthenticated calls; so many others before it were not recorded.
    TooManyUnauthenticated {
        /// How many, where it is recorded for them.
        held: Option<u64>,
    },
    /// Its principal or account has too many calls under way.
    TooManyAtOnce,
    /// The server has too many calls under way.
    Full,
    /// It can't be recorded, and nothing was changed.
    Unrecordable,
    /// It can't be recorded, and was carried out.
    UnrecordedChange,
    /// A failure of this server.
    Internal,
}
