//! Handlers of every kind: batches, sqlx, jobs that go on after their end or do not come to one.

use std::time::Duration;

use tidings::store::JobState;
use tidings::testing::TestApp;
use tidings::{Ctx, JobCtx, Queue, Result, batch, sql};

use crate::shop::{
    OrderRef, Reserved, SendMail, Sent, count, mail, mail_tables, modules, orders, place, post_office,
    seconds, stock_tables, tries,
};

async fn reserves_in_batches(ctx: &mut Ctx, orders: Vec<OrderRef>) -> Result<()> {
    for (position, order) in orders.into_iter().enumerate() {
        ctx.caused_by(position)?;
        sql("INSERT INTO reservations (order_id) VALUES ($1)")
            .bind(&order.order_id)
            .execute(ctx.tx())
            .await?;
        ctx.publish(Reserved { order_id: order.order_id }).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_was_handled_in_batches_is_repeated_one_by_one() {
    let app =
        TestApp::start([orders(), stock_tables().on("batch", batch(reserves_in_batches)), mail()]).await;
    for order in 0..20 {
        app.send(place(&format!("batch-{order}"))).await.completed();
    }
    app.settle().await;
    let redelivered = app.redeliver_everything().await;
    redelivered.none_failed();
    assert_eq!((redelivered.deliveries, redelivered.attempts), (40, 20));
}

async fn reserves_by_sqlx(ctx: &mut Ctx<sqlx::Sqlite>, order: OrderRef) -> Result<()> {
    let insert = sqlx::query("INSERT INTO reservations (order_id) VALUES (?1)").bind(&order.order_id);
    insert.execute(ctx.tx()).await?;
    ctx.publish(Reserved { order_id: order.order_id }).await.map(drop)
}

async fn sends_by_sqlx(ctx: &mut JobCtx<sqlx::Sqlite>, mail: SendMail) -> Result<()> {
    post_office().deliver(&mail.order_id, ctx.dedupe_key());
    let mut done = ctx.finish().await?;
    let insert = sqlx::query("INSERT INTO mails (order_id) VALUES (?1)").bind(&mail.order_id);
    insert.execute(done.tx()).await?;
    done.publish(Sent { order_id: mail.order_id }).await?;
    done.commit().await
}

async fn asks_for_mail(ctx: &mut Ctx, order: OrderRef) -> Result<()> {
    ctx.enqueue(SendMail { order_id: order.order_id }).await.map(drop)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_by_sqlx_are_repeated_and_undone_as_well() {
    let mail = mail_tables().on("ask", asks_for_mail).job(Queue::named("mails"), sends_by_sqlx);
    let app = TestApp::start([orders(), stock_tables().on("sqlx", reserves_by_sqlx), mail]).await;
    let flow = app.send(place("sqlx")).await.flow();
    app.settle().await;
    app.flow_of(flow).await.count("stock.reserved", 1).count("mail.sent", 1).is_done();
    app.redeliver_everything().await.none_failed();
    assert_eq!(post_office().calls("sqlx").len(), 2);
    app.shutdown().await;
}

async fn goes_on_after_its_end(ctx: &mut JobCtx, mail: SendMail) -> Result<()> {
    ctx.finish().await?.commit().await?;
    tokio::time::sleep(Duration::from_millis(30)).await;
    count(&mail.order_id);
    Ok(())
}

#[tokio::test]
async fn a_job_that_goes_on_after_its_end_is_waited_for() {
    let app = TestApp::start([mail_tables().job(Queue::named("mails"), goes_on_after_its_end)]).await;
    for time in 1..=3 {
        app.enqueue(SendMail { order_id: "after-end".to_owned() }).await;
        app.settle().await;
        assert_eq!(tries("after-end"), time);
    }
}

async fn never_ends(_ctx: &mut JobCtx, mail: SendMail) -> Result<()> {
    if count(&mail.order_id) == 1 {
        std::future::pending::<()>().await;
    }
    Ok(())
}

#[tokio::test]
async fn an_attempt_runs_out_of_time_where_the_clock_is_moved_by_hand() {
    let mail = mail_tables().job_with(Queue::named("mails"), never_ends, |job| job.timeout(seconds(30)));
    let app = TestApp::start([mail]).await;
    let job = app.enqueue(SendMail { order_id: "never-ends".to_owned() }).await;
    let is_running = async || {
        let job = app.jobs().get(job).await.unwrap().unwrap();
        job.state == JobState::Running && tries("never-ends") == 1
    };
    app.wait_until("the job is running", is_running).await;
    app.clock().advance(seconds(30));
    app.settle().await;
    let found = app.jobs().get(job).await.unwrap().unwrap();
    assert_eq!((found.state, found.attempts), (JobState::Scheduled, 1));
    app.run_until_idle().await;
    app.flow_of(job).await.jobs_completed(["mail.send"]).is_done();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_applications_run_side_by_side() {
    let runs = (0..8).map(|run| {
        tokio::spawn(async move {
            let app = TestApp::start(modules()).await;
            let flow = app.send(place(&format!("fail-5-side{run}"))).await.flow();
            app.run_until_idle().await;
            app.flow_of(flow).await.published_exactly(["orders.placed", "stock.reserved", "mail.sent"]);
            app.shutdown().await;
        })
    });
    for run in runs.collect::<Vec<_>>() {
        run.await.unwrap();
    }
}
