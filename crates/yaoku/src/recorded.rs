//! What is done to a data directory without a server, and recorded in its audit log, if it has one.

use std::future::Future;
use std::sync::Arc;

use yaoku_gate::{Entry, Maintenance, RequestId};
use yaoku_iam::Caller;
use yaoku_kms::SystemClock;
use yaoku_seal::Vault;

use crate::Error;
use crate::audit::{Continuity, RunningLog};
use crate::control::FAILED;
use crate::datadir::DataDir;

/// Records that something is done, then does it; where it fails, that is recorded too, under the same request id. While the log
/// can't be written it is not done.
pub(crate) async fn recorded<T>(
    data_dir: &DataDir,
    vault: &Arc<Vault>,
    what: Maintenance,
    continuity: Continuity,
    deed: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let Some(account) = yaoku_iam::installation(vault).await? else { return deed.await };
    let Some(log) = RunningLog::go_on(data_dir, vault.clone(), continuity).await? else { return deed.await };
    let (id, trail) = (RequestId::random(), log.trail());
    let operator = Caller::without_server(account);
    let enter = || Entry::without_server(&trail, what, operator.clone(), id, Arc::new(SystemClock));
    let failed = match (enter(), enter()) {
        (Ok(begun), Ok(failed)) => begun.record(Ok(())).await.is_ok().then_some(failed),
        _ => None,
    };
    let done = match failed {
        Some(failed) => {
            let done = deed.await;
            if let Err(error) = &done
                && failed.record(Err((FAILED, &error.to_string()))).await.is_err()
            {
                tracing::error!("the failure is not recorded, because the audit log can't be written");
            }
            done
        }
        None => Err(Error::Unrecorded),
    };
    drop(trail);
    log.close().await;
    done
}
