//! Tags of secrets.

use std::collections::{BTreeMap, BTreeSet};

use yaoku_crypto::Secret;
use yaoku_iam::{AccountId, Call, Operation, OperationSpec, Tags};
use yaoku_kms::operations::tags::{MAX_RESOURCES, TAG_PAGE, TAG_SCAN};
use yaoku_kms::{Tag, check_key, proceed};
use yaoku_seal::Changes;

use crate::change::{ATTEMPTS, Changed};
use crate::record::{SecretRecord, secret_name};
use crate::resource::{SECRET, SERVICE, secret_states};
use crate::{Error, Field, SecretName, Secrets};

/// Secrets looked at between two moments at which others may go on.
const AT_ONCE: usize = 64;

const fn write(name: &'static str) -> OperationSpec {
    OperationSpec::write(SERVICE, name, &[SECRET], secret_states::USE)
}

/// Puts tags on a secret; one whose key is there already gets the new value.
pub struct TagSecret {
    /// The secret.
    pub name: SecretName,
    /// The tags.
    pub tags: Vec<Tag>,
}

impl Operation for TagSecret {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec = write("TagResource");

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        put(secrets, call, &Self::SPEC, vec![self.name], &self.tags).await
    }
}

/// Takes tags from a secret.
pub struct UntagSecret {
    /// The secret.
    pub name: SecretName,
    /// The keys of the tags.
    pub tag_keys: Vec<String>,
}

impl Operation for UntagSecret {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec = write("UntagResource");

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        take(secrets, call, &Self::SPEC, vec![self.name], Some(&self.tag_keys)).await
    }
}

/// Puts the same tags on several secrets: on all of them or, if one can't be tagged, on none.
pub struct TagSecrets {
    /// At most [`MAX_RESOURCES`] secrets.
    pub names: Vec<SecretName>,
    /// The tags.
    pub tags: Vec<Tag>,
}

impl Operation for TagSecrets {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec = write("TagResources");

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        put(secrets, call, &Self::SPEC, self.names, &self.tags).await
    }
}

/// Takes tags from several secrets: from all of them or, if one can't be changed, from none.
pub struct UntagSecrets {
    /// At most [`MAX_RESOURCES`] secrets.
    pub names: Vec<SecretName>,
    /// The keys of the tags; none takes all tags.
    pub tag_keys: Option<Vec<String>>,
}

impl Operation for UntagSecrets {
    type Domain = Secrets;
    type Output = ();
    const SPEC: OperationSpec = write("UntagResources");

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<(), Error> {
        take(secrets, call, &Self::SPEC, self.names, self.tag_keys.as_deref()).await
    }
}

async fn put(
    secrets: &Secrets,
    call: &Call<'_>,
    spec: &OperationSpec,
    names: Vec<SecretName>,
    new: &[Tag],
) -> Result<(), Error> {
    change_tags(secrets, call, spec, names, |tags| Ok(tags.put(new.iter().map(Tag::parts))?)).await
}

async fn take(
    secrets: &Secrets,
    call: &Call<'_>,
    spec: &OperationSpec,
    names: Vec<SecretName>,
    tag_keys: Option<&[String]>,
) -> Result<(), Error> {
    for key in tag_keys.unwrap_or_default() {
        check_key(key)?;
    }
    let change = |tags: &mut Tags| {
        tags.take(tag_keys);
        Ok(())
    };
    change_tags(secrets, call, spec, names, change).await
}

/// Changes the tags of all of `names` in one commit.
async fn change_tags(
    secrets: &Secrets,
    call: &Call<'_>,
    spec: &OperationSpec,
    names: Vec<SecretName>,
    change: impl Fn(&mut Tags) -> Result<(), Error> + Send + Sync,
) -> Result<(), Error> {
    check_resources(&names)?;
    if let [name] = &names[..] {
        let change = |record: &mut SecretRecord, _| change(&mut record.tags).map(|()| (Changed::Something, ()));
        return secrets.change(call, spec, &name.clone().into(), change).await;
    }
    let account = call.principal.account();
    let mut ids = BTreeMap::new();
    for name in names {
        let id = secrets.admit(call, spec, &name.clone().into())?.record.id;
        ids.insert(id, name);
    }
    // In the order of their ids.
    let _changing = secrets.changing.enter_all(ids.keys().copied(), call.standing(spec.revokes)).await;
    if call.is_abandoned() {
        return Err(Error::Abandoned);
    }
    for _ in 0..ATTEMPTS {
        call.rest_on_authority();
        for name in ids.values() {
            secrets.admit(call, spec, &name.clone().into())?;
        }
        let (mut changes, now) = (Changes::default(), secrets.clock.now());
        for name in ids.values() {
            let mut held = secrets.admit_stored(call, spec, name).await?;
            change(&mut held.record.tags)?;
            held.record.updated = now;
            let name = secret_name(account, name);
            changes.expected.push((name.clone(), Some(held.revision)));
            changes.puts.push((name, held.record.encode()?));
        }
        proceed(call)?;
        if secrets.commit(call, changes).await? {
            return Ok(());
        }
    }
    Err(Error::contended())
}

fn check_resources(names: &[SecretName]) -> Result<(), Error> {
    if names.len() > MAX_RESOURCES {
        return Err(Error::invalid(Field::Resources, format!("there can be at most {MAX_RESOURCES}")));
    }
    Ok(())
}

/// Lists tags of several secrets, by name.
pub struct ListTagsOfSecrets {
    /// Only these secrets, at most [`MAX_RESOURCES`]; all if empty.
    pub names: Vec<SecretName>,
    /// Only secrets that have all of these tags; a value of none is any value.
    pub tags: Vec<(String, Option<String>)>,
    /// Where an earlier page said that the next begins.
    pub after: Option<Vec<u8>>,
}

/// A page of tags.
pub struct TagPage {
    /// Whole secrets' tags.
    pub tags: Vec<(SecretName, Tag)>,
    /// Where the next page begins, if there may be more. It is sealed: it may stand behind secrets that the caller may not know of.
    pub next: Option<Vec<u8>>,
}

impl Operation for ListTagsOfSecrets {
    type Domain = Secrets;
    type Output = TagPage;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "ListTagResources", &[SECRET], secret_states::ANY);

    async fn perform(self, secrets: &Secrets, call: &Call<'_>) -> Result<TagPage, Error> {
        check_resources(&self.names)?;
        let account = call.principal.account();
        match self.names.is_empty() {
            // Those that are denied to it one by one are left out below.
            true => secrets.allow_each(call, &Self::SPEC)?,
            false => {
                for name in &self.names {
                    secrets.admit(call, &Self::SPEC, &name.clone().into())?;
                }
            }
        }
        let after = open_place(secrets, account, self.after.as_deref()).await?;
        proceed(call)?;
        let _scan = secrets.scans.enter(call).await?;
        let asked: BTreeSet<_> = self.names.into_iter().collect();
        let looked_at: Vec<_> = {
            let catalogue = secrets.catalogue.read();
            match asked.is_empty() {
                true => catalogue.after(account, after.as_ref()).take(TAG_SCAN + 1).cloned().collect(),
                false => {
                    let behind = asked.iter().filter(|name| after.as_ref().is_none_or(|after| *name > after));
                    behind.filter_map(|name| catalogue.secret(account, name).cloned()).collect()
                }
            }
        };
        let mut page = TagPage { tags: Vec::new(), next: None };
        let mut last = None;
        for (seen, secret) in looked_at.iter().enumerate() {
            if seen % AT_ONCE == AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let mut tags: Vec<Tag> = Vec::new();
            if has_all(&secret.record.tags, &self.tags)
                && secrets.allow(call, Self::SPEC.permission(), Self::SPEC.states, secret).is_ok()
            {
                let tag = |(key, value): (&str, &str)| Tag { key: key.into(), value: value.into() };
                tags.extend(secret.record.tags.iter().map(tag));
            }
            if seen == TAG_SCAN || page.tags.len() + tags.len() > TAG_PAGE {
                page.next = seal_place(secrets, account, last).await?;
                break;
            }
            page.tags.extend(tags.into_iter().map(|tag| (secret.name.clone(), tag)));
            last = Some(&secret.name);
        }
        Ok(page)
    }
}

/// Whether each of `wanted` is among the tags; a value of none is any value.
fn has_all(tags: &Tags, wanted: &[(String, Option<String>)]) -> bool {
    wanted
        .iter()
        .all(|(key, value)| tags.get(key).is_some_and(|held| value.as_deref().is_none_or(|value| held == value)))
}

/// What places in a listing of tags are sealed as.
const PLACE: &[u8] = b"place in a listing of tags of secrets v1";

async fn seal_place(
    secrets: &Secrets,
    account: AccountId,
    last: Option<&SecretName>,
) -> Result<Option<Vec<u8>>, Error> {
    let Some(last) = last else { return Ok(None) };
    let place = Secret::new(last.as_str().as_bytes().to_vec());
    Ok(Some(secrets.vault.seal_token(account.domain(), PLACE, &place).await?))
}

async fn open_place(secrets: &Secrets, account: AccountId, sealed: Option<&[u8]>) -> Result<Option<SecretName>, Error> {
    let Some(sealed) = sealed else { return Ok(None) };
    let opened = secrets.vault.open_token(account.domain(), PLACE, sealed).await?;
    let name = opened.and_then(|opened| std::str::from_utf8(opened.expose()).ok().and_then(SecretName::parse));
    let foreign = || Error::invalid(Field::NextToken, "it is not one that was given out");
    name.map(Some).ok_or_else(foreign)
}
