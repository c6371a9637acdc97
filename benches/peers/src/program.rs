//! A program of the roster, ready to be run: one answer, or one that works until it is told to stop.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tidings_peers_contract::Result;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::roster::Program;

/// Far more than any task takes; one that hangs must not hold up the report.
const PATIENCE: Duration = Duration::from_secs(180);

/// How a program is started, and what it says of itself.
pub(crate) struct Ready {
    pub(crate) program: &'static Program,
    pub(crate) about: About,
    command: Vec<String>,
}

/// See `About` of the contract.
#[derive(Clone, Debug, Deserialize, serde::Serialize)]
pub(crate) struct About {
    pub(crate) version: String,
    pub(crate) runtime: String,
    pub(crate) keeps: bool,
    pub(crate) configuration: String,
    pub(crate) unfinished: String,
    pub(crate) can: Vec<String>,
}

/// So many in so many seconds.
#[derive(Debug, Deserialize)]
pub(crate) struct Counted {
    pub(crate) count: f64,
    pub(crate) seconds: f64,
}

/// A job's number and a time in microseconds.
pub(crate) type Times = Vec<(u32, u64)>;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Timed {
    pub(crate) sent: Times,
    pub(crate) starts: Times,
}

impl Ready {
    /// Asks the program what it is.
    pub(crate) async fn ask(program: &'static Program, command: Vec<String>) -> Result<Self> {
        let unknown = About {
            version: String::new(),
            runtime: String::new(),
            keeps: false,
            configuration: String::new(),
            unfinished: String::new(),
            can: Vec::new(),
        };
        let mut ready = Self { program, about: unknown, command };
        ready.about = ready.answer("about", &[]).await?;
        Ok(ready)
    }

    pub(crate) fn can(&self, what: &str) -> bool {
        self.about.can.iter().any(|known| known == what)
    }

    fn command(&self, task: &str, values: &[(&str, String)]) -> Command {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).arg(task);
        for (name, value) in values {
            command.arg(format!("--{name}")).arg(value);
        }
        if let Some(variant) = self.program.variant {
            command.env("PEER_VARIANT", variant);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs to the end without an answer.
    pub(crate) async fn run(&self, task: &str, values: &[(&str, String)]) -> Result<()> {
        self.text(task, values).await.map(drop)
    }

    /// Runs to the end; the last line is the answer.
    pub(crate) async fn answer<T: DeserializeOwned>(
        &self,
        task: &str,
        values: &[(&str, String)],
    ) -> Result<T> {
        let text = self.text(task, values).await?;
        let last = text.lines().rfind(|line| line.starts_with('{'));
        let last = last.ok_or_else(|| format!("`{task}` of {} answered nothing", self.program.name))?;
        Ok(serde_json::from_str(last).map_err(|error| format!("{last}: {error}"))?)
    }

    async fn text(&self, task: &str, values: &[(&str, String)]) -> Result<String> {
        let name = self.program.name;
        let running = self.command(task, values).output();
        let output = tokio::time::timeout(PATIENCE, running).await;
        let output =
            output.map_err(|_| format!("`{task}` of {name} took longer than {} s", PATIENCE.as_secs()))??;
        let said = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            eprint!("{said}");
            let first = said.lines().find(|line| line.to_lowercase().contains("error")).unwrap_or("");
            return Err(format!("`{task}` ended with {}: {}", output.status, first.trim()).into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Starts a worker, and returns when it is ready to go.
    pub(crate) async fn worker(&self, values: &[(&str, String)]) -> Result<Worker> {
        let mut child =
            self.command("work", values).stdin(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
        let output = child.stdout.take().ok_or("no output")?;
        let mut lines = BufReader::new(output).lines();
        let waiting = async {
            while let Some(line) = lines.next_line().await? {
                if line.contains("\"ready\"") {
                    return Ok::<_, std::io::Error>(true);
                }
            }
            Ok(false)
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(Ok(true)) => Ok(Worker { child, lines, name: self.program.name }),
            _ => Err(format!("a worker of {} does not get ready", self.program.name).into()),
        }
    }
}

/// A worker that waits for its word.
pub(crate) struct Worker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    name: &'static str,
}

/// What a worker says while it works.
#[derive(Debug, Deserialize)]
struct Told {
    handled: u64,
    #[serde(default)]
    starts: Times,
}

/// Workers that work side by side.
pub(crate) struct Working {
    children: Vec<Child>,
    reading: Vec<JoinHandle<Times>>,
    told: mpsc::UnboundedReceiver<(usize, u64)>,
    handled: HashMap<usize, u64>,
    name: &'static str,
}

impl Working {
    /// Gives all of them the word.
    pub(crate) async fn go(workers: Vec<Worker>) -> Result<Self> {
        let (sender, told) = mpsc::unbounded_channel();
        let mut working =
            Self { children: Vec::new(), reading: Vec::new(), told, handled: HashMap::new(), name: "nobody" };
        for (index, mut worker) in workers.into_iter().enumerate() {
            let input = worker.child.stdin.as_mut().ok_or("no input")?;
            input.write_all(b"go\n").await?;
            input.flush().await?;
            let (sender, mut lines) = (sender.clone(), worker.lines);
            working.reading.push(tokio::spawn(async move {
                let mut starts = Times::new();
                while let Ok(Some(line)) = lines.next_line().await {
                    let Ok(told) = serde_json::from_str::<Told>(&line) else { continue };
                    starts.extend(told.starts);
                    // Nobody listens any more: the end has been seen.
                    let _ = sender.send((index, told.handled));
                }
                starts
            }));
            working.name = worker.name;
            working.children.push(worker.child);
        }
        Ok(working)
    }

    /// Returns when so many jobs have started, all workers taken together.
    pub(crate) async fn until_handled(&mut self, jobs: u64) -> Result<()> {
        let counting = async {
            while self.handled.values().sum::<u64>() < jobs {
                let Some((worker, handled)) = self.told.recv().await else { return false };
                self.handled.insert(worker, handled);
            }
            true
        };
        match tokio::time::timeout(PATIENCE, counting).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(format!("the workers of {} ended early", self.name).into()),
            Err(_) => {
                let handled: u64 = self.handled.values().sum();
                Err(format!("the workers of {} handled {handled} of {jobs}", self.name).into())
            }
        }
    }

    /// Stops all of them; answers with when which job started, if they noted it.
    pub(crate) async fn stop(mut self) -> Result<Times> {
        for child in &mut self.children {
            drop(child.stdin.take());
        }
        for child in &mut self.children {
            // What it would do at leisure is not waited for long; it is killed when it is dropped.
            let _ = tokio::time::timeout(Duration::from_secs(10), child.wait()).await;
        }
        drop(self.children);
        let mut starts = Times::new();
        for reading in self.reading {
            starts.extend(reading.await?);
        }
        Ok(starts)
    }
}
