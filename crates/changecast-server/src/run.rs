//! Opens what the configuration names, serves, and ends on a signal.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use changecast::limits;
use changecast::log::SqliteLog;
use changecast::server::{DocumentsMode, PageConfig, Policy, Server};
use changecast::telemetry::Telemetry;
use fd_lock::RwLock;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};

use crate::Failure;
use crate::args::Documents;
use crate::banner::Banner;
use crate::config::{Config, Data};
use crate::descriptors;
use crate::logging;
use crate::sources::SourceConfig;

/// Serves until a signal asks to end.
pub(crate) fn run(config: Config) -> Result<(), Failure> {
    logging::start(&config.logging);
    descriptors::raise_limit();
    let data = DataDirectory::open(&config.data)?;
    let mut lock = RwLock::new(data.lock_file()?);
    let _locked = lock.try_write().map_err(|_| {
        let path = data.path.display();
        Failure::Run(format!(
            "{path} is in use by another changecast: end that one, or choose another --data directory"
        ))
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Run(format!("cannot start: {error}")))?;
    runtime.block_on(serve(config, &data.path))
}

async fn serve(config: Config, data: &Path) -> Result<(), Failure> {
    let address = SocketAddr::new(config.address, config.port);
    let listener = listen(address).map_err(|error| cannot_listen(address, &error))?;
    let address = listener.local_addr().map_err(|error| cannot_listen(address, &error))?;
    let log_file = data.join("log.db");
    let log = SqliteLog::open_with(&log_file, config.log)
        .map_err(|error| Failure::Run(format!("cannot open {}: {error}", log_file.display())))?;
    let telemetry = Arc::new(Telemetry::new());
    let banner = Banner {
        address,
        sources: config.sources.iter().map(|source| source.describe(data)).collect(),
        has_store: config.sources.iter().any(|source| matches!(source, SourceConfig::Embedded)),
    };
    let mut server = Server::builder()
        .log(Arc::new(log))
        .policy(Policy { hosts: config.allow_host, origins: config.allow_origin })
        .page(PageConfig { cache_size: config.cache_size, from_disk: config.debug })
        .telemetry(Arc::clone(&telemetry));
    for source in config.sources {
        let mode = documents_mode(&source, config.documents);
        server = server.source_with_documents(source.build(data, &telemetry)?, mode);
    }
    if config.publish {
        server = server.publish_over_http();
    }
    let ended = end_signal()?;
    banner.print().map_err(|error| Failure::Run(format!("cannot write to stdout: {error}")))?;
    let server = server.build().await;
    let server = server.map_err(|error| Failure::Configuration(error.to_string()))?;
    let served = server.serve(listener, ended).await;
    served.map_err(|error| Failure::Run(format!("cannot serve: {error}")))
}

/// With room for a burst of connections: who finds no place tries again only after a second.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // As every listener that is started anew where it was.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(limits::LISTEN_BACKLOG)
}

fn documents_mode(source: &SourceConfig, external: Documents) -> DocumentsMode {
    match (source, external) {
        (SourceConfig::Embedded, _) | (_, Documents::Write) => DocumentsMode::Write,
        (_, Documents::Read) => DocumentsMode::Read,
        (_, Documents::Off) => DocumentsMode::Off,
    }
}

/// Completes on the first SIGINT or SIGTERM; a second one ends the process at once.
fn end_signal() -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error| Failure::Run(format!("cannot handle signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(1);
        });
    })
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Failure {
    let advice = match error.kind() {
        std::io::ErrorKind::AddrInUse => "; choose another with --port",
        std::io::ErrorKind::AddrNotAvailable => "; choose one of this machine's with --address",
        std::io::ErrorKind::PermissionDenied => "; ports below 1024 need a privilege",
        _ => "",
    };
    Failure::Run(format!("cannot listen on {address}: {error}{advice}"))
}

/// The directory of log and store; a temporary one goes with this value.
struct DataDirectory {
    path: PathBuf,
    _temporary: Option<TempDir>,
}

impl DataDirectory {
    fn open(data: &Data) -> Result<Self, Failure> {
        match data {
            Data::Directory(path) => {
                fs::create_dir_all(path).map_err(|error| cannot_use(path, &error))?;
                Ok(Self { path: path.clone(), _temporary: None })
            }
            Data::Temporary => {
                let directory = tempfile::Builder::new().prefix("changecast-demo-").tempdir();
                let directory = directory.map_err(|error| {
                    Failure::Run(format!("cannot make a temporary directory: {error}"))
                })?;
                Ok(Self { path: directory.path().to_owned(), _temporary: Some(directory) })
            }
        }
    }

    fn lock_file(&self) -> Result<File, Failure> {
        let path = self.path.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        file.map_err(|error| cannot_use(&path, &error))
    }
}

fn cannot_use(path: &Path, error: &std::io::Error) -> Failure {
    Failure::Run(format!("cannot use {}: {error}", path.display()))
}
