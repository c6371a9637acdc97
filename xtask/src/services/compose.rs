//! Services as containers, described in compose.yaml.

use crate::command;
use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::process::Command;

/// Long, because the first start downloads an image.
const READY_WITHIN_SECONDS: &str = "300";

/// The client alone is no help: the engine has to answer, and Compose has to be there.
pub(super) fn is_usable(workspace: &Workspace) -> bool {
    let mut info = Command::new("docker");
    info.args(["info", "--format", "{{.ServerVersion}}"]);
    command::succeeds(&mut info) && command::succeeds(compose(workspace).arg("version"))
}

/// Starts it and waits until it is healthy; gives the port on this host.
pub(super) fn up(workspace: &Workspace, service: &str, container_port: u16) -> Result<u16> {
    let mut up = compose(workspace);
    up.args(["up", "--detach", "--wait", "--wait-timeout", READY_WITHIN_SECONDS]).arg(service);
    command::capture_text(&mut up)?;
    let mut port = compose(workspace);
    port.args(["port", service, &container_port.to_string()]);
    let address = command::capture_text(&mut port)?;
    published_port(&address).with_context(|| format!("Compose gave no address for {service}: {address:?}"))
}

pub(super) fn down(workspace: &Workspace, service: &str) -> Result<()> {
    let mut remove = compose(workspace);
    remove.args(["rm", "--stop", "--force", "--volumes", service]);
    command::capture_text(&mut remove).map(drop)
}

pub(super) fn is_running(workspace: &Workspace, service: &str) -> bool {
    let mut list = compose(workspace);
    list.args(["ps", "--quiet", "--status", "running", service]);
    command::capture_text(&mut list).is_ok_and(|ids| !ids.trim().is_empty())
}

fn compose(workspace: &Workspace) -> Command {
    let mut command = Command::new("docker");
    command.current_dir(&workspace.root).args(["compose", "--project-name", &project(&workspace.root)]);
    command
}

/// One for each clone on this machine: stopping what one started must not stop another's.
fn project(root: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    root.hash(&mut hasher);
    format!("tidings-tests-{:016x}", hasher.finish())
}

fn published_port(address: &str) -> Option<u16> {
    address.trim().rsplit_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_have_projects_of_their_own() {
        assert_eq!(project(Path::new("/a")), project(Path::new("/a")));
        assert_ne!(project(Path::new("/a")), project(Path::new("/b")));
    }

    #[test]
    fn addresses() {
        let cases = [("127.0.0.1:32771\n", Some(32771)), ("", None), (":0x", None)];
        for (address, expected) in cases {
            assert_eq!(published_port(address), expected, "{address:?}");
        }
    }
}
