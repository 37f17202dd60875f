//! Cuts what is to be written into transactions that a store takes.

use yaoku_store::{Limits, Revision, Transaction};

/// Gathers rows; whenever the next one would go beyond the limits, gives what it has.
pub(crate) struct Cut {
    limits: Limits,
    gathered: Transaction,
}

impl Cut {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, gathered: Transaction::default() }
    }

    /// Takes one row and what it expects; what there was before it, if that is to be committed now.
    pub(crate) fn put(
        &mut self,
        expected: Vec<(Vec<u8>, Option<Revision>)>,
        key: Vec<u8>,
        value: Vec<u8>,
    ) -> Option<Transaction> {
        let next = Transaction { expected, puts: vec![(key, value)], ..Transaction::default() };
        let full = self.gathered.operations() + next.operations() > self.limits.operations
            || self.gathered.bytes() + next.bytes() > self.limits.bytes;
        let before = full.then(|| std::mem::take(&mut self.gathered));
        self.gathered.expected.extend(next.expected);
        self.gathered.puts.extend(next.puts);
        before
    }

    /// The last ones.
    pub(crate) fn rest(self) -> Transaction {
        self.gathered
    }
}
