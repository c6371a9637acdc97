//! After an unclean end: what counts against a message, and what does not.

use std::sync::atomic::{AtomicU32, Ordering};

use tidings::store::StoreError;
use tidings::{Ctx, Result};

use crate::app::{SomeBumped, audit_tables, bump, counters, note_bumped, notes};
use crate::support::{Harness, mark_unclean};

/// How often the store was busy under the listener below.
static BUSY: AtomicU32 = AtomicU32::new(0);
const BUSY_TIMES: u32 = 6;

/// Twice as often as ends of the process condemn a message, its store is busy.
async fn note_once_the_store_can(ctx: &mut Ctx, event: SomeBumped) -> Result<()> {
    if event.counter == "innocent" && BUSY.fetch_add(1, Ordering::SeqCst) < BUSY_TIMES {
        return Err(StoreError::Busy { context: "a test".to_owned(), source: None }.into());
    }
    note_bumped(ctx, event).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_condemns_nobody() {
    let harness = Harness::with([counters(), audit_tables()]).await;
    harness.app.send(bump("innocent", 1)).await.unwrap();
    harness.app.shutdown().await.unwrap();
    mark_unclean(&harness.path()).await;

    let busy = audit_tables().on_with("note", note_once_the_store_can, |options| options.from_start());
    let harness = harness.start_again_with([counters(), busy]).await.unwrap();
    harness.until("the store was busy", async |_| BUSY.load(Ordering::SeqCst) > BUSY_TIMES).await;
    harness.settle().await;
    assert_eq!(notes(&harness.path(), "innocent").await, ["bumped to 1"]);
    harness.until_parked("audit.note", 0, 0, 0).await;
}
