//! `yaoku ram`: who may do what.

use clap::{Args, Subcommand};
use yaoku_kms::Supposed;

use crate::Error;
use crate::config::{StoreOptions, StoreSettings};
use crate::control::RunningServer;

/// Commands on identities and policies.
#[derive(Subcommand)]
pub(crate) enum RamCommand {
    /// Say whether a call would be allowed, and by which statement of which policy
    ///
    /// The server that runs on the data directory is asked; nothing is done. The key's own tags and policy count, and the
    /// present time. What else conditions ask about is given with --context; what is not given, the call does not have.
    Explain(Explain),
}

/// A call that is only supposed.
#[derive(Args)]
pub(crate) struct Explain {
    /// Who is to call: `root`, user/NAME or role/NAME, or the ARN of one, such as acs:ram::1234567890123456:user/NAME
    #[arg(long = "as", value_name = "PRINCIPAL")]
    who: String,
    /// What is to be done, such as kms:Decrypt
    #[arg(long)]
    action: String,
    /// With what: an ARN such as acs:kms:cn-hangzhou:1234567890123456:key/KEYID, or `*`
    #[arg(long, value_name = "ARN")]
    resource: String,
    /// A condition key and its value, such as acs:SourceIp=192.0.2.1 or kms:tag/team=shop; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    #[command(flatten)]
    store: StoreOptions,
}

impl RamCommand {
    /// Takes the store's options out, which say where the server is.
    pub(crate) fn store(&self) -> StoreOptions {
        match self {
            Self::Explain(explain) => explain.store.clone(),
        }
    }

    /// Does it; a sentence on the outcome.
    ///
    /// # Errors
    /// When no server runs there, or it can't answer.
    pub(crate) async fn run(self, settings: StoreSettings) -> Result<String, Error> {
        let server = RunningServer::find(&settings.control_socket, &settings.data_dir).await?.ok_or_else(|| {
            let socket = settings.control_socket.display();
            Error::Options(format!(
                "no server answers at {socket}; start it, or name its --data-dir or --control-socket"
            ))
        })?;
        match self {
            Self::Explain(Explain { who, action, resource, context, store: _ }) => {
                server.explain(Supposed { who, action, resource, context }).await
            }
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("give a condition key, an equals sign and a value")?;
    Ok((key.to_owned(), value.to_owned()))
}
