//! Consumers of the log: who reads, how far, and what is parked.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::envelope::{Cursor, MessageKind, Position, Recorded};
use crate::key::Key;
use crate::partition::{self, Part};
use crate::store::WorkerId;

/// What a consumer is for, told in listings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConsumerKind {
    /// Reacts to events.
    Listener,
    /// Carries out durable commands.
    CommandHandler,
    /// Takes the outcomes of durable commands.
    ReplyHandler,
}

impl ConsumerKind {
    /// The stored and displayed form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::CommandHandler => "command handler",
            Self::ReplyHandler => "reply handler",
        }
    }

    /// Reads the stored form back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Listener, Self::CommandHandler, Self::ReplyHandler]
            .into_iter()
            .find(|kind| kind.as_str() == text)
    }

    /// The messages such a consumer reads.
    #[must_use]
    pub const fn reads(self) -> MessageKind {
        match self {
            Self::Listener => MessageKind::Event,
            Self::CommandHandler => MessageKind::Command,
            Self::ReplyHandler => MessageKind::Reply,
        }
    }
}

/// Where a new consumer starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first message appended after its registration.
    Now,
    /// With the oldest message the log still has.
    Beginning,
}

/// Which messages a consumer reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Their kind.
    pub kind: MessageKind,
    /// Their names; never empty.
    pub names: Vec<Arc<str>>,
    /// Only those of this partition.
    pub part: Part,
}

impl Filter {
    /// All messages of these names.
    #[must_use]
    pub const fn all(kind: MessageKind, names: Vec<Arc<str>>) -> Self {
        Self { kind, names, part: Part::WHOLE }
    }

    /// Those of them that are in one partition.
    #[must_use]
    pub fn of(&self, part: Part) -> Self {
        Self { part, ..self.clone() }
    }

    /// Tells it apart from filters of other names; see [`Known`].
    #[must_use]
    pub fn generation(&self) -> i64 {
        partition::generation(&self.names)
    }
}

/// A consumer as the application declares it.
#[derive(Clone, Debug)]
pub struct ConsumerSpec {
    /// Its durable name, `<module>.<handler>`.
    pub name: Arc<str>,
    /// What it is for.
    pub kind: ConsumerKind,
    /// What it reads.
    pub filter: Filter,
    /// Where it starts when it is new.
    pub start: Start,
    /// Names it had before.
    pub aliases: Vec<Arc<str>>,
    /// Into how many partitions it is to be split; what its first registration says holds for ever. Stores that only one
    /// process can have make no more than one.
    pub partitions: u16,
}

/// A consumer as a worker knows it: by what it reads. When another version of the application registers it with other
/// names, a new *generation* begins, and whoever knows another one can neither hold nor advance it: it would pass over
/// messages that it has never heard of. The latest registration counts, so that an earlier version can come back.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Known {
    /// The consumer's name.
    pub consumer: Arc<str>,
    /// What the worker's version of it reads: [`Filter::generation`].
    pub generation: i64,
}

/// A worker as it enlists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Who it is, for people.
    pub about: String,
    /// The consumers that it can work for.
    pub consumers: Vec<Known>,
    /// The jobs that it can do, by name.
    pub jobs: Vec<Arc<str>>,
}

impl Member {
    /// One who can do nothing yet.
    #[must_use]
    pub fn named(about: &str) -> Self {
        Self { about: about.to_owned(), ..Self::default() }
    }
}

/// Who is there, and who has what: all that is needed to decide who should have what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crew {
    /// The live workers.
    pub members: BTreeMap<WorkerId, Member>,
    /// The consumers on record that are not retired.
    pub consumers: BTreeMap<Arc<str>, SharedConsumer>,
}

/// A consumer as its workers share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SharedConsumer {
    /// Its present generation; see [`Known`].
    pub generation: i64,
    /// For each partition the worker that holds it, if that is a live one.
    pub holders: Vec<Option<WorkerId>>,
}

impl Crew {
    /// Who should hold which of a consumer's partitions.
    #[must_use]
    pub fn owners(&self, consumer: &str) -> BTreeMap<u16, WorkerId> {
        let Some(shared) = self.consumers.get(consumer) else { return BTreeMap::new() };
        let knows = |member: &Member| {
            let mut known = member.consumers.iter();
            known.any(|known| &*known.consumer == consumer && known.generation == shared.generation)
        };
        let able: Vec<_> =
            (self.members.iter()).filter(|(_, it)| knows(it)).map(|(worker, _)| *worker).collect();
        partition::shares(consumer, u16::try_from(shared.holders.len()).unwrap_or(u16::MAX), &able)
    }

    /// Whether a live worker knows a consumer of this name, of whatever generation.
    #[must_use]
    pub fn knows_consumer(&self, name: &str) -> bool {
        self.members.values().flat_map(|member| &member.consumers).any(|known| &*known.consumer == name)
    }

    /// Whether a live worker knows a job of this name.
    #[must_use]
    pub fn knows_job(&self, name: &str) -> bool {
        self.members.values().flat_map(|member| &member.jobs).any(|known| &**known == name)
    }
}

/// The right to move the cursor of one partition of a consumer, and to settle its parked messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The consumer's name.
    pub consumer: Arc<str>,
    /// Which of its partitions.
    pub partition: u16,
    /// Grows by one with every holder, and by more when leases are voided otherwise; a commit under an older fence fails.
    pub fence: i64,
}

/// What a new holder of a partition finds.
#[derive(Clone, Debug)]
pub struct Holding {
    /// The right to work.
    pub lease: Lease,
    /// Which partition it is, of how many.
    pub part: Part,
    /// How far the consumer has come.
    pub cursor: Cursor,
    /// The last holder did not give it back and is gone, so one of the next messages may have killed it.
    pub unclean: bool,
    /// What a careful holder had begun and not finished.
    pub begun: Option<Begun>,
    /// What is parked.
    pub parked: ParkedKeys,
}

/// The keys that hold back later messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParkedKeys {
    /// Each key with the number of its messages that are retrying, behind, or dead without having released it.
    pub keys: Vec<(Key, usize)>,
    /// The earliest time at which a parked message, with a key or without, is due.
    pub next_due: Option<Timestamp>,
}

/// The mark of a careful consumer: written, in a commit of its own, before it runs messages one of which may kill the
/// process. A mark that is found at start therefore names the suspects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// The first message begun.
    pub first: Position,
    /// How many messages were begun together.
    pub count: u32,
    /// How often exactly this was begun, this time included.
    pub tries: u32,
}

/// Some messages, and where to go on.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The messages, oldest first.
    pub messages: Vec<Recorded>,
    /// For each message the cursor that stands right behind it.
    pub cursors: Vec<Cursor>,
    /// The cursor behind everything that was looked at, matching or not.
    pub next: Cursor,
    /// Nothing more to read for now.
    pub at_end: bool,
}

/// A parked message's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParkedState {
    /// It failed and is tried again when due.
    Retrying,
    /// It has not been tried; it waits behind an earlier message of its key.
    Behind,
    /// Its retries are used up, or its error is permanent.
    Dead,
    /// A person gave it up, or the consumer was retired. Listed only when asked for.
    Discarded,
}

impl ParkedState {
    /// The stored and displayed form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retrying => "retrying",
            Self::Behind => "behind",
            Self::Dead => "dead",
            Self::Discarded => "discarded",
        }
    }

    /// Reads the stored form back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Retrying, Self::Behind, Self::Dead, Self::Discarded]
            .into_iter()
            .find(|state| state.as_str() == text)
    }
}

/// A message as it is parked.
#[derive(Clone, Debug)]
pub struct Parked {
    /// The message.
    pub position: Position,
    /// Its key: later messages of the same key wait behind it.
    pub key: Option<Key>,
    /// Why it is parked.
    pub state: ParkedState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next; for [`ParkedState::Retrying`] only.
    pub due: Option<Timestamp>,
    /// The last error with its causes, empty for [`ParkedState::Behind`].
    pub error: String,
    /// When it was parked.
    pub at: Timestamp,
    /// A dead head lets go of its key, so that later events of the key go on.
    pub releases_key: bool,
}

/// A parked message that may run now.
#[derive(Clone, Debug)]
pub struct ParkedMessage {
    /// The message.
    pub message: Recorded,
    /// How often it was tried before.
    pub attempts: u32,
}

/// What became of a parked message.
#[derive(Clone, Debug)]
pub enum Settled {
    /// It was handled; a receipt is written.
    Handled {
        /// When.
        at: Timestamp,
        /// Attempts, the successful one included.
        attempts: u32,
    },
    /// It failed again.
    Retry {
        /// When it is tried next.
        due: Timestamp,
        /// Attempts so far.
        attempts: u32,
        /// The error with its causes.
        error: String,
    },
    /// It is a dead letter now.
    Dead {
        /// Attempts so far.
        attempts: u32,
        /// The error with its causes.
        error: String,
        /// Later events of its key go on.
        releases_key: bool,
    },
    /// A person wants it tried again, from the first attempt on.
    Revive {
        /// When it is due.
        due: Timestamp,
    },
    /// A person gave up a dead letter. Whatever else is parked may still be handled, and is
    /// [not found](super::StoreError::NotFound); so is an empty reason.
    Discarded {
        /// When.
        at: Timestamp,
        /// Why; never empty.
        reason: String,
    },
}

/// That a consumer handled a range of messages: every message in it that matches the consumer's filter, but for those
/// that were parked, which get receipts of their own. It covers only what lies between the old and the new cursor of the
/// [`advance`](super::Tx::advance) it is given to: where writers commit out of order, a position in between may still
/// appear later, and is not covered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The first message handled.
    pub first: Position,
    /// The last message handled.
    pub last: Position,
    /// How many messages.
    pub count: u32,
    /// When.
    pub at: Timestamp,
}
