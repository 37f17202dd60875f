//! Several things in one call: each has a result or an error of its own, and `reference`s of the caller's.

use http::StatusCode;
use serde::Serialize;
use yaoku_gate::Charged;

use crate::failure::{Code, Failure};
use crate::reply::Reply;
use crate::service::Exchange;
use crate::values;

/// Items of a batch.
const MAX: usize = 256;

/// The items of a batch, of which no more are kept than one can have. Bodies are read once as a single item, and once as what stands
/// beside it: reading both at once would take copies of secret values, and more memory than the body.
pub(super) type Items<T> = values::Items<T, MAX>;

/// What came of an item.
#[derive(Serialize)]
pub(super) struct Outcome<T> {
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    result: Option<T>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

/// What came of all.
#[derive(Serialize)]
struct Results<T> {
    batch_results: Vec<Outcome<T>>,
}

/// Outcomes of a batch, as they come in.
pub(super) struct Outcomes<T> {
    all: Vec<Outcome<T>>,
    /// The status of the first that failed.
    failed: Option<StatusCode>,
}

/// Checks how many there are, and counts them as calls under way until the answer is dropped.
pub(super) fn admit<T>(exchange: &Exchange<'_>, Items { 0: items }: Items<T>) -> Result<(Vec<T>, Charged), Failure> {
    let items = items.all("batch_input")?;
    let charged = exchange.charge(items.len())?;
    Ok((items, charged))
}

impl<T: Serialize> Outcomes<T> {
    pub(super) const fn new() -> Self {
        Self { all: Vec::new(), failed: None }
    }

    /// Adds what came of an item, and lets other calls go on before the next.
    ///
    /// # Errors
    /// What concerns more than the item: then the call as a whole fails.
    pub(super) async fn push(
        &mut self,
        exchange: &Exchange<'_>,
        result: Result<T, Failure>,
        reference: Option<String>,
    ) -> Result<(), Failure> {
        tokio::task::yield_now().await;
        match result {
            Ok(result) => self.all.push(Outcome { result: Some(result), error: None, reference }),
            Err(failure) if failure.code.status().is_server_error() || failure.code == Code::Throttling => {
                return Err(failure);
            }
            Err(failure) => {
                self.failed.get_or_insert(failure.code.status());
                exchange.item_failed(&failure, reference.as_deref().unwrap_or(&(self.all.len() + 1).to_string()));
                self.all.push(Outcome { result: None, error: Some(failure.message.into_owned()), reference });
            }
        }
        Ok(())
    }

    /// The answer. Where an item failed, its status is 400, or what the caller asked for if others did not fail.
    pub(super) fn reply(self, exchange: &Exchange<'_>, partial: Option<u16>) -> Result<Reply, Failure> {
        let has_results = self.all.iter().any(|outcome| outcome.result.is_some());
        let reply = exchange.data(&Results { batch_results: self.all })?;
        Ok(match self.failed {
            None => reply,
            Some(failed) if !has_results => reply.with_status(failed),
            Some(_) => {
                let asked = partial.and_then(|status| StatusCode::from_u16(status).ok());
                let asked = asked.filter(|status| (200..600).contains(&status.as_u16()));
                reply.with_status(asked.unwrap_or(StatusCode::BAD_REQUEST))
            }
        })
    }
}
