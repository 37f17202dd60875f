//! `yaoku ram token`.

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::Error;
use crate::config::StoreSettings;
use crate::control::AdminApiName;
use crate::server_command::{At, Leaf, Request};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Create a token and print it alone; it is shown only once
    Create(Leaf<New>),
    /// List a user's tokens; the tokens themselves are not shown
    List(Leaf<Whose>),
    /// Revoke a token; takes effect before it is answered
    Revoke(Leaf<Token>),
}

/// Whose tokens are meant.
#[derive(Args)]
pub(crate) struct Whose {
    /// The user's name
    #[arg(long, value_name = "NAME")]
    user: String,
}

/// A token to be made.
#[derive(Args)]
pub(crate) struct New {
    #[command(flatten)]
    whose: Whose,
    /// How long it is valid, such as 90m, 24h or 30d [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    ttl: Option<u64>,
    /// Network from which it may be used, such as 10.0.0.0/8; repeatable [default: anywhere]
    #[arg(long, value_name = "CIDR", value_delimiter = ',')]
    bound_cidr: Vec<String>,
}

/// A token.
#[derive(Args)]
pub(crate) struct Token {
    /// Its ID, the 16 characters between its two dots
    id: String,
    #[command(flatten)]
    whose: Whose,
}

/// Reads a number and a unit: s, m, h or d.
fn seconds(text: &str) -> Result<u64, String> {
    let unit = |unit| match unit {
        "" | "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3600),
        "d" => Some(86_400),
        _ => None,
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at(digits);
    let read = number.parse::<u64>().ok().zip(unit(rest)).and_then(|(number, unit)| number.checked_mul(unit));
    read.ok_or_else(|| "use a number and a unit: 30s, 90m, 24h or 30d".into())
}

impl Command {
    pub(super) fn at(&self) -> &At {
        match self {
            Self::Create(leaf) => &leaf.at,
            Self::List(leaf) => &leaf.at,
            Self::Revoke(leaf) => &leaf.at,
        }
    }

    /// Does it; of a new token, what is printed is the token alone, so that scripts can take it as it is.
    pub(super) async fn run(self, settings: &StoreSettings) -> Result<String, Error> {
        let account = self.at().account.clone();
        let is_creation = matches!(self, Self::Create(_));
        let request = match self {
            Self::Create(Leaf { what: New { whose, ttl, bound_cidr }, .. }) => {
                let networks = (!bound_cidr.is_empty()).then(|| bound_cidr.join(","));
                let request = Request::new("CreateToken").with("UserName", whose.user);
                request.maybe("TtlSeconds", ttl.map(|ttl| ttl.to_string())).maybe("BoundCidrs", networks)
            }
            Self::List(leaf) => Request::new("ListTokens").with("UserName", leaf.what.user),
            Self::Revoke(Leaf { what: Token { id, whose }, .. }) => {
                Request::new("RevokeToken").with("UserName", whose.user).with("TokenId", id)
            }
        };
        let answer = request.ask(AdminApiName::Credentials, account, settings).await?;
        if !is_creation {
            return Ok(answer);
        }
        let answer: Value = serde_json::from_str(&answer).map_err(|error| Error::Control(error.to_string()))?;
        let token = answer.get("Token").and_then(Value::as_str);
        token.map(str::to_owned).ok_or_else(|| Error::Control("the server answered without a token".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn times_have_a_number_and_a_unit() {
        for (text, read) in [("90", 90), ("90s", 90), ("2m", 120), ("24h", 86_400), ("30d", 2_592_000)] {
            assert_eq!(seconds(text), Ok(read));
        }
        for text in ["", "h", "1w", "-1h", "1.5h", "1h30m", "99999999999999999999d", "99999999999999999d"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
