//! What is wrong with a policy document.

/// A document that is not a policy: where in it, and why. Shown to whoever wrote the document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct PolicyError {
    place: String,
    problem: String,
}

impl PolicyError {
    pub(crate) fn new(place: &str, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}

/// A value as it is repeated in an error: cut, where it is long.
pub(crate) fn shown(text: &str) -> String {
    const LONG: usize = 64;
    match text.char_indices().nth(LONG) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}
