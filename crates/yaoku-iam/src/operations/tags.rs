//! Tags of roles and of an account's own policies.

use std::collections::BTreeSet;

use super::{Part, Place, listing};
use crate::change::Draft;
use crate::directory::Directory;
use crate::resource::Target;
use crate::{
    Call, Entity, Error, Field, Iam, Name, Operation, OperationSpec, POLICY, ROLE, ResourceKind, StateRule, Tags,
    TooManyTags,
};

/// The most resources that one call can name.
pub const MAX_RESOURCES: usize = 50;

/// What can have tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taggable {
    /// Roles.
    Role,
    /// An account's own policies.
    Policy,
}

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    key: String,
    value: String,
}

/// Which tag something has to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagFilter {
    /// The tag's key.
    pub key: String,
    /// The tag's value; none is any.
    pub value: Option<String>,
}

/// Puts the same tags on several roles or policies: on all of them or, if one can't be tagged, on none.
pub struct TagResources {
    /// What they are.
    pub kind: Taggable,
    /// 1 to [`MAX_RESOURCES`].
    pub names: Vec<Name>,
    /// Those whose key it has already get the new value.
    pub tags: Vec<Tag>,
}

/// Takes tags from several roles or policies: from all of them or, if there is not each, from none.
pub struct UntagResources {
    /// What they are.
    pub kind: Taggable,
    /// 1 to [`MAX_RESOURCES`].
    pub names: Vec<Name>,
    /// The keys of the tags; those that one does not have are passed over. None takes all tags.
    pub keys: Option<Vec<String>>,
}

/// Lists tags of roles or policies, by name and key.
pub struct ListTagResources {
    /// What they are.
    pub kind: Taggable,
    /// Only of these, at most [`MAX_RESOURCES`]; of all if empty.
    pub names: Vec<Name>,
    /// Only of those that have all of these tags.
    pub filters: Vec<TagFilter>,
    /// Where the part before said that this one begins.
    pub after: Option<Place>,
    /// At least 1.
    pub most: usize,
}

/// A tag of a role or a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagOf {
    /// Whose it is.
    pub name: Name,
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: String,
}

impl TagOf {
    /// Where it stands in a listing.
    fn place(&self) -> (&str, &str) {
        (self.name.as_str(), &self.key)
    }
}

impl Tag {
    /// Makes a tag: a key of 1 to 128 characters that does not begin with `aliyun` or `acs:`, and a value of at most 128;
    /// neither with `http://` or `https://` in it, or with control characters.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the tag.
    pub fn new(key: &str, value: &str) -> Result<Self, Error> {
        check_key(Field::Tag, key)?;
        match fits(value) {
            true => Ok(Self { key: key.to_owned(), value: value.to_owned() }),
            false => Err(Error::Invalid { field: Field::Tag, why: VALUE }),
        }
    }

    pub(super) fn parts(&self) -> (&str, &str) {
        (&self.key, &self.value)
    }
}

const KEY: &str = "a key has 1 to 128 characters, none of them a control character, does not begin with aliyun or acs:, and has no \
    http:// or https:// in it";
const VALUE: &str =
    "a value can have at most 128 characters, and can't contain control characters, http:// or https://";

fn check_key(field: Field, key: &str) -> Result<(), Error> {
    let reserved = key.starts_with("aliyun") || key.starts_with("acs:");
    match key.is_empty() || reserved || !fits(key) {
        true => Err(Error::Invalid { field, why: KEY }),
        false => Ok(()),
    }
}

fn fits(text: &str) -> bool {
    let links = text.contains("http://") || text.contains("https://");
    !links && text.chars().count() <= 128 && !text.contains(char::is_control)
}

impl TagFilter {
    fn fits(&self, tags: &Tags) -> bool {
        tags.get(&self.key).is_some_and(|held| self.value.as_ref().is_none_or(|value| value == held))
    }
}

/// Whether all filters fit.
pub(super) fn all_fit(filters: &[TagFilter], tags: &Tags) -> bool {
    filters.iter().all(|filter| filter.fits(tags))
}

/// Tags for what is to be made.
pub(super) fn of(tags: &[Tag]) -> Result<Tags, Error> {
    let mut held = Tags::default();
    held.put(tags.iter().map(Tag::parts))?;
    Ok(held)
}

impl From<TooManyTags> for Error {
    fn from(_: TooManyTags) -> Self {
        Self::TooManyTags { most: Tags::MAX }
    }
}

impl Taggable {
    const fn resource_kind(self) -> &'static ResourceKind {
        match self {
            Self::Role => ROLE,
            Self::Policy => POLICY,
        }
    }

    const fn missing(self) -> Error {
        Error::NotFound(match self {
            Self::Role => Entity::Role,
            Self::Policy => Entity::Policy,
        })
    }

    fn tags(self, directory: &Directory, name: &Name) -> Result<Tags, Error> {
        match self {
            Self::Role => directory.roles.find(name).map(|(_, role)| role.tags.clone()),
            Self::Policy => directory.policies.get(name).map(|policy| policy.tags.clone()),
        }
        .ok_or_else(|| self.missing())
    }

    /// What a permission is asked on, if it can have tags.
    fn of_kind(kind: &ResourceKind) -> Option<Self> {
        [Self::Role, Self::Policy].into_iter().find(|taggable| taggable.resource_kind() == kind)
    }

    /// In the order of names.
    fn all(self, directory: &Directory) -> Box<dyn Iterator<Item = (&Name, &Tags)> + '_> {
        match self {
            Self::Role => Box::new(directory.roles.by_name_after(None).map(|(_, role)| (&role.name, &role.tags))),
            Self::Policy => Box::new(directory.policies.iter().map(|(name, policy)| (name, &policy.tags))),
        }
    }

    fn put(self, directory: &Directory, draft: &mut Draft<'_>, name: &Name, tags: Tags) -> Result<(), Error> {
        match self {
            Self::Role => {
                let (id, role) = directory.roles.find(name).ok_or_else(|| self.missing())?;
                let mut role = role.clone();
                (role.tags, role.updated) = (tags, draft.now);
                draft.put_role(id, &role)
            }
            Self::Policy => {
                let mut policy = directory.policies.get(name).ok_or_else(|| self.missing())?.clone();
                (policy.tags, policy.updated) = (tags, draft.now);
                draft.put_policy(name, &policy)
            }
        }
    }
}

/// The tags of an identity of the account, for conditions: none where it can have none, or is not there.
pub(crate) fn held(directory: &Directory, kind: &ResourceKind, name: &Name) -> Option<Tags> {
    Taggable::of_kind(kind)?.tags(directory, name).ok()
}

/// What tags can be on: each permission is asked on one of these.
const TAGGABLE: &[&ResourceKind] = &[ROLE, POLICY];

impl Operation for TagResources {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write("ram", "TagResources", TAGGABLE, StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        change(iam, call, &Self::SPEC, self.kind, &self.names, |tags| Ok(tags.put(self.tags.iter().map(Tag::parts))?))
            .await
    }
}

impl Operation for UntagResources {
    type Domain = Iam;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write("ram", "UntagResources", TAGGABLE, StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<(), Error> {
        self.keys.iter().flatten().try_for_each(|key| check_key(Field::TagKeys, key))?;
        let take = |tags: &mut Tags| {
            tags.take(self.keys.as_deref());
            Ok(())
        };
        change(iam, call, &Self::SPEC, self.kind, &self.names, take).await
    }
}

impl Operation for ListTagResources {
    type Domain = Iam;
    type Output = Part<TagOf>;
    const SPEC: OperationSpec = OperationSpec::read("ram", "ListTagResources", TAGGABLE, StateRule::ANY);

    async fn perform(self, iam: &Iam, call: &Call<'_>) -> Result<Part<TagOf>, Error> {
        let names = check_names(&self.names)?;
        let targets: Vec<_> = match names.is_empty() {
            true => vec![Target::all(self.kind.resource_kind())],
            false => names.iter().map(|name| Target::own(self.kind.resource_kind(), name)).collect(),
        };
        let tenant = iam.allow(call, &Self::SPEC, &targets)?;
        let after = listing::open(iam, call, &Self::SPEC, Field::NextToken, self.after.as_deref()).await?;
        // A name has no colon in it.
        let after = after.as_deref().and_then(|after| after.split_once(':'));
        let (items, more) = {
            let directory = tenant.directory.read();
            names.iter().try_for_each(|name| self.kind.tags(&directory, name).map(drop))?;
            let asked = self.kind.all(&directory).filter(|(name, _)| names.is_empty() || names.contains(name));
            let tags = asked.filter(|(_, tags)| all_fit(&self.filters, tags)).flat_map(|(name, tags)| {
                tags.iter().map(|(key, value)| TagOf { name: name.clone(), key: key.into(), value: value.into() })
            });
            let mut rest = tags.skip_while(|tag| after.is_some_and(|after| tag.place() <= after));
            let items: Vec<_> = rest.by_ref().take(self.most).collect();
            (items, rest.next().is_some())
        };
        let last = items.last().filter(|_| more).map(|TagOf { name, key, .. }| format!("{name}:{key}"));
        let next = listing::seal(iam, call, &Self::SPEC, last.as_deref()).await?;
        Ok(Part { items, next })
    }
}

/// The resources that are named, each once.
fn check_names(names: &[Name]) -> Result<BTreeSet<&Name>, Error> {
    match names.len() > MAX_RESOURCES {
        true => Err(Error::Invalid { field: Field::ResourceNames, why: "it must be at most 50 names" }),
        false => Ok(names.iter().collect()),
    }
}

/// Changes the tags of all that are named in one commit.
async fn change(
    iam: &Iam,
    call: &Call<'_>,
    spec: &OperationSpec,
    kind: Taggable,
    names: &[Name],
    change: impl Fn(&mut Tags) -> Result<(), Error> + Send + Sync,
) -> Result<(), Error> {
    let names = check_names(names)?;
    if names.is_empty() {
        return Err(Error::Invalid { field: Field::ResourceNames, why: "it must be at least one name" });
    }
    let targets: Vec<_> = names.iter().map(|name| Target::own(kind.resource_kind(), name)).collect();
    let tenant = iam.allow(call, spec, &targets)?;
    let changed = iam.change(&tenant, |directory, draft| {
        names.iter().try_for_each(|name| {
            let mut tags = kind.tags(directory, name)?;
            change(&mut tags)?;
            kind.put(directory, draft, name, tags)
        })
    });
    changed.await.map_err(|error| match error {
        Error::Vault(yaoku_seal::Error::Store(yaoku_seal::StoreError::TooLarge)) => {
            let why = "together, these are more than the store takes in one commit; name fewer of them";
            Error::Invalid { field: Field::ResourceNames, why }
        }
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_keep_to_their_form() {
        assert!(Tag::new("项目", "a b<c>").is_ok() && Tag::new("k", "").is_ok());
        assert!(Tag::new(&"é".repeat(128), &"é".repeat(128)).is_ok());
        let long = "x".repeat(129);
        for (key, value) in [
            ("", "v"),
            ("aliyun-x", "v"),
            ("acs:x", "v"),
            ("a\n", "v"),
            ("a", "\u{0}"),
            ("http://x", "v"),
            ("k", "see https://x"),
            (&*long, "v"),
            ("k", &*long),
        ] {
            assert!(matches!(Tag::new(key, value), Err(Error::Invalid { field: Field::Tag, .. })), "{key:?} {value:?}");
        }
    }

    #[test]
    fn a_filter_without_a_value_fits_any() {
        let tags = of(&[Tag::new("team", "shop").unwrap()]).unwrap();
        let filter = |key: &str, value: Option<&str>| [TagFilter { key: key.into(), value: value.map(str::to_owned) }];
        assert!(all_fit(&[], &tags) && all_fit(&filter("team", None), &tags));
        assert!(all_fit(&filter("team", Some("shop")), &tags));
        assert!(!all_fit(&filter("team", Some("")), &tags) && !all_fit(&filter("other", None), &tags));
    }
}
