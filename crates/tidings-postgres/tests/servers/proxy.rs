//! What stands between a process and its server: an address behind which the server changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on to a port of this machine.
pub(crate) struct Proxy {
    port: u16,
    target: Arc<AtomicU16>,
    cut: watch::Sender<u32>,
}

impl Proxy {
    pub(crate) async fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let own_port = listener.local_addr().expect("a listener has an address").port();
        let target = Arc::new(AtomicU16::new(port));
        let cut = watch::Sender::new(0);
        tokio::spawn(accept(listener, target.clone(), cut.clone()));
        Self { port: own_port, target, cut }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Cuts all connections; new ones go to another port.
    pub(crate) fn turn_to(&self, port: u16) {
        self.target.store(port, Ordering::SeqCst);
        self.cut.send_modify(|count| *count += 1);
    }
}

async fn accept(listener: TcpListener, target: Arc<AtomicU16>, cut: watch::Sender<u32>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut cut = cut.subscribe();
        let port = target.load(Ordering::SeqCst);
        tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                _ = cut.changed() => {}
            }
        });
    }
}
