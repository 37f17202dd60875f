//! The action registry against what the official SDKs know: `data/sdk_actions.json` lists the names and types of all
//! fields of `alibabacloud_kms20160120` 3.3.1 and `aliyun-python-sdk-kms` 2.16.5.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use yaoku_aliyun::actions::{Api, named};

fn sdk() -> Value {
    serde_json::from_str(include_str!("data/sdk_actions.json")).unwrap()
}

fn kms() -> &'static Api {
    Api::of_version("2016-01-20").unwrap()
}

fn names(of: &Value) -> BTreeSet<&str> {
    of.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_action_of_the_sdks_is_done_or_named_as_unsupported() {
    let sdk = sdk();
    let known: BTreeSet<_> = names(&sdk["actions"]).union(&names(&sdk["actions_of_older_sdk_only"])).copied().collect();
    let kms = kms();
    let here: BTreeSet<_> = kms.actions().map(|action| action.name).chain(kms.unsupported.iter().copied()).collect();
    assert_eq!(here, known);
}

#[test]
fn parameters_are_those_of_the_sdks_and_required_only_if_they_are() {
    let sdk = sdk();
    for action in kms().actions() {
        let params = sdk["actions"][action.name]["params"].as_object().unwrap();
        let ours: BTreeSet<_> = action.params.iter().map(|param| param.name).collect();
        let theirs: BTreeSet<_> = params.keys().map(String::as_str).collect();
        assert_eq!(ours, theirs, "{}", action.name);
        let required = |params: &Map<String, Value>, name: &str| params[name]["required"] == Value::Bool(true);
        for param in action.params.iter().filter(|param| param.required) {
            assert!(
                required(params, param.name),
                "{} asks for {} where SDKs may leave it out",
                action.name,
                param.name
            );
        }
    }
}

#[test]
fn actions_are_found_by_their_exact_names() {
    let found = |name| kms().action(name).is_some();
    assert!(found("Encrypt"));
    assert!(!found("encrypt") && !found("") && !found("CreateCertificate") && !found("GetCallerIdentity"));
    let counts = named().fold(BTreeMap::new(), |mut counts, (service, action)| {
        *counts.entry((service, action.name)).or_insert(0) += 1;
        counts
    });
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}

/// `data/identity_actions.json` lists the names and types of all fields of `alibabacloud_sts20150401` 1.2.0 and
/// `alibabacloud_ram20150501` 1.3.0.
#[test]
fn actions_on_identities_are_those_of_the_sdks_with_their_parameters() {
    let sdk: Value = serde_json::from_str(include_str!("data/identity_actions.json")).unwrap();
    for version in ["2015-05-01", "2015-04-01"] {
        let (api, sdk) = (Api::of_version(version).unwrap(), &sdk[version]);
        let here: BTreeSet<_> =
            api.actions().map(|action| action.name).chain(api.unsupported.iter().copied()).collect();
        assert_eq!(here, names(sdk), "{version}");
        for action in api.actions() {
            let theirs: BTreeSet<_> =
                sdk[action.name]["params"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let ours: BTreeSet<_> = action.params.iter().map(|param| param.name).collect();
            assert_eq!(ours, theirs, "{}", action.name);
        }
    }
}
