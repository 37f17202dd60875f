//! SetObjectKey, GetObjectKey, ListManagedObjects, DescribeManagedObject, DestroyManagedObject.
//!
//! Managed objects are made and fetched by KMIP. Their values are no part of this API.

use serde::Serialize;
use yaoku_kms::KeyRef;
use yaoku_objects::operations::chosen_key::{GetObjectKey, SetObjectKey};
use yaoku_objects::operations::lifecycle::DestroyManagedObject;
use yaoku_objects::operations::objects::{DescribeManagedObject, ListManagedObjects, ObjectFilter};
use yaoku_objects::{ObjectAbout, ObjectId, ObjectKind};

use super::arguments::time;
use super::{Action, Exchange, Reply, action, object_failure, parameters};
use crate::actions::arguments::place_text;
use crate::actions::elements::Shown;
use crate::wire::WireError;

/// Objects in a part of a listing, unless it is said.
const ORDINARY_ITEMS: u32 = 100;
/// The most.
const MAX_ITEMS: u32 = 1000;

pub(super) const ACTIONS: &[Action] = &[
    action!("SetObjectKey", SetObjectKey, set_key(KeyParameters)),
    action!("GetObjectKey", GetObjectKey, get_key()),
    action!("ListManagedObjects", ListManagedObjects, list(ListParameters)),
    action!("DescribeManagedObject", DescribeManagedObject, describe(OneObject)),
    action!("DestroyManagedObject", DestroyManagedObject, destroy(OneObject)),
];

parameters! {
    struct KeyParameters {
        key: KeyRef = "KeyId" required shown => key_ref;
    }
}

parameters! {
    struct ListParameters {
        after: Option<Vec<u8>> = "Marker" optional shown => place;
        most: u32 = "MaxItems" default(ORDINARY_ITEMS) shown => up_to(MAX_ITEMS);
    }
}

parameters! {
    struct OneObject {
        id: ObjectId = "ObjectId" required shown => object_id;
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ChosenKey {
    /// Empty where none is chosen.
    key_id: Shown<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Object {
    object_id: Shown<String>,
    object_type: Shown<&'static str>,
    state: Shown<&'static str>,
    key_id: Shown<String>,
    names: Names,
    create_date: Shown<String>,
    update_date: Shown<String>,
    activation_date: Shown<String>,
    deactivation_date: Shown<String>,
    compromise_date: Shown<String>,
    destroy_date: Shown<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Names {
    name: Vec<String>,
}

impl Object {
    fn new(about: ObjectAbout) -> Self {
        let kind = match about.kind {
            ObjectKind::Certificate => "Certificate",
            ObjectKind::SymmetricKey => "SymmetricKey",
            ObjectKind::PublicKey => "PublicKey",
            ObjectKind::PrivateKey => "PrivateKey",
            ObjectKind::SecretData => "SecretData",
            ObjectKind::OpaqueData => "OpaqueObject",
        };
        Self {
            object_id: about.id.to_string().into(),
            object_type: kind.into(),
            state: object_failure::name(about.state).into(),
            key_id: about.key.to_string().into(),
            names: Names { name: about.names.iter().map(|name| name.as_str().to_owned()).collect() },
            create_date: time(Some(about.created)).into(),
            update_date: time(Some(about.changed)).into(),
            activation_date: time(about.activation).into(),
            deactivation_date: time(about.deactivation).into(),
            compromise_date: time(about.compromise).into(),
            destroy_date: time(about.destruction).into(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content {
    managed_object: Object,
}

async fn set_key(exchange: &Exchange<'_>, given: KeyParameters) -> Result<Reply, WireError> {
    let key = exchange.perform(SetObjectKey { key: given.key }).await?;
    exchange.reply(&ChosenKey { key_id: key.to_string().into() })
}

async fn get_key(exchange: &Exchange<'_>) -> Result<Reply, WireError> {
    let key = exchange.perform(GetObjectKey).await?;
    exchange.reply(&ChosenKey { key_id: key.map(|key| key.to_string()).unwrap_or_default().into() })
}

async fn list(exchange: &Exchange<'_>, given: ListParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Listed {
        is_truncated: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        marker: Option<String>,
        managed_objects: ManagedObjects,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct ManagedObjects {
        managed_object: Vec<Object>,
    }
    let ListParameters { after, most } = given;
    let listing = ListManagedObjects { filter: ObjectFilter::default(), after, skip: 0, most: most as usize };
    let page = exchange.perform(listing).await?;
    let marker = page.next.as_deref().map(place_text);
    let managed_object = page.objects.into_iter().map(Object::new).collect();
    exchange.reply(&Listed {
        is_truncated: marker.is_some(),
        marker,
        managed_objects: ManagedObjects { managed_object },
    })
}

async fn describe(exchange: &Exchange<'_>, given: OneObject) -> Result<Reply, WireError> {
    let about = exchange.perform(DescribeManagedObject { id: given.id }).await?;
    exchange.reply(&Content { managed_object: Object::new(about) })
}

async fn destroy(exchange: &Exchange<'_>, given: OneObject) -> Result<Reply, WireError> {
    exchange.perform(DestroyManagedObject { id: given.id }).await?;
    exchange.done()
}
