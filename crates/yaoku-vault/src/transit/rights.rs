//! Which operations stand behind what is done with keys: for [`crate::capabilities`].

use yaoku_kms::operations::aliases::{CreateAlias, ListAliases};
use yaoku_kms::operations::asymmetric::{
    AsymmetricDecrypt, AsymmetricEncrypt, AsymmetricSign, AsymmetricVerify, GetPublicKey,
};
use yaoku_kms::operations::crypto::{Decrypt, Encrypt, ReEncrypt};
use yaoku_kms::operations::data_keys::{GenerateDataKey, GenerateDataKeyWithoutPlaintext};
use yaoku_kms::operations::keys::{CreateKey, DescribeKey, ListKeys, ScheduleKeyDeletion, SetDeletionProtection};
use yaoku_kms::operations::mac::{GenerateMac, VerifyMac};
use yaoku_kms::operations::rights::{CheckRights, Operations, Rights};
use yaoku_kms::operations::versions::{CreateKeyVersion, ListKeyVersions, UpdateRotationPolicy};
use yaoku_kms::{ALIAS, KEY, KeyRef, KeySpec, KeyUsage, Operation};

use super::key_ref;
use crate::capabilities::Allowed;
use crate::failure::Failure;
use crate::router::{Act, Route};
use crate::service::Exchange;

/// Whether the caller may do what a route to keys leads to.
pub(crate) async fn may(exchange: &Exchange<'_>, route: &Route<'_>) -> Result<Allowed, Failure> {
    let has = async |rights| exchange.perform(CheckRights(rights)).await;
    if route.act == Act::ListKeys {
        let may = has(Rights::OnAll(ALIAS, &[&ListAliases::SPEC])).await?
            && has(Rights::OnAll(KEY, &[&ListKeys::SPEC])).await?;
        return Ok(may.into());
    }
    // What can be no name of a key is that of none.
    let Ok(key) = key_ref(&route.name) else { return Ok(Allowed::No) };
    match (route.act, key) {
        // A key is made with its name; the ids of keys are drawn.
        (Act::CreateKey, KeyRef::Alias(alias)) => {
            let may = has(Rights::OnAll(KEY, &[&CreateKey::SPEC])).await?
                && has(Rights::OnAlias(alias, &[&CreateAlias::SPEC])).await?;
            Ok(if may { Allowed::ToCreate } else { Allowed::No })
        }
        (Act::CreateKey, key) => Ok(has(Rights::OnKey(key, |_, _| &[&DescribeKey::SPEC])).await?.into()),
        // A ciphertext may be of another account's key.
        (Act::Decrypt, KeyRef::Id(id)) => {
            Ok(has(Rights::OnKey(KeyRef::OfAnyAccount(id), needed(Act::Decrypt))).await?.into())
        }
        (act, key) => Ok(has(Rights::OnKey(key, needed(act))).await?.into()),
    }
}

/// The operations behind an act, by the spec and usage of the key.
fn needed(act: Act) -> fn(KeySpec, KeyUsage) -> Operations {
    match act {
        Act::ReadKey => |spec, _| match spec.has_primary() {
            true => &[&DescribeKey::SPEC, &ListKeyVersions::SPEC],
            false => &[&DescribeKey::SPEC, &ListKeyVersions::SPEC, &GetPublicKey::SPEC],
        },
        Act::DeleteKey => |_, _| &[&DescribeKey::SPEC, &ScheduleKeyDeletion::SPEC],
        Act::RotateKey => |_, _| &[&CreateKeyVersion::SPEC],
        // What can be said there is allowed, all of it.
        Act::ConfigureKey => |spec, _| match spec.has_primary() {
            true => {
                &[&DescribeKey::SPEC, &ListKeyVersions::SPEC, &UpdateRotationPolicy::SPEC, &SetDeletionProtection::SPEC]
            }
            false => &[
                &DescribeKey::SPEC,
                &ListKeyVersions::SPEC,
                &GetPublicKey::SPEC,
                &UpdateRotationPolicy::SPEC,
                &SetDeletionProtection::SPEC,
            ],
        },
        Act::Encrypt => |spec, usage| match usage {
            KeyUsage::EncryptDecrypt if spec.has_primary() => &[&Encrypt::SPEC],
            KeyUsage::EncryptDecrypt => &[&AsymmetricEncrypt::SPEC],
            KeyUsage::SignVerify | KeyUsage::GenerateVerifyMac => &[],
        },
        Act::Decrypt => |spec, usage| match usage {
            KeyUsage::EncryptDecrypt if spec.has_primary() => &[&Decrypt::SPEC],
            KeyUsage::EncryptDecrypt => &[&AsymmetricDecrypt::SPEC],
            KeyUsage::SignVerify | KeyUsage::GenerateVerifyMac => &[],
        },
        Act::Rewrap => |spec, _| if spec.aead().is_some() { &[&ReEncrypt::SPEC] } else { &[] },
        Act::DataKeyPlaintext => |spec, _| if spec.aead().is_some() { &[&GenerateDataKey::SPEC] } else { &[] },
        Act::DataKeyWrapped => {
            |spec, _| if spec.aead().is_some() { &[&GenerateDataKeyWithoutPlaintext::SPEC] } else { &[] }
        }
        Act::Sign => |_, usage| match usage {
            KeyUsage::SignVerify => &[&DescribeKey::SPEC, &AsymmetricSign::SPEC],
            KeyUsage::EncryptDecrypt | KeyUsage::GenerateVerifyMac => &[],
        },
        Act::Verify => |_, usage| match usage {
            KeyUsage::SignVerify => &[&DescribeKey::SPEC, &AsymmetricVerify::SPEC],
            KeyUsage::GenerateVerifyMac => &[&VerifyMac::SPEC],
            KeyUsage::EncryptDecrypt => &[],
        },
        Act::Hmac => |_, usage| match usage {
            KeyUsage::GenerateVerifyMac => &[&GenerateMac::SPEC],
            KeyUsage::EncryptDecrypt | KeyUsage::SignVerify => &[],
        },
        _ => |_, _| &[],
    }
}
