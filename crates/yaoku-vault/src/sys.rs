//! What clients probe before they begin: whether the server is up, and what is mounted where.

use serde_json::{Map, Value, json};
use yaoku_gate::time::format_time;
use yaoku_iam::operations::caller::GetCallerIdentity;

use crate::failure::Failure;
use crate::reply::Reply;
use crate::router::{Act, SECRET_MOUNT};
use crate::service::Exchange;

/// The version that clients are told.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "+yaoku");

/// The answer of a probe; `now` in seconds since 1970.
pub(crate) fn probe(act: Act, now: u64) -> Value {
    match act {
        Act::Health => json!({
            "initialized": true, "sealed": false, "standby": false, "performance_standby": false,
            "replication_performance_mode": "disabled", "replication_dr_mode": "disabled",
            "server_time_utc": now, "version": VERSION, "cluster_name": "yaoku",
        }),
        Act::Leader => json!({
            "ha_enabled": false, "is_self": true, "leader_address": "", "leader_cluster_address": "",
            "performance_standby": false,
        }),
        Act::Init => json!({"initialized": true}),
        _ => json!({
            "type": "yaoku", "initialized": true, "sealed": false, "t": 1, "n": 1, "progress": 0, "nonce": "",
            "version": VERSION, "build_date": format_time(0), "migration": false, "cluster_name": "yaoku",
            "recovery_seal": false, "storage_type": "yaoku",
        }),
    }
}

/// What is known of a mount, by its name without slashes at its ends.
fn mount(name: &str) -> Option<Value> {
    let of = |kind: &str, options: Value, description: &str| {
        json!({
            "type": kind, "options": options, "description": description, "accessor": format!("{kind}_{name}"),
            "config": {"default_lease_ttl": 0, "max_lease_ttl": 0, "force_no_cache": false},
            "external_entropy_access": false, "local": false, "seal_wrap": false, "uuid": "",
        })
    };
    match name {
        "transit" => Some(of("transit", Value::Null, "customer master keys")),
        "sys" => Some(of("system", Value::Null, "what clients probe")),
        "" | "auth" => None,
        // Any other is one of secrets.
        _ => Some(of("kv", json!({"version": "2"}), "secrets")),
    }
}

/// What `tune` says of a mount.
fn tuned(mount: &Value) -> Value {
    json!({
        "options": mount["options"], "description": mount["description"], "default_lease_ttl": 0, "max_lease_ttl": 0,
        "force_no_cache": false,
    })
}

/// Everything that is mounted and can be told beforehand, each with a slash behind it.
fn all() -> Value {
    let known = [SECRET_MOUNT, "sys", "transit"];
    known.iter().filter_map(|name| Some((format!("{name}/"), mount(name)?))).collect::<Map<_, _>>().into()
}

pub(crate) async fn mounts(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    // Nobody needs a permission to see what is the same for all, but everybody a token.
    exchange.perform(GetCallerIdentity).await?;
    let id = exchange.request_id;
    let name = exchange.route.name.trim_matches('/');
    let found = || mount(name).ok_or_else(|| Failure::invalid("there is no such mount"));
    match exchange.route.act {
        Act::Mount => Reply::data_at_top(id, &found()?),
        Act::Tune => Reply::data_at_top(id, &tuned(&found()?)),
        Act::UiMounts => Reply::data(id, &json!({"secret": all(), "auth": {"token/": {"type": "token"}}})),
        Act::UiMount => {
            // What is asked for is a path: its first part is the mount.
            let first = name.split('/').next().unwrap_or_default();
            let mut about = mount(first).ok_or_else(Failure::denied)?;
            if let Some(fields) = about.as_object_mut() {
                fields.insert("path".into(), format!("{first}/").into());
            }
            Reply::data(id, &about)
        }
        _ => Reply::data_at_top(id, &all()),
    }
}
