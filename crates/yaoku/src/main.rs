//! The `yaoku` program; all of it is in the library beside this file.

use std::process::ExitCode;

/// A request takes some dozens of small allocations, many of which end on another thread: this takes them apart by thread
/// and size, and gives no pages back between two requests only to ask for them again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    yaoku::cli::run()
}
