//! New keys of disks, and the end of old ones.

use yaoku_iam::{Call, Operation, OperationSpec};
use yaoku_kms::proceed;

use crate::change::ATTEMPTS;
use crate::resource::{DISK, SERVICE, disk_states};
use crate::sealing::Place;
use crate::{DiskName, Disks, Error, Field, Thumbprint};

/// The most keys that a disk can have to exchange with.
pub const MAX_KEYS: usize = 16;

/// Makes a new key to exchange with, which is advertised from now on. Those before it answer until they are withdrawn.
pub struct RotateDisk {
    /// The disk.
    pub name: DiskName,
}

impl Operation for RotateDisk {
    type Domain = Disks;
    /// The new key.
    type Output = Thumbprint;
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "RotateDisk", &[DISK], disk_states::ANY);

    async fn perform(self, disks: &Disks, call: &Call<'_>) -> Result<Thumbprint, Error> {
        let id = disks.admit(call, &Self::SPEC, &self.name)?.record.id;
        let _one = disks.changing.enter(id, call.standing(Self::SPEC.revokes)).await;
        if call.is_abandoned() {
            return Err(Error::Abandoned);
        }
        for _ in 0..ATTEMPTS {
            let mut held = disks.admit_change(call, &Self::SPEC, &self.name).await?;
            if held.exchange.len() >= MAX_KEYS {
                return Err(Error::LimitExceeded(format!(
                    "a disk can have at most {MAX_KEYS} keys; withdraw old ones"
                )));
            }
            let sealing = disks.admit_key(call, Place::of(&held), held.record.key).await?;
            proceed(call)?;
            let new = disks.new_exchange_key(call, &sealing, Place::of(&held)).await?;
            let thumbprint = Thumbprint::of(&new.point()?);
            held.record.exchange.push(new);
            let mut changes = disks.update(held)?;
            changes.expected.push(sealing.unchanged());
            if disks.commit(call, changes).await? {
                return Ok(thumbprint);
            }
        }
        Err(Error::contended())
    }
}

/// Deletes old keys of a disk for good: what was encrypted with them alone can't be opened any more. That which is advertised stays.
pub struct WithdrawDiskKeys {
    /// The disk.
    pub name: DiskName,
    /// The one to withdraw; none for all but that which is advertised.
    pub key: Option<Thumbprint>,
}

impl Operation for WithdrawDiskKeys {
    type Domain = Disks;
    /// How many were withdrawn.
    type Output = usize;
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "WithdrawDiskKeys", &[DISK], disk_states::ANY).revoking();

    async fn perform(self, disks: &Disks, call: &Call<'_>) -> Result<usize, Error> {
        let id = disks.admit(call, &Self::SPEC, &self.name)?.record.id;
        let _one = disks.changing.enter(id, call.standing(Self::SPEC.revokes)).await;
        for _ in 0..ATTEMPTS {
            let mut held = disks.admit_change(call, &Self::SPEC, &self.name).await?;
            let advertised = held.advertised()?.thumbprint;
            if let Some(key) = self.key {
                if key == advertised {
                    let why = "it is the key that is advertised; rotate first";
                    return Err(Error::Invalid { field: Field::Thumbprint, why });
                }
                held.exchange_key(key).ok_or(Error::KeyNotFound)?;
            }
            proceed(call)?;
            let goes = |key| key != advertised && self.key.is_none_or(|meant| meant == key);
            let mut stays = held.exchange.iter().map(|key| !goes(key.thumbprint));
            let before = held.record.exchange.len();
            held.record.exchange.retain(|_| stays.next().unwrap_or(true));
            drop(stays);
            let withdrawn = before - held.record.exchange.len();
            if withdrawn == 0 {
                return disks.in_force(held.revision).await.map(|()| 0);
            }
            let mut changes = disks.update(held)?;
            // The store's files are rewritten without them some time after.
            changes.puts.push(disks.kms.scrub_mark()?);
            if disks.commit(call, changes).await? {
                return Ok(withdrawn);
            }
        }
        Err(Error::contended())
    }
}
