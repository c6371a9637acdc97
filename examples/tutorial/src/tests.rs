//! The chain from booking to invitation.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed, and says where")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use tidings::testing::TestApp;

use crate::contracts::invitations::Sent;
use crate::rooms::Book;

fn book_the_library() -> Book {
    let starts_at = "2026-03-02T10:00:00Z".parse().unwrap();
    Book { room: "library".to_owned(), starts_at, guest: "Ada".to_owned() }
}

fn a_folder() -> PathBuf {
    std::env::temp_dir().join(format!("mails-{}", uuid::Uuid::now_v7()))
}

fn mails(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_booking_is_followed_by_one_invitation() {
    let folder = a_folder();
    std::fs::create_dir(&folder).unwrap();
    let app = TestApp::start(crate::modules(folder.clone())).await;
    let sent = app.send(book_the_library()).await;
    app.settle().await;
    app.flow_of(sent.flow())
        .await
        .published_exactly(["rooms.booked", "invitations.sent"])
        .jobs_completed(["invitations.send"])
        .fan_out_at_most(2)
        .no_dead_letters();
    assert_eq!(mails(&folder), 1);

    // Each delivery and each attempt once more, as after the end of a process just before its commit: nothing changes.
    app.redeliver_everything().await.none_failed();
    assert_eq!(mails(&folder), 1, "the same dedupe key is the same mail");

    let again = app.send(book_the_library()).await;
    assert_eq!(again.rejected().code, "room_taken");
    app.shutdown().await;
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn mail_that_fails_for_an_hour_arrives_all_the_same() {
    let folder = a_folder();
    let app = TestApp::start(crate::modules(folder.clone())).await;
    let sent = app.send(book_the_library()).await;
    // The folder is not there: attempts fail at once, and after 10 s, 1 min, 10 min and 1 h. That takes milliseconds.
    app.advance(Duration::from_secs(2 * 3_600)).await;
    assert!(app.events::<Sent>().await.is_empty());

    std::fs::create_dir(&folder).unwrap();
    app.advance(Duration::from_secs(2 * 3_600)).await;
    app.flow_of(sent.flow()).await.published_exactly(["rooms.booked", "invitations.sent"]).no_dead_letters();
    assert_eq!(app.jobs_named("invitations.send").await[0].attempts, 6);
    assert_eq!(mails(&folder), 1);
    app.shutdown().await;
    std::fs::remove_dir_all(&folder).unwrap();
}
