//! The events of the whole application.

use std::time::Duration;

use tidings::testing::TestApp;

use crate::failing::{failure, says};
use crate::shop::{Placed, Reserved, SendMail, Sent, modules, place, seconds};

#[tokio::test]
async fn events_are_there_in_order_and_decoded() {
    let app = TestApp::start(modules()).await;
    let events = ["events-1", "events-2"];
    for order in events {
        let flow = app.publish("orders", Placed { order_id: order.to_owned(), pieces: 7, note: None }).await;
        app.settle().await;
        app.flow_of(flow).await.published_exactly(["orders.placed", "stock.reserved", "mail.sent"]);
    }
    let placed = app.events::<Placed>().await;
    assert_eq!(
        placed.iter().map(|placed| (&*placed.order_id, placed.pieces)).collect::<Vec<_>>(),
        [("events-1", 7), ("events-2", 7)]
    );
    assert_eq!(app.events::<Reserved>().await.len(), 2);
}

#[tokio::test]
async fn an_event_is_waited_for_without_time_passing() {
    let app = TestApp::start(modules()).await;
    let start = app.now();
    app.send(place("waited-1")).await.completed();
    app.send(place("waited-2")).await.completed();
    let sent = app.wait_for::<Sent>(|sent| sent.order_id == "waited-2").await;
    assert_eq!((&*sent.order_id, app.now()), ("waited-2", start));
    app.send(place("fail-1-waited")).await.completed();
    let told = failure(app.wait_for::<Reserved>(|reserved| reserved.order_id == "fail-1-waited")).await;
    says(
        &told,
        &[
            "events.rs:",
            "no event `stock.reserved` matches, and nothing more is to come by itself",
            "event orders.placed v1",
            "try 1 fails",
        ],
    );
    app.advance(seconds(10)).await;
    app.wait_for::<Reserved>(|reserved| reserved.order_id == "fail-1-waited").await;
}

#[tokio::test]
async fn what_cannot_be_published_or_enqueued_is_a_failure() {
    let app = TestApp::builder().modules(modules()).patience(Duration::from_secs(5)).start().await;
    let empty = || Placed { order_id: String::new(), pieces: 1, note: None };
    let told = failure(app.publish("orders", empty())).await;
    says(&told, &["events.rs:", "`orders.placed` was not published", "/order_id"]);
    let told = failure(app.publish("stock", Placed { order_id: "x".to_owned(), ..empty() })).await;
    says(&told, &["events.rs:", "module `stock` may not publish"]);
    says(&failure(app.publish("nobody", empty())).await, &["events.rs:", "nobody"]);
    let large = SendMail { order_id: "x".repeat(300_000) };
    says(&failure(app.enqueue(large)).await, &["events.rs:", "job `mail.send` was not enqueued"]);
}
