//! Tags on keys, one key at a time or many at once.

use std::collections::BTreeSet;

use yaoku_crypto::Secret;
use yaoku_iam::{AccountId, Call, Operation, OperationSpec, Tags};
use yaoku_seal::Changes;

use crate::admission::proceed;
use crate::change::{ATTEMPTS, Changed, contended};
use crate::record::{KeyRecord, key_name};
use crate::resource::{KEY, SERVICE, check_state, key_states};
use crate::tag::check_key;
use crate::{Error, Field, KeyId, Kms, Tag};

/// The most resources that one call can tag.
pub const MAX_RESOURCES: usize = 50;
/// The most tags on a page of ListTagResources.
pub const TAG_PAGE: usize = 200;
/// Resources with tags that are looked at for one page, whether they meet the conditions or not: were it those that do, the end of a
/// page would tell of keys that the caller may not see.
pub const TAG_SCAN: usize = 5000;
/// Keys looked at between two moments at which others may go on.
const AT_ONCE: usize = 64;

/// Puts tags on a key.
pub struct TagResource {
    /// The key.
    pub key: KeyId,
    /// The tags; those whose key it has already get the new value.
    pub tags: Vec<Tag>,
}

impl Operation for TagResource {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "TagResource", &[KEY], key_states::DESCRIBE);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        change_tags(kms, call, &Self::SPEC, &[self.key], |tags| Ok(tags.put(self.tags.iter().map(Tag::parts))?)).await
    }
}

/// Takes tags from a key.
pub struct UntagResource {
    /// The key.
    pub key: KeyId,
    /// The keys of the tags; those that it does not have are passed over.
    pub tag_keys: Vec<String>,
}

impl Operation for UntagResource {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "UntagResource", &[KEY], key_states::DESCRIBE);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        untag(kms, call, &Self::SPEC, &[self.key], Some(&self.tag_keys)).await
    }
}

/// Lists a key's tags.
pub struct ListResourceTags {
    /// The key.
    pub key: KeyId,
}

impl Operation for ListResourceTags {
    type Domain = Kms;
    type Output = Vec<Tag>;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "ListResourceTags", &[KEY], key_states::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Vec<Tag>, Error> {
        let key = kms.admit(call, &Self::SPEC, &self.key.into()).await?;
        proceed(call)?;
        Ok(kms.read_catalogue(key.account, |catalogue| catalogue.tags_of(key.id).to_vec()))
    }
}

/// Puts the same tags on several keys: on all of them or, if one can't be tagged, on none.
pub struct TagResources {
    /// At most [`MAX_RESOURCES`] keys.
    pub keys: Vec<KeyId>,
    /// The tags.
    pub tags: Vec<Tag>,
}

impl Operation for TagResources {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "TagResources", &[KEY], key_states::DESCRIBE);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        change_tags(kms, call, &Self::SPEC, &self.keys, |tags| Ok(tags.put(self.tags.iter().map(Tag::parts))?)).await
    }
}

/// Takes tags from several keys: from all of them or, if one can't be changed, from none.
pub struct UntagResources {
    /// At most [`MAX_RESOURCES`] keys.
    pub keys: Vec<KeyId>,
    /// The keys of the tags; none takes all tags.
    pub tag_keys: Option<Vec<String>>,
}

impl Operation for UntagResources {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "UntagResources", &[KEY], key_states::DESCRIBE);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        untag(kms, call, &Self::SPEC, &self.keys, self.tag_keys.as_deref()).await
    }
}

/// Lists tags of several keys, by key id.
pub struct ListTagResources {
    /// Only these keys, at most [`MAX_RESOURCES`]; all keys if empty.
    pub keys: Vec<KeyId>,
    /// Only keys that have all of these tags; a value of none is any value.
    pub tags: Vec<(String, Option<String>)>,
    /// Where an earlier page said that the next begins.
    pub after: Option<Vec<u8>>,
}

/// A page of tags.
pub struct TagPage {
    /// Whole keys' tags, at most [`TAG_PAGE`].
    pub tags: Vec<(KeyId, Tag)>,
    /// Where the next page begins, if there may be more. It is sealed: it may stand behind keys that the caller may not know of.
    pub next: Option<Vec<u8>>,
}

impl Operation for ListTagResources {
    type Domain = Kms;
    type Output = TagPage;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "ListTagResources", &[KEY], key_states::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<TagPage, Error> {
        check_resources(&self.keys)?;
        let account = call.principal.account();
        match self.keys.is_empty() {
            // Those that are denied to it one by one are left out below.
            true => kms.allow_named(call, &Self::SPEC, KEY, "*")?,
            false => {
                for key in &self.keys {
                    kms.admit(call, &Self::SPEC, &(*key).into()).await?;
                }
            }
        }
        let after = open_place(kms, account, self.after.as_deref()).await?;
        proceed(call)?;
        let _scan = kms.scans.enter(call).await?;
        // Keys in the order of their ids, and for each whether it meets the conditions.
        let looked_at: Vec<(KeyId, bool)> = kms.read_catalogue(account, |catalogue| {
            let meets = |key: KeyId| (key, has_all(catalogue.tags_of(key), &self.tags));
            let asked: BTreeSet<_> = self.keys.iter().copied().collect();
            match asked.is_empty() {
                true => catalogue.tagged_keys(after).take(TAG_SCAN + 1).map(meets).collect(),
                false => asked.into_iter().filter(|key| after.is_none_or(|after| *key > after)).map(meets).collect(),
            }
        });
        let mut page = TagPage { tags: Vec::new(), next: None };
        let mut last = None;
        for (seen, (id, meets)) in looked_at.into_iter().enumerate() {
            if seen % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let tags: Vec<Tag> = match meets {
                true => shown_tags(kms, call, account, id).await?,
                false => Vec::new(),
            };
            if seen == TAG_SCAN || page.tags.len() + tags.len() > TAG_PAGE {
                page.next = seal_place(kms, account, last).await?;
                break;
            }
            page.tags.extend(tags.into_iter().map(|tag| (id, tag)));
            last = Some(id);
        }
        Ok(page)
    }
}

/// The tags of a key; none of one that the caller may not know of, or that is not there any more.
async fn shown_tags(kms: &Kms, call: &Call<'_>, account: AccountId, id: KeyId) -> Result<Vec<Tag>, Error> {
    let spec = &ListTagResources::SPEC;
    let key = match kms.key(account, id).await {
        Err(Error::KeyNotFound) => return Ok(Vec::new()),
        key => key?,
    };
    if kms.allow_key(call, spec.permission(), spec.states, &key).is_err() {
        return Ok(Vec::new());
    }
    Ok(key.record.tags.iter().map(|(key, value)| Tag { key: key.into(), value: value.into() }).collect())
}

/// What places in a listing of tags are sealed as.
const PLACE: &[u8] = b"place in a listing of tags v1";

async fn seal_place(kms: &Kms, account: AccountId, last: Option<KeyId>) -> Result<Option<Vec<u8>>, Error> {
    let Some(last) = last else { return Ok(None) };
    let place = Secret::new(last.as_bytes().to_vec());
    Ok(Some(kms.vault.seal_token(account.domain(), PLACE, &place).await?))
}

async fn open_place(kms: &Kms, account: AccountId, sealed: Option<&[u8]>) -> Result<Option<KeyId>, Error> {
    let Some(sealed) = sealed else { return Ok(None) };
    let opened = kms.vault.open_token(account.domain(), PLACE, sealed).await?;
    let bytes = opened.and_then(|opened| <[u8; 16]>::try_from(opened.expose()).ok());
    let foreign = || Error::invalid(Field::NextToken, "it is not one that was given out");
    bytes.map(|bytes| Some(KeyId::from_bytes(bytes))).ok_or_else(foreign)
}

/// Whether each of `wanted` is among the tags; a value of none is any value.
fn has_all(tags: &[Tag], wanted: &[(String, Option<String>)]) -> bool {
    wanted.iter().all(|(key, value)| {
        tags.iter().any(|tag| *tag.key == **key && value.as_deref().is_none_or(|value| *tag.value == *value))
    })
}

async fn untag(
    kms: &Kms,
    call: &Call<'_>,
    spec: &OperationSpec,
    keys: &[KeyId],
    tag_keys: Option<&[String]>,
) -> Result<(), Error> {
    for key in tag_keys.unwrap_or_default() {
        check_key(key)?;
    }
    let change = |tags: &mut Tags| {
        tags.take(tag_keys);
        Ok(())
    };
    change_tags(kms, call, spec, keys, change).await
}

/// Changes the tags of all `keys` in one commit.
async fn change_tags(
    kms: &Kms,
    call: &Call<'_>,
    spec: &OperationSpec,
    keys: &[KeyId],
    change: impl Fn(&mut Tags) -> Result<(), Error> + Send + Sync,
) -> Result<(), Error> {
    check_resources(keys)?;
    if let [key] = keys {
        let change = |record: &mut KeyRecord, _| change(&mut record.tags).map(|()| Changed::Something);
        return kms.change_key(call, spec, *key, change).await;
    }
    let account = call.principal.account();
    let keys: BTreeSet<KeyId> = keys.iter().copied().collect();
    for key in &keys {
        kms.admit(call, spec, &(*key).into()).await?;
    }
    // In the order of their ids.
    let _changing = kms.changing.enter_all(keys.iter().copied(), call.standing(spec.revokes)).await;
    if call.is_abandoned() {
        return Err(Error::Abandoned);
    }
    for _ in 0..ATTEMPTS {
        call.rest_on_authority();
        for key in &keys {
            kms.admit(call, spec, &(*key).into()).await?;
        }
        let mut changes = Changes::default();
        for id in &keys {
            let mut key = kms.stored_key(account, *id).await?;
            // Tags and policy may be newer than those that were asked about.
            kms.allow_key(call, spec.permission(), spec.states, &key)?;
            check_state(spec.states, key.record.state_at(kms.clock.now()))?;
            change(&mut key.record.tags)?;
            let name = key_name(account, *id);
            changes.expected.push((name.clone(), Some(key.revision)));
            changes.puts.push((name, key.record.encode()?));
        }
        proceed(call)?;
        if kms.commit(call, changes).await? {
            return Ok(());
        }
    }
    Err(contended())
}

fn check_resources(keys: &[KeyId]) -> Result<(), Error> {
    if keys.len() > MAX_RESOURCES {
        return Err(Error::invalid(Field::Resources, format!("there can be at most {MAX_RESOURCES}")));
    }
    Ok(())
}
