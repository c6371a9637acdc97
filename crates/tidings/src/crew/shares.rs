//! Who works what.
//!
//! At each heartbeat, and whenever somebody comes or goes, every process asks who is alive and what each knows, and computes
//! from that alone who should hold which partition ([`Crew::owners`](tidings_core::store::Crew::owners)). What should be its
//! own and nobody alive holds, it takes; what should be somebody else's it gives back in order, at the end of a batch. Two that see
//! different things for a moment do no harm: the store gives a partition to one of them.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::store::{Crew, WorkerId};
use tokio::time::Instant;

use super::Post;
use crate::app::{Orphans, Shared};
use crate::consumer::Order;

/// What nobody knows is told so often, for as long as that is so.
const TOLD_EVERY: Duration = Duration::from_secs(60);

pub(super) struct Shares {
    shared: Arc<Shared>,
    posts: Arc<[Post]>,
    /// Consumers of which another version of the application was told about.
    told: HashSet<Arc<str>>,
    orphans: Orphans,
    tells_at: Instant,
}

impl Shares {
    pub(super) fn new(shared: Arc<Shared>, posts: Arc<[Post]>, orphans: Orphans) -> Self {
        Self { shared, posts, told: HashSet::new(), orphans, tells_at: Instant::now() + TOLD_EVERY }
    }

    pub(super) fn posts(&self) -> &[Post] {
        &self.posts
    }

    pub(super) fn order_all(&self, order: Order) {
        for desk in self.posts.iter().flat_map(|post| &post.desks) {
            desk.order(order);
        }
    }

    /// Computes who should work what, and says so to the desks.
    pub(super) async fn divide(&mut self, worker: WorkerId) {
        let crew = match self.shared.store.crew().await {
            Ok(crew) => crew,
            Err(error) => {
                tracing::warn!(%error, "nobody knows who else works; all stay at what they are");
                return;
            }
        };
        // It was late with its heartbeat; nothing is decided without it.
        if !crew.members.contains_key(&worker) {
            return;
        }
        for post in &*self.posts.clone() {
            self.divide_one(post, &crew, worker);
        }
        self.orphans.company |= crew.members.len() > 1;
        if self.tells_at <= Instant::now() {
            self.tells_at = Instant::now() + TOLD_EVERY;
            self.orphans.tell(&self.shared, &crew).await;
        }
    }

    fn divide_one(&mut self, post: &Post, crew: &Crew, worker: WorkerId) {
        let spec = &post.consumer.spec;
        let on_record = crew.consumers.get(&spec.name);
        let holders = on_record.map(|consumer| &*consumer.holders).unwrap_or_default();
        if on_record.is_some_and(|consumer| consumer.generation == spec.filter.generation()) {
            self.told.remove(&spec.name);
        } else if self.told.insert(spec.name.clone()) {
            tracing::warn!(consumer = %spec.name, "another version of the application is newer: it has renamed, retired or changed what this \
                consumer reads; this process goes on with its other consumers, and with this one when its own version is started last");
        }
        let owners = crew.owners(&spec.name);
        for desk in &post.desks {
            let is_own = owners.get(&desk.partition) == Some(&worker);
            let holder = holders.get(usize::from(desk.partition)).copied().flatten();
            let is_free = holder.is_none_or(|holder| holder == worker);
            desk.order(if is_own && is_free { Order::Hold(worker) } else { Order::Wait });
        }
    }
}
