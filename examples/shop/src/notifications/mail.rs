//! The job `notifications.send-mail`.

use serde::{Deserialize, Serialize};
use tidings::value::{FromValue, Value};
use tidings::{Ctx, Job, JobCtx, Result, sql};
use uuid::Uuid;

use super::{QUEUED, SENT};
use crate::provider_client::ProviderClient;

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Kind {
    Placed,
    Declined,
    Shipped,
}

/// A mail as it will be sent: an attempt that is made again must not say anything else, not even if the customer has moved.
#[derive(Debug, Job, Serialize, Deserialize)]
#[job("notifications.send-mail")]
pub(super) struct SendMail {
    order_id: Uuid,
    kind: Kind,
    to: String,
    text: String,
}

/// A mail as the provider takes it.
#[derive(Serialize)]
struct Mail<'m> {
    to: &'m str,
    subject: String,
    text: &'m str,
    /// What it is about, for the audit.
    reference: String,
}

/// Enqueues a mail that waits. Mails of one order are sent one after the other.
pub(super) async fn enqueue(
    ctx: &mut Ctx,
    order_id: Uuid,
    kind: Kind,
    detail: &str,
    to: String,
) -> Result<()> {
    move_on(ctx, order_id, kind, QUEUED).await?;
    let mail = SendMail { order_id, kind, to, text: kind.text(detail) };
    ctx.enqueue(mail).key("order_id", &order_id.to_string()).await?;
    Ok(())
}

pub(super) async fn send(ctx: &mut JobCtx, job: SendMail, provider: ProviderClient) -> Result<()> {
    let SendMail { order_id, kind, to, text } = &job;
    let mail = Mail {
        to,
        subject: format!("Your order {order_id}"),
        text,
        reference: format!("{}/{order_id}", kind.as_str()),
    };
    provider.mail(&ctx.dedupe_key().to_string(), &mail).await?;
    let mut done = ctx.finish().await?;
    move_on(&mut done, *order_id, *kind, SENT).await?;
    done.commit().await
}

async fn move_on(ctx: &mut Ctx, order_id: Uuid, kind: Kind, status: &str) -> Result<()> {
    let now = ctx.now();
    sql("UPDATE mails SET status = $1, changed_at = $2 WHERE order_id = $3 AND kind = $4")
        .bind(status)
        .bind(now)
        .bind(order_id)
        .bind(kind)
        .execute(ctx.tx())
        .await?;
    Ok(())
}

impl Kind {
    const ALL: [Self; 3] = [Self::Placed, Self::Declined, Self::Shipped];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Declined => "declined",
            Self::Shipped => "shipped",
        }
    }

    fn text(self, detail: &str) -> String {
        match self {
            Self::Placed => "Thank you, we have your order.".to_owned(),
            Self::Declined => "Your bank did not pay for your order, so it is cancelled.".to_owned(),
            Self::Shipped => format!("Your order is on its way. Its tracking number is {detail}."),
        }
    }
}

impl From<Kind> for Value {
    fn from(kind: Kind) -> Self {
        Self::from(kind.as_str())
    }
}

impl FromValue for Kind {
    fn from_value(value: &Value) -> Option<Self> {
        let text = String::from_value(value)?;
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}
