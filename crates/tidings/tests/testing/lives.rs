//! Starting, stopping, starting again.

use tidings::testing::TestApp;
use tidings::{BuildError, Module};

use crate::failing::{failure, says};
use crate::shop::{Number, Reserved, modules, orders, place, seconds, stock};

#[tokio::test]
async fn a_restart_goes_on_where_the_application_stopped() {
    let app = TestApp::start(modules()).await;
    app.send(place("fail-1-restart")).await.completed();
    app.settle().await;
    let (database, time) = (app.database(), app.now());
    let app = app.restart(modules()).await;
    assert_eq!((app.database(), app.now()), (database, time));
    assert_eq!(app.ask(Number {}).await, Some(1));
    app.advance(seconds(10)).await;
    assert_eq!(app.events::<Reserved>().await.len(), 1);
}

#[tokio::test]
async fn nothing_is_left_of_an_application_that_was_stopped_or_dropped() {
    let app = TestApp::start(modules()).await;
    let folder = app.database().parent().unwrap().to_owned();
    assert!(folder.exists());
    app.shutdown().await;
    assert!(!folder.exists());
    let app = TestApp::start(modules()).await;
    let folder = app.database().parent().unwrap().to_owned();
    app.send(place("dropped")).await.completed();
    drop(app);
    while folder.exists() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn nothing_is_left_when_the_runtime_ends_first() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::start(modules()));
    let folder = app.database().parent().unwrap().to_owned();
    drop(runtime);
    drop(app);
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_start_that_is_refused_says_why() {
    let refused = TestApp::builder().modules([orders(), orders()]).try_start().await;
    assert!(matches!(refused.err().unwrap(), BuildError::Contradictions(_)));
    let told = failure(TestApp::start([Module::new("Not A Name")])).await;
    says(&told, &["lives.rs:", "it did not start", "Not A Name"]);
    let app = TestApp::start([orders(), stock()]).await;
    app.send(place("dead-orphan")).await.completed();
    app.settle().await;
    let told = failure(app.restart([orders()])).await;
    says(&told, &["lives.rs:", "it did not start again", "stock.reserve"]);
}

#[tokio::test]
async fn the_same_test_goes_the_same_way_every_time() {
    for round in 0..50 {
        let app = TestApp::start(modules()).await;
        let order = format!("fail-2-round{round}");
        let flow = app.send(place(&order)).await.flow();
        app.advance(seconds(70)).await;
        let flow = app.flow_of(flow).await;
        flow.published_exactly(["orders.placed", "stock.reserved", "mail.sent"]).is_done();
        let times: Vec<i64> = flow.messages().iter().map(|of| of.envelope.time.as_second()).collect();
        assert_eq!(times.iter().map(|time| time - times[0]).collect::<Vec<_>>(), [0, 70, 70]);
        app.redeliver_everything().await.none_failed();
        app.shutdown().await;
    }
}
