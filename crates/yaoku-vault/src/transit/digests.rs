//! Message authentication codes, hashes and random bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use yaoku_crypto::mac::hash as digest;
use yaoku_crypto::{Secret, SystemRandom};
use yaoku_iam::operations::caller::GetCallerIdentity;
use yaoku_kms::KeyRef;
use yaoku_kms::operations::mac::{GenerateMac, MacRequest};
use zeroize::Zeroizing;

use super::batch::{self, Items, Outcomes};
use super::ciphertext::Numbered;
use super::names;
use crate::body::SecretText;
use crate::failure::Failure;
use crate::reply::Reply;
use crate::service::Exchange;
use crate::values::Number;

/// Random bytes of one call.
const MAX_RANDOM: u64 = 128 << 10;

#[derive(Deserialize, Default)]
#[serde(default)]
struct Input {
    input: Option<SecretText>,
    /// What the caller calls an item of a batch.
    reference: Option<String>,
}

/// What stands in the body beside that.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Beside {
    batch_input: Option<Items<Input>>,
    algorithm: Option<String>,
    format: Option<String>,
    bytes: Option<Number>,
    source: Option<String>,
    key_version: Option<Number>,
}

impl Beside {
    fn algorithm<'a>(&'a self, exchange: &'a Exchange<'_>) -> &'a str {
        let named = [exchange.detail(), self.algorithm.as_deref()];
        named.into_iter().flatten().find(|name| !name.is_empty()).unwrap_or("sha2-256")
    }
}

impl Input {
    fn bytes(&self) -> Result<Secret, Failure> {
        self.input.as_ref().ok_or_else(|| Failure::invalid("missing input"))?.base64("input")
    }
}

#[derive(Serialize)]
struct Code {
    hmac: String,
}

pub(super) async fn hmac(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    let mut beside: Beside = exchange.body()?;
    let key = exchange.key()?;
    if beside.key_version.is_some_and(|Number(number)| number > 1) {
        return Err(Failure::invalid("keys of type hmac have one version"));
    }
    let items = beside.batch_input.take();
    let name = beside.algorithm(exchange);
    let Some(items) = items else { return exchange.data(&code(exchange, &key, name, &exchange.body()?).await?) };
    let (items, _charged) = batch::admit(exchange, items)?;
    let mut outcomes = Outcomes::new();
    for mut item in items {
        let reference = item.reference.take();
        outcomes.push(exchange, code(exchange, &key, name, &item).await, reference).await?;
    }
    outcomes.reply(exchange, None)
}

async fn code(exchange: &Exchange<'_>, key: &KeyRef, name: &str, input: &Input) -> Result<Code, Failure> {
    let request = MacRequest { key: key.clone(), hash: names::hash(name)?, message: input.bytes()? };
    let made = exchange.perform(GenerateMac(request)).await?;
    Ok(Code { hmac: Numbered(1, &made.code).to_string() })
}

/// How bytes are written.
fn format(given: Option<&str>, usual: &'static str) -> Result<fn(&[u8]) -> String, Failure> {
    match given.filter(|format| !format.is_empty()).unwrap_or(usual) {
        "hex" => Ok(|bytes| bytes.iter().map(|byte| format!("{byte:02x}")).collect()),
        "base64" => Ok(|bytes| STANDARD.encode(bytes)),
        _ => Err(Failure::invalid("format must be hex or base64")),
    }
}

pub(super) async fn hash(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    #[derive(Serialize)]
    struct Sum {
        sum: String,
    }
    let (one, beside): (Input, Beside) = (exchange.body()?, exchange.body()?);
    // Whoever holds a token can have this; that they still do is asked again before the answer.
    exchange.perform(GetCallerIdentity).await?;
    let write = format(beside.format.as_deref(), "hex")?;
    let sum = digest(names::hash(beside.algorithm(exchange))?, one.bytes()?.expose());
    exchange.data(&Sum { sum: write(sum.as_bytes()) })
}

pub(super) async fn random(exchange: &Exchange<'_>) -> Result<Reply, Failure> {
    #[derive(Serialize)]
    struct Drawn<'a> {
        random_bytes: &'a str,
    }
    let body: Beside = exchange.body()?;
    exchange.perform(GetCallerIdentity).await?;
    let in_path = exchange.route.rest.iter().find_map(|part| part.parse::<u64>().ok());
    let source = exchange.route.rest.iter().find(|part| part.parse::<u64>().is_err()).copied();
    if let Some(source) = source.or(body.source.as_deref()).filter(|source| !source.is_empty())
        && !matches!(source, "platform" | "all" | "seal")
    {
        return Err(Failure::invalid("source must be platform, seal or all"));
    }
    let count = in_path.or(body.bytes.map(|Number(count)| count)).unwrap_or(32);
    if !(1..=MAX_RANDOM).contains(&count) {
        return Err(Failure::invalid(format!("bytes must be 1 to {MAX_RANDOM}")));
    }
    let write = format(body.format.as_deref(), "base64")?;
    let count = usize::try_from(count).map_err(|_| Failure::internal())?;
    let drawn = Secret::random(count, &SystemRandom).map_err(|_| Failure::unavailable())?;
    exchange.data(&Drawn { random_bytes: &Zeroizing::new(write(drawn.expose())) })
}

pub(super) fn fuzz(bytes: &[u8]) {
    let _ = serde_json::from_slice::<Input>(bytes).is_ok();
    let _ = serde_json::from_slice::<Beside>(bytes).is_ok();
}
