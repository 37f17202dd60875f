//! How parameters of credentials are read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use yaoku_disks::{DiskName, Thumbprint};
use yaoku_iam::{BoundNetworks, CertificateId, Error, Field, GivenCertificate, Name, Timestamp, TokenId};
use yaoku_objects::ObjectId;

use crate::actions::arguments::{Parameter, Read};
use crate::wire::time::format_time;

impl Parameter<'_> {
    /// The name of a user.
    pub(super) fn user_name(self) -> Read<Name> {
        self.read_by(|text| Name::parse(Field::UserName, text))
    }

    pub(super) fn token_id(self) -> Read<TokenId> {
        self.read_by(TokenId::parse)
    }

    pub(super) fn certificate_id(self) -> Read<CertificateId> {
        self.read_by(CertificateId::parse)
    }

    /// A certificate in PEM form.
    pub(super) fn certificate(self) -> Read<GivenCertificate> {
        self.read_by(GivenCertificate::of_pem)
    }

    /// A signature in base64, with line breaks as tools put them or without. One that is none proves nothing, as a wrong one does.
    pub(super) fn proof(self) -> Read<Vec<u8>> {
        /// Twice the characters of the longest, of an RSA key of 8,192 bits.
        const MAX: usize = 4096;
        let Some(text) = self.filled() else { return Ok(None) };
        let text: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).take(MAX).collect();
        Ok(Some(STANDARD.decode(text).unwrap_or_default()))
    }

    /// Addresses and CIDR blocks with commas between.
    pub(super) fn networks(self) -> Read<BoundNetworks> {
        self.read_by(|text| BoundNetworks::parse(text.split(',').map(str::trim)))
    }

    /// As [`Self::networks`], where empty means everywhere.
    pub(super) fn new_networks(self) -> Read<BoundNetworks> {
        match self.value() {
            Some("") => Ok(Some(BoundNetworks::default())),
            _ => self.networks(),
        }
    }

    /// The name of a disk.
    pub(super) fn disk_name(self) -> Read<DiskName> {
        let Some(text) = self.value() else { return Ok(None) };
        let why = "it must be 1 to 128 letters, digits, underscores, slashes, dots, at signs and hyphens";
        DiskName::parse(text).map(Some).ok_or_else(|| self.invalid(why))
    }

    /// The id of a managed object.
    pub(super) fn object_id(self) -> Read<ObjectId> {
        let Some(text) = self.filled() else { return Ok(None) };
        ObjectId::parse(text).map(Some).ok_or_else(|| self.invalid("it must be obj- and 32 hexadecimal digits"))
    }

    /// The thumbprint of a key.
    pub(super) fn thumbprint(self) -> Read<Thumbprint> {
        let Some(text) = self.filled() else { return Ok(None) };
        let why = "it must be the 43 characters that GetDisk shows as Thumbprint";
        Thumbprint::read(text).map(Some).ok_or_else(|| self.invalid(why))
    }

    fn read_by<T>(self, read: impl FnOnce(&str) -> Result<T, Error>) -> Read<T> {
        self.filled().map(read).transpose().map_err(|error| match error {
            Error::Invalid { why, .. } => self.invalid(why),
            Error::NameLength(_) => self.invalid("its length is outside the permitted range"),
            _ => self.invalid("it contains characters that are not allowed"),
        })
    }
}

/// A time; empty where there is none.
pub(super) fn time(at: Option<Timestamp>) -> String {
    at.map(|at| format_time(at.0)).unwrap_or_default()
}
