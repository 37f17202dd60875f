//! Tags: a few words on a resource, for finding it and for deciding on it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Error, Field};

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// Its key.
    pub key: Arc<str>,
    /// Its value.
    pub value: Arc<str>,
}

impl Tag {
    /// Makes a tag: key and value of 1 to 128 letters, digits and `/ \ _ - . + = : @`; a key that does
    /// not begin with `aliyun` or `acs:`.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the tags.
    pub fn new(key: &str, value: &str) -> Result<Self, Error> {
        check_key(key)?;
        check_text("value", value)?;
        Ok(Self { key: key.into(), value: value.into() })
    }
}

/// Whether `key` can be a tag's key.
///
/// # Errors
/// [`Error::Invalid`] naming the tags.
pub(crate) fn check_key(key: &str) -> Result<(), Error> {
    check_text("key", key)?;
    if key.starts_with("aliyun") || key.starts_with("acs:") {
        return Err(Error::invalid(Field::Tags, "a tag key can't begin with aliyun or acs:"));
    }
    Ok(())
}

fn check_text(part: &str, text: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_alphanumeric() || "/\\_-.+=:@".contains(c);
    let length = text.chars().take(129).count();
    if !(1..=128).contains(&length) || !text.chars().all(allowed) {
        let why = format!("a tag {part} has 1 to 128 letters, digits and / \\ _ - . + = : @");
        return Err(Error::invalid(Field::Tags, why));
    }
    Ok(())
}

/// The tags of one resource, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags(BTreeMap<Box<str>, Box<str>>);

impl Tags {
    /// The most tags that a resource can have.
    pub const MAX: usize = 20;

    /// Adds `tags`; one whose key is there already gets the new value.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`] if there would be more than [`Tags::MAX`]; then some may have been added.
    pub fn put(&mut self, tags: impl IntoIterator<Item = Tag>) -> Result<(), Error> {
        for tag in tags {
            self.0.insert((&*tag.key).into(), (&*tag.value).into());
        }
        if self.0.len() > Self::MAX {
            return Err(Error::LimitExceeded(format!("a resource can have at most {} tags", Self::MAX)));
        }
        Ok(())
    }

    /// Removes the tag of that key, if there is one.
    pub fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Removes all tags.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Key and value of each tag, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|(key, value)| (&**key, &**value))
    }

    /// The value of the tag of that key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| &**value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_keep_to_their_form() {
        assert!(Tag::new("项目", "a/b\\c_d-e.f+g=h:i@j").is_ok());
        let long = "x".repeat(129);
        for (key, value) in [("", "v"), ("k", ""), ("aliyun-x", "v"), ("acs:x", "v"), ("k<", "v"), (&*long, "v")] {
            assert!(Tag::new(key, value).is_err(), "{key:?}");
        }
    }

    #[test]
    fn there_are_at_most_twenty_and_a_key_has_one_value() {
        let mut tags = Tags::default();
        let tag = |n: usize, value: &str| Tag::new(&format!("k{n}"), value).unwrap();
        tags.put((0..20).map(|n| tag(n, "a"))).unwrap();
        tags.put([tag(3, "b")]).unwrap();
        assert_eq!((tags.iter().count(), tags.get("k3")), (20, Some("b")));
        assert!(tags.put([tag(20, "a")]).is_err());
    }
}
