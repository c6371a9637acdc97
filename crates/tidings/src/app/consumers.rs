//! The consumers of a module: its listeners, and its handlers of durable commands and of replies.

use std::sync::Arc;

use tidings_core::store::{ConsumerKind, ConsumerSpec, Filter, Start};

use super::former::former_names;
use super::{Consumer, ConsumerWork};
use crate::config::Config;
use crate::module::{Module, ModuleFacts};

/// Where a handler of commands or replies starts that is new under its name. Nothing that it should do can be older: only
/// an application that has the handler accepts its commands, and a handler that had another name goes on where that one
/// stood. What does lie in the log under its name was carried out by somebody, and would be carried out again.
const FROM_NOW_ON: Start = Start::Now;

/// A handler that was renamed also takes what was sent to it under its former names.
pub(super) fn consumers_of(mut module: Module, facts: &Arc<ModuleFacts>, config: &Config) -> Vec<Consumer> {
    let listeners = std::mem::take(&mut module.listeners);
    let make =
        |name: &str, kind: ConsumerKind, names: Vec<Arc<str>>, start: Start, work: ConsumerWork| Consumer {
            spec: ConsumerSpec {
                name: format!("{}.{name}", module.name).into(),
                kind,
                filter: Filter::all(kind.reads(), names),
                start,
                aliases: former_names(&module, name),
                partitions: config.listeners.partitions,
            },
            module: facts.clone(),
            work,
            schedule: config.schedule(),
            continue_after_dead: false,
        };
    let mut consumers = Vec::new();
    for command in &module.commands {
        let local = command.name.strip_prefix(&format!("{}.", module.name)).unwrap_or(command.name);
        let names = [command.name.into()].into_iter().chain(former_names(&module, local)).collect();
        let work = ConsumerWork::Carry(command.clone());
        consumers.push(make(local, ConsumerKind::CommandHandler, names, FROM_NOW_ON, work));
    }
    for (name, reply) in &module.replies {
        let names = [format!("{}.{name}", module.name).into()].into_iter();
        let names = names.chain(former_names(&module, name)).collect();
        let work = ConsumerWork::TakeReply(reply.clone());
        consumers.push(make(name, ConsumerKind::ReplyHandler, names, FROM_NOW_ON, work));
    }
    for listener in listeners {
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
