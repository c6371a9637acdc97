//! A database of one's own.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Client;

/// Dropped with it.
pub(crate) struct Database {
    admin: Client,
    name: String,
    url: String,
}

impl Database {
    /// Makes an empty database on a server whose user may do so.
    pub(crate) fn create(server: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tidings_kill_{}_{}", process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut admin = Client::new(server);
        admin.rows(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
        admin.rows(&format!("CREATE DATABASE {name}"));
        let url = renamed(server, &name);
        Self { admin, name, url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A test that has failed leaves it for whoever looks why.
        if std::thread::panicking() {
            return;
        }
        // The server may be gone already.
        let _dropped = self.admin.try_rows(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

/// The URL with another database.
fn renamed(url: &str, name: &str) -> String {
    let (address, parameters) = url.split_once('?').map_or((url, None), |(url, rest)| (url, Some(rest)));
    let scheme = address.find("://").map_or(0, |at| at + 3);
    let end = address[scheme..].find('/').map_or(address.len(), |at| scheme + at);
    let parameters = parameters.map(|rest| format!("?{rest}")).unwrap_or_default();
    format!("{}/{name}{parameters}", &address[..end])
}

#[test]
fn a_url_is_renamed() {
    assert_eq!(renamed("postgres://u:p@h:5/a?b=c", "x"), "postgres://u:p@h:5/x?b=c");
    assert_eq!(renamed("postgres://u@h", "x"), "postgres://u@h/x");
}
