//! What other processes have appended: one look at the log's end for each poll interval and process, and at once when another
//! process says that there is something.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgListener;
use tidings_core::envelope::MessageKind;
use tidings_core::store::StoreError;
use tokio::time::Instant;

use crate::error::meaning;
use crate::pool::{Alone as _, Pool};
use crate::rows::{column, number, text};
use crate::tell::understand;
use crate::watch::Watchers;

/// Where more than this has appeared, all are woken: they would be found out more slowly one by one.
const MESSAGES_MAX: i64 = 2_000;

/// Where nobody can be listened to just now, it is tried again after so much time.
const LISTEN_AGAIN: Duration = Duration::from_secs(5);

/// Readers are woken once in so much time though nothing of theirs has appeared, if anything has at all: they move on past what
/// belongs to others, and need not look at it again after a restart.
const PASS_EVERY: Duration = Duration::from_secs(30);

pub(crate) struct Tail {
    pub(crate) pool: Pool,
    pub(crate) watchers: Arc<Watchers>,
    pub(crate) poll_interval: Duration,
    pub(crate) voice: String,
    /// Where others are listened to; `None` where only polling is possible.
    pub(crate) listen: Option<(sqlx::PgPool, String)>,
    seen: Option<Seen>,
    queues: Queues,
    passed_at: Instant,
    has_grown: bool,
}

/// What was seen of queues.
struct Queues {
    looks_at: Instant,
    /// When the next job of each was due that waits for its time.
    next: HashMap<String, Option<i64>>,
}

impl Default for Queues {
    fn default() -> Self {
        Self { looks_at: Instant::now(), next: HashMap::new() }
    }
}

/// How far was looked.
struct Seen {
    snapshot: String,
    crew: i64,
}

impl Tail {
    pub(crate) fn new(
        pool: Pool,
        watchers: Arc<Watchers>,
        poll_interval: Duration,
        voice: String,
        listen: Option<(sqlx::PgPool, String)>,
    ) -> Self {
        let passed_at = Instant::now();
        Self {
            pool,
            watchers,
            poll_interval,
            voice,
            listen,
            seen: None,
            queues: Queues::default(),
            passed_at,
            has_grown: false,
        }
    }

    /// Looks for as long as the store is open.
    pub(crate) async fn run(mut self) {
        let (mut listener, mut listens_at) = (None, Instant::now());
        loop {
            if listener.is_none() && listens_at <= Instant::now() {
                listens_at = Instant::now() + LISTEN_AGAIN;
                listener = self.listener().await;
            }
            if !self.watchers.has_any() {
                // What others say is read all the same: the server would keep it.
                tokio::select! {
                    () = self.watchers.came.notified() => {}
                    () = heard(&mut listener, &self.watchers, &self.voice) => {}
                }
            }
            let looked = match self.look().await {
                Ok(()) => self.look_at_queues().await,
                error => error,
            };
            if looked.is_err() {
                // Whoever is woken sees for himself what is wrong. If the server has crashed or is another one, what it had
                // seen before tells nothing.
                self.seen = None;
                self.queues.next.clear();
                self.watchers.wake_all();
            }
            tokio::select! {
                () = tokio::time::sleep(self.poll_interval) => {}
                () = heard(&mut listener, &self.watchers, &self.voice) => {}
            }
        }
    }

    async fn listener(&self) -> Option<PgListener> {
        let (pool, channel) = self.listen.as_ref()?;
        let mut listener = PgListener::connect_with(pool).await.ok()?;
        // Where it fails it is tried again later, and polling goes on.
        listener.listen(channel).await.ok()?;
        Some(listener)
    }

    /// Wakes those who wait for a queue in which there may be something for them: words of others may be missed, and nobody tells
    /// what becomes due. Once in each poll interval, however often others say something, and one question for all queues.
    async fn look_at_queues(&mut self) -> Result<(), StoreError> {
        let now = Instant::now();
        if self.queues.looks_at > now {
            return Ok(());
        }
        let names = self.watchers.queues();
        self.queues.looks_at = now + self.poll_interval;
        if names.is_empty() {
            return Ok(());
        }
        let rows = sqlx::query(include_str!("../queries/tail_queues.sql"))
            .bind(names.iter().map(ToString::to_string).collect::<Vec<_>>())
            .all(&self.pool)
            .await
            .map_err(|error| meaning("looking at queues", error))?;
        for row in &rows {
            let name: String = column(row, "name")?;
            let (ready, next): (bool, Option<i64>) = (column(row, "ready")?, column(row, "next")?);
            let known = self.queues.next.insert(name.clone(), next);
            // Who waits has asked before for what there was then; that another is due first he has to be told.
            if ready || (next.is_some() && known != Some(next)) {
                self.watchers.wake_queue(&name);
            }
        }
        Ok(())
    }

    /// Wakes those for whom something has appeared.
    async fn look(&mut self) -> Result<(), StoreError> {
        let before = self.seen.as_ref().map(|seen| seen.snapshot.clone());
        let rows = sqlx::query(include_str!("../queries/tail.sql"))
            // Before the first look there is nothing to compare with: all are woken, and nothing is searched for.
            .bind(before.as_deref().unwrap_or(FUTURE))
            .bind(MESSAGES_MAX)
            .all(&self.pool)
            .await
            .map_err(|error| meaning("looking at the log's end", error))?;
        let Some(first) = rows.first() else { return Ok(()) };
        let seen = Seen { snapshot: column(first, "hi")?, crew: column(first, "crew")? };
        let mut found = Vec::new();
        let mut messages = 0;
        for row in &rows {
            let Some(kind) = column::<Option<String>>(row, "kind")? else { continue };
            messages += number::<i64>(row, "messages")?;
            if let Some(kind) = MessageKind::parse(&kind) {
                found.push((kind, text(row, "name")?, column::<i16>(row, "slot")?));
            }
        }
        if self.seen.as_ref().is_none_or(|before| before.crew != seen.crew) {
            self.watchers.wake_crew();
        }
        self.has_grown |= messages > 0;
        let is_time = self.has_grown && self.passed_at.elapsed() >= PASS_EVERY;
        if self.seen.is_none() || messages >= MESSAGES_MAX || is_time {
            self.watchers.wake_readers();
            (self.has_grown, self.passed_at) = (false, Instant::now());
        } else {
            for (kind, name, slot) in &found {
                self.watchers.wake_messages(*kind, name, slot.unsigned_abs() as u8);
            }
        }
        self.seen = Some(seen);
        Ok(())
    }
}

/// A snapshot behind everything: no transaction has a higher id.
const FUTURE: &str = "9223372036854775807:9223372036854775807:";

/// Returns when another process says that there are messages, or that something has changed about who works on what; wakes those
/// who wait for a queue by the way. Never returns without a listener.
async fn heard(listener: &mut Option<PgListener>, watchers: &Watchers, own_voice: &str) {
    loop {
        let Some(open) = listener else { return std::future::pending().await };
        match open.try_recv().await {
            Ok(Some(word)) => {
                let told = understand(word.payload());
                if told.voice == own_voice {
                    continue;
                }
                match &told.queues {
                    Some(queues) => queues.iter().for_each(|queue| watchers.wake_queue(queue)),
                    None => watchers.wake_all_queues(),
                }
                if told.crew {
                    watchers.wake_crew();
                }
                if told.messages {
                    return;
                }
            }
            // The connection was lost, and with it perhaps a word.
            Ok(None) => {
                watchers.wake_all_queues();
                return;
            }
            Err(_) => {
                *listener = None;
                watchers.wake_all_queues();
                return;
            }
        }
    }
}
