//! What a disk does itself, by its URL.

use yaoku_crypto::exchange::{Es512Key, ExchangeKey, Point};
use yaoku_iam::{Call, Operation, OperationSpec};
use yaoku_kms::proceed;

use crate::resource::{SERVICE, disk_states};
use crate::{Disks, Error, Thumbprint};

/// Advertises the keys of a disk: what clients need to encrypt something that only the disk opens.
pub struct AdvertiseDisk {
    /// One of the keys; none for whichever they are.
    pub named: Option<Thumbprint>,
    /// What is to be signed of the signing key and that to exchange with.
    pub compose: fn(&Point, &Point) -> Vec<u8>,
}

/// Keys, and a signature over what was composed of them.
pub struct Advertised {
    /// The key that signed.
    pub signing: Point,
    /// The key to exchange with.
    pub exchange: Point,
    /// The signature: ES512.
    pub signature: Vec<u8>,
}

impl Operation for AdvertiseDisk {
    type Domain = Disks;
    type Output = Advertised;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "AdvertiseDisk", &[], disk_states::USE);

    async fn perform(self, disks: &Disks, call: &Call<'_>) -> Result<Advertised, Error> {
        let disk = disks.admit_itself(call, &Self::SPEC)?;
        let advertised = disk.advertised()?;
        if self.named.is_some_and(|named| named != disk.signing.thumbprint && named != advertised.thumbprint) {
            return Err(Error::KeyNotFound);
        }
        disks.uses(call, &Self::SPEC, &disk, advertised.thumbprint);
        proceed(call)?;
        let material = disks.open_key(call, &disk, (&disk.signing, &disk.record.signing)).await?;
        let (signing, exchange) = (disk.signing.point, advertised.point);
        let message = (self.compose)(&signing, &exchange);
        let sign = move || Es512Key::of_material(&material)?.sign(&message);
        let signature = disks.kms.compute_for(disks, call, sign).await??;
        Ok(Advertised { signing, exchange, signature })
    }
}

/// Multiplies a point by a key of a disk, with which a client recovers what it needs to unlock.
pub struct UnlockDisk {
    /// The key.
    pub key: Thumbprint,
    /// The point, which the client has blinded.
    pub point: Point,
}

impl Operation for UnlockDisk {
    type Domain = Disks;
    type Output = Point;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "UnlockDisk", &[], disk_states::USE);

    async fn perform(self, disks: &Disks, call: &Call<'_>) -> Result<Point, Error> {
        let disk = disks.admit_itself(call, &Self::SPEC)?;
        let key = disk.exchange_key(self.key).ok_or(Error::KeyNotFound)?;
        disks.uses(call, &Self::SPEC, &disk, self.key);
        proceed(call)?;
        let material = disks.open_key(call, &disk, key).await?;
        let multiply = move || ExchangeKey::of_material(&material)?.multiply(&self.point);
        Ok(disks.kms.compute_for(disks, call, multiply).await??)
    }
}
