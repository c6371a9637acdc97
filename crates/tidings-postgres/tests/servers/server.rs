//! Servers of the tests' own, from the programs of the system's PostgreSQL.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;

use sqlx::{Connection as _, PgConnection};
use tidings_core::ids::MessageId;

/// Says that tests are not run, past the test harness; a test that is skipped in silence proves nothing.
fn not_run(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "{reason}, and CI must not skip suites");
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        writeln!(std::io::stderr(), "PostgreSQL tests were NOT RUN: {reason}").expect("stderr takes a line");
    });
}

/// PostgreSQL's programs, where they can be run.
#[derive(Clone)]
pub(crate) struct Programs {
    folder: PathBuf,
    /// PostgreSQL refuses to run as root.
    as_postgres: bool,
}

impl Programs {
    /// Those of the newest version that is installed.
    pub(crate) fn find() -> Option<Self> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
        folders.retain(|folder| folder.join("initdb").exists() && folder.join("pg_basebackup").exists());
        folders.sort();
        let as_postgres = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout == b"0\n");
        let found = folders.pop().map(|folder| Self { folder, as_postgres });
        if found.is_none() {
            not_run(
                "a test needs servers of its own, and PostgreSQL is not installed in /usr/lib/postgresql",
            );
        }
        found
    }

    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Output {
        self.run_in(program, arguments, &[])
    }

    fn run_in(&self, program: &str, arguments: &[&str], environment: &[(&'static str, String)]) -> Output {
        let program = self.folder.join(program);
        let mut command = if self.as_postgres {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let command = command.args(arguments).env("PGUSER", "tidings").current_dir("/");
        command.envs(environment.iter().map(|(variable, value)| (*variable, value)));
        let output = command.output().expect("a program of PostgreSQL starts");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?} fails: {errors}");
        output
    }
}

/// A server on loopback, with data and port of its own; gone with this value.
pub(crate) struct Server {
    programs: Programs,
    data: PathBuf,
    port: u16,
    /// Of its processes.
    environment: Vec<(&'static str, String)>,
}

const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 100
max_prepared_transactions = 20
shared_buffers = 32MB
fsync = off
# So that nothing is written that no commit asks for: a crash then forgets as much as it can.
wal_writer_delay = 10s
bgwriter_delay = 10s
";

impl Server {
    pub(crate) fn start(programs: &Programs) -> Self {
        let server = Self::with_folder(programs);
        let data = server.data();
        programs.run("initdb", &["-D", data, "-U", "tidings", "-A", "trust", "-N", "-E", "UTF8"]);
        server.configure(SETTINGS);
        server.ctl(&["start"]);
        server
    }

    /// One whose disk is full while [`fill_disk`](Self::fill_disk) says so, for files with this in their path.
    pub(crate) fn start_on_small_disk(programs: &Programs, part: &str) -> Self {
        let mut server = Self::start(programs);
        server.stop("fast");
        let shim = server.data.join("full.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/servers/full.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&shim).arg(source).arg("-ldl");
        assert!(cc.status().is_ok_and(|status| status.success()), "the shim is compiled");
        std::fs::set_permissions(&shim, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("it can be read");
        server.environment = vec![
            ("LD_PRELOAD", shim.display().to_string()),
            ("TIDINGS_FULL", server.full_disk().display().to_string()),
            ("TIDINGS_FULL_PART", format!("{}/{part}", server.data.display())),
        ];
        server.ctl(&["start"]);
        server
    }

    fn full_disk(&self) -> PathBuf {
        self.data.join("disk-is-full")
    }

    pub(crate) fn fill_disk(&self) {
        std::fs::write(self.full_disk(), "").expect("a marker is written");
    }

    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.full_disk()).expect("the marker was there");
    }

    /// Starts it if it has ended by itself.
    pub(crate) fn start_again(&self) {
        let data = self.data.join("postmaster.pid");
        let runs = std::fs::read_to_string(data).ok().and_then(|text| {
            let pid: u32 = text.lines().next()?.trim().parse().ok()?;
            Some(Path::new(&format!("/proc/{pid}")).exists())
        });
        if runs != Some(true) {
            self.ctl(&["start"]);
        }
    }

    /// A copy that follows a server.
    pub(crate) fn standby_of(primary: &Self) -> Self {
        let server = Self::with_folder(&primary.programs);
        let port = primary.port.to_string();
        let arguments =
            ["-h", "127.0.0.1", "-p", &port, "-D", server.data(), "-R", "-X", "stream", "-c", "fast"];
        server.programs.run("pg_basebackup", &arguments);
        server.configure("");
        server.ctl(&["start"]);
        server
    }

    fn with_folder(programs: &Programs) -> Self {
        let data = std::env::temp_dir().join(format!("tidings-server-{}", MessageId::new().0.simple()));
        // PostgreSQL wants it closed to others.
        std::fs::DirBuilder::new().mode(0o700).create(&data).expect("a folder is made");
        if programs.as_postgres {
            let owned = Command::new("chown").arg("postgres:").arg(&data).status();
            assert!(owned.is_ok_and(|status| status.success()), "a folder changes hands");
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.expect("there is a free port").port();
        Self { programs: programs.clone(), data, port, environment: Vec::new() }
    }

    fn configure(&self, settings: &str) {
        let path = self.data.join("postgresql.auto.conf");
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(path, format!("{before}\n{settings}\nport = {}\n", self.port))
            .expect("settings are written");
    }

    /// From here on it takes encrypted connections, too.
    #[cfg(feature = "tls")]
    pub(crate) fn encrypt(&self, certificate: &Path, key: &Path) {
        for (from, to) in [(certificate, "server.crt"), (key, "server.key")] {
            let to = self.data.join(to);
            std::fs::copy(from, &to).expect("a file is copied");
            // The server wants it closed to others.
            std::fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o600))
                .expect("a file is closed");
            if self.programs.as_postgres {
                let owned = Command::new("chown").arg("postgres:").arg(&to).status();
                assert!(owned.is_ok_and(|status| status.success()), "a file changes hands");
            }
        }
        self.configure("ssl = on");
        self.restart("fast");
    }

    /// From here on it takes no others.
    #[cfg(feature = "tls")]
    pub(crate) fn refuse_plain(&self) {
        let rule = "hostssl all all 127.0.0.1/32 trust\nhostssl all all ::1/128 trust\n";
        std::fs::write(self.data.join("pg_hba.conf"), rule).expect("rules are written");
        self.restart("fast");
    }

    fn data(&self) -> &str {
        self.data.to_str().expect("a folder of ours has a plain name")
    }

    fn ctl(&self, arguments: &[&str]) {
        let log = self.data.join("server.log");
        let log = log.to_str().expect("a folder of ours has a plain name");
        let all = [&["-D", self.data(), "-l", log, "-w", "-t", "60"], arguments].concat();
        self.programs.run_in("pg_ctl", &all, &self.environment);
    }

    pub(crate) fn restart(&self, mode: &str) {
        self.ctl(&["restart", "-m", mode]);
    }

    pub(crate) fn dump(&self, database: &str) -> String {
        let file = self.data.join("dump");
        let file = file.to_str().expect("a folder of ours has a plain name").to_owned();
        self.programs.run("pg_dump", &["-Fc", "-f", &file, "-d", &self.url(database)]);
        file
    }

    pub(crate) fn restore_over(&self, database: &str, file: &str) {
        self.programs.run("pg_restore", &["--exit-on-error", "--clean", "-d", &self.url(database), file]);
    }

    pub(crate) fn stop(&self, mode: &str) {
        self.ctl(&["stop", "-m", mode]);
    }

    pub(crate) fn promote(&self) {
        self.ctl(&["promote"]);
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://tidings@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes a database, and says how to reach it.
    pub(crate) async fn database(&self, name: &str) -> String {
        self.execute("postgres", &format!("CREATE DATABASE {name}")).await;
        self.url(name)
    }

    pub(crate) async fn connect(&self, database: &str) -> PgConnection {
        PgConnection::connect(&self.url(database)).await.expect("the server is there")
    }

    /// Runs a statement, and answers the first column of the first row as text.
    pub(crate) async fn ask(&self, database: &str, sql: &str) -> Option<String> {
        let mut connection = self.connect(database).await;
        ask(&mut connection, sql).await
    }

    pub(crate) async fn execute(&self, database: &str, sql: &str) {
        let mut connection = self.connect(database).await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.expect("a statement runs");
    }

    /// Uses so many transaction ids up.
    pub(crate) async fn use_ids_up(&self, count: u32) {
        let mut connection = self.connect("postgres").await;
        for _ in 0..count {
            let used = sqlx::query("SELECT pg_current_xact_id()").execute(&mut connection).await;
            used.expect("a transaction has an id");
        }
    }

    /// Dumps a database and restores it into one of another server, which is made.
    pub(crate) async fn dump_to(&self, database: &str, other: &Self, as_database: &str) -> String {
        let url = other.database(as_database).await;
        let file = self.dump(database);
        self.programs.run("pg_restore", &["--exit-on-error", "-d", &url, &file]);
        url
    }
}

pub(crate) async fn ask(connection: &mut PgConnection, sql: &str) -> Option<String> {
    use sqlx::Row as _;
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .fetch_optional(connection)
        .await
        .expect("a question is answered");
    row.and_then(|row| row.try_get(0).expect("the answer is a text"))
}

impl Drop for Server {
    fn drop(&mut self) {
        let stopped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if self.data.join("postmaster.pid").exists() {
                self.stop("immediate");
            }
        }));
        // While a test fails its own words matter more.
        if stopped.is_ok() && !std::thread::panicking() {
            remove(&self.data);
        }
    }
}

fn remove(folder: &Path) {
    std::fs::remove_dir_all(folder).expect("a server's folder is removed");
}
