//! What the holder of a token may do at a path, as clients ask before they show a button or begin.
//!
//! A path and a method lead to what a call would do, by the router of calls, and that to the operations behind it. Whether policies allow
//! those is decided as for the operations themselves. What no call can do, or what can't be told beforehand, is denied.

use std::collections::BTreeMap;

use http::Method;
use serde::Deserialize;
use yaoku_crypto::Secret;
use yaoku_iam::operations::bearers::DescribeBearer;
use yaoku_iam::operations::caller::GetCallerIdentity;

use crate::body::SecretText;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::router::{Act, Decoded, Route, route};
use crate::service::Exchange;
use crate::values::Several;
use crate::{key_value, transit};

/// Paths of a call.
const MAX_PATHS: usize = 64;
/// What nobody may do is said by.
const DENY: &str = "deny";

/// Whether an act can be done, and a word of it that is said beside that of its method.
pub(crate) enum Allowed {
    No,
    Yes,
    /// Something can be made that is not there yet, as well.
    ToCreate,
}

impl From<bool> for Allowed {
    fn from(is_allowed: bool) -> Self {
        if is_allowed { Self::Yes } else { Self::No }
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Body {
    token: Option<SecretText>,
    paths: Several<String, MAX_PATHS>,
    /// Its older name.
    path: Several<String, MAX_PATHS>,
}

pub(crate) async fn tell(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let Body { token, paths, path } = exchange.body()?;
    // Everybody may ask of themselves, with a token, and still holds it when the answer is given.
    exchange.perform(GetCallerIdentity).await?;
    if exchange.route.act == Act::Capabilities {
        // Another token of the same principal may do the same.
        let token = token.ok_or_else(|| Failure::invalid("missing token"))?;
        let token = Some(Secret::new(token.expose().as_bytes().to_vec()));
        exchange.perform(DescribeBearer { token }).await?;
    }
    let paths = if paths.count > 0 { paths } else { path }.all("paths")?;
    let _charged = exchange.charge(paths.len())?;
    let mut all = BTreeMap::new();
    for path in paths {
        let words = of_path(exchange, &path).await?;
        all.insert(path, words);
        tokio::task::yield_now().await;
    }
    if all.len() == 1 {
        // What is said of the only path is looked for there as well.
        all.extend(all.values().next().cloned().map(|words| ("capabilities".to_owned(), words)));
    }
    Reply::data_at_top(exchange.request_id, &all)
}

/// What the caller may do at a path, in the API's words.
async fn of_path(exchange: &Exchange<'_>, path: &str) -> Result<Vec<&'static str>, Failure> {
    // It is a path as policies of the API have it, in which nothing is encoded.
    let path = format!("/v1/{}", path.strip_prefix('/').unwrap_or(path));
    let path = Decoded::plain(&path);
    let list = Method::from_bytes(b"LIST").map_err(|_| Failure::internal())?;
    let mut words = Vec::new();
    for (method, word) in [(Method::DELETE, "delete"), (list, "list"), (Method::GET, "read"), (Method::POST, "update")]
    {
        let Ok(route) = route(&method, &path, None) else { continue };
        match may(exchange, &route).await? {
            Allowed::No => {}
            Allowed::Yes => words.push(word),
            Allowed::ToCreate => words.extend(["create", word]),
        }
    }
    words.sort_unstable();
    Ok(if words.is_empty() { vec![DENY] } else { words })
}

/// Whether the caller may do what a route leads to.
async fn may(exchange: &Exchange<'_>, route: &Route<'_>) -> Result<Allowed, Failure> {
    match route.act {
        // Whoever holds a token may; or whoever asks.
        Act::Health
        | Act::SealStatus
        | Act::Leader
        | Act::Init
        | Act::Mounts
        | Act::Mount
        | Act::Tune
        | Act::UiMounts
        | Act::UiMount
        | Act::CapabilitiesSelf
        | Act::Capabilities
        | Act::AppRoleLogin
        | Act::CertificateLogin
        | Act::LookupSelf
        | Act::Lookup
        | Act::RenewSelf
        | Act::Renew
        | Act::RevokeSelf
        | Act::Revoke
        | Act::Hash
        | Act::Random
        | Act::ReadConfig => Ok(Allowed::Yes),
        Act::CreateKey
        | Act::ReadKey
        | Act::ListKeys
        | Act::DeleteKey
        | Act::RotateKey
        | Act::ConfigureKey
        | Act::Encrypt
        | Act::Decrypt
        | Act::Rewrap
        | Act::DataKeyPlaintext
        | Act::DataKeyWrapped
        | Act::Sign
        | Act::Verify
        | Act::Hmac => transit::may(exchange, route).await,
        Act::ReadSecret
        | Act::WriteSecret
        | Act::DeleteCurrent
        | Act::DeleteVersions
        | Act::UndeleteVersions
        | Act::DestroyVersions
        | Act::ReadMetadata
        | Act::ListSecrets
        | Act::WriteMetadata
        | Act::DeleteSecret => key_value::may(exchange, route).await,
    }
}

/// Reads any bytes as the body.
pub fn fuzz(bytes: &[u8]) {
    if let Ok(Body { paths, path, .. }) = serde_json::from_slice(bytes) {
        for path in paths.kept.iter().chain(&path.kept) {
            let _ = route(&Method::GET, &Decoded::plain(&format!("/v1/{path}")), None).is_ok();
        }
    }
}
