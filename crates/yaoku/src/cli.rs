//! The command line.
//!
//! Exit codes: 0 done, 1 it could not be done, 2 the command line is not understood (also when there is none: then the
//! help is printed, to standard error).

use std::error::Error as _;
use std::ffi::OsString;
use std::io::{Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use tracing_appender::non_blocking::WorkerGuard;

use crate::account::AccountCommand;
use crate::audit::AuditCommand;
use crate::config::{HsmSettings, Options, SECRET_VARIABLES, Settings, StoreOptions, StoreSettings};
use crate::disk::DiskCommand;
use crate::hsm::HsmCommand;
use crate::kmip::KmipCommand;
use crate::kubernetes::KubernetesKms;
use crate::ram::RamCommand;
use crate::{Error, accept, hsm, logging, maintenance, restore, serve, signals};

#[derive(Parser)]
#[command(name = "yaoku", version, about = ABOUT, arg_required_else_help = true, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const ABOUT: &str = "yaoku (钥库): a self-hosted key management service that speaks the Alibaba Cloud KMS API";
const AFTER: &str = "Start here: `yaoku server` serves on 127.0.0.1:7788 and keeps everything in ./yaoku-data.\n\
                     快速开始：`yaoku server` 在 127.0.0.1:7788 提供服务，所有数据保存在 ./yaoku-data。";

#[derive(Subcommand)]
enum Command {
    /// Serve the API until SIGTERM or SIGINT; SIGHUP reloads the TLS certificate
    ///
    /// Each option can also be set with the environment variable shown beside it, or in a TOML file (--config). Flags
    /// override the environment, which overrides the file.
    #[command(next_line_help = true)]
    Server(Box<Options>),
    /// Manage the seal, which protects the root key
    #[command(subcommand, arg_required_else_help = true)]
    Seal(SealCommand),
    /// Write an encrypted backup of everything, whether a server runs or not
    Backup {
        /// File to write; it must not exist yet
        file: PathBuf,
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Replace the store with a backup; no server may be running
    ///
    /// The whole backup is read and verified before anything is replaced. Opening it needs the root key that was in use
    /// when it was made: with a file as the seal, put that file where --seal points; with a passphrase, enter
    /// the passphrase.
    Restore {
        /// The backup
        file: PathBuf,
        /// Replace an existing store; it is kept beside the new one as store.before-restore
        #[arg(long)]
        replace: bool,
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Accept the store and the audit log as they are, after restoring older files or losing some, while no server runs
    ///
    /// A start refuses a store that was rolled back, changed from outside, or does not match its audit log. Use this if you did that
    /// on purpose. Every record must open, and the log must be intact. It is recorded in the audit log.
    Accept {
        #[command(flatten)]
        store: StoreOptions,
    },
    /// Inspect a hardware security module (HSM)
    #[command(subcommand, arg_required_else_help = true)]
    Hsm(HsmCommand),
    /// Read and verify the audit log
    #[command(subcommand, arg_required_else_help = true)]
    Audit(AuditCommand),
    /// Create, list, disable and enable accounts, which are isolated from each other
    #[command(subcommand, arg_required_else_help = true)]
    Account(AccountCommand),
    /// Manage users, AccessKeys, groups, roles and policies as the root of an account, and explain permissions
    ///
    /// A running server executes and records these commands. They print the answers of the RAM API, in JSON.
    #[command(subcommand, arg_required_else_help = true)]
    Ram(RamCommand),
    /// Bind disks to keys, so that LUKS volumes unlock by Clevis where they stand (Tang)
    ///
    /// A running server executes and records these commands, as the root of an account. Disks are served on --tang-listen.
    #[command(subcommand, arg_required_else_help = true)]
    Disk(DiskCommand),
    /// Choose the key for managed objects of KMIP, and look at them
    ///
    /// A running server executes and records these commands, as the root of an account. KMIP is served on --kmip-listen.
    #[command(subcommand, arg_required_else_help = true)]
    Kmip(KmipCommand),
    /// Serve the KMS v2 plugin of Kubernetes, beside the API server
    ///
    /// The API server encrypts Secrets and other resources in etcd with a customer master key of a yaoku server. The plugin keeps
    /// nothing on disk. Each option can also be set with the environment variable shown beside it.
    #[command(next_line_help = true)]
    KubernetesKms(Box<KubernetesKms>),
    /// Print the version
    Version,
}

#[derive(Subcommand)]
enum SealCommand {
    /// Replace the root key with a new one, whether a server runs or not
    ///
    /// Clients notice nothing. Earlier backups still need the root key that was in use when they were made.
    Rotate {
        #[command(flatten)]
        store: StoreOptions,
    },
}

/// Does what the process was called for.
pub fn run() -> ExitCode {
    match Cli::parse().command.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut sentence = format!("yaoku: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                // Transparent errors repeat themselves.
                let cause_text = cause.to_string();
                if !sentence.contains(&cause_text) {
                    sentence += &format!(": {cause_text}");
                }
                source = cause.source();
            }
            // If nobody reads it, the exit code still tells.
            let _ = writeln!(stderr(), "{sentence}");
            ExitCode::FAILURE
        }
    }
}

impl Command {
    fn run(self) -> Result<(), Error> {
        match self {
            Self::Server(options) => {
                let options = options.with_file()?;
                let settings = Settings::of(&options, &environment)?;
                let _log = logging::start(settings.log, settings.log_format);
                warn_of_unknown_variables();
                runtime()?.block_on(serve::run(settings))
            }
            Self::Seal(SealCommand::Rotate { store }) => {
                let _log = plain_log();
                let told = runtime()?.block_on(maintenance::rotate(settings(store)?))?;
                say(&told)
            }
            Self::Backup { file, store } => {
                let _log = plain_log();
                let told = runtime()?.block_on(maintenance::backup(settings(store)?, &file))?;
                say(&told)
            }
            Self::Restore { file, replace, store } => {
                let _log = plain_log();
                let told = runtime()?.block_on(restore::restore(settings(store)?, &file, replace))?;
                say(&told)
            }
            Self::Accept { store } => {
                let _log = plain_log();
                let told = runtime()?.block_on(accept::accept(settings(store)?))?;
                say(&told)
            }
            Self::Hsm(HsmCommand::Check { hsm: options }) => {
                let options = Options::from(options).with_file()?;
                say(&hsm::check(HsmSettings::of(&options, &environment)?)?)
            }
            Self::Audit(command) => command.run(),
            Self::Ram(command) => {
                let _log = plain_log();
                let store = settings(command.store())?;
                let told = runtime()?.block_on(command.run(store))?;
                say(&told)
            }
            Self::Account(command) => {
                let _log = plain_log();
                let store = settings(command.store())?;
                let told = runtime()?.block_on(command.run(store))?;
                say(&told)
            }
            Self::Disk(command) => {
                let _log = plain_log();
                let store = settings(command.store())?;
                let told = runtime()?.block_on(command.run(store))?;
                say(&told)
            }
            Self::Kmip(command) => {
                let _log = plain_log();
                let store = settings(command.store())?;
                let told = runtime()?.block_on(command.run(store))?;
                say(&told)
            }
            Self::KubernetesKms(options) => {
                let _log = logging::start(options.log, options.log_format);
                runtime()?.block_on(options.run())
            }
            Self::Version => say(concat!("yaoku ", env!("CARGO_PKG_VERSION"))),
        }
    }
}

/// The log of a command that is not a server.
fn plain_log() -> WorkerGuard {
    logging::start(Default::default(), Default::default())
}

fn settings(store: StoreOptions) -> Result<StoreSettings, Error> {
    StoreSettings::of(&Options::from(store).with_file()?, &environment)
}

/// A variable that is misspelt would be passed over in silence; but clients have some of their own, so it is no error.
fn warn_of_unknown_variables() {
    let server = Options::augment_args(clap::Command::new("server"));
    let options: Vec<_> = server.get_arguments().filter_map(|arg| arg.get_env()).collect();
    for (name, _) in std::env::vars_os() {
        let ours = name.to_str().is_some_and(|name| name.starts_with("YAOKU_"));
        if ours && !options.contains(&name.as_os_str()) && !SECRET_VARIABLES.iter().any(|known| name == *known) {
            tracing::warn!(variable = ?name, "this environment variable is not an option of the server and is ignored");
        }
    }
}

fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = built.map_err(|error| Error::Options(format!("can't start threads: {error}")))?;
    let survived = runtime.block_on(async { signals::survive_file_size_limit() });
    survived.map_err(|error| Error::Options(format!("can't handle signals: {error}")))?;
    Ok(runtime)
}

fn say(sentence: &str) -> Result<(), Error> {
    writeln!(stdout(), "{sentence}").map_err(Error::file("standard output"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for arg in command.get_arguments() {
                assert!(arg.get_help().is_some(), "{} {}", command.get_name(), arg.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
