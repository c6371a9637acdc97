//! What a store answers when it cannot.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::time::Duration;

use crate::ids::MessageId;

type Source = Box<dyn StdError + Send + Sync>;

/// An error of a store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database is busy or was lost for a moment; running the same work again may succeed.
    #[error("the database is busy: {context}")]
    Busy {
        /// What was attempted.
        context: String,
        /// The driver's error.
        #[source]
        source: Option<Source>,
    },
    /// Too much work waits already.
    #[error("the store is overloaded: {waiting} transactions wait; shed load earlier")]
    Overloaded {
        /// How many wait.
        waiting: usize,
    },
    /// A work that cannot be interrupted holds the writer, or the last reader, long past its budget.
    #[error(
        "{work} has blocked a connection for {held:?} and cannot be interrupted; whoever needs that connection is \
         refused until it returns: find what it does there, and do it outside of the transaction, in a job for example"
    )]
    Blocked {
        /// The name of the work that blocks.
        work: String,
        /// For how long it has.
        held: Duration,
    },
    /// The work held the transaction longer than its budget and was interrupted.
    #[error(
        "{work} held the write transaction for more than {budget:?} and was interrupted; do slow work outside of the \
         transaction, in a job for example, or raise `store.write_budget_ms`"
    )]
    Budget {
        /// The name of the work.
        work: String,
        /// Its budget.
        budget: Duration,
    },
    /// The work was not done within the time that its caller had; nothing was written.
    #[error("{work} did not end within {waited:?}{}; nothing was written", waiting(.waited_for))]
    Timeout {
        /// The name of the work.
        work: String,
        /// How long its caller waited.
        waited: Duration,
        /// What it was waiting for itself, if it had no turn yet.
        waited_for: Option<String>,
    },
    /// The time ran out during the commit: it may or may not have happened.
    #[error(
        "the outcome of {work} is unknown: the time ran out during the commit; ask again with the same key"
    )]
    Unknown {
        /// The name of the work.
        work: String,
    },
    /// The work panicked.
    #[error("{work} panicked: {message}")]
    Panicked {
        /// The name of the work.
        work: String,
        /// The panic's message.
        message: String,
    },
    /// A statement ended the whole transaction (`ON CONFLICT ROLLBACK`, a full disk, an interrupt).
    #[error("the transaction was ended by the database: {context}")]
    TransactionLost {
        /// What was attempted.
        context: String,
        /// The driver's error.
        #[source]
        source: Option<Source>,
    },
    /// The lease is void: somebody else works for the consumer now.
    #[error("the lease on `{consumer}` is void: another holder took over")]
    Fenced {
        /// The consumer.
        consumer: String,
    },
    /// Another live worker holds the partition.
    #[error(
        "partition {partition} of `{consumer}` is held by {holder}, which is alive: it gives it back when it is somebody else's \
         turn, and loses it when it is not heard of any more"
    )]
    PartitionHeld {
        /// The consumer.
        consumer: String,
        /// Which of its partitions.
        partition: u16,
        /// Who the holder says it is.
        holder: String,
    },
    /// Another version of the application has registered the consumer since.
    #[error(
        "`{consumer}` was registered by another version of the application since, which reads other messages; this one would \
         pass over what it does not know, and works for `{consumer}` again when its own version is started last"
    )]
    Outdated {
        /// The consumer.
        consumer: String,
    },
    /// An idempotency key was used before.
    #[error("a command with this idempotency key is on record already")]
    IdempotencyKeyUsed,
    /// The disk is full.
    #[error("the disk or the database's size limit is full: {context}; free space, nothing was half-written")]
    Full {
        /// What was attempted.
        context: String,
        /// The driver's error.
        #[source]
        source: Option<Source>,
    },
    /// The file system or the memory failed under the database.
    #[error(
        "the database's files or its memory failed: {context}; see to the disk, its mount and the limit of open files, \
         nothing was half-written"
    )]
    Io {
        /// What was attempted.
        context: String,
        /// The driver's error.
        #[source]
        source: Option<Source>,
    },
    /// The database can be read but not written.
    #[error("{what} is read-only: {remedy}")]
    ReadOnly {
        /// The database, as the user named it.
        what: String,
        /// What to do about it where the database is of this kind.
        remedy: &'static str,
        /// The driver's error.
        #[source]
        source: Option<Source>,
    },
    /// The database cannot be understood.
    #[error("{what} is corrupt or not a database of this kind: {remedy}")]
    Corrupt {
        /// The database, as the user named it.
        what: String,
        /// What to do about it where the database is of this kind.
        remedy: &'static str,
        /// The driver's error.
        #[source]
        source: Option<Source>,
    },
    /// Another runtime holds the database file.
    #[error("{} is in use by another Tidings runtime ({holder}); stop it, or give this one a file of its own", .path.display())]
    Held {
        /// The database file.
        path: PathBuf,
        /// What the holder wrote about itself.
        holder: String,
    },
    /// The database's own schema is newer than this program.
    #[error(
        "the database was written by a newer Tidings (schema {found}, this program knows {known}); upgrade the program"
    )]
    NewerSchema {
        /// The version found.
        found: i64,
        /// The newest this program knows.
        known: i64,
    },
    /// The database's own schema is older than this program, which only looks and brings nothing up to date.
    #[error(
        "the database `{}` was written by an older Tidings (schema {found}, this program knows {known}): start the application \
         with this version of Tidings, which brings it up to date, or look at it with the version that wrote it", .path.display()
    )]
    OlderSchema {
        /// The database file.
        path: PathBuf,
        /// The version found.
        found: i64,
        /// The version this program knows.
        known: i64,
    },
    /// The database server cannot be used: it is not there, lets nobody in, or is not what is needed.
    #[error("cannot use {what}: {problem}")]
    Unusable {
        /// The database, without its password.
        what: String,
        /// What is wrong, and what to do.
        problem: String,
        /// The driver's error.
        #[source]
        source: Option<Source>,
    },
    /// The database's own schema is older than this program, which was told not to bring it up to date.
    #[error(
        "the tables of Tidings in {what} are at version {found}, and this program needs {known}: {remedy}"
    )]
    NotMigrated {
        /// The database and its schema.
        what: String,
        /// The version found; 0 where there are no tables.
        found: i64,
        /// The version this program needs.
        known: i64,
        /// What to do.
        remedy: String,
    },
    /// A module's migration cannot be applied.
    #[error("migration {version} (`{name}`) of module `{module}`: {problem}")]
    Migration {
        /// The module.
        module: String,
        /// The migration's number.
        version: i64,
        /// Its name.
        name: String,
        /// What is wrong.
        problem: String,
        /// The driver's error, if there is one.
        #[source]
        source: Option<Source>,
    },
    /// A consumer and a name that it had before are both on record, and work waits under the old one.
    #[error(
        "consumer `{name}` and its alias `{alias}` are both on record, and {pending} under `{alias}`; start the version \
         that has `{alias}` until that is done, or retire `{alias}` with a reason, which gives it up"
    )]
    AliasPending {
        /// The consumer.
        name: String,
        /// The name it had before.
        alias: String,
        /// What waits there.
        pending: String,
    },
    /// A module touched a table that is not its own.
    #[error("module `{module}` may not touch table `{table}`: {remedy}")]
    ForeignTable {
        /// The module that tried.
        module: String,
        /// The table.
        table: String,
        /// Who owns it, and what to do.
        remedy: String,
    },
    /// A statement failed.
    #[error("{context}")]
    Sql {
        /// What was attempted, with the statement.
        context: String,
        /// The driver's error.
        #[source]
        source: Source,
    },
    /// The log has reached its hard limit: consumers lag, or dead letters hold it.
    #[error(
        "the log is full ({messages} messages, limit {limit}): {holder} holds it; publishing is refused until it moves or is forgotten"
    )]
    LogFull {
        /// Messages in the log.
        messages: u64,
        /// The configured limit.
        limit: u64,
        /// What keeps retention from deleting.
        holder: String,
    },
    /// The consumer, key or message is not known here.
    #[error("{what} is not known here")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// A job that was cancelled cannot have its unique key back.
    #[error(
        "job {id} is not run again: its unique key is taken by job {taken_by} by now; wait until that one has ended, or cancel it"
    )]
    UniqueTaken {
        /// The job.
        id: MessageId,
        /// The job that has its key.
        taken_by: MessageId,
    },
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// The work ended with an error of its own, and what it wrote was undone; the error is with whoever started it.
    #[error("the work failed and was undone")]
    Undone,
}

/// Says in an error what was waited for.
fn waiting(waited_for: &Option<String>) -> String {
    waited_for.as_ref().map(|what| format!(": it waited for {what}")).unwrap_or_default()
}

impl StoreError {
    /// Whether running the same work again at once may succeed.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Busy { .. } | Self::Timeout { .. } | Self::Overloaded { .. } | Self::Blocked { .. }
        )
    }

    /// Whether the database itself is in trouble: a full or failing disk, a file that cannot be written or read. The
    /// work is not to blame, and would fare no better if it were another.
    #[must_use]
    pub const fn is_trouble_of_the_store(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Io { .. } | Self::ReadOnly { .. } | Self::Corrupt { .. })
    }
}
