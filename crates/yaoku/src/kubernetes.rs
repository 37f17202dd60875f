//! `yaoku kubernetes-kms`: the KMS v2 plugin of Kubernetes, a process beside the API server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::watch;
use yaoku_client::{AccessKey, Client, Endpoint, Trust};
use yaoku_crypto::Secret;
use yaoku_http::{ConnectionMetrics, Limits, Listener};
use yaoku_kubernetes::{ClusterName, Metrics, MetricsPage, Plugin, PluginSocket, Server, Settings};

use crate::Error;
use crate::config::{LogFormat, LogLevel, access_key_secret};
use crate::serve::forbid_core_dumps;
use crate::signals::{Asked, Signals};

/// Options of `yaoku kubernetes-kms`.
#[derive(Args)]
pub(crate) struct KubernetesKms {
    /// Unix socket to serve on, as `endpoint` of the API server's EncryptionConfiguration names it
    #[arg(long, env = "YAOKU_KUBERNETES_SOCKET", value_name = "PATH", default_value = "/run/yaoku/kms.sock")]
    socket: PathBuf,
    /// Address of the yaoku server, such as https://kms.example:7788
    #[arg(long, env = "YAOKU_SERVER", value_name = "URL")]
    server: String,
    /// Customer master key: its ID, alias (alias/NAME) or ARN
    #[arg(long, env = "YAOKU_KUBERNETES_KEY", value_name = "KEY")]
    key: String,
    /// Name of the cluster; what was encrypted under one name does not decrypt under another
    #[arg(long, env = "YAOKU_KUBERNETES_CLUSTER", value_name = "NAME", default_value = "kubernetes", value_parser = cluster)]
    cluster: ClusterName,
    /// AccessKey ID of the plugin's user
    ///
    /// The AccessKey Secret is read from YAOKU_ACCESS_KEY_SECRET or --access-key-secret-file.
    #[arg(long, env = "YAOKU_ACCESS_KEY_ID", value_name = "ID")]
    access_key_id: String,
    /// File with the AccessKey Secret; only its owner may have access to it (mode 0600)
    #[arg(long, env = "YAOKU_ACCESS_KEY_SECRET_FILE", value_name = "FILE")]
    access_key_secret_file: Option<PathBuf>,
    /// PEM file with the certificate of whoever issued the server's [default: what the system trusts]
    #[arg(long, env = "YAOKU_CA_CERT", value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// Milliseconds that the server may take to answer, less than the API server's timeout (3 s by default)
    #[arg(long, env = "YAOKU_KUBERNETES_TIMEOUT", value_name = "MS", default_value_t = 2500, value_parser = clap::value_parser!(u64).range(100..=30_000))]
    timeout: u64,
    /// Address and port for /metrics (Prometheus) and /healthz [default: none]
    #[arg(long, env = "YAOKU_KUBERNETES_METRICS_LISTEN", value_name = "ADDRESS:PORT")]
    metrics_listen: Option<SocketAddr>,
    /// How much is logged
    #[arg(long, env = "YAOKU_LOG", value_enum, default_value_t)]
    pub(crate) log: LogLevel,
    /// Form of the log
    #[arg(long, env = "YAOKU_LOG_FORMAT", value_enum, default_value_t)]
    pub(crate) log_format: LogFormat,
}

fn cluster(text: &str) -> Result<ClusterName, &'static str> {
    ClusterName::parse(text)
}

impl KubernetesKms {
    /// Serves until SIGTERM or SIGINT.
    ///
    /// # Errors
    /// When the options can't be used. A server that can't be reached, or a key that can't be used, is no error here: both may come.
    pub(crate) async fn run(self) -> Result<(), Error> {
        forbid_core_dumps();
        let mut signals = Signals::take().map_err(|error| Error::Options(format!("can't handle signals: {error}")))?;
        let plugin = Arc::new(self.plugin()?);
        let metrics = Metrics::new();
        let (stop, stopped) = watch::channel(false);
        let page = match self.metrics_listen {
            Some(address) => Some(serve_page(address, metrics.clone(), stopped.clone()).await?),
            None => None,
        };
        let socket = PluginSocket::open(&self.socket).await?;
        say_ready(&self.socket, page.as_ref().map(|page| page.address))?;
        // For the log: what is wrong shows now, and not only when the API server asks.
        tokio::spawn({
            let plugin = plugin.clone();
            async move { plugin.status().await.map(drop) }
        });
        let serving = tokio::spawn(Server::new(plugin, metrics).run(socket, stop_of(stopped)));
        while signals.next().await != Asked::Stop {}
        tracing::info!("stopping; waiting for requests in progress");
        stop.send_replace(true);
        let _ = serving.await;
        if let Some(page) = page {
            let _ = page.serving.await;
        }
        Ok(())
    }

    fn plugin(&self) -> Result<Plugin<Client>, Error> {
        let endpoint = Endpoint::parse(&self.server)?;
        let secret = self.secret()?;
        let access_key = AccessKey::new(&self.access_key_id, &secret)?;
        let trust = self.ca_cert.clone().map_or(Trust::System, Trust::File);
        let timeout = Duration::from_millis(self.timeout);
        let client = Client::new(endpoint, access_key, &trust, timeout)?;
        if self.key.is_empty() {
            return Err(Error::Options(
                "--key is empty; name a key by its ID, its alias (alias/NAME) or its ARN".into(),
            ));
        }
        let settings = Settings { key: self.key.clone(), cluster: self.cluster.clone(), patience: timeout };
        Ok(Plugin::new(client, settings))
    }

    fn secret(&self) -> Result<Secret, Error> {
        let found = access_key_secret(self.access_key_secret_file.as_deref(), &|name| std::env::var_os(name))?;
        found.ok_or_else(|| {
            Error::Options(
                "the AccessKey Secret is missing: name a file with --access-key-secret-file, or set \
                 YAOKU_ACCESS_KEY_SECRET"
                    .into(),
            )
        })
    }
}

struct Page {
    address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

async fn serve_page(address: SocketAddr, metrics: Metrics, stopped: watch::Receiver<bool>) -> Result<Page, Error> {
    let failed = |error| Error::Options(format!("can't listen on {address}: {error}; choose another --metrics-listen"));
    let socket = TcpListener::bind(address).await.map_err(failed)?;
    let address = socket.local_addr().map_err(failed)?;
    let limits = Limits { connections: 16, all_requests_bytes: 4 << 20, ..Limits::default() };
    let server = yaoku_http::Server::new(limits, ConnectionMetrics::default());
    let server = server.listen(Listener { socket, tls: None }, Arc::new(MetricsPage(metrics)));
    Ok(Page { address, serving: tokio::spawn(server.run(stop_of(stopped))) })
}

async fn stop_of(mut stopped: watch::Receiver<bool>) {
    // Stops as well when the sender is gone.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

fn say_ready(socket: &Path, metrics: Option<SocketAddr>) -> Result<(), Error> {
    use std::io::Write;
    let mut out = std::io::stdout();
    let mut said = String::new();
    if let Some(address) = metrics {
        said += &format!("yaoku serves metrics: http://{address}/metrics\n");
    }
    said += &format!("yaoku ready: unix://{}\n", socket.display());
    out.write_all(said.as_bytes()).and_then(|()| out.flush()).map_err(Error::file("standard output"))
}
