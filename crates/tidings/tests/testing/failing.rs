//! What a failed assertion says.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

/// Runs an assertion that must fail, and returns what it says.
pub(crate) async fn failure<T>(assertion: impl Future<Output = T>) -> String {
    match AssertUnwindSafe(assertion).catch_unwind().await {
        Ok(_) => panic!("the assertion holds, and should not"),
        Err(panic) => match panic.downcast::<String>() {
            Ok(message) => *message,
            Err(_) => panic!("the assertion failed without a text"),
        },
    }
}

/// Each of these is in the text.
#[track_caller]
pub(crate) fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "not there: {part}\nin:\n{text}");
    }
}
