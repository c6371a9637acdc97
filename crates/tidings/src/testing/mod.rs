//! Chain tests: a whole application on real SQLite, with time that moves when the test says so.
//!
//! The feature `testing` is for a development dependency:
//!
//! ```toml
//! [dev-dependencies]
//! tidings = { version = "0.1", features = ["testing"] }
//! ```
//!
//! A test sends a command or publishes an event, lets the application [settle](TestApp::settle), plays time
//! [forward](TestApp::advance), and asserts on what came of it. Nothing is mocked but the clock and, by the test itself, the
//! world outside; an assertion that fails shows the flow as a tree.
//!
//! ```
//! use std::sync::Mutex;
//! use std::time::Duration;
//!
//! use serde::{Deserialize, Serialize};
//! use tidings::testing::TestApp;
//! use tidings::{Command, Ctx, Error, Job, JobCtx, MessageId, Module, Outcome, Queue, Reads, Result};
//! use uuid::Uuid;
//!
//! # mod contracts { tidings::contracts!("schemas"); }
//! use contracts::{inventory, orders};
//!
//! #[derive(Command, Serialize, Deserialize)]
//! #[command("orders.place", output = Uuid)]
//! struct PlaceOrder {
//!     sku: String,
//! }
//!
//! async fn place_order(ctx: &mut Ctx, order: PlaceOrder) -> Outcome<Uuid> {
//!     let order_id = Uuid::now_v7();
//!     let event = orders::Placed { order_id, sku: order.sku, quantity: 1, placed_at: ctx.now() };
//!     ctx.publish(event).await?;
//!     Ok(order_id)
//! }
//!
//! #[derive(Reads)]
//! #[reads("orders.placed", versions = "1")]
//! struct OrderRef {
//!     order_id: Uuid,
//! }
//!
//! #[derive(Job, Serialize, Deserialize)]
//! #[job("inventory.reserve")]
//! struct Reserve {
//!     order_id: Uuid,
//! }
//!
//! async fn ask_the_warehouse(ctx: &mut Ctx, order: OrderRef) -> Result<()> {
//!     ctx.enqueue(Reserve { order_id: order.order_id }).await.map(drop)
//! }
//!
//! /// Stands for the warehouse: it is shut at first, and keeps the keys that it was given.
//! static WAREHOUSE: Mutex<Vec<MessageId>> = Mutex::new(Vec::new());
//!
//! async fn reserve(ctx: &mut JobCtx, job: Reserve) -> Result<()> {
//!     WAREHOUSE.lock().unwrap().push(ctx.dedupe_key());
//!     if ctx.attempt() < 4 {
//!         return Err(Error::failed("the warehouse is shut"));
//!     }
//!     let mut done = ctx.finish().await?;
//!     done.publish(inventory::Reserved { order_id: job.order_id }).await?;
//!     done.commit().await
//! }
//!
//! # fn modules() -> [Module; 2] {
//! let orders = Module::new("orders").owns::<orders::Placed>().command(place_order);
//! let inventory = Module::new("inventory")
//!     .owns::<inventory::Reserved>()
//!     .on("ask-the-warehouse", ask_the_warehouse)
//!     .job(Queue::named("warehouse"), reserve);
//! # [orders, inventory]
//! # }
//!
//! #[tokio::main] // or #[tokio::test]
//! async fn main() {
//!     # let [orders, inventory] = modules();
//!     let app = TestApp::start([orders, inventory]).await;
//!     let sent = app.send(PlaceOrder { sku: "tea".into() }).await;
//!     let order_id = *sent.completed();
//!     app.settle().await;
//!     app.flow_of(sent.flow()).await.published_exactly(["orders.placed"]).no_dead_letters();
//!
//!     // Its retries come after 10 seconds, a minute, 10 minutes; they take milliseconds.
//!     app.advance(Duration::from_secs(10 + 60 + 600)).await;
//!     app.flow_of(sent.flow())
//!         .await
//!         .published_exactly(["orders.placed", "inventory.reserved"])
//!         .jobs_completed(["inventory.reserve"])
//!         .fan_out_at_most(2);
//!     assert_eq!(app.events::<inventory::Reserved>().await[0].order_id, order_id);
//!
//!     // Everything again, as after the end of a process: the database is what it was, and the warehouse
//!     // can tell that it knows the key.
//!     app.redeliver_everything().await.none_failed();
//!     let mut keys = WAREHOUSE.lock().unwrap().clone();
//!     assert_eq!(keys.len(), 2 * 4);
//!     keys.dedup();
//!     assert_eq!(keys.len(), 1);
//!     app.shutdown().await;
//! }
//! ```
//!
//! # Time
//!
//! Business time stands still until the test plays it forward: with [`advance`](TestApp::advance),
//! [`advance_to`](TestApp::advance_to) or [`run_until_idle`](TestApp::run_until_idle), each of which goes from one time at
//! which something is due to the next and lets the application settle there. So what is due first happens first, every
//! recurring job has each of its times, and handlers see the time at which they would have run. Retries have no jitter here.
//!
//! What runs in real time stays as it is: `tokio::time::sleep` in a handler sleeps, and a [transient](crate::Error::transient)
//! error is tried again within seconds of the wall clock. An attempt at a job that does not end keeps the application from
//! settling; to see it run out of time, move the [clock](TestApp::clock) by hand.
//!
//! # What a test can rest on
//!
//! A settled application has nothing to do until time passes, somebody calls it, or a person decides about what is dead or
//! paused. That is read from the database in one snapshot, and is no matter of waiting long enough. What a handler has left
//! running elsewhere (`tokio::spawn`) is the one thing that nobody can know of.
//!
//! The failure of an assertion names the line of the test, and so does an [`App`](crate::App) that does not settle: what is
//! under way, and the trees of its flows. Trees hold no payloads; where a payload is what matters, it is shown, since it is
//! the test's own.

mod app;
mod builder;
mod events;
mod fail;
mod flow;
mod json_path;
mod pending;
mod readers;
mod redeliver;
mod sending;
mod settle;
mod time;

pub use app::TestApp;
pub use builder::TestAppBuilder;
pub use flow::FlowAssert;
pub use redeliver::{FailedAgain, Redelivered};
pub use sending::{Sending, Sent};
pub use tidings_testkit::clock::ManualClock;
