//! A served shop, and a client so simple that it can misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::shop;

/// Longer than anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// A shop that is served until this is dropped.
pub(crate) struct Server {
    child: Child,
    address: String,
    _folder: TempDir,
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
        let folder = tempfile::tempdir().unwrap();
        let mut child = shop()
            .args(["serve", "--port", "0", "--file"])
            .arg(folder.path().join("shop.db"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Self { child, address, _folder: folder }
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
        let mut stream = TcpStream::connect(&self.address).unwrap();
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

    /// Asks until the answer is as it should become.
    pub(crate) fn wait_for(&self, query: &str, body: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.query(query, body);
            if is_so(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "still {answer}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to stop, as an operator or an init system does.
    #[cfg(unix)]
    pub(crate) fn stop(mut self, signal: &str) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already, and then there is nothing left to end.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
