//! Spans after the OpenTelemetry semantic conventions for messaging
//! (<https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/>).

use tidings_core::key::Key;
use tracing::Span;
use tracing::level_filters::LevelFilter;

use crate::ctx::Origin;
use crate::jobs::Attempt;

/// A span with what all handling has in common, unless no subscriber wants such spans: with tracing's `log` feature, which
/// sqlx turns on, each would be built and offered to a logger all the same, for every message.
macro_rules! handling {
    ($message_name:expr, $handler:expr, $($more:tt)+) => {
        if LevelFilter::current() < LevelFilter::INFO {
            Span::none()
        } else {
            tracing::info_span!(
                "handle",
                otel.name = format_args!("handle {}", $message_name),
                otel.kind = "consumer",
                messaging.system = "tidings",
                messaging.operation.name = "handle",
                messaging.operation.type = "process",
                messaging.destination.name = $message_name,
                messaging.consumer.group.name = $handler,
                $($more)+
            )
        }
    };
}

/// The span of handling one message: `handle orders.placed`.
pub(crate) fn handle_span(message_name: &str, handler: &str, origin: &Origin) -> Span {
    handling!(
        message_name,
        handler,
        messaging.message.id = %origin.id,
        messaging.message.conversation_id = %origin.correlation_id,
        traceparent = origin.trace.parent.as_ref().map(tracing::field::display),
    )
}

/// The span of one attempt at a job: `handle inventory.reorder`.
pub(crate) fn job_span(attempt: &Attempt) -> Span {
    let name = &*attempt.facts.name;
    handling!(
        name,
        name,
        messaging.message.id = %attempt.id(),
        messaging.message.conversation_id = %attempt.job.correlation_id,
        messaging.delivery.attempt = attempt.job.lease.attempt,
        traceparent = attempt.trace().parent.as_ref().map(tracing::field::display),
    )
}

/// A span has at most this many links, which is the limit that OpenTelemetry's exporters have by default.
const LINKS_MAX: usize = 128;

/// The span of handling several messages in one call. It belongs to none of their traces, and links to all of them.
pub(crate) fn batch_span(message_name: &str, handler: &str, origins: &[Origin]) -> Span {
    handling!(message_name, handler, messaging.batch.message_count = origins.len(), links = links(origins),)
}

fn links(origins: &[Origin]) -> String {
    let parents = origins.iter().filter_map(|origin| origin.trace.traceparent());
    parents.take(LINKS_MAX).collect::<Vec<_>>().join(" ")
}

/// A key as logs may show it.
pub(crate) fn masked(key: &Key) -> String {
    key.masked()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_told_apart_and_not_told() {
        let [alice, bob] =
            ["alice@example.org", "bob@example.org"].map(|who| masked(&Key::new("email", who)));
        assert!(alice.starts_with("email:#") && !alice.contains("alice"), "{alice}");
        assert_ne!(alice, bob);
    }
}
