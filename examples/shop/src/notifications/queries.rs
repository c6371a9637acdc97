//! What can be asked about mails.

use serde::{Deserialize, Serialize};
use tidings::{Query, QueryCtx, Result, sql};

/// The mails, counted by kind and status. Of those that wait nobody knows yet where to.
#[derive(Debug, Query, Serialize, Deserialize)]
#[query("notifications.mails", output = Vec<MailsCount>)]
pub(crate) struct Mails {}

/// How many mails of a kind have a status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MailsCount {
    pub(crate) kind: String,
    pub(crate) status: String,
    pub(crate) mails: u32,
}

pub(super) async fn mails(ctx: &mut QueryCtx, _all: Mails) -> Result<Vec<MailsCount>> {
    let rows = sql("SELECT kind, status, COUNT(*) FROM mails GROUP BY kind, status ORDER BY kind, status")
        .fetch_all(ctx.tx())
        .await?;
    Ok(rows.into_iter().map(|(kind, status, mails)| MailsCount { kind, status, mails }).collect())
}
