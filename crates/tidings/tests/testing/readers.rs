//! Publishers against their readers.

use tidings::testing::TestApp;
use tidings::{Ctx, Module, Reads, Result};

use crate::failing::{failure, says};
use crate::shop::{OrderRef, Placed, contracts::CONTRACTS, modules, orders, place};

/// A reader written by hand that takes more for granted than the contract says.
#[derive(Debug, serde::Deserialize)]
struct Noted {
    #[allow(dead_code, reason = "it is only decoded")]
    note: String,
}

impl Reads for Noted {
    const EVENT: &'static str = "orders.placed";
    const VERSIONS: &'static [u32] = &[1];
    const FIELDS: &'static [&'static str] = &["note"];

    fn decode(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

/// One for which large orders do not exist.
#[derive(Debug, serde::Deserialize)]
struct Small {
    #[allow(dead_code, reason = "it is only decoded")]
    pieces: i8,
}

impl Reads for Small {
    const EVENT: &'static str = "orders.placed";
    const VERSIONS: &'static [u32] = &[1];
    const FIELDS: &'static [&'static str] = &["pieces"];

    fn decode(json: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(json)
    }
}

async fn notes(_ctx: &mut Ctx, _order: Noted) -> Result<()> {
    Ok(())
}

fn placed(pieces: u32, note: Option<&str>) -> Placed {
    Placed { order_id: "read".to_owned(), pieces, note: note.map(str::to_owned) }
}

#[tokio::test]
async fn readers_that_read_what_they_should_are_content() {
    let app = TestApp::builder().modules(modules()).contracts(CONTRACTS).reader::<OrderRef>("shipping.plan");
    let app = app.start().await;
    app.send(place("readers")).await.completed();
    app.settle().await;
    app.check_readers().await;
    app.readers_accept(&placed(1000, None));
}

#[tokio::test]
async fn a_listener_that_cannot_read_what_was_published_is_found_as_the_application_settles() {
    let app = TestApp::start([orders(), Module::new("notes").on("note", notes)]).await;
    app.publish("orders", placed(1, Some("by hand"))).await;
    app.settle().await;
    app.publish("orders", placed(1, None)).await;
    let told = failure(app.settle()).await;
    says(
        &told,
        &[
            "readers.rs:",
            "`notes.note` cannot read `orders.placed` v1 as `orders` published it: missing field `note`",
            r#"{"order_id":"read","pieces":1}"#,
        ],
    );
}

#[tokio::test]
async fn it_can_be_switched_off_and_asked_for() {
    let app = TestApp::builder().module(orders()).reader::<Small>("elsewhere.small").without_reader_checks();
    let app = app.start().await;
    app.publish("orders", placed(300, None)).await;
    app.settle().await;
    says(
        &failure(app.check_readers()).await,
        &[
            "readers.rs:",
            "`elsewhere.small` cannot read `orders.placed` v1 as `orders` published it: field `pieces`: invalid value",
            r#"{"order_id":"read","pieces":300}"#,
            "`elsewhere.small` cannot read `orders.placed` a payload that v1 allows",
        ],
    );
}

#[tokio::test]
async fn payloads_that_nobody_published_yet_are_tried() {
    let app = TestApp::builder().module(orders()).reader::<Small>("elsewhere.small").start().await;
    app.settle().await;
    let told = failure(app.check_readers()).await;
    says(&told, &["`elsewhere.small` cannot read `orders.placed` a payload that v1 allows: field `pieces`"]);
    app.readers_accept(&placed(100, None));
    let told = failure(async { app.readers_accept(&placed(200, None)) }).await;
    says(&told, &["readers.rs:", "v1 as it would be published: field `pieces`", r#""pieces":200"#]);
    let told = failure(async { app.readers_accept(&placed(0, None)) }).await;
    says(&told, &["readers.rs:", "/pieces"]);
}
