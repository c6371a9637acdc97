//! Repeating everything.

use std::str::FromStr;
use std::time::Duration;

use sqlx::{ConnectOptions, Connection, SqliteConnection};
use tidings::testing::TestApp;
use tidings::{Ctx, Error, JobCtx, Module, Queue, Result, sql};

use crate::failing::{failure, says};
use crate::shop::{
    Number, OrderRef, Place, Reserved, SendMail, count, counting_stock, mail, mail_tables, modules, orders,
    place, post_office, seconds, stock_tables, tries,
};

#[tokio::test]
async fn what_keeps_to_its_transaction_changes_nothing() {
    let app = TestApp::start([orders(), counting_stock(), mail()]).await;
    app.send(place("fail-1-repeat")).await.completed();
    app.send(place("repeat")).await.completed();
    app.send(place("dead-repeat")).await.completed();
    app.send(place("bounce-repeat")).await.completed();
    app.advance(seconds(60)).await;
    let tries_before = tries("repeat");
    let redelivered = app.redeliver_everything().await;
    redelivered.none_failed();
    // Three orders were reserved and asked for mail; four were counted: the listener, the command, the reply.
    assert_eq!(redelivered.deliveries, 3 + 3 + 4 * 3);
    // One mail for each that was reserved; the one that bounced was tried again after 10 seconds.
    assert_eq!(redelivered.attempts, 1 + 1 + 2);
    assert_eq!(tries("repeat"), tries_before + 1, "its handler ran again");
    app.settle().await;
    app.redeliver_everything().await.none_failed();
    app.run_until_idle().await;
}

#[tokio::test]
async fn the_world_outside_sees_the_second_call_with_the_same_key() {
    let app = TestApp::start(modules()).await;
    app.send(place("outside")).await.completed();
    app.settle().await;
    let before = post_office().calls("outside");
    assert_eq!(before.len(), 1);
    app.redeliver_everything().await.none_failed();
    let after = post_office().calls("outside");
    assert_eq!(after, [before[0], before[0]], "a double that is asked twice can tell by the key");
}

async fn posts_at_once(ctx: &mut Ctx, order: OrderRef) -> Result<()> {
    // A listener has no dedupe key, and should not do this at all.
    post_office().deliver(&order.order_id, ctx.message_id());
    ctx.publish(Reserved { order_id: order.order_id }).await.map(drop)
}

#[tokio::test]
async fn a_listener_with_an_effect_outside_is_found_by_the_double() {
    let app = TestApp::start([orders(), stock_tables().on("post", posts_at_once)]).await;
    app.send(place("posted")).await.completed();
    app.settle().await;
    assert_eq!(post_office().calls("posted").len(), 1);
    app.redeliver_everything().await.none_failed();
    assert_eq!(post_office().calls("posted").len(), 2, "which a test of it would not accept");
}

/// Writes past its transaction, by a connection of its own. Orders say where the database is.
async fn writes_past(_ctx: &mut Ctx, order: OrderRef) -> Result<()> {
    count("writes-past");
    let mut own = own_connection(&order.order_id).await?;
    sqlx::query("INSERT INTO reservations (order_id) VALUES ('past')").execute(&mut own).await?;
    own.close().await?;
    Ok(())
}

static PATHS: std::sync::Mutex<Vec<(String, String)>> = std::sync::Mutex::new(Vec::new());

fn database_of(order_id: &str, app: &TestApp) {
    PATHS.lock().unwrap().push((order_id.to_owned(), app.database().display().to_string()));
}

async fn own_connection(order_id: &str) -> Result<SqliteConnection> {
    let path =
        PATHS.lock().unwrap().iter().find(|(order, _)| order == order_id).map(|(_, path)| path.clone());
    let path = path.ok_or_else(|| Error::permanent("no path is known"))?;
    let options = sqlx::sqlite::SqliteConnectOptions::from_str(&path)?.busy_timeout(Duration::from_secs(5));
    Ok(options.connect().await?)
}

#[tokio::test]
async fn a_write_outside_of_the_transaction_is_found_with_its_table_and_delivery() {
    let app = TestApp::start([orders(), stock_tables().on("write", writes_past), mail()]).await;
    database_of("past", &app);
    let flow = app.send(place("past")).await.flow();
    app.settle().await;
    let told = failure(app.redeliver_everything()).await;
    says(
        &told,
        &[
            "redelivering.rs:",
            "1 of 1 repetitions changed the database",
            "listener `stock.write` with `orders.placed`",
            "table `reservations`: 0 rows removed, 1 added",
            "+ order_id: 'past'",
            &format!("flow {flow}"),
            "handled by stock.write",
        ],
    );
}

async fn orders_again(ctx: &mut JobCtx, mail: SendMail) -> Result<()> {
    // Under a void lease this would end the attempt, and what follows would not be repeated.
    ctx.progress("about to order").await?;
    let order = Place { order_id: format!("again-{}", mail.order_id), pieces: 1 };
    let mut sent = ctx.send(order);
    if mail.order_id.starts_with("keyed") {
        sent = sent.idempotency_key(ctx.dedupe_key().to_string());
    }
    sent.await?;
    Ok(())
}

fn ordering_mail() -> Module {
    mail_tables().context("shop").sends::<Place>().job(Queue::named("mails"), orders_again)
}

#[tokio::test]
async fn a_job_that_sends_a_command_needs_a_key_for_it() {
    let app = TestApp::start([orders().context("shop"), ordering_mail()]).await;
    app.enqueue(SendMail { order_id: "keyed".to_owned() }).await;
    app.settle().await;
    app.redeliver_everything().await.none_failed();
    assert_eq!(app.ask(Number {}).await, Some(1));
    let flow = app.enqueue(SendMail { order_id: "not keyed".to_owned() }).await;
    app.settle().await;
    let told = failure(app.redeliver_everything()).await;
    says(
        &told,
        &[
            "1 of 2 repetitions changed the database",
            "job `mail.send`",
            "at attempt 1",
            "table `orders`: 0 rows removed, 1 added\n      + id: 'again-not keyed'",
            "table `tidings_log`",
            "table `tidings_outcomes`",
            &flow.to_string(),
        ],
    );
}

async fn inserts_once(ctx: &mut Ctx, order: OrderRef) -> Result<()> {
    let taken: Option<i64> = sql("SELECT count(*) FROM reservations WHERE order_id = $1")
        .bind(&order.order_id)
        .fetch_scalar(ctx.tx())
        .await?;
    if taken != Some(0) {
        return Err(Error::failed("there is one already"));
    }
    sql("INSERT INTO reservations (order_id) VALUES ($1)")
        .bind(order.order_id)
        .execute(ctx.tx())
        .await
        .map(drop)
}

async fn hangs_again(_ctx: &mut Ctx, _order: OrderRef) -> Result<()> {
    if count("hangs-again") > 1 {
        std::future::pending::<()>().await;
    }
    Ok(())
}

#[tokio::test]
async fn a_handler_that_fails_again_is_told_and_is_no_failure_unless_asked_for() {
    let stock = stock_tables().on("once", inserts_once).on("hang", hangs_again);
    let app = TestApp::builder().modules([orders(), stock]).patience(Duration::from_secs(2));
    let app = app.start().await;
    app.send(place("once")).await.completed();
    app.settle().await;
    let redelivered = app.redeliver_everything().await;
    assert_eq!((redelivered.deliveries, redelivered.failed.len()), (2, 2));
    let told = failure(async { redelivered.none_failed().deliveries }).await;
    says(
        &told,
        &[
            "redelivering.rs:",
            "listener `stock.once` with `orders.placed`",
            "there is one already",
            "listener `stock.hang` with `orders.placed`",
            "it did not end within 2s",
        ],
    );
}
