//! Event-driven applications: modules joined by contracts and events, on a transactional event log.
//!
//! An application is made of [`Module`]s. A module owns events, commands, queries and tables; its handlers are plain
//! async functions. Command handlers and listeners run inside one database transaction that also holds what they
//! publish and how far they have come, so their effects happen exactly once. Everything is checked twice: by the
//! compiler against the contract files, and by the application at its start.
//!
//! Tests of whole applications are written with the module `testing` (feature `testing`, for a development dependency):
//! modules on a real SQLite file, with time that is played forward.
//!
//! See the repository's README for a tour and ARCHITECTURE.md for how it works.

/// The examples of the repository's README are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// What the macros write names this crate as its users do, also where it uses them itself.
extern crate self as tidings;

mod app;
mod clock;
mod command;
mod config;
mod consumer;
mod contracts;
mod crew;
mod ctx;
mod deadline;
mod decode;
mod handler;
mod jobs;
mod migrations;
mod module;
mod outbox;
mod patience;
#[cfg(feature = "postgres")]
mod postgres;
mod query;
mod reply;
#[cfg(feature = "sqlite")]
mod sqlite;
mod strict;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;
mod underway;
mod unit;

pub use app::{
    App, AppBuilder, BuildError, Consumes, Contradiction, DeadLetterError, DeadLetters, Does, Manifest,
    ModuleManifest, Publishes, Recurs, ShutdownError,
};
pub use clock::SystemClock;
pub use command::{Caller, SendCommand, SendError};
pub use config::{
    CommandsConfig, Config, ConfigError, DEFAULTS, EventsConfig, Isolation, JobsConfig, ListenersConfig,
    QueriesConfig, QueueConfig, RetentionConfig, StartConfig, StoreConfig, StorePlace, Synchronous,
};
pub use contracts::ContractViolation;
#[cfg(feature = "sqlx")]
pub use ctx::{BegunTx, TypedDriver, TypedTx};
pub use ctx::{Ctx, CtxSavepoint, Driver, NoRow, Portable, PortableTx, QueryCtx, Sql, sql};
pub use handler::{
    AsyncHandler, BatchListener, InBatches, IntoCommand, IntoListener, IntoQuery, IntoReply, Many, One, With,
    batch, with,
};
pub use jobs::{
    Enqueue, Enqueued, Finish, IntoEnqueue, IntoJob, JobCtx, JobDied, JobError, JobOptions, Jobs, Queue,
    Queues, ToEnqueue, UniqueKeyTaken,
};
pub use migrations::{IntoMigrations, MigrationsByStore};
pub use module::{Module, Options};
pub use outbox::Outbox;
#[cfg(feature = "sqlx")]
pub use outbox::{OutboxConnection, OutboxTx};
pub use query::{AskQuery, QueryError};
pub use reply::CommandReply;
pub use tidings_core::clock::{Clock, SharedClock};
pub use tidings_core::contract::{Command, ContractInfo, Event, EventKind, Job, Query, Reads, ReadsPart};
pub use tidings_core::error::{Error, ErrorKind, Outcome, Rejection, Result, chain, reject};
pub use tidings_core::fan_out::FanOut;
pub use tidings_core::flow::{Flow, FlowId};
pub use tidings_core::ids::MessageId;
pub use tidings_core::retry::RetrySchedule;
pub use tidings_core::store::Migration;
pub use tidings_core::trace::{TraceContext, TraceParent};
pub use tidings_core::{envelope, flow, key, store, value};
pub use tidings_macros::{Command, Job, Query, Reads, contracts, migrations};

/// What generated code names; not for people.
#[doc(hidden)]
pub mod __private {
    pub use crate::contracts::finite::{Finite, finite};
    pub use crate::contracts::valid::assert_contracts_are_valid;
    #[cfg(feature = "postgres")]
    pub use crate::postgres::settings as postgres_settings;
    pub use tidings_core as core;
    pub use {jiff, serde, serde_json, uuid};
}
