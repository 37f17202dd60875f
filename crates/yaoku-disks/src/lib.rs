//! Disks: volumes and virtual machines that are bound to customer master keys, and unlock where they stand.
//!
//! A disk has a key of its own to exchange with (McCallum and Relyea), made for it and sealed under its CMK: with the product of that
//! key and a point, a client recovers the passphrase of a volume. The key never leaves; nobody learns the passphrase from the exchange.
//! Whoever knows the URL of a disk, and comes from where that is allowed, calls in the disk's own name. Nothing else proves it.
//!
//! Every operation is one type in a family module under [`operations`]; [`operations::REGISTRY`] lists them all. A protocol builds such
//! a value, calls [`yaoku_iam::Operation::perform`], and maps result or [`Error`] onto its own words.

mod admission;
mod catalogue;
mod change;
mod disks;
mod error;
mod held;
mod id;
mod mirror;
pub mod operations;
mod record;
mod resource;
mod sealing;
mod thumbprint;

pub use disks::{Disks, DisksConfig, NotProven};
pub use error::{Error, Field};
pub use held::{DiskAbout, KeyAbout};
pub use id::{DiskName, DiskUrl};
pub use resource::{DISK, disk_states};
pub use thumbprint::Thumbprint;
