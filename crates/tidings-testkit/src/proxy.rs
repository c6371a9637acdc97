//! A network that fails when a test says so: a proxy for TCP between a client and its server.

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// When a connection is cut, of what the client sends.
#[derive(Clone, Debug)]
pub enum CutAt {
    /// Before the first message that holds these bytes: the server never sees it.
    Before(&'static [u8]),
    /// After it: the server does what it is told, and the client never hears of it.
    After(&'static [u8]),
}

impl CutAt {
    fn bytes(&self) -> &'static [u8] {
        match self {
            Self::Before(bytes) | Self::After(bytes) => bytes,
        }
    }
}

/// Forwards connections to a server until told otherwise. Dropping it cuts them all.
pub struct Proxy {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

struct State {
    /// Each connection ends when this changes.
    cuts: watch::Sender<u64>,
    refuses: watch::Sender<bool>,
    swallows: watch::Sender<bool>,
    /// Connections that were made before it changed are dead.
    forgets: watch::Sender<u64>,
    cut_at: Mutex<Option<CutAt>>,
}

impl Proxy {
    /// A proxy on a free port of this machine.
    ///
    /// # Errors
    /// If there is none.
    pub async fn to(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            cuts: watch::Sender::new(0),
            refuses: watch::Sender::new(false),
            swallows: watch::Sender::new(false),
            forgets: watch::Sender::new(0),
            cut_at: Mutex::new(None),
        });
        let accepting = tokio::spawn(accept(listener, server, state.clone()));
        Ok(Self { address, state, accepting })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection that there is now.
    pub fn cut(&self) {
        self.state.cuts.send_modify(|count| *count += 1);
    }

    /// Closes new connections at once, or lets them through again.
    pub fn refuse(&self, refuses: bool) {
        self.state.refuses.send_replace(refuses);
    }

    /// Holds everything back that is sent in either direction, and tells nobody; or lets it through again.
    pub fn swallow(&self, swallows: bool) {
        self.state.swallows.send_replace(swallows);
    }

    /// Lets nothing pass any more on the connections that there are now, and tells nobody, as a firewall does that has forgotten
    /// them; new ones are not affected.
    pub fn forget(&self) {
        self.state.forgets.send_modify(|count| *count += 1);
    }

    /// Cuts one connection, the next whose client sends this.
    pub fn cut_at(&self, at: CutAt) {
        *self.state.cut_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
    }

    /// Whether the connection that [`cut_at`](Self::cut_at) speaks of was cut.
    #[must_use]
    pub fn has_cut(&self) -> bool {
        self.state.cut_at.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        let state = state.clone();
        tokio::spawn(async move {
            if *state.refuses.borrow() {
                return;
            }
            let mut cuts = state.cuts.subscribe();
            let era = *state.forgets.borrow();
            let Ok(upstream) = TcpStream::connect(server).await else { return };
            // What waits for an answer should not wait for its packet to fill.
            let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), upstream.into_split());
            // Set when the server's next answer is not to arrive.
            let muted = AtomicBool::new(false);
            // Whichever ends first ends the other: both halves are dropped.
            tokio::select! {
                () = forward(from_client, to_server, &state, era, |sent| state.passes(sent, &muted)) => {}
                () = forward(from_server, to_client, &state, era, |_| !muted.load(Acquire)) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

/// Forwards until either side ends, or what was read is not to pass.
async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &State,
    era: u64,
    passes: impl Fn(&[u8]) -> bool,
) {
    let mut buffer = vec![0; 64 * 1_024];
    let mut swallows = state.swallows.subscribe();
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return };
        if swallows.wait_for(|swallows| !*swallows).await.is_err() || !passes(&buffer[..read]) {
            return;
        }
        if *state.forgets.borrow() != era {
            return pending().await;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

impl State {
    /// Whether what a client sends goes on to the server. Only one connection is cut, the first to send what is looked for.
    fn passes(&self, sent: &[u8], muted: &AtomicBool) -> bool {
        let mut cut_at = self.cut_at.lock().unwrap_or_else(PoisonError::into_inner);
        let found = |bytes: &[u8]| sent.windows(bytes.len()).any(|window| window == bytes);
        match cut_at.take_if(|at| found(at.bytes())) {
            None => true,
            Some(CutAt::Before(_)) => false,
            // The server does it; its answer ends the connection.
            Some(CutAt::After(_)) => {
                muted.store(true, Release);
                true
            }
        }
    }
}
