//! Consumers on record that nobody stands for any more.

use tidings_core::store::ConsumerStatus;

use super::build::BuildError;
use super::{Consumer, Shared};

/// A consumer on record that no handler stands for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} `{name}`: {lag} messages not read, {parked} parked or dead")]
pub struct Orphan {
    kind: &'static str,
    name: String,
    lag: u64,
    parked: u64,
}

impl Orphan {
    fn of(status: &ConsumerStatus) -> Self {
        Self {
            kind: status.kind.as_str(),
            name: status.name.to_string(),
            lag: status.lag,
            parked: status.retrying + status.behind + status.dead,
        }
    }

    fn has_work(&self) -> bool {
        self.lag + self.parked > 0
    }
}

/// Refuses a start that would strand work, unless the configuration allows it, and tells of every orphan: even one
/// without work holds back retention from now on, and has work as soon as something arrives.
pub(super) async fn refuse_orphans(
    shared: &Shared,
    consumers: &[Consumer],
    retired: &[(String, String)],
) -> Result<(), BuildError> {
    let on_record = shared.store.consumers().await?;
    let orphans: Vec<Orphan> = on_record
        .iter()
        .filter(|status| is_orphan(status, consumers, retired, &on_record))
        .map(Orphan::of)
        .collect();
    // On an empty store there is nothing to retire, which is as it should be.
    let is_unknown = |name: &String| on_record.iter().all(|status| *status.name != **name);
    for (name, _) in retired.iter().filter(|(name, _)| !on_record.is_empty() && is_unknown(name)) {
        tracing::warn!(consumer = %name, "`{name}` is declared retired, but no such consumer is on record: is it spelt right?");
    }
    let (with_work, idle): (Vec<_>, Vec<_>) = orphans.into_iter().partition(Orphan::has_work);
    for orphan in &idle {
        tracing::warn!(
            consumer = orphan.name,
            "{} `{}` has no handler any more; it holds back retention, and what arrives for it will stop the next start: \
             keep its progress with `.renamed(old, new)`, or give it up with `.retired(name, reason)`",
            orphan.kind,
            orphan.name
        );
    }
    if !with_work.is_empty() && !shared.config.start.allow_orphans {
        return Err(BuildError::Orphans(with_work));
    }
    for orphan in &with_work {
        tracing::warn!(
            consumer = orphan.name,
            lag = orphan.lag,
            parked = orphan.parked,
            "orphaned work is kept: {orphan}"
        );
    }
    Ok(())
}

fn is_orphan(
    status: &ConsumerStatus,
    consumers: &[Consumer],
    retired: &[(String, String)],
    on_record: &[ConsumerStatus],
) -> bool {
    let name = &status.name;
    let has_handler = || consumers.iter().any(|consumer| consumer.spec.name == *name);
    let is_given_up = || status.retired.is_some() || retired.iter().any(|(retired, _)| **retired == **name);
    // A former name hands its progress over only while the new name has none of its own.
    let lives = |name: &str| on_record.iter().any(|status| *status.name == *name && status.retired.is_none());
    let is_taken_over = || {
        let mut heirs = consumers.iter().filter(|consumer| !lives(&consumer.spec.name));
        heirs.any(|heir| heir.spec.aliases.iter().find(|alias| lives(alias)) == Some(name))
    };
    !has_handler() && !is_given_up() && !is_taken_over()
}
