//! One life of a victim.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tidings_kill_tests::plan::Plan;
use tidings_kill_tests::words::Word;

/// How long anything may take that has to happen. Only a failing test waits this long.
const PATIENCE: Duration = Duration::from_secs(90);

const SIGABRT: i32 = 6;

pub(crate) struct Victim {
    child: Leash,
    stdin: Option<ChildStdin>,
    words: Receiver<Word>,
    reader: JoinHandle<()>,
    heard: Vec<Word>,
}

/// Kills the process when a test fails before it has.
struct Leash(Child);

impl Drop for Leash {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _reaped_already = self.0.wait();
    }
}

/// How a life ended.
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    /// Everything the victim said.
    pub(crate) words: Vec<Word>,
}

impl End {
    pub(crate) fn is_orderly(&self) -> bool {
        self.status.success()
    }

    pub(crate) fn aborted(&self) -> bool {
        self.status.signal() == Some(SIGABRT)
    }

    pub(crate) fn said(&self, word: &Word) -> bool {
        self.words.contains(word)
    }
}

impl Victim {
    pub(crate) fn start(plan: &Plan) -> Self {
        let plan = serde_json::to_string(plan).expect("a plan is JSON");
        let mut child = Command::new(env!("CARGO_BIN_EXE_victim"))
            .arg(plan)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the victim starts");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (said, words) = channel();
        let reader = std::thread::spawn(move || {
            // A line that was cut short by the kill is no word; the pipe outlives the process and is read to its end.
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(word) = Word::parse(&line)
                    && said.send(word).is_err()
                {
                    return;
                }
            }
        });
        Self { child: Leash(child), stdin, words, reader, heard: Vec::new() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// Waits for a word; `false` if the victim ended without it.
    pub(crate) fn hears(&mut self, wanted: impl Fn(&Word) -> bool) -> bool {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.words.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(word) => {
                    let found = wanted(&word);
                    self.heard.push(word);
                    if found {
                        return true;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {
                    let last = self.heard.iter().rev().take(5).collect::<Vec<_>>();
                    panic!("the victim did not say it within {PATIENCE:?}; its last words: {last:?}");
                }
            }
        }
    }

    /// Waits for a word that is said from now on; `false` if it does not come in time.
    pub(crate) fn hears_next_within(&mut self, time: Duration, wanted: impl Fn(&Word) -> bool) -> bool {
        self.heard.extend(self.words.try_iter());
        let until = Instant::now() + time;
        while let Ok(word) = self.words.recv_timeout(until.saturating_duration_since(Instant::now())) {
            let found = wanted(&word);
            self.heard.push(word);
            if found {
                return true;
            }
        }
        false
    }

    /// Sends it a signal: `STOP` or `CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let kill = Command::new("kill").arg(format!("-{signal}")).arg(self.id().to_string()).status();
        assert!(kill.expect("there is a command `kill`").success(), "the victim does not take {signal}");
    }

    pub(crate) fn has_said(&self, word: &Word) -> bool {
        self.heard.contains(word)
    }

    pub(crate) fn last_words(&self, count: usize) -> Vec<Word> {
        self.heard.iter().rev().take(count).rev().cloned().collect()
    }

    /// Sends SIGKILL, and does not wait for the end.
    pub(crate) fn strike(&mut self) {
        // Fails only when the victim has ended by itself, which its status tells.
        let _gone = self.child.0.kill();
    }

    /// Tells the victim to end in order.
    pub(crate) fn tell_to_stop(&mut self) {
        self.stdin = None;
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.0.try_wait(), Ok(None))
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) -> End {
        // Fails only when the victim has ended by itself, which its status tells.
        let _gone = self.child.0.kill();
        self.end()
    }

    /// Waits for the end, however it comes.
    pub(crate) fn end(mut self) -> End {
        while self.hears(|_| false) {}
        let status = self.child.0.wait().expect("the victim is a child of this process");
        self.reader.join().expect("the reader does not panic");
        End { status, words: self.heard }
    }
}
