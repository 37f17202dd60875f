//! Finding objects by their attributes.

use yaoku_gate::Failure as AnyFailure;
use yaoku_kms::operations::Page;
use yaoku_kms::operations::keys::ListKeys;
use yaoku_kms::{AliasName, Error as KeyError, KeyFilter, KeyFilters, KeyId, KeySpec, KeyState, KeyUsage, Timestamp};
use yaoku_objects::operations::objects::{AttributeTest, ListManagedObjects, ObjectFilter, ObjectTime};
use yaoku_objects::{Error as ObjectError, ObjectId, ObjectName};

use super::creation::timestamp;
use super::plain;
use crate::attribute::{About, AttributeName, AttributeValue, Given, mask, read_all, state};
use crate::enumerations::{ObjectType, State};
use crate::failure::Failure;
use crate::profile::{By, Version};
use crate::service::{Exchange, Reply};
use crate::ttlv::{Fields, Item, Tag, decode};

/// Objects that are listed at once.
const MAX_ITEMS: i32 = 500;
/// On-line storage, in the mask of where objects are looked for.
const ON_LINE: i32 = 1;

pub(super) async fn locate(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let wanted = payload.optional(Tag::MAXIMUM_ITEMS).map(Item::integer).transpose()?;
    let offset = payload.optional(Tag::OFFSET_ITEMS).map(Item::integer).transpose()?.unwrap_or(0);
    let storage = payload.optional(Tag::STORAGE_STATUS_MASK).map(Item::integer).transpose()?;
    let member = payload.optional(Tag::OBJECT_GROUP_MEMBER).map(Item::enumeration).transpose()?;
    let attributes = read_all(payload, exchange.version)?;
    payload.end()?;
    if wanted.is_some_and(|wanted| wanted < 0) || offset < 0 {
        return Err(Failure::invalid("Maximum Items and Offset Items can't be negative"));
    }
    if member.is_some() {
        return Err(Failure::unsupported("objects can't be located by their Object Group Member"));
    }
    let mut keys = attributes.iter().map(filter).collect::<Result<Vec<_>, _>>()?;
    let mut objects = object_filter(&attributes)?;
    if storage.is_some_and(|mask| mask & ON_LINE == 0) {
        // Nothing is in an archive.
        keys.push(KeyFilter::Nothing);
        objects = None;
    }
    let most = usize::try_from(wanted.unwrap_or(MAX_ITEMS).min(MAX_ITEMS)).unwrap_or_default();
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    // Managed objects first, then CMKs. Who may see those of one kind only is shown these.
    let (located, denied) = match located_objects(exchange, objects, offset, most).await? {
        Ok(located) => (located, None),
        Err(denied) => (Located::default(), Some(denied)),
    };
    let Located { mut ids, total } = located;
    let (skip, most) = (offset.saturating_sub(total), most - ids.len());
    let total = match (located_keys(exchange, keys, skip, most).await?, denied) {
        (Ok(located), _) => {
            ids.extend(located.ids);
            total + located.total
        }
        (Err(_), None) => total,
        (Err(_), Some(denied)) => return Err(Failure::of_operation(AnyFailure::Objects(denied), &exchange.log)),
    };
    let placeholder = match ids.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    };
    let reply = plain(|written| {
        if exchange.version >= Version::V1_3 {
            written.integer(Tag::LOCATED_ITEMS, i32::try_from(total).unwrap_or(i32::MAX));
        }
        ids.iter().for_each(|id| written.text(Tag::UNIQUE_IDENTIFIER, id));
    });
    Ok(Reply { placeholder, ..reply })
}

/// A part of those that were found, and how many there are in all.
#[derive(Default)]
struct Located {
    ids: Vec<String>,
    total: usize,
}

/// What is found, or that the caller may not look.
type Found<E> = Result<Located, E>;

async fn located_objects(
    exchange: &Exchange<'_>,
    filter: Option<ObjectFilter>,
    skip: usize,
    most: usize,
) -> Result<Found<ObjectError>, Failure> {
    // Whether the caller may look is asked even where nothing can be found.
    let (filter, most) = filter.map_or((ObjectFilter::default(), None), |filter| (filter, Some(most)));
    let listing = ListManagedObjects { filter, after: None, skip, most: most.unwrap_or_default() };
    match exchange.try_perform(listing).await {
        Ok(_) if most.is_none() => Ok(Ok(Located::default())),
        Ok(page) => {
            let ids = page.objects.into_iter().map(|object| object.id.to_string()).collect();
            Ok(Ok(Located { ids, total: page.total }))
        }
        Err(error @ (ObjectError::Denied(_) | ObjectError::Hidden(_))) => Ok(Err(error)),
        Err(error) => Err(exchange.failed::<ListManagedObjects>(error)),
    }
}

async fn located_keys(
    exchange: &Exchange<'_>,
    filters: Vec<KeyFilter>,
    skip: usize,
    most: usize,
) -> Result<Found<KeyError>, Failure> {
    // Pages begin at multiples of their size, and what is asked for anywhere.
    let size = most.max(1);
    let mut located = Located::default();
    for number in [skip / size + 1, skip / size + 2] {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let page = Page { number: u32::try_from(number).unwrap_or(u32::MAX), size };
        match exchange.try_perform(ListKeys { filters: KeyFilters(filters.clone()), page }).await {
            Ok(listed) => {
                located.total = usize::try_from(listed.total).unwrap_or(usize::MAX);
                located.ids.extend(listed.items.iter().map(ToString::to_string));
            }
            Err(error @ (KeyError::Denied(_) | KeyError::Hidden { .. })) => return Ok(Err(error)),
            Err(error) => return Err(exchange.failed::<ListKeys>(error)),
        }
        if skip.is_multiple_of(most.max(1)) || located.ids.len() < most.max(1) {
            break;
        }
    }
    located.ids = located.ids.into_iter().skip(skip % size).take(most).collect();
    Ok(Ok(located))
}

/// Which managed objects have all of these attributes; none if there can't be any.
fn object_filter(attributes: &[Given]) -> Result<Option<ObjectFilter>, Failure> {
    let mut filter = ObjectFilter::default();
    // What is asked for twice must be so twice.
    let set = |place: &mut Option<_>, value| place.replace(value).is_none_or(|before| before == value);
    for Given { name, value, .. } in attributes {
        let fits = match (name, value) {
            (AttributeName::Known(Tag::NAME), AttributeValue::Name(text)) => match ObjectName::parse(text) {
                Some(name) => filter.name.replace(name.clone()).is_none_or(|before| before == name),
                None => false,
            },
            (AttributeName::Known(Tag::UNIQUE_IDENTIFIER), AttributeValue::Text(id)) => {
                ObjectId::parse(id).is_some_and(|id| filter.id.replace(id).is_none_or(|before| before == id))
            }
            (AttributeName::Known(Tag::OBJECT_TYPE), AttributeValue::Enumeration(number)) => {
                let kind = ObjectType::of(*number).and_then(ObjectType::kind);
                kind.is_some_and(|kind| filter.kind.replace(kind).is_none_or(|before| before == kind))
            }
            (AttributeName::Known(Tag::STATE), AttributeValue::Enumeration(number)) => {
                State::of(*number).is_some_and(|state| set(&mut filter.state, state.state()))
            }
            (AttributeName::Known(Tag::CRYPTOGRAPHIC_USAGE_MASK), AttributeValue::Integer(_)) => {
                filter.attributes.push(AttributeTest { name: name.stored(), wanted: value.stored(), admits: has_bits });
                true
            }
            (AttributeName::Known(tag), AttributeValue::DateTime(_)) if time(*tag).is_some() => {
                let Some(of) = time(*tag) else { continue };
                let at = timestamp(value)?;
                // A message has seconds. One date is that second, and two are a span, whichever comes first.
                let last = Timestamp(at.0.saturating_add(999));
                match filter.times.iter_mut().find(|(known, _, _)| *known == of) {
                    Some((_, from, to)) => (*from, *to) = ((*from).min(at), (*to).max(last)),
                    None => filter.times.push((of, at, last)),
                }
                true
            }
            (AttributeName::Known(tag), _) if name.known().is_none_or(|known| known.by == By::Server) => {
                return Err(Failure::unsupported(format!("objects can't be located by their {tag}")));
            }
            (name, value) => {
                let (name, wanted) = (name.stored(), value.stored());
                filter.attributes.push(AttributeTest { name, wanted, admits: |kept, wanted| kept == wanted });
                true
            }
        };
        if !fits {
            return Ok(None);
        }
    }
    // What was destroyed is found by whoever asks for it: others look for what they can fetch.
    let asks = |tag: Tag| attributes.iter().any(|given| given.name == AttributeName::Known(tag));
    filter.has_value = ![Tag::STATE, Tag::UNIQUE_IDENTIFIER, Tag::DESTROY_DATE].into_iter().any(asks);
    Ok(Some(filter))
}

/// Whether a mask that is kept has all bits of another.
fn has_bits(kept: &[u8], wanted: &[u8]) -> bool {
    let bits = |stored: &[u8]| decode(stored).ok().and_then(|item| item.integer().ok());
    matches!((bits(kept), bits(wanted)), (Some(kept), Some(wanted)) if kept & wanted == wanted)
}

/// The time of an object that a date is.
const fn time(tag: Tag) -> Option<ObjectTime> {
    match tag {
        Tag::INITIAL_DATE => Some(ObjectTime::Created),
        Tag::LAST_CHANGE_DATE => Some(ObjectTime::Changed),
        Tag::ACTIVATION_DATE => Some(ObjectTime::Activation),
        Tag::DEACTIVATION_DATE => Some(ObjectTime::Deactivation),
        Tag::COMPROMISE_DATE => Some(ObjectTime::Compromise),
        Tag::DESTROY_DATE => Some(ObjectTime::Destruction),
        _ => None,
    }
}

/// Which CMKs have an attribute.
fn filter(given: &Given) -> Result<KeyFilter, Failure> {
    let Given { name, value, .. } = given;
    // What only managed objects have, no CMK has.
    let AttributeName::Known(tag) = name else { return Ok(KeyFilter::Nothing) };
    let specs = |has: &dyn Fn(About) -> bool| {
        KeyFilter::Spec(KeySpec::ALL.into_iter().filter(|spec| has(About::of(*spec))).collect())
    };
    Ok(match (*tag, value) {
        (Tag::NAME, AttributeValue::Name(name)) => {
            match AliasName::parse_any(&format!("{}{name}", AliasName::PREFIX)) {
                Some(alias) => KeyFilter::Alias(vec![alias]),
                None => KeyFilter::Nothing,
            }
        }
        (Tag::UNIQUE_IDENTIFIER, AttributeValue::Text(id)) => match KeyId::parse(id) {
            Some(id) => KeyFilter::Id(vec![id]),
            None => KeyFilter::Nothing,
        },
        (Tag::OBJECT_TYPE, AttributeValue::Enumeration(kind)) => specs(&|about| about.object.number() == *kind),
        (Tag::CRYPTOGRAPHIC_ALGORITHM, AttributeValue::Enumeration(number)) => {
            specs(&|about| about.algorithm.is_some_and(|algorithm| algorithm.number() == *number))
        }
        (Tag::CRYPTOGRAPHIC_LENGTH, AttributeValue::Integer(length)) => specs(&|about| about.length == Some(*length)),
        (Tag::CRYPTOGRAPHIC_USAGE_MASK, AttributeValue::Integer(wanted)) => {
            let usages = [KeyUsage::EncryptDecrypt, KeyUsage::SignVerify, KeyUsage::GenerateVerifyMac];
            KeyFilter::Usage(usages.into_iter().filter(|usage| mask(*usage) & wanted == *wanted).collect())
        }
        (Tag::STATE, AttributeValue::Enumeration(number)) => {
            KeyFilter::State(KeyState::ALL.into_iter().filter(|of| state(*of).number() == *number).collect())
        }
        _ => KeyFilter::Nothing,
    })
}
