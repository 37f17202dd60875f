//! What the store keeps for the trail, sealed: the signing key, and the last checkpoint that was remembered.

use yaoku_crypto::Secret;
use yaoku_seal::{Changes, Domain, Kind, Outcome, RecordName, Vault};

use crate::Error;
use crate::note::{Checkpoint, SEED_LEN, Signer};

/// Seed of the signing key.
const SIGNING_KEY: Kind = Kind(32);
/// A checkpoint that the log must go on from.
const REMEMBERED: Kind = Kind(33);

/// The signing key; made the first time.
///
/// # Errors
/// When the vault can't be read or written.
pub async fn load_signer(vault: &Vault) -> Result<Signer, Error> {
    let name = system(SIGNING_KEY);
    loop {
        if let Some(record) = vault.get(&name).await? {
            return Signer::new(&record.bytes);
        }
        let seed = Secret::random(SEED_LEN, vault.random()).map_err(yaoku_seal::Error::from)?;
        let changes =
            Changes { expected: vec![(name.clone(), None)], puts: vec![(name.clone(), seed)], deletes: Vec::new() };
        match vault.commit(changes).await? {
            Outcome::Committed(_) | Outcome::Conflict { .. } => {}
        }
    }
}

/// Keeps a checkpoint beside the keys, so that a log that was set back does not pass at the next start.
///
/// # Errors
/// When the vault can't be written.
pub async fn remember(vault: &Vault, signer: &Signer, checkpoint: &Checkpoint) -> Result<(), Error> {
    let note = Secret::new(signer.sign_checkpoint(checkpoint).into_bytes());
    let changes = Changes { puts: vec![(system(REMEMBERED), note)], ..Changes::default() };
    vault.commit(changes).await?;
    Ok(())
}

/// The checkpoint that was remembered last.
///
/// # Errors
/// When the vault can't be read.
pub async fn remembered(vault: &Vault, signer: &Signer) -> Result<Option<Checkpoint>, Error> {
    let Some(record) = vault.get(&system(REMEMBERED)).await? else { return Ok(None) };
    signer.verifier().open_checkpoint(record.bytes.expose()).map(Some)
}

/// Lets a store that was restored, which may stand beside no log or an older one, go on with what is there.
///
/// # Errors
/// When the vault can't be written.
pub async fn forget(vault: &Vault) -> Result<(), Error> {
    let changes = Changes { deletes: vec![system(REMEMBERED)], ..Changes::default() };
    vault.commit(changes).await?;
    Ok(())
}

fn system(kind: Kind) -> RecordName {
    RecordName { kind, domain: Domain::SYSTEM, id: Vec::new(), version: Vec::new() }
}
