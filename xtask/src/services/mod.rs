//! The services that tests talk to. Where one comes from, in this order: the address in the environment; a
//! running Docker engine with Compose; Debian's packages, started here on loopback with a data folder and a
//! port of their own.
//!
//! A service is one file (see `postgres`) that implements [`Service`]; its name is added to [`Kind`].

mod compose;
mod host;
mod packages;
mod postgres;
mod process;
mod state;

use crate::workspace::Workspace;
use anyhow::{Context, Result};
use state::{Origin, State};

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    Postgres,
}

#[derive(clap::Subcommand)]
pub(crate) enum Action {
    /// Start a service if none is there, and print its address
    Up { service: Kind },
    /// Stop a service that was started here, and delete its data
    Down { service: Kind },
    /// Print the address of a service that is there
    Url { service: Kind },
}

/// What one service knows of itself; the order of sources and the bookkeeping are shared.
trait Service {
    /// Also its name in compose.yaml, and of its folder below `target/services`.
    fn name(&self) -> &'static str;

    /// Says in the environment where the service is; tests read the same variable.
    fn url_variable(&self) -> &'static str;

    fn container_port(&self) -> u16;

    /// The address of the container that compose.yaml describes.
    fn container_url(&self, port_on_host: u16) -> String;

    /// Starts the service from Debian's packages, and returns when it answers. Nothing stays behind on an
    /// error.
    fn start(&self, state: &State) -> Result<()>;

    /// Stops what `start` started, and deletes its data. A process that has gone already is no error.
    fn stop(&self, state: &State) -> Result<()>;

    /// Whether what `start` started still answers.
    fn is_ready(&self, state: &State) -> bool;
}

impl Kind {
    pub(crate) fn url_variable(self) -> &'static str {
        self.service().url_variable()
    }

    fn service(self) -> &'static dyn Service {
        match self {
            Kind::Postgres => &postgres::Postgres,
        }
    }
}

pub(crate) fn run(workspace: &Workspace, action: Action) -> Result<()> {
    match action {
        Action::Up { service } => {
            let up = up(service.service(), workspace)?;
            println!("{}", up.url);
        }
        Action::Down { service } => down(service.service(), workspace)?,
        Action::Url { service } => println!("{}", url(service.service(), workspace)?),
    }
    Ok(())
}

struct Up {
    url: String,
    /// Whether this call started it, and so its caller is the one to stop it.
    is_ours: bool,
}

fn up(service: &dyn Service, workspace: &Workspace) -> Result<Up> {
    let found = |url| Up { url, is_ours: false };
    if let Some(url) = given_url(service) {
        eprintln!("{}: from {}", service.name(), service.url_variable());
        return Ok(found(url));
    }
    let state = State::of(workspace, service.name());
    if let Some(url) = running_url(service, workspace, &state) {
        eprintln!("{}: runs already", service.name());
        return Ok(found(url));
    }
    // What an unclean end left behind: a process that does not answer, a data folder.
    stop(service, workspace, &state)?;
    state.create()?;

    if compose::is_usable(workspace) {
        start_container(service, workspace, &state)?;
    } else {
        state.set_origin(Origin::Process)?;
        service.start(&state).with_context(|| format!("cannot start {}", service.name()))?;
        eprintln!("{}: started, log in {}", service.name(), state.log().display());
    }
    Ok(Up { url: state.url()?, is_ours: true })
}

fn start_container(service: &dyn Service, workspace: &Workspace, state: &State) -> Result<()> {
    state.set_origin(Origin::Container)?;
    let port = compose::up(workspace, service.name(), service.container_port())?;
    state.set_port(port)?;
    state.set_url(&service.container_url(port))?;
    eprintln!("{}: started in a container", service.name());
    Ok(())
}

fn down(service: &dyn Service, workspace: &Workspace) -> Result<()> {
    let state = State::of(workspace, service.name());
    if !state.exists() {
        eprintln!("{}: nothing was started here", service.name());
        return Ok(());
    }
    stop(service, workspace, &state)?;
    eprintln!("{}: stopped", service.name());
    Ok(())
}

fn stop(service: &dyn Service, workspace: &Workspace, state: &State) -> Result<()> {
    match state.origin() {
        Some(Origin::Container) => compose::down(workspace, service.name())?,
        Some(Origin::Process) => service.stop(state)?,
        None => {}
    }
    state.remove()
}

fn url(service: &dyn Service, workspace: &Workspace) -> Result<String> {
    given_url(service)
        .or_else(|| running_url(service, workspace, &State::of(workspace, service.name())))
        .with_context(|| {
            let (name, variable) = (service.name(), service.url_variable());
            format!("no {name} here; start one with `cargo xtask services up {name}`, or set {variable}")
        })
}

fn given_url(service: &dyn Service) -> Option<String> {
    std::env::var(service.url_variable()).ok().filter(|url| !url.trim().is_empty())
}

fn running_url(service: &dyn Service, workspace: &Workspace, state: &State) -> Option<String> {
    let is_running = match state.origin()? {
        Origin::Container => compose::is_running(workspace, service.name()),
        Origin::Process => service.is_ready(state),
    };
    is_running.then(|| state.url().ok()).flatten()
}

/// Sees to it that there is a program that tests start themselves.
pub(crate) fn need_program(program: &str, package: &str) -> Result<()> {
    if packages::has_program(program) {
        return Ok(());
    }
    packages::install(package)?;
    anyhow::ensure!(packages::has_program(program), "the package {package} brought no {program}");
    Ok(())
}

/// A service for as long as someone needs it. One that was there before stays.
pub(crate) struct Lease {
    kind: Kind,
    up: Up,
    workspace: Option<Workspace>,
}

impl Lease {
    pub(crate) fn obtain(kind: Kind, workspace: &Workspace) -> Result<Self> {
        let up = up(kind.service(), workspace)?;
        let workspace = up.is_ours.then(|| workspace.clone());
        Ok(Self { kind, up, workspace })
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub(crate) fn url(&self) -> &str {
        &self.up.url
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(workspace) = &self.workspace
            && let Err(error) = down(self.kind.service(), workspace)
        {
            eprintln!("warning: {error:#}");
        }
    }
}
