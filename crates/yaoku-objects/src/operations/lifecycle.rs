//! From state to state.

use yaoku_iam::{Call, Operation, OperationSpec, Timestamp};

use crate::record::{ObjectRecord, value_name};
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
}

impl Operation for RevokeManagedObject {
    type Domain = Objects;
    type Output = ObjectAbout;
    const SPEC: OperationSpec =
        OperationSpec::write(SERVICE, "RevokeManagedObject", &[OBJECT], object_states::ANY).revoking();

    async fn perform(self, objects: &Objects, call: &Call<'_>) -> Result<ObjectAbout, Error> {
        let change = |record: &mut ObjectRecord, now: Timestamp| record.life.revoke(now, self.is_compromised);
        objects.change(call, &Self::SPEC, self.id, change, |_, _| Ok(())).await
    }
}

/// Takes the value of an object away for good. What is known of it stays; its names are free again. The store's files are rewritten without
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
        let change = |record: &mut ObjectRecord, now: Timestamp| {
            record.names.clear();
            record.life.destroy(now)
        };
        let more = |object: &crate::held::HeldObject, changes: &mut yaoku_seal::Changes| {
            changes.puts.push(objects.kms.scrub_mark()?);
            changes.deletes.push(value_name(object.account, object.id));
            Ok(())
        };
        objects.change(call, &Self::SPEC, self.id, change, more).await
    }
}
