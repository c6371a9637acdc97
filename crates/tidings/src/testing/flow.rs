//! Assertions on one flow.

use std::sync::PoisonError;

use tidings_core::envelope::{MessageKind, Recorded};
use tidings_core::error::chain;
use tidings_core::flow::{Flow, FlowFacts, FlowId, HandlingState, What, find};
use tidings_core::store::JobState;

use super::TestApp;
use super::fail::{Place, fail, here};

impl TestApp {
    /// Everything that one root caused so far, to assert on. Takes what [`App::flow`](crate::App::flow) takes: the id of a
    /// flow, or of anything in it.
    ///
    /// # Panics
    /// If a text is no id, or nothing on record belongs to it: an assertion on nothing would hold whatever happens. Only the flow
    /// of a command that this test has sent may be empty.
    #[track_caller]
    pub fn flow_of<I>(&self, id: I) -> impl Future<Output = FlowAssert>
    where
        I: TryInto<FlowId>,
        I::Error: std::error::Error + 'static,
    {
        let (place, id) = (here(), id.try_into().map_err(|error| chain(&error)));
        async move {
            let id = id.unwrap_or_else(|error| fail(place, &error));
            self.flow_for(place, id).await
        }
    }

    async fn flow_for(&self, place: Place, id: FlowId) -> FlowAssert {
        let store = self.app.store().as_ref();
        let found = find(store, id).await.unwrap_or_else(|error| fail(place, &chain(&error)));
        let flow = found.unwrap_or_else(|| match id {
            FlowId::Message(id) if self.sent.lock().unwrap_or_else(PoisonError::into_inner).contains(&id) => {
                Flow::of(FlowFacts::empty(id))
            }
            id => fail(place, &format!("nothing on record belongs to {id}")),
        });
        let messages = store.flow(flow.correlation_id).await;
        FlowAssert { messages: messages.unwrap_or_else(|error| fail(place, &chain(&error))), flow }
    }
}

/// One flow, as it was when it was asked for. Each assertion returns it for the next one, and fails with the tree.
#[derive(Clone, Debug)]
pub struct FlowAssert {
    flow: Flow,
    /// In the order of the log, which is that of publishing.
    messages: Vec<Recorded>,
}

impl FlowAssert {
    /// The flow published these events in this order, perhaps with others before, between and after them.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn published<const N: usize>(&self, events: [&str; N]) -> &Self {
        let published = self.events();
        let mut rest = published.iter();
        if let Some(missing) = events.iter().find(|wanted| !rest.any(|event| event == *wanted)) {
            let (expected, published) = (listed(&events), listed(&published));
            self.fail(&format!(
                "`{missing}` was not published, or not in this order\n  expected:  {expected}\n  published: {published}"
            ));
        }
        self
    }

    /// The flow published these events in this order, and no others.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn published_exactly<const N: usize>(&self, events: [&str; N]) -> &Self {
        let published = self.events();
        if published != events {
            let (expected, published) = (listed(&events), listed(&published));
            self.fail(&format!(
                "other events were published\n  expected:  {expected}\n  published: {published}"
            ));
        }
        self
    }

    /// The flow published this event so often.
    ///
    /// # Panics
    /// If it did not.
    #[track_caller]
    pub fn count(&self, event: &str, count: usize) -> &Self {
        let found = self.events().iter().filter(|published| **published == event).count();
        if found != count {
            self.fail(&format!("`{event}` was published {found} times, and not {count}"));
        }
        self
    }

    /// The flow has at most so many messages: events, durable commands and replies.
    ///
    /// # Panics
    /// If it has more.
    #[track_caller]
    pub fn fan_out_at_most(&self, messages: u64) -> &Self {
        let found = self.flow.fan_out.messages;
        if found > messages {
            self.fail(&format!("the flow has {found} messages, more than {messages}"));
        }
        self
    }

    /// No consumer has given up a message, and no job is dead.
    ///
    /// # Panics
    /// If there is a dead letter or job.
    #[track_caller]
    pub fn no_dead_letters(&self) -> &Self {
        let (dead, jobs) = (self.flow.open.dead, self.flow.open.jobs_dead);
        if dead + jobs > 0 {
            self.fail(&format!("there are dead letters: {dead} messages, {jobs} jobs"));
        }
        self
    }

    /// Nothing of the flow is open: it waits neither for its time nor for a person.
    ///
    /// # Panics
    /// If something is.
    #[track_caller]
    pub fn is_done(&self) -> &Self {
        if !self.flow.open.is_nothing() {
            self.fail("the flow is not done");
        }
        self
    }

    /// Each event of this name was handled by this consumer (`<module>.<listener>`), and there is one.
    ///
    /// # Panics
    /// If it was not.
    #[track_caller]
    pub fn handled_by(&self, event: &str, consumer: &str) -> &Self {
        let named = |what: &&What| matches!(what, What::Event { name, .. } if **name == *event);
        let by = |what: &What| {
            let mut handlings = what.handlings().iter();
            handlings.any(|of| *of.consumer == *consumer && matches!(of.state, HandlingState::Handled { .. }))
        };
        let events: Vec<&What> = self.flow.nodes.iter().map(|node| &node.what).filter(named).collect();
        let handled = events.iter().filter(|what| by(what)).count();
        if events.is_empty() || handled < events.len() {
            let all = events.len();
            self.fail(&format!("`{consumer}` has handled {handled} of {all} events `{event}`"));
        }
        self
    }

    /// These jobs of the flow are done, each name as often as it is given.
    ///
    /// # Panics
    /// If one is not.
    #[track_caller]
    pub fn jobs_completed<const N: usize>(&self, jobs: [&str; N]) -> &Self {
        let mut completed = self.jobs(|state| state == JobState::Completed);
        for job in jobs {
            match completed.iter().position(|done| *done == job) {
                Some(place) => drop(completed.swap_remove(place)),
                None => {
                    let (expected, done) =
                        (listed(&jobs), listed(&self.jobs(|state| state == JobState::Completed)));
                    self.fail(&format!(
                        "job `{job}` is not done\n  expected: {expected}\n  done:     {done}"
                    ));
                }
            }
        }
        self
    }

    /// The tree.
    #[must_use]
    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// The messages with their payloads, in the order of publishing.
    #[must_use]
    pub fn messages(&self) -> &[Recorded] {
        &self.messages
    }

    fn events(&self) -> Vec<&str> {
        let events = self.messages.iter().filter(|message| message.envelope.kind == MessageKind::Event);
        events.map(|message| &*message.envelope.name).collect()
    }

    fn jobs(&self, wanted: impl Fn(JobState) -> bool) -> Vec<&str> {
        let jobs = self.flow.nodes.iter().filter_map(|node| match &node.what {
            What::Job { name, state, .. } if wanted(*state) => Some(&**name),
            _ => None,
        });
        jobs.collect()
    }

    #[track_caller]
    fn fail(&self, problem: &str) -> ! {
        fail(here(), &format!("{problem}\n\n{}", self.flow))
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}
