//! Identities over the wire: the APIs of RAM and STS beside that of KMS, at one endpoint.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod support;

use support::{ACCOUNT, STS, Server};

#[test]
fn an_action_is_found_in_the_api_of_its_version_only() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"));
    let kms = server.client();
    let caller = kms.at(STS).call("GetCallerIdentity", &[]).ok();
    assert_eq!(caller.text("AccountId"), ACCOUNT);
    assert_eq!(caller.text("Arn"), format!("acs:ram::{ACCOUNT}:root"));
    assert_eq!((caller.text("IdentityType"), caller.text("PrincipalId")), ("Account", ACCOUNT));
    kms.call("GetCallerIdentity", &[]).fails(404, "InvalidAction.NotFound");
    kms.at(STS).call("ListKeys", &[]).fails(404, "InvalidAction.NotFound");
    kms.at(STS).call("AssumeRoleWithSAML", &[]).fails(400, "UnsupportedOperation");
    kms.at("2015-04-02").call("GetCallerIdentity", &[]).fails(400, "InvalidVersion");
}
