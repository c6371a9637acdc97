//! From what modules declare to the jobs and queues of an application.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokio::sync::Semaphore;

use super::cron::Cron;
use super::{JobBook, JobFacts, QueueFacts};
use crate::config::{Config, ConfigError};
use crate::module::{Module, ModuleFacts};

/// Joins what the jobs say of their queues with the configuration. The declarations do not contradict each other, which
/// the application's start has seen to.
pub(crate) fn book(
    modules: &mut [Module],
    facts: &HashMap<String, Arc<ModuleFacts>>,
    config: &Config,
) -> Result<JobBook, ConfigError> {
    let queues = queues(modules, config)?;
    let (mut jobs, mut crons) = (HashMap::new(), Vec::new());
    for module in modules {
        let Some(facts) = facts.get(&module.name) else { continue };
        for declared in std::mem::take(&mut module.jobs) {
            let Some(queue) = queues.get(&declared.queue.name) else { continue };
            let (name, options) = (declared.route.name, declared.options);
            let job = JobFacts {
                name: name.into(),
                label: format!("job `{name}`").into(),
                module: facts.clone(),
                route: declared.route,
                queue: queue.clone(),
                schedule: options.schedule.unwrap_or_else(|| config.jobs.schedule()),
                timeout: options.timeout.unwrap_or_else(|| config.jobs.timeout()),
                priority: options.priority,
                continue_after_dead: options.continue_after_dead,
            };
            jobs.insert(name, Arc::new(job));
        }
        let declared = std::mem::take(&mut module.crons).into_iter();
        crons.extend(declared.filter_map(|declared| Cron::of(declared, facts)).map(Arc::new));
    }
    Ok(JobBook::new(jobs, queues.into_values().collect(), crons))
}

fn queues(modules: &[Module], config: &Config) -> Result<BTreeMap<String, Arc<QueueFacts>>, ConfigError> {
    let mut queues: BTreeMap<String, QueueFacts> = BTreeMap::new();
    for declared in modules.iter().flat_map(|module| &module.jobs) {
        let name = &declared.queue.name;
        let queue = queues.entry(name.clone()).or_insert_with(|| QueueFacts {
            name: name.as_str().into(),
            label: format!("queue `{name}`").into(),
            concurrency: config.jobs.concurrency,
            concurrency_overall: None,
            rate: None,
            jobs: Vec::new(),
            is_worked: config.start.workers
                && (config.jobs.only.is_empty() || config.jobs.only.contains(name)),
            slots: Arc::new(Semaphore::new(0)),
        });
        queue.jobs.push(declared.route.name.into());
        queue.concurrency = declared.queue.concurrency.unwrap_or(queue.concurrency);
        queue.concurrency_overall = overall(declared.queue.concurrency_overall).or(queue.concurrency_overall);
        queue.rate = declared.queue.rate.or(queue.rate);
    }
    let known =
        |queues: &BTreeMap<String, QueueFacts>| queues.keys().cloned().collect::<Vec<_>>().join("`, `");
    let unknown = |place: &str, name: &str, known: String| ConfigError::Invalid {
        place: "configuration".to_owned(),
        problem: format!("`{place}` names queue `{name}`, in which no job waits; there are `{known}`"),
    };
    for (name, settings) in &config.queues {
        let Some(queue) = queues.get_mut(name) else {
            return Err(unknown(&format!("queues.{name}"), name, known(&queues)));
        };
        queue.concurrency = settings.concurrency.unwrap_or(queue.concurrency);
        queue.concurrency_overall = overall(settings.concurrency_overall).or(queue.concurrency_overall);
        queue.rate = settings.rate().or(queue.rate);
    }
    if let Some(name) = config.jobs.only.iter().find(|name| !queues.contains_key(*name)) {
        return Err(unknown("jobs.only", name, known(&queues)));
    }
    let with_slots = |(name, mut queue): (String, QueueFacts)| {
        queue.concurrency = queue.concurrency.min(Semaphore::MAX_PERMITS);
        queue.slots = Arc::new(Semaphore::new(queue.concurrency));
        (name, Arc::new(queue))
    };
    Ok(queues.into_iter().map(with_slots).collect())
}

/// As the store counts.
fn overall(jobs: Option<usize>) -> Option<u32> {
    jobs.map(|jobs| u32::try_from(jobs).unwrap_or(u32::MAX))
}
