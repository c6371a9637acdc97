//! Waiting until there is nothing left to do.

use std::fmt::Write;
use std::time::{Duration, Instant};

use super::TestApp;
use super::fail::{Place, fail, here};
use super::pending::{Pending, UnderWay};

const LOOK_EVERY_MIN: Duration = Duration::from_micros(200);
const LOOK_EVERY_MAX: Duration = Duration::from_millis(5);

impl TestApp {
    /// Waits until nothing is under way that is due now: every consumer has read everything, no parked message and no
    /// recurring job is due, no job runs or may run, and no handler is at work. What waits for its time goes on waiting, as
    /// does what waits for a person: what is dead, what is behind it, and queues that are paused.
    ///
    /// Then what was published is held against its readers, see [`check_readers`](Self::check_readers).
    ///
    /// # Panics
    /// If that takes longer than the [patience](super::TestAppBuilder::patience), with what is under way and the trees of its
    /// flows.
    #[track_caller]
    pub fn settle(&self) -> impl Future<Output = ()> {
        let place = here();
        async move {
            self.settled(place).await;
        }
    }

    /// As [`settle`](Self::settle); returns what waits for its time.
    pub(super) async fn settled(&self, place: Place) -> Pending {
        let begun = Instant::now();
        let mut pause = LOOK_EVERY_MIN;
        let pending = loop {
            let pending = self.pending(place).await;
            if pending.now.is_empty() {
                break pending;
            }
            if begun.elapsed() > self.patience {
                let told = self.stuck(pending.now).await;
                fail(place, &told);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LOOK_EVERY_MAX);
        };
        if self.checks_readers {
            self.check_published(place).await;
        }
        pending
    }

    async fn stuck(&self, mut under_way: Vec<UnderWay>) -> String {
        under_way.extend(self.running_jobs().await);
        let mut told = format!("the application did not settle within {:?}. Under way:\n", self.patience);
        for UnderWay { what, .. } in &under_way {
            // Writing to a string does not fail.
            let _ = writeln!(told, "  - {what}");
        }
        told + &self.trees(under_way.into_iter().flat_map(|of| of.flows)).await
    }
}
