//! The action registry against what the official SDKs know: `data/sdk_actions.json` lists the names and types of all
//! fields of `alibabacloud_kms20160120` 3.3.1 and `aliyun-python-sdk-kms` 2.16.5.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use yaoku_api::actions::{UNSUPPORTED, all, find};

fn sdk() -> Value {
    serde_json::from_str(include_str!("data/sdk_actions.json")).unwrap()
}

fn names(of: &Value) -> BTreeSet<&str> {
    of.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_action_of_the_sdks_is_done_or_named_as_unsupported() {
    let sdk = sdk();
    let known: BTreeSet<_> = names(&sdk["actions"]).union(&names(&sdk["actions_of_older_sdk_only"])).copied().collect();
    let here: BTreeSet<_> = all().map(|action| action.name).chain(UNSUPPORTED.iter().copied()).collect();
    assert_eq!(here, known);
}

#[test]
fn parameters_are_those_of_the_sdks_and_required_only_if_they_are() {
    let sdk = sdk();
    for action in all() {
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
    assert!(find("Encrypt").is_some());
    assert!(find("encrypt").is_none() && find("").is_none() && find("CreateSecret").is_none());
    let counts = all().fold(BTreeMap::new(), |mut counts, action| {
        *counts.entry(action.name).or_insert(0) += 1;
        counts
    });
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");
}
