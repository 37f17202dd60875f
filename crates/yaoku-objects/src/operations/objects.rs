//! Making, fetching, finding and describing managed objects.

use yaoku_crypto::Secret;
use yaoku_crypto::mac::{Hash, hash};
use yaoku_iam::{Call, Operation, OperationSpec, Timestamp};
use yaoku_kms::proceed;
use yaoku_seal::Changes;

use crate::change::ATTEMPTS;
use crate::held::HeldObject;
use crate::record::{Attributes, ObjectRecord, encode, object_name, value_name};
use crate::resource::{OBJECT, SERVICE, object_states};
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

/// Makes an object.
pub struct CreateManagedObject {
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
    /// The object that it replaces, and whose names move to it. That needs permission to update this one.
    pub replaces: Option<ObjectId>,
}

impl Operation for CreateManagedObject {
    type Domain = Objects;
    type Output = ObjectAbout;
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "CreateManagedObject", &[OBJECT], object_states::ANY);

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<ObjectAbout, Error> {
        objects.allow_all(call, &Self::SPEC)?;
        if !(1..=MAX_VALUE).contains(&self.value.len()) {
            return Err(Error::Invalid(format!("the value must have 1 to {MAX_VALUE} bytes")));
        }
        let account = call.principal.account();
        let (id, now) = (ObjectId::generate(objects.vault.random())?, objects.clock.now());
        call.touch(OBJECT, id.into());
        let digest = hash(Hash::Sha256, self.value.expose());
        let digest = digest.as_bytes().try_into().map_err(|_| Error::Record("a digest"))?;
        let life = Life { activation: self.activation, deactivation: self.deactivation, ..Life::default() };
        let mut record = ObjectRecord {
            kind: self.kind,
            created: now,
            changed: now,
            // Whichever is chosen when it is sealed.
            key: yaoku_kms::KeyId::from_bytes([0; 16]),
            life,
            names: self.names,
            attributes: self.attributes,
            digest,
            length: self.value.len() as u64,
            replaces: self.replaces,
            replaced_by: None,
        };
        check(&record)?;
        // One replacement of an object at a time.
        let _one = match self.replaces {
            Some(replaced) => Some(objects.changing.enter(replaced, call.standing(false)).await),
            None => None,
        };
        let own = record.names.clone();
        for _ in 0..ATTEMPTS {
            // It may have waited for its turn: what was taken from the caller meanwhile counts.
            call.rest_on_authority();
            objects.allow_all(call, &Self::SPEC)?;
            let limit = objects.config.max_objects;
            if objects.catalogue.read().count(account) >= limit {
                return Err(Error::LimitExceeded(format!(
                    "the account has reached its limit of {limit} managed objects"
                )));
            }
            let sealing = objects.sealing_key(call, id).await?;
            record.key = sealing.id();
            record.names.clone_from(&own);
            let mut changes = Changes { expected: vec![sealing.unchanged()], ..Changes::default() };
            if let Some(replaced) = self.replaces {
                objects.admit(call, &UpdateManagedObject::SPEC, replaced)?;
                let mut replaced = objects.stored(account, replaced).await?;
                record.names.extend(std::mem::take(&mut replaced.record.names));
                replaced.record.replaced_by = Some(id);
                replaced.record.changed = now;
                let row = object_name(account, replaced.id);
                changes.expected.push((row.clone(), Some(replaced.revision)));
                changes.puts.push((row, encode(&replaced.record)?));
                check(&record)?;
            }
            let object = HeldObject { account, id, record: record.clone(), revision: Default::default() };
            // Names that move have rows, which then name this object.
            let moved: Vec<_> = record.names.iter().filter(|name| !own.contains(name)).cloned().collect();
            for name in &moved {
                let row = crate::record::name_name(account, name);
                changes.puts.push((row, encode(&crate::record::Pointer(id))?));
            }
            objects.rename(&object, &moved, &mut changes)?;
            proceed(call)?;
            let sealed = objects.seal(call, &sealing, id, &self.value).await?;
            changes.expected.push((object_name(account, id), None));
            changes.puts.push((object_name(account, id), encode(&record)?));
            changes.puts.push((value_name(account, id), sealed));
            if objects.commit(call, changes).await? {
                return Ok(object.about(now));
            }
        }
        Err(Error::contended())
    }
}

/// Makes sure of the bounds of a record.
fn check(record: &ObjectRecord) -> Result<(), Error> {
    let bytes: usize = record.attributes.iter().map(|(name, value)| name.len() + value.len()).sum();
    if record.names.len() > MAX_NAMES {
        return Err(Error::LimitExceeded(format!("an object can have at most {MAX_NAMES} names")));
    }
    if (1..record.names.len()).any(|at| record.names[at..].contains(&record.names[at - 1])) {
        return Err(Error::NameExists);
    }
    if record.attributes.len() > MAX_ATTRIBUTES || bytes > MAX_ATTRIBUTE_BYTES {
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
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "GetManagedObject", &[OBJECT], object_states::FETCH);

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

/// Which objects a listing gives: those that meet every condition that is given.
#[derive(Debug, Clone, Default)]
pub struct ObjectFilter {
    /// By name.
    pub name: Option<ObjectName>,
    /// By kind.
    pub kind: Option<ObjectKind>,
    /// By state.
    pub state: Option<ObjectState>,
    /// By attributes that it has with these values.
    pub attributes: Attributes,
}

impl ObjectFilter {
    fn admits(&self, object: &HeldObject, now: Timestamp) -> bool {
        let record = &object.record;
        self.name.as_ref().is_none_or(|name| record.names.contains(name))
            && self.kind.is_none_or(|kind| record.kind == kind)
            && self.state.is_none_or(|state| record.life.state_at(now) == state)
            && self.attributes.iter().all(|wanted| record.attributes.contains(wanted))
    }
}

/// Lists objects in order of their ids.
pub struct ListManagedObjects {
    /// Conditions.
    pub filter: ObjectFilter,
    /// Behind this one.
    pub after: Option<ObjectId>,
    /// How many, at the most.
    pub most: usize,
}

impl Operation for ListManagedObjects {
    type Domain = Objects;
    type Output = Vec<ObjectAbout>;
    const SPEC: OperationSpec = OperationSpec::read(SERVICE, "ListManagedObjects", &[OBJECT], object_states::ANY);

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<Vec<ObjectAbout>, Error> {
        objects.allow_all(call, &Self::SPEC)?;
        proceed(call)?;
        let (account, now) = (call.principal.account(), objects.clock.now());
        let admitted = |object: &HeldObject| self.filter.admits(object, now);
        if let Some(name) = &self.filter.name {
            let catalogue = objects.catalogue.read();
            let object = catalogue.of_name(account, name).and_then(|id| catalogue.object(account, id));
            let behind = |object: &&std::sync::Arc<HeldObject>| self.after.is_none_or(|after| object.id > after);
            let found = object.filter(behind).filter(|object| admitted(object)).map(|object| object.about(now));
            return Ok(found.into_iter().take(self.most).collect());
        }
        let _scan = objects.scans.enter(call).await?;
        let catalogue = objects.catalogue.read();
        let found = catalogue.after(account, self.after).filter(|object| admitted(object));
        Ok(found.take(self.most).map(|object| object.about(now)).collect())
    }
}

/// Replaces names and attributes of an object. What the caller read must still be so.
pub struct UpdateManagedObject {
    /// The object.
    pub id: ObjectId,
    /// Names and attributes as they were read.
    pub before: (Vec<ObjectName>, Attributes),
    /// Names and attributes as they are to be.
    pub after: (Vec<ObjectName>, Attributes),
}

impl Operation for UpdateManagedObject {
    type Domain = Objects;
    /// None where something else was there than what was read.
    type Output = Option<ObjectAbout>;
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "UpdateManagedObject", &[OBJECT], object_states::ANY);

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<Option<ObjectAbout>, Error> {
        let Self { id, before, after } = self;
        let changed = std::sync::atomic::AtomicBool::new(false);
        let change = |record: &mut ObjectRecord, _| {
            if (&record.names, &record.attributes) != (&before.0, &before.1) {
                changed.store(true, std::sync::atomic::Ordering::Relaxed);
                return Err(Error::contended());
            }
            (record.names, record.attributes) = after.clone();
            check(record)
        };
        match objects.change(call, &Self::SPEC, id, change, |_, _| Ok(())).await {
            Err(_) if changed.load(std::sync::atomic::Ordering::Relaxed) => Ok(None),
            other => other.map(Some),
        }
    }
}
