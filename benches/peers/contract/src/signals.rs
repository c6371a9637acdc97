//! What the driver says on standard input: a line starts the work, the end of input stops it.

use std::io::BufRead as _;

use tokio::sync::watch;

use crate::Result;

/// Told to a worker when it has to end.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<State>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Waiting,
    Going,
    Stopped,
}

impl Stop {
    /// Returns when it is time to stop.
    pub async fn stopped(&mut self) {
        // An error means that the sender is gone, which is as good a reason.
        let _ = self.0.wait_for(|state| *state == State::Stopped).await;
    }

    /// Whether it is time to stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.0.borrow() == State::Stopped
    }

    pub(crate) async fn go(&mut self) -> Result<()> {
        self.0.wait_for(|state| *state >= State::Going).await?;
        Ok(())
    }

    /// Listens to standard input.
    pub(crate) fn from_input() -> Self {
        let (sender, receiver) = watch::channel(State::Waiting);
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                if line.is_err() {
                    break;
                }
                let _ = sender.send(State::Going);
            }
            let _ = sender.send(State::Stopped);
        });
        Self(receiver)
    }

    /// For work that is stopped by the program itself.
    pub(crate) fn by_hand() -> (Self, impl FnOnce()) {
        let (sender, receiver) = watch::channel(State::Going);
        (Self(receiver), move || _ = sender.send(State::Stopped))
    }
}
