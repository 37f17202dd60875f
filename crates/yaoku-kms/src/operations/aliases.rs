//! Aliases: names for keys, which can be moved from one key to another.

use yaoku_iam::quota::Reservation;
use yaoku_iam::{AccountId, Call, Operation, OperationSpec, StateRule};
use yaoku_seal::Changes;

use super::{Listing, Page};
use crate::admission::proceed;
use crate::change::{ATTEMPTS, contended};
use crate::keyring::Key;
use crate::record::{AliasRecord, alias_name, key_name};
use crate::resource::{ALIAS, KEY, SERVICE, key_states};
use crate::{AliasName, Error, KeyId, Kms};

const fn write(name: &'static str, states: StateRule) -> OperationSpec {
    OperationSpec::write(SERVICE, name, &[ALIAS, KEY], states)
}

/// Begins an attempt to give a key an alias.
async fn admit(kms: &Kms, call: &Call<'_>, spec: &OperationSpec, alias: &AliasName, key: KeyId) -> Result<Key, Error> {
    // What is asked of the alias comes first.
    kms.allow_named(call, spec, ALIAS, alias.as_str())?;
    let key = kms.admit_change(call, spec, key).await?;
    kms.allow_named(call, spec, ALIAS, alias.as_str())?;
    Ok(key)
}

/// Gives a key a name that no other key of the account has.
pub struct CreateAlias {
    /// The name.
    pub alias: AliasName,
    /// The key.
    pub key: KeyId,
}

impl Operation for CreateAlias {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = write("CreateAlias", key_states::STAY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        let account = call.principal.account();
        for _ in 0..ATTEMPTS {
            let key = admit(kms, call, &Self::SPEC, &self.alias, self.key).await?;
            let _reserved = reserve_new_alias(kms, account, &self.alias)?;
            proceed(call)?;
            let name = alias_name(account, &self.alias);
            let changes = Changes {
                expected: vec![(key_name(account, key.id), Some(key.revision)), (name.clone(), None)],
                puts: vec![(name, AliasRecord { key: key.id }.encode()?)],
                deletes: Vec::new(),
            };
            if kms.commit(call, changes).await? {
                return Ok(());
            }
        }
        Err(contended())
    }
}

/// Makes sure that an account can have a further alias of that name, for as long as what is returned is held.
pub(super) fn reserve_new_alias<'k>(
    kms: &'k Kms,
    account: AccountId,
    alias: &AliasName,
) -> Result<Reservation<'k, AccountId>, Error> {
    if kms.alias(account, alias).is_some() {
        return Err(Error::AliasExists);
    }
    let limit = kms.config.quotas.aliases;
    let there = || kms.read_catalogue(account, |catalogue| catalogue.alias_count()) as u64;
    let reserved = kms.aliases_under_way.reserve(account, 1, limit, there);
    reserved.ok_or_else(|| Error::LimitExceeded(format!("the account has reached its limit of {limit} aliases")))
}

/// Moves an alias to another key. The permission is asked on the alias, on that key, and on the one that loses it.
pub struct UpdateAlias {
    /// The name.
    pub alias: AliasName,
    /// The key that it is to name.
    pub key: KeyId,
}

impl Operation for UpdateAlias {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = write("UpdateAlias", key_states::DESCRIBE);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        let account = call.principal.account();
        kms.allow_named(call, &Self::SPEC, ALIAS, self.alias.as_str())?;
        if kms.alias(account, &self.alias).is_none() {
            return Err(Error::AliasNotFound);
        }
        for _ in 0..ATTEMPTS {
            let key = admit(kms, call, &Self::SPEC, &self.alias, self.key).await?;
            let mut expected = vec![(key_name(account, key.id), Some(key.revision))];
            let (former, revision) = kms.alias(account, &self.alias).ok_or(Error::AliasNotFound)?;
            if former != key.id {
                // Whatever its state: it is only left.
                let former = kms.key(account, former).await.map_err(gone_with_its_key)?;
                call.touch(KEY, former.id.into());
                kms.allow_key(call, Self::SPEC.permission(), key_states::ANY, &former)?;
                expected.push((key_name(account, former.id), Some(former.revision)));
            }
            proceed(call)?;
            let name = alias_name(account, &self.alias);
            expected.push((name.clone(), Some(revision)));
            let changes =
                Changes { expected, puts: vec![(name, AliasRecord { key: key.id }.encode()?)], deletes: Vec::new() };
            if kms.commit(call, changes).await? {
                return Ok(());
            }
        }
        Err(contended())
    }
}

/// A key may have been deleted just now, and its aliases with it.
fn gone_with_its_key(error: Error) -> Error {
    match error {
        Error::KeyNotFound => Error::AliasNotFound,
        other => other,
    }
}

/// Takes a name from its key.
pub struct DeleteAlias {
    /// The name.
    pub alias: AliasName,
}

impl Operation for DeleteAlias {
    type Domain = Kms;
    type Output = ();
    const SPEC: OperationSpec = write("DeleteAlias", key_states::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        let account = call.principal.account();
        for _ in 0..ATTEMPTS {
            call.rest_on_authority();
            kms.allow_named(call, &Self::SPEC, ALIAS, self.alias.as_str())?;
            let (key, revision) = kms.alias(account, &self.alias).ok_or(Error::AliasNotFound)?;
            let key = kms.key(account, key).await.map_err(gone_with_its_key)?;
            call.touch(KEY, key.id.into());
            kms.allow_key(call, Self::SPEC.permission(), Self::SPEC.states, &key)?;
            proceed(call)?;
            let name = alias_name(account, &self.alias);
            let expected = vec![(key_name(account, key.id), Some(key.revision)), (name.clone(), Some(revision))];
            let changes = Changes { expected, puts: Vec::new(), deletes: vec![name] };
            if kms.commit(call, changes).await? {
                return Ok(());
            }
        }
        Err(contended())
    }
}

/// Lists an account's aliases by name, each with its key.
pub struct ListAliases {
    /// Which page.
    pub page: Page,
}

impl Operation for ListAliases {
    type Domain = Kms;
    type Output = Listing<(AliasName, KeyId)>;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "ListAliases", &[ALIAS], key_states::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Self::Output, Error> {
        kms.allow_all(call, &Self::SPEC, ALIAS)?;
        proceed(call)?;
        let _scan = kms.scans.enter(call).await?;
        let skip = usize::try_from(self.page.skip()).unwrap_or(usize::MAX);
        let cut = kms
            .read_catalogue(call.principal.account(), |catalogue| catalogue.alias_page(skip, self.page.size as usize));
        Ok(Listing { items: cut.items, total: cut.total })
    }
}

/// Lists one key's aliases by name.
pub struct ListAliasesByKeyId {
    /// The key.
    pub key: KeyId,
    /// Which page.
    pub page: Page,
}

impl Operation for ListAliasesByKeyId {
    type Domain = Kms;
    type Output = Listing<(AliasName, KeyId)>;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "ListAliasesByKeyId", &[KEY], key_states::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Self::Output, Error> {
        let key = kms.admit(call, &Self::SPEC, &self.key.into()).await?;
        proceed(call)?;
        let skip = usize::try_from(self.page.skip()).unwrap_or(usize::MAX);
        let cut =
            kms.read_catalogue(key.account, |catalogue| catalogue.aliases_of(key.id, skip, self.page.size as usize));
        Ok(Listing { items: cut.items.into_iter().map(|name| (name, key.id)).collect(), total: cut.total })
    }
}
