//! The application under test: an order is placed, goods are set aside for it, and a mail is sent.
//!
//! An order's name says how it fares: `fail-3-x` fails three times where goods are set aside, `dead-x` for ever, `many-x` is
//! reserved three times, `bounce-x` has a mail that cannot be sent.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidings::{
    Command, CommandReply, Ctx, Error, Job, JobCtx, MessageId, Migration, Module, Outcome, Query, QueryCtx,
    Queue, Reads, Result, reject, sql,
};

pub(crate) mod contracts {
    tidings::contracts!("tests/testing/schemas");
}
pub(crate) use contracts::mail::Sent;
pub(crate) use contracts::orders::Placed;
pub(crate) use contracts::stock::Reserved;

#[derive(Clone, Debug, Command, Serialize, Deserialize)]
#[command("orders.place", output = u32)]
pub(crate) struct Place {
    pub(crate) order_id: String,
    pub(crate) pieces: u32,
}

pub(crate) fn place(order_id: &str) -> Place {
    Place { order_id: order_id.to_owned(), pieces: 1 }
}

#[derive(Clone, Debug, Command, Serialize, Deserialize)]
#[command("stock.count", output = u32)]
pub(crate) struct Count {
    pub(crate) order_id: String,
}

#[derive(Debug, Query, Serialize, Deserialize)]
#[query("orders.number", output = Option<i64>)]
pub(crate) struct Number {}

#[derive(Debug, Reads)]
#[reads("orders.placed", versions = "1", schemas = "tests/testing/schemas")]
pub(crate) struct OrderRef {
    pub(crate) order_id: String,
}

#[derive(Debug, Reads)]
#[reads("stock.reserved", versions = "1", schemas = "tests/testing/schemas")]
pub(crate) struct ReservedRef {
    pub(crate) order_id: String,
}

#[derive(Clone, Debug, Job, Serialize, Deserialize)]
#[job("mail.send")]
pub(crate) struct SendMail {
    pub(crate) order_id: String,
}

pub(crate) fn modules() -> [Module; 3] {
    [orders(), stock(), mail()]
}

pub(crate) fn orders() -> Module {
    Module::new("orders")
        .owns::<Placed>()
        .tables(["orders"])
        .migrations(&[Migration {
            version: 1,
            name: "orders",
            sql: "CREATE TABLE orders (id TEXT NOT NULL)",
        }])
        .command(place_order)
        .query(number)
}

pub(crate) fn stock_tables() -> Module {
    Module::new("stock").owns::<Reserved>().tables(["reservations"]).migrations(&[Migration {
        version: 1,
        name: "reservations",
        sql: "CREATE TABLE reservations (order_id TEXT NOT NULL)",
    }])
}

pub(crate) fn stock() -> Module {
    stock_tables().context("goods").on("reserve", reserve)
}

pub(crate) fn mail_tables() -> Module {
    Module::new("mail").owns::<Sent>().tables(["mails"]).migrations(&[Migration {
        version: 1,
        name: "mails",
        sql: "CREATE TABLE mails (order_id TEXT NOT NULL)",
    }])
}

pub(crate) fn mail() -> Module {
    mail_tables().on("ask-for-mail", ask_for_mail).job(Queue::named("mails"), send_mail)
}

async fn place_order(ctx: &mut Ctx, order: Place) -> Outcome<u32> {
    if order.pieces == 0 {
        return reject("empty_order", "an order needs at least one piece");
    }
    sql("INSERT INTO orders (id) VALUES ($1)").bind(&order.order_id).execute(ctx.tx()).await?;
    ctx.publish(Placed { order_id: order.order_id, pieces: order.pieces, note: None }).await?;
    Ok(order.pieces)
}

async fn number(ctx: &mut QueryCtx, _query: Number) -> Result<Option<i64>> {
    sql("SELECT count(*) FROM orders").fetch_scalar(ctx.tx()).await
}

async fn reserve(ctx: &mut Ctx, order: OrderRef) -> Result<()> {
    let mut parts = order.order_id.split('-');
    let tries = count(&order.order_id);
    match (parts.next(), parts.next().and_then(|times| times.parse::<u32>().ok())) {
        (Some("fail"), Some(times)) if tries <= times => {
            return Err(Error::failed(format!("try {tries} fails")));
        }
        (Some("dead"), _) => return Err(Error::permanent("there will never be any")),
        _ => {}
    }
    let times = if order.order_id.starts_with("many-") { 3 } else { 1 };
    for _ in 0..times {
        sql("INSERT INTO reservations (order_id) VALUES ($1)")
            .bind(&order.order_id)
            .execute(ctx.tx())
            .await?;
        ctx.publish(Reserved { order_id: order.order_id.clone() }).await?;
    }
    Ok(())
}

async fn ask_for_mail(ctx: &mut Ctx, reserved: ReservedRef) -> Result<()> {
    ctx.enqueue(SendMail { order_id: reserved.order_id }).await.map(drop)
}

pub(crate) async fn send_mail(ctx: &mut JobCtx, mail: SendMail) -> Result<()> {
    post_office().deliver(&mail.order_id, ctx.dedupe_key());
    if mail.order_id.starts_with("bounce-") {
        return Err(Error::failed("the address does not exist"));
    }
    let mut done = ctx.finish().await?;
    sql("INSERT INTO mails (order_id) VALUES ($1)").bind(&mail.order_id).execute(done.tx()).await?;
    done.publish(Sent { order_id: mail.order_id }).await?;
    done.commit().await
}

/// A durable command with a reply: how many were set aside.
pub(crate) fn counting_stock() -> Module {
    stock()
        .sends::<Count>()
        .command(count_reserved)
        .on("ask-for-count", ask_for_count)
        .on_reply("counted", counted)
}

async fn ask_for_count(ctx: &mut Ctx, order: OrderRef) -> Result<()> {
    ctx.send_with_reply(Count { order_id: order.order_id }, "counted").await.map(drop)
}

async fn count_reserved(ctx: &mut Ctx, count: Count) -> Outcome<u32> {
    let found: Option<i64> = sql("SELECT count(*) FROM reservations WHERE order_id = $1")
        .bind(&count.order_id)
        .fetch_scalar(ctx.tx())
        .await?;
    Ok(u32::try_from(found.unwrap_or_default())?)
}

async fn counted(ctx: &mut Ctx, reply: CommandReply<Count>) -> Result<()> {
    let told = format!("{:?}", reply.outcome);
    sql("INSERT INTO reservations (order_id) VALUES ($1)").bind(told).execute(ctx.tx()).await.map(drop)
}

static TRIES: Mutex<Option<HashMap<String, u32>>> = Mutex::new(None);

/// Counts the tries at an order; tests use names of their own.
pub(crate) fn count(order_id: &str) -> u32 {
    let mut tries = TRIES.lock().unwrap();
    let count = tries.get_or_insert_default().entry(order_id.to_owned()).or_default();
    *count += 1;
    *count
}

pub(crate) fn tries(order_id: &str) -> u32 {
    TRIES.lock().unwrap().get_or_insert_default().get(order_id).copied().unwrap_or(0)
}

/// What stands for the world outside: it keeps who was to get a mail, and by which keys.
#[derive(Default)]
pub(crate) struct PostOffice(BTreeMap<String, Vec<MessageId>>);

static POST_OFFICE: Mutex<PostOffice> = Mutex::new(PostOffice(BTreeMap::new()));

pub(crate) fn post_office() -> MutexGuard<'static, PostOffice> {
    POST_OFFICE.lock().unwrap()
}

impl PostOffice {
    pub(crate) fn deliver(&mut self, order_id: &str, key: MessageId) {
        self.0.entry(order_id.to_owned()).or_default().push(key);
    }

    /// The keys of the calls for an order.
    pub(crate) fn calls(&self, order_id: &str) -> Vec<MessageId> {
        self.0.get(order_id).cloned().unwrap_or_default()
    }
}

pub(crate) const fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3_600)
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
