//! Making, fetching, finding and describing managed objects.

use std::sync::Arc;

use yaoku_crypto::asymmetric::{KeyAlgorithm, PrivateKey, generate, pkcs1_private, pkcs1_public};
use yaoku_crypto::mac::{Hash, hash};
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_iam::quota::Reservation;
use yaoku_iam::{AccountId, Call, Operation, OperationSpec, Timestamp};
use yaoku_kms::{KeyId, proceed};
use yaoku_seal::Changes;

use crate::change::ATTEMPTS;
use crate::held::{Editable, HeldObject};
use crate::record::{Attributes, ObjectRecord, Pointer, encode, name_name, object_name, value_name};
use crate::resource::{OBJECT, SERVICE, check_state, object_states};
use crate::state::Life;
use crate::{Error, ObjectAbout, ObjectId, ObjectKind, ObjectName, ObjectState, Objects};

/// Bytes of a value.
pub const MAX_VALUE: usize = 32 << 10;
/// Names of an object.
pub const MAX_NAMES: usize = 20;
/// Attributes of an object, and bytes of all of them.
pub const MAX_ATTRIBUTES: usize = 100;
/// Bytes of all attributes together, with their names.
pub const MAX_ATTRIBUTE_BYTES: usize = 16 << 10;

/// An object to be made.
pub struct NewObject {
    /// What it is.
    pub kind: ObjectKind,
    /// 1 to [`MAX_VALUE`] bytes.
    pub value: Secret,
    /// At most [`MAX_NAMES`], which no other object of the account has.
    pub names: Vec<ObjectName>,
    /// At most [`MAX_ATTRIBUTES`], of [`MAX_ATTRIBUTE_BYTES`].
    pub attributes: Attributes,
    /// From when on it is Active; none until it is activated.
    pub activation: Option<Timestamp>,
    /// From when on it is Deactivated.
    pub deactivation: Option<Timestamp>,
}

/// Makes an object.
pub struct CreateManagedObject {
    /// The object.
    pub object: NewObject,
    /// The object that it replaces, and whose names move to it. That needs permission to update this one.
    pub replaces: Option<ObjectId>,
}

impl Operation for CreateManagedObject {
    type Domain = Objects;
    type Output = ObjectAbout;
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "CreateManagedObject", &[OBJECT], object_states::ANY);

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<ObjectAbout, Error> {
        let [made] = create(objects, call, &Self::SPEC, [self.object], self.replaces).await?;
        Ok(made)
    }
}

/// A half of a key pair to be made.
pub struct NewHalf {
    /// At most [`MAX_NAMES`], which no other object of the account has.
    pub names: Vec<ObjectName>,
    /// At most [`MAX_ATTRIBUTES`], of [`MAX_ATTRIBUTE_BYTES`].
    pub attributes: Attributes,
    /// From when on it is Active; none until it is activated.
    pub activation: Option<Timestamp>,
    /// From when on it is Deactivated.
    pub deactivation: Option<Timestamp>,
}

impl NewHalf {
    fn object(self, kind: ObjectKind, value: Secret) -> NewObject {
        let Self { names, attributes, activation, deactivation } = self;
        NewObject { kind, value, names, attributes, activation, deactivation }
    }
}

/// Makes a key pair: two objects, which know of each other, in DER. RSA keys are RSAPrivateKey and RSAPublicKey (PKCS#1), others PKCS#8
/// and SubjectPublicKeyInfo.
pub struct CreateManagedKeyPair {
    /// Of what kind.
    pub algorithm: KeyAlgorithm,
    /// The private key.
    pub private: NewHalf,
    /// The public key.
    pub public: NewHalf,
}

impl Operation for CreateManagedKeyPair {
    type Domain = Objects;
    /// The private and the public key.
    type Output = [ObjectAbout; 2];
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "CreateManagedKeyPair", &[OBJECT], object_states::ANY);

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<[ObjectAbout; 2], Error> {
        let Self { algorithm, private, public } = self;
        objects.allow_all(call, &Self::SPEC)?;
        // Nothing is computed that could not be kept.
        objects.sealing_key(call, ObjectId::from_bytes([0; 16])).await?;
        proceed(call)?;
        let make = move || {
            let material = generate(algorithm, &SystemRandom)?;
            let public = PrivateKey::new(algorithm, &material)?.public_key_der().to_vec();
            match algorithm {
                KeyAlgorithm::Rsa2048 | KeyAlgorithm::Rsa3072 | KeyAlgorithm::Rsa4096 => {
                    Ok((pkcs1_private(&material)?, pkcs1_public(&public)?))
                }
                _ => Ok::<_, yaoku_crypto::Error>((material, public)),
            }
        };
        let (private_key, public_key) = objects.kms.compute_long_for(objects, call, make).await??;
        let halves = [
            private.object(ObjectKind::PrivateKey, private_key),
            public.object(ObjectKind::PublicKey, Secret::new(public_key)),
        ];
        create(objects, call, &Self::SPEC, halves, None).await
    }
}

/// An object that is being made, and its value.
struct Making {
    object: HeldObject,
    value: Secret,
}

impl Making {
    fn new(objects: &Objects, account: AccountId, new: NewObject, replaces: Option<ObjectId>) -> Result<Self, Error> {
        let NewObject { kind, value, names, attributes, activation, deactivation } = new;
        if !(1..=MAX_VALUE).contains(&value.len()) {
            return Err(Error::Invalid(format!("the value must have 1 to {MAX_VALUE} bytes")));
        }
        let (id, now) = (ObjectId::generate(objects.vault.random())?, objects.clock.now());
        let digest = hash(Hash::Sha256, value.expose());
        let life = Life { activation, deactivation, ..Life::default() };
        life.check_order()?;
        let record = ObjectRecord {
            kind,
            created: now,
            changed: now,
            // Whichever is chosen when it is sealed.
            key: KeyId::from_bytes([0; 16]),
            life,
            names,
            attributes,
            digest: digest.as_bytes().try_into().map_err(|_| Error::Record("a digest"))?,
            length: value.len() as u64,
            replaces,
            replaced_by: None,
            other_half: None,
        };
        check(&record)?;
        Ok(Self { object: HeldObject { account, id, record, revision: Default::default() }, value })
    }
}

/// Makes objects in one commit, of which the first may replace another.
async fn create<const N: usize>(
    objects: &Objects,
    call: &Call<'_>,
    spec: &OperationSpec,
    new: [NewObject; N],
    replaces: Option<ObjectId>,
) -> Result<[ObjectAbout; N], Error> {
    objects.allow_all(call, spec)?;
    let account = call.principal.account();
    let mut all = Vec::with_capacity(N);
    for new in new {
        all.push(Making::new(objects, account, new, replaces)?);
    }
    let ids: Vec<_> = all.iter().map(|making| making.object.id).collect();
    for (at, making) in all.iter_mut().enumerate() {
        call.touch(OBJECT, making.object.id.into());
        making.object.record.other_half = (N == 2).then(|| ids.get(1 - at).copied()).flatten();
    }
    let same = |one: &Making, other: &Making| {
        one.object.record.names.iter().any(|name| other.object.record.names.contains(name))
    };
    if (1..all.len()).any(|at| all[..at].iter().any(|one| same(one, &all[at]))) {
        return Err(Error::NameExists);
    }
    let own: Vec<_> = all.iter().map(|making| making.object.record.names.clone()).collect();
    let attributes = all.iter().map(|making| making.object.record.attribute_bytes()).sum();
    // One replacement of an object at a time.
    let _one = match replaces {
        Some(replaced) => Some(objects.changing.enter(replaced, call.standing(false)).await),
        None => None,
    };
    for _ in 0..ATTEMPTS {
        // It may have waited for its turn: what was taken from the caller meanwhile counts.
        call.rest_on_authority();
        objects.allow_all(call, spec)?;
        drop(objects.reserve_new(account, N as u64)?);
        drop(objects.reserve_attributes(account, attributes)?);
        let mut changes = Changes::default();
        for (making, own) in all.iter_mut().zip(&own) {
            making.object.record.names.clone_from(own);
        }
        let mut moved = Vec::new();
        if let (Some(replaced), Some(making)) = (replaces, all.first_mut()) {
            moved = replace(objects, call, replaced, &mut making.object, &mut changes).await?;
        }
        for (at, making) in all.iter_mut().enumerate() {
            let Making { object, value } = making;
            let sealing = objects.sealing_key(call, object.id).await?;
            object.record.key = sealing.id();
            // The same for all, if it is not chosen anew meanwhile.
            let unchanged = sealing.unchanged();
            if !changes.expected.contains(&unchanged) {
                changes.expected.push(unchanged);
            }
            objects.rename(object, if at == 0 { &moved } else { &[] }, &mut changes)?;
            proceed(call)?;
            let sealed = objects.seal(call, &sealing, object.id, value).await?;
            let row = object_name(account, object.id);
            changes.expected.push((row.clone(), None));
            changes.puts.push((row, encode(&object.record)?));
            changes.puts.push((value_name(account, object.id), sealed));
        }
        let _reserved = (objects.reserve_new(account, N as u64)?, objects.reserve_attributes(account, attributes)?);
        if objects.commit(call, changes).await? {
            let made: Vec<_> = all.iter().map(|making| making.object.about(objects.clock.now())).collect();
            return made.try_into().map_err(|_| Error::Internal("objects were lost while they were made".into()));
        }
    }
    Err(Error::contended())
}

/// Moves the names of an object to the one that replaces it; which they are.
async fn replace(
    objects: &Objects,
    call: &Call<'_>,
    replaced: ObjectId,
    by: &mut HeldObject,
    changes: &mut Changes,
) -> Result<Vec<ObjectName>, Error> {
    let spec = &UpdateManagedObject::SPEC;
    objects.admit(call, spec, replaced)?;
    let mut replaced = objects.stored(by.account, replaced).await?;
    let now = objects.clock.now();
    check_state(spec.states, replaced.record.life.state_at(now))?;
    let moved = std::mem::take(&mut replaced.record.names);
    by.record.names.extend(moved.iter().cloned());
    check(&by.record)?;
    replaced.record.replaced_by = Some(by.id);
    replaced.record.changed = now;
    let row = object_name(by.account, replaced.id);
    changes.expected.push((row.clone(), Some(replaced.revision)));
    changes.puts.push((row, encode(&replaced.record)?));
    for name in &moved {
        changes.puts.push((name_name(by.account, name), encode(&Pointer(by.id))?));
    }
    Ok(moved)
}

impl Objects {
    /// Makes sure that an account can have so many further objects, for as long as what is returned is held.
    fn reserve_new(&self, account: AccountId, more: u64) -> Result<Reservation<'_, AccountId>, Error> {
        let limit = self.config.max_objects;
        let there = || self.catalogue.read().count(account);
        let reserved = self.objects_under_way.reserve(account, more, limit, there);
        let full = || Error::LimitExceeded(format!("the account has reached its limit of {limit} managed objects"));
        reserved.ok_or_else(full)
    }
}

/// Makes sure of the bounds of a record.
pub(super) fn check(record: &ObjectRecord) -> Result<(), Error> {
    let bytes = record.attribute_bytes();
    if record.names.len() > MAX_NAMES {
        return Err(Error::LimitExceeded(format!("an object can have at most {MAX_NAMES} names")));
    }
    if (1..record.names.len()).any(|at| record.names[at..].contains(&record.names[at - 1])) {
        return Err(Error::NameExists);
    }
    if record.attributes.len() > MAX_ATTRIBUTES || bytes > MAX_ATTRIBUTE_BYTES as u64 {
        return Err(Error::LimitExceeded(format!(
            "an object can have at most {MAX_ATTRIBUTES} attributes, with {MAX_ATTRIBUTE_BYTES} bytes in all"
        )));
    }
    Ok(())
}

/// Gives the value of an object.
pub struct GetManagedObject {
    /// The object.
    pub id: ObjectId,
}

impl Operation for GetManagedObject {
    type Domain = Objects;
    type Output = (ObjectAbout, Secret);
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "GetManagedObject", &[OBJECT], object_states::KEPT);

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<Self::Output, Error> {
        let held = objects.admit(call, &Self::SPEC, self.id)?;
        objects.fetched(call, Self::SPEC.permission(), &held);
        let value = objects.open_value(call, &held).await?;
        proceed(call)?;
        Ok((held.about(objects.clock.now()), value))
    }
}

/// Tells what an object is and how it stands, without its value.
pub struct DescribeManagedObject {
    /// The object.
    pub id: ObjectId,
}

impl Operation for DescribeManagedObject {
    type Domain = Objects;
    type Output = ObjectAbout;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "DescribeManagedObject", &[OBJECT], object_states::ANY);

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<ObjectAbout, Error> {
        let held = objects.admit(call, &Self::SPEC, self.id)?;
        proceed(call)?;
        Ok(held.about(objects.clock.now()))
    }
}

/// A time of an object's life, by which it can be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectTime {
    /// When it was made.
    Created,
    /// When it was last changed.
    Changed,
    /// From when on it is Active.
    Activation,
    /// From when on it is Deactivated.
    Deactivation,
    /// When it was said to be compromised.
    Compromise,
    /// When its value was taken away.
    Destruction,
}

impl ObjectTime {
    const fn of(self, record: &ObjectRecord) -> Option<Timestamp> {
        match self {
            Self::Created => Some(record.created),
            Self::Changed => Some(record.changed),
            Self::Activation => record.life.activation,
            Self::Deactivation => record.life.deactivation,
            Self::Compromise => record.life.compromise,
            Self::Destruction => record.life.destruction,
        }
    }
}

/// What an attribute must be. What attributes mean is the protocol's matter, and so is the comparison.
#[derive(Debug, Clone)]
pub struct AttributeTest {
    /// Its name.
    pub name: String,
    /// What is wanted, as the protocol encodes it.
    pub wanted: Vec<u8>,
    /// Whether one of that name meets it: what is kept, and what is wanted.
    pub admits: fn(&[u8], &[u8]) -> bool,
}

impl AttributeTest {
    fn admits(&self, attributes: &Attributes) -> bool {
        attributes.iter().any(|(name, value)| *name == self.name && (self.admits)(value, &self.wanted))
    }
}

/// Which objects a listing gives: those that meet every condition that is given.
#[derive(Debug, Clone, Default)]
pub struct ObjectFilter {
    /// By id.
    pub id: Option<ObjectId>,
    /// By name: an object that has it still, which one without a value has not.
    pub name: Option<ObjectName>,
    /// By kind.
    pub kind: Option<ObjectKind>,
    /// By state.
    pub state: Option<ObjectState>,
    /// Only those that have a value still.
    pub has_value: bool,
    /// By times, each between two, both included.
    pub times: Vec<(ObjectTime, Timestamp, Timestamp)>,
    /// By attributes.
    pub attributes: Vec<AttributeTest>,
}

impl ObjectFilter {
    fn admits(&self, object: &HeldObject, now: Timestamp) -> bool {
        let record = &object.record;
        let is_between = |(time, from, to): &(ObjectTime, Timestamp, Timestamp)| {
            time.of(record).is_some_and(|time| (*from..=*to).contains(&time))
        };
        self.id.is_none_or(|id| object.id == id)
            && self.name.as_ref().is_none_or(|name| object.holds_names() && record.names.contains(name))
            && self.kind.is_none_or(|kind| record.kind == kind)
            && self.state.is_none_or(|state| record.life.state_at(now) == state)
            && (!self.has_value || record.life.destruction.is_none())
            && self.times.iter().all(is_between)
            && self.attributes.iter().all(|test| test.admits(&record.attributes))
    }
}

/// Lists objects in order of their ids.
pub struct ListManagedObjects {
    /// Conditions.
    pub filter: ObjectFilter,
    /// Where an earlier part said that this one begins.
    pub after: Option<Vec<u8>>,
    /// Without so many at the beginning.
    pub skip: usize,
    /// How many, at the most.
    pub most: usize,
}

/// A part of a listing.
pub struct ObjectPage {
    /// Those of the part.
    pub objects: Vec<ObjectAbout>,
    /// Where the next part begins, if there is one, sealed: nobody can make one up.
    pub next: Option<Vec<u8>>,
    /// How many there are, also in other parts, behind the one that was named.
    pub total: usize,
}

impl Operation for ListManagedObjects {
    type Domain = Objects;
    type Output = ObjectPage;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "ListManagedObjects", &[OBJECT], object_states::ANY);

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<ObjectPage, Error> {
        objects.allow_all(call, &Self::SPEC)?;
        let Self { filter, after, skip, most } = self;
        let (account, now) = (call.principal.account(), objects.clock.now());
        let after = objects.open_place(account, after.as_deref()).await?;
        proceed(call)?;
        let admitted = |object: &&Arc<HeldObject>| filter.admits(object, now);
        let only = match (filter.id, &filter.name) {
            (Some(id), _) => Some(Some(id)),
            (None, Some(name)) => Some(objects.catalogue.read().of_name(account, name)),
            (None, None) => None,
        };
        let found: Vec<_> = match only {
            Some(id) => {
                let object = id.and_then(|id| objects.held(account, id));
                let object = object.filter(|object| after.is_none_or(|after| object.id > after));
                object.filter(|object| filter.admits(object, now)).into_iter().collect()
            }
            None => {
                let _scan = objects.scans.enter(call).await?;
                let catalogue = objects.catalogue.read();
                catalogue.after(account, after).filter(admitted).cloned().collect()
            }
        };
        let part: Vec<_> = found.iter().skip(skip).take(most).map(|object| object.about(now)).collect();
        let is_last = skip.saturating_add(part.len()) >= found.len();
        let next = objects.seal_place(account, part.last().filter(|_| !is_last)).await?;
        Ok(ObjectPage { objects: part, next, total: found.len() })
    }
}

/// What places in a listing are sealed as.
const PLACE: &[u8] = b"place in a listing of managed objects v1";

impl Objects {
    async fn seal_place(&self, account: AccountId, last: Option<&ObjectAbout>) -> Result<Option<Vec<u8>>, Error> {
        let Some(last) = last else { return Ok(None) };
        let place = Secret::new(last.id.to_string().into_bytes());
        Ok(Some(self.vault.seal_token(account.domain(), PLACE, &place).await?))
    }

    async fn open_place(&self, account: AccountId, sealed: Option<&[u8]>) -> Result<Option<ObjectId>, Error> {
        let Some(sealed) = sealed else { return Ok(None) };
        let opened = self.vault.open_token(account.domain(), PLACE, sealed).await?;
        let id = opened.and_then(|opened| std::str::from_utf8(opened.expose()).ok().and_then(ObjectId::parse));
        id.map(Some).ok_or(Error::Place)
    }
}

/// Changes what its owner may change of an object. What the caller read must still be so.
pub struct UpdateManagedObject {
    /// The object.
    pub id: ObjectId,
    /// What was read.
    pub before: Editable,
    /// What is to be. The time of activation can be changed before it has come, and so can that of deactivation.
    pub after: Editable,
}

impl Operation for UpdateManagedObject {
    type Domain = Objects;
    /// None where something else was there than what was read.
    type Output = Option<ObjectAbout>;
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "UpdateManagedObject", &[OBJECT], object_states::KEPT);

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<Option<ObjectAbout>, Error> {
        let Self { id, before, after } = self;
        let changed = std::sync::atomic::AtomicBool::new(false);
        let change = |record: &mut ObjectRecord, now| {
            if record.editable() != before {
                changed.store(true, std::sync::atomic::Ordering::Relaxed);
                return Err(Error::contended());
            }
            record.life.reschedule(now, after.activation, after.deactivation)?;
            (record.names, record.attributes) = (after.names.clone(), after.attributes.clone());
            check(record)
        };
        match objects.change(call, &Self::SPEC, id, change, |_, _| Ok(())).await {
            Err(_) if changed.load(std::sync::atomic::Ordering::Relaxed) => Ok(None),
            other => other.map(Some),
        }
    }
}
