//! What the system tells the process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that a server knows.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// SIGTERM or SIGINT: stop.
    Stop,
    /// SIGHUP: read the certificate again.
    Reload,
}

/// A file grew to the process's limit; the same number on all of Linux's architectures but MIPS.
const SIGXFSZ: i32 = 25;

/// Lets a write beyond that limit fail, instead of ending the process in the middle of a file. Must be called within a Tokio
/// runtime, before files are written.
pub(crate) fn survive_file_size_limit() -> io::Result<()> {
    // Taken over once, it stays so.
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop)
}

impl Signals {
    /// Takes the signals over. Must be called within a Tokio runtime, before files are written.
    pub(crate) fn take() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// The next thing asked for.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }
}
