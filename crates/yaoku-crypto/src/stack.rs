//! What moved values leave behind on the stack.
//!
//! A key schedule begins with the key itself, and each time such a value is moved, its bytes stay where it was. So a key is
//! prepared below a frame of its own, put into a box there, and then the frames below are overwritten.

use std::hint::black_box;

/// More than what preparing a key takes, also without optimisation. Overwriting it takes about two microseconds.
const DEPTH: usize = 64 << 10;

/// Does something, and then overwrites what it left on the stack. The result must not hold by value what is to be wiped.
pub(crate) fn wiping_stack<T>(work: impl FnOnce() -> T) -> T {
    let result = deeper(work);
    overwrite();
    result
}

#[inline(never)]
fn deeper<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn overwrite() {
    black_box(&mut [0u8; DEPTH]);
}
