//! A server of one's own, which can be stopped at once and started again.
//!
//! Its programs are the installed ones; where there are none the tests that need it are left out, and said to be.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::not_run;

/// The user whom Debian's package makes. PostgreSQL refuses to run as root.
const SYSTEM_USER: &str = "postgres";

pub(crate) struct Server {
    programs: PathBuf,
    port: u16,
    folder: TempDir,
}

/// Several processes, each with a pool. `fsync` stays on: the promises are tested on the settings they are given for.
const SETTINGS: &[&str] = &["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"];

impl Server {
    /// Starts one, if it is installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = installed_programs() else {
            not_run("PostgreSQL is not installed here");
            return None;
        };
        let folder = tempfile::tempdir().expect("there is a folder for temporary files");
        if is_root() {
            let owner = format!("{SYSTEM_USER}:");
            run(Command::new("chown").arg(owner).arg(folder.path()));
        }
        let port = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr());
        let server = Self { programs, port: port.expect("there is a free port").port(), folder };
        let mut initdb = server.program("initdb");
        run(initdb
            .args(["--username=tidings", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"])
            .arg("--pgdata")
            .arg(server.cluster()));
        server.start_again();
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://tidings@127.0.0.1:{}/postgres", self.port)
    }

    /// Returns when it takes connections.
    pub(crate) fn start_again(&self) {
        let settings: Vec<String> = SETTINGS.iter().map(|setting| format!("-c {setting}")).collect();
        let log = self.folder.path().join("log");
        run(self.pg_ctl("start").arg("-l").arg(log).arg("-o").arg(format!(
            "-p {} {}",
            self.port,
            settings.join(" ")
        )));
    }

    /// Every backend ends at once, in the middle of what it does; the next start recovers from the log.
    pub(crate) fn stop_at_once(&self) {
        run(self.pg_ctl("stop").args(["-m", "immediate"]));
    }

    fn pg_ctl(&self, action: &str) -> Command {
        let mut command = self.program("pg_ctl");
        command.arg(action).args(["-w", "-s", "-t", "60"]).arg("-D").arg(self.cluster());
        command
    }

    /// As its own user if we are root, who may not run it.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            let user = ["--reuid", SYSTEM_USER, "--regid", SYSTEM_USER, "--init-groups", "--"];
            command.args(user).arg(program);
            command
        } else {
            Command::new(program)
        };
        // The caller's folder may be closed to that user.
        command.current_dir(self.folder.path());
        command
    }

    fn cluster(&self) -> PathBuf {
        self.folder.path().join("cluster")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be stopped already, by a test that has failed in between.
        let _stopped = self.pg_ctl("stop").args(["-m", "immediate"]).stderr(Stdio::null()).status();
    }
}

#[test]
fn what_is_committed_survives_an_immediate_stop() {
    let Some(server) = Server::start() else { return };
    let mut client = super::Client::new(&server.url());
    client.rows("CREATE TABLE kept (x int)");
    client.rows("INSERT INTO kept VALUES (1)");
    server.stop_at_once();
    assert!(client.try_rows("SELECT 1").is_err());
    server.start_again();
    assert_eq!(client.rows("SELECT x FROM kept").len(), 1);
}

fn run(command: &mut Command) {
    // What it starts keeps its standard output, so nobody can wait for the end of that.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{command:?} did not succeed");
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Debian keeps each version in a folder of its own, off the path; the newest is taken. Elsewhere the path is asked.
fn installed_programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let has_programs = |folder: &PathBuf| {
        let has = |name: &str| Path::is_file(&folder.join(name));
        has("initdb") && has("pg_ctl") && has("postgres")
    };
    let folders = versions.into_iter().rev().map(|(_, folder)| folder);
    folders.chain(std::env::split_paths(&on_path)).find(has_programs)
}
