//! Managed objects over KMIP: made, registered, fetched, changed and destroyed; the CMK that they stand under; who may, and what is recorded.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "support/kmip.rs"]
mod kmip;
mod support;
#[path = "support/vault.rs"]
mod vault;

use kmip::*;
use serde_json::Value as Json;
use support::{Client, RAM, records};
use vault::{CREDENTIALS, detach, make_user};
use yaoku_kmip::ttlv::{Tag, Writer, decode};

const AES: u32 = 3;
const RSA: u32 = 4;
const EC: u32 = 0x1a;
const SYMMETRIC_KEY: u32 = 2;
const PRE_ACTIVE: i64 = 1;
const ACTIVE: i64 = 2;
const DEACTIVATED: i64 = 3;
const COMPROMISED: i64 = 4;
const DESTROYED: i64 = 5;
const VERSIONS: [(i32, i32); 3] = [(1, 2), (1, 4), (2, 0)];

/// Writes attributes in either form.
struct Attributes<'w> {
    writer: &'w mut Writer,
    by_tag: bool,
}

impl Attributes<'_> {
    fn add(&mut self, tag: Tag, write: impl FnOnce(&mut Writer, Tag)) {
        match self.by_tag {
            true => write(self.writer, tag),
            false => self.writer.structure(Tag::ATTRIBUTE, |attribute| {
                attribute.text(Tag::ATTRIBUTE_NAME, tag.name().unwrap());
                write(attribute, Tag::ATTRIBUTE_VALUE);
            }),
        }
    }

    fn aes(&mut self, bits: i32) {
        self.add(Tag::CRYPTOGRAPHIC_ALGORITHM, |writer, tag| writer.enumeration(tag, AES));
        self.add(Tag::CRYPTOGRAPHIC_LENGTH, |writer, tag| writer.integer(tag, bits));
        self.add(Tag::CRYPTOGRAPHIC_USAGE_MASK, |writer, tag| writer.integer(tag, 0x0c));
    }

    fn name(&mut self, name: &str) {
        self.add(Tag::NAME, |writer, tag| {
            writer.structure(tag, |value| {
                value.text(Tag::NAME_VALUE, name);
                value.enumeration(Tag::NAME_TYPE, 1);
            });
        });
    }
}

/// Attributes where an object to be made has them.
fn template(payload: &mut Writer, version: (i32, i32), write: impl Fn(&mut Attributes<'_>)) {
    let by_tag = version.0 == 2;
    let tag = if by_tag { Tag::ATTRIBUTES } else { Tag::TEMPLATE_ATTRIBUTE };
    payload.structure(tag, |writer| write(&mut Attributes { writer, by_tag }));
}

fn create(version: (i32, i32), write: impl Fn(&mut Attributes<'_>)) -> Request<'static> {
    let bytes = {
        let mut payload = Writer::new();
        payload.structure(Tag::REQUEST_PAYLOAD, |payload| {
            payload.enumeration(Tag::OBJECT_TYPE, SYMMETRIC_KEY);
            template(payload, version, &write);
        });
        payload.finish().to_vec()
    };
    prepared(CREATE, version, bytes)
}

/// A request whose payload is written already.
fn prepared(operation: u32, version: (i32, i32), payload: Vec<u8>) -> Request<'static> {
    let copy = move |writer: &mut Writer| {
        let item = decode(&payload).unwrap_or_else(|error| panic!("{error}"));
        if let yaoku_kmip::ttlv::Value::Structure(items) = &item.value {
            items.iter().for_each(|item| writer.item(item));
        }
    };
    Request::new(operation, copy).version(version.0, version.1)
}

fn id(payload: &[u8]) -> String {
    texts(payload, Tag::UNIQUE_IDENTIFIER).remove(0)
}

/// A server whose account has chosen a CMK for managed objects: the server, and the CMK.
fn lab() -> (Lab, String) {
    let lab = Lab::start();
    let key = lab.root().create_key(&[]);
    yaoku(&lab.data, &["kmip", "set-key", &key]);
    (lab, key)
}

fn of(operation: u32, object: &str) -> Request<'_> {
    Request::new(operation, about(object, |_| ()))
}

fn state(at: &mut Connection, object: &str) -> i64 {
    let described = at.send(&of(GET_ATTRIBUTES, object).version(2, 0));
    numbers(described.ok(), Tag::STATE)[0]
}

fn revoke(object: &str, reason: u32) -> Request<'_> {
    Request::new(
        REVOKE,
        about(object, move |payload| {
            payload.structure(Tag::REVOCATION_REASON, |inside| {
                inside.enumeration(Tag::REVOCATION_REASON_CODE, reason);
                inside.text(Tag::REVOCATION_MESSAGE, "because");
            });
        }),
    )
}

#[test]
fn keys_are_made_fetched_and_destroyed_in_every_version() {
    let (lab, _) = lab();
    let mut at = lab.connect(None);
    for version in VERSIONS {
        let name = format!("volume-{}.{}", version.0, version.1);
        let made = at.send(&create(version, |attributes| {
            attributes.aes(256);
            attributes.name(&name);
        }));
        let key = id(made.ok());
        assert_eq!(numbers(made.ok(), Tag::OBJECT_TYPE), [2]);
        assert!(key.starts_with("obj-"), "{key}");
        let get = || of(GET, &key).version(version.0, version.1);
        let fetched = at.send(&get());
        let material = bytes(fetched.ok(), Tag::KEY_MATERIAL);
        assert_eq!(material.len(), 32);
        assert_eq!(numbers(fetched.ok(), Tag::KEY_FORMAT_TYPE), [1]);
        assert_eq!(numbers(fetched.ok(), Tag::CRYPTOGRAPHIC_LENGTH), [256]);
        assert_eq!(bytes(at.send(&get()).ok(), Tag::KEY_MATERIAL), material, "it is the same each time");
        // The name is taken, until the object is destroyed.
        let again = || {
            create(version, |attributes| {
                attributes.aes(256);
                attributes.name(&name);
            })
        };
        let reason = if version.0 == 2 { 0x35 } else { INVALID_FIELD };
        assert!(at.send(&again()).fails(reason).contains("Name"));
        assert_eq!(state(&mut at, &key), PRE_ACTIVE);
        at.send(&of(ACTIVATE, &key)).ok();
        assert_eq!(state(&mut at, &key), ACTIVE);
        let refused = at.send(&of(DESTROY, &key).version(version.0, version.1));
        assert!(refused.fails(if version.0 == 2 { 0x43 } else { PERMISSION_DENIED }).contains("Active"));
        at.send(&revoke(&key, 6)).ok();
        assert_eq!(state(&mut at, &key), DEACTIVATED);
        assert_eq!(bytes(at.send(&get()).ok(), Tag::KEY_MATERIAL), material, "what it protected must still be read");
        at.send(&of(DESTROY, &key)).ok();
        assert_eq!(state(&mut at, &key), DESTROYED);
        at.send(&of(GET, &key)).fails(PERMISSION_DENIED);
        let described = at.send(&of(GET_ATTRIBUTES, &key).version(2, 0));
        assert_eq!(texts(described.ok(), Tag::REVOCATION_MESSAGE), ["because"]);
        let destroyed = Request::new(LOCATE, |payload| {
            payload.structure(Tag::ATTRIBUTES, |inside| inside.enumeration(Tag::STATE, 5));
        });
        assert!(texts(at.send(&destroyed.version(2, 0)).ok(), Tag::UNIQUE_IDENTIFIER).contains(&key));
        let any = at.send(&Request::new(LOCATE, |_| ()));
        assert!(!texts(any.ok(), Tag::UNIQUE_IDENTIFIER).contains(&key), "only what can be fetched");
        let next = id(at.send(&again()).ok());
        assert_ne!(next, key);
        let located = at.send(&Request::new(LOCATE, |payload| named(payload, &name)));
        assert_eq!(texts(located.ok(), Tag::UNIQUE_IDENTIFIER), [next]);
    }
    let compromised = id(at.send(&create((1, 4), |attributes| attributes.aes(128))).ok());
    at.send(&revoke(&compromised, 2)).ok();
    assert_eq!(state(&mut at, &compromised), COMPROMISED);
}

#[test]
fn nothing_is_made_until_a_key_is_chosen_and_disabling_it_makes_all_unfetchable_at_once() {
    let lab = Lab::start();
    let (root, mut at) = (lab.root(), lab.connect(None));
    let make = || create((1, 4), |attributes| attributes.aes(256));
    let refused = at.send(&make());
    assert!(refused.fails(ILLEGAL_OPERATION).contains("yaoku kmip set-key"), "{:?}", refused.items);
    assert!(yaoku(&lab.data, &["kmip", "get-key"]).contains("\"KeyId\": \"\""));
    let key = root.create_key(&[]);
    root.call("CreateAlias", &[("KeyId", &key), ("AliasName", "alias/kmip")]).ok();
    assert!(yaoku(&lab.data, &["kmip", "set-key", "alias/kmip"]).contains(&key));
    assert!(yaoku(&lab.data, &["kmip", "get-key"]).contains(&key));
    let objects: Vec<_> = (0..3).map(|_| id(at.send(&make()).ok())).collect();
    root.call("DisableKey", &[("KeyId", &key)]).ok();
    for object in &objects {
        assert!(at.send(&of(GET, object)).fails(PERMISSION_DENIED).contains("disabled"));
    }
    at.send(&make()).fails(PERMISSION_DENIED);
    // What is known of them is still told.
    at.send(&of(GET_ATTRIBUTES, &objects[0])).ok();
    root.call("EnableKey", &[("KeyId", &key)]).ok();
    let material = bytes(at.send(&of(GET, &objects[0])).ok(), Tag::KEY_MATERIAL);
    assert_eq!(material.len(), 32);
    let refused = root.call("ScheduleKeyDeletion", &[("KeyId", &key), ("PendingWindowInDays", "7")]);
    assert_ne!(refused.status, 200, "objects stand under it");

    // Each fetch is recorded, refused or not, and never what was fetched.
    let all = records(&lab.data);
    let fetches: Vec<_> = all.iter().filter(|record| record["eventName"] == "Get").collect();
    assert_eq!(fetches.len(), 4);
    for (record, object) in fetches.iter().zip(objects.iter().chain(&objects[..1])) {
        assert_eq!(record["referencedResources"]["ACS::Yaoku::ManagedObject"][0], **object);
        assert_eq!(record["serviceName"], "KMIP");
    }
    let codes: Vec<_> = fetches.iter().map(|record| record["errorCode"].as_str()).collect();
    let wrong = Some("WrongKeyLifecycleState");
    assert_eq!(codes, [wrong, wrong, wrong, None]);
    let text = all.iter().map(ToString::to_string).collect::<String>();
    let hex = material.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert!(!text.contains(&hex));
}

/// An object as a client registers it: what it is, its type, how it is written, and what is fetched.
type Registered = (&'static str, u32, Box<dyn Fn(&mut Writer)>, Tag, Vec<u8>);

fn registered() -> Vec<Registered> {
    let block = |payload: &mut Writer, format: u32, value: &[u8], of: Option<(u32, i32)>| {
        payload.structure(Tag::KEY_BLOCK, |block| {
            block.enumeration(Tag::KEY_FORMAT_TYPE, format);
            block.structure(Tag::KEY_VALUE, |inside| inside.bytes(Tag::KEY_MATERIAL, value));
            if let Some((algorithm, bits)) = of {
                block.enumeration(Tag::CRYPTOGRAPHIC_ALGORITHM, algorithm);
                block.integer(Tag::CRYPTOGRAPHIC_LENGTH, bits);
            }
        });
    };
    let (key, der) = (vec![7; 16], vec![0x30; 300]);
    let (k, d, d2) = (key.clone(), der.clone(), der.clone());
    vec![
        (
            "symmetric",
            2,
            Box::new(move |payload| {
                payload.structure(Tag::SYMMETRIC_KEY, |inside| block(inside, 1, &k, Some((AES, 128))));
            }),
            Tag::KEY_MATERIAL,
            key.clone(),
        ),
        (
            "transparent",
            2,
            Box::new(|payload| {
                payload.structure(Tag::SYMMETRIC_KEY, |inside| {
                    inside.structure(Tag::KEY_BLOCK, |block| {
                        block.enumeration(Tag::KEY_FORMAT_TYPE, 7);
                        block.structure(Tag::KEY_VALUE, |inside| {
                            inside.structure(Tag::KEY_MATERIAL, |inside| inside.bytes(Tag::KEY, &[7; 16]));
                        });
                        block.enumeration(Tag::CRYPTOGRAPHIC_ALGORITHM, AES);
                    });
                });
            }),
            Tag::KEY_MATERIAL,
            key,
        ),
        (
            "private",
            4,
            Box::new(move |payload| {
                payload.structure(Tag::PRIVATE_KEY, |inside| block(inside, 4, &d, Some((RSA, 2048))));
            }),
            Tag::KEY_MATERIAL,
            der.clone(),
        ),
        (
            "public",
            3,
            Box::new(move |payload| {
                payload.structure(Tag::PUBLIC_KEY, |inside| block(inside, 5, &d2, Some((RSA, 2048))));
            }),
            Tag::KEY_MATERIAL,
            der,
        ),
        (
            "password",
            7,
            Box::new(move |payload| {
                payload.structure(Tag::SECRET_DATA, |inside| {
                    inside.enumeration(Tag::SECRET_DATA_TYPE, 1);
                    block(inside, 2, b"a password", None);
                });
            }),
            Tag::KEY_MATERIAL,
            b"a password".to_vec(),
        ),
        (
            "certificate",
            1,
            Box::new(|payload| {
                payload.structure(Tag::CERTIFICATE, |inside| {
                    inside.enumeration(Tag::CERTIFICATE_TYPE, 1);
                    inside.bytes(Tag::CERTIFICATE_VALUE, b"der");
                });
            }),
            Tag::CERTIFICATE_VALUE,
            b"der".to_vec(),
        ),
        (
            "opaque",
            8,
            Box::new(|payload| {
                payload.structure(Tag::OPAQUE_OBJECT, |inside| {
                    inside.enumeration(Tag::OPAQUE_DATA_TYPE, 0x8000_0001);
                    inside.bytes(Tag::OPAQUE_DATA_VALUE, &[9; 20_000]);
                });
            }),
            Tag::OPAQUE_DATA_VALUE,
            vec![9; 20_000],
        ),
    ]
}

#[test]
fn objects_of_every_type_are_registered_and_come_back_as_they_were() {
    let (lab, _) = lab();
    let mut at = lab.connect(None);
    for version in VERSIONS {
        for (what, kind, write, tag, value) in registered() {
            let name = format!("{what}-{}.{}", version.0, version.1);
            let request = Request::new(REGISTER, |payload| {
                payload.enumeration(Tag::OBJECT_TYPE, kind);
                template(payload, version, |attributes| attributes.name(&name));
                write(payload);
            });
            let made = at.send(&request.version(version.0, version.1));
            let object = id(made.ok());
            let fetched = at.send(&of(GET, &object).version(version.0, version.1));
            assert_eq!(numbers(fetched.ok(), Tag::OBJECT_TYPE), [i64::from(kind)], "{name}");
            assert_eq!(bytes(fetched.ok(), tag), value, "{name}");
            let located = at.send(&Request::new(LOCATE, |payload| named(payload, &name)));
            assert_eq!(texts(located.ok(), Tag::UNIQUE_IDENTIFIER), std::slice::from_ref(&object));
            let described = at.send(&of(GET_ATTRIBUTES, &object).version(2, 0));
            // Whoever sees the digest of a password can try passwords.
            let has_digest = !texts_or_bytes(described.ok(), Tag::DIGEST_VALUE).is_empty();
            assert_eq!(has_digest, ![7, 8].contains(&kind), "{name}");
        }
    }
    // A key says its length, or has it.
    let wrong = Request::new(REGISTER, |payload| {
        payload.enumeration(Tag::OBJECT_TYPE, 2);
        template(payload, (1, 4), |attributes| attributes.aes(256));
        registered().remove(0).2(payload);
    });
    at.send(&wrong).fails(INVALID_FIELD);
    let wrapped = Request::new(GET, |payload| {
        payload.text(Tag::UNIQUE_IDENTIFIER, "obj-00000000000000000000000000000000");
        payload.structure(Tag::KEY_WRAPPING_SPECIFICATION, |inside| inside.enumeration(Tag::WRAPPING_METHOD, 1));
    });
    assert!(at.send(&wrapped).fails(FEATURE_NOT_SUPPORTED).contains("Key Wrapping Specification"));
    at.send(&of(GET, "obj-00000000000000000000000000000000")).fails(ITEM_NOT_FOUND);
}

fn texts_or_bytes(payload: &[u8], tag: Tag) -> Vec<u8> {
    let item = decode(payload).unwrap_or_else(|error| panic!("{error}"));
    match all(&item, tag).first() {
        Some(yaoku_kmip::ttlv::Value::Bytes(bytes)) => bytes.to_vec(),
        _ => Vec::new(),
    }
}

/// A pair of name and value of version 1.
fn pair(payload: &mut Writer, name: &str, index: Option<i32>, value: Option<&str>) {
    payload.structure(Tag::ATTRIBUTE, |attribute| {
        attribute.text(Tag::ATTRIBUTE_NAME, name);
        if let Some(index) = index {
            attribute.integer(Tag::ATTRIBUTE_INDEX, index);
        }
        if let Some(value) = value {
            attribute.text(Tag::ATTRIBUTE_VALUE, value);
        }
    });
}

#[test]
fn attributes_are_added_changed_and_taken_away() {
    let (lab, _) = lab();
    let mut at = lab.connect(None);
    let key = id(at.send(&create((1, 4), |attributes| attributes.aes(256))).ok());
    let change = |operation: u32, name: &'static str, index: Option<i32>, value: &'static str| {
        Request::new(operation, about(&key, move |payload| pair(payload, name, index, Some(value))))
    };
    let values = |at: &mut Connection, name: &str| {
        let get = Request::new(GET_ATTRIBUTES, about(&key, |payload| payload.text(Tag::ATTRIBUTE_NAME, name)));
        texts(at.send(&get).ok(), Tag::ATTRIBUTE_VALUE)
    };
    for name in ["x-rack", "Object Group", "Contact Information"] {
        let added = at.send(&change(ADD_ATTRIBUTE, name, None, "one"));
        assert_eq!(texts(added.ok(), Tag::ATTRIBUTE_VALUE), ["one"]);
        assert_eq!(values(&mut at, name), ["one"], "{name}");
        at.send(&change(MODIFY_ATTRIBUTE, name, None, "two")).ok();
        assert_eq!(values(&mut at, name), ["two"], "{name}");
    }
    // Several, where an object can have several.
    at.send(&change(ADD_ATTRIBUTE, "Contact Information", None, "three")).fails(ILLEGAL_OPERATION);
    at.send(&change(ADD_ATTRIBUTE, "Object Group", None, "three")).ok();
    at.send(&change(MODIFY_ATTRIBUTE, "Object Group", Some(1), "four")).ok();
    at.send(&change(MODIFY_ATTRIBUTE, "Object Group", Some(2), "five")).fails(ITEM_NOT_FOUND);
    assert_eq!(values(&mut at, "Object Group"), ["two", "four"]);
    let located = |at: &mut Connection, group: &str| {
        let locate = Request::new(LOCATE, |payload| pair(payload, "Object Group", None, Some(group)));
        texts(at.send(&locate).ok(), Tag::UNIQUE_IDENTIFIER)
    };
    assert_eq!(located(&mut at, "four"), std::slice::from_ref(&key));
    assert!(located(&mut at, "three").is_empty());
    let delete = |name: &'static str, index: Option<i32>| {
        Request::new(
            DELETE_ATTRIBUTE,
            about(&key, move |payload| {
                payload.text(Tag::ATTRIBUTE_NAME, name);
                if let Some(index) = index {
                    payload.integer(Tag::ATTRIBUTE_INDEX, index);
                }
            }),
        )
    };
    at.send(&delete("Object Group", Some(0))).ok();
    assert_eq!(values(&mut at, "Object Group"), ["four"]);
    at.send(&delete("x-rack", None)).ok();
    at.send(&delete("x-rack", None)).fails(ITEM_NOT_FOUND);
    // What this server says is not the client's.
    at.send(&delete("State", None)).fails(PERMISSION_DENIED);
    at.send(&delete("Cryptographic Usage Mask", None)).fails(PERMISSION_DENIED);

    // Version 2 has them by tag.
    let set = |tag: Tag, value: &'static str| {
        let new = move |payload: &mut Writer| payload.structure(Tag::NEW_ATTRIBUTE, |inside| inside.text(tag, value));
        Request::new(SET_ATTRIBUTE, about(&key, new)).version(2, 0)
    };
    at.send(&set(Tag::DESCRIPTION, "of volume 7")).ok();
    assert_eq!(values(&mut at, "Description"), ["of volume 7"]);
    at.send(&set(Tag::OBJECT_GROUP, "x")).fails(INVALID_FIELD);
    let taken = Request::new(
        DELETE_ATTRIBUTE,
        about(&key, |payload| payload.enumeration(Tag::ATTRIBUTE_REFERENCE, Tag::DESCRIPTION.number())),
    );
    at.send(&taken.version(2, 0)).ok();
    assert!(values(&mut at, "Description").is_empty());
    // The life of an object is moved by dates as well.
    let at_once = Request::new(
        SET_ATTRIBUTE,
        about(&key, |payload| {
            payload.structure(Tag::NEW_ATTRIBUTE, |inside| inside.date_time(Tag::ACTIVATION_DATE, 1));
        }),
    );
    at.send(&at_once.version(2, 0)).ok();
    assert_eq!(state(&mut at, &key), ACTIVE);
    // CMKs are not changed.
    let cmk = lab.root().create_key(&[]);
    let refused =
        at.send(&Request::new(ADD_ATTRIBUTE, about(&cmk, |payload| pair(payload, "x-rack", None, Some("one")))));
    assert!(refused.fails(ILLEGAL_OPERATION).contains("KMS API"));
}

#[test]
fn key_pairs_are_made_and_keys_are_replaced_and_checked() {
    let (lab, _) = lab();
    let mut at = lab.connect(None);
    for (algorithm, bits) in [(RSA, 2048), (EC, 256)] {
        let made = at.send(&Request::new(CREATE_KEY_PAIR, |payload| {
            let half = |payload: &mut Writer, tag, name: &str, mask: i32| {
                let name = format!("{name}-{bits}");
                payload.structure(tag, |writer| {
                    let mut attributes = Attributes { writer, by_tag: false };
                    attributes.name(&name);
                    attributes.add(Tag::CRYPTOGRAPHIC_USAGE_MASK, |writer, tag| writer.integer(tag, mask));
                });
            };
            payload.structure(Tag::COMMON_TEMPLATE_ATTRIBUTE, |writer| {
                let mut attributes = Attributes { writer, by_tag: false };
                attributes.add(Tag::CRYPTOGRAPHIC_ALGORITHM, |writer, tag| writer.enumeration(tag, algorithm));
                attributes.add(Tag::CRYPTOGRAPHIC_LENGTH, |writer, tag| writer.integer(tag, bits));
            });
            half(payload, Tag::PRIVATE_KEY_TEMPLATE_ATTRIBUTE, "private", 1);
            half(payload, Tag::PUBLIC_KEY_TEMPLATE_ATTRIBUTE, "public", 2);
        }));
        let private = texts(made.ok(), Tag::PRIVATE_KEY_UNIQUE_IDENTIFIER).remove(0);
        let public = texts(made.ok(), Tag::PUBLIC_KEY_UNIQUE_IDENTIFIER).remove(0);
        for (half, other, link) in [(&private, &public, 0x102), (&public, &private, 0x103)] {
            let described = at.send(&of(GET_ATTRIBUTES, half).version(2, 0));
            assert_eq!(texts(described.ok(), Tag::LINKED_OBJECT_IDENTIFIER), std::slice::from_ref(other));
            assert_eq!(numbers(described.ok(), Tag::LINK_TYPE), [link]);
            assert!(!bytes(at.send(&of(GET, half)).ok(), Tag::KEY_MATERIAL).is_empty());
        }
        let check = |mask: i32| {
            let payload = move |payload: &mut Writer| payload.integer(Tag::CRYPTOGRAPHIC_USAGE_MASK, mask);
            Request::new(CHECK, about(&private, payload))
        };
        assert_eq!(texts(at.send(&check(1)).ok(), Tag::UNIQUE_IDENTIFIER), std::slice::from_ref(&private));
        let refused = at.send(&check(2));
        assert_eq!(numbers(refused.ok(), Tag::CRYPTOGRAPHIC_USAGE_MASK), [2]);
        assert!(texts(refused.ok(), Tag::UNIQUE_IDENTIFIER).is_empty());
    }

    let old = id(at
        .send(&create((1, 4), |attributes| {
            attributes.aes(256);
            attributes.name("volume");
        }))
        .ok());
    let new = id(at.send(&of(REKEY, &old)).ok());
    let material = |at: &mut Connection, key: &str| bytes(at.send(&of(GET, key)).ok(), Tag::KEY_MATERIAL);
    assert_ne!(material(&mut at, &old), material(&mut at, &new));
    let located = at.send(&Request::new(LOCATE, |payload| named(payload, "volume")));
    assert_eq!(texts(located.ok(), Tag::UNIQUE_IDENTIFIER), std::slice::from_ref(&new));
    for (key, other, link) in [(&old, &new, 0x106), (&new, &old, 0x107)] {
        let described = at.send(&of(GET_ATTRIBUTES, key).version(2, 0));
        assert_eq!(texts(described.ok(), Tag::LINKED_OBJECT_IDENTIFIER), std::slice::from_ref(other));
        assert_eq!(numbers(described.ok(), Tag::LINK_TYPE), [link]);
        assert_eq!(numbers(described.ok(), Tag::CRYPTOGRAPHIC_LENGTH), [256]);
    }
    // A managed object is fetched, and not used here.
    let encrypt = Request::new(ENCRYPT, about(&new, |payload| payload.bytes(Tag::DATA, b"x")));
    at.send(&encrypt).fails(FEATURE_NOT_SUPPORTED);
}

#[test]
fn objects_and_cmks_are_located_together_and_listed_by_the_api() {
    let (lab, cmk) = lab();
    let (root, mut at) = (lab.root(), lab.connect(None));
    let own = root.at(CREDENTIALS);
    let mut objects: Vec<_> =
        (0..3).map(|_| id(at.send(&create((1, 4), |attributes| attributes.aes(256))).ok())).collect();
    objects.sort();
    let everything = [&objects[..], std::slice::from_ref(&cmk)].concat();
    for size in 1..=5 {
        let mut paged = Vec::new();
        for offset in (0..5).step_by(usize::try_from(size).unwrap()) {
            let page = at.send(&Request::new(LOCATE, move |payload| {
                payload.integer(Tag::MAXIMUM_ITEMS, size);
                payload.integer(Tag::OFFSET_ITEMS, offset);
            }));
            assert_eq!(numbers(page.ok(), Tag::LOCATED_ITEMS), [4]);
            paged.extend(texts(page.ok(), Tag::UNIQUE_IDENTIFIER));
        }
        assert_eq!(paged, everything, "{size} at once");
    }
    let mask = |wanted: i32| {
        Request::new(LOCATE, move |payload| {
            payload.structure(Tag::ATTRIBUTES, |inside| inside.integer(Tag::CRYPTOGRAPHIC_USAGE_MASK, wanted));
        })
        .version(2, 0)
    };
    assert_eq!(texts(at.send(&mask(4)).ok(), Tag::UNIQUE_IDENTIFIER), everything);
    assert!(texts(at.send(&mask(1)).ok(), Tag::UNIQUE_IDENTIFIER).is_empty());

    // By yaoku's own API, and the command line.
    let first = own.call("ListManagedObjects", &[("MaxItems", "2")]).ok();
    let marker = first.text("Marker").to_owned();
    let rest = own.call("ListManagedObjects", &[("MaxItems", "2"), ("Marker", &marker)]).ok();
    let ids = |answer: &support::Answer| -> Vec<String> {
        let listed = answer.body["ManagedObjects"]["ManagedObject"].as_array().unwrap();
        listed.iter().map(|object| object["ObjectId"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!([ids(&first), ids(&rest)].concat(), objects);
    own.call("ListManagedObjects", &[("Marker", "bm9uZQ")]).fails(400, "InvalidParameter");
    let listed: Json = serde_json::from_str(&yaoku(&lab.data, &["kmip", "objects", "list"])).unwrap();
    assert_eq!(listed["ManagedObjects"]["ManagedObject"].as_array().unwrap().len(), 3);
    let shown = own.call("DescribeManagedObject", &[("ObjectId", &objects[0])]).ok();
    assert_eq!((shown.text("ManagedObject/State"), shown.text("ManagedObject/KeyId")), ("PreActive", &*cmk));
    at.send(&of(ACTIVATE, &objects[0])).ok();
    own.call("DestroyManagedObject", &[("ObjectId", &objects[0])]).fails(409, "Rejected.ObjectState");
    assert_eq!(yaoku(&lab.data, &["kmip", "objects", "destroy", &objects[1]]).trim(), "done");
    assert!(yaoku(&lab.data, &["kmip", "objects", "show", &objects[1]]).contains("\"Destroyed\""));
    own.call("DescribeManagedObject", &[("ObjectId", "obj-00000000000000000000000000000000")])
        .fails(404, "EntityNotExist.ManagedObject");
    own.call("DescribeManagedObject", &[("ObjectId", "x")]).fails(400, "InvalidParameter");
}

/// A user of that name with an AccessKey.
fn user(root: &Client, name: &str, statements: &str) -> (String, String) {
    make_user(root, name, statements);
    let made = root.at(RAM).call("CreateAccessKey", &[("UserName", name)]).ok();
    (made.text("AccessKey/AccessKeyId").to_owned(), made.text("AccessKey/AccessKeySecret").to_owned())
}

#[test]
fn policies_say_who_may_do_what_with_which_object() {
    let (lab, cmk) = lab();
    let (root, mut at) = (lab.root(), lab.connect(None));
    let object = id(at.send(&create((1, 4), |attributes| attributes.aes(256))).ok());
    let other = id(at.send(&create((1, 4), |attributes| attributes.aes(256))).ok());
    let allow = |actions: &str, resource: &str| {
        format!(r#"{{"Effect":"Allow","Action":[{actions}],"Resource":"acs:yaoku:*:*:{resource}"}}"#)
    };
    let (id_of, secret) = user(&root, "reader", &allow(r#""yaoku:GetManagedObject""#, &format!("object/{object}")));
    let reader = Some((id_of.as_str(), secret.as_str()));
    // Of the CMK, who fetches needs nothing.
    at.send(&of(GET, &object).by(reader)).ok();
    for request in [of(GET, &other), of(GET_ATTRIBUTES, &object), of(DESTROY, &object), of(ACTIVATE, &object)] {
        let answer = at.send(&request.by(reader));
        assert!(matches!(answer.items[0], Err((PERMISSION_DENIED | ITEM_NOT_FOUND, _))), "{:?}", answer.items);
    }
    at.send(&create((1, 4), |attributes| attributes.aes(256)).by(reader)).fails(PERMISSION_DENIED);
    at.send(&Request::new(LOCATE, |_| ()).by(reader)).fails(PERMISSION_DENIED);
    detach(&root, "reader");
    let answer = at.send(&of(GET, &object).by(reader));
    assert!(matches!(answer.items[0], Err((PERMISSION_DENIED | ITEM_NOT_FOUND, _))), "{:?}", answer.items);

    // Who may see objects of one kind is shown these.
    let (id_of, secret) = user(&root, "array", &allow(r#""yaoku:*""#, "*"));
    let array = Some((id_of.as_str(), secret.as_str()));
    let located = at.send(&Request::new(LOCATE, |_| ()).by(array));
    assert_eq!(texts(located.ok(), Tag::UNIQUE_IDENTIFIER).len(), 2);
    let (id_of, secret) = user(&root, "keys", r#"{"Effect":"Allow","Action":"kms:*","Resource":"*"}"#);
    let keys = Some((id_of.as_str(), secret.as_str()));
    let located = at.send(&Request::new(LOCATE, |_| ()).by(keys));
    assert_eq!(texts(located.ok(), Tag::UNIQUE_IDENTIFIER), [cmk]);
    let answer = at.send(&of(GET, &object).by(keys));
    assert!(matches!(answer.items[0], Err((PERMISSION_DENIED | ITEM_NOT_FOUND, _))), "{:?}", answer.items);
    // Choosing a CMK needs a permission on it too.
    let own = Client { access_key_id: id_of, secret, ..root.at(CREDENTIALS) };
    own.call("SetObjectKey", &[("KeyId", &root.create_key(&[]))]).fails(403, "Forbidden.NoPermission");
}

#[test]
fn an_account_has_so_many_objects() {
    let lab = Lab::start_with(&["--max-managed-objects", "1"]);
    let mut at = lab.connect(None);
    yaoku(&lab.data, &["kmip", "set-key", &lab.root().create_key(&[])]);
    at.send(&create((2, 0), |attributes| attributes.aes(256))).ok();
    let refused = at.send(&create((2, 0), |attributes| attributes.aes(256)));
    assert!(refused.fails(0x3a).contains("limit of 1"));
}

#[test]
fn items_of_a_batch_go_on_with_what_was_made() {
    let (lab, _) = lab();
    let mut at = lab.connect(None);
    let request = create((1, 4), |attributes| attributes.aes(256)).and(ACTIVATE, |_| ()).and(GET, |_| ());
    let answer = at.send(&request);
    let made = id(answer.items[0].as_ref().unwrap());
    assert_eq!(id(answer.items[2].as_ref().unwrap()), made);
    assert_eq!(state(&mut at, &made), ACTIVE);
}
