//! `yaoku ram certificate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::document;
use crate::Error;
use crate::server_command::{At, Leaf, Request};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Bind a certificate's public key to a user
    Bind(Leaf<New>),
    /// List the certificates bound to a user
    List(Leaf<Whose>),
    /// Unbind a certificate; takes effect before it is answered
    Unbind(Leaf<Bound>),
}

/// Whom certificates are bound to.
#[derive(Args)]
pub(crate) struct Whose {
    /// The user's name
    #[arg(long, value_name = "NAME")]
    user: String,
}

/// A certificate.
#[derive(Args)]
pub(crate) struct New {
    /// The certificate, in PEM format
    #[arg(value_name = "CERT.pem")]
    certificate: PathBuf,
    #[command(flatten)]
    whose: Whose,
}

/// A binding.
#[derive(Args)]
pub(crate) struct Bound {
    /// The CertificateId that `bind` and `list` show
    id: String,
    #[command(flatten)]
    whose: Whose,
}

impl Command {
    pub(super) fn at(&self) -> &At {
        match self {
            Self::Bind(leaf) => &leaf.at,
            Self::List(leaf) => &leaf.at,
            Self::Unbind(leaf) => &leaf.at,
        }
    }

    pub(super) fn request(self) -> Result<Request, Error> {
        Ok(match self {
            Self::Bind(Leaf { what: New { certificate, whose }, .. }) => Request::new("BindCertificate")
                .with("UserName", whose.user)
                .with("Certificate", document(&certificate)?),
            Self::List(leaf) => Request::new("ListCertificates").with("UserName", leaf.what.user),
            Self::Unbind(Leaf { what: Bound { id, whose }, .. }) => {
                Request::new("UnbindCertificate").with("UserName", whose.user).with("CertificateId", id)
            }
        })
    }
}
