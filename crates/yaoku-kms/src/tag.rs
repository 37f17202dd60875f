//! Tags: a few words on a resource, for finding it and for deciding on it.

use std::sync::Arc;

use yaoku_iam::{Tags, TooManyTags};

use crate::{Error, Field};

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// Its key.
    pub key: Arc<str>,
    /// Its value.
    pub value: Arc<str>,
}

impl Tag {
    /// Makes a tag: a key of 1 and a value of 0 to 128 letters, digits and `/ \ _ - . + = : @`; a key that does
    /// not begin with `aliyun` or `acs:`.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the tags.
    pub fn new(key: &str, value: &str) -> Result<Self, Error> {
        check_key(key)?;
        check_text("value", value, 0)?;
        Ok(Self { key: key.into(), value: value.into() })
    }

    /// The tag as what [`Tags`] holds.
    pub fn parts(&self) -> (&str, &str) {
        (&self.key, &self.value)
    }
}

impl From<TooManyTags> for Error {
    fn from(_: TooManyTags) -> Self {
        Self::LimitExceeded(format!("a resource can have at most {} tags", Tags::MAX))
    }
}

/// Whether `key` can be a tag's key.
///
/// # Errors
/// [`Error::Invalid`] naming the tags.
pub fn check_key(key: &str) -> Result<(), Error> {
    check_text("key", key, 1)?;
    if key.starts_with("aliyun") || key.starts_with("acs:") {
        return Err(Error::invalid(Field::Tags, "a tag key can't begin with aliyun or acs:"));
    }
    Ok(())
}

fn check_text(part: &str, text: &str, least: usize) -> Result<(), Error> {
    let allowed = |c: char| c.is_alphanumeric() || "/\\_-.+=:@".contains(c);
    let length = text.chars().take(129).count();
    if !(least..=128).contains(&length) || !text.chars().all(allowed) {
        let why = format!("a tag {part} has {least} to 128 letters, digits and / \\ _ - . + = : @");
        return Err(Error::invalid(Field::Tags, why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_keep_to_their_form() {
        assert!(Tag::new("项目", "a/b\\c_d-e.f+g=h:i@j").is_ok());
        let long = "x".repeat(129);
        assert!(Tag::new("k", "").is_ok());
        for (key, value) in
            [("", "v"), ("k", "<"), ("k", &*long), ("aliyun-x", "v"), ("acs:x", "v"), ("k<", "v"), (&*long, "v")]
        {
            assert!(Tag::new(key, value).is_err(), "{key:?}");
        }
    }
}
