//! From declarations to a running application.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tidings_core::clock::SharedClock;
use tidings_core::contract::ContractInfo;
use tidings_core::store::{ConsumerKind, ConsumerSpec, ConsumerStatus, Filter, Start, Store, StoreError};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::borders::{Contradiction, contradictions};
use super::shared::{CheckTables, ConsumerWork};
use super::{App, Consumer, Manifest, Running, Shared};
use crate::clock::SystemClock;
use crate::command::{Gate, InFlight};
use crate::config::{Config, ConfigError};
use crate::contracts::ContractBook;
use crate::ctx::{Driver, Portable};
use crate::module::{Module, ModuleFacts};

/// Joins modules, configuration and a store; see [`App::builder`].
#[derive(Default)]
#[must_use = "nothing runs until `build` is awaited"]
pub struct AppBuilder {
    modules: Vec<Module>,
    contracts: Vec<ContractInfo>,
    config: Option<Config>,
    clock: Option<SharedClock>,
    store: Option<Arc<dyn Store>>,
}

/// Why an application does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The declarations contradict each other.
    #[error("the application contradicts itself:{}", list(.0))]
    Contradictions(Vec<Contradiction>),
    /// Work is pending that nobody here would do.
    #[error("work is pending for handlers that no longer exist:{}\nkeep a handler's progress with `.renamed(old, new)`, \
             give it up with `.retired(name, reason)`, or start all the same with `start.allow_orphans`", list(.0))]
    Orphans(Vec<Orphan>),
    /// The store cannot be used.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// The configuration is wrong.
    #[error("the configuration is wrong")]
    Config(#[from] ConfigError),
    /// No store was given and none is compiled in.
    #[error("no store: enable the feature `sqlite`, or give one with `.store(..)`")]
    NoStore,
}

/// A consumer on record that no handler stands for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{name}`: {lag} messages not read, {parked} parked or dead")]
pub struct Orphan {
    kind: &'static str,
    name: String,
    lag: u64,
    parked: u64,
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(|item| format!("\n  - {item}")).collect()
}

impl AppBuilder {
    /// Adds a module.
    pub fn module(mut self, module: Module) -> Self {
        self.modules.push(module);
        self
    }

    /// Adds modules.
    pub fn modules(mut self, modules: impl IntoIterator<Item = Module>) -> Self {
        self.modules.extend(modules);
        self
    }

    /// The contracts of the registry (`CONTRACTS`, as [`contracts!`](crate::contracts) makes it), so that events of
    /// modules that run elsewhere are known too.
    pub fn contracts(mut self, contracts: &[ContractInfo]) -> Self {
        self.contracts.extend_from_slice(contracts);
        self
    }

    /// The configuration; without it, [`Config::load`] is used.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// Another source of business time.
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// A store that is open already, instead of the one the configuration names.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// Checks the declarations, opens and prepares the store, and starts the consumers.
    ///
    /// # Errors
    /// If the declarations contradict each other, the store cannot be used, or work is orphaned. Nothing runs then.
    pub async fn build(self) -> Result<App, BuildError> {
        let found = contradictions(&self.modules, &self.contracts);
        if !found.is_empty() {
            return Err(BuildError::Contradictions(found));
        }
        let config = self.config.map_or_else(Config::load, Ok)?;
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::default()));
        let (store, check_tables) = match self.store {
            Some(store) => (store, None),
            None => open(&config).await?,
        };
        let built = start(self.modules, self.contracts, config, clock, store.clone(), check_tables).await;
        if built.is_err() {
            // What was opened here is given back in order; the first error is the one to tell.
            if let Err(error) = store.close().await {
                tracing::warn!(error = %error, "closing the store after a failed start");
            }
        }
        built
    }
}

#[cfg(feature = "sqlite")]
async fn open(config: &Config) -> Result<(Arc<dyn Store>, Option<CheckTables>), BuildError> {
    let store = crate::sqlite::open(config).await?;
    let guard = store.clone();
    let check: Option<CheckTables> = (config.store.guard_tables)
        .then(|| Box::new(move |module: &str, sql: &str| guard.check_tables(module, sql)) as CheckTables);
    Ok((store, check))
}

#[cfg(not(feature = "sqlite"))]
async fn open(_config: &Config) -> Result<(Arc<dyn Store>, Option<CheckTables>), BuildError> {
    Err(BuildError::NoStore)
}

async fn start(
    modules: Vec<Module>,
    contracts: Vec<ContractInfo>,
    config: Config,
    clock: SharedClock,
    store: Arc<dyn Store>,
    check_tables: Option<CheckTables>,
) -> Result<App, BuildError> {
    let wrong = wrong_store(&modules, store.kind());
    if !wrong.is_empty() {
        return Err(BuildError::Contradictions(wrong));
    }
    let owned = modules.iter().flat_map(|module| module.owned.iter().copied());
    let contracts = ContractBook::compile(owned.chain(contracts))
        .map_err(|problem| BuildError::Contradictions(vec![Contradiction::Contract(problem)]))?;
    let manifest = Manifest::of(&modules);
    let now = clock.now();
    let tables: Vec<_> = modules.iter().map(|module| (module.name.clone(), module.tables.clone())).collect();
    store.own_tables(&tables);
    for module in &modules {
        store.migrate(&module.name, &module.migrations, now).await?;
        for (name, reason) in &module.retired {
            store.retire(&format!("{}.{name}", module.name), reason, now).await?;
        }
    }
    let (shared, consumers) = assemble(modules, contracts, config, clock, store, check_tables);
    refuse_orphans(&shared, &consumers).await?;
    for consumer in &consumers {
        shared.store.register(&consumer.spec, now).await?;
    }
    Ok(run(shared, consumers, manifest))
}

/// Starts one task for each consumer, and one for maintenance.
fn run(shared: Arc<Shared>, consumers: Vec<Consumer>, manifest: Manifest) -> App {
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let mut controls = Vec::new();
    for consumer in consumers {
        let (control, controlled) = mpsc::channel(16);
        controls.push((consumer.spec.name.clone(), control));
        tasks.spawn(crate::consumer::run(shared.clone(), consumer, controlled, stopped.clone()));
    }
    tasks.spawn(super::maintenance::run(shared.clone(), stopped));
    App { shared, running: Arc::new(Running { stop, tasks: tasks.into(), controls, manifest }) }
}

fn assemble(
    modules: Vec<Module>,
    contracts: ContractBook,
    config: Config,
    clock: SharedClock,
    store: Arc<dyn Store>,
    check_tables: Option<CheckTables>,
) -> (Arc<Shared>, Vec<Consumer>) {
    let mut shared = Shared {
        gate: Gate::new(config.commands.concurrency_max),
        in_flight: InFlight::default(),
        careful: tokio::sync::Mutex::new(()),
        modules: HashMap::new(),
        commands: HashMap::new(),
        queries: HashMap::new(),
        owners: HashMap::new(),
        store,
        clock,
        config,
        contracts,
        check_tables,
    };
    let mut consumers = Vec::new();
    for module in modules {
        let facts = Arc::new(ModuleFacts::of(&module));
        for contract in &module.owned {
            shared.owners.insert(contract.name, module.name.clone());
        }
        for command in &module.commands {
            shared.commands.insert(command.name, (facts.clone(), command.clone()));
        }
        for query in &module.queries {
            shared.queries.insert(query.name, (facts.clone(), query.clone()));
        }
        shared.modules.insert(module.name.clone(), facts.clone());
        consumers.extend(consumers_of(module, &facts, &shared.config));
    }
    (Arc::new(shared), consumers)
}

fn consumers_of(module: Module, facts: &Arc<ModuleFacts>, config: &Config) -> Vec<Consumer> {
    let mut aliases: BTreeMap<String, Vec<Arc<str>>> = BTreeMap::new();
    for (old, new) in &module.renamed {
        aliases.entry(new.clone()).or_default().push(format!("{}.{old}", module.name).into());
    }
    let make =
        |name: &str, kind: ConsumerKind, names: Vec<Arc<str>>, start: Start, work: ConsumerWork| Consumer {
            spec: ConsumerSpec {
                name: format!("{}.{name}", module.name).into(),
                kind,
                filter: Filter { kind: kind.reads(), names },
                start,
                aliases: aliases.get(name).cloned().unwrap_or_default(),
            },
            module: facts.clone(),
            work,
            schedule: config.schedule(),
            continue_after_dead: false,
        };
    let mut consumers = Vec::new();
    for command in &module.commands {
        // A command that was sent before its handler was first registered must not be lost: from the beginning.
        let local = command.name.strip_prefix(&format!("{}.", module.name)).unwrap_or(command.name);
        let names = vec![command.name.into()];
        let work = ConsumerWork::Carry(command.clone());
        consumers.push(make(local, ConsumerKind::CommandHandler, names, Start::Beginning, work));
    }
    for (name, reply) in &module.replies {
        let names = vec![format!("{}.{name}", module.name).into()];
        let work = ConsumerWork::TakeReply(reply.clone());
        consumers.push(make(name, ConsumerKind::ReplyHandler, names, Start::Beginning, work));
    }
    for listener in module.listeners {
        let names = listener.routes.iter().map(|route| route.event.into()).collect();
        let routes = listener.routes.into_iter().map(|route| (route.event, route)).collect();
        let work = ConsumerWork::Listen(routes);
        let mut consumer = make(&listener.name, ConsumerKind::Listener, names, listener.options.start, work);
        consumer.schedule = listener.options.schedule.unwrap_or(consumer.schedule);
        consumer.continue_after_dead = listener.options.continue_after_dead;
        consumers.push(consumer);
    }
    consumers
}

/// Handlers whose context belongs to another database than the store's.
fn wrong_store(modules: &[Module], store: &str) -> Vec<Contradiction> {
    let mut found = Vec::new();
    let mut check = |handler: String, driver: &str| {
        let needs_sqlite = driver != Portable::NAME;
        if needs_sqlite && store != "sqlite" {
            found.push(Contradiction::WrongStore {
                handler,
                needs: driver.to_owned(),
                store: store.to_owned(),
            });
        }
    };
    for module in modules {
        for listener in &module.listeners {
            for route in &listener.routes {
                check(format!("listener `{}.{}`", module.name, listener.name), route.driver);
            }
        }
        for command in &module.commands {
            check(format!("command `{}`", command.name), command.driver);
        }
        for query in &module.queries {
            check(format!("query `{}`", query.name), query.driver);
        }
    }
    found
}

async fn refuse_orphans(shared: &Shared, consumers: &[Consumer]) -> Result<(), BuildError> {
    let known = |status: &ConsumerStatus| {
        let is = |name: &Arc<str>| **name == *status.name;
        consumers.iter().any(|consumer| is(&consumer.spec.name) || consumer.spec.aliases.iter().any(is))
    };
    let orphans: Vec<Orphan> = shared
        .store
        .consumers()
        .await?
        .into_iter()
        .filter(|status| status.retired.is_none() && !known(status))
        .map(|status| Orphan {
            kind: status.kind.as_str(),
            name: status.name.to_string(),
            lag: status.lag,
            parked: status.retrying + status.behind + status.dead,
        })
        .filter(|orphan| orphan.lag + orphan.parked > 0)
        .collect();
    if orphans.is_empty() {
        return Ok(());
    }
    if !shared.config.start.allow_orphans {
        return Err(BuildError::Orphans(orphans));
    }
    for orphan in &orphans {
        tracing::warn!(
            consumer = orphan.name,
            lag = orphan.lag,
            parked = orphan.parked,
            "orphaned work is kept: {orphan}"
        );
    }
    Ok(())
}
