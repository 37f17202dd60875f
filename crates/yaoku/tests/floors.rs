//! Dependencies between the crates of the workspace point downwards only.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::process::Command;

use serde_json::Value;

/// From the ground up; crates of one floor do not know each other.
const FLOORS: &[&[&str]] = &[
    &["yaoku-crypto", "yaoku-store"],
    &["yaoku-seal"],
    &["yaoku-iam", "yaoku-audit"],
    &["yaoku-kms"],
    &["yaoku-disks", "yaoku-secrets", "yaoku-objects"],
    &["yaoku-gate", "yaoku-http", "yaoku-client"],
    &["yaoku-aliyun", "yaoku-vault", "yaoku-kmip", "yaoku-tang", "yaoku-kubernetes"],
    &["yaoku"],
    &["yaoku-bench"],
];

#[test]
fn crates_import_lower_floors_only() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let floor = |name: &str| FLOORS.iter().position(|floor| floor.contains(&name));
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let own =
            floor(name).unwrap_or_else(|| panic!("{name} stands on no floor; give it one in ARCHITECTURE.md and here"));
        for dependency in package["dependencies"].as_array().unwrap().iter().filter(|dep| dep["kind"] != "dev") {
            let dependency = dependency["name"].as_str().unwrap();
            assert!(floor(dependency).is_none_or(|below| below < own), "{name} must not import {dependency}");
        }
    }
}
