//! One key, used by several protocols at once.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

#[path = "support/kmip.rs"]
mod kmip;
mod support;
#[path = "support/tang.rs"]
mod tang;
#[path = "support/vault.rs"]
mod vault_client;

use kmip::{CREATE, DECRYPT, ENCRYPT, GET, Lab, Request, about, bytes, texts, yaoku};
use tang::Disk;
use vault_client::{FULL_ACCESS, Vault, make_token, make_user};
use yaoku_kmip::ttlv::{Tag, Writer};

/// yaoku's own API.
const OWN: &str = "2026-11-27";

#[test]
fn a_key_that_is_disabled_is_refused_by_every_protocol_at_the_next_call() {
    let lab = Lab::start_with(&["--tang-listen", "127.0.0.1:0", "--vault-listen", "127.0.0.1:0"]);
    let root = lab.root();
    make_user(&root, "u", FULL_ACCESS);
    let vault = Vault::new(&lab.server, &make_token(&root, "u", &[]).1);
    let key = root.create_key(&[]);
    let bound = root.at(OWN).call("CreateDisk", &[("DiskName", "d"), ("KeyId", &key)]).ok();
    let disk = Disk::new(&lab.server, bound.text("Disk/UrlPath"));
    let advertised = disk.advertised();
    let (blob, ciphertext) = (root.encrypt(&key, "aGk="), vault.encrypt(&key, "hello"));
    // By KMIP the key itself, and a managed object under it.
    let mut at = lab.connect(None);
    let sealed =
        bytes(at.send(&Request::new(ENCRYPT, about(&key, |payload| payload.bytes(Tag::DATA, b"hi")))).ok(), Tag::DATA);
    yaoku(&lab.data, &["kmip", "set-key", &key]);
    let aes = |payload: &mut Writer| {
        payload.enumeration(Tag::OBJECT_TYPE, 2);
        payload.structure(Tag::TEMPLATE_ATTRIBUTE, |template| {
            template.structure(Tag::ATTRIBUTE, |attribute| {
                attribute.text(Tag::ATTRIBUTE_NAME, "Cryptographic Algorithm");
                attribute.enumeration(Tag::ATTRIBUTE_VALUE, 3);
            });
            for (name, value) in [("Cryptographic Length", 256), ("Cryptographic Usage Mask", 12)] {
                template.structure(Tag::ATTRIBUTE, |attribute| {
                    attribute.text(Tag::ATTRIBUTE_NAME, name);
                    attribute.integer(Tag::ATTRIBUTE_VALUE, value);
                });
            }
        });
    };
    let object = texts(at.send(&Request::new(CREATE, aes)).ok(), Tag::UNIQUE_IDENTIFIER).remove(0);
    let mut answers = || {
        let opened = root.call("Decrypt", &[("CiphertextBlob", &blob)]).status;
        let decrypt = Request::new(DECRYPT, about(&key, |payload| payload.bytes(Tag::DATA, &sealed)));
        let get = Request::new(GET, about(&object, |_| ()));
        let [used, fetched] = [decrypt, get].map(|request| at.send(&request).items[0].is_ok());
        (opened, vault.decrypt(&key, &ciphertext).status, used, fetched, disk.unlock(&advertised))
    };
    assert_eq!(answers(), (200, 200, true, true, Ok(())));
    root.call("DisableKey", &[("KeyId", &key)]).ok();
    assert_eq!(answers(), (409, 403, false, false, Err(403)));
    root.call("EnableKey", &[("KeyId", &key)]).ok();
    assert_eq!(answers(), (200, 200, true, true, Ok(())));
}
