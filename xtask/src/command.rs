//! Running other programs: what they print streams through, and a hanging one is ended.

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

const POLL_EVERY: Duration = Duration::from_millis(50);
const GRACE_BEFORE_KILL: Duration = Duration::from_secs(10);

/// How long a program may run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Limit {
    /// At a terminal a person decides, with Ctrl-C.
    None,
    /// With nobody watching, a hanging test must end as a named failure and not as a silent kill of the
    /// whole run.
    After(Duration),
}

#[derive(Debug)]
pub(crate) enum Ended {
    By(ExitStatus),
    TimedOut(Duration),
}

impl Ended {
    pub(crate) fn is_success(&self) -> bool {
        matches!(self, Ended::By(status) if status.success())
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Ended::By(status) => write!(f, "{status}"),
            Ended::TimedOut(limit) => {
                write!(f, "still running after {} s, ended", limit.as_secs())
            }
        }
    }
}

/// The cargo that runs this chore, at the root of the workspace.
pub(crate) fn cargo(workspace: &Workspace) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(&workspace.root);
    command
}

/// Runs to the end; both outputs go where ours go.
pub(crate) fn stream(command: &mut Command, limit: Limit) -> Result<Ended> {
    command.stdin(Stdio::null());
    let name = display(command);
    match limit {
        Limit::None => {
            let status = command.status().with_context(|| format!("cannot start {name}"))?;
            Ok(Ended::By(status))
        }
        Limit::After(limit) => stream_with_limit(command, limit, &name),
    }
}

/// Runs to the end and keeps what it printed. An unsuccessful end is not an error here.
pub(crate) fn capture(command: &mut Command) -> Result<Output> {
    let name = display(command);
    command.stdin(Stdio::null()).output().with_context(|| format!("cannot start {name}"))
}

/// Runs to the end, and gives its standard output, or an error with its standard error.
pub(crate) fn capture_text(command: &mut Command) -> Result<String> {
    let output = capture(command)?;
    anyhow::ensure!(
        output.status.success(),
        "{} ended with {}:\n{}",
        display(command),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether the program exists and ends well; its outputs are dropped.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// As it would be typed, without the environment.
pub(crate) fn display(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(program)
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

fn stream_with_limit(command: &mut Command, limit: Duration, name: &str) -> Result<Ended> {
    // A group of its own, so that what cargo started (the test binaries) ends with it.
    own_process_group(command);
    let mut child = command.spawn().with_context(|| format!("cannot start {name}"))?;
    if let Some(status) = wait_until(&mut child, Instant::now() + limit)? {
        return Ok(Ended::By(status));
    }
    signal_group("TERM", &child);
    if wait_until(&mut child, Instant::now() + GRACE_BEFORE_KILL)?.is_none() {
        signal_group("KILL", &child);
        child.wait().with_context(|| format!("cannot wait for {name}"))?;
    }
    Ok(Ended::TimedOut(limit))
}

/// `None` when the deadline came first.
pub(crate) fn wait_until(child: &mut Child, deadline: Instant) -> Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a program")? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        std::thread::sleep(POLL_EVERY);
    }
}

pub(crate) fn own_process_group(command: &mut Command) {
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    #[cfg(not(unix))]
    let _ = command;
}

fn signal_group(signal: &str, leader: &Child) {
    succeeds(Command::new("kill").args(["-s", signal, "--", &format!("-{}", leader.id())]));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_that_ends_in_time_keeps_its_status() {
        let ended = stream(&mut shell("exit 3"), Limit::After(Duration::from_secs(60)));
        assert!(matches!(ended, Ok(Ended::By(status)) if status.code() == Some(3)));
    }

    #[test]
    fn a_program_past_its_limit_is_ended_with_what_it_started() {
        let begun = Instant::now();
        let ended = stream(&mut shell("sleep 600 & wait"), Limit::After(Duration::from_millis(100)));
        assert!(matches!(ended, Ok(Ended::TimedOut(_))));
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn a_failing_capture_tells_what_the_program_said() {
        let error = capture_text(&mut shell("echo 'no such thing' >&2; exit 1")).unwrap_err();
        assert!(error.to_string().contains("no such thing"), "{error}");
    }

    #[test]
    fn commands_are_shown_as_typed() {
        assert_eq!(display(Command::new("/usr/bin/env").arg("x")), "env x");
    }
}
