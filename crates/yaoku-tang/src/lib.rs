//! The Tang protocol: a disk unlocks where it stands, because its key can be recovered only with a server there.
//!
//! `GET …/adv` answers an [`Advertisement`]: public keys, signed. A client keeps one of them, and a secret that it needs the server to
//! recover: it sends a blinded point to `POST …/rec/<thumbprint>` ([`read_point`]), which the server multiplies by its private scalar and
//! sends back ([`write_point`]). Nothing that could identify the disk's key leaves the client.
//!
//! Keys are on P-521: `ECMR` to exchange, `ES512` to sign; thumbprints are those of RFC 7638 with SHA-256. [`Service`] takes a call
//! through `yaoku-gate` to the domain of disks, which holds the keys; what a call is refused for is spelled in `failure`.

mod advertisement;
mod failure;
mod jwk;
mod route;
mod service;
mod told;

pub use advertisement::Advertisement;
pub use jwk::{JwkError, MAX_JWK, read_point, write_point};
pub use route::Route;
pub use service::{Service, counted};
pub use yaoku_disks::{DiskUrl, Thumbprint};

/// What the fuzz targets call.
#[doc(hidden)]
pub mod fuzzing {
    /// Reads the body of a recovery.
    pub fn point(body: &[u8]) {
        if let Ok(point) = crate::read_point(body) {
            assert_eq!(crate::read_point(&crate::write_point(&point)).ok(), Some(point));
        }
    }

    /// Reads a method and a path.
    pub fn route(method: &str, path: &str) {
        let _ = crate::Route::read(method, path);
    }
}
