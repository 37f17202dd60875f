//! The life of managed objects. That of CMKs is not managed by this protocol.

use yaoku_objects::operations::lifecycle::{ActivateManagedObject, DestroyManagedObject, RevokeManagedObject};

use super::about;
use crate::attribute::{AttributeName, AttributeValue};
use crate::enumerations::RevocationReasonCode;
use crate::failure::{Code, Failure};
use crate::service::{Exchange, Reply};
use crate::ttlv::{Fields, Item, Tag};

pub(super) async fn activate(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let why = "the life of a customer master key is not managed by KMIP: use EnableKey of the KMS API";
    let id = exchange.object(payload, (Code::IllegalOperation, why)).await?;
    payload.end()?;
    exchange.perform(ActivateManagedObject { id }).await?;
    Ok(about(id, |_| ()))
}

pub(super) async fn revoke(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let why = "a customer master key is not revoked by KMIP: use DisableKey or ScheduleKeyDeletion of the KMS API";
    let id = exchange.object(payload, (Code::IllegalOperation, why)).await?;
    let reason = Fields::of(payload.required(Tag::REVOCATION_REASON)?)?;
    let number = reason.required(Tag::REVOCATION_REASON_CODE)?.enumeration()?;
    let message = reason.optional(Tag::REVOCATION_MESSAGE).map(Item::text).transpose()?;
    reason.end()?;
    let occurrence = payload.optional(Tag::COMPROMISE_OCCURRENCE_DATE).map(Item::date_time).transpose()?;
    payload.end()?;
    use RevocationReasonCode as Reason;
    let is_compromised = match Reason::of(number) {
        Some(Reason::KeyCompromise | Reason::CaCompromise) => true,
        Some(
            Reason::Unspecified
            | Reason::AffiliationChanged
            | Reason::Superseded
            | Reason::CessationOfOperation
            | Reason::PrivilegeWithdrawn,
        ) => false,
        None => return Err(Failure::invalid("there is no such Revocation Reason Code")),
    };
    let reason = AttributeValue::structure(|reason| {
        reason.enumeration(Tag::REVOCATION_REASON_CODE, number);
        if let Some(message) = message {
            reason.text(Tag::REVOCATION_MESSAGE, message);
        }
    });
    let mut attributes = vec![(AttributeName::Known(Tag::REVOCATION_REASON).stored(), reason.stored())];
    if let Some(occurrence) = occurrence {
        let now = i64::try_from(exchange.now.seconds()).unwrap_or(i64::MAX);
        if !is_compromised || occurrence > now {
            return Err(Failure::invalid(
                "the Compromise Occurrence Date is of an object that is compromised, and has come",
            ));
        }
        let name = AttributeName::Known(Tag::COMPROMISE_OCCURRENCE_DATE).stored();
        attributes.push((name, AttributeValue::DateTime(occurrence).stored()));
    }
    exchange.perform(RevokeManagedObject { id, is_compromised, attributes }).await?;
    Ok(about(id, |_| ()))
}

pub(super) async fn destroy(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let why = "a customer master key is not destroyed by KMIP: use ScheduleKeyDeletion of the KMS API";
    let id = exchange.object(payload, (Code::IllegalOperation, why)).await?;
    payload.end()?;
    exchange.perform(DestroyManagedObject { id }).await?;
    Ok(about(id, |_| ()))
}
