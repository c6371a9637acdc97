//! A pooler between processes and their PostgreSQL server: PgBouncer, which gives each transaction a connection of its own.
//!
//! It is started from the program of the system (Debian's package `pgbouncer`), or the one that `TIDINGS_TEST_PGBOUNCER` names.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use uuid::Uuid;

/// The password of the roles that go through the pooler.
pub const PASSWORD: &str = "pooled";

const ANSWERS_WITHIN: Duration = Duration::from_secs(20);

/// PgBouncer refuses to run as root.
const USER: &str = "nobody";

/// It ends when the test's process does, however that ends, and its folder goes: the pipe to it is closed then.
const WATCH: &str = "\"$@\" & pid=$!; cat > /dev/null; kill -s INT $pid; wait $pid; rm -rf \"$0\"";

/// Gone with this value, or with the process.
pub struct Pooler {
    port: u16,
    database: String,
    folder: PathBuf,
    watcher: Child,
}

impl Pooler {
    /// Starts one in front of a server, with so many connections to it for each role. The URL's role must be able to ask for
    /// others. `None` where there is no PgBouncer.
    ///
    /// # Errors
    /// If it does not start or does not answer.
    pub fn in_front_of(url: &str, connections: u32) -> io::Result<Option<Self>> {
        let Some(program) = program() else { return Ok(None) };
        let server =
            Address::of(url).ok_or_else(|| io::Error::other("a URL with user, host and database"))?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("tidings-pooler-{}", Uuid::new_v4().simple()));
        std::fs::create_dir(&folder)?;
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755))?;
        let users = folder.join("users.txt");
        std::fs::write(&users, format!("\"{}\" \"{}\"\n", server.user, server.password))?;
        let settings = folder.join("pgbouncer.ini");
        std::fs::write(&settings, text(&server, port, connections, &users))?;
        let log = std::fs::File::create(folder.join("log"))?;
        let watcher = Command::new("sh")
            .args(["-c", WATCH])
            // The script's name, which it takes away with it.
            .arg(&folder)
            .arg(program)
            .args(as_user()?)
            .arg(&settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let pooler = Self { port, database: server.database, folder, watcher };
        let begun = Instant::now();
        while TcpStream::connect(pooler.address()).is_err() {
            if begun.elapsed() > ANSWERS_WITHIN {
                let log = std::fs::read_to_string(pooler.folder.join("log")).unwrap_or_default();
                return Err(io::Error::other(format!("the pooler does not answer:\n{log}")));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(Some(pooler))
    }

    /// How a role with [`PASSWORD`] reaches the database through it.
    pub fn url(&self, role: &str) -> String {
        format!("postgres://{role}:{PASSWORD}@{}/{}", self.address(), self.database)
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        drop(self.watcher.wait());
    }
}

/// Statements that make a role with a schema of its own, which it finds behind a pooler, too.
pub fn role_with_schema(role: &str) -> [String; 4] {
    [
        format!("CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'"),
        format!("CREATE SCHEMA {role} AUTHORIZATION {role}"),
        format!("ALTER ROLE {role} SET search_path = {role}"),
        format!("ALTER ROLE {role} SET jit = off"),
    ]
}

/// Anybody may come; the server is told the password. Statements that a transaction needs are all that a connection carries over.
fn text(server: &Address, port: u16, connections: u32, users: &Path) -> String {
    format!(
        "[databases]
* = host={} port={}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
default_pool_size = {connections}
max_client_conn = 5000
server_idle_timeout = 2
auth_type = trust
auth_file = {}
auth_user = {}
auth_query = SELECT rolname::text, '{PASSWORD}'::text FROM pg_roles WHERE rolname = $1
log_connections = 0
log_disconnections = 0
",
        server.host,
        server.port,
        users.display(),
        server.user,
    )
}

struct Address {
    user: String,
    password: String,
    host: String,
    port: u16,
    database: String,
}

impl Address {
    fn of(url: &str) -> Option<Self> {
        let (_, rest) = url.split_once("://")?;
        let (login, rest) = rest.split_once('@')?;
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let (place, database) = rest.split_once('/')?;
        let (host, port) = place.rsplit_once(':').unwrap_or((place, "5432"));
        Some(Self {
            user: user.to_owned(),
            password: password.to_owned(),
            host: host.to_owned(),
            port: port.parse().ok()?,
            database: database.split('?').next()?.to_owned(),
        })
    }
}

fn program() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TIDINGS_TEST_PGBOUNCER").filter(|named| !named.is_empty()) {
        return Some(named.into());
    }
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&on_path)
        .chain([PathBuf::from("/usr/sbin")])
        .map(|folder| folder.join("pgbouncer"))
        .find(|program| program.is_file())
}

fn as_user() -> io::Result<Vec<&'static str>> {
    let id = Command::new("id").arg("-u").output()?;
    Ok(if id.stdout.trim_ascii() == b"0" { vec!["-u", USER] } else { Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let address = Address::of("postgres://tidings:s3cret@127.0.0.1:5433/shop?sslmode=disable").unwrap();
        assert_eq!((&*address.user, &*address.password), ("tidings", "s3cret"));
        assert_eq!((&*address.host, address.port, &*address.database), ("127.0.0.1", 5433, "shop"));
        assert!(Address::of("postgres://localhost").is_none());
    }
}
