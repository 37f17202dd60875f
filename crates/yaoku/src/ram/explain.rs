//! `yaoku ram explain`.

use clap::Args;
use yaoku_kms::Supposed;

use crate::config::StoreOptions;

/// A call that is only supposed.
#[derive(Args)]
pub(crate) struct Explain {
    /// The caller: a user's name, `root`, role/NAME, or an ARN such as acs:ram::1234567890123456:user/NAME
    #[arg(long = "as", value_name = "PRINCIPAL")]
    who: String,
    /// The permission, such as kms:Decrypt
    #[arg(long)]
    action: String,
    /// The resource: an ARN such as acs:kms:cn-hangzhou:1234567890123456:key/KEYID, or `*`
    #[arg(long, value_name = "ARN")]
    resource: String,
    /// A condition key and its value, such as acs:SourceIp=192.0.2.1 or kms:tag/team=shop; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    #[command(flatten)]
    pub(super) store: StoreOptions,
}

impl Explain {
    pub(super) fn supposed(self) -> Supposed {
        let Self { who, action, resource, context, store: _ } = self;
        Supposed { who, action, resource, context }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("use the form KEY=VALUE, such as acs:SourceIp=192.0.2.1")?;
    Ok((key.to_owned(), value.to_owned()))
}
