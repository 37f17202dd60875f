//! What happened, in an order that nobody can rewrite.
//!
//! Records stand in files as the leaves of a Merkle tree ([`merkle`], RFC 6962). Each group of records that becomes durable
//! together ends with a signed checkpoint ([`note`], C2SP tlog-checkpoint), so whatever was acknowledged is signed. [`Trail`]
//! writes, [`verify`] checks a log or a copy of it with nothing but the public key, [`Reader`] and
//! [`Backwards`] read. `docs/audit-format.md` draws the bytes.

mod error;
mod event;
mod lookup;
pub mod merkle;
pub mod note;
mod proof;
mod reader;
mod recovery;
mod segment;
mod store_rows;
mod trail;
mod verify;
mod writer;

pub use error::Error;
pub use event::{Event, Identity, ReadWrite, Resources, SessionAttributes, SessionContext, is_obeyed};
pub use lookup::{Condition, Direction, Lookup, Page, segment_at};
pub use proof::{MAX_PROOF, check_proof, prove};
pub use reader::{Backwards, Indexed, Reader};
pub use segment::{Frame, MAX_RECORD, Segment, segments};
pub use store_rows::{forget, load_signer, remember, remembered};
#[cfg(feature = "testing")]
pub use trail::HeldTrail;
pub use trail::{Options, Permit, Purpose, RetainedAge, Sync, Trail, Unavailable};
pub use verify::{Check, Found, verify};
pub use writer::Marks;
