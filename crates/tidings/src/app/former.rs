//! Names that a module's handlers had before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::borders::Contradiction;
use crate::module::Module;

/// The full names that a handler had before, the last one first: a handler that was renamed twice had two.
pub(super) fn former_names(module: &Module, name: &str) -> Vec<Arc<str>> {
    let mut former: Vec<&str> = Vec::new();
    let mut next = vec![name];
    while let Some(name) = next.pop() {
        for (old, _) in module.renamed.iter().filter(|(_, new)| new == name) {
            if !former.contains(&old.as_str()) {
                former.push(old);
                next.push(old);
            }
        }
    }
    former.into_iter().map(|name| format!("{}.{name}", module.name).into()).collect()
}

/// What is said of a name's past that cannot be true beside its present.
pub(super) fn contradictions(module: &Module, found: &mut Vec<Contradiction>) {
    let registered = registered(module);
    let mut successors: HashMap<&str, &str> = HashMap::new();
    let (owner, mut add) = (&module.name, |contradiction| found.push(contradiction));
    for (old, new) in &module.renamed {
        let full = |name: &str| format!("{owner}.{name}");
        if registered.contains(old.as_str()) {
            add(Contradiction::StillThere { name: full(old), said: "renamed" });
        }
        if let Some(first) = successors.insert(old, new).filter(|first| first != new) {
            add(Contradiction::RenamedTwice { name: full(old), first: full(first), second: full(new) });
        }
        if !leads_to_a_handler(module, &registered, new) {
            add(Contradiction::RenamedToUnknown { name: full(old), new: full(new) });
        }
    }
    for (name, reason) in &module.retired {
        let full = || format!("{owner}.{name}");
        if registered.contains(name.as_str()) {
            add(Contradiction::StillThere { name: full(), said: "retired" });
        }
        if let Some(new) = successors.get(name.as_str()) {
            add(Contradiction::RenamedAndRetired { name: full(), new: format!("{owner}.{new}") });
        }
        if reason.trim().is_empty() {
            add(Contradiction::NoReason { name: full() });
        }
    }
}

fn leads_to_a_handler(module: &Module, registered: &HashSet<&str>, name: &str) -> bool {
    let mut name = name;
    // No chain of names is longer than this, unless it goes round in a circle.
    for _ in 0..=module.renamed.len() {
        if registered.contains(name) {
            return true;
        }
        match module.renamed.iter().find(|(old, _)| old == name) {
            Some((_, next)) => name = next,
            None => return false,
        }
    }
    false
}

/// The names of what keeps progress in the log, without the module.
fn registered(module: &Module) -> HashSet<&str> {
    let prefix = format!("{}.", module.name);
    let listeners = module.listeners.iter().map(|listener| listener.name.as_str());
    let replies = module.replies.iter().map(|(name, _)| name.as_str());
    let commands = module.commands.iter();
    let commands = commands.map(|command| command.name.strip_prefix(&prefix).unwrap_or(command.name));
    listeners.chain(replies).chain(commands).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_has_all_the_names_it_ever_had() {
        let module = Module::new("m").renamed("a", "b").renamed("b", "c").renamed("x", "c").renamed("y", "z");
        let names = |name| former_names(&module, name).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names("c"), ["m.b", "m.x", "m.a"]);
        assert_eq!(names("a"), [""; 0]);
        let circle = Module::new("m").renamed("a", "b").renamed("b", "a");
        assert_eq!(former_names(&circle, "a").len(), 2, "it ends");
    }
}
