//! What is published against everybody who reads it.

use std::fmt::Write;

use tidings_core::contract::{ContractInfo, Event, Reads};
use tidings_core::envelope::{Cursor, MessageKind};
use tidings_core::store::Filter;

use super::TestApp;
use super::app::beginning;
use super::fail::{Place, fail, here};
use super::json_path::path_at;
use crate::app::{ConsumerWork, allowed_samples};

type Probe = fn(&str) -> Result<(), serde_json::Error>;

/// A reader that is not part of the application.
pub(super) struct Outside {
    name: String,
    event: &'static str,
    probe: Probe,
}

impl Outside {
    pub(super) fn of<R: Reads>(name: &str) -> Self {
        Self { name: name.to_owned(), event: R::EVENT, probe: |json| R::decode(json).map(drop) }
    }
}

/// Up to where what was published has been looked at.
pub(super) struct Checked(Cursor);

impl Checked {
    pub(super) fn new(cursor: Cursor) -> Self {
        Self(cursor)
    }
}

/// Who reads an event.
struct Reader<'a> {
    name: &'a str,
    event: &'static str,
    probe: Probe,
}

impl TestApp {
    /// The contract test of publisher and readers: every listener's reader, and each
    /// [reader of another application](super::TestAppBuilder::reader), decodes every payload that was published so far, and
    /// payloads at the edges of each contract that the modules publish by, the examples in it among them.
    ///
    /// An application refuses to start with a derived reader that cannot read a contract. This finds what is only known from
    /// payloads: readers written by hand, types that decode by code of their own, and readers elsewhere.
    ///
    /// # Panics
    /// If one does not decode, naming reader, field and payload.
    #[track_caller]
    pub fn check_readers(&self) -> impl Future<Output = ()> {
        let place = here();
        async move {
            let readers = self.readers();
            let mut refused = self.published_and_refused(place, &readers, beginning()).await.0;
            for contract in &self.owned {
                let samples = allowed_samples(contract);
                let samples = samples.unwrap_or_else(|problem| {
                    fail(place, &format!("no payloads of `{}` can be made: {problem}", contract.name))
                });
                let source = format!("a payload that v{} allows", contract.version);
                for sample in &samples {
                    refused.extend(refusals(&readers, contract.name, sample, &source));
                }
            }
            fail_if_any(place, &refused);
        }
    }

    /// Every reader of the event decodes it, whether it was published or not.
    ///
    /// # Panics
    /// If one does not, naming reader, field and payload; if the event breaks its contract.
    #[track_caller]
    pub fn readers_accept<E: Event>(&self, event: &E) {
        let place = here();
        let written = self.app.shared.contracts.payload(event);
        let (_, payload) = written.unwrap_or_else(|error| fail(place, &error.chain()));
        let contract = ContractInfo::of::<E>();
        let source = format!("v{} as it would be published", contract.version);
        fail_if_any(place, &refusals(&self.readers(), contract.name, &payload, &source));
    }

    /// Holds what was published since the last time against its readers.
    pub(super) async fn check_published(&self, place: Place) {
        let mut checked = self.checked.lock().await;
        let (refused, cursor) = self.published_and_refused(place, &self.readers(), checked.0.clone()).await;
        checked.0 = cursor;
        fail_if_any(place, &refused);
    }

    async fn published_and_refused(
        &self,
        place: Place,
        readers: &[Reader<'_>],
        after: Cursor,
    ) -> (Vec<String>, Cursor) {
        let mut names: Vec<&str> = readers.iter().map(|reader| reader.event).collect();
        names.sort_unstable();
        names.dedup();
        let names = names.into_iter().map(Into::into).collect();
        let filter = Filter::all(MessageKind::Event, names);
        let (messages, cursor) = self.messages(place, after, &filter).await;
        let refused = messages.iter().flat_map(|message| {
            let envelope = &message.envelope;
            let source = format!("v{} as `{}` published it", envelope.version, envelope.source);
            refusals(readers, &envelope.name, &envelope.data, &source)
        });
        (refused.collect(), cursor)
    }

    fn readers(&self) -> Vec<Reader<'_>> {
        let listeners = self.app.consumers().flat_map(|consumer| {
            let routes = match &consumer.work {
                ConsumerWork::Listen(routes) => Some(routes.values()),
                ConsumerWork::Carry(_) | ConsumerWork::TakeReply(_) => None,
            };
            let name = &*consumer.spec.name;
            let reader =
                move |route: &crate::handler::Route| Reader { name, event: route.event, probe: route.probe };
            routes.into_iter().flatten().map(reader)
        });
        let outside = self.outside.iter();
        let outside = outside.map(|of| Reader { name: &of.name, event: of.event, probe: of.probe });
        listeners.chain(outside).collect()
    }
}

/// The readers of the event that do not decode this payload, for people.
fn refusals(readers: &[Reader<'_>], event: &str, payload: &str, source: &str) -> Vec<String> {
    let readers = readers.iter().filter(|reader| reader.event == event);
    let refused =
        readers.filter_map(|reader| (reader.probe)(payload).err().map(|error| (reader.name, error)));
    refused.map(|(name, error)| told(name, event, payload, source, &error)).collect()
}

fn told(reader: &str, event: &str, payload: &str, source: &str, error: &serde_json::Error) -> String {
    let column = error.column();
    // A payload is one line, and its bytes are counted from 1. That a field is missing is told behind the object.
    let error = error.to_string();
    let field =
        path_at(payload, if error.starts_with("missing field ") { column } else { column.saturating_sub(1) });
    let field = field.map(|field| format!(" field `{field}`:")).unwrap_or_default();
    format!("`{reader}` cannot read `{event}` {source}:{field} {error}\n    {payload}")
}

#[track_caller]
fn fail_if_any(place: Place, refused: &[String]) {
    if refused.is_empty() {
        return;
    }
    let mut told = "readers do not decode what is published:\n".to_owned();
    for refusal in refused {
        // Writing to a string does not fail.
        let _ = writeln!(told, "  - {refusal}");
    }
    fail(place, &told);
}
