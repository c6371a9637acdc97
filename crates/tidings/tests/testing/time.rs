//! Playing time forward.

use std::time::Instant;

use jiff::Timestamp;
use tidings::testing::TestApp;
use tidings::{JobCtx, Queue, Result};

use crate::failing::{failure, says};
use crate::shop::{
    Reserved, SendMail, Sent, count, hours, mail_tables, modules, place, seconds, send_mail, tries,
};

#[tokio::test]
async fn two_hours_of_retries_take_no_time_and_each_has_its_time() {
    let begun = Instant::now();
    let app = TestApp::start(modules()).await;
    let start = app.now();
    app.send(place("fail-5-tiers")).await.completed();
    app.settle().await;
    assert_eq!(tries("fail-5-tiers"), 1);
    let mut dues = Vec::new();
    for tier in [10, 60, 600, 3_600, 7_200] {
        let parked = app.store().parked(Some("stock.reserve"), None, 1).await.unwrap();
        dues.push(parked[0].due.unwrap().duration_since(app.now()).as_secs());
        app.advance(seconds(tier)).await;
    }
    assert_eq!(dues, [10, 60, 600, 3_600, 7_200]);
    assert_eq!((tries("fail-5-tiers"), app.events::<Reserved>().await.len()), (6, 1));
    assert_eq!(app.now().duration_since(start).as_secs(), 11_470);
    eprintln!("3 hours and 11 minutes of business time took {:?}", begun.elapsed());
}

#[tokio::test]
async fn one_step_over_all_tiers_is_the_same() {
    let app = TestApp::start(modules()).await;
    app.send(place("fail-5-step")).await.completed();
    app.advance(hours(24)).await;
    let reserved = app.events::<Reserved>().await;
    assert_eq!((tries("fail-5-step"), reserved.len()), (6, 1));
    let flow = app.jobs_named("mail.send").await[0].correlation_id;
    let flow = app.flow_of(flow).await;
    let times: Vec<Timestamp> = flow.messages().iter().map(|message| message.envelope.time).collect();
    assert_eq!(
        times[1].duration_since(times[0]).as_secs(),
        11_470,
        "at its time, and not when time had passed"
    );
}

#[tokio::test]
async fn what_is_due_first_happens_first() {
    let app = TestApp::start(modules()).await;
    let mails = app.outbox("mail").unwrap();
    for (order, delay) in [("third", 3_000), ("first", 20), ("second", 600)] {
        mails.enqueue(SendMail { order_id: order.to_owned() }).delay(seconds(delay)).await.unwrap();
    }
    app.send(place("fail-1-between")).await.completed();
    app.advance(seconds(19)).await;
    assert_eq!(orders_of(&app).await, ["fail-1-between"], "its goods after 10 seconds, its mail at once");
    app.run_until_idle().await;
    assert_eq!(orders_of(&app).await, ["fail-1-between", "first", "second", "third"]);
    assert_eq!(app.now(), "2026-01-31T10:20:00Z".parse().unwrap(), "time stands where the last was due");
}

async fn orders_of(app: &TestApp) -> Vec<String> {
    app.events::<Sent>().await.into_iter().map(|sent| sent.order_id).collect()
}

#[tokio::test]
async fn recurring_jobs_come_at_each_of_their_times() {
    let reminder = |tick: Timestamp| SendMail { order_id: format!("tick-{tick}") };
    let mail = mail_tables().job(Queue::named("mails"), send_mail);
    let mail = mail.cron("remind", "0 * * * *", "UTC", reminder);
    let app = TestApp::start([mail]).await;
    app.advance(hours(3)).await;
    let expected = ["tick-2026-01-31T10:00:00Z", "tick-2026-01-31T11:00:00Z", "tick-2026-01-31T12:00:00Z"];
    assert_eq!(orders_of(&app).await, expected);
    app.run_until_idle().await;
    assert_eq!(
        app.now(),
        "2026-01-31T12:30:00Z".parse().unwrap(),
        "what recurs for ever is nothing to wait for"
    );
    let mails = app.outbox("mail").unwrap();
    mails.enqueue(SendMail { order_id: "later".to_owned() }).delay(hours(1)).await.unwrap();
    app.run_until_idle().await;
    assert_eq!(orders_of(&app).await[3..], ["tick-2026-01-31T13:00:00Z", "later"]);
}

#[tokio::test]
async fn a_limited_rate_is_waited_for() {
    let mail = mail_tables().job(Queue::named("mails").rate(1, seconds(60)), send_mail);
    let app = TestApp::start([mail]).await;
    for order in ["rate-1", "rate-2", "rate-3"] {
        app.enqueue(SendMail { order_id: order.to_owned() }).await;
    }
    app.settle().await;
    assert_eq!(orders_of(&app).await, ["rate-1"]);
    app.advance(seconds(59)).await;
    assert_eq!(orders_of(&app).await, ["rate-1"]);
    app.advance(seconds(1)).await;
    assert_eq!(orders_of(&app).await, ["rate-1", "rate-2"]);
    app.run_until_idle().await;
    assert_eq!(orders_of(&app).await, ["rate-1", "rate-2", "rate-3"]);
    assert_eq!(app.now(), "2026-01-31T09:32:00Z".parse().unwrap());
}

#[tokio::test]
async fn what_is_due_and_still_held_by_a_limited_rate_waits() {
    let mail = mail_tables().job(Queue::named("mails").rate(1, seconds(60)), send_mail);
    let app = TestApp::start([mail]).await;
    app.enqueue(SendMail { order_id: "held-1".to_owned() }).await;
    let mails = app.outbox("mail").unwrap();
    mails.enqueue(SendMail { order_id: "held-2".to_owned() }).delay(seconds(30)).await.unwrap();
    app.advance(seconds(30)).await;
    assert_eq!(orders_of(&app).await, ["held-1"]);
    app.run_until_idle().await;
    assert_eq!(orders_of(&app).await, ["held-1", "held-2"]);
    assert_eq!(app.now(), "2026-01-31T09:31:00Z".parse().unwrap());
}

#[tokio::test]
async fn the_past_is_refused() {
    let app = TestApp::builder().modules(modules()).at("2030-01-01T00:00:00Z".parse().unwrap()).start().await;
    assert_eq!(app.now(), "2030-01-01T00:00:00Z".parse().unwrap());
    app.advance_to("2030-01-01T00:00:01Z".parse().unwrap()).await;
    let told = failure(app.advance_to("2030-01-01T00:00:00Z".parse().unwrap())).await;
    says(&told, &["time.rs", "time does not run backwards: it is 2030-01-01T00:00:01Z"]);
}

async fn snoozes(ctx: &mut JobCtx, _mail: SendMail) -> Result<()> {
    count("snoozes");
    Err(ctx.snooze(seconds(1)))
}

#[tokio::test]
async fn what_never_ends_is_a_failure_with_the_tree() {
    let mail = mail_tables().job(Queue::named("mails"), snoozes);
    let app = TestApp::builder().module(mail).steps_max(100).start().await;
    app.enqueue(SendMail { order_id: "for ever".to_owned() }).await;
    app.advance(seconds(5)).await;
    assert_eq!(tries("snoozes"), 6);
    let told = failure(app.run_until_idle()).await;
    says(&told, &["time.rs", "something was due 100 times", "nothing was published so far"]);
}

#[tokio::test]
async fn maintenance_is_waited_for_where_it_is_wanted() {
    for every_seconds in [60, 600] {
        let app = TestApp::builder().modules(modules()).config(move |config| {
            config.retention.every_seconds = every_seconds;
            config.retention.jobs_days = 0.5;
        });
        let app = app.start().await;
        for order in ["maintained-1", "maintained-2"] {
            app.send(place(order)).await.completed();
        }
        app.advance(hours(11)).await;
        assert_eq!(app.jobs_named("mail.send").await.len(), 2);
        app.advance(hours(2)).await;
        // They are older than half a day. The newest one always stays.
        assert_eq!(app.jobs_named("mail.send").await.len(), 1);
    }
}
