//! Binding disks, finding and changing them, and ending a binding.

use yaoku_crypto::Secret;
use yaoku_iam::quota::Reservation;
use yaoku_iam::{AccountId, BoundNetworks, Call, Operation, OperationSpec, Tags, Which};
use yaoku_kms::{KeyRef, Tag, proceed};
use yaoku_seal::{Changes, Revision};

use crate::change::{ATTEMPTS, Changed};
use crate::held::HeldDisk;
use crate::id::DiskId;
use crate::record::{DiskRecord, disk_name};
use crate::resource::{DISK, SERVICE, disk_states};
use crate::sealing::Place;
use crate::{DiskAbout, DiskName, DiskUrl, Disks, Error, Field};

/// The most disks in a part of a listing.
pub const MAX_LISTED: usize = 1000;

const fn write(name: &'static str) -> OperationSpec {
    OperationSpec::write(SERVICE, name, &[DISK], disk_states::ANY)
}

/// Binds a disk to a CMK, and makes its keys.
pub struct CreateDisk {
    /// Its name.
    pub name: DiskName,
    /// The CMK, on which the caller needs `GenerateDataKey`.
    pub key: KeyRef,
    /// From where it can be unlocked.
    pub networks: BoundNetworks,
    /// Tags.
    pub tags: Vec<Tag>,
}

impl Operation for CreateDisk {
    type Domain = Disks;
    type Output = (DiskAbout, DiskUrl);
    const SPEC: OperationSpec = write("CreateDisk");

    async fn perform(self, disks: &Disks, call: &Call<'_>) -> Result<Self::Output, Error> {
        disks.allow_all(call, &Self::SPEC)?;
        let mut tags = Tags::default();
        tags.put(self.tags.iter().map(Tag::parts))?;
        let account = call.principal.account();
        call.touch(DISK, Which::Name(self.name.as_str().into()));
        drop(disks.reserve_new(account, &self.name)?);
        proceed(call)?;
        let key = disks.kms.own_key(call, &self.key)?;
        let id = DiskId::generate(disks.vault.random())?;
        let url = DiskUrl::generate(disks.vault.random())?;
        let place = Place { account, name: &self.name, id };
        let name = disk_name(account, &self.name);
        let mut keys = None;
        for _ in 0..ATTEMPTS {
            // It may have waited for its turn: what was taken from the caller meanwhile counts.
            call.rest_on_authority();
            disks.allow_all(call, &Self::SPEC)?;
            let sealing = disks.admit_key(call, place, key).await?;
            let (signing, exchange) = match keys.take() {
                Some(keys) => keys,
                None => {
                    let signing = disks.new_signing_key(call, &sealing, place).await?;
                    (signing, disks.new_exchange_key(call, &sealing, place).await?)
                }
            };
            let _reserved = disks.reserve_new(account, &self.name)?;
            let now = disks.clock.now();
            let record = DiskRecord {
                id,
                url,
                created: now,
                updated: now,
                key,
                enabled: true,
                networks: self.networks.texts().collect(),
                tags: tags.clone(),
                signing: signing.clone(),
                exchange: vec![exchange.clone()],
            };
            let changes = Changes {
                expected: vec![(name.clone(), None), sealing.unchanged()],
                puts: vec![(name.clone(), record.encode()?)],
                deletes: Vec::new(),
            };
            if disks.commit(call, changes).await? {
                return Ok((HeldDisk::new(account, self.name, record, Revision::default())?.about(), url));
            }
            keys = Some((signing, exchange));
            // Where another commit came first, it may have been one of that name.
            if let Some(stored) = disks.vault.get(&name).await? {
                disks.in_force(stored.revision).await?;
            }
        }
        Err(Error::contended())
    }
}

impl Disks {
    /// Makes sure that an account can have a further disk of that name, for as long as what is returned is held.
    fn reserve_new(&self, account: AccountId, name: &DiskName) -> Result<Reservation<'_, AccountId>, Error> {
        if self.held(account, name).is_some() {
            return Err(Error::DiskExists);
        }
        let limit = self.config.max_disks;
        let there = || self.catalogue.read().count(account);
        let reserved = self.disks_under_way.reserve(account, 1, limit, there);
        reserved.ok_or_else(|| Error::LimitExceeded(format!("the account has reached its limit of {limit} disks")))
    }
}

/// Tells how a disk stands, and its URL, by which it is unlocked.
pub struct GetDisk {
    /// The disk.
    pub name: DiskName,
}

impl Operation for GetDisk {
    type Domain = Disks;
    type Output = (DiskAbout, DiskUrl);
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "GetDisk", &[DISK], disk_states::ANY);

    async fn perform(self, disks: &Disks, call: &Call<'_>) -> Result<Self::Output, Error> {
        let disk = disks.admit(call, &Self::SPEC, &self.name)?;
        proceed(call)?;
        Ok((disk.about(), disk.record.url))
    }
}

/// Lists disks in order of their names, without their URLs: who may list may not unlock for that.
pub struct ListDisks {
    /// Where an earlier part said that this one begins.
    pub after: Option<Vec<u8>>,
    /// How many, at most [`MAX_LISTED`].
    pub most: usize,
}

/// Part of a listing.
pub struct DiskPage {
    /// The disks.
    pub disks: Vec<DiskAbout>,
    /// Where it goes on, if it does, sealed: nobody can make one up.
    pub next: Option<Vec<u8>>,
}

impl Operation for ListDisks {
    type Domain = Disks;
    type Output = DiskPage;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "ListDisks", &[DISK], disk_states::ANY);

    async fn perform(self, disks: &Disks, call: &Call<'_>) -> Result<DiskPage, Error> {
        disks.allow_all(call, &Self::SPEC)?;
        let account = call.principal.account();
        let after = disks.open_place(account, self.after.as_deref()).await?;
        proceed(call)?;
        let most = self.most.clamp(1, MAX_LISTED);
        let (listed, is_last) = {
            let catalogue = disks.catalogue.read();
            let mut all = catalogue.after(account, after.as_ref());
            let listed: Vec<_> = all.by_ref().take(most).map(|disk| disk.about()).collect();
            (listed, all.next().is_none())
        };
        let last = listed.last().filter(|_| !is_last);
        let next = disks.seal_place(account, last.map(|disk| &disk.name)).await?;
        Ok(DiskPage { disks: listed, next })
    }
}

/// What places in a listing are sealed as.
const PLACE: &[u8] = b"place in a listing of disks v1";

impl Disks {
    async fn seal_place(&self, account: AccountId, last: Option<&DiskName>) -> Result<Option<Vec<u8>>, Error> {
        let Some(last) = last else { return Ok(None) };
        let place = Secret::new(last.as_str().as_bytes().to_vec());
        Ok(Some(self.vault.seal_token(account.domain(), PLACE, &place).await?))
    }

    async fn open_place(&self, account: AccountId, sealed: Option<&[u8]>) -> Result<Option<DiskName>, Error> {
        let Some(sealed) = sealed else { return Ok(None) };
        let opened = self.vault.open_token(account.domain(), PLACE, sealed).await?;
        let name = opened.and_then(|opened| std::str::from_utf8(opened.expose()).ok().and_then(DiskName::parse));
        let why = "it is not one that was given out";
        name.map(Some).ok_or(Error::Invalid { field: Field::Marker, why })
    }
}

/// Replaces from where a disk can be unlocked, or its tags. What is none stays as it is.
pub struct UpdateDisk {
    /// The disk.
    pub name: DiskName,
    /// From where it can be unlocked.
    pub networks: Option<BoundNetworks>,
    /// All its tags.
    pub tags: Option<Vec<Tag>>,
}

impl Operation for UpdateDisk {
    type Domain = Disks;
    type Output = ();
    const SPEC: OperationSpec = write("UpdateDisk").revoking();

    async fn perform(self, disks: &Disks, call: &Call<'_>) -> Result<(), Error> {
        let tags = self.tags.map(|new| {
            let mut tags = Tags::default();
            tags.put(new.iter().map(Tag::parts)).map(|()| tags)
        });
        let tags = tags.transpose()?;
        let networks: Option<Vec<String>> = self.networks.map(|networks| networks.texts().collect());
        let change = |record: &mut DiskRecord, _| {
            let networks = networks.clone().unwrap_or_else(|| record.networks.clone());
            let tags = tags.clone().unwrap_or_else(|| record.tags.clone());
            if (&networks, &tags) == (&record.networks, &record.tags) {
                return Ok(Changed::Nothing);
            }
            (record.networks, record.tags) = (networks, tags);
            Ok(Changed::Something)
        };
        disks.change(call, &Self::SPEC, &self.name, change).await
    }
}

/// Lets a disk be unlocked no more, until it is enabled again.
pub struct DisableDisk {
    /// The disk.
    pub name: DiskName,
}

impl Operation for DisableDisk {
    type Domain = Disks;
    type Output = ();
    const SPEC: OperationSpec = write("DisableDisk").revoking();

    async fn perform(self, disks: &Disks, call: &Call<'_>) -> Result<(), Error> {
        disks.change(call, &Self::SPEC, &self.name, |record, _| Ok(switch(record, false))).await
    }
}

/// Lets a disk be unlocked again.
pub struct EnableDisk {
    /// The disk.
    pub name: DiskName,
}

impl Operation for EnableDisk {
    type Domain = Disks;
    type Output = ();
    const SPEC: OperationSpec = write("EnableDisk");

    async fn perform(self, disks: &Disks, call: &Call<'_>) -> Result<(), Error> {
        disks.change(call, &Self::SPEC, &self.name, |record, _| Ok(switch(record, true))).await
    }
}

fn switch(record: &mut DiskRecord, enabled: bool) -> Changed {
    match std::mem::replace(&mut record.enabled, enabled) == enabled {
        true => Changed::Nothing,
        false => Changed::Something,
    }
}

/// Ends the binding of a disk, and deletes its keys for good: what was encrypted with them alone can't be opened any more.
pub struct DeleteDisk {
    /// The disk.
    pub name: DiskName,
}

impl Operation for DeleteDisk {
    type Domain = Disks;
    type Output = ();
    const SPEC: OperationSpec = write("DeleteDisk").revoking();

    async fn perform(self, disks: &Disks, call: &Call<'_>) -> Result<(), Error> {
        let id = disks.admit(call, &Self::SPEC, &self.name)?.record.id;
        let _one = disks.changing.enter(id, call.standing(Self::SPEC.revokes)).await;
        for _ in 0..ATTEMPTS {
            let held = disks.admit_change(call, &Self::SPEC, &self.name).await?;
            proceed(call)?;
            let name = disk_name(held.account, &held.name);
            let changes = Changes {
                expected: vec![(name.clone(), Some(held.revision))],
                // The store's files are rewritten without it some time after.
                puts: vec![disks.kms.scrub_mark()?],
                deletes: vec![name],
            };
            if disks.commit(call, changes).await? {
                return Ok(());
            }
        }
        Err(Error::contended())
    }
}
