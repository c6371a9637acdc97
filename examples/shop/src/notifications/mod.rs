//! Notifications: what customers are told by e-mail. Context `communication`.
//!
//! Where a customer is reached is kept here, from the one event that carries it on purpose
//! (`customers.contact-changed`); all other events say only which order it is about.

mod contacts;
mod follow;
mod mail;
mod queries;

use std::time::Duration;

use tidings::{Module, Queue, migrations, with};

pub(crate) use queries::{Mails, MailsCount};

use crate::provider_client::ProviderClient;

const WAITING: &str = "waiting";
const QUEUED: &str = "queued";
const SENT: &str = "sent";

pub(crate) fn module(provider: &ProviderClient) -> Module {
    // The provider takes so many mails a second and no more.
    let queue = Queue::named("mail").concurrency(8).rate(250, Duration::from_secs(1));
    Module::new("notifications")
        .context("communication")
        .tables(["contacts", "recipients", "mails"])
        .migrations(migrations!("migrations/notifications"))
        .query(queries::mails)
        // One listener for all, so that an order is known before there is news of it.
        .on("follow", (contacts::changed, follow::placed, follow::declined, follow::shipped))
        .job_with(queue, with(provider.clone(), mail::send), |o| {
            // A mail that nobody can deliver must not keep the next one from being tried.
            o.priority(10).timeout(Duration::from_secs(30)).continue_after_dead()
        })
}
