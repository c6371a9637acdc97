//! The events of the whole application, and its dead letters and jobs.

use std::time::Instant;

use serde::de::DeserializeOwned;
use tidings_core::contract::Event;
use tidings_core::envelope::{MessageKind, Recorded};
use tidings_core::error::chain;
use tidings_core::ids::MessageId;
use tidings_core::store::{Filter, JobFilter, JobRow, JobState, ParkedState};

use super::TestApp;
use super::app::beginning;
use super::fail::{Place, fail, here};
use super::settle::pause;
use crate::decode;

impl TestApp {
    /// Every event of this kind that was published so far, in order.
    ///
    /// # Panics
    /// If one does not decode, as one of another version may not.
    #[track_caller]
    pub fn events<E: Event + DeserializeOwned>(&self) -> impl Future<Output = Vec<E>> {
        let place = here();
        async move { self.events_at(place).await }
    }

    async fn events_at<E: Event + DeserializeOwned>(&self, place: Place) -> Vec<E> {
        let filter = Filter::all(MessageKind::Event, vec![E::NAME.into()]);
        let (messages, _) = self.messages(place, beginning(), &filter).await;
        messages.iter().map(|message| decoded(place, message)).collect()
    }

    /// Waits for an event that matches, also one that was published before, and returns it. No time passes meanwhile.
    ///
    /// # Panics
    /// If the application has settled and there is none, or it does not settle; with the trees of the newest flows.
    #[track_caller]
    pub fn wait_for<E: Event + DeserializeOwned>(
        &self,
        mut matches: impl FnMut(&E) -> bool,
    ) -> impl Future<Output = E> {
        let place = here();
        async move {
            let begun = Instant::now();
            loop {
                // Asked before the look: what comes after it is found by the next round.
                let is_settled = self.pending(place).await.now.is_empty();
                if let Some(event) = self.events_at::<E>(place).await.into_iter().find(&mut matches) {
                    return event;
                }
                if is_settled || begun.elapsed() > self.patience {
                    let why =
                        if is_settled { "nothing more is to come by itself" } else { "it takes too long" };
                    let trees = self.newest_trees().await;
                    fail(place, &format!("no event `{}` matches, and {why}\n{trees}", E::NAME));
                }
                pause(begun).await;
            }
        }
    }

    /// No message and no job is dead.
    ///
    /// # Panics
    /// If one is, with the trees of their flows.
    #[track_caller]
    pub fn no_dead_letters(&self) -> impl Future<Output = ()> {
        let place = here();
        async move {
            let parked = self.app.store().parked(None, Some(ParkedState::Dead), usize::MAX).await;
            let parked = parked.unwrap_or_else(|error| fail(place, &chain(&error)));
            let jobs = self.jobs_at(place, JobState::Dead).await;
            let of_messages = parked.iter().map(|row| {
                let message = &row.message.envelope;
                let told = format!("`{}` has given up `{}`: {}", row.consumer, message.name, row.error);
                (told, message.correlation_id)
            });
            let of_jobs = jobs.iter().map(|job| {
                let error = job.error.as_deref().unwrap_or_default();
                (format!("job `{}` is dead: {error}", job.name), job.correlation_id)
            });
            let (told, flows): (Vec<String>, Vec<MessageId>) = of_messages.chain(of_jobs).unzip();
            if !told.is_empty() {
                let trees = self.trees(flows).await;
                fail(place, &format!("there are dead letters:\n  - {}\n{trees}", told.join("\n  - ")));
            }
        }
    }

    /// The jobs of this name, in the order of their enqueueing.
    #[track_caller]
    pub fn jobs_named(&self, name: &str) -> impl Future<Output = Vec<JobRow>> {
        let (place, filter) = (here(), JobFilter { name: Some(name.into()), ..JobFilter::default() });
        async move { self.jobs_like(place, &filter).await }
    }

    async fn jobs_at(&self, place: Place, state: JobState) -> Vec<JobRow> {
        self.jobs_like(place, &JobFilter { state: Some(state), ..JobFilter::default() }).await
    }

    pub(super) async fn jobs_like(&self, place: Place, filter: &JobFilter) -> Vec<JobRow> {
        let jobs = self.app.store().jobs(filter, usize::MAX).await;
        jobs.unwrap_or_else(|error| fail(place, &chain(&error)))
    }
}

fn decoded<E: Event + DeserializeOwned>(place: Place, message: &Recorded) -> E {
    let envelope = &message.envelope;
    decode::from_str(&envelope.data).unwrap_or_else(|error| {
        let (name, version, expected) = (&envelope.name, envelope.version, E::VERSION);
        fail(place, &format!("`{name}` v{version} {} does not decode as v{expected}: {error}", envelope.id))
    })
}
