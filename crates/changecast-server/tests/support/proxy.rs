//! A TCP proxy on the loopback that breaks connections the way networks do.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Small, so that what the proxy holds back is soon felt by who sends it.
const BUFFER_BYTES: u32 = 16 << 10;

/// How often a slow link lets bytes through.
const TICK: Duration = Duration::from_millis(10);

/// What becomes of bytes in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Pass,
    /// They stay where they are, and the sockets stay open.
    Stop,
    /// So many bytes in each tick.
    Slow(usize),
}

#[derive(Clone, Copy, Debug)]
struct State {
    from_client: Flow,
    from_server: Flow,
    /// Grows when all connections are to break.
    cuts: u64,
    /// Where they lead; nowhere if nobody is to be reached.
    server: Option<SocketAddr>,
}

/// Listens on a port of its own; ended, with its connections, when dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    accepting: AbortHandle,
}

impl Proxy {
    /// Passes everything on to `server`, which need not be there yet.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (from_client, from_server) = (Flow::Pass, Flow::Pass);
        let server = Some(server);
        let (state, states) = watch::channel(State { from_client, from_server, cuts: 0, server });
        let accepting = tokio::spawn(accept(listener, states)).abort_handle();
        Self { address, state, accepting }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks every connection with a reset; new ones are let through.
    pub(crate) fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Breaks every connection; new ones lead to `server`, or end at once if there is none.
    pub(crate) fn lead_to(&self, server: Option<SocketAddr>) {
        self.state.send_modify(|state| {
            state.server = server;
            state.cuts += 1;
        });
    }

    /// What happens to bytes from now on, also on connections that are yet to come.
    pub(crate) fn set(&self, from_client: Flow, from_server: Flow) {
        self.state.send_modify(|state| {
            state.from_client = from_client;
            state.from_server = from_server;
        });
    }

    /// Everything passes again, also what was held back.
    pub(crate) fn heal(&self) {
        self.set(Flow::Pass, Flow::Pass);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, states: watch::Receiver<State>) {
    loop {
        // A connection that broke before it was taken is nobody's any more.
        if let Ok((client, _)) = listener.accept().await {
            tokio::spawn(serve(client, states.clone()));
        }
    }
}

/// Joins the two until either ends, or the connection is cut.
async fn serve(mut client: TcpStream, states: watch::Receiver<State>) {
    let State { server, cuts, .. } = *states.borrow();
    let Some(server) = server else {
        return;
    };
    let Ok(mut server) = connect(server).await else {
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let mut until_cut = states.clone();
    let (client_read, client_write) = client.split();
    let (server_read, server_write) = server.split();
    let is_cut = tokio::select! {
        _ = until_cut.wait_for(|state| state.cuts != cuts) => true,
        _ = pump(client_read, server_write, states.clone(), |state| state.from_client) => false,
        _ = pump(server_read, client_write, states, |state| state.from_server) => false,
    };
    if is_cut {
        // Closing them sends a reset, and what was under way is gone.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

async fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(BUFFER_BYTES)?;
    socket.connect(server).await
}

/// Carries one direction until it ends.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut states: watch::Receiver<State>,
    flow: impl Fn(&State) -> Flow,
) -> io::Result<()> {
    let mut buffer = [0; BUFFER_BYTES as usize];
    loop {
        let limit = match opened(&mut states, &flow).await? {
            Flow::Slow(bytes) => bytes.min(buffer.len()),
            _ => buffer.len(),
        };
        let count = from.read(&mut buffer[..limit]).await?;
        if count == 0 {
            return Ok(());
        }
        // It may have been closed while there was nothing to read.
        let flow_now = opened(&mut states, &flow).await?;
        to.write_all(&buffer[..count]).await?;
        if matches!(flow_now, Flow::Slow(_)) {
            tokio::time::sleep(TICK).await;
        }
    }
}

/// Waits until this direction lets bytes through, and says how.
async fn opened(
    states: &mut watch::Receiver<State>,
    flow: impl Fn(&State) -> Flow,
) -> io::Result<Flow> {
    let state = states.wait_for(|state| flow(state) != Flow::Stop).await;
    state.map(|state| flow(&state)).map_err(io::Error::other)
}
