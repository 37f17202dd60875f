//! Aliases: names for keys, which can be moved from one key to another.

use yaoku_iam::ResourceKind::{Alias, AliasContainer, Key as KeyResource};
use yaoku_seal::Changes;

use super::{Listing, Page};
use crate::kms::{ATTEMPTS, contended};
use crate::record::{AliasRecord, alias_name, key_name};
use crate::target::Target;
use crate::{Access, AliasName, Call, Error, KeyId, Kms, Operation, OperationSpec, StateRule};

const fn write(name: &'static str, states: StateRule) -> OperationSpec {
    OperationSpec { name, permissions: &[], resources: &[Alias, KeyResource], states, access: Access::Write }
}

/// Gives a key a name that no other key of the account has.
pub struct CreateAlias {
    /// The name.
    pub alias: AliasName,
    /// The key.
    pub key: KeyId,
}

impl Operation for CreateAlias {
    type Output = ();
    const SPEC: OperationSpec = write("CreateAlias", StateRule::STAY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        let account = call.principal.account();
        kms.allow(call, &Self::SPEC, Target::Alias(&self.alias))?;
        kms.admit(call, &Self::SPEC, &self.key.into()).await?;
        for _ in 0..ATTEMPTS {
            let key = kms.stored_key(account, self.key).await?;
            Self::SPEC.states.check(key.record.state)?;
            if kms.alias(account, &self.alias).is_some() {
                return Err(Error::AliasExists);
            }
            let limit = kms.config.quotas.aliases;
            if kms.read_catalogue(account, |catalogue| catalogue.alias_count()) as u64 >= limit {
                return Err(Error::LimitExceeded(format!("the account has reached its limit of {limit} aliases")));
            }
            call.proceed()?;
            let name = alias_name(account, &self.alias);
            let changes = Changes {
                expected: vec![(key_name(account, key.id), Some(key.revision)), (name.clone(), None)],
                puts: vec![(name, AliasRecord { key: key.id }.encode()?)],
                deletes: Vec::new(),
            };
            if kms.commit(changes).await? {
                return Ok(());
            }
        }
        Err(contended())
    }
}

/// Moves an alias to another key. The permission is asked on the alias, on that key, and on the one that loses it.
pub struct UpdateAlias {
    /// The name.
    pub alias: AliasName,
    /// The key that it is to name.
    pub key: KeyId,
}

impl Operation for UpdateAlias {
    type Output = ();
    const SPEC: OperationSpec = write("UpdateAlias", StateRule::DESCRIBE);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        let account = call.principal.account();
        kms.allow(call, &Self::SPEC, Target::Alias(&self.alias))?;
        if kms.alias(account, &self.alias).is_none() {
            return Err(Error::AliasNotFound);
        }
        kms.admit(call, &Self::SPEC, &self.key.into()).await?;
        for _ in 0..ATTEMPTS {
            let key = kms.stored_key(account, self.key).await?;
            Self::SPEC.states.check(key.record.state)?;
            let (former, revision) = kms.alias(account, &self.alias).ok_or(Error::AliasNotFound)?;
            if former != key.id {
                // Whatever its state: it is only left.
                let former = kms.key(account, former).await.map_err(gone_with_its_key)?;
                call.touched.note(former.id);
                kms.allow_key(call, Self::SPEC.permission(), &former)?;
            }
            call.proceed()?;
            let name = alias_name(account, &self.alias);
            let changes = Changes {
                expected: vec![(key_name(account, key.id), Some(key.revision)), (name.clone(), Some(revision))],
                puts: vec![(name, AliasRecord { key: key.id }.encode()?)],
                deletes: Vec::new(),
            };
            if kms.commit(changes).await? {
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
    type Output = ();
    const SPEC: OperationSpec = write("DeleteAlias", StateRule::ANY);

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<(), Error> {
        let account = call.principal.account();
        kms.allow(call, &Self::SPEC, Target::Alias(&self.alias))?;
        for _ in 0..ATTEMPTS {
            let (key, revision) = kms.alias(account, &self.alias).ok_or(Error::AliasNotFound)?;
            let key = kms.key(account, key).await.map_err(gone_with_its_key)?;
            call.touched.note(key.id);
            kms.allow_key(call, Self::SPEC.permission(), &key)?;
            call.proceed()?;
            let name = alias_name(account, &self.alias);
            let changes =
                Changes { expected: vec![(name.clone(), Some(revision))], puts: Vec::new(), deletes: vec![name] };
            if kms.commit(changes).await? {
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
    type Output = Listing<(AliasName, KeyId)>;
    const SPEC: OperationSpec = OperationSpec {
        name: "ListAliases",
        permissions: &[],
        resources: &[AliasContainer],
        states: StateRule::ANY,
        access: Access::Read,
    };

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Self::Output, Error> {
        kms.allow(call, &Self::SPEC, Target::Aliases)?;
        call.proceed()?;
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
    type Output = Listing<(AliasName, KeyId)>;
    const SPEC: OperationSpec = OperationSpec {
        name: "ListAliasesByKeyId",
        permissions: &[],
        resources: &[KeyResource],
        states: StateRule::ANY,
        access: Access::Read,
    };

    async fn perform(self, kms: &Kms, call: &Call<'_>) -> Result<Self::Output, Error> {
        let key = kms.admit(call, &Self::SPEC, &self.key.into()).await?;
        call.proceed()?;
        let skip = usize::try_from(self.page.skip()).unwrap_or(usize::MAX);
        let cut =
            kms.read_catalogue(key.account, |catalogue| catalogue.aliases_of(key.id, skip, self.page.size as usize));
        Ok(Listing { items: cut.items.into_iter().map(|name| (name, key.id)).collect(), total: cut.total })
    }
}
