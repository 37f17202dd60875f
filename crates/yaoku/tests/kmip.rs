//! KMIP over its socket: what customer master keys do and refuse, who may, batches, versions, and what is recorded.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "support/kmip.rs"]
mod kmip;
mod support;
#[path = "support/vault.rs"]
mod vault;

use std::io::Read;

use kmip::*;
use rcgen::KeyPair;
use serde_json::Value as Json;
use support::{RAM, records};
use vault::{FULL_ACCESS, detach, make_user};
use yaoku_kmip::ttlv::{Tag, Writer};

#[test]
fn keys_are_used_and_never_leave() {
    let lab = Lab::start();
    let root = lab.root();
    let mut at = lab.connect(None);
    let (key, other) = (root.create_key(&[]), root.create_key(&[]));

    // Encryption, bound to additional data.
    let data = |bytes: &'static [u8], bound: &'static [u8]| {
        move |payload: &mut Writer| {
            payload.bytes(Tag::DATA, bytes);
            if !bound.is_empty() {
                payload.bytes(Tag::AUTHENTICATED_ENCRYPTION_ADDITIONAL_DATA, bound);
            }
        }
    };
    let encrypted = at.send(&Request::new(ENCRYPT, about(&key, data(b"some plaintext", b"volume-1"))));
    let blob = bytes(encrypted.ok(), Tag::DATA);
    let decrypt = |at: &mut Connection, key: &str, bound: &'static [u8]| {
        at.send(&Request::new(DECRYPT, |payload| {
            payload.text(Tag::UNIQUE_IDENTIFIER, key);
            payload.bytes(Tag::DATA, &blob);
            if !bound.is_empty() {
                payload.bytes(Tag::AUTHENTICATED_ENCRYPTION_ADDITIONAL_DATA, bound);
            }
        }))
    };
    assert_eq!(bytes(decrypt(&mut at, &key, b"volume-1").ok(), Tag::DATA), b"some plaintext");
    decrypt(&mut at, &key, b"volume-2").fails(CRYPTOGRAPHIC_FAILURE);
    decrypt(&mut at, &other, b"volume-1").fails(CRYPTOGRAPHIC_FAILURE);
    let cbc = about(&key, |payload| {
        payload.structure(Tag::CRYPTOGRAPHIC_PARAMETERS, |inside| inside.enumeration(Tag::BLOCK_CIPHER_MODE, 1));
        payload.bytes(Tag::DATA, b"x");
    });
    assert!(at.send(&Request::new(ENCRYPT, cbc)).fails(FEATURE_NOT_SUPPORTED).contains("GCM"));

    // Codes and signatures.
    let mac_key = root.create_key(&[("KeySpec", "HMAC_SHA256"), ("KeyUsage", "GENERATE/VERIFY_MAC")]);
    let made = at.send(&Request::new(MAC, about(&mac_key, |payload| payload.bytes(Tag::DATA, b"message"))));
    let code = bytes(made.ok(), Tag::MAC_DATA);
    assert_eq!(code.len(), 32);
    for (message, validity) in [(b"message", 1), (b"massage", 2)] {
        let verify = about(&mac_key, |payload| {
            payload.bytes(Tag::DATA, message);
            payload.bytes(Tag::MAC_DATA, &code);
        });
        assert_eq!(numbers(at.send(&Request::new(MAC_VERIFY, verify)).ok(), Tag::VALIDITY_INDICATOR), [validity]);
    }
    at.send(&Request::new(MAC, about(&key, |payload| payload.bytes(Tag::DATA, b"m")))).fails(ILLEGAL_OPERATION);
    let pair = root.create_key(&[("KeySpec", "EC_P256"), ("KeyUsage", "SIGN/VERIFY")]);
    let signed = at.send(&Request::new(SIGN, about(&pair, |payload| payload.bytes(Tag::DATA, b"message"))));
    let signature = bytes(signed.ok(), Tag::SIGNATURE_DATA);
    // What an older version signed stays valid.
    root.call("CreateKeyVersion", &[("KeyId", &pair)]).ok();
    for (message, validity) in [(b"message", 1), (b"massage", 2)] {
        let verify = about(&pair, |payload| {
            payload.bytes(Tag::DATA, message);
            payload.bytes(Tag::SIGNATURE_DATA, &signature);
        });
        let verified = at.send(&Request::new(SIGNATURE_VERIFY, verify));
        assert_eq!(numbers(verified.ok(), Tag::VALIDITY_INDICATOR), [validity]);
    }
    let random = at.send(&Request::new(RNG_RETRIEVE, |payload| payload.integer(Tag::DATA_LENGTH, 48)));
    assert_eq!(bytes(random.ok(), Tag::DATA).len(), 48);

    // They never leave, and their life is another API's.
    assert!(at.send(&Request::new(GET, about(&key, |_| ()))).fails(NOT_EXTRACTABLE).contains("never leaves"));
    let get = |version: (i32, i32)| Request::new(GET, about(&key, |_| ())).version(version.0, version.1);
    at.send(&get((1, 0))).fails(PERMISSION_DENIED);
    let destroy = at.send(&Request::new(DESTROY, about(&key, |_| ())));
    assert!(destroy.fails(ILLEGAL_OPERATION).contains("ScheduleKeyDeletion"));
    assert_eq!(root.state(&key), "Enabled");
    at.send(&Request::new(GET, about("0c38e4d6-2c9d-4d7a-9a1b-2f1f0f9f7a10", |_| ()))).fails(ITEM_NOT_FOUND);
    at.send(&Request::new(GET, about("no id", |_| ()))).fails(ITEM_NOT_FOUND);

    // Disabled by another API, refused at the next call.
    root.call("DisableKey", &[("KeyId", &key)]).ok();
    assert!(decrypt(&mut at, &key, b"volume-1").fails(PERMISSION_DENIED).contains("disabled"));
}

#[test]
fn objects_are_located_and_described_in_either_form() {
    let lab = Lab::start();
    let root = lab.root();
    let mut at = lab.connect(None);
    let (key, pair) = (root.create_key(&[]), root.create_key(&[("KeySpec", "RSA_2048"), ("KeyUsage", "SIGN/VERIFY")]));
    root.call("CreateAlias", &[("KeyId", &key), ("AliasName", "alias/bucket/one")]).ok();

    let located = at.send(&Request::new(LOCATE, |payload| named(payload, "bucket/one")));
    assert_eq!(texts(located.ok(), Tag::UNIQUE_IDENTIFIER), std::slice::from_ref(&key));
    assert_eq!(numbers(located.ok(), Tag::LOCATED_ITEMS), [1]);
    let located = at.send(&Request::new(LOCATE, |payload| named(payload, "bucket/two")).version(1, 0));
    assert!(texts(located.ok(), Tag::UNIQUE_IDENTIFIER).is_empty());
    assert!(numbers(located.ok(), Tag::LOCATED_ITEMS).is_empty(), "1.0 has no such field");
    let private = |payload: &mut Writer| {
        payload.structure(Tag::ATTRIBUTES, |inside| {
            inside.enumeration(Tag::OBJECT_TYPE, 4);
            inside.enumeration(Tag::CRYPTOGRAPHIC_ALGORITHM, 4);
            inside.integer(Tag::CRYPTOGRAPHIC_LENGTH, 2048);
            inside.enumeration(Tag::STATE, 2);
        });
    };
    let located = at.send(&Request::new(LOCATE, private).version(2, 0));
    assert_eq!(texts(located.ok(), Tag::UNIQUE_IDENTIFIER), std::slice::from_ref(&pair));
    // Pages: all there is, one by one.
    let mut paged = Vec::new();
    for offset in 0..3 {
        let page = at.send(&Request::new(LOCATE, move |payload| {
            payload.integer(Tag::MAXIMUM_ITEMS, 1);
            payload.integer(Tag::OFFSET_ITEMS, offset);
        }));
        paged.extend(texts(page.ok(), Tag::UNIQUE_IDENTIFIER));
    }
    assert_eq!(paged, [key.clone(), pair.clone()]);

    let described = at.send(&Request::new(GET_ATTRIBUTES, about(&key, |_| ())));
    let names = texts(described.ok(), Tag::ATTRIBUTE_NAME);
    for name in ["Name", "State", "Cryptographic Algorithm", "Cryptographic Usage Mask", "Sensitive"] {
        assert!(names.iter().any(|given| given == name), "{name} in {names:?}");
    }
    assert_eq!(texts(described.ok(), Tag::NAME_VALUE), ["bucket/one"]);
    let older = at.send(&Request::new(GET_ATTRIBUTES, about(&key, |_| ())).version(1, 0));
    assert!(!texts(older.ok(), Tag::ATTRIBUTE_NAME).contains(&"Sensitive".to_owned()), "it came with 1.4");
    let listed = at.send(&Request::new(GET_ATTRIBUTE_LIST, about(&key, |_| ())));
    assert_eq!(texts(listed.ok(), Tag::ATTRIBUTE_NAME), names);
    let by_tag = about(&key, |payload| {
        payload.enumeration(Tag::ATTRIBUTE_REFERENCE, Tag::STATE.number());
        payload.enumeration(Tag::ATTRIBUTE_REFERENCE, Tag::CRYPTOGRAPHIC_LENGTH.number());
    });
    let described = at.send(&Request::new(GET_ATTRIBUTES, by_tag).version(2, 0));
    assert_eq!(numbers(described.ok(), Tag::CRYPTOGRAPHIC_LENGTH), [256]);
    assert_eq!(numbers(described.ok(), Tag::STATE), [2]);
    assert!(texts(described.ok(), Tag::NAME_VALUE).is_empty(), "only what was asked for");
    root.call("DisableKey", &[("KeyId", &key)]).ok();
    let described = at.send(&Request::new(GET_ATTRIBUTES, about(&key, |_| ())).version(2, 0));
    assert_eq!(numbers(described.ok(), Tag::STATE), [3]);
}

#[test]
fn callers_are_proven_by_certificate_or_access_key_and_both_must_name_one_user() {
    let lab = Lab::start();
    let root = lab.root();
    for user in ["one", "two"] {
        make_user(&root, user, FULL_ACCESS);
    }
    let made = root.at(RAM).call("CreateAccessKey", &[("UserName", "one")]).ok();
    let id = made.text("AccessKey/AccessKeyId").to_owned();
    let secret = made.text("AccessKey/AccessKeySecret").to_owned();
    let [first, second, unbound] = [(); 3].map(|()| KeyPair::generate().unwrap());
    lab.bind("one", &first);
    lab.bind("two", &second);
    let ask = |key: Option<&KeyPair>, credential| {
        lab.connect(key)
            .send(&Request::new(RNG_RETRIEVE, |payload| payload.integer(Tag::DATA_LENGTH, 1)).by(credential))
    };
    let own = Some((id.as_str(), secret.as_str()));
    for (key, credential) in [(Some(&first), None), (None, own), (Some(&first), own), (Some(&unbound), own)] {
        ask(key, credential).ok();
    }
    let refused = [
        (None, None),
        (Some(&unbound), None),
        (Some(&second), own),
        (None, Some((id.as_str(), "wrong"))),
        (Some(&first), Some((id.as_str(), "wrong"))),
        (None, Some(("nobody", secret.as_str()))),
    ];
    for (key, credential) in refused {
        ask(key, credential).fails(NOT_AUTHENTICATED);
    }
    // What a certificate is bound to in another account is nothing to who comes with an AccessKey.
    yaoku(&lab.data, &["account", "create", "other", "--id", "1000000000000077"]);
    yaoku(&lab.data, &["ram", "user", "create", "three", "--account", "1000000000000077"]);
    let path = lab.data.with_extension("third.pem");
    for key in [&first, &unbound] {
        std::fs::write(&path, lab.certificate(key).pem()).unwrap();
        let bind = ["ram", "certificate", "bind", "--user", "three", path.to_str().unwrap()];
        yaoku(&lab.data, &[&bind[..], &["--account", "1000000000000077"]].concat());
        ask(Some(key), own).ok();
    }
    // A user without permissions is told nothing of what there is.
    let key = root.create_key(&[]);
    detach(&root, "one");
    for target in [&*key, "0c38e4d6-2c9d-4d7a-9a1b-2f1f0f9f7a10"] {
        let request = Request::new(ENCRYPT, about(target, |payload| payload.bytes(Tag::DATA, b"x"))).by(own);
        let (answer, get) = (
            lab.connect(None).send(&request),
            lab.connect(None).send(&Request::new(GET, about(target, |_| ())).by(own)),
        );
        assert!(matches!(answer.items[0], Err((PERMISSION_DENIED | ITEM_NOT_FOUND, _))), "{:?}", answer.items);
        assert!(matches!(get.items[0], Err((PERMISSION_DENIED | ITEM_NOT_FOUND, _))), "{:?}", get.items);
    }
    let all = records(&lab.data).iter().map(ToString::to_string).collect::<String>();
    assert!(all.contains("AuthenticationNotSuccessful") && !all.contains(&secret));
}

#[test]
fn batches_stop_or_go_on_and_their_items_refer_to_those_before() {
    let lab = Lab::start();
    let root = lab.root();
    let mut at = lab.connect(None);
    let key = root.create_key(&[]);
    root.call("CreateAlias", &[("KeyId", &key), ("AliasName", "alias/disk")]).ok();
    let encrypt = |payload: &mut Writer| payload.bytes(Tag::DATA, b"plaintext");
    let linked = Request::new(LOCATE, |payload| named(payload, "disk")).and(ENCRYPT, encrypt);
    let answer = at.send(&linked);
    assert_eq!(texts(answer.items[1].as_ref().unwrap(), Tag::UNIQUE_IDENTIFIER), std::slice::from_ref(&key));
    assert!(!bytes(answer.items[1].as_ref().unwrap(), Tag::DATA).is_empty());

    let mixed = || {
        Request::new(GET, about(&key, |_| ()))
            .and(ENCRYPT, about(&key, encrypt))
            .and(DERIVE_KEY, |_| ())
            .and(QUERY, |_| ())
    };
    let answer = at.send(&mixed());
    assert!(matches!(answer.items.as_slice(), [Err((NOT_EXTRACTABLE, _))]), "it stops: {:?}", answer.items);
    let go_on = |header: &mut Writer| header.enumeration(Tag::BATCH_ERROR_CONTINUATION_OPTION, 1);
    let answer = at.send(&mixed().header(go_on));
    assert!(
        matches!(answer.items.as_slice(), [Err((NOT_EXTRACTABLE, _)), Ok(_), Err((NOT_SUPPORTED, _)), Ok(_)]),
        "{:?}",
        answer.items
    );
    // Each item has a record of its own.
    let names: Vec<_> = records(&lab.data)
        .iter()
        .filter(|record| record["serviceName"] == "KMIP")
        .map(|record| record["eventName"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["Locate", "Encrypt", "Get", "Get", "Encrypt", "DeriveKey", "Query"]);

    let undo = |header: &mut Writer| header.enumeration(Tag::BATCH_ERROR_CONTINUATION_OPTION, 3);
    at.send(&linked.header(undo)).fails(FEATURE_NOT_SUPPORTED);
    let wait = |header: &mut Writer| header.boolean(Tag::ASYNCHRONOUS_INDICATOR, true);
    at.send(&Request::new(QUERY, |_| ()).header(wait)).fails(FEATURE_NOT_SUPPORTED);
    let small = |header: &mut Writer| header.integer(Tag::MAXIMUM_RESPONSE_SIZE, 200);
    let random = |payload: &mut Writer| payload.integer(Tag::DATA_LENGTH, 256);
    at.send(&Request::new(RNG_RETRIEVE, random).header(small)).fails(RESPONSE_TOO_LARGE);
    let empty = |payload: &mut Writer| payload.integer(Tag::DATA_LENGTH, 1);
    at.send(&Request::new(RNG_RETRIEVE, empty).header(small)).ok();
    // What is not asked for in an operation's payload is not passed over.
    at.send(&Request::new(QUERY, |payload| payload.integer(Tag::OFFSET, 1))).fails(INVALID_FIELD);
    let critical = about(&key, encrypt);
    at.send(&Request::new(ENCRYPT, critical).version(3, 0)).fails(INVALID_MESSAGE);
}

#[test]
fn versions_are_told_and_what_is_no_message_is_refused() {
    let lab = Lab::start();
    let mut at = lab.connect(None);
    let answer = at.send(&Request::new(DISCOVER_VERSIONS, |_| ()).version(1, 1));
    assert_eq!(answer.version, (1, 1));
    let majors = numbers(answer.ok(), Tag::PROTOCOL_VERSION_MAJOR);
    let minors = numbers(answer.ok(), Tag::PROTOCOL_VERSION_MINOR);
    let versions: Vec<_> = majors.into_iter().zip(minors).collect();
    assert_eq!(versions, [(2, 1), (2, 0), (1, 4), (1, 3), (1, 2), (1, 1), (1, 0)]);
    at.send(&Request::new(DISCOVER_VERSIONS, |_| ()).version(1, 0)).fails(NOT_SUPPORTED);
    let functions = |payload: &mut Writer| (1..=3).for_each(|number| payload.enumeration(Tag::QUERY_FUNCTION, number));
    let answer = at.send(&Request::new(QUERY, functions).version(1, 0));
    let known = numbers(answer.ok(), Tag::OPERATION);
    assert!(known.contains(&0x08) && !known.contains(&0x1f), "Encrypt came with 1.2: {known:?}");
    assert!(texts(answer.ok(), Tag::VENDOR_IDENTIFICATION)[0].starts_with("yaoku"));

    // A request whose inside is none leaves the connection usable; what does not begin like one ends it.
    let broken = [&[0x42, 0, 0x78, 1, 0, 0, 0, 8][..], &[0xff; 8]].concat();
    Response::read(&at.exchange(&broken)).fails(INVALID_MESSAGE);
    at.send(&Request::new(QUERY, |_| ())).ok();
    Response::read(&at.exchange(b"GET / HTTP/1.1\r\n\r\n")).fails(INVALID_MESSAGE);
    assert_eq!(at.0.read(&mut [0; 1]).unwrap_or(0), 0, "the connection ended");
    let recorded: Vec<Json> =
        records(&lab.data).into_iter().filter(|record| record["errorCode"] == "InvalidMessage").collect();
    assert_eq!(recorded.len(), 2, "both are recorded");
}
