//! Attributes of objects.

use yaoku_kms::KeyId;
use yaoku_kms::operations::Page;
use yaoku_kms::operations::aliases::ListAliasesByKeyId;
use yaoku_kms::operations::keys::DescribeKey;

use super::about;
use crate::attribute::{Attribute, of_key, read_names, write_all};
use crate::failure::Failure;
use crate::service::{Exchange, Reply};
use crate::ttlv::{Fields, Tag};

/// Names of an object that are shown.
const MAX_NAMES: u32 = 100;

async fn attributes_of(exchange: &Exchange<'_>, key: KeyId) -> Result<Vec<Attribute>, Failure> {
    let described = exchange.perform(DescribeKey { key: key.into() }).await?;
    let page = Page { number: 1, size: MAX_NAMES };
    let aliases = exchange.perform(ListAliasesByKeyId { key, page }).await?.items;
    let prefix = yaoku_kms::AliasName::PREFIX;
    let names = aliases.iter().filter_map(|(alias, _)| alias.as_str().strip_prefix(prefix)).map(str::to_owned);
    Ok(of_key(&described, &names.collect::<Vec<_>>(), exchange.version))
}

pub(super) async fn get(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let key = exchange.key(payload)?;
    let names = read_names(payload, exchange.version)?;
    payload.end()?;
    let all = attributes_of(exchange, key).await?;
    let wanted = |attribute: &&Attribute| names.is_empty() || names.contains(&Some(attribute.tag));
    Ok(about(key, |written| write_all(written, exchange.version, all.iter().filter(wanted))))
}

pub(super) async fn list(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let key = exchange.key(payload)?;
    payload.end()?;
    let mut tags: Vec<_> = attributes_of(exchange, key).await?.into_iter().map(|attribute| attribute.tag).collect();
    tags.dedup();
    Ok(about(key, |written| {
        for tag in tags {
            match exchange.version.has_attributes_by_tag() {
                true => written.enumeration(Tag::ATTRIBUTE_REFERENCE, tag.number()),
                false => written.text(Tag::ATTRIBUTE_NAME, tag.name().unwrap_or_default()),
            }
        }
    }))
}
