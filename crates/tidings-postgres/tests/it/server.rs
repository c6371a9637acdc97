//! A server of a test's own, which may be killed and started again.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The user whom Debian's package makes. PostgreSQL refuses to run as root.
const SYSTEM_USER: &str = "postgres";

pub(crate) struct Server {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
}

impl Server {
    /// Makes a cluster and starts it. `None` where PostgreSQL's programs are not on this machine, as where the tests' server
    /// is in a container.
    pub(crate) fn start() -> Option<Self> {
        let programs = programs()?;
        let folder = TempDir::with_prefix("tidings-it-").expect("a temporary folder");
        if is_root() {
            let given = Command::new("chown").arg(SYSTEM_USER).arg(folder.path()).status();
            assert!(given.is_ok_and(|status| status.success()), "the folder is given to {SYSTEM_USER}");
        }
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let server = Self { programs, folder, port };
        server.run(
            "initdb",
            &["--username=tidings", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"],
        );
        server
            .run("pg_ctl", &["start", "--wait", "--silent", "--log", &server.log(), "-o", &server.options()]);
        Some(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://tidings@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it as a crash would, and starts it again: it recovers from its log.
    pub(crate) fn restart_at_once(&self) {
        self.run("pg_ctl", &["stop", "--wait", "--silent", "--mode=immediate"]);
        self.run("pg_ctl", &["start", "--wait", "--silent", "--log", &self.log(), "-o", &self.options()]);
    }

    /// Ends it in order, sessions and all, and starts it again.
    pub(crate) fn restart_fast(&self) {
        self.run("pg_ctl", &["restart", "--wait", "--silent", "--mode=fast", "--log", &self.log()]);
    }

    fn options(&self) -> String {
        format!("-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories=", self.port)
    }

    fn log(&self) -> String {
        self.folder.path().join("log").display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let data = self.folder.path().join("data");
        let done = as_user(&self.programs.join(program))
            .arg("-D")
            .arg(&data)
            .args(arguments)
            .current_dir(self.folder.path())
            // The server would keep the pipe of whoever captures it.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        assert!(
            done.is_ok_and(|status| status.success()),
            "{program} does what it is told; the server's log:\n{log}"
        );
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.folder.path().join("data");
        let mut stop = as_user(&self.programs.join("pg_ctl"));
        stop.arg("-D").arg(&data).args(["stop", "--silent", "--mode=immediate"]);
        // Its files go with it in any case.
        let _ = stop.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0")
}

fn as_user(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", SYSTEM_USER, "--regid", SYSTEM_USER, "--init-groups", "--"]).arg(program);
    command
}

/// Debian keeps each version in a folder of its own, off the path.
fn programs() -> Option<PathBuf> {
    let mut versions: Vec<_> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    versions.sort();
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .into_iter()
        .rev()
        .chain(std::env::split_paths(&on_path))
        .find(|folder| folder.join("initdb").is_file())
}
