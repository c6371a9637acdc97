//! What is known of a service that was started here: one small file per fact, in `target/services/<name>`, so
//! that a person can read them, too.

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

pub(super) struct State {
    folder: PathBuf,
}

/// Who runs it, and so who stops it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Container,
    Process,
}

impl Origin {
    const ALL: [(Origin, &'static str); 2] = [(Origin::Container, "container"), (Origin::Process, "process")];
}

impl State {
    pub(super) fn of(workspace: &Workspace, service: &str) -> Self {
        Self { folder: workspace.target.join("services").join(service) }
    }

    pub(super) fn create(&self) -> Result<()> {
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot create {}", self.folder.display()))
    }

    pub(super) fn exists(&self) -> bool {
        self.origin().is_some()
    }

    /// Everything but the log: after a failure it is what a person wants to read.
    pub(super) fn remove(&self) -> Result<()> {
        for fact in ["origin", "pid", "port", "url"] {
            let path = self.folder.join(fact);
            if path.exists() {
                std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
        Ok(())
    }

    pub(super) fn origin(&self) -> Option<Origin> {
        let word = self.read("origin").ok()?;
        Origin::ALL.into_iter().find(|(_, known)| *known == word).map(|(origin, _)| origin)
    }

    pub(super) fn set_origin(&self, origin: Origin) -> Result<()> {
        let word = Origin::ALL.into_iter().find(|(known, _)| *known == origin);
        self.write("origin", word.map_or("", |(_, word)| word))
    }

    pub(super) fn pid(&self) -> Result<u32> {
        self.number("pid")
    }

    pub(super) fn set_pid(&self, pid: u32) -> Result<()> {
        self.write("pid", &pid.to_string())
    }

    pub(super) fn port(&self) -> Result<u16> {
        self.number("port")
    }

    pub(super) fn set_port(&self, port: u16) -> Result<()> {
        self.write("port", &port.to_string())
    }

    pub(super) fn url(&self) -> Result<String> {
        self.read("url")
    }

    pub(super) fn set_url(&self, url: &str) -> Result<()> {
        self.write("url", url)
    }

    /// The data folder, or a link to it where the service's user cannot reach this place.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn read(&self, fact: &str) -> Result<String> {
        let path = self.folder.join(fact);
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.trim().to_owned())
    }

    fn write(&self, fact: &str, value: &str) -> Result<()> {
        let path = self.folder.join(fact);
        private_file(&path)
            .and_then(|mut file| writeln!(file, "{value}"))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    fn number<N: std::str::FromStr>(&self, fact: &str) -> Result<N> {
        let text = self.read(fact)?;
        text.parse()
            .ok()
            .with_context(|| format!("{} holds no number: {text:?}", self.folder.join(fact).display()))
    }
}

/// For this user's eyes only: an address holds a password.
pub(super) fn private_file(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(test: &str) -> State {
        let name = format!("tidings-xtask-{test}-{}", std::process::id());
        let workspace = Workspace { target: std::env::temp_dir().join(name), ..Workspace::default() };
        State::of(&workspace, "postgres")
    }

    #[test]
    fn facts_are_kept_until_removed() {
        let state = state("facts");
        state.create().unwrap();
        assert!(!state.exists());
        state.set_origin(Origin::Process).unwrap();
        state.set_pid(4242).unwrap();
        state.set_port(5433).unwrap();
        state.set_url("postgres://localhost:5433/tidings").unwrap();
        assert_eq!(state.origin(), Some(Origin::Process));
        assert_eq!(state.pid().unwrap(), 4242);
        assert_eq!(state.port().unwrap(), 5433);
        assert_eq!(state.url().unwrap(), "postgres://localhost:5433/tidings");
        state.remove().unwrap();
        assert!(!state.exists() && state.pid().is_err());
        std::fs::remove_dir_all(state.folder).unwrap();
    }

    #[test]
    fn nonsense_in_a_file_is_named_with_its_path() {
        let state = state("nonsense");
        state.create().unwrap();
        state.write("pid", "four").unwrap();
        let message = state.pid().unwrap_err().to_string();
        assert!(message.contains("pid") && message.contains("four"), "{message}");
        std::fs::remove_dir_all(state.folder).unwrap();
    }
}
