//! Attributes of objects.

use yaoku_kms::operations::Page;
use yaoku_kms::operations::aliases::ListAliasesByKeyId;
use yaoku_kms::operations::keys::DescribeKey;
use yaoku_objects::operations::objects::DescribeManagedObject;

use super::{Target, about};
use crate::attribute::{Attribute, of_key, of_object, read_names, write_all, write_name};
use crate::failure::Failure;
use crate::service::{Exchange, Reply};
use crate::ttlv::Fields;

/// Names of a CMK that are shown.
const MAX_NAMES: u32 = 100;

async fn attributes_of(exchange: &Exchange<'_>, target: Target) -> Result<(String, Vec<Attribute>), Failure> {
    let key = match target {
        Target::Object(id) => {
            let described = exchange.perform(DescribeManagedObject { id }).await?;
            return Ok((id.to_string(), of_object(&described, exchange.version)));
        }
        Target::Key(key) => key,
    };
    let described = exchange.perform(DescribeKey { key: key.into() }).await?;
    let page = Page { number: 1, size: MAX_NAMES };
    let aliases = exchange.perform(ListAliasesByKeyId { key, page }).await?.items;
    let prefix = yaoku_kms::AliasName::PREFIX;
    let names = aliases.iter().filter_map(|(alias, _)| alias.as_str().strip_prefix(prefix)).map(str::to_owned);
    Ok((key.to_string(), of_key(&described, &names.collect::<Vec<_>>(), exchange.version)))
}

pub(super) async fn get(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let target = exchange.target(payload)?;
    let names = read_names(payload, exchange.version)?;
    payload.end()?;
    let (id, all) = attributes_of(exchange, target).await?;
    let wanted = |attribute: &&Attribute| names.is_empty() || names.contains(&Some(attribute.name.clone()));
    Ok(about(id, |written| write_all(written, exchange.version, all.iter().filter(wanted))))
}

pub(super) async fn list(exchange: &Exchange<'_>, payload: &Fields<'_, '_>) -> Result<Reply, Failure> {
    let target = exchange.target(payload)?;
    payload.end()?;
    let (id, all) = attributes_of(exchange, target).await?;
    let mut names: Vec<_> = all.into_iter().map(|attribute| attribute.name).collect();
    names.dedup();
    Ok(about(id, |written| names.iter().for_each(|name| write_name(written, exchange.version, name))))
}
