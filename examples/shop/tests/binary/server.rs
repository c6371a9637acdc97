//! A served shop, and a client so simple that it can misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::shop;

/// Longer than anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A shop that is served until this is dropped, with a provider inside.
pub(crate) struct Server {
    child: Child,
    address: String,
    /// The provider's, and that of its ledger.
    provider: Option<(String, PathBuf)>,
    retries: &'static str,
    /// There until it is started again.
    folder: Option<TempDir>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Answer {
    /// Status and code of a problem.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, &str) {
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        assert_eq!(self.body["status"], self.status);
        (self.status, self.body["code"].as_str().unwrap())
    }

    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}", self.body);
        self.body
    }
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with more options than its port and file. A job that goes on failing is dead in a moment.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        Self::start_with_retries("[0.05, 0.1]", options)
    }

    /// The same, with these delays between attempts.
    pub(crate) fn start_with_retries(retries: &'static str, options: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), retries, options)
    }

    /// Starts one on the database in this folder, if there is one already.
    fn start_in(folder: TempDir, retries: &'static str, options: &[&str]) -> Self {
        let mut child = shop()
            .args(["serve", "--port", "0", "--file"])
            .arg(file_in(&folder))
            .args(options)
            .env("TIDINGS_JOBS__RETRY_SECONDS", retries)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = BufReader::new(child.stdout.take().unwrap());
        let address = line(&mut told).strip_prefix("listening on http://").unwrap().to_owned();
        let provider = (!options.contains(&"--provider")).then(|| {
            let told = line(&mut told);
            let places = told.strip_prefix("the provider is at http://").unwrap();
            let (provider, ledger) = places.split_once("; its ledger is ").unwrap();
            (provider.to_owned(), ledger.into())
        });
        Self { child, address, provider, retries, folder: Some(folder) }
    }

    /// Kills it as a crash would, and starts it again on the same database with these options.
    pub(crate) fn kill_and_start_again(mut self, options: &[&str]) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Self::start_in(self.folder.take().unwrap(), self.retries, options)
    }

    /// Stops it in order, does something with its database, and starts it again.
    #[cfg(unix)]
    pub(crate) fn stop_and(mut self, then: impl FnOnce(&Path)) -> Self {
        let (folder, retries) = (self.folder.take().unwrap(), self.retries);
        assert!(self.stop("-TERM").success());
        then(&file_in(&folder));
        Self::start_in(folder, retries, &[])
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What the provider says that it has booked.
    pub(crate) fn ledger(&self) -> Value {
        let (provider, _) = self.provider.as_ref().unwrap();
        ask(provider, "GET /ledger HTTP/1.1\r\nhost: provider\r\n\r\n").ok()
    }

    pub(crate) fn ledger_file(&self) -> &Path {
        let (_, ledger) = self.provider.as_ref().unwrap();
        ledger
    }

    /// Its bookings of one kind, from the file.
    pub(crate) fn bookings(&self, kind: &str) -> Vec<Value> {
        let lines = std::fs::read_to_string(self.ledger_file()).unwrap();
        let bookings = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        bookings.filter(|booking| booking["kind"] == kind).collect()
    }

    pub(crate) fn command(&self, name: &str, body: &str) -> Answer {
        self.command_with(name, body, &[])
    }

    pub(crate) fn command_with(&self, name: &str, body: &str, headers: &[&str]) -> Answer {
        self.send("POST", &format!("/commands/{name}"), body, headers)
    }

    pub(crate) fn query(&self, name: &str, body: &str) -> Value {
        self.send("POST", &format!("/queries/{name}"), body, &[]).ok()
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &str, headers: &[&str]) -> Answer {
        let length = format!("content-length: {}", body.len());
        let headers: Vec<&str> = headers.iter().copied().chain([length.as_str()]).collect();
        self.raw(&format!("{method} {path} HTTP/1.1\r\nhost: shop\r\n{}\r\n\r\n{body}", headers.join("\r\n")))
    }

    /// Sends these bytes and no more, and reads the one answer.
    pub(crate) fn raw(&self, request: &str) -> Answer {
        ask(&self.address, request)
    }

    /// Asks the provider until its books are as they should become.
    pub(crate) fn wait_for_ledger(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        wait_for(|| self.ledger(), is_so)
    }

    /// Asks until the answer is as it should become.
    pub(crate) fn wait_for(&self, query: &str, body: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        wait_for(|| self.query(query, body), is_so)
    }

    /// Asks it to stop, as an operator or an init system does.
    #[cfg(unix)]
    pub(crate) fn stop(mut self, signal: &str) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

fn file_in(folder: &TempDir) -> PathBuf {
    folder.path().join("shop.db")
}

pub(crate) fn line(told: &mut impl BufRead) -> String {
    let mut line = String::new();
    told.read_line(&mut line).unwrap();
    line.trim().to_owned()
}

fn wait_for(ask: impl Fn() -> Value, is_so: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let answer = ask();
        if is_so(&answer) {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "still {answer}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn ask(address: &str, request: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut head).unwrap() > 0, "the connection ended within the head: {head}");
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, body: serde_json::from_slice(&body).unwrap(), head }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing left to end.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
