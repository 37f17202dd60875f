//! What CMKs refuse: they never leave, and their life is not managed by this protocol.

use yaoku_kms::operations::keys::DescribeKey;

use crate::failure::{Code, Failure};
use crate::profile::Act;
use crate::service::{Exchange, Reply};
use crate::ttlv::Fields;

/// Refuses an operation on a CMK; to whoever may not know of the CMK, as if it were not there.
pub(super) async fn refuse(exchange: &Exchange<'_>, payload: &Fields<'_, '_>, act: Act) -> Result<Reply, Failure> {
    let key = exchange.key(payload)?;
    exchange.perform(DescribeKey { key: key.into() }).await?;
    let (code, why) = match act {
        Act::Get => (Code::NotExtractable, "a customer master key can be used, and never leaves this server"),
        Act::Activate => (
            Code::IllegalOperation,
            "the life of a customer master key is not managed by KMIP: use EnableKey of the KMS API",
        ),
        Act::Revoke => (
            Code::IllegalOperation,
            "a customer master key is not revoked by KMIP: use DisableKey or ScheduleKeyDeletion of the KMS API",
        ),
        _ => (
            Code::IllegalOperation,
            "a customer master key is not destroyed by KMIP: use ScheduleKeyDeletion of the KMS API",
        ),
    };
    Err(Failure::new(code, why))
}
