//! What the server is, and randomness.

use yaoku_crypto::{Secret, SystemRandom};
use yaoku_iam::operations::caller::GetCallerIdentity;

use super::plain;
use crate::enumerations::{ObjectType, QueryFunction};
use crate::failure::Failure;
use crate::profile::{Act, Version};
use crate::service::{Exchange, Reply};
use crate::ttlv::{Fields, Item, Tag};

/// Bytes that are drawn at once: a message can ask for as many in each of its items.
const MAX_RANDOM: i32 = 8 << 10;

pub(super) async fn versions(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let mut asked = Vec::new();
    for item in payload.all(Tag::PROTOCOL_VERSION) {
        let fields = Fields::of(item)?;
        let number = |tag| fields.required(tag).and_then(Item::integer);
        asked.push(Version(number(Tag::PROTOCOL_VERSION_MAJOR)?, number(Tag::PROTOCOL_VERSION_MINOR)?));
        fields.end()?;
    }
    payload.end()?;
    // Whoever is proven can have this; that they still are is asked again before the answer.
    exchange.perform(GetCallerIdentity).await?;
    let known = Version::ALL.into_iter().filter(|version| asked.is_empty() || asked.contains(version));
    Ok(plain(|written| {
        for Version(major, minor) in known {
            written.structure(Tag::PROTOCOL_VERSION, |version| {
                version.integer(Tag::PROTOCOL_VERSION_MAJOR, major);
                version.integer(Tag::PROTOCOL_VERSION_MINOR, minor);
            });
        }
    }))
}

pub(super) async fn query(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let functions = payload.all(Tag::QUERY_FUNCTION).into_iter().map(Item::enumeration);
    let functions = functions.collect::<Result<Vec<_>, _>>()?;
    payload.end()?;
    exchange.perform(GetCallerIdentity).await?;
    let asks = |function: QueryFunction| functions.contains(&function.number());
    Ok(plain(|written| {
        if asks(QueryFunction::Operations) {
            let known = Act::ALL.iter().filter(|act| act.since() <= exchange.version);
            known.for_each(|act| written.enumeration(Tag::OPERATION, act.number()));
        }
        if asks(QueryFunction::Objects) {
            for object in ObjectType::HERE {
                written.enumeration(Tag::OBJECT_TYPE, object.number());
            }
        }
        if asks(QueryFunction::ServerInformation) {
            written.text(Tag::VENDOR_IDENTIFICATION, concat!("yaoku ", env!("CARGO_PKG_VERSION")));
        }
    }))
}

pub(super) async fn random(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let length = payload.required(Tag::DATA_LENGTH)?.integer()?;
    payload.end()?;
    exchange.perform(GetCallerIdentity).await?;
    if !(1..=MAX_RANDOM).contains(&length) {
        return Err(Failure::invalid(format!("Data Length must be 1 to {MAX_RANDOM}")));
    }
    let count = usize::try_from(length).map_err(|_| Failure::internal())?;
    let drawn = Secret::random(count, &SystemRandom).map_err(|_| Failure::unavailable())?;
    Ok(plain(|written| written.bytes(Tag::DATA, drawn.expose())))
}
