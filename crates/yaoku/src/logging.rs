//! The log: one line an event, to standard error.
//!
//! A thread of its own writes it, so that a request never waits for whoever reads the log. When 128,000 lines wait, further
//! ones are dropped.

use tracing::Level;
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogLevel};

/// Starts logging, for the rest of the process; what waits is written when the guard is dropped.
///
/// The level goes for yaoku's own crates. Libraries never say more than warnings: what they tell of requests beyond that
/// may hold plaintexts.
pub(crate) fn start(level: LogLevel, format: LogFormat) -> WorkerGuard {
    let own = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    let others = if level == LogLevel::Error { Level::ERROR } else { Level::WARN };
    // A directive's target is a prefix, so this one goes for all crates of the workspace.
    let filter = EnvFilter::new(format!("{others},yaoku={own}"));
    let (writer, guard) = NonBlocking::new(std::io::stderr());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        // A log that can't be written must not end the server.
        .log_internal_errors(false);
    // A test in this process may have started one already.
    let _ = match format {
        LogFormat::Text => subscriber.try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    };
    guard
}
