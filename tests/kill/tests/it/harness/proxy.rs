//! The network between a process and the server, which can be cut.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// How the network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Whole,
    /// Nothing passes, and nobody is told: connections hang, and so do new ones. What is on its way when the network is whole
    /// again arrives then, as TCP sends it again.
    Silent,
    /// Connections are reset on both sides, new ones at once.
    Reset,
}

pub(crate) struct Proxy {
    address: SocketAddr,
    network: watch::Sender<Network>,
    /// Ends with the proxy.
    _runtime: Runtime,
}

impl Proxy {
    /// Listens on a free port of this machine, and passes everything on to the server.
    pub(crate) fn open(server: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("proxy")
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let (network, seen) = watch::channel(Network::Whole);
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let listener = listener.expect("there is a free port");
        let address = listener.local_addr().expect("it has one");
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, seen.clone()));
            }
        });
        Self { address, network, _runtime: runtime }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn set(&self, network: Network) {
        self.network.send_replace(network);
    }
}

/// Returns when the network is so, or the proxy is gone.
async fn becomes(mut network: watch::Receiver<Network>, wanted: Network) {
    drop(network.wait_for(|network| *network == wanted).await);
}

/// One connection.
async fn pass(mut client: TcpStream, server: SocketAddr, network: watch::Receiver<Network>) {
    let is_reset = becomes(network.clone(), Network::Reset);
    tokio::pin!(is_reset);
    let connected = tokio::select! {
        () = &mut is_reset => None,
        connected = async {
            becomes(network.clone(), Network::Whole).await;
            TcpStream::connect(server).await
        } => connected.ok(),
    };
    let Some(mut server) = connected else {
        let _gone_anyway = client.set_zero_linger();
        return;
    };
    let delays = client.set_nodelay(true).and(server.set_nodelay(true));
    let was_reset = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        tokio::select! {
            () = is_reset => true,
            _ = pump(from_client, to_server, network.clone()) => false,
            _ = pump(from_server, to_client, network.clone()) => false,
        }
    };
    if was_reset || delays.is_err() {
        let _gone_anyway = client.set_zero_linger().and(server.set_zero_linger());
    }
}

/// Passes bytes on in one direction, while the network is whole.
async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    network: watch::Receiver<Network>,
) -> io::Result<()> {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut bytes).await?;
        // What was read while it was cut waits here; what comes after it waits in the sockets.
        becomes(network.clone(), Network::Whole).await;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&bytes[..count]).await?;
    }
}

#[test]
fn a_network_is_cut_and_healed() {
    use std::io::{ErrorKind, Read, Write};
    let echo = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let proxy = Proxy::open(echo.local_addr().unwrap());
    let mut client = std::net::TcpStream::connect(proxy.address).unwrap();
    let (mut server, _) = echo.accept().unwrap();
    let mut said = [0; 2];
    client.write_all(b"hi").unwrap();
    server.read_exact(&mut said).unwrap();

    proxy.set(Network::Silent);
    client.write_all(b"ho").unwrap();
    server.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert_eq!(server.read(&mut said).unwrap_err().kind(), ErrorKind::WouldBlock);
    proxy.set(Network::Whole);
    server.set_read_timeout(None).unwrap();
    server.read_exact(&mut said).unwrap();
    assert_eq!(&said, b"ho");

    proxy.set(Network::Reset);
    assert_eq!(client.read(&mut said).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.read(&mut said).unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut late = std::net::TcpStream::connect(proxy.address).unwrap();
    assert!(late.read(&mut said).is_err());
}
