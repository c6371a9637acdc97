//! A service as a process of this machine: found, awaited and stopped by its id.

use crate::command;
use anyhow::{Context, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const POLL_EVERY: Duration = Duration::from_millis(50);
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// Free at this moment. Someone may take it before the service does: then the service does not start, and
/// says so.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot find a free port")?;
    Ok(listener.local_addr().context("cannot find a free port")?.port())
}

pub(super) fn accepts_connections(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, CONNECT_WITHIN).is_ok()
}

/// Whether the process lives and is the one we started. Ids are used again after a restart of the machine, so
/// its command line has to name `mark`.
pub(super) fn is_alive(pid: u32, mark: &str) -> bool {
    command_line(pid).is_some_and(|line| line.contains(mark))
}

/// `None` for a process that is gone, and for one that has ended but was not yet waited for.
fn command_line(pid: u32) -> Option<String> {
    if Path::new("/proc/self/cmdline").exists() {
        let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
        return (!line.is_empty()).then_some(line);
    }
    let mut ps = Command::new("ps");
    ps.args(["-o", "command=", "-p", &pid.to_string()]);
    command::capture_text(&mut ps).ok()
}

pub(super) fn signal(pid: u32, signal: &str) {
    // It may have ended on its own meanwhile; whoever waits for the end will see.
    command::succeeds(Command::new("kill").args(["-s", signal, &pid.to_string()]));
}

/// Whether it came true in time.
pub(super) fn wait_for(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + within;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(POLL_EVERY);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_was_found_is_free() {
        assert!(!accepts_connections(free_port().unwrap()));
    }

    #[test]
    fn an_id_alone_does_not_make_it_ours() {
        let mut child = Command::new("sleep").arg("987").spawn().unwrap();
        // Until the program is loaded, the command line is still this test's own.
        assert!(wait_for(Duration::from_secs(10), || is_alive(child.id(), "sleep 987")));
        assert!(!is_alive(child.id(), "another mark"));
        signal(child.id(), "TERM");
        child.wait().unwrap();
        assert!(!is_alive(child.id(), "sleep 987"));
    }
}
