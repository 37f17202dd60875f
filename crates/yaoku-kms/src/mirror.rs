//! How commits of the store come into force here: what each kind of record does to what is in memory.
//!
//! [`MIRRORED`] has a row for each kind that is kept in memory. The follower hands every commit of every process over in order;
//! a new family adds its rows, and nothing else here changes.

use yaoku_crypto::Secret;
use yaoku_crypto::pkcs11::ObjectId;
use yaoku_iam::AccountId;
use yaoku_seal::{Follower, Kind, Mirror, RecordName, Revision, Vault, VaultChange};

use crate::kms::{State, load};
use crate::record::{
    ALIAS, AliasRecord, DESTRUCTION, DestructionRecord, KEY, KEY_VERSION, KeyRecord, SCRUB, ScrubRecord,
};
use crate::{AliasName, Error, KeyId, KeyState, KeyVersionId, Kms};

/// What a kind of record does to what is in memory.
struct Mirrored {
    kind: Kind,
    /// Applies a record that was written.
    put: fn(&Kms, &mut State, &RecordName, &Secret, Revision) -> Result<Effect, Error>,
    /// Applies that a record was deleted.
    delete: fn(&Kms, &mut State, &RecordName) -> Result<Effect, Error>,
}

/// Whether a change can forbid something to somebody who was admitted before.
#[derive(PartialEq, Eq)]
enum Effect {
    MayForbid,
    ForbidsNothing,
}

/// Every kind that is kept in memory.
const MIRRORED: &[Mirrored] = &[
    Mirrored { kind: KEY, put: put_key, delete: delete_key },
    Mirrored { kind: KEY_VERSION, put: put_version, delete: delete_version },
    Mirrored { kind: ALIAS, put: put_alias, delete: delete_alias },
    Mirrored { kind: SCRUB, put: put_scrub, delete: delete_scrub },
    Mirrored { kind: DESTRUCTION, put: put_destruction, delete: delete_destruction },
];

fn put_key(
    kms: &Kms,
    state: &mut State,
    name: &RecordName,
    bytes: &Secret,
    revision: Revision,
) -> Result<Effect, Error> {
    let (account, id, record) = (account_of(name)?, key_id(name)?, KeyRecord::decode(bytes)?);
    let held = state.catalogue.account(account).filter(|held| held.revision(id).is_some());
    let (is_new, was_enabled) = (held.is_none(), held.is_some_and(|held| held.is_enabled(id)));
    state.catalogue.put_key(account, id, &record, revision);
    kms.keyring.drop_key(id);
    if was_enabled && record.state != KeyState::Enabled {
        kms.keyring.drop_materials_of(id);
    }
    Ok(if is_new { Effect::ForbidsNothing } else { Effect::MayForbid })
}

fn delete_key(kms: &Kms, state: &mut State, name: &RecordName) -> Result<Effect, Error> {
    let id = key_id(name)?;
    state.catalogue.remove_key(account_of(name)?, id);
    kms.keyring.drop_key(id);
    Ok(Effect::MayForbid)
}

/// A version that takes the place of another without material comes with a change of its key, which counts.
fn put_version(kms: &Kms, _: &mut State, name: &RecordName, _: &Secret, _: Revision) -> Result<Effect, Error> {
    kms.keyring.drop_material(key_id(name)?, version_id(name)?);
    Ok(Effect::ForbidsNothing)
}

fn delete_version(kms: &Kms, _: &mut State, name: &RecordName) -> Result<Effect, Error> {
    kms.keyring.drop_material(key_id(name)?, version_id(name)?);
    Ok(Effect::MayForbid)
}

/// Permissions are asked on the key that an alias stands for.
fn put_alias(
    _: &Kms,
    state: &mut State,
    name: &RecordName,
    bytes: &Secret,
    revision: Revision,
) -> Result<Effect, Error> {
    let alias = AliasName::from_stored(&name.id)?;
    state.catalogue.put_alias(account_of(name)?, alias, AliasRecord::decode(bytes)?.key, revision);
    Ok(Effect::ForbidsNothing)
}

fn delete_alias(_: &Kms, state: &mut State, name: &RecordName) -> Result<Effect, Error> {
    state.catalogue.remove_alias(account_of(name)?, &AliasName::from_stored(&name.id)?);
    Ok(Effect::ForbidsNothing)
}

fn put_scrub(_: &Kms, state: &mut State, _: &RecordName, bytes: &Secret, _: Revision) -> Result<Effect, Error> {
    state.scrub = Some(ScrubRecord::decode(bytes)?.due);
    Ok(Effect::ForbidsNothing)
}

fn delete_scrub(_: &Kms, state: &mut State, _: &RecordName) -> Result<Effect, Error> {
    state.scrub = None;
    Ok(Effect::ForbidsNothing)
}

fn put_destruction(
    _: &Kms,
    state: &mut State,
    name: &RecordName,
    bytes: &Secret,
    revision: Revision,
) -> Result<Effect, Error> {
    let object = (account_of(name)?, object_id(name)?);
    state.pending_destruction.insert(object, (DestructionRecord::decode(bytes)?, revision));
    Ok(Effect::ForbidsNothing)
}

fn delete_destruction(_: &Kms, state: &mut State, name: &RecordName) -> Result<Effect, Error> {
    state.pending_destruction.remove(&(account_of(name)?, object_id(name)?));
    Ok(Effect::ForbidsNothing)
}

fn mirrored(kind: Kind) -> Option<&'static Mirrored> {
    MIRRORED.iter().find(|mirrored| mirrored.kind == kind)
}

impl Mirror for Kms {
    type State = State;
    type Error = Error;

    fn follower(&self) -> &Follower {
        &self.follower
    }

    fn concerns(kind: Kind) -> bool {
        mirrored(kind).is_some()
    }

    async fn read(vault: &Vault) -> Result<(State, Revision), Error> {
        load(vault, None).await
    }

    fn replace(&self, state: State) {
        *self.state.write() = state;
        self.keyring.clear();
        self.iam.epoch().advance();
    }

    fn apply(&self, change: VaultChange) -> Result<(), Error> {
        let revision = change.revision;
        let mut effect = Effect::ForbidsNothing;
        let mut state = self.state.write();
        for (name, bytes) in &change.puts {
            if let Some(mirrored) = mirrored(name.kind)
                && (mirrored.put)(self, &mut state, name, bytes, revision)? == Effect::MayForbid
            {
                effect = Effect::MayForbid;
            }
        }
        for name in &change.deletes {
            if let Some(mirrored) = mirrored(name.kind)
                && (mirrored.delete)(self, &mut state, name)? == Effect::MayForbid
            {
                effect = Effect::MayForbid;
            }
        }
        drop(state);
        if effect == Effect::MayForbid {
            self.iam.epoch().advance();
        }
        Ok(())
    }
}

pub(crate) fn account_of(name: &RecordName) -> Result<AccountId, Error> {
    AccountId::of_domain(name.domain).ok_or(Error::Record("an account's"))
}

pub(crate) fn key_id(name: &RecordName) -> Result<KeyId, Error> {
    let bytes = <[u8; 16]>::try_from(&*name.id).map_err(|_| Error::Record("a key"))?;
    Ok(KeyId::from_bytes(bytes))
}

pub(crate) fn object_id(name: &RecordName) -> Result<ObjectId, Error> {
    let bytes = <[u8; 16]>::try_from(&*name.id).map_err(|_| Error::Record("an object pending destruction"))?;
    Ok(ObjectId::from_bytes(bytes))
}

pub(crate) fn version_id(name: &RecordName) -> Result<KeyVersionId, Error> {
    let bytes = <[u8; 16]>::try_from(&*name.version).map_err(|_| Error::Record("a key version"))?;
    Ok(KeyVersionId::from_bytes(bytes))
}
