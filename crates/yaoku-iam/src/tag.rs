//! Tags: a few words on a resource, for finding it and for deciding on it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Tagged;

/// The tags of one resource, by key. What keys and values may be is the rule of the service that the resource belongs to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags(BTreeMap<Box<str>, Box<str>>);

/// A resource would have more than [`Tags::MAX`] tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyTags;

impl Tags {
    /// The most tags that a resource can have.
    pub const MAX: usize = 20;

    /// Adds tags, each a key and a value; one whose key is there already gets the new value.
    ///
    /// # Errors
    /// [`TooManyTags`] if there would be more than [`Tags::MAX`]; then some may have been added.
    pub fn put<K: AsRef<str>, V: AsRef<str>>(
        &mut self,
        tags: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), TooManyTags> {
        for (key, value) in tags {
            self.0.insert(key.as_ref().into(), value.as_ref().into());
        }
        if self.0.len() > Self::MAX { Err(TooManyTags) } else { Ok(()) }
    }

    /// Removes the tags of those keys, as far as they are there; without keys, all tags.
    pub fn take(&mut self, keys: Option<&[String]>) {
        match keys {
            Some(keys) => keys.iter().for_each(|key| drop(self.0.remove(key.as_str()))),
            None => self.0.clear(),
        }
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

impl Tagged for Tags {
    fn tag(&self, name: &str) -> Option<&str> {
        self.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_at_most_twenty_and_a_key_has_one_value() {
        let mut tags = Tags::default();
        tags.put((0..20).map(|n| (format!("k{n}"), "a"))).unwrap();
        tags.put([("k3", "b")]).unwrap();
        assert_eq!((tags.iter().count(), tags.get("k3")), (20, Some("b")));
        assert_eq!(tags.put([("k20", "a")]), Err(TooManyTags));
    }
}
