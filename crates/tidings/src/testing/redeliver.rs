//! Repeating everything that was done.

use std::fmt::Write;
use std::sync::Arc;

use tidings_core::envelope::Recorded;
use tidings_core::error::{Result, chain};
use tidings_core::ids::MessageId;
use tidings_core::store::{JobFilter, JobRow, JobState};
use tidings_sqlite::{Changed, Contents, ContentsReader};

use super::TestApp;
use super::app::beginning;
use super::fail::{Place, fail, here};
use crate::app::Consumer;
use crate::{consumer, jobs};

/// What the runtime keeps for itself, and writes when it has nothing better to do: how far consumers have only passed what
/// is others', and who is there.
const NOT_COMPARED: &[&str] = &["tidings_consumers", "tidings_runtime", "tidings_workers"];

/// What was repeated; see [`TestApp::redeliver_everything`].
#[derive(Clone, Debug, Default)]
#[must_use = "look whether it repeated what it should: `deliveries`, `attempts`, `failed`"]
pub struct Redelivered {
    /// Messages that were handled again, each by each consumer that has handled it.
    pub deliveries: usize,
    /// Attempts at jobs that were made again.
    pub attempts: usize,
    /// Those whose handler failed this time, and did not the first time.
    pub failed: Vec<FailedAgain>,
}

/// A handler that failed when it was run again.
#[derive(Clone, Debug)]
pub struct FailedAgain {
    /// Which, with what.
    pub what: String,
    /// Its error, with its causes.
    pub error: String,
}

impl Redelivered {
    /// No handler failed when it was run again.
    ///
    /// # Panics
    /// If one did.
    #[track_caller]
    pub fn none_failed(&self) -> &Self {
        if !self.failed.is_empty() {
            let told = |failed: &FailedAgain| format!("\n  - {}: {}", failed.what, failed.error);
            let told: String = self.failed.iter().map(told).collect();
            fail(here(), &format!("run again, handlers failed:{told}"));
        }
        self
    }
}

/// One thing to repeat.
enum Repetition {
    Delivery(Arc<Consumer>, Box<Recorded>),
    Attempt { job: Box<JobRow>, attempt: u32, went_well: bool },
}

impl TestApp {
    /// Repeats everything, as it happens where a process ends just before each commit: every message is handled again by
    /// every consumer that has handled it, and every attempt at a job is made again, with the same payload and dedupe key.
    /// A handler's transaction is rolled back, and that of a job (`finish`) is refused by the fence. So nothing may have
    /// changed afterwards: all tables are compared, but for those in which the runtime keeps how far it has come.
    ///
    /// So it finds what a handler does outside of its transaction: a write through a pool of its own changes a table, and a
    /// call to the outside reaches the test's own double a second time, which can tell by the dedupe key what it has done
    /// already. A job that sends a command without an idempotency key is found in the same way.
    ///
    /// A handler that fails when it is run again is [reported](Redelivered::failed), and is no failure of the test unless
    /// [asked for](Redelivered::none_failed). It meets what it has committed itself, as it would not after the end of a
    /// process: to insert a row by its key, or to reserve the last piece, is right to fail then.
    ///
    /// What waits for its time, or for a person, is not repeated; it comes again by itself.
    ///
    /// # Panics
    /// If anything has changed, naming table and repetition, with the trees of their flows; if the application does not
    /// settle.
    #[track_caller]
    pub fn redeliver_everything(&self) -> impl Future<Output = Redelivered> {
        let place = here();
        async move {
            self.settled(place).await;
            let repetitions = self.repetitions(place).await;
            let mut look = Look::open(self, place);
            let (mut done, mut changes) = (Redelivered::default(), Vec::new());
            for repetition in repetitions {
                match &repetition {
                    Repetition::Delivery(..) => done.deliveries += 1,
                    Repetition::Attempt { .. } => done.attempts += 1,
                }
                if let Err(error) = self.repeat(&repetition).await
                    && repetition.went_well()
                {
                    done.failed.push(FailedAgain { what: repetition.told(), error });
                }
                if look.may_have_changed(place) {
                    // What it has begun elsewhere belongs to it as well.
                    self.settled(place).await;
                    changes.extend(look.changed(place).map(|changed| (repetition, changed)));
                }
            }
            if !changes.is_empty() {
                let flows: Vec<MessageId> = changes.iter().map(|(of, _)| of.flow()).collect();
                let told = told(&done, &changes) + &self.trees(flows).await;
                fail(place, &told);
            }
            // What a handler left running may have written after the last look.
            self.settled(place).await;
            if let Some(changed) = look.changed(place) {
                fail(
                    place,
                    &format!("after everything was repeated the database changed:\n{}", listed(&changed)),
                );
            }
            done
        }
    }

    async fn repetitions(&self, place: Place) -> Vec<Repetition> {
        let mut deliveries = Vec::new();
        for consumer in self.app.consumers() {
            let (messages, _) = self.messages(place, beginning(), &consumer.spec.filter).await;
            for message in messages {
                let receipt = self.app.store().receipt(&consumer.spec.name, message.position).await;
                let receipt = receipt.unwrap_or_else(|error| fail(place, &chain(&error)));
                deliveries.extend(receipt.map(|_| (message.position, consumer.clone(), message)));
            }
        }
        deliveries.sort_by_key(|(position, ..)| *position);
        let deliveries = deliveries.into_iter();
        let mut all: Vec<_> =
            deliveries.map(|(_, consumer, message)| Repetition::Delivery(consumer, message.into())).collect();
        for job in self.jobs_like(place, &JobFilter::default()).await {
            let went_wrong = self.app.store().attempts(job.id).await;
            let went_wrong = went_wrong.unwrap_or_else(|error| fail(place, &chain(&error)));
            let under_way = u32::from(job.state == JobState::Running);
            let ended = 1..=job.attempts.saturating_sub(under_way);
            all.extend(ended.map(|attempt| Repetition::Attempt {
                job: job.clone().into(),
                attempt,
                went_well: went_wrong.iter().all(|wrong| wrong.attempt != attempt),
            }));
        }
        all
    }

    async fn repeat(&self, repetition: &Repetition) -> std::result::Result<(), String> {
        let again = async {
            let shared = &self.app.shared;
            let again: Result<()> = match repetition {
                Repetition::Delivery(consumer, message) => {
                    consumer::again(shared, consumer, (**message).clone()).await
                }
                Repetition::Attempt { job, attempt, .. } => jobs::again(shared, job, *attempt).await,
            };
            again.map_err(|error| error.chain())
        };
        let late = |_| Err(format!("it did not end within {:?}", self.patience));
        tokio::time::timeout(self.patience, again).await.unwrap_or_else(late)
    }
}

impl Repetition {
    fn told(&self) -> String {
        match self {
            Self::Delivery(consumer, message) => {
                let (spec, message) = (&consumer.spec, &message.envelope);
                format!("{} `{}` with `{}` {}", spec.kind.as_str(), spec.name, message.name, message.id)
            }
            Self::Attempt { job, attempt, .. } => {
                format!("job `{}` {} at attempt {attempt}", job.name, job.id)
            }
        }
    }

    /// It did the first time.
    fn went_well(&self) -> bool {
        match self {
            Self::Delivery(..) => true,
            Self::Attempt { went_well, .. } => *went_well,
        }
    }

    fn flow(&self) -> MessageId {
        match self {
            Self::Delivery(_, message) => message.envelope.correlation_id,
            Self::Attempt { job, .. } => job.correlation_id,
        }
    }
}

/// Looks at the database after each repetition.
struct Look {
    reader: ContentsReader,
    before: Contents,
}

impl Look {
    fn open(app: &TestApp, place: Place) -> Self {
        let reader = ContentsReader::open(&app.database());
        let mut reader = reader.unwrap_or_else(|error| fail(place, &chain(&error)));
        let before = read(&mut reader, place);
        Self { reader, before }
    }

    fn may_have_changed(&mut self, place: Place) -> bool {
        self.reader.has_changed().unwrap_or_else(|error| fail(place, &chain(&error)))
    }

    /// What is different since the last time, if anything is.
    fn changed(&mut self, place: Place) -> Option<Vec<Changed>> {
        let after = read(&mut self.reader, place);
        let changed = self.before.changed(&after);
        self.before = after;
        (!changed.is_empty()).then_some(changed)
    }
}

fn read(reader: &mut ContentsReader, place: Place) -> Contents {
    reader.read(NOT_COMPARED).unwrap_or_else(|error| fail(place, &chain(&error)))
}

fn told(done: &Redelivered, changes: &[(Repetition, Vec<Changed>)]) -> String {
    let (of, all) = (changes.len(), done.deliveries + done.attempts);
    let mut told =
        format!("{of} of {all} repetitions changed the database, which all should have left as it was:\n");
    for (repetition, changed) in changes {
        // Writing to a string does not fail.
        let _ = write!(told, "  - {}\n{}", repetition.told(), listed(changed));
    }
    told
}

/// Rows of one table that are shown.
const ROWS_SHOWN: usize = 5;

fn listed(changed: &[Changed]) -> String {
    let mut listed = String::new();
    for Changed { table, removed, added } in changed {
        listed.push_str(&format!(
            "    table `{table}`: {} rows removed, {} added\n",
            removed.len(),
            added.len()
        ));
        for (sign, rows) in [('-', removed), ('+', added)] {
            rows.iter().take(ROWS_SHOWN).for_each(|row| listed.push_str(&format!("      {sign} {row}\n")));
        }
    }
    listed
}
