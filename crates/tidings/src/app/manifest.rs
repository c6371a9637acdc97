//! Who talks to whom, drawn from the declarations.

use serde::{Deserialize, Serialize};

use crate::module::Module;

/// The modules of an application with everything that crosses their borders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The modules, in the order of registration.
    pub modules: Vec<ModuleManifest>,
}

/// One module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleManifest {
    /// The module's name.
    pub module: String,
    /// The context it belongs to.
    pub context: String,
    /// The events it publishes.
    pub publishes: Vec<Publishes>,
    /// The events it reads, down to the fields.
    pub consumes: Vec<Consumes>,
    /// The commands it handles.
    pub commands: Vec<String>,
    /// The commands it sends.
    pub sends: Vec<String>,
    /// The queries it answers.
    pub queries: Vec<String>,
    /// The jobs it does.
    #[serde(default)]
    pub jobs: Vec<Does>,
    /// Its recurring jobs.
    #[serde(default)]
    pub crons: Vec<Recurs>,
    /// The tables it owns.
    pub tables: Vec<String>,
}

/// A job as done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Does {
    /// The job.
    pub job: String,
    /// The queue it waits in.
    pub queue: String,
}

/// A recurring job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurs {
    /// Its name within the module.
    pub name: String,
    /// When, as a line of cron.
    pub expression: String,
    /// In which time zone.
    pub zone: String,
    /// The job that is enqueued.
    pub job: String,
}

/// An event as published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publishes {
    /// The event.
    pub event: String,
    /// The version it is published in.
    pub version: u32,
}

/// An event as read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consumes {
    /// The event.
    pub event: String,
    /// The versions its fields were checked against.
    pub versions: Vec<u32>,
    /// The fields read.
    pub fields: Vec<String>,
    /// The listener.
    pub handler: String,
}

impl Manifest {
    pub(crate) fn of(modules: &[Module]) -> Self {
        Self { modules: modules.iter().map(module_manifest).collect() }
    }
}

fn module_manifest(module: &Module) -> ModuleManifest {
    let owned = |names: &mut dyn Iterator<Item = &'static str>| names.map(str::to_owned).collect();
    ModuleManifest {
        module: module.name.clone(),
        context: module.context.clone(),
        publishes: (module.owned.iter())
            .map(|contract| Publishes { event: contract.name.to_owned(), version: contract.version })
            .collect(),
        consumes: (module.listeners.iter())
            .flat_map(|listener| listener.routes.iter().map(move |route| (listener, route)))
            .map(|(listener, route)| Consumes {
                event: route.event.to_owned(),
                versions: route.versions.to_vec(),
                fields: route.fields.iter().map(|field| (*field).to_owned()).collect(),
                handler: listener.name.clone(),
            })
            .collect(),
        commands: owned(&mut module.commands.iter().map(|command| command.name)),
        sends: owned(&mut module.sends.iter().copied()),
        queries: owned(&mut module.queries.iter().map(|query| query.name)),
        jobs: (module.jobs.iter())
            .map(|job| Does { job: job.route.name.to_owned(), queue: job.queue.name.clone() })
            .collect(),
        crons: (module.crons.iter())
            .map(|cron| Recurs {
                name: cron.name.clone(),
                expression: cron.expression.clone(),
                zone: cron.zone.clone(),
                job: cron.job.to_owned(),
            })
            .collect(),
        tables: module.tables.clone(),
    }
}
