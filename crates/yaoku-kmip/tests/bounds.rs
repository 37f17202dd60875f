//! A batch counts as a call under way for each 16 of its items: its own items never refuse each other, and nobody gets much more done at once by
//! putting more into a message.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use support::{as_root, user};
use yaoku_crypto::SystemRandom;
use yaoku_http::{IncomingMessage, MessageHandler};
use yaoku_iam::SystemClock;
use yaoku_iam::operations::access_keys::CreateAccessKey;
use yaoku_iam::operations::users::{CreateUser, UserDetails};
use yaoku_kmip::Service;
use yaoku_kmip::ttlv::{Item, Tag, Value, Writer, decode};
use yaoku_seal::Vault;
use yaoku_seal::seal::FileSeal;
use yaoku_store::{Embedded, Options};

const QUERY: u32 = 0x18;
const DESTROY: u32 = 0x14;

fn request(credential: (&str, &str), operation: u32, items: i32) -> IncomingMessage {
    let mut message = Writer::new();
    message.structure(Tag::REQUEST_MESSAGE, |message| {
        message.structure(Tag::REQUEST_HEADER, |header| {
            header.structure(Tag::PROTOCOL_VERSION, |version| {
                version.integer(Tag::PROTOCOL_VERSION_MAJOR, 1);
                version.integer(Tag::PROTOCOL_VERSION_MINOR, 4);
            });
            header.structure(Tag::AUTHENTICATION, |inside| {
                inside.structure(Tag::CREDENTIAL, |inside| {
                    inside.enumeration(Tag::CREDENTIAL_TYPE, 1);
                    inside.structure(Tag::CREDENTIAL_VALUE, |inside| {
                        inside.text(Tag::USERNAME, credential.0);
                        inside.text(Tag::PASSWORD, credential.1);
                    });
                });
            });
            header.enumeration(Tag::BATCH_ERROR_CONTINUATION_OPTION, 1);
            header.integer(Tag::BATCH_COUNT, items);
        });
        for _ in 0..items {
            message.structure(Tag::BATCH_ITEM, |item| {
                item.enumeration(Tag::OPERATION, operation);
                item.structure(Tag::REQUEST_PAYLOAD, |payload| {
                    if operation == DESTROY {
                        payload.text(Tag::UNIQUE_IDENTIFIER, "obj-00000000000000000000000000000000");
                    }
                });
            });
        }
    });
    IncomingMessage {
        bytes: message.finish(),
        peer: SocketAddr::from((Ipv4Addr::LOCALHOST, 1)),
        tls: true,
        client_certificate: None,
        abandoned: Arc::default(),
    }
}

/// Result reasons in a response; none for what was done.
fn reasons(item: &Item<'_>) -> Vec<Option<u32>> {
    let Value::Structure(items) = &item.value else { return Vec::new() };
    let find = |tag| {
        items.iter().find(|item| item.tag == tag).and_then(|item| match item.value {
            Value::Enumeration(number) => Some(number),
            _ => None,
        })
    };
    match find(Tag::RESULT_STATUS) {
        Some(_) => vec![find(Tag::RESULT_REASON)],
        None => items.iter().flat_map(reasons).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn items_of_a_batch_count_as_calls() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Embedded::open(&dir.path().join("store"), Options::default()).unwrap());
    let seal = Arc::new(FileSeal { path: dir.path().join("root.key") });
    let vault = Arc::new(Vault::open(store, seal, Arc::new(SystemRandom)).await.unwrap());
    let gate = support::gate(&vault, Arc::new(SystemClock)).await;
    as_root(&gate, CreateUser { name: user(), details: UserDetails::default() }).await;
    let access_key = as_root(&gate, CreateAccessKey { whose: Some(user()) }).await.key;
    let secret = String::from_utf8(access_key.secret.expose().to_vec()).unwrap();
    drop(gate);
    // A third of these is a principal's.
    let vault = &vault;
    let service = async |calls| {
        let gate = Arc::into_inner(support::gate(vault, Arc::new(SystemClock)).await).unwrap();
        Service::new(Arc::new(gate.with_calls_at_once(calls)))
    };
    let (few, more) = (service(6).await, service(30).await);
    let credential = (access_key.id.as_str(), secret.as_str());
    const THROTTLED: Option<u32> = Some(0x100);
    for _ in 0..2 {
        let answer = more.call(&request(credential, QUERY, 64)).await;
        assert_eq!(reasons(&decode(&answer).ok().unwrap()), [None; 64]);
        // The first and the seventeenth keep their places.
        let answer = few.call(&request(credential, QUERY, 40)).await;
        let reasons = reasons(&decode(&answer).ok().unwrap());
        assert_eq!((reasons.len(), &reasons[..17], &reasons[17..]), (40, &[None; 17][..], &[THROTTLED; 23][..]));
    }
    let answer = few.call(&request(credential, DESTROY, 40)).await;
    let reasons = reasons(&decode(&answer).ok().unwrap());
    assert!(reasons.len() == 40 && !reasons.contains(&THROTTLED), "{reasons:?}");
}
