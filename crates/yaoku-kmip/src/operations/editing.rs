//! Changing attributes of managed objects. Instances of one attribute are numbered from 0, and those behind one that is taken away move up.

use yaoku_objects::operations::objects::{DescribeManagedObject, UpdateManagedObject};
use yaoku_objects::{Editable, ObjectId};

use super::about;
use super::creation::{name, timestamp};
use crate::attribute::{Attribute, AttributeName, AttributeValue, Given, read_pair, read_reference, read_tagged};
use crate::failure::{Code, Failure};
use crate::profile::By;
use crate::service::{Exchange, Reply};
use crate::ttlv::{Fields, Item, Tag};

/// How often a change is tried against others of the same object.
const ATTEMPTS: usize = 16;

/// The values that an object has of an attribute.
fn values(object: &Editable, of: &AttributeName) -> Vec<AttributeValue> {
    let date = |time: Option<yaoku_kms::Timestamp>| {
        let seconds = |time: yaoku_kms::Timestamp| i64::try_from(time.seconds()).unwrap_or(i64::MAX);
        time.map(|time| AttributeValue::DateTime(seconds(time))).into_iter().collect()
    };
    match of {
        AttributeName::Known(Tag::NAME) => {
            object.names.iter().map(|name| AttributeValue::Name(name.as_str().to_owned())).collect()
        }
        AttributeName::Known(Tag::ACTIVATION_DATE) => date(object.activation),
        AttributeName::Known(Tag::DEACTIVATION_DATE) => date(object.deactivation),
        _ => {
            let stored = of.stored();
            let own = object.attributes.iter().filter(|(kept, _)| *kept == stored);
            own.filter_map(|(_, value)| AttributeValue::of_stored(of, value)).collect()
        }
    }
}

/// Gives an object other values of an attribute.
fn put(object: &mut Editable, of: &AttributeName, values: &[AttributeValue]) -> Result<(), Failure> {
    match of {
        AttributeName::Known(Tag::NAME) => object.names = values.iter().map(name).collect::<Result<_, _>>()?,
        AttributeName::Known(Tag::ACTIVATION_DATE) => {
            object.activation = values.first().map(timestamp).transpose()?;
        }
        AttributeName::Known(Tag::DEACTIVATION_DATE) => {
            object.deactivation = values.first().map(timestamp).transpose()?;
        }
        _ => {
            let stored = of.stored();
            object.attributes.retain(|(kept, _)| *kept != stored);
            object.attributes.extend(values.iter().map(|value| (stored.clone(), value.stored())));
        }
    }
    Ok(())
}

/// Makes sure that a client can set an attribute.
fn check_settable(of: &AttributeName) -> Result<(), Failure> {
    match (of, of.known()) {
        (AttributeName::Custom { .. }, _) => Ok(()),
        (AttributeName::Known(_), Some(known)) if known.by == By::Client => Ok(()),
        (AttributeName::Known(tag), Some(_)) => {
            Err(Failure::new(Code::ReadOnlyAttribute, format!("the {tag} of an object can't be changed")))
        }
        (AttributeName::Known(tag), None) => {
            Err(Failure::unsupported(format!("the attribute {tag} is not supported by this server")))
        }
    }
}

/// The object that a payload names. What is said of CMKs is changed by the KMS API.
async fn object(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<ObjectId, Failure> {
    let why = "attributes of a customer master key are not changed by KMIP: use the KMS API";
    exchange.object(payload, (Code::IllegalOperation, why)).await
}

/// The attribute that is to be there, as the version has it.
fn new(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Given, Failure> {
    match exchange.version.has_attributes_by_tag() {
        true => one(payload.required(Tag::NEW_ATTRIBUTE)?),
        false => read_pair(payload.required(Tag::ATTRIBUTE)?),
    }
}

/// The one attribute of a structure of version 2.
fn one(item: &Item<'_>) -> Result<Given, Failure> {
    let mut all = read_tagged(item)?;
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => Ok(one),
        _ => Err(Failure::invalid(format!("{} holds one attribute", item.tag))),
    }
}

/// Changes the values of one attribute, again and again until no other change comes between; what the change tells.
async fn edit<T>(
    exchange: &Exchange<'_>,
    id: ObjectId,
    of: &AttributeName,
    change: impl Fn(&mut Vec<AttributeValue>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    check_settable(of)?;
    for _ in 0..ATTEMPTS {
        let before = exchange.perform(DescribeManagedObject { id }).await?.editable();
        let mut all = values(&before, of);
        let told = change(&mut all)?;
        let mut after = before.clone();
        put(&mut after, of, &all)?;
        if exchange.perform(UpdateManagedObject { id, before, after }).await?.is_some() {
            return Ok(told);
        }
    }
    Err(Failure::unavailable())
}

/// The answer: in version 1 with the attribute.
fn told(exchange: &Exchange<'_>, id: ObjectId, attribute: &Attribute) -> Reply {
    about(id, |written| {
        if !exchange.version.has_attributes_by_tag() {
            attribute.write(written, exchange.version);
        }
    })
}

fn number(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX)
}

pub(super) async fn add(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let id = object(exchange, payload).await?;
    let Given { name, index, value } = new(exchange, payload)?;
    payload.end()?;
    if index.is_some() {
        return Err(Failure::invalid("the Attribute Index of what is added is given by this server"));
    }
    let index = edit(exchange, id, &name, |all| {
        if !all.is_empty() && !name.is_multiple() {
            let why = format!("the object has one {name}, and can't have another");
            return Err(Failure::new(Code::AttributeSingleValued, why));
        }
        all.push(value.clone());
        Ok(all.len() - 1)
    });
    let index = number(index.await?);
    Ok(told(exchange, id, &Attribute { name, index, value }))
}

pub(super) async fn modify(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let id = object(exchange, payload).await?;
    let current = payload.optional(Tag::CURRENT_ATTRIBUTE).map(one).transpose()?;
    let Given { name, index, value } = new(exchange, payload)?;
    payload.end()?;
    if current.as_ref().is_some_and(|current| current.name != name) {
        return Err(Failure::invalid("the current and the new attribute are not the same"));
    }
    let place = edit(exchange, id, &name, |all| {
        let place = place(&name, all, index, current.as_ref().map(|current| &current.value))?;
        if let Some(there) = all.get_mut(place) {
            *there = value.clone();
        }
        Ok(place)
    });
    let index = number(place.await?);
    Ok(told(exchange, id, &Attribute { name, index, value }))
}

/// Which of the values is meant, by its number or as it is now.
fn place(
    name: &AttributeName,
    all: &[AttributeValue],
    index: Option<i32>,
    current: Option<&AttributeValue>,
) -> Result<usize, Failure> {
    let place = match (index, current) {
        (Some(index), _) => usize::try_from(index).ok().filter(|place| *place < all.len()),
        (None, Some(current)) => all.iter().position(|value| value == current),
        (None, None) => (!all.is_empty()).then_some(0),
    };
    place.ok_or_else(|| Failure::new(Code::AttributeNotFound, format!("the object has no such {name}")))
}

pub(super) async fn delete(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let id = object(exchange, payload).await?;
    let (name, index, current) = match exchange.version.has_attributes_by_tag() {
        true => {
            let current = payload.optional(Tag::CURRENT_ATTRIBUTE).map(one).transpose()?;
            let named = payload.optional(Tag::ATTRIBUTE_REFERENCE).map(read_reference).transpose()?.flatten();
            match (current, named) {
                (Some(Given { name, value, .. }), None) => (name, None, Some(value)),
                (None, Some(name)) => (name, None, None),
                _ => return Err(Failure::invalid("give either Current Attribute or Attribute Reference")),
            }
        }
        false => {
            let named = AttributeName::parse(payload.required(Tag::ATTRIBUTE_NAME)?.text()?);
            let unknown = || Failure::unsupported("the attribute is not supported by this server");
            let index = payload.optional(Tag::ATTRIBUTE_INDEX).map(Item::integer).transpose()?;
            (named.ok_or_else(unknown)?, index, None)
        }
    };
    payload.end()?;
    if matches!(name, AttributeName::Known(Tag::ACTIVATION_DATE | Tag::DEACTIVATION_DATE)) {
        return Err(Failure::new(Code::ReadOnlyAttribute, format!("the {name} of an object can't be taken away")));
    }
    let takes_all = exchange.version.has_attributes_by_tag() && current.is_none();
    let taken = edit(exchange, id, &name, |all| {
        let place = place(&name, all, index, current.as_ref())?;
        match takes_all {
            true => Ok((place, all.drain(..).next())),
            false => Ok((place, Some(all.remove(place)))),
        }
    });
    let (place, value) = taken.await?;
    let value = value.ok_or_else(Failure::internal)?;
    Ok(told(exchange, id, &Attribute { name, index: number(place), value }))
}

/// Gives an attribute that an object can have one of only a value, whether it had one or not.
pub(super) async fn set(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let id = object(exchange, payload).await?;
    let Given { name, value, .. } = new(exchange, payload)?;
    payload.end()?;
    edit(exchange, id, &name, |all| {
        if name.is_multiple() {
            return Err(Failure::invalid(format!("an object can have more than one {name}: use AddAttribute")));
        }
        *all = vec![value.clone()];
        Ok(())
    })
    .await?;
    Ok(about(id, |_| ()))
}
