//! Puts the crates together, and serves.

use std::io::stdout;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use yaoku_aliyun::{Service, ServiceConfig, counted, counted_operators};
use yaoku_crypto::SystemRandom;
use yaoku_crypto::pkcs11::Token;
use yaoku_disks::Disks;
use yaoku_gate::{Domains, DueWork, Gate, GateConfig, Metrics};
use yaoku_http::{ConnectionMetrics, Limits, Server, TlsReloader};
use yaoku_iam::{Iam, Opened};
use yaoku_kms::{Clock, Kms, SystemClock};
use yaoku_objects::Objects;
use yaoku_seal::{Found, Vault};
use yaoku_secrets::Secrets;
use yaoku_store::Closed;

use crate::Error;
use crate::audit;
use crate::config::{HsmSettings, SealSettings, Settings};
use crate::control::ControlSocket;
use crate::datadir::DataDir;
use crate::greeting::Greeting;
use crate::image_file;
use crate::listener::{self, Bound};
use crate::signals::{Asked, Signals};
use crate::store::{OpenStore, StoreAddress};

/// Serves until the process is told to stop: SIGTERM and SIGINT let requests under way finish; a second one does not wait
/// for them. SIGHUP reads the TLS certificates again.
///
/// # Errors
/// When serving can't begin.
pub async fn run(settings: Settings) -> Result<(), Error> {
    let mut signals = Signals::take().map_err(|error| Error::Options(format!("can't handle signals: {error}")))?;
    forbid_core_dumps();
    limit_process(&settings.limits);
    let mut running = start(settings, Arc::new(SystemClock)).await?;
    lock_memory();
    if let Err(error) = running.greeting.print(&mut stdout()) {
        tracing::warn!(%error, "can't write to standard output");
    }
    loop {
        tokio::select! {
            asked = signals.next() => match asked {
                Asked::Reload => running.reload_certificates(),
                Asked::Stop => break,
            },
            what = running.ended() => return Err(Error::Ended(what)),
        }
    }
    tracing::info!("stopping; waiting for requests in progress");
    let stopped = running.stop();
    let asked_again = async { while signals.next().await != Asked::Stop {} };
    tokio::select! {
        () = stopped => {}
        () = asked_again => tracing::warn!("told to stop again; abandoning requests in progress"),
    }
    Ok(())
}

/// A server that is up.
pub struct Running {
    address: SocketAddr,
    greeting: Greeting,
    /// The TLS identities of the listeners.
    tls: Vec<Arc<TlsReloader>>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    scheduler: JoinHandle<()>,
    bookkeeping: JoinHandle<std::convert::Infallible>,
    settling: JoinHandle<std::convert::Infallible>,
    gate: Arc<Gate>,
    checking: JoinHandle<()>,
    iam: Arc<Iam>,
    control: ControlSocket,
    audit: Option<audit::RunningLog>,
    kms: Weak<Kms>,
    secrets: Weak<Secrets>,
    disks: Weak<Disks>,
    objects: Weak<Objects>,
    /// How long requests under way have when the server is told to stop.
    drain: Duration,
    closed: Closed,
    data_dir: DataDir,
}

/// Starts a server by a clock of the caller's choice. Must be called within a Tokio runtime.
///
/// # Errors
/// When the settings can't be used, or what they name.
pub async fn start(settings: Settings, clock: Arc<dyn Clock>) -> Result<Running, Error> {
    // An address that is taken must show before the first start draws a credential and shows it.
    let Bound { address, listener } = listener::bind(&settings.listen).await?;
    let vault_listener = match &settings.vault {
        Some(vault) => Some(listener::bind(vault).await?),
        None => None,
    };
    let tang_listener = match &settings.tang {
        Some(tang) => Some(listener::bind(tang).await?),
        None => None,
    };
    let tang_bound = tang_listener.as_ref().map(|tang| (tang.address, tang.listener.tls.is_some()));
    let kmip_listener = match &settings.kmip {
        Some(kmip) => Some(listener::bind_without_http(kmip).await?),
        None => None,
    };
    let kmip_address = kmip_listener.as_ref().map(|kmip| kmip.address);
    let vault_bound = vault_listener.as_ref().map(|vault| (vault.address, vault.listener.tls.is_some()));
    let has_tls = listener.tls.is_some();
    let others =
        [&vault_listener, &tang_listener, &kmip_listener].map(|bound| bound.as_ref().map(|bound| &bound.listener));
    let listeners = std::iter::once(Some(&listener)).chain(others);
    let tls: Vec<_> = listeners.flatten().filter_map(|listener| listener.tls.clone()).collect();
    let data_dir = DataDir::take(&settings.store.data_dir)?;
    let token = open_token(settings.store.hsm).await?;
    let (vault, closed) = open_vault(&data_dir, settings.store.address, settings.store.seal, token.clone()).await?;
    let control = ControlSocket::open(settings.store.control_socket, &settings.store.data_dir, vault.clone()).await?;
    // The names of store and seal, of whose content they make sure themselves.
    data_dir.sync()?;
    let chosen = settings.bootstrap.root.as_ref().map(|root| root.id.as_str().to_owned());
    let Opened { iam, account, first_start, drawn } =
        Iam::open(vault.clone(), clock.clone(), settings.bootstrap).await?;
    let bookkeeping = tokio::spawn({
        let iam = iam.clone();
        async move { iam.run_bookkeeping().await }
    });
    let image = image_file::take(&data_dir);
    let kms = Kms::open(vault.clone(), iam.clone(), clock.clone(), settings.kms, token, image).await?;
    let secrets = Secrets::open(vault.clone(), iam.clone(), kms.clone(), clock.clone(), settings.secrets).await?;
    let disks = Disks::open(vault.clone(), iam.clone(), kms.clone(), clock.clone(), settings.disks).await?;
    let objects = Objects::open(vault.clone(), iam.clone(), kms.clone(), clock.clone(), settings.objects).await?;
    kms.settle_restore().await?;
    let audit = match settings.audit {
        Some(options) => Some(audit::RunningLog::open(&data_dir, vault.clone(), options, settings.witness).await?),
        None => {
            tracing::warn!("the audit log is off; calls are not recorded");
            None
        }
    };
    let trail = audit.as_ref().map(audit::RunningLog::trail);
    let connections = ConnectionMetrics::default();
    let protocols =
        [counted(), counted_operators(), yaoku_vault::counted(), yaoku_tang::counted(), yaoku_kmip::counted()];
    let metrics = Metrics::new(&protocols, |registry| connections.register(registry));
    let config =
        GateConfig { region: settings.region.clone(), unauthenticated_per_minute: settings.unauthenticated_per_minute };
    let (metrics, gate_vault) = (Arc::new(metrics), vault.clone());
    let domains = Domains {
        iam: iam.clone(),
        kms: kms.clone(),
        secrets: secrets.clone(),
        disks: disks.clone(),
        objects: objects.clone(),
    };
    let gate = Gate::open(gate_vault, domains, clock, metrics, trail, config).await?;
    // The rest of the connections is for calls that take something away, and for what is refused.
    let gate = gate.with_calls_at_once((settings.limits.connections / 4 * 3).max(1));
    let gate = match settings.audit_context {
        Some(names) => gate.showing_encryption_contexts(names).await?,
        None => gate,
    };
    let gate = Arc::new(gate);
    let scheduler = tokio::spawn({
        let (kms, secrets, gate) = (kms.clone(), secrets.clone(), gate.clone());
        async move {
            let due = DueWork(&gate);
            tokio::join!(kms.run_scheduler(&due), secrets.run_scheduler(&due));
        }
    });
    let settling = tokio::spawn({
        let gate = gate.clone();
        async move { settle_intents(&gate).await }
    });
    let config = ServiceConfig { nonce_capacity: settings.nonce_capacity, accepted_hosts: settings.accepted_hosts };
    let (weak_kms, weak_secrets) = (Arc::downgrade(&kms), Arc::downgrade(&secrets));
    let (weak_disks, weak_objects) = (Arc::downgrade(&disks), Arc::downgrade(&objects));
    let checking = tokio::spawn(check_rows(Arc::downgrade(&vault)));
    let service = Arc::new(Service::new(gate.clone(), config));
    control.attend_to(account, &secrets, &gate);
    drop((kms, secrets, disks, objects));
    let drain = settings.limits.drain_timeout;
    let server = Server::new(settings.limits, connections).behind(settings.proxies);
    let mut server = server.listen(listener, service);
    if let Some(vault) = vault_listener {
        server = server.listen(vault.listener, Arc::new(yaoku_vault::Service::new(gate.clone())));
    }
    if let Some(tang) = tang_listener {
        server = server.listen(tang.listener, Arc::new(yaoku_tang::Service::new(gate.clone())));
    }
    if let Some(kmip) = kmip_listener {
        server = server.listen_for_messages(kmip.listener, Arc::new(yaoku_kmip::Service::new(gate.clone())));
    }
    let (stop, stopped) = oneshot::channel();
    let serving = tokio::spawn(server.run(async {
        // Stops as well when the sender is dropped.
        let _ = stopped.await;
    }));
    let greeting = Greeting {
        address,
        tls: has_tls,
        vault: vault_bound,
        tang: tang_bound,
        kmip: kmip_address,
        region: settings.region,
        account,
        first_start,
        drawn,
        chosen,
    };
    Ok(Running {
        address,
        greeting,
        tls,
        stop,
        serving,
        scheduler,
        bookkeeping,
        settling,
        gate,
        checking,
        iam,
        control,
        audit,
        kms: weak_kms,
        secrets: weak_secrets,
        disks: weak_disks,
        objects: weak_objects,
        drain,
        closed,
        data_dir,
    })
}

impl Running {
    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address on which the Vault API is served, if it is.
    pub fn vault_address(&self) -> Option<SocketAddr> {
        self.greeting.vault.map(|(address, _)| address)
    }

    /// The address on which disks are served, if they are.
    pub fn tang_address(&self) -> Option<SocketAddr> {
        self.greeting.tang.map(|(address, _)| address)
    }

    /// The address on which KMIP is served, if it is.
    pub const fn kmip_address(&self) -> Option<SocketAddr> {
        self.greeting.kmip
    }

    /// The root AccessKey that was drawn at this start, and may be shown once: id and secret.
    pub fn drawn_access_key(&self) -> Option<(&str, &yaoku_crypto::Secret)> {
        self.greeting.drawn.as_ref().map(|key| (key.id.as_str(), &key.secret))
    }

    /// Reads the TLS certificates again, and those that issue clients' certificates; what can't be used changes nothing but
    /// the log.
    pub fn reload_certificates(&self) {
        if self.tls.is_empty() {
            tracing::info!("there is no TLS certificate to reload");
        }
        for tls in &self.tls {
            match tls.reload() {
                Ok(()) => tracing::info!("reloaded the TLS certificate"),
                Err(error) => {
                    tracing::error!(%error, "can't reload the TLS certificate; the current one stays in use");
                }
            }
        }
    }

    /// Waits for a part to end that must not; which one. That is an error of this program, and serving half of what was
    /// promised would hide it.
    pub async fn ended(&mut self) -> &'static str {
        let follower = async {
            while self.kms.upgrade().is_none_or(|kms| kms.is_followed())
                && self.secrets.upgrade().is_none_or(|secrets| secrets.is_followed())
                && self.disks.upgrade().is_none_or(|disks| disks.is_followed())
                && self.objects.upgrade().is_none_or(|objects| objects.is_followed())
                && self.iam.is_followed()
            {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::select! {
            _ = &mut self.serving => "serving",
            _ = &mut self.scheduler => "the scheduler",
            _ = &mut self.bookkeeping => "the bookkeeping of AccessKeys",
            _ = &mut self.checking => "the store, whose rows are not what they should be,",
            () = follower => "the follower of the store",
        }
    }

    /// Lets requests under way finish, and ends. When this returns, the data directory is free.
    pub async fn stop(mut self) {
        let kms = self.kms.upgrade();
        let _ = self.stop.send(());
        let give_up = || {
            if let Some(kms) = &kms {
                kms.close_workers();
            }
            self.gate.close_searches();
        };
        // What would take longer than requests have is given up while its callers can still be answered.
        let served = match tokio::time::timeout(self.drain / 6 * 5, &mut self.serving).await {
            Ok(served) => served,
            Err(_) => {
                tracing::warn!(
                    "requests take too long to finish; giving up key generation, searches and calls to the HSM"
                );
                give_up();
                self.serving.await
            }
        };
        if let Err(error) = served {
            tracing::error!(%error, "the HTTP server ended with an error");
        }
        give_up();
        if let Some(kms) = &kms {
            // What is due begins no more.
            kms.stop_scheduler();
        }
        if let Some(secrets) = self.secrets.upgrade() {
            secrets.stop_scheduler();
        }
        if !self.scheduler.is_finished() && tokio::time::timeout(LAST_WORK, &mut self.scheduler).await.is_err() {
            tracing::warn!("scheduled work takes too long to finish; aborting it");
            self.scheduler.abort();
            let _ = self.scheduler.await;
        }
        self.bookkeeping.abort();
        let _ = self.bookkeeping.await;
        self.checking.abort();
        let _ = self.checking.await;
        if let Err(error) = self.iam.write_last_uses().await {
            tracing::warn!(%error, "can't write the last uses of AccessKeys");
        }
        drop(self.iam);
        // Before the log, which waits for the records of what was begun.
        self.control.close().await;
        if let Some(audit) = self.audit {
            audit.close().await;
        }
        self.settling.abort();
        let _ = self.settling.await;
        if let Err(error) = self.gate.settle_intents().await {
            tracing::warn!(%error, "intents of records stay in the store until the next start");
        }
        drop(self.gate);
        // After the last of what changes the store, which would void it.
        if let Some(kms) = kms {
            image_file::leave(&self.data_dir, &kms).await;
            if tokio::time::timeout(LAST_WORK, kms.token_is_idle()).await.is_err() {
                tracing::warn!("the HSM is still busy with what was given up");
            }
        }
        // The follower of the store's changes ends on its own, soon after the domain is gone.
        if tokio::time::timeout(RELEASE, self.closed.wait()).await.is_err() {
            tracing::warn!("the store is still in use");
        }
        drop(self.data_dir);
    }
}

/// Takes intents away whose records are written, again and again.
async fn settle_intents(gate: &Gate) -> std::convert::Infallible {
    loop {
        tokio::time::sleep(SETTLE).await;
        if let Err(error) = gate.settle_intents().await {
            tracing::warn!(%error, "intents of records can't be taken out of the store at present");
        }
    }
}

/// Between two looks for intents whose records are written.
const SETTLE: Duration = Duration::from_secs(1);
/// How long what is due may take to end: commits, and what an HSM does for them.
const LAST_WORK: Duration = Duration::from_secs(20);
/// After a start, until all rows are read behind it.
const BEFORE_CHECK: Duration = Duration::from_secs(2);
/// How long the store may take to be closed, which reads all of its file for its sums.
const RELEASE: Duration = Duration::from_secs(60);

/// Opens the store of a data directory with its seal; makes both where there is neither. Tells when it is closed again.
pub(crate) async fn open_vault(
    data_dir: &DataDir,
    address: StoreAddress,
    seal: SealSettings,
    token: Option<Arc<Token>>,
) -> Result<(Arc<Vault>, Closed), Error> {
    data_dir.check_store(address)?;
    let path = data_dir.store();
    let opened = tokio::task::spawn_blocking(move || Ok::<_, Error>((seal.open(true, token)?, address.open(&path)?)));
    let (seal, OpenStore { store, closed }) = opened.await.map_err(|error| Error::Options(error.to_string()))??;
    Ok((Arc::new(Vault::open(store, seal.into(), Arc::new(SystemRandom)).await?), closed))
}

/// Where a start took the store's rows for right without reading them, they are read behind it: they may have been changed while the last
/// server ran, which left its word for them all the same. Returns when they are not right.
async fn check_rows(vault: Weak<Vault>) {
    // Not while others wait for their first answers.
    tokio::time::sleep(BEFORE_CHECK).await;
    let Some(vault) = vault.upgrade() else { return std::future::pending().await };
    let checked = match vault.found() {
        Found::Untouched => vault.verify().await,
        Found::Right | Found::Begun => Ok(()),
    };
    drop(vault);
    match checked {
        Err(error @ yaoku_seal::Error::Store(yaoku_store::Error::Altered(_) | yaoku_store::Error::Corrupt(_))) => {
            tracing::error!(%error, "the store's rows were checked after the start");
        }
        Err(error) => {
            tracing::warn!(%error, "the store's rows could not be checked after the start");
            std::future::pending().await
        }
        Ok(()) => std::future::pending().await,
    }
}

/// Logs in to the HSM, if there is one. Where it is away, the server starts all the same, and waits for it.
pub(crate) async fn open_token(hsm: Option<HsmSettings>) -> Result<Option<Arc<Token>>, Error> {
    let Some(hsm) = hsm else { return Ok(None) };
    let opened = tokio::task::spawn_blocking(move || hsm.open()).await;
    opened.map_err(|error| Error::Options(error.to_string()))?.map(Some)
}

/// Keeps the process's memory, which holds keys, out of swap. Only where the system sets no bound to that: with one, the
/// process would later find no memory.
fn lock_memory() {
    let unbounded = Rlimit { current: None, maximum: None };
    let allowed = setrlimit(Resource::Memlock, unbounded).is_ok() || getrlimit(Resource::Memlock).current.is_none();
    // Pages are locked when they are first touched: stacks and buffers cost no more than they use.
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    let locked = if allowed { mlockall(flags) } else { Err(rustix::io::Errno::PERM) };
    if let Err(error) = locked {
        let advice = "allow the process unlimited locked memory (LimitMEMLOCK=infinity), or turn swap off";
        tracing::info!(%error, advice, "memory can't be locked, so keys may be swapped to disk");
    }
}

/// Allows the process no core dump, which would hold keys.
pub(crate) fn forbid_core_dumps() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "can't disable core dumps");
    }
}

/// Allows the process the files that its connections need.
fn limit_process(limits: &Limits) {
    // The store, the log, and some for the runtime.
    const OTHERS: u64 = 64;
    let wanted = limits.connections as u64 + OTHERS;
    let held = getrlimit(Resource::Nofile);
    if held.current.is_some_and(|now| now < wanted) {
        let raised = held.maximum.map_or(wanted, |most| most.min(wanted));
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..held }) {
            tracing::warn!(%error, "can't raise the limit on open files");
        }
    }
    if let Some(most) = getrlimit(Resource::Nofile).current.filter(|most| *most < wanted) {
        tracing::warn!(most, wanted, "the limit on open files is too low for --max-connections; raise it (ulimit -n)");
    }
}
