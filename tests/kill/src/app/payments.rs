//! Takes the money for orders, at a provider outside: every second entry is an order.
//!
//! Listeners enqueue `payments.charge`, by portable statements or through sqlx. The job calls the provider, and in its one
//! transaction writes a row, publishes `payments.charged` and enqueues `payments.mail`. A listener marks the order paid.
//! Some jobs are ordered by account, others unique by entry; some are delayed, some ask for more time once.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::store::StoreError;
use tidings::{Ctx, Error, Job, JobCtx, JobDied, Module, Queue, Reads, Result, ToEnqueue, sql};

use crate::plan::Database;

use super::fate;
use super::provider::{self, Bill};
use super::way::number;
use crate::words::{Word, say};

/// Takes the money for one order.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job("payments.charge")]
struct Charge {
    account: String,
    seq: i64,
    amount: i64,
}

/// Tells the payer.
#[derive(Clone, Debug, Serialize, Deserialize, Job)]
#[job("payments.mail")]
struct Mail {
    account: String,
    seq: i64,
}

#[derive(Reads)]
#[reads("ledger.recorded", versions = "1..=1")]
struct Recorded {
    account: String,
    seq: i64,
    amount: i64,
}

#[derive(Reads)]
#[reads("payments.charged", versions = "1..=1")]
struct Charged {
    account: String,
    seq: i64,
}

/// Whether this entry is an order.
#[must_use]
pub fn is_ordered(seq: i64) -> bool {
    seq % 2 == 1
}

/// Whether the provider declines to take the money for this order.
#[must_use]
pub fn is_declined(seq: i64) -> bool {
    seq % 17 == 5
}

/// Whether the charges of an account are ordered by it; those of the others are unique by entry.
#[must_use]
pub fn is_ordered_by_account(account: &str) -> bool {
    number(account) % 3 != 2
}

/// Whether the charge asks for more time at its first attempt.
fn is_snoozed(seq: i64) -> bool {
    seq % 9 == 4
}

const SNOOZE: Duration = Duration::from_millis(12);
const DELAY: Duration = Duration::from_millis(20);

/// The provider is sometimes slower than this.
const TIMEOUT: Duration = Duration::from_millis(250);

pub(super) fn module(on: Database) -> Module {
    let payments = Module::new("payments")
        .owns::<super::events::payments::Charged>()
        .tables(["orders", "charges"])
        .migrations(migrations!(on, "migrations/payments", "migrations/postgres/payments"))
        .on_with("bill", bill, |options| options.from_start())
        .on_with("settle", settle, |options| options.from_start())
        .on_with("escalate", escalate, |options| options.from_start())
        .job_with(Queue::named("charges").concurrency(8), charge, |options| {
            options.timeout(TIMEOUT).continue_after_dead()
        })
        .job(Queue::named("post"), mail);
    match on {
        Database::Sqlite => {
            payments.on_with("bill-typed", sqlite::bill_typed, |options| options.from_start())
        }
        Database::Postgres => {
            payments.on_with("bill-typed", postgres::bill_typed, |options| options.from_start())
        }
    }
}

/// The charges of accounts with an even number are enqueued by portable statements, those of the others through sqlx.
fn is_typed(account: &str) -> bool {
    number(account) % 2 == 1
}

/// What is enqueued for an order.
fn to_charge(Recorded { account, seq, amount }: &Recorded) -> ToEnqueue<Charge> {
    let job = ToEnqueue::new(Charge { account: account.clone(), seq: *seq, amount: *amount });
    let job = match is_ordered_by_account(account) {
        true => job.key("account", account),
        false => job.unique(&format!("{account}-{seq}")).priority(if seq % 4 == 1 { -1 } else { 1 }),
    };
    if seq % 7 == 3 { job.delay(DELAY) } else { job }
}

async fn bill(ctx: &mut Ctx, event: Recorded) -> Result<()> {
    if !is_ordered(event.seq) || is_typed(&event.account) {
        return Ok(());
    }
    let job_id = only(ctx.enqueue_many([to_charge(&event)]).await?)?;
    if !is_ordered_by_account(&event.account) && only(ctx.enqueue_many([to_charge(&event)]).await?)? != job_id
    {
        return Err(Error::permanent("a unique job was enqueued twice"));
    }
    fate::trouble(200)?;
    sql("INSERT INTO orders (account, seq, amount, job_id) VALUES ($1, $2, $3, $4)")
        .bind(&event.account)
        .bind(event.seq)
        .bind(event.amount)
        .bind(job_id)
        .execute(ctx.tx())
        .await?;
    fate::trouble(400)
}

for_each_driver! {
    pub(super) async fn bill_typed(ctx: &mut Ctx<Db>, event: Recorded) -> Result<()> {
        if !is_ordered(event.seq) || !is_typed(&event.account) {
            return Ok(());
        }
        let job_id = only(ctx.enqueue_many([to_charge(&event)]).await?)?;
        sqlx::query("INSERT INTO orders (account, seq, amount, job_id) VALUES ($1, $2, $3, $4)")
            .bind(&event.account)
            .bind(event.seq)
            .bind(event.amount)
            .bind(job_id)
            .execute(ctx.tx())
            .await?;
        fate::trouble(200)
    }
}

fn only(rows: Vec<Result<tidings::Enqueued, tidings::UniqueKeyTaken>>) -> Result<String> {
    let row = rows.into_iter().next().ok_or_else(|| Error::permanent("no answer for one job"))?;
    Ok(row.map_err(Error::permanent)?.id.to_string())
}

async fn charge(ctx: &mut JobCtx, job: Charge) -> Result<()> {
    let Charge { account, seq, amount } = job;
    fate::trouble(60)?;
    if is_snoozed(seq) && ctx.attempt() == 1 {
        return Err(ctx.snooze(SNOOZE));
    }
    fate::swallow(&account, seq);
    let receipt = provider::book(ctx, "charges", &Bill { account: account.clone(), seq, amount }).await?;
    let was_frozen = fate::freeze(&account, seq, ctx.attempt());
    let finished = finish(ctx, Charge { account: account.clone(), seq, amount }, receipt);
    if was_frozen {
        fate::block_on(finished)
    } else if fate::is_stubborn() {
        fate::insist_on(finished)
    } else {
        finished.await
    }?;
    fate::thaw(&account, seq);
    Ok(())
}

async fn finish(ctx: &mut JobCtx, Charge { account, seq, amount }: Charge, receipt: String) -> Result<()> {
    let job_id = ctx.id().to_string();
    let mut done = ctx.finish().await.inspect_err(|error| tell_if_fenced(error, &account, seq))?;
    let event = super::events::payments::Charged { account: account.clone(), seq, amount };
    let event_id = done.publish(event).await?.to_string();
    sql("INSERT INTO charges (account, seq, job_id, receipt, event_id) VALUES ($1, $2, $3, $4, $5)")
        .bind(&account)
        .bind(seq)
        .bind(job_id)
        .bind(receipt)
        .bind(&event_id)
        .execute(done.tx())
        .await?;
    done.enqueue(Mail { account: account.clone(), seq }).await?;
    // Failing this late leaves something to undo.
    fate::trouble(60)?;
    done.commit().await?;
    say(&Word::Charged { account, seq, event_id });
    Ok(())
}

fn tell_if_fenced(error: &Error, account: &str, seq: i64) {
    if let Some(StoreError::Fenced { .. }) = error.find() {
        say(&Word::Fenced { account: account.to_owned(), seq, error: error.chain() });
    }
}

/// There is nothing to write, so there is no `finish`.
async fn mail(ctx: &mut JobCtx, Mail { account, seq }: Mail) -> Result<()> {
    provider::book(ctx, "letters", &Bill { account, seq, amount: 0 }).await?;
    fate::trouble(60)
}

async fn settle(ctx: &mut Ctx, event: Charged) -> Result<()> {
    let written = sql("UPDATE orders SET paid = paid + 1 WHERE account = $1 AND seq = $2")
        .bind(&event.account)
        .bind(event.seq)
        .execute(ctx.tx())
        .await?;
    fate::trouble(200)?;
    if written == 1 { Ok(()) } else { Err(Error::permanent(format!("the charge found {written} orders"))) }
}

async fn escalate(ctx: &mut Ctx, died: JobDied) -> Result<()> {
    sql("UPDATE orders SET refused = refused + 1 WHERE job_id = $1")
        .bind(died.job_id.to_string())
        .execute(ctx.tx())
        .await?;
    fate::trouble(50)
}
