//! A server that lets nobody in, for a reason of the test's choice.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Answers every start of a session with this code.
pub(crate) async fn refusing(code: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut startup = [0; 1_024];
            // It asks for TLS first, in eight bytes, and is told that there is none.
            while let Ok(8) = client.read(&mut startup).await {
                let _ = client.write_all(b"N").await;
            }
            let fields = format!("SFATAL\0VFATAL\0C{code}\0Mthe server says no\0\0");
            let length = u32::try_from(fields.len() + 4).expect("short").to_be_bytes();
            let _ = client.write_all(&[b"E".as_slice(), &length, fields.as_bytes()].concat()).await;
        }
    });
    address
}

/// Speaks another language.
pub(crate) async fn stranger() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut startup = [0; 1_024];
            let _ = client.read(&mut startup).await;
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    address
}
