//! The local view of customers' addresses.

use tidings::{Ctx, Reads, Result, sql};
use uuid::Uuid;

use super::WAITING;
use super::mail::{self, Kind};

#[derive(Reads)]
#[reads("customers.contact-changed", versions = "1")]
pub(super) struct ContactChanged {
    customer_id: Uuid,
    email: String,
    revision: u32,
}

pub(super) async fn changed(ctx: &mut Ctx, contact: ContactChanged) -> Result<()> {
    let ContactChanged { customer_id, email, revision } = contact;
    sql("INSERT INTO contacts (customer_id, email, revision) VALUES ($1, $2, $3)
         ON CONFLICT (customer_id) DO UPDATE SET email = excluded.email, revision = excluded.revision
         WHERE contacts.revision < excluded.revision")
    .bind(customer_id)
    .bind(&email)
    .bind(revision)
    .execute(ctx.tx())
    .await?;
    let waiting: Vec<(Uuid, Kind, String)> = sql("SELECT mail.order_id, mail.kind, mail.detail
         FROM recipients recipient JOIN mails mail ON mail.order_id = recipient.order_id
         WHERE recipient.customer_id = $1 AND mail.status = $2
         ORDER BY mail.changed_at, mail.order_id, mail.kind")
    .bind(customer_id)
    .bind(WAITING)
    .fetch_all(ctx.tx())
    .await?;
    for (order_id, kind, detail) in waiting {
        mail::enqueue(ctx, order_id, kind, &detail, email.clone()).await?;
    }
    Ok(())
}

/// Where an order's customer is reached, if that is known.
pub(super) async fn address_of(ctx: &mut Ctx, customer_id: Uuid) -> Result<Option<String>> {
    sql("SELECT email FROM contacts WHERE customer_id = $1").bind(customer_id).fetch_scalar(ctx.tx()).await
}
