//! PostgreSQL: from Debian's packages, on loopback, with a password that is its own.

use super::host::RunAs;
use super::state::{State, private_file};
use super::{Service, packages, process};
use crate::command;
use anyhow::{Context, Result};
use std::fs::{DirBuilder, File};
use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

pub(super) struct Postgres;

const PACKAGE: &str = "postgresql";
/// The user whom Debian's package makes. PostgreSQL refuses to run as root.
const SYSTEM_USER: &str = "postgres";
const ROLE: &str = "tidings";
const DATABASE: &str = "tidings";
/// As in compose.yaml.
const CONTAINER_PASSWORD: &str = "tidings";

const READY_WITHIN: Duration = Duration::from_secs(60);
const STOPPED_WITHIN: Duration = Duration::from_secs(30);

/// Tests run side by side, each with a pool of connections. `fsync` stays on: the promises are tested on the
/// settings they are given for.
const SETTINGS: &[&str] = &["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200"];

impl Service for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn url_variable(&self) -> &'static str {
        "TIDINGS_TEST_POSTGRES_URL"
    }

    fn container_port(&self) -> u16 {
        5432
    }

    fn container_url(&self, port_on_host: u16) -> String {
        url(port_on_host, CONTAINER_PASSWORD)
    }

    fn start(&self, state: &State) -> Result<()> {
        let programs = match installed_programs() {
            Some(programs) => programs,
            None => {
                packages::install(PACKAGE)?;
                installed_programs().context("the package brought no initdb")?
            }
        };
        let server = Server {
            programs,
            run_as: RunAs::not_root(SYSTEM_USER),
            data: make_data_folder(state)?,
            password: random_password()?,
        };
        server.start(state).inspect_err(|_| {
            // The first error is the one to tell.
            let _ = self.stop(state);
        })
    }

    fn stop(&self, state: &State) -> Result<()> {
        let data = data_folder(state);
        if let Ok(pid) = state.pid() {
            stop_process(pid, &data)?;
        }
        remove_data_folder(state, &data)
    }

    fn is_ready(&self, state: &State) -> bool {
        let (Ok(pid), Ok(port)) = (state.pid(), state.port()) else {
            return false;
        };
        let Some(programs) = installed_programs() else {
            return false;
        };
        process::is_alive(pid, &data_folder(state).to_string_lossy()) && is_answering(&programs, port)
    }
}

struct Server {
    programs: PathBuf,
    run_as: RunAs,
    data: PathBuf,
    password: String,
}

impl Server {
    fn start(&self, state: &State) -> Result<()> {
        self.initialise()?;
        let port = process::free_port()?;
        state.set_port(port)?;
        let mut process = self.spawn(state, port)?;
        state.set_pid(process.id())?;
        self.wait_until_ready(&mut process, port, state)?;
        self.create_database(port)?;
        state.set_url(&url(port, &self.password))
    }

    fn initialise(&self) -> Result<()> {
        // By file, because arguments and environments of a process can be read by others.
        let password_file = self.data.join("password");
        private_file(&password_file)
            .and_then(|mut file| file.write_all(self.password.as_bytes()))
            .context("cannot write the password file")?;
        self.run_as.give(&password_file)?;
        let mut initdb = self.program("initdb");
        initdb
            .args(["--username", ROLE, "--auth=scram-sha-256", "--encoding=UTF8"])
            .args(["--no-locale", "--no-sync", "--pwfile"])
            .arg(&password_file)
            .arg("--pgdata")
            .arg(self.cluster());
        command::capture_text(&mut initdb)?;
        std::fs::remove_file(&password_file).context("cannot remove the password file")
    }

    /// A group of its own, so that Ctrl-C ends the tests first, and then this.
    fn spawn(&self, state: &State, port: u16) -> Result<Child> {
        let log = File::create(state.log()).context("cannot create the log")?;
        let mut postgres = self.program("postgres");
        postgres.arg("-D").arg(self.cluster()).args(["-p", &port.to_string()]);
        for setting in SETTINGS {
            postgres.args(["-c", setting]);
        }
        postgres
            .stdin(std::process::Stdio::null())
            .stdout(log.try_clone().context("cannot share the log")?)
            .stderr(log);
        command::own_process_group(&mut postgres);
        postgres.spawn().context("cannot start postgres")
    }

    fn wait_until_ready(&self, process: &mut Child, port: u16, state: &State) -> Result<()> {
        let mut has_ended = false;
        let is_ready = process::wait_for(READY_WITHIN, || {
            has_ended = !matches!(process.try_wait(), Ok(None));
            has_ended || is_answering(&self.programs, port)
        });
        anyhow::ensure!(
            is_ready && !has_ended,
            "postgres {}; its log ends with:\n{}",
            if has_ended { "ended at once" } else { "does not answer" },
            last_lines(&state.log(), 10)
        );
        Ok(())
    }

    fn create_database(&self, port: u16) -> Result<()> {
        let mut createdb = self.program("createdb");
        createdb
            .env("PGPASSWORD", &self.password)
            .args(["--host=127.0.0.1", "--port", &port.to_string()])
            .args(["--username", ROLE, DATABASE]);
        command::capture_text(&mut createdb).map(drop)
    }

    fn program(&self, name: &str) -> Command {
        let mut command = self.run_as.command(&self.programs.join(name));
        // The caller's folder may be closed to the user, which each program would complain about.
        command.current_dir(&self.data);
        command
    }

    fn cluster(&self) -> PathBuf {
        self.data.join("cluster")
    }
}

fn url(port: u16, password: &str) -> String {
    format!("postgres://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}")
}

/// Debian keeps each version in a folder of its own, off the path; the newest is taken. Elsewhere the path is
/// asked.
fn installed_programs() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .map(|(version, folder)| (version, folder.join("bin")))
        .collect();
    versions.sort();
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .into_iter()
        .rev()
        .map(|(_, folder)| folder)
        .chain(std::env::split_paths(&on_path))
        .find(|folder| folder.join("initdb").is_file() && folder.join("postgres").is_file())
}

/// In the state's folder, where its user can get there; else in the folder for temporary files, linked to.
fn make_data_folder(state: &State) -> Result<PathBuf> {
    let run_as = RunAs::not_root(SYSTEM_USER);
    let link = state.data();
    let here = link.parent().unwrap_or(&link);
    if run_as.can_reach(here) {
        make_private_folder(&link, run_as)?;
        return Ok(link);
    }
    let folder = std::env::temp_dir().join(format!("tidings-postgres-{}", std::process::id()));
    make_private_folder(&folder, run_as)?;
    std::os::unix::fs::symlink(&folder, &link).with_context(|| format!("cannot link {}", link.display()))?;
    Ok(folder)
}

/// An error if something is there already: it is not ours.
fn make_private_folder(folder: &Path, run_as: RunAs) -> Result<()> {
    DirBuilder::new()
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    run_as.give(folder)
}

fn data_folder(state: &State) -> PathBuf {
    std::fs::read_link(state.data()).unwrap_or_else(|_| state.data())
}

fn remove_data_folder(state: &State, folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    if state.data().is_symlink() {
        std::fs::remove_file(state.data()).context("cannot remove the link to the data folder")?;
    }
    Ok(())
}

fn stop_process(pid: u32, data: &Path) -> Result<()> {
    let mark = data.to_string_lossy();
    // INT: end the sessions and stop in order. QUIT: stop at once; the data is deleted anyway.
    for signal in ["INT", "QUIT"] {
        if !process::is_alive(pid, &mark) {
            return Ok(());
        }
        process::signal(pid, signal);
        if process::wait_for(STOPPED_WITHIN, || !process::is_alive(pid, &mark)) {
            return Ok(());
        }
    }
    anyhow::bail!("postgres (process {pid}) does not stop")
}

fn is_answering(programs: &Path, port: u16) -> bool {
    process::accepts_connections(port)
        && command::succeeds(Command::new(programs.join("pg_isready")).args([
            "--host=127.0.0.1",
            "--port",
            &port.to_string(),
        ]))
}

/// Other users of this machine reach the port as well; so the password is not a fixed word.
fn random_password() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn last_lines(log: &Path, count: usize) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_fit_into_an_address_and_differ() {
        let (one, other) = (random_password().unwrap(), random_password().unwrap());
        assert_ne!(one, other);
        assert!(one.len() == 32 && one.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn a_log_is_told_by_its_end() {
        let log = std::env::temp_dir().join(format!("tidings-xtask-log-{}", std::process::id()));
        std::fs::write(&log, "one\ntwo\nthree\n").unwrap();
        assert_eq!(last_lines(&log, 2), "two\nthree");
        std::fs::remove_file(&log).unwrap();
        assert_eq!(last_lines(&log, 2), "");
    }
}
