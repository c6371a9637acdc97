//! Getting the programs: each from its registry, at the versions of its lock file, built below the target folder. One that
//! cannot be had is named with the reason, and the rest goes on.

use std::path::{Path, PathBuf};
use std::process::Command;

use tidings_peers_contract::Result;

use crate::program::Ready;
use crate::roster::{Origin, Program};

/// What graphile-worker and pg-boss ask for.
const NODE_AT_LEAST: (u32, u32) = (22, 18);

/// Where things are.
pub(crate) struct Places {
    /// The workspace.
    pub(crate) root: PathBuf,
    /// `benches/peers`.
    sources: PathBuf,
    /// What is built and installed, below the target folder.
    pub(crate) state: PathBuf,
    /// Where cargo has put this program, and puts its neighbours.
    binaries: PathBuf,
    is_release: bool,
}

impl Places {
    pub(crate) fn find() -> Result<Self> {
        let sources = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let root = sources.join("../..").canonicalize()?;
        let binaries = std::env::current_exe()?.parent().ok_or("a program is in a folder")?.to_owned();
        let target = binaries.parent().ok_or("the target folder")?.to_owned();
        let is_release = binaries.ends_with("release");
        let state = target.join("peers");
        std::fs::create_dir_all(&state)?;
        Ok(Self { root, sources, state, binaries, is_release })
    }
}

/// Who is ready, and who is missing, with the reason.
pub(crate) struct Roster {
    pub(crate) ready: Vec<Ready>,
    pub(crate) missing: Vec<(&'static str, String)>,
}

pub(crate) async fn all(places: &Places, programs: &[&'static Program]) -> Result<Roster> {
    let mut roster = Roster { ready: Vec::new(), missing: Vec::new() };
    for program in programs {
        eprintln!("getting {}", program.name);
        let ready = match build(places, &program.origin) {
            Ok(command) => Ready::ask(program, command).await,
            Err(error) => Err(error),
        };
        match ready {
            Ok(ready) => roster.ready.push(ready),
            Err(error) => {
                eprintln!("missing: {}: {error}", program.name);
                roster.missing.push((program.name, error.to_string()));
            }
        }
    }
    if !places.is_release {
        eprintln!("warning: what is in Rust is built without optimisation; add --release");
    }
    Ok(roster)
}

/// Answers with the command that starts it.
fn build(places: &Places, origin: &Origin) -> Result<Vec<String>> {
    let command = match origin {
        Origin::Binary(name) => vec![binary(places, name)?],
        Origin::Crate { folder, binary } => vec![rust_crate(places, folder, binary)?],
        Origin::Node { folder } => node(places, folder)?,
        Origin::Go { folder, binary } => vec![go(places, folder, binary)?],
        Origin::Maven { folder, jar } => maven(places, folder, jar)?,
        Origin::Absent(reason) => return Err((*reason).into()),
    };
    Ok(command.into_iter().map(|word| word.to_string_lossy().into_owned()).collect())
}

fn cargo(places: &Places) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked"]);
    if places.is_release {
        cargo.arg("--release");
    }
    cargo
}

fn binary(places: &Places, name: &str) -> Result<PathBuf> {
    let target = places.binaries.parent().ok_or("the target folder")?;
    let mut cargo = cargo(places);
    cargo
        .current_dir(&places.root)
        .args(["--package", "tidings-peers", "--bin", name, "--target-dir"])
        .arg(target);
    done(&mut cargo)?;
    Ok(places.binaries.join(name))
}

/// With a lock file of its own, outside the workspace.
fn rust_crate(places: &Places, folder: &str, binary: &str) -> Result<PathBuf> {
    let target = places.state.join("cargo");
    let mut cargo = cargo(places);
    cargo.current_dir(places.sources.join(folder)).arg("--target-dir").arg(&target);
    done(&mut cargo)?;
    Ok(target.join(if places.is_release { "release" } else { "debug" }).join(binary))
}

/// npm installs beside the sources, so they are copied to where that harms nobody.
fn node(places: &Places, folder: &str) -> Result<Vec<PathBuf>> {
    let node = node_itself(places)?;
    let stage = stage(places, folder)?;
    std::fs::copy(places.sources.join("node/contract.mjs"), places.state.join("node/contract.mjs"))?;
    npm_ci(&stage)?;
    Ok(vec![node, stage.join("main.mjs")])
}

fn npm_ci(folder: &Path) -> Result<()> {
    let mut npm = Command::new("npm");
    npm.current_dir(folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    done(&mut npm)
}

fn node_itself(places: &Places) -> Result<PathBuf> {
    if is_new_enough(Path::new("node")) {
        return Ok("node".into());
    }
    let folder = stage(places, "node/runtime")?;
    npm_ci(&folder)?;
    let modules = folder.join("node_modules");
    let installed = std::fs::read_dir(&modules)?.flatten().map(|entry| entry.path().join("bin/node"));
    let mut installed = installed.filter(|node| is_new_enough(node));
    let (major, minor) = NODE_AT_LEAST;
    Ok(installed
        .next()
        .ok_or_else(|| format!("no Node.js {major}.{minor} here, and none from npm for this machine"))?)
}

fn is_new_enough(node: &Path) -> bool {
    let Ok(output) = Command::new(node).arg("--version").output() else { return false };
    let version = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = version.trim().trim_start_matches('v').split('.').map_while(|word| word.parse().ok());
    matches!((numbers.next(), numbers.next()), (Some(major), Some(minor)) if (major, minor) >= NODE_AT_LEAST)
}

fn go(places: &Places, folder: &str, binary: &str) -> Result<PathBuf> {
    let output = places.state.join("go").join(binary);
    let mut go = Command::new("go");
    go.current_dir(places.sources.join(folder)).args(["build", "-mod=readonly", "-o"]).arg(&output).arg(".");
    done(&mut go)?;
    Ok(output)
}

/// Maven builds beside the sources, too.
fn maven(places: &Places, folder: &str, jar: &str) -> Result<Vec<PathBuf>> {
    let stage = stage(places, folder)?;
    let mut maven = Command::new("mvn");
    maven.current_dir(&stage).args(["--quiet", "--batch-mode", "package"]);
    done(&mut maven)?;
    Ok(vec!["java".into(), "-jar".into(), stage.join("target").join(jar)])
}

fn stage(places: &Places, folder: &str) -> Result<PathBuf> {
    let stage = places.state.join(folder);
    copy(&places.sources.join(folder), &stage)?;
    Ok(stage)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            copy(&source, &target)?;
        } else {
            std::fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// What a builder says goes to standard error, all of it; the reason kept is short.
fn done(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    // Standard output is the report's.
    let output = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|error| format!("`{program}` is not on this machine ({error})"))?;
    eprint!("{}", String::from_utf8_lossy(&output.stdout));
    if output.status.success() {
        return Ok(());
    }
    let task = words.iter().find(|word| !word.starts_with('-')).map_or("", String::as_str);
    Err(format!("`{program} {task}` ended with {}; what it said is above", output.status).into())
}
