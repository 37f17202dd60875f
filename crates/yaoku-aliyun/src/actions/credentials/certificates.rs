//! BindCertificate, ListCertificates, UnbindCertificate.

use serde::Serialize;
use yaoku_iam::operations::certificates::{BindCertificate, ListCertificates, UnbindCertificate};
use yaoku_iam::{CertificateAbout, CertificateId, GivenCertificate, Name};

use super::arguments::time;
use super::{Action, Exchange, Reply, action, parameters};
use crate::actions::elements::Shown;
use crate::wire::WireError;

pub(super) const ACTIONS: &[Action] = &[
    action!("BindCertificate", BindCertificate, bind(BindParameters)),
    action!("ListCertificates", ListCertificates, list(OfUser)),
    action!("UnbindCertificate", UnbindCertificate, unbind(OneCertificate)),
];

parameters! {
    struct BindParameters {
        user: Name = "UserName" required shown => user_name;
        certificate: GivenCertificate = "Certificate" required shown => certificate;
        proof: Option<Vec<u8>> = "Proof" optional hidden => proof;
    }
}

parameters! {
    struct OfUser {
        user: Name = "UserName" required shown => user_name;
        _ = "MaxItems" optional shown => passed_over;
    }
}

parameters! {
    struct OneCertificate {
        user: Name = "UserName" required shown => user_name;
        id: CertificateId = "CertificateId" required shown => certificate_id;
    }
}

async fn bind(exchange: &Exchange<'_>, given: BindParameters) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        certificate_id: Shown<String>,
        public_key_sha256: Shown<String>,
        create_date: Shown<String>,
    }
    let BindParameters { user, certificate, proof } = given;
    let CertificateAbout { id, public_key, created, .. } =
        exchange.perform(BindCertificate { user, certificate, proof }).await?;
    exchange.reply(&Content {
        certificate_id: Shown(id.to_string()),
        public_key_sha256: Shown(public_key.to_string()),
        create_date: Shown(time(Some(created))),
    })
}

async fn list(exchange: &Exchange<'_>, given: OfUser) -> Result<Reply, WireError> {
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Content {
        certificates: Certificates,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Certificates {
        certificate: Vec<Certificate>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "PascalCase")]
    struct Certificate {
        certificate_id: String,
        public_key_sha256: String,
        create_date: String,
        last_used_date: String,
    }
    let bound = exchange.perform(ListCertificates { user: given.user }).await?;
    let certificate = |about: CertificateAbout| Certificate {
        certificate_id: about.id.to_string(),
        public_key_sha256: about.public_key.to_string(),
        create_date: time(Some(about.created)),
        last_used_date: time(about.last_used),
    };
    exchange
        .reply(&Content { certificates: Certificates { certificate: bound.into_iter().map(certificate).collect() } })
}

async fn unbind(exchange: &Exchange<'_>, given: OneCertificate) -> Result<Reply, WireError> {
    exchange.perform(UnbindCertificate { user: given.user, id: given.id }).await?;
    exchange.done()
}
