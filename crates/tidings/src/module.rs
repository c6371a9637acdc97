//! A bounded part of an application, and what it declares.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use tidings_core::contract::{Command, ContractInfo, Event};
use tidings_core::error::{Error, Result};
use tidings_core::retry::RetrySchedule;
use tidings_core::store::Start;

use crate::handler::{CallRoute, IntoCommand, IntoListener, IntoQuery, IntoReply, ReplyRoute, Route};
use crate::jobs::{CronDeclaration, IntoEnqueue, IntoJob, JobDeclaration, JobOptions, Queue};
use crate::migrations::{IntoMigrations, Migrations};

/// A module: the events, commands, queries and tables it owns, and how it reacts to the events of others.
///
/// ```
/// use tidings::Module;
///
/// let module = Module::new("inventory").context("fulfilment").tables(["stock", "reservations"]);
/// ```
#[must_use = "a module does nothing until an application is built from it"]
pub struct Module {
    pub(crate) name: String,
    pub(crate) context: String,
    pub(crate) owned: Vec<ContractInfo>,
    pub(crate) tables: Vec<String>,
    pub(crate) migrations: Migrations,
    pub(crate) commands: Vec<CallRoute>,
    pub(crate) queries: Vec<CallRoute>,
    pub(crate) listeners: Vec<Listener>,
    pub(crate) replies: Vec<(String, ReplyRoute)>,
    pub(crate) sends: BTreeSet<&'static str>,
    pub(crate) jobs: Vec<JobDeclaration>,
    pub(crate) crons: Vec<CronDeclaration>,
    pub(crate) renamed: Vec<(String, String)>,
    pub(crate) retired: Vec<(String, String)>,
}

/// A listener as declared.
pub(crate) struct Listener {
    pub(crate) name: String,
    pub(crate) routes: Vec<Route>,
    pub(crate) options: ListenerOptions,
}

/// How a listener is run.
#[derive(Clone, Debug)]
pub(crate) struct ListenerOptions {
    pub(crate) start: Start,
    pub(crate) schedule: Option<RetrySchedule>,
    pub(crate) continue_after_dead: bool,
}

impl Module {
    /// A module of this name: lower-case letters, digits and dashes. Until [`context`](Self::context) says otherwise it
    /// is a context of its own.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            context: name.to_owned(),
            owned: Vec::new(),
            tables: Vec::new(),
            migrations: Migrations::default(),
            commands: Vec::new(),
            queries: Vec::new(),
            listeners: Vec::new(),
            replies: Vec::new(),
            sends: BTreeSet::new(),
            jobs: Vec::new(),
            crons: Vec::new(),
            renamed: Vec::new(),
            retired: Vec::new(),
        }
    }

    /// The context it belongs to. Between contexts only events travel.
    pub fn context(mut self, context: &str) -> Self {
        context.clone_into(&mut self.context);
        self
    }

    /// Declares that this module, and no other, publishes the event, in this version.
    pub fn owns<E: Event>(mut self) -> Self {
        self.owned.push(ContractInfo::of::<E>());
        self
    }

    /// Declares tables that this module, and no other, touches.
    pub fn tables<T: Into<String>>(mut self, tables: impl IntoIterator<Item = T>) -> Self {
        self.tables.extend(tables.into_iter().map(Into::into));
        self
    }

    /// The changes that make the module's tables; see [`migrations!`](crate::migrations).
    pub fn migrations(mut self, migrations: impl IntoMigrations) -> Self {
        self.migrations.add(migrations.into_migrations());
        self
    }

    /// Carries out a command; its durable name is the one that the command derives.
    pub fn command<M>(mut self, handler: impl IntoCommand<M>) -> Self {
        self.commands.push(handler.route());
        self
    }

    /// Answers a query; its durable name is the one that the query derives.
    pub fn query<M>(mut self, handler: impl IntoQuery<M>) -> Self {
        self.queries.push(handler.route());
        self
    }

    /// Reacts to one event or, given a tuple of handlers, to several in one order per key. The name is durable: the
    /// listener's progress is kept under `<module>.<name>`.
    pub fn on<M>(self, name: &str, listener: impl IntoListener<M>) -> Self {
        self.on_with(name, listener, |options| options)
    }

    /// Like [`on`](Self::on), with options: `.on_with("rank", rank, |o| o.from_start())`.
    pub fn on_with<M>(
        mut self,
        name: &str,
        listener: impl IntoListener<M>,
        options: impl FnOnce(Options) -> Options,
    ) -> Self {
        let defaults = ListenerOptions { start: Start::Now, schedule: None, continue_after_dead: false };
        let Options(options) = options(Options(defaults));
        self.listeners.push(Listener { name: name.to_owned(), routes: listener.routes(), options });
        self
    }

    /// Takes the outcomes of commands that this module sent with
    /// [`send_with_reply`](crate::Ctx::send_with_reply) under this name.
    pub fn on_reply<M>(mut self, name: &str, handler: impl IntoReply<M>) -> Self {
        self.replies.push((name.to_owned(), handler.route()));
        self
    }

    /// Does a job, which waits in this queue; its durable name is the one that the job derives. Only this module enqueues
    /// it. See [`JobCtx`](crate::JobCtx) for what its handler looks like.
    pub fn job<M>(self, queue: Queue, handler: impl IntoJob<M>) -> Self {
        self.job_with(queue, handler, |options| options)
    }

    /// Like [`job`](Self::job), with options:
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use serde::{Deserialize, Serialize};
    /// # use tidings::{Job, JobCtx, Module, Queue, Result, RetrySchedule};
    /// # #[derive(Job, Serialize, Deserialize)]
    /// # #[job("shop.mail")]
    /// # struct Mail { to: String }
    /// # async fn send_mail(_ctx: &mut JobCtx, _job: Mail) -> Result<()> { Ok(()) }
    /// let tiers = [5, 30, 300].map(Duration::from_secs);
    /// let shop = Module::new("shop").job_with(Queue::named("mail"), send_mail, |options| {
    ///     options.retry(RetrySchedule::new(tiers, 10)).timeout(Duration::from_secs(30)).priority(-5)
    /// });
    /// ```
    pub fn job_with<M>(
        mut self,
        queue: Queue,
        handler: impl IntoJob<M>,
        options: impl FnOnce(JobOptions) -> JobOptions,
    ) -> Self {
        let (route, options) = (handler.route(), options(JobOptions::default()));
        self.jobs.push(JobDeclaration { queue, route, options });
        self
    }

    /// Enqueues a job of this module whenever its time comes. The name is durable; the times are a line of `cron`, of five
    /// fields or of six with seconds first (there is no year), or one of `@hourly`, `@daily`, `@weekly`, `@monthly` and
    /// `@yearly`, in a time zone (`Europe/Berlin`).
    ///
    /// Where the clocks change, a line that names hours of the day (`30 2`, `0,30 1-3`, `*/5 9-17`) goes by the clock on the
    /// wall: times that are skipped run right after the gap, all of them once, and a time that comes twice runs the first
    /// time. Any other (`*/5 *`, `0 */2`) is an interval, and goes on by the time that has passed. Of the times that are missed while no
    /// process is there, one run is made up for, the last.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use tidings::{Job, JobCtx, Module, Queue, Result};
    /// # #[derive(Job, Serialize, Deserialize)]
    /// # #[job("shop.report")]
    /// # struct Report { at: jiff::Timestamp }
    /// # async fn report(_ctx: &mut JobCtx, _job: Report) -> Result<()> { Ok(()) }
    /// let shop = Module::new("shop")
    ///     .job(Queue::named("reports"), report)
    ///     .cron("nightly-report", "0 3 * * *", "Europe/Berlin", |at| Report { at });
    /// ```
    pub fn cron<T: IntoEnqueue>(
        mut self,
        name: &str,
        expression: &str,
        zone: &str,
        job: impl Fn(Timestamp) -> T + Send + Sync + 'static,
    ) -> Self {
        self.crons.push(CronDeclaration::new(name, expression, zone, job));
        self
    }

    /// Declares that this module sends the command to the module that owns it.
    pub fn sends<C: Command>(mut self) -> Self {
        self.sends.insert(C::NAME);
        self
    }

    /// A listener, command handler or reply handler has a new name; its progress goes with it, and a handler of commands or
    /// replies also takes what was sent under the old name. Both names without the module. When the new name is given up
    /// again (a roll-back), declare it [`retired`](Self::retired).
    ///
    /// Jobs are no part of this: they wait under the name of their type. To rename one, keep the old type registered, with
    /// its handler, until its jobs are done.
    pub fn renamed(mut self, old: &str, new: &str) -> Self {
        self.renamed.push((old.to_owned(), new.to_owned()));
        self
    }

    /// A listener is no more, and what is still pending for it is given up for this reason. So is a job: those that have not
    /// ended are cancelled, and dead ones discarded.
    pub fn retired(mut self, name: &str, reason: &str) -> Self {
        self.retired.push((name.to_owned(), reason.to_owned()));
        self
    }
}

/// Options of a listener; see [`Module::on_with`].
pub struct Options(ListenerOptions);

impl Options {
    /// When new, read the log from its oldest message instead of from now on.
    #[must_use]
    pub fn from_start(mut self) -> Self {
        self.0.start = Start::Beginning;
        self
    }

    /// Retry on this schedule instead of the application's.
    #[must_use]
    pub fn retry(mut self, schedule: RetrySchedule) -> Self {
        self.0.schedule = Some(schedule);
        self
    }

    /// When an event is dead, go on with the later events of its key instead of waiting for a person.
    #[must_use]
    pub fn continue_after_dead(mut self) -> Self {
        self.0.continue_after_dead = true;
        self
    }
}

/// What a running context must know about its module.
pub(crate) struct ModuleFacts {
    pub(crate) name: Arc<str>,
    pub(crate) context: String,
    /// Event name to the version this module publishes.
    pub(crate) owned: BTreeMap<&'static str, u32>,
    pub(crate) sends: BTreeSet<&'static str>,
    /// Reply handler's name within the module to the command it takes replies of.
    pub(crate) replies: BTreeMap<String, &'static str>,
}

impl ModuleFacts {
    pub(crate) fn of(module: &Module) -> Self {
        Self {
            name: module.name.as_str().into(),
            context: module.context.clone(),
            owned: module.owned.iter().map(|contract| (contract.name, contract.version)).collect(),
            sends: module.sends.clone(),
            replies: module.replies.iter().map(|(name, route)| (name.clone(), route.command)).collect(),
        }
    }

    /// The full name of a reply handler for a command.
    pub(crate) fn reply_handler(&self, handler: &str, command: &str) -> Result<Arc<str>> {
        match self.replies.get(handler) {
            Some(taken) if *taken == command => Ok(format!("{}.{handler}", self.name).into()),
            Some(taken) => Err(Error::permanent(format!(
                "reply handler `{}.{handler}` takes replies of `{taken}`, not of `{command}`",
                self.name
            ))),
            None => Err(Error::permanent(format!(
                "module `{}` has no reply handler `{handler}`: register it with `.on_reply(\"{handler}\", ..)`",
                self.name
            ))),
        }
    }
}
