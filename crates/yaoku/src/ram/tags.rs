//! Tags of roles and policies on the command line.

use clap::Args;

use crate::server_command::Request;

/// `KEY=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag {
    key: String,
    value: String,
}

/// Tags for one of a kind.
#[derive(Args)]
pub(crate) struct Put {
    /// Its name
    name: String,
    /// Tags; an existing key gets the new value
    #[arg(required = true, value_name = "KEY=VALUE", value_parser = parse)]
    tags: Vec<Tag>,
}

/// Tags to be taken from one of a kind.
#[derive(Args)]
pub(crate) struct Take {
    /// Its name
    name: String,
    /// Keys of the tags
    #[arg(required = true, value_name = "KEY")]
    keys: Vec<String>,
}

/// Reads a tag; its value may have `=` in it.
pub(super) fn parse(text: &str) -> Result<Tag, &'static str> {
    let (key, value) = text.split_once('=').ok_or("use the form KEY=VALUE, such as team=shop")?;
    Ok(Tag { key: key.to_owned(), value: value.to_owned() })
}

/// A request with the tags of what it makes or changes.
pub(super) fn with(request: Request, tags: Vec<Tag>) -> Request {
    tags.into_iter().enumerate().fold(request, |request, (at, Tag { key, value })| {
        request.with(&format!("Tag.{}.Key", at + 1), key).with(&format!("Tag.{}.Value", at + 1), value)
    })
}

impl Put {
    /// The request, for a resource of that type.
    pub(super) fn of(self, kind: &'static str) -> Request {
        with(Request::new("TagResources").with("ResourceType", kind).with("ResourceNames.1", self.name), self.tags)
    }
}

impl Take {
    /// The request, for a resource of that type.
    pub(super) fn of(self, kind: &'static str) -> Request {
        let request = Request::new("UntagResources").with("ResourceType", kind).with("ResourceNames.1", self.name);
        let keys = self.keys.into_iter().enumerate();
        keys.fold(request, |request, (at, key)| request.with(&format!("TagKeys.{}", at + 1), key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_split_at_the_first_sign() {
        let tag = |key: &str, value: &str| Ok(Tag { key: key.into(), value: value.into() });
        assert_eq!(parse("team=shop"), tag("team", "shop"));
        assert_eq!(parse("url=a=b"), tag("url", "a=b"));
        assert_eq!(parse("empty="), tag("empty", ""));
        assert!(parse("team").is_err());
    }
}
