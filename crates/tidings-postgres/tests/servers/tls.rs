//! Encrypted connections: whom they are made to, and whom they are refused to.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use tidings_core::store::StoreError;
use tidings_postgres::{PostgresConfig, PostgresStore};

use crate::server::{Programs, Server};

/// Certificates for a server that is called `localhost`, and for nobody else.
struct Certificates {
    folder: TempDir,
}

impl Certificates {
    fn make() -> Self {
        let folder = TempDir::with_prefix("tidings-tls-").expect("a temporary folder");
        for authority in ["ca", "stranger"] {
            let subject = format!("/CN={authority}");
            let arguments =
                ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
            let files = ["-days", "2", "-subj", &subject, "-keyout", &format!("{authority}.key")];
            openssl(
                folder.path(),
                &[&arguments[..], &files, &["-out", &format!("{authority}.crt")]].concat(),
            );
        }
        let arguments = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
        let files = ["-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr"];
        openssl(folder.path(), &[&arguments[..], &files].concat());
        std::fs::write(folder.path().join("names"), "subjectAltName=DNS:localhost\n")
            .expect("a file is written");
        let arguments = ["x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key"];
        let files = ["-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.crt"];
        openssl(folder.path(), &[&arguments[..], &files].concat());
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn openssl(folder: &Path, arguments: &[&str]) {
    let output =
        Command::new("openssl").args(arguments).current_dir(folder).output().expect("openssl is there");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments:?} fails: {errors}");
}

/// What becomes of opening a store at a host with these settings.
async fn opened(server: &Server, host: &str, settings: &str) -> Result<PostgresStore, StoreError> {
    let url = format!("postgres://tidings@{host}:{}/shop?{settings}", server.port());
    let config = PostgresConfig { acquire_timeout: Duration::from_secs(20), ..PostgresConfig::new(url) };
    PostgresStore::open(config).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_is_known_by_its_certificate() {
    let Some(programs) = Programs::find() else { return };
    let server = Server::start(&programs);
    server.database("shop").await;
    let certificates = Certificates::make();
    server.encrypt(&certificates.file("server.crt"), &certificates.file("server.key"));
    let trusting = |mode: &str, authority: &str| {
        format!("sslmode={mode}&sslrootcert={}", certificates.file(authority).display())
    };

    let store =
        opened(&server, "localhost", &trusting("verify-full", "ca.crt")).await.expect("it is the server");
    let encrypted = "SELECT count(*)::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                     WHERE ssl AND application_name = 'tidings'";
    let count = server.ask("shop", encrypted).await.expect("a count");
    assert_ne!(count, "0", "the store's connections are encrypted");
    tidings_core::store::Store::close(&store).await.expect("a store closes");

    for (host, settings, why) in [
        ("127.0.0.1", trusting("verify-full", "ca.crt"), "the certificate is for another host"),
        ("localhost", trusting("verify-full", "stranger.crt"), "nobody trusted has signed it"),
        ("127.0.0.1", trusting("verify-ca", "stranger.crt"), "nobody trusted has signed it"),
    ] {
        let refused = opened(&server, host, &settings).await.err();
        let told = refused.as_ref().map(|error| tidings_core::error::chain(error)).unwrap_or_default();
        assert!(matches!(refused, Some(StoreError::Unusable { .. })), "{why}: {host} {settings} {told}");
        assert!(told.contains("`sslmode`") && told.contains("certificate"), "{why}, and it is said: {told}");
    }
    for (host, settings, why) in [
        ("127.0.0.1", trusting("verify-ca", "ca.crt"), "who has signed it is all that is asked"),
        ("127.0.0.1", "sslmode=require".to_owned(), "nothing is asked but that it is encrypted"),
    ] {
        opened(&server, host, &settings).await.unwrap_or_else(|error| panic!("{why}: {error:?}"));
    }

    server.refuse_plain();
    opened(&server, "localhost", &trusting("verify-full", "ca.crt")).await.expect("it is encrypted");
    let refused = opened(&server, "localhost", "sslmode=disable").await.err();
    let told = refused.as_ref().map(|error| tidings_core::error::chain(error)).unwrap_or_default();
    assert!(told.contains("pg_hba.conf"), "what the server demands is said: {told}");
}
