//! Playing time forward.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::TestApp;
use super::fail::{Place, fail, here};

impl TestApp {
    /// Plays time forward: goes to when something is due next, [settles](Self::settle), and so on, until so much time has
    /// passed. So everything happens in its order and at its time, and two hours of retries take milliseconds.
    ///
    /// # Panics
    /// If the application does not settle, or that takes too many [steps](super::TestAppBuilder::steps_max).
    #[track_caller]
    pub fn advance(&self, time: Duration) -> impl Future<Output = ()> {
        let place = here();
        async move {
            let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
            let goal = self.now().checked_add(time).unwrap_or(Timestamp::MAX);
            self.play_to(place, goal).await;
        }
    }

    /// As [`advance`](Self::advance), to a point in time.
    ///
    /// # Panics
    /// As [`advance`](Self::advance), and if that is in the past.
    #[track_caller]
    pub fn advance_to(&self, goal: Timestamp) -> impl Future<Output = ()> {
        let place = here();
        async move {
            if goal < self.now() {
                fail(
                    place,
                    &format!("time does not run backwards: it is {}, and not yet {goal}", self.now()),
                );
            }
            self.play_to(place, goal).await;
        }
    }

    /// Plays time forward until nothing waits for its time any more but recurring jobs.
    ///
    /// # Panics
    /// As [`advance`](Self::advance).
    #[track_caller]
    pub fn run_until_idle(&self) -> impl Future<Output = ()> {
        let place = here();
        async move {
            for _ in 0..self.steps_max {
                let pending = self.settled(place).await;
                match pending.next_of_all().filter(|_| pending.next.is_some()) {
                    Some(next) => self.clock.set(next),
                    None => return,
                }
            }
            self.endless(place).await;
        }
    }

    async fn play_to(&self, place: Place, goal: Timestamp) {
        for _ in 0..self.steps_max {
            let pending = self.settled(place).await;
            match pending.next_of_all().filter(|next| *next <= goal) {
                Some(next) => self.clock.set(next),
                None => {
                    self.clock.set(goal);
                    self.settled(place).await;
                    return;
                }
            }
        }
        self.endless(place).await;
    }

    async fn endless(&self, place: Place) -> ! {
        let trees = self.newest_trees().await;
        let (now, steps) = (self.now(), self.steps_max);
        fail(
            place,
            &format!(
                "something was due {steps} times, and it is only {now}: if nothing is wrong with that, play time \
                 forward in shorter pieces\n{trees}"
            ),
        )
    }
}
