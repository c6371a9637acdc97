//! What an application may not contradict itself about.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use tidings_core::contract::ContractInfo;

use super::readable::{Readable, readable};
use crate::module::Module;

/// Something the declarations of the modules say that cannot all be true.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Contradiction {
    /// Two modules, listeners or handlers share a name.
    #[error("{what} `{name}` is registered twice; names are durable and must be unique")]
    Duplicate {
        /// What kind of thing.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A name that cannot be stored or addressed.
    #[error("{what} `{name}`: names are lower-case letters, digits and dashes, beginning with a letter")]
    Name {
        /// What kind of thing.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A table whose name is not plain.
    #[error(
        "module `{module}` declares table `{table}`; write its name without quotes and without the database's name"
    )]
    TableName {
        /// The module.
        module: String,
        /// The table.
        table: String,
    },
    /// Two handlers of one listener take the same event.
    #[error("listener `{listener}` has two handlers for `{event}`; make one of them a listener of its own")]
    EventTwice {
        /// The listener.
        listener: String,
        /// The event.
        event: String,
    },
    /// Two owners of one event.
    #[error(
        "event `{event}` is owned by both `{first}` and `{second}`; an event has one writer, and declares it once"
    )]
    EventOwners {
        /// The event.
        event: String,
        /// One module.
        first: String,
        /// The other.
        second: String,
    },
    /// The module is not the one that the contract names.
    #[error("module `{module}` owns `{event}`, but its contract says `x-owner: {owner}`")]
    NotTheContractsOwner {
        /// The event.
        event: String,
        /// The module.
        module: String,
        /// The owner in the contract.
        owner: String,
    },
    /// Two owners of one table.
    #[error(
        "table `{table}` is owned by both `{first}` and `{second}`; a table is declared once, and facts are shared by events"
    )]
    TableOwners {
        /// The table.
        table: String,
        /// One module.
        first: String,
        /// The other.
        second: String,
    },
    /// A listener of an event that nobody knows.
    #[error("listener `{listener}` reads `{event}`, which no module here owns and no given contract names")]
    UnknownEvent {
        /// The listener.
        listener: String,
        /// The event.
        event: String,
    },
    /// A reader that a published version would make fail.
    #[error(
        "listener `{listener}` cannot read `{event}` v{version}, which is published: {problem}{}", shown(.witness)
    )]
    CannotRead {
        /// The listener.
        listener: String,
        /// The event.
        event: String,
        /// The version its owner publishes.
        version: u32,
        /// What does not decode.
        problem: String,
        /// A payload the contract allows, if one could be made.
        witness: Option<String>,
    },
    /// A command, query or job whose name does not begin with its module.
    #[error("module `{module}` registers {what} `{name}`; its name must begin with `{module}.`")]
    ForeignName {
        /// The module.
        module: String,
        /// Command, query or job.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A command sent to nobody.
    #[error("module `{module}` sends command `{command}`, which no module handles")]
    UnknownCommand {
        /// The sender.
        module: String,
        /// The command.
        command: String,
    },
    /// A command that crosses a border between contexts.
    #[error(
        "module `{module}` (context `{from}`) sends command `{command}` into context `{to}`; between contexts only events travel"
    )]
    CrossesBorder {
        /// The sender.
        module: String,
        /// The sender's context.
        from: String,
        /// The command.
        command: String,
        /// The receiver's context.
        to: String,
    },
    /// One listener on two kinds of connection.
    #[error(
        "listener `{listener}` mixes `Ctx` of different drivers; its handlers share one transaction and so one driver"
    )]
    MixedDrivers {
        /// The listener.
        listener: String,
    },
    /// A handler that needs another store.
    #[error("{handler} takes a context of {needs}, but the store is `{store}`")]
    WrongStore {
        /// The handler.
        handler: String,
        /// The database it needs, and which store has that.
        needs: String,
        /// The store there is.
        store: String,
    },
    /// A name that is said to be gone, and is there.
    #[error(
        "`{name}` is declared {said}, but a handler of that name is registered; remove the one or the other"
    )]
    StillThere {
        /// The name.
        name: String,
        /// Renamed or retired.
        said: &'static str,
    },
    /// A handler that is said to live on under a name that nobody has.
    #[error(
        "`{name}` is declared renamed to `{new}`, but no handler of that name is registered; jobs are not renamed so"
    )]
    RenamedToUnknown {
        /// The former name.
        name: String,
        /// The name it should have now.
        new: String,
    },
    /// Two handlers that would inherit one progress.
    #[error("`{name}` is declared renamed to both `{first}` and `{second}`; its progress can go to one only")]
    RenamedTwice {
        /// The former name.
        name: String,
        /// One heir.
        first: String,
        /// The other.
        second: String,
    },
    /// Progress that is both handed on and given up.
    #[error("`{name}` is declared renamed to `{new}` and retired as well; remove the one or the other")]
    RenamedAndRetired {
        /// The former name.
        name: String,
        /// The name it has now.
        new: String,
    },
    /// Work that would be given up without a word.
    #[error("`{name}` is declared retired without a reason; say why, it is kept on record")]
    NoReason {
        /// The name.
        name: String,
    },
    /// A module with the name under which Tidings publishes its own events.
    #[error("module `{module}` has the name of Tidings itself; give it another one")]
    Reserved {
        /// The module.
        module: String,
    },
    /// Two jobs say different things of the queue that they share.
    #[error(
        "queue `{queue}`: job `{first}` says {said}, and job `{second}` says {other}; say it once, or the same"
    )]
    QueueSettings {
        /// The queue.
        queue: String,
        /// One job.
        first: String,
        /// What it says.
        said: String,
        /// The other.
        second: String,
        /// What that one says.
        other: String,
    },
    /// A queue whose settings would keep it from ever starting a job.
    #[error("queue `{queue}`, as job `{job}` names it: {problem}")]
    QueueUseless {
        /// The queue.
        queue: String,
        /// The job.
        job: String,
        /// What is wrong.
        problem: String,
    },
    /// A job with an option under which it could never be done.
    #[error("job `{job}`: {problem}")]
    JobUseless {
        /// The job.
        job: String,
        /// What is wrong.
        problem: String,
    },
    /// The times of a recurring job.
    #[error("recurring job `{cron}`, `{expression}` in `{zone}`: {problem}")]
    CronTimes {
        /// The recurring job.
        cron: String,
        /// Its line of cron.
        expression: String,
        /// Its time zone.
        zone: String,
        /// What is wrong.
        problem: String,
    },
    /// A recurring job of something that the module does not do.
    #[error(
        "recurring job `{cron}` enqueues `{job}`, which module `{module}` does not do: register it with `.job(..)`"
    )]
    CronOfUnknownJob {
        /// The recurring job.
        cron: String,
        /// What it enqueues.
        job: String,
        /// The module.
        module: String,
    },
    /// A contract that cannot be compiled.
    #[error("{0}")]
    Contract(String),
}

fn shown(witness: &Option<String>) -> String {
    witness.as_ref().map_or_else(String::new, |payload| format!("; a payload that shows it: {payload}"))
}

/// Finds every contradiction among modules, the first of each kind for each place.
pub(crate) fn contradictions(
    modules: &[Module],
    contracts: &[ContractInfo],
    now: Timestamp,
) -> Vec<Contradiction> {
    let mut found = Vec::new();
    names(modules, &mut found);
    ownership(modules, &mut found);
    readers(modules, contracts, &mut found);
    commands(modules, &mut found);
    super::job_borders::contradictions(modules, now, &mut found);
    for module in modules {
        super::former::contradictions(module, &mut found);
    }
    found
}

/// Among which a name must be the only one.
#[derive(Clone, Copy)]
enum Space {
    /// The consumers of the log.
    Consumers,
    /// Its like.
    Own,
    /// None: several may mean the same.
    Shared,
}

fn names(modules: &[Module], found: &mut Vec<Contradiction>) {
    let mut seen = HashSet::new();
    let mut check = |what: &'static str, module: Option<&str>, name: &str, space: Space| {
        let full = module.map_or_else(|| name.to_owned(), |module| format!("{module}.{name}"));
        if !is_name(name) {
            found.push(Contradiction::Name { what, name: full.clone() });
        }
        // Listeners, commands and replies are all consumers of the log, and share one set of names.
        let space = match space {
            Space::Consumers => "consumer",
            Space::Own => what,
            Space::Shared => return,
        };
        if !seen.insert((space, full.clone())) {
            found.push(Contradiction::Duplicate { what, name: full });
        }
    };
    for module in modules {
        check("module", None, &module.name, Space::Own);
        for listener in &module.listeners {
            check("listener", Some(&module.name), &listener.name, Space::Consumers);
        }
        for (name, _) in &module.replies {
            check("reply handler", Some(&module.name), name, Space::Consumers);
        }
        for command in &module.commands {
            check("command", Some(&module.name), local(&module.name, command.name), Space::Consumers);
        }
        for job in &module.jobs {
            check("queue", None, &job.queue.name, Space::Shared);
            check("job", Some(&module.name), local(&module.name, job.route.name), Space::Own);
        }
        for cron in &module.crons {
            check("recurring job", Some(&module.name), &cron.name, Space::Own);
        }
        for query in &module.queries {
            check("query", Some(&module.name), local(&module.name, query.name), Space::Own);
        }
    }
}

pub(super) fn local<'n>(module: &str, full: &'n str) -> &'n str {
    full.strip_prefix(module).and_then(|rest| rest.strip_prefix('.')).unwrap_or(full)
}

fn is_name(name: &str) -> bool {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.chars().all(rest)
}

/// A plain name, without quotes and without the database's name: two spellings of one table would have two owners.
fn is_table_name(table: &str) -> bool {
    let rest = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$');
    table.starts_with(|c: char| c.is_alphabetic() || c == '_') && table.chars().all(rest)
}

fn ownership(modules: &[Module], found: &mut Vec<Contradiction>) {
    let mut events: BTreeMap<&str, &str> = BTreeMap::new();
    let mut tables: BTreeMap<String, &str> = BTreeMap::new();
    for module in modules {
        for contract in &module.owned {
            if contract.owner != module.name {
                found.push(Contradiction::NotTheContractsOwner {
                    event: contract.name.to_owned(),
                    module: module.name.clone(),
                    owner: contract.owner.to_owned(),
                });
            }
            if let Some(first) = events.insert(contract.name, &module.name) {
                found.push(Contradiction::EventOwners {
                    event: contract.name.to_owned(),
                    first: first.to_owned(),
                    second: module.name.clone(),
                });
            }
        }
        for table in &module.tables {
            if !is_table_name(table) {
                found.push(Contradiction::TableName { module: module.name.clone(), table: table.clone() });
            }
            // Table names are not case-sensitive in SQL, so neither is this.
            if let Some(first) = tables.insert(table.to_lowercase(), &module.name) {
                found.push(Contradiction::TableOwners {
                    table: table.clone(),
                    first: first.to_owned(),
                    second: module.name.clone(),
                });
            }
        }
    }
}

fn readers(modules: &[Module], contracts: &[ContractInfo], found: &mut Vec<Contradiction>) {
    let owned: HashMap<&str, &ContractInfo> =
        modules.iter().flat_map(|module| &module.owned).map(|contract| (contract.name, contract)).collect();
    for module in modules {
        for listener in &module.listeners {
            let full = format!("{}.{}", module.name, listener.name);
            let first = listener.routes.first().map(|route| route.driver);
            if listener.routes.iter().any(|route| Some(route.driver) != first) {
                found.push(Contradiction::MixedDrivers { listener: full.clone() });
            }
            let mut events = HashSet::new();
            for route in &listener.routes {
                if !events.insert(route.event) {
                    found.push(Contradiction::EventTwice {
                        listener: full.clone(),
                        event: route.event.to_owned(),
                    });
                }
                match owned.get(route.event) {
                    Some(contract) => found.extend(cannot_read(&full, route, contract)),
                    None if contracts.iter().any(|contract| contract.name == route.event) => {}
                    None => found.push(Contradiction::UnknownEvent {
                        listener: full.clone(),
                        event: route.event.to_owned(),
                    }),
                }
            }
        }
    }
}

/// Holds a reader against the version that the event's owner publishes.
fn cannot_read(
    listener: &str,
    route: &crate::handler::Route,
    contract: &ContractInfo,
) -> Option<Contradiction> {
    match readable(route, contract) {
        Readable::Yes => None,
        Readable::No { problem, witness } => Some(Contradiction::CannotRead {
            listener: listener.to_owned(),
            event: contract.name.to_owned(),
            version: contract.version,
            problem,
            witness,
        }),
        Readable::Unknown(why) => {
            tracing::warn!(
                listener,
                event = contract.name,
                version = contract.version,
                "it cannot be decided whether the listener reads the version that is published: {why}; \
                 derive its reader against that version, or show a payload in the schema's `examples`"
            );
            None
        }
    }
}

fn commands(modules: &[Module], found: &mut Vec<Contradiction>) {
    let mut handlers: HashMap<&str, &Module> = HashMap::new();
    for module in modules {
        for command in &module.commands {
            handlers.insert(command.name, module);
        }
        let names = module.commands.iter().map(|command| ("command", command.name));
        let names = names.chain(module.queries.iter().map(|query| ("query", query.name)));
        let names = names.chain(module.jobs.iter().map(|job| ("job", job.route.name)));
        for (what, name) in names.filter(|(_, name)| local(&module.name, name) == *name) {
            found.push(Contradiction::ForeignName {
                module: module.name.clone(),
                what,
                name: name.to_owned(),
            });
        }
    }
    for module in modules {
        for command in &module.sends {
            match handlers.get(command) {
                None => found.push(Contradiction::UnknownCommand {
                    module: module.name.clone(),
                    command: (*command).to_owned(),
                }),
                Some(owner) if owner.context != module.context => found.push(Contradiction::CrossesBorder {
                    module: module.name.clone(),
                    from: module.context.clone(),
                    command: (*command).to_owned(),
                    to: owner.context.clone(),
                }),
                Some(_) => {}
            }
        }
    }
}
