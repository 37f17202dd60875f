//! The mechanisms that a token lists, and what was found out by trying them.

use std::sync::OnceLock;

use cryptoki::context::Pkcs11;
use cryptoki::error::Error as Pkcs11Error;
use cryptoki::mechanism::{MechanismInfo, MechanismType};
use cryptoki::slot::Slot;

use crate::algorithms::WrappingAlgorithm;

/// What a token says of itself at the beginning of a connection.
pub(super) struct Mechanisms {
    pub(super) listed: Vec<(MechanismType, MechanismInfo)>,
    /// Whether it has a curve, once that was tried.
    pub(super) curves: [OnceLock<bool>; 2],
    /// The hashes that its RSAES-OAEP takes, once they were tried.
    pub(super) oaep: OnceLock<Vec<WrappingAlgorithm>>,
}

impl Mechanisms {
    pub(super) fn read(module: &Pkcs11, slot: Slot) -> Result<Self, Pkcs11Error> {
        let mut listed = Vec::new();
        for mechanism in module.get_mechanism_list(slot)? {
            // A mechanism that the library will not describe can't be relied on.
            listed.extend(module.get_mechanism_info(slot, mechanism).ok().map(|info| (mechanism, info)));
        }
        Ok(Self { listed, curves: Default::default(), oaep: OnceLock::new() })
    }

    /// What is lacking of the mechanism, if anything is.
    pub(super) fn lack(
        &self,
        mechanism: MechanismType,
        doing: &str,
        does: fn(&MechanismInfo) -> bool,
    ) -> Option<String> {
        let offered = self.listed.iter().any(|(offered, info)| *offered == mechanism && does(info));
        (!offered).then(|| format!("{mechanism} for {doing}"))
    }

    /// As [`Self::lack`], with keys of so many bits.
    pub(super) fn lack_of_size(&self, mechanism: MechanismType, bits: usize) -> Option<String> {
        let info = self.listed.iter().find(|(offered, _)| *offered == mechanism).map(|(_, info)| info);
        let fits = info.is_none_or(|info| (info.min_key_size()..=info.max_key_size()).contains(&bits));
        (!fits).then(|| format!("{mechanism} with {bits} bits"))
    }
}
