//! The standard set: everything in a closed loop, then latencies in an open loop at half of Encrypt's highest rate, or half of
//! its own where that is lower.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::call::{Params, Scheme};
use crate::load::{Measured, Target, closed_loop, open_loop};
use crate::primitives::Primitive;
use crate::report::{Row, Run};
use crate::server::{Server, Setup, scratch};
use crate::transport::Certificate;
use crate::{Error, Standard, report};

/// 32 bytes, in base64.
const PLAINTEXT: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
/// How long each is warmed up.
const WARM_UP: Duration = Duration::from_secs(1);

/// What is measured: a row of the report, and what makes it.
struct Subject {
    row: Row,
    target: Target,
    connections: usize,
    /// Whether it is measured in the open loop as well.
    open: bool,
}

/// Servers, all of one run.
struct Servers {
    null: Server,
    floor: Server,
    floor_tls: Server,
    yaoku: Server,
    yaoku_tls: Server,
    audited: Server,
    _data: TempDir,
}

impl Servers {
    async fn start(binary: &Path, disk: &Path) -> Result<Self, Error> {
        let data = scratch(disk)?;
        let certificate = Certificate::make(data.path())?;
        let setup = |name: &str, audit| Setup { binary, data: data.path().join(name), audit, certificate: None };
        Ok(Self {
            null: Server::null().await?,
            floor: Server::floor(None).await?,
            floor_tls: Server::floor(Some(&certificate)).await?,
            yaoku: Server::yaoku(&setup("plain", false)).await?,
            yaoku_tls: Server::yaoku(&Setup { certificate: Some(&certificate), ..setup("tls", false) }).await?,
            audited: Server::yaoku(&setup("audited", true)).await?,
            _data: data,
        })
    }
}

/// Measures all, and writes the report.
pub(crate) async fn run(options: &Standard) -> Result<(), Error> {
    let servers = Servers::start(&options.server, &options.disk).await?;
    let mut subjects = subjects(&servers, options.connections).await?;
    if let Some(only) = &options.only {
        subjects.retain(|subject| ["floor", "null"].contains(&subject.row.id) || subject.row.name.contains(only));
    }
    let length = Duration::from_secs(options.seconds);
    for round in 1..=options.rounds {
        let progress = |what: &str| report::progress(&format!("round {round} of {}: {what}", options.rounds));
        for Subject { row, target, connections, .. } in &mut subjects {
            progress(row.name);
            closed_loop(target, *connections, WARM_UP).await?;
            row.closed.push(closed_loop(target, *connections, length).await?);
            if let Some(primitive) = row.primitive {
                row.primitive_micros.push(primitive.micros(length.min(Duration::from_secs(2)))?);
            }
        }
        // Half of what Encrypt reaches, or what it reaches itself, if that is less.
        let reached = |row: &Row| row.closed.last().map_or(0.0, Measured::rate);
        let encrypt = subjects.iter().map(|subject| &subject.row).find(|row| row.id == "encrypt").map_or(0.0, reached);
        for Subject { row, target, connections, .. } in subjects.iter_mut().filter(|subject| subject.open) {
            let rate = reached(row).min(encrypt) / 2.0;
            if rate <= 0.0 {
                continue;
            }
            progress(&format!("{}, {rate:.0} requests a second", row.name));
            open_loop(target, *connections, rate, WARM_UP).await?;
            row.open.push(open_loop(target, *connections, rate, length).await?);
        }
    }
    let rows = subjects.into_iter().map(|subject| subject.row).collect();
    Run::new(options, rows).write(&options.results)
}

async fn subjects(servers: &Servers, connections: usize) -> Result<Vec<Subject>, Error> {
    let Servers { null, floor, floor_tls, yaoku, yaoku_tls, audited, .. } = servers;
    let subject = |id, name, target| Subject { row: Row::new(id, name), target, connections, open: false };
    let open = |subject| Subject { open: true, ..subject };
    let encrypt = encrypts(yaoku, Scheme::Acs3, &[]).await?;
    let encrypt_tls = encrypts(yaoku_tls, Scheme::Acs3, &[]).await?;
    let key = yaoku.create_key(&[]).await?;
    let mut all = vec![
        subject("null", "null server", null.asked_as(&encrypt)?),
        open(subject("floor", "floor", floor.asked_as(&encrypt)?)),
        open(subject("encrypt", "Encrypt, ACS3", encrypt)),
        subject("v1", "Encrypt, 1.0 with HMAC-SHA1", encrypts(yaoku, Scheme::V1, &[]).await?),
        subject("decrypt", "Decrypt, ACS3", decrypts(yaoku).await?),
        subject("data-key", "GenerateDataKey, ACS3", yaoku.asked(Scheme::Acs3, "GenerateDataKey", &[("KeyId", &key)])?),
        open(subject("audited", "Encrypt, audited", encrypts(audited, Scheme::Acs3, &[]).await?)),
        subject("floor-tls", "floor, TLS", floor_tls.asked_as(&encrypt_tls)?),
        subject("tls", "Encrypt, TLS", encrypt_tls),
    ];
    for (primitive, params) in [
        (Primitive::Rsa, &[("KeySpec", "RSA_2048"), ("KeyUsage", "SIGN/VERIFY")][..]),
        (Primitive::P256, &[("KeySpec", "EC_P256"), ("KeyUsage", "SIGN/VERIFY")]),
        (Primitive::Sm2, &[("KeySpec", "EC_SM2"), ("KeyUsage", "SIGN/VERIFY")]),
        (Primitive::Sm4, &[("KeySpec", "Aliyun_SM4")]),
    ] {
        let target = match primitive.algorithm() {
            Some(algorithm) => signs(yaoku, params, algorithm).await?,
            None => encrypts(yaoku, Scheme::Acs3, params).await?,
        };
        let mut subject = subject(primitive.id(), primitive.name(), target);
        subject.row.primitive = Some(primitive);
        all.push(subject);
    }
    let alone = subject("create-alone", "CreateKey, one connection", yaoku.asked(Scheme::Acs3, "CreateKey", &[])?);
    all.push(Subject { connections: 1, ..alone });
    all.push(subject("create", "CreateKey", yaoku.asked(Scheme::Acs3, "CreateKey", &[])?));
    Ok(all)
}

async fn encrypts(server: &Server, scheme: Scheme, params: Params<'_>) -> Result<Target, Error> {
    let key = server.create_key(params).await?;
    server.asked(scheme, "Encrypt", &[("KeyId", &key), ("Plaintext", PLAINTEXT)])
}

async fn decrypts(server: &Server) -> Result<Target, Error> {
    let key = server.create_key(&[]).await?;
    let encrypted = server.call("Encrypt", &[("KeyId", &key), ("Plaintext", PLAINTEXT)]).await?;
    let blob = encrypted["CiphertextBlob"].as_str().ok_or("no ciphertext")?;
    server.asked(Scheme::Acs3, "Decrypt", &[("CiphertextBlob", blob)])
}

async fn signs(server: &Server, params: Params<'_>, algorithm: &'static str) -> Result<Target, Error> {
    let key = server.create_key(params).await?;
    let versions = server.call("ListKeyVersions", &[("KeyId", &key)]).await?;
    let version = versions["KeyVersions"]["KeyVersion"][0]["KeyVersionId"].as_str().ok_or("no version")?;
    let asked = [("KeyId", key.as_str()), ("KeyVersionId", version), ("Algorithm", algorithm), ("Digest", PLAINTEXT)];
    server.asked(Scheme::Acs3, "AsymmetricSign", &asked)
}
