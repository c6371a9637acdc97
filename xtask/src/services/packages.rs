//! Debian's packages, installed when a service needs them and this user may.

use super::host;
use crate::command::{self, Ended, Limit};
use anyhow::Result;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Servers are in a folder that is not on everybody's path.
pub(super) fn has_program(name: &str) -> bool {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&on_path)
        .chain([PathBuf::from("/usr/sbin")])
        .any(|folder| folder.join(name).is_file())
}

/// An error when it may not be done, or failed; its text says what a person can do.
pub(super) fn install(package: &str) -> Result<()> {
    anyhow::ensure!(
        host::is_root() && command::succeeds(Command::new("apt-get").arg("--version")),
        "{package} is not installed; install it (Debian: `apt-get install {package}`), or start Docker"
    );
    // The lists of a fresh machine are empty, or old. If they cannot be had, the install says so.
    apt_get(&["update", "--quiet"])?;
    let ended = apt_get(&["install", "--quiet", "--yes", "--no-install-recommends", package])?;
    anyhow::ensure!(ended.is_success(), "apt-get could not install {package}: {ended}");
    Ok(())
}

fn apt_get(arguments: &[&str]) -> Result<Ended> {
    let mut apt_get = Command::new("apt-get");
    apt_get.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", "DPkg::Lock::Timeout=120"]).args(arguments);
    eprintln!("$ {}", command::display(&apt_get));
    command::stream(&mut apt_get, Limit::After(LIMIT))
}
