//! Telling other processes that something was committed: NOTIFY, in a transaction of its own, and one for all that has come
//! together while the last one was under way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tidings_core::store::{Crew, WorkerId};

use crate::pool::{Alone as _, Pool};
use crate::watch::{Untold, Watchers};

/// At least so long between two of them: each is a commit.
const PAUSE: Duration = Duration::from_millis(5);

/// PostgreSQL takes less than 8,000 bytes.
const QUEUES_BYTES_MAX: usize = 7_000;

/// Who tells, and where.
pub(crate) struct Teller {
    pub(crate) pool: Pool,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) channel: String,
    /// Tells this store's own words from others'.
    pub(crate) voice: String,
    /// The worker that this process was last enlisted as.
    pub(crate) own: AtomicI64,
    /// No other worker was alive when it was last asked: there is nobody to tell. One who has come since polls.
    pub(crate) is_alone: AtomicBool,
}

/// What somebody was told.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) voice: String,
    pub(crate) messages: bool,
    pub(crate) crew: bool,
    /// `None` stands for all.
    pub(crate) queues: Option<Vec<String>>,
}

impl Teller {
    /// Tells whatever there is to tell, for as long as the store is open.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            self.watchers.tell.notified().await;
            self.tell().await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Whether anybody is there to be told. A process that has no worker of its own is never alone: whoever comes is another's.
    pub(crate) fn looks_at(&self, crew: &Crew) {
        let own = WorkerId(self.own.load(Ordering::Relaxed));
        let is_alone = crew.members.len() == 1 && crew.members.contains_key(&own);
        self.is_alone.store(is_alone, Ordering::Relaxed);
    }

    /// Tells what is untold now.
    pub(crate) async fn tell(&self) {
        let untold = self.watchers.take_untold();
        if untold.is_empty() || (self.is_alone.load(Ordering::Relaxed) && !untold.crew) {
            return;
        }
        let (words, crew) = (text(&self.voice, &untold), untold.crew);
        // A stop may break this off, and its last word is then said again.
        let mut unsaid = Unsaid { watchers: &self.watchers, untold };
        let told = sqlx::query(include_str!("../queries/notify.sql"))
            .bind(&self.channel)
            .bind(words)
            .bind(crew)
            .run(&self.pool);
        // Where it fails, others find by polling what there is.
        drop(told.await);
        unsaid.untold = Untold::default();
    }
}

/// What is under way to be told; untold again if it is dropped before that.
struct Unsaid<'t> {
    watchers: &'t Watchers,
    untold: Untold,
}

impl Drop for Unsaid<'_> {
    fn drop(&mut self) {
        self.watchers.still_to_tell(std::mem::take(&mut self.untold));
    }
}

fn text(voice: &str, untold: &Untold) -> String {
    let bytes: usize = untold.queues.iter().map(|queue| queue.len() + 8).sum();
    let queues =
        (bytes <= QUEUES_BYTES_MAX).then(|| untold.queues.iter().map(|queue| &**queue).collect::<Vec<_>>());
    json!({ "voice": voice, "messages": untold.messages, "crew": untold.crew, "queues": queues }).to_string()
}

/// Understands what was told; what is not understood may be anything.
pub(crate) fn understand(text: &str) -> Told {
    let told: Value = serde_json::from_str(text).unwrap_or_default();
    let flag = |name: &str| told.get(name).and_then(Value::as_bool).unwrap_or(true);
    let queues = told.get("queues").and_then(Value::as_array);
    Told {
        voice: told.get("voice").and_then(Value::as_str).unwrap_or_default().to_owned(),
        messages: flag("messages"),
        crew: flag("crew"),
        queues: queues.map(|queues| queues.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood() {
        let mut untold = Untold { messages: true, ..Untold::default() };
        untold.queues.insert("mail \"now\"".into());
        let told = understand(&text("v", &untold));
        let queues = Some(vec!["mail \"now\"".to_owned()]);
        assert_eq!(told, Told { voice: "v".to_owned(), messages: true, crew: false, queues });
        untold.queues.extend((0..1_000).map(|queue| format!("queue-{queue:010}").into()));
        let long = text("v", &untold);
        assert!(long.len() < 8_000 && understand(&long).queues.is_none());
        let odd = understand("what?");
        assert!(odd.messages && odd.crew && odd.queues.is_none());
    }
}
