//! From declarations to a running application.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use tidings_core::clock::SharedClock;
use tidings_core::contract::ContractInfo;
use tidings_core::error::chain;
use tidings_core::store::{Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::borders::{Contradiction, contradictions};
use super::consumers::consumers_of;
use super::orphans::{Orphan, Orphans, give_up_jobs, refuse_orphans, tell_of_queues_nobody_works};
use super::shared::CheckTables;
use super::{App, Consumer, Manifest, Running, Shared};
use crate::clock::SystemClock;
use crate::command::{Gate, InFlight};
use crate::config::{Config, ConfigError};
use crate::consumer::Desk;
use crate::contracts::ContractBook;
use crate::crew::{Crew, Post};
use crate::ctx::database_of;
use crate::jobs;
use crate::module::{Module, ModuleFacts};
use crate::underway::Underway;

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

/// Why an application does not start. `Debug` tells it like `Display`, with all causes: that is what a `main` prints that
/// returns it.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The declarations contradict each other.
    #[error("the application contradicts itself:{}", list(.0))]
    Contradictions(Vec<Contradiction>),
    /// Work is pending that nobody here would do.
    #[error("work is pending for handlers that no longer exist:{}\n{}", list(.0), super::orphans::advice(.0))]
    Orphans(Vec<Orphan>),
    /// The store cannot be used.
    #[error("the store cannot be used")]
    Store(#[from] StoreError),
    /// The configuration is wrong.
    #[error("the configuration is wrong")]
    Config(#[from] ConfigError),
    /// The configuration names a store that is not compiled in, and none was given.
    #[error(
        "the configuration names {kind}, and this program was built without it: enable the feature `{feature}` of `tidings`, or give a store with `.store(..)`"
    )]
    NoStore {
        /// The kind of store.
        kind: &'static str,
        /// The feature that has it.
        feature: &'static str,
    },
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&chain(self))
    }
}

fn list<T: fmt::Display>(items: &[T]) -> String {
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
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock::default()));
        let mut contracts = self.contracts;
        contracts.extend_from_slice(jobs::CONTRACTS);
        let found = contradictions(&self.modules, &contracts, clock.now());
        if !found.is_empty() {
            return Err(BuildError::Contradictions(found));
        }
        let config = self.config.map_or_else(Config::load, Ok)?;
        config.validate()?;
        let opened_here = self.store.is_none();
        let store = match self.store {
            Some(store) => store,
            None => super::open::open(&config).await?,
        };
        let built = start(self.modules, contracts, config, clock, store.clone()).await;
        if built.is_err() && opened_here {
            // What was opened here is given back in order; the first error is the one to tell. A store that the caller
            // opened is the caller's to close.
            if let Err(error) = store.close().await {
                tracing::warn!(error = %error, "closing the store after a failed start");
            }
        }
        built
    }
}

/// How typed statements are checked before they run: the store knows, whoever has opened it.
#[cfg_attr(not(feature = "sqlx"), allow(unused_variables, reason = "there are no typed statements"))]
fn check_tables(store: &Arc<dyn Store>) -> Option<CheckTables> {
    #[cfg(feature = "sqlite")]
    if let Some(guard) = store.as_any().downcast_ref::<tidings_sqlite::SqliteStore>() {
        let guard = guard.clone();
        return Some(Box::new(move |module: &str, sql: &str| guard.check_tables(module, sql)));
    }
    #[cfg(feature = "postgres")]
    if store.as_any().is::<tidings_postgres::PostgresStore>() {
        return Some(Box::new(tidings_postgres::check_statement));
    }
    None
}

async fn start(
    modules: Vec<Module>,
    contracts: Vec<ContractInfo>,
    config: Config,
    clock: SharedClock,
    store: Arc<dyn Store>,
) -> Result<App, BuildError> {
    if store.kind() == "sqlite" && !config.start.workers {
        let problem = "`start.workers` is off, and SQLite has no other process that could do the work";
        return Err(
            ConfigError::Invalid { place: "configuration".to_owned(), problem: problem.to_owned() }.into()
        );
    }
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
    let migrations: Vec<_> =
        modules.iter().map(|module| (module.name.clone(), module.migrations.clone())).collect();
    let retired = retired(&modules);
    let (shared, consumers) = assemble(modules, contracts, config, clock, store)?;
    super::lost::take_over(&shared).await?;
    // First what may refuse the start, last what gives something up: a start that is refused has discarded nothing.
    let (jobs_given_up, orphans) = refuse_orphans(&shared, &consumers, &retired).await?;
    for (module, migrations) in &migrations {
        shared.store.migrate(module, migrations.of(shared.store.kind()), now).await?;
    }
    let mut registered = Vec::with_capacity(consumers.len());
    for consumer in consumers {
        let partitions = shared.store.register(&consumer.spec, now).await?;
        registered.push((Arc::new(consumer), partitions));
    }
    for (name, reason) in &retired {
        shared.store.retire(name, reason, now).await?;
    }
    for (name, reason) in &jobs_given_up {
        give_up_jobs(&shared, name, reason).await?;
    }
    tell_of_queues_nobody_works(&shared).await?;
    let ticks = jobs::register_crons(&shared).await?;
    Ok(run(shared, registered, orphans, manifest, ticks))
}

/// Full names with the reasons why their pending work is given up.
fn retired(modules: &[Module]) -> Vec<(String, String)> {
    let of = |module: &Module| {
        let full = |(name, reason): &(String, String)| (format!("{}.{name}", module.name), reason.clone());
        module.retired.iter().map(full).collect::<Vec<_>>()
    };
    modules.iter().flat_map(of).collect()
}

/// Starts one task for whoever works here, with a desk for each partition of each consumer, one for those that recur, and one for maintenance.
fn run(
    shared: Arc<Shared>,
    consumers: Vec<(Arc<Consumer>, u16)>,
    orphans: Orphans,
    manifest: Manifest,
    ticks: Vec<tidings_core::store::CronTick>,
) -> App {
    let (stop, stopped) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let mut staff = JoinSet::new();
    let mut set_up = |(consumer, partitions): (Arc<Consumer>, u16)| {
        let mut desks = Vec::new();
        for partition in 0..partitions {
            let (desk, work) = Desk::set_up(&shared, &consumer, partition);
            desks.push(desk);
            staff.spawn(work);
        }
        Post { consumer, desks }
    };
    let posts: Arc<[Post]> = consumers.into_iter().map(&mut set_up).collect();
    if !posts.is_empty() || shared.jobs.worked().next().is_some() {
        let crew = Crew::new(shared.clone(), posts.clone(), staff, orphans, stopped.clone());
        tasks.spawn(crew.work());
    }
    tasks.spawn(jobs::run_crons(shared.clone(), ticks, stopped.clone()));
    tasks.spawn(super::maintenance::run(shared.clone(), stopped));
    App {
        shared,
        running: Arc::new(Running { stop, tasks: tasks.into(), closing: None.into(), posts, manifest }),
    }
}

fn assemble(
    mut modules: Vec<Module>,
    contracts: ContractBook,
    config: Config,
    clock: SharedClock,
    store: Arc<dyn Store>,
) -> Result<(Arc<Shared>, Vec<Consumer>), ConfigError> {
    let facts: HashMap<String, Arc<ModuleFacts>> =
        modules.iter().map(|module| (module.name.clone(), Arc::new(ModuleFacts::of(module)))).collect();
    let jobs = jobs::book(&mut modules, &facts, &config)?;
    let mut shared = Shared {
        gate: Gate::new(config.commands.concurrency_max),
        query_gate: Gate::new(config.queries.concurrency_max),
        underway: Underway::start(),
        in_flight: InFlight::default(),
        worker: AtomicI64::default(),
        careful: tokio::sync::Mutex::new(()),
        modules: facts.clone(),
        jobs,
        commands: HashMap::new(),
        queries: HashMap::new(),
        owners: HashMap::new(),
        check_tables: check_tables(&store),
        #[cfg(feature = "testing")]
        maintenance_due: i64::MIN.into(),
        store,
        clock,
        config,
        contracts,
    };
    let mut consumers = Vec::new();
    for module in modules {
        let Some(facts) = facts.get(&module.name) else { continue };
        for contract in &module.owned {
            shared.owners.insert(contract.name, module.name.clone());
        }
        for command in &module.commands {
            shared.commands.insert(command.name, (facts.clone(), command.clone()));
        }
        for query in &module.queries {
            shared.queries.insert(query.name, (facts.clone(), query.clone()));
        }
        consumers.extend(consumers_of(module, facts, &shared.config));
    }
    Ok((Arc::new(shared), consumers))
}

/// Handlers whose context belongs to another database than the store's.
fn wrong_store(modules: &[Module], store: &str) -> Vec<Contradiction> {
    let mut found = Vec::new();
    let mut check = |handler: String, driver: &str| {
        if let Some((database, needs)) = database_of(driver).filter(|(_, needs)| *needs != store) {
            found.push(Contradiction::WrongStore {
                handler,
                needs: format!("{database}, which the store `{needs}` has"),
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
        for job in &module.jobs {
            check(format!("job `{}`", job.route.name), job.route.driver);
        }
        for query in &module.queries {
            check(format!("query `{}`", query.name), query.driver);
        }
    }
    found
}
