//! Commands that a running server does: what they ask, and how answers are shown.

use clap::Args;
use serde_json::Value;

use crate::Error;
use crate::config::{StoreOptions, StoreSettings};
use crate::control::{AdminApiName, Operation, RunningServer};

/// Where the server is, and which account is meant.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct At {
    /// The account's ID, 16 digits [default: the first account of the installation]
    #[arg(long, value_name = "ID")]
    pub(crate) account: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreOptions,
}

/// What a command is about, and where.
#[derive(Args)]
pub(crate) struct Leaf<T: Args> {
    #[command(flatten)]
    pub(crate) what: T,
    #[command(flatten)]
    pub(crate) at: At,
}

/// An action to be asked for.
pub(crate) struct Request {
    action: &'static str,
    params: Vec<(String, String)>,
}

impl Request {
    pub(crate) const fn new(action: &'static str) -> Self {
        Self { action, params: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.params.push((name.to_owned(), value.into()));
        self
    }

    /// With a parameter that may be absent.
    pub(crate) fn maybe(self, name: &str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Asks for it; the answer, in JSON for people. Listings come whole.
    pub(crate) async fn ask(
        mut self,
        api: AdminApiName,
        account: Option<String>,
        settings: &StoreSettings,
    ) -> Result<String, Error> {
        if self.action.starts_with("List") {
            self = self.with("MaxItems", PAGE);
        }
        let mut whole: Option<Value> = None;
        loop {
            let server = running(settings).await?;
            let (action, params) = (self.action.to_owned(), self.params.clone());
            let operation = Operation { api, account: account.clone(), action, params };
            let answer = server.operate(&operation).await?;
            let mut part: Value = serde_json::from_slice(&answer).map_err(|error| Error::Control(error.to_string()))?;
            let marker = part.get("Marker").and_then(Value::as_str).map(str::to_owned);
            if let Some(fields) = part.as_object_mut() {
                ["IsTruncated", "Marker", "RequestId"].iter().for_each(|name| drop(fields.remove(*name)));
            }
            match &mut whole {
                Some(whole) => append(whole, part),
                None => whole = Some(part),
            }
            let Some(marker) = marker else { break };
            self.params.retain(|(name, _)| name != "Marker");
            self = self.with("Marker", marker);
        }
        let whole = whole.unwrap_or_default();
        if whole.as_object().is_some_and(serde_json::Map::is_empty) {
            return Ok("done".into());
        }
        serde_json::to_string_pretty(&whole).map_err(|error| Error::Control(error.to_string()))
    }
}

/// Items of a page of a listing.
const PAGE: &str = "1000";

/// Puts the items of another page of a listing behind those that are there.
fn append(whole: &mut Value, part: Value) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (name, part) in part {
                append(whole.entry(name).or_insert(Value::Null), part);
            }
        }
        (Value::Array(whole), Value::Array(part)) => whole.extend(part),
        (whole, part) => *whole = part,
    }
}

/// The server of a data directory.
pub(crate) async fn running(settings: &StoreSettings) -> Result<RunningServer, Error> {
    RunningServer::find(&settings.control_socket, &settings.data_dir).await?.ok_or_else(|| {
        let socket = settings.control_socket.display();
        Error::Options(format!("no server is listening on {socket}; start one, or set --data-dir or --control-socket to those of a running server"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pages_of_a_listing_become_one() {
        let mut whole = json!({"Users": {"User": [{"UserName": "a"}]}});
        append(&mut whole, json!({"Users": {"User": [{"UserName": "b"}]}}));
        assert_eq!(whole, json!({"Users": {"User": [{"UserName": "a"}, {"UserName": "b"}]}}));
    }
}
