//! Waiting until there is nothing left to do.

use std::future::IntoFuture;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tidings::testing::TestApp;
use tidings::{Ctx, JobCtx, Module, Outcome, Queue, Result};
use tokio::sync::Notify;

use crate::failing::{failure, says};
use crate::shop::{
    Number, OrderRef, Place, Placed, Reserved, SendMail, Sent, mail_tables, modules, orders, place, seconds,
    stock,
};

#[tokio::test]
async fn a_chain_has_run_when_it_has_settled() {
    let app = TestApp::start(modules()).await;
    assert_eq!(*app.send(place("settle-1")).await.completed(), 1);
    app.settle().await;
    assert_eq!(app.ask(Number {}).await, Some(1));
    let consumers = app.store().consumers().await.unwrap();
    assert!(consumers.iter().all(|consumer| consumer.lag == 0), "{consumers:?}");
    assert_eq!(app.jobs_named("mail.send").await.len(), 1);
    app.flow_of(app.jobs_named("mail.send").await[0].id).await.is_done();
    app.shutdown().await;
}

#[tokio::test]
async fn a_state_that_does_not_come_is_told_with_the_newest_flows() {
    let app = TestApp::builder().modules(modules()).patience(Duration::from_secs(1)).start().await;
    app.settle().await;
    let told = failure(app.wait_until("the moon is blue", async || false)).await;
    says(&told, &["settling.rs", "blue. Under way:\n  nothing", "nothing was published so far"]);
    let flow = app.send(place("moon")).await.flow();
    app.settle().await;
    let told = failure(app.wait_until("the moon is blue", async || false)).await;
    says(&told, &[&format!("flow {flow}"), "event mail.sent v1"]);
}

#[tokio::test]
async fn many_chains_at_once_settle() {
    let app = TestApp::start(modules()).await;
    for order in 0..50 {
        app.send(place(&format!("settle-many-{order}"))).await.completed();
    }
    app.settle().await;
    assert_eq!(app.events::<Sent>().await.len(), 50);
}

#[tokio::test]
async fn what_waits_for_its_time_or_a_person_is_settled() {
    let app = TestApp::start(modules()).await;
    app.queues().pause("mails", "the post office is on strike").await.unwrap();
    for order in ["fail-1-settle", "dead-settle", "settle-paused"] {
        app.send(place(order)).await.completed();
    }
    app.settle().await;
    let reserve = app.store().parked(Some("stock.reserve"), None, 10).await.unwrap();
    assert_eq!(reserve.len(), 2);
    assert_eq!(app.jobs_named("mail.send").await.len(), 1);
    app.queues().resume("mails").await.unwrap();
    app.settle().await;
    assert_eq!(app.events::<Sent>().await.len(), 1);
}

#[tokio::test]
async fn a_consumer_that_has_stopped_behind_a_parked_key_is_settled() {
    let app = TestApp::builder().modules(modules()).config(|config| config.listeners.behind_max = 2);
    let app = app.start().await;
    for _ in 0..4 {
        app.send(place("fail-1-blocked")).await.completed();
    }
    app.settle().await;
    let consumers = app.store().consumers().await.unwrap();
    let reserve = consumers.iter().find(|consumer| &*consumer.name == "stock.reserve").unwrap();
    assert_eq!((reserve.retrying, reserve.behind, reserve.lag), (1, 1, 2), "it reads no more");
    app.advance(seconds(10)).await;
    assert_eq!(app.events::<Reserved>().await.len(), 4);
}

async fn never_reserves(_ctx: &mut Ctx, _order: OrderRef) -> Result<()> {
    std::future::pending().await
}

async fn never_sends(_ctx: &mut JobCtx, _mail: SendMail) -> Result<()> {
    std::future::pending().await
}

#[tokio::test]
async fn an_application_that_does_not_settle_says_what_is_under_way() {
    let stock = Module::new("stock").on("reserve", never_reserves);
    let mail = mail_tables().job(Queue::named("mails"), never_sends);
    let app = TestApp::builder().modules([orders(), stock, mail]).patience(Duration::from_millis(200));
    let app = app.start().await;
    let flow = app.send(place("stuck")).await.flow();
    app.enqueue(SendMail { order_id: "stuck".to_owned() }).await;
    let told = failure(app.settle()).await;
    says(
        &told,
        &[
            "settling.rs",
            "did not settle within 200ms",
            "listener `stock.reserve` has not read a message, the first is `orders.placed`",
            "queue `mails`: 1 running",
            "job `mail.send`",
            "listener `stock.reserve` is running",
            &format!("flow {flow}"),
            "event orders.placed v1",
            "not read yet",
        ],
    );
    let told = failure(app.wait_until("the moon is blue", async || false)).await;
    says(
        &told,
        &["settling.rs", "never reached: the moon is blue. Under way:", "queue `mails`: 1 running", "flow "],
    );
    // Nothing of it is awaited at the end of the test: it goes with the runtime.
}

static CALLED: Notify = Notify::const_new();
static LET_GO: Notify = Notify::const_new();

async fn places_when_let_go(ctx: &mut Ctx, order: Place) -> Outcome<u32> {
    CALLED.notify_one();
    LET_GO.notified().await;
    ctx.publish(Placed { order_id: order.order_id, pieces: order.pieces, note: None }).await?;
    Ok(order.pieces)
}

#[tokio::test]
async fn a_command_that_somebody_calls_is_under_way() {
    let orders = Module::new("orders").owns::<Placed>().command(places_when_let_go);
    let app = TestApp::start([orders, stock()]).await;
    let (is_let_go, is_settling) = (AtomicBool::new(false), Notify::new());
    let settled = async {
        CALLED.notified().await;
        is_settling.notify_one();
        app.settle().await;
        is_let_go.load(Ordering::SeqCst)
    };
    let let_go = async {
        is_settling.notified().await;
        // Nothing of it is on record, however often one looks.
        for _ in 0..20 {
            assert!(app.events::<Placed>().await.is_empty());
        }
        is_let_go.store(true, Ordering::SeqCst);
        LET_GO.notify_one();
    };
    let (sent, was_let_go, ()) =
        futures_util::future::join3(app.send(place("called")).into_future(), settled, let_go).await;
    assert_eq!(*sent.completed(), 1);
    assert!(was_let_go, "it settled while a handler was at work");
    assert_eq!(app.events::<Reserved>().await.len(), 1);
}
