//! Trying a lone message again because its handler calls the error transient.

use std::time::Duration;

use tidings_core::envelope::{Position, Recorded};

use super::failure::{Failure, TRANSIENT_ROUNDS_MAX};
use super::worker::Worker;

const PAUSE_MIN: Duration = Duration::from_millis(50);

/// How long to wait before something is tried once more after so many rounds; `None` if it has had enough.
pub(crate) fn pause_before_round(rounds: u32) -> Option<Duration> {
    (rounds < TRANSIENT_ROUNDS_MAX).then(|| PAUSE_MIN * 2_u32.pow(rounds))
}

impl Worker {
    /// Whether a message that has failed alone is to be tried again at once; pauses before it says so.
    pub(super) async fn another_round(&mut self, message: &Recorded, failure: &Failure) -> bool {
        let Failure::Transient(error) = failure else { return false };
        let round = self.rounds_of(message.position);
        let Some(pause) = pause_before_round(round) else { return false };
        let (consumer, id) = (&self.lease.consumer, message.envelope.id);
        tracing::warn!(%consumer, %id, round = round + 1, error = %error, pause_ms = pause.as_millis(), "the handler calls its error transient; it is tried again");
        self.transient = Some((message.position, round + 1));
        self.pause(pause).await;
        true
    }

    fn rounds_of(&self, position: Position) -> u32 {
        self.transient.filter(|(of, _)| *of == position).map_or(0, |(_, rounds)| rounds)
    }
}
