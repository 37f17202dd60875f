//! Fetching managed objects, and whether one may be used for something.

use yaoku_kms::operations::keys::DescribeKey;
use yaoku_objects::operations::objects::{DescribeManagedObject, GetManagedObject};

use super::{Target, about, plain};
use crate::attribute::mask;
use crate::enumerations::ObjectType;
use crate::failure::{Code, Failure};
use crate::object;
use crate::service::{Exchange, Reply};
use crate::ttlv::{Fields, Item, Tag};

pub(super) async fn get(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let why = "a customer master key can be used, and never leaves this server";
    let id = exchange.object(payload, (Code::NotExtractable, why)).await?;
    let format = payload.optional(Tag::KEY_FORMAT_TYPE).map(Item::enumeration).transpose()?;
    if payload.optional(Tag::KEY_WRAPPING_SPECIFICATION).is_some() {
        return Err(Failure::unsupported(
            "keys are not wrapped by this server: leave the Key Wrapping Specification out",
        ));
    }
    if payload.optional(Tag::KEY_COMPRESSION_TYPE).is_some() {
        return Err(Failure::new(Code::CompressionNotSupported, "keys are not compressed by this server"));
    }
    // Nothing is wrapped, so that both types are the same.
    payload.optional(Tag::KEY_WRAP_TYPE).map(Item::enumeration).transpose()?;
    payload.end()?;
    let (described, value) = exchange.perform(GetManagedObject { id }).await?;
    let mut written = Ok(());
    let reply = plain(|inside| {
        inside.enumeration(Tag::OBJECT_TYPE, ObjectType::of_kind(described.kind).number());
        inside.text(Tag::UNIQUE_IDENTIFIER, &id.to_string());
        written = object::write(inside, &described, &value, format);
    });
    written?;
    Ok(Reply { placeholder: Some(id.to_string()), ..reply })
}

/// Tells whether an object may be used for something: if not, what is in the way, and not which object it is.
pub(super) async fn check(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let target = exchange.target(payload)?;
    let wanted = payload.optional(Tag::CRYPTOGRAPHIC_USAGE_MASK).map(Item::integer).transpose()?;
    for tag in [Tag::USAGE_LIMITS_COUNT, Tag::LEASE_TIME] {
        if payload.optional(tag).is_some() {
            return Err(Failure::unsupported(format!("objects of this server have no {tag}")));
        }
    }
    payload.end()?;
    let (id, own) = match target {
        Target::Key(key) => {
            let described = exchange.perform(DescribeKey { key: key.into() }).await?;
            (key.to_string(), mask(described.usage))
        }
        Target::Object(id) => {
            let described = exchange.perform(DescribeManagedObject { id }).await?;
            (id.to_string(), object::integer(&described, Tag::CRYPTOGRAPHIC_USAGE_MASK).unwrap_or_default())
        }
    };
    match wanted {
        Some(wanted) if wanted & !own != 0 => {
            Ok(plain(|written| written.integer(Tag::CRYPTOGRAPHIC_USAGE_MASK, wanted)))
        }
        _ => Ok(about(id, |_| ())),
    }
}
