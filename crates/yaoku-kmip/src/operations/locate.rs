//! Finding objects by their attributes.

use yaoku_kms::operations::Page;
use yaoku_kms::operations::keys::ListKeys;
use yaoku_kms::{AliasName, KeyFilter, KeyFilters, KeyId, KeySpec, KeyState, KeyUsage};

use super::plain;
use crate::attribute::{About, AttributeValue, mask, read_all, state};
use crate::failure::Failure;
use crate::profile::Version;
use crate::service::{Exchange, Reply};
use crate::ttlv::{Fields, Item, Tag};

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
    let mut filters = attributes.iter().map(|(tag, value)| filter(*tag, value)).collect::<Result<Vec<_>, _>>()?;
    if member.is_some() || storage.is_some_and(|mask| mask & ON_LINE == 0) {
        // Nothing is in a group, and nothing in an archive.
        filters.push(KeyFilter::Nothing);
    }
    let most = wanted.unwrap_or(MAX_ITEMS).clamp(1, MAX_ITEMS);
    // Pages begin at multiples of their size, and an offset anywhere.
    let (offset, size) = (offset.cast_unsigned(), most.cast_unsigned());
    let (mut found, mut total) = (Vec::new(), 0);
    for number in [offset / size + 1, offset / size + 2] {
        let listed = exchange.perform(ListKeys { filters: KeyFilters(filters.clone()), page: Page { number, size } });
        let listed = listed.await?;
        total = listed.total;
        found.extend(listed.items);
        if offset % size == 0 || found.len() < usize::try_from(size).unwrap_or(usize::MAX) {
            break;
        }
    }
    let skip = usize::try_from(offset % size).unwrap_or(usize::MAX);
    let wanted = wanted.map_or(usize::MAX, |wanted| usize::try_from(wanted).unwrap_or(usize::MAX));
    let most = usize::try_from(most).unwrap_or(usize::MAX).min(wanted);
    let found: Vec<KeyId> = found.into_iter().skip(skip).take(most).collect();
    let placeholder = match found.as_slice() {
        [one] => Some(one.to_string()),
        _ => None,
    };
    let reply = plain(|written| {
        if exchange.version >= Version::V1_3 {
            written.integer(Tag::LOCATED_ITEMS, i32::try_from(total).unwrap_or(i32::MAX));
        }
        found.iter().for_each(|id| written.text(Tag::UNIQUE_IDENTIFIER, &id.to_string()));
    });
    Ok(Reply { placeholder, ..reply })
}

/// Which CMKs have an attribute.
fn filter(tag: Tag, value: &AttributeValue) -> Result<KeyFilter, Failure> {
    let specs = |has: &dyn Fn(About) -> bool| {
        KeyFilter::Spec(KeySpec::ALL.into_iter().filter(|spec| has(About::of(*spec))).collect())
    };
    Ok(match (tag, value) {
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
        (other, _) => return Err(Failure::unsupported(format!("objects can't be located by their {other}"))),
    })
}
