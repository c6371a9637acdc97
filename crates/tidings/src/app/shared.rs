//! What every running part of an application knows.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tidings_core::clock::SharedClock;
use tidings_core::contract::{ContractInfo, Event};
use tidings_core::envelope::{Envelope, MessageKind};
use tidings_core::error::{Error, Result};
use tidings_core::ids::MessageId;
use tidings_core::key::Key;
use tidings_core::retry::RetrySchedule;
use tidings_core::store::{ConsumerSpec, Store, StoreError, WorkerId};

use crate::command::{Gate, InFlight};
use crate::config::Config;
use crate::contracts::ContractBook;
use crate::ctx::Origin;
use crate::handler::{CallRoute, ReplyRoute, Route};
use crate::jobs::JobBook;
use crate::module::ModuleFacts;
use crate::underway::Underway;

/// Says whether a module may run a statement, as far as its store can tell.
pub(crate) type CheckTables = Box<dyn Fn(&str, &str) -> std::result::Result<(), StoreError> + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: SharedClock,
    pub(crate) config: Config,
    pub(crate) contracts: ContractBook,
    pub(crate) modules: HashMap<String, Arc<ModuleFacts>>,
    pub(crate) commands: HashMap<&'static str, (Arc<ModuleFacts>, CallRoute)>,
    pub(crate) queries: HashMap<&'static str, (Arc<ModuleFacts>, CallRoute)>,
    pub(crate) jobs: JobBook,
    /// Event to the module that owns it, for refusals that name both.
    pub(crate) owners: HashMap<&'static str, String>,
    pub(crate) gate: Gate,
    pub(crate) query_gate: Gate,
    pub(crate) underway: Arc<Underway>,
    pub(crate) in_flight: InFlight,
    /// The worker that this process is, or was last.
    pub(super) worker: AtomicI64,
    /// Held by the one consumer that is being careful, so that a crash names one suspect.
    pub(crate) careful: tokio::sync::Mutex<()>,
    #[cfg_attr(not(feature = "sqlx"), allow(dead_code, reason = "only typed statements are checked here"))]
    pub(crate) check_tables: Option<CheckTables>,
    /// When the next round of maintenance is due, in microseconds; in the past while one is at work.
    #[cfg(feature = "testing")]
    pub(crate) maintenance_due: AtomicI64,
}

/// A consumer of the log, ready to run.
pub(crate) struct Consumer {
    pub(crate) spec: ConsumerSpec,
    pub(crate) module: Arc<ModuleFacts>,
    pub(crate) work: ConsumerWork,
    pub(crate) schedule: RetrySchedule,
    pub(crate) continue_after_dead: bool,
}

/// What a consumer does with a message.
pub(crate) enum ConsumerWork {
    Listen(HashMap<&'static str, Route>),
    Carry(CallRoute),
    TakeReply(ReplyRoute),
}

impl Consumer {
    /// The driver of its handlers; they share one, which the application's start has seen to.
    pub(crate) fn driver(&self) -> &'static str {
        match &self.work {
            ConsumerWork::Listen(routes) => routes.values().next().map_or("native", |route| route.driver),
            ConsumerWork::Carry(command) => command.driver,
            ConsumerWork::TakeReply(reply) => reply.driver,
        }
    }
}

/// A module tried to publish what is not its own.
#[derive(Debug, thiserror::Error)]
#[error("module `{module}` may not publish `{event}` v{version}: {reason}")]
pub(crate) struct NotTheOwner {
    module: String,
    event: &'static str,
    version: u32,
    reason: String,
}

impl Shared {
    /// Whether a module may run a statement, as far as the store can tell.
    #[cfg(feature = "sqlx")]
    pub(crate) fn check_tables(
        &self,
        module: &ModuleFacts,
        sql: &str,
    ) -> std::result::Result<(), StoreError> {
        self.check_tables.as_ref().map_or(Ok(()), |check| check(&module.name, sql))
    }

    /// The worker that this process is, or was last.
    pub(crate) fn worker(&self) -> WorkerId {
        WorkerId(self.worker.load(Ordering::Relaxed))
    }

    pub(crate) fn works_as(&self, worker: WorkerId) {
        self.worker.store(worker.0, Ordering::Relaxed);
    }

    /// Checks an event that a module publishes, and writes its payload; with the event's name.
    pub(crate) fn event_payload<E: Event>(
        &self,
        module: &ModuleFacts,
        event: &E,
    ) -> Result<(Arc<str>, String)> {
        self.check_owner(module, ContractInfo::of::<E>())?;
        let (name, data) = self.contracts.payload(event)?;
        if data.len() > self.config.events.bytes_max {
            return Err(Error::permanent(format!(
                "event `{}` has {} bytes, more than `events.bytes_max` = {}: publish a reference, not the thing itself",
                E::NAME,
                data.len(),
                self.config.events.bytes_max
            )));
        }
        Ok((name, data))
    }

    /// Checks and wraps an event that a module publishes.
    pub(crate) fn event_envelope<E: Event>(
        &self,
        module: &ModuleFacts,
        event: &E,
        origin: &Origin,
    ) -> Result<Envelope> {
        let (name, data) = self.event_payload(module, event)?;
        Ok(Envelope {
            id: MessageId::new(),
            kind: MessageKind::Event,
            name,
            version: E::VERSION,
            source: module.name.clone(),
            key: E::KEY.zip(event.key()).map(|(kind, value)| Key::new(kind, &value)),
            time: self.clock.now(),
            correlation_id: origin.correlation_id,
            causation_id: origin.cause(),
            trace: origin.trace.clone(),
            reply_to: None,
            data,
        })
    }

    fn check_owner(&self, module: &ModuleFacts, contract: ContractInfo) -> Result<()> {
        let owned = module.owned.get(contract.name).copied();
        if owned == Some(contract.version) {
            return Ok(());
        }
        let elsewhere = contract.owner != &*module.name;
        let reason = match (owned, self.owners.get(contract.name)) {
            (Some(version), _) => {
                format!("it publishes v{version}; a fact is published once, in one version")
            }
            (None, Some(owner)) => format!("it is owned by module `{owner}`"),
            (None, None) if elsewhere => format!(
                "its contract says that module `{}` owns it, which is not part of this application",
                contract.owner
            ),
            (None, None) => "declare it with `.owns::<..>()`".to_owned(),
        };
        Err(Error::permanent(NotTheOwner {
            module: module.name.to_string(),
            event: contract.name,
            version: contract.version,
            reason,
        }))
    }
}
