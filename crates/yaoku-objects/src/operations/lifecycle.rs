//! From state to state.

use yaoku_iam::{Call, Operation, OperationSpec, Timestamp};

use crate::operations::objects::check;
use crate::record::{Attributes, ObjectRecord, name_name, value_name};
use crate::resource::{OBJECT, SERVICE, object_states};
use crate::{Error, ObjectAbout, ObjectId, Objects};

/// Begins the use of an object.
pub struct ActivateManagedObject {
    /// The object.
    pub id: ObjectId,
}

impl Operation for ActivateManagedObject {
    type Domain = Objects;
    type Output = ObjectAbout;
    const SPEC: OperationSpec = OperationSpec::write(SERVICE, "ActivateManagedObject", &[OBJECT], object_states::ANY);

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<ObjectAbout, Error> {
        let change = |record: &mut ObjectRecord, now: Timestamp| record.life.activate(now);
        objects.change(call, &Self::SPEC, self.id, change, |_, _| Ok(())).await
    }
}

/// Ends the use of an object.
pub struct RevokeManagedObject {
    /// The object.
    pub id: ObjectId,
    /// Whether somebody else may know it.
    pub is_compromised: bool,
    /// What the protocol keeps of this, in the place of attributes of the same names.
    pub attributes: Attributes,
}

impl Operation for RevokeManagedObject {
    type Domain = Objects;
    type Output = ObjectAbout;
    const SPEC: OperationSpec =
        OperationSpec::write(SERVICE, "RevokeManagedObject", &[OBJECT], object_states::ANY).revoking();

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<ObjectAbout, Error> {
        let change = |record: &mut ObjectRecord, now: Timestamp| {
            let is_new = |name: &String| self.attributes.iter().any(|(new, _)| new == name);
            record.attributes.retain(|(name, _)| !is_new(name));
            record.attributes.extend(self.attributes.iter().cloned());
            check(record)?;
            record.life.revoke(now, self.is_compromised)
        };
        objects.change(call, &Self::SPEC, self.id, change, |_, _| Ok(())).await
    }
}

/// Takes the value of an object away for good. What is known of it stays, its names as well, which are free for others. The store's files are rewritten without
/// the value some time after.
pub struct DestroyManagedObject {
    /// The object.
    pub id: ObjectId,
}

impl Operation for DestroyManagedObject {
    type Domain = Objects;
    type Output = ObjectAbout;
    const SPEC: OperationSpec =
        OperationSpec::write(SERVICE, "DestroyManagedObject", &[OBJECT], object_states::ANY).revoking();

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<ObjectAbout, Error> {
        let change = |record: &mut ObjectRecord, now: Timestamp| record.life.destroy(now);
        let more = |object: &crate::held::HeldObject, changes: &mut yaoku_seal::Changes| {
            changes.puts.push(objects.kms.scrub_mark()?);
            changes.deletes.push(value_name(object.account, object.id));
            changes.deletes.extend(object.record.names.iter().map(|name| name_name(object.account, name)));
            Ok(())
        };
        objects.change(call, &Self::SPEC, self.id, change, more).await
    }
}
