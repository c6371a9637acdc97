//! Waiting until there is nothing left to do.

use std::time::{Duration, Instant};

use super::TestApp;
use super::fail::{Place, fail, here};
use super::pending::{Pending, UnderWay};

/// Most of what is waited for is there within so much time. A look takes a part of a millisecond, and a timer takes one.
const LOOK_WITHOUT_PAUSE: Duration = Duration::from_millis(2);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Before the next look at something that began to be waited for then.
pub(super) async fn pause(begun: Instant) {
    if begun.elapsed() < LOOK_WITHOUT_PAUSE {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

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

    /// Waits for a state in which the application has not settled, or for one of the world outside: that a job is running, for
    /// example. No time passes meanwhile.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() {
    /// # let app = tidings::testing::TestApp::start([]).await;
    /// app.wait_until("there are no consumers", async || app.store().consumers().await.is_ok_and(|all| all.is_empty())).await;
    /// # }
    /// ```
    ///
    /// # Panics
    /// If it does not come within the [patience](super::TestAppBuilder::patience), with what is under way and the trees of
    /// its flows.
    #[track_caller]
    pub fn wait_until(&self, what: &str, mut reached: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
        let place = here();
        async move {
            let begun = Instant::now();
            while !reached().await {
                if begun.elapsed() > self.patience {
                    let under_way = self.pending(place).await.now;
                    let told = self.told(&format!("never reached: {what}"), under_way).await;
                    fail(place, &told);
                }
                pause(begun).await;
            }
        }
    }

    /// As [`settle`](Self::settle); returns what waits for its time.
    pub(super) async fn settled(&self, place: Place) -> Pending {
        let begun = Instant::now();
        let pending = loop {
            let pending = self.pending(place).await;
            if pending.now.is_empty() {
                break pending;
            }
            if begun.elapsed() > self.patience {
                let problem = format!("the application did not settle within {:?}", self.patience);
                let told = self.told(&problem, pending.now).await;
                fail(place, &told);
            }
            pause(begun).await;
        };
        if self.checks_readers {
            self.check_published(place).await;
        }
        pending
    }

    /// A problem with what is under way, and the flows that has to do with, or else the newest.
    async fn told(&self, problem: &str, mut under_way: Vec<UnderWay>) -> String {
        under_way.extend(self.running_jobs().await);
        let mut told = format!("{problem}. Under way:\n");
        for UnderWay { what, .. } in &under_way {
            told.push_str(&format!("  - {what}\n"));
        }
        if under_way.is_empty() {
            told.push_str("  nothing\n");
        }
        let flows: Vec<_> = under_way.into_iter().flat_map(|of| of.flows).collect();
        let trees = if flows.is_empty() { self.newest_trees().await } else { self.trees(flows).await };
        told + &trees
    }
}
