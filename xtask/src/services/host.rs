//! Who we are on this machine, and as whom a service runs: some refuse to run as root.

use crate::command;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

pub(super) fn is_root() -> bool {
    user_id(None).is_ok_and(|id| id == 0)
}

/// As whom a service's programs run.
#[derive(Debug, Clone, Copy)]
pub(super) enum RunAs {
    Ourselves,
    User(&'static str),
}

impl RunAs {
    /// Root steps down to the user whom the service's package made; anybody else stays who they are.
    pub(super) fn not_root(user: &'static str) -> Self {
        if is_root() { RunAs::User(user) } else { RunAs::Ourselves }
    }

    /// `setpriv` and not `runuser`: it becomes the program, so that the process id is the program's own.
    pub(super) fn command(self, program: &Path) -> Command {
        match self {
            RunAs::Ourselves => Command::new(program),
            RunAs::User(user) => {
                let mut command = Command::new("setpriv");
                command.args(["--reuid", user, "--regid", user, "--init-groups", "--"]).arg(program);
                command
            }
        }
    }

    /// Whether files in this folder can be reached: a home of root's, say, is closed to others.
    pub(super) fn can_reach(self, folder: &Path) -> bool {
        let mut test = self.command(Path::new("test"));
        command::succeeds(test.arg("-x").arg(folder))
    }

    pub(super) fn give(self, folder: &Path) -> Result<()> {
        let RunAs::User(user) = self else {
            return Ok(());
        };
        let id = user_id(Some(user))?;
        std::os::unix::fs::chown(folder, Some(id), None)
            .with_context(|| format!("cannot give {} to {user}", folder.display()))
    }
}

fn user_id(name: Option<&str>) -> Result<u32> {
    let text = command::capture_text(Command::new("id").arg("-u").args(name))?;
    text.trim().parse().with_context(|| format!("`id -u` said {text:?}"))
}
