//! More processes that share the demo's work: the same program, without an edge of its own.

use std::process::Stdio;
use std::time::Duration;

use tidings::{Error, Result};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use super::PROVIDER_TIMEOUT_MS;
use super::database::Place;
use crate::shop::Shop;
use crate::work::WORKING;

/// How long one may take to begin, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// The processes beside this one. They end with this one, however it ends.
pub(super) struct Workers(Vec<Child>);

impl Workers {
    /// Starts so many; returns when all of them work.
    pub(super) async fn start(count: u16, place: &Place, shop: &Shop) -> Result<Self> {
        let mut workers = Self(Vec::new());
        for _ in 0..count {
            let provider = shop.provider.as_ref().map(|provider| provider.url()).unwrap_or_default();
            let mut child = Command::new(std::env::current_exe()?)
                .args(["work", "--demo", "--provider", &provider])
                .args(["--provider-timeout-ms", &PROVIDER_TIMEOUT_MS.to_string()])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            if let Some(stdin) = &mut child.stdin {
                stdin.write_all(format!("{}\n{}\n", place.url.expose(), place.schema).as_bytes()).await?;
            }
            let told = child.stdout.take().map(BufReader::new);
            workers.0.push(child);
            let first = async {
                let mut line = String::new();
                if let Some(mut told) = told {
                    told.read_line(&mut line).await?;
                }
                Ok::<_, std::io::Error>(line)
            };
            match tokio::time::timeout(PATIENCE, first).await {
                Ok(Ok(line)) if line.trim() == WORKING => {}
                _ => return Err(Error::failed("another process of the demo did not start to work")),
            }
        }
        Ok(workers)
    }

    /// Has them end in order; one that does not is killed by its id.
    pub(super) async fn stop(self) -> Result<()> {
        for mut child in self.0 {
            drop(child.stdin.take());
            match tokio::time::timeout(PATIENCE, child.wait()).await {
                Ok(Ok(ended)) if ended.success() => {}
                Ok(_) => return Err(Error::failed("another process of the demo ended with an error")),
                Err(_elapsed) => {
                    child.kill().await?;
                    return Err(Error::failed(
                        "another process of the demo did not stop in order, and was killed",
                    ));
                }
            }
        }
        Ok(())
    }
}
