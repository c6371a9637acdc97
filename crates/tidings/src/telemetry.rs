//! Spans after the OpenTelemetry semantic conventions for messaging
//! (<https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/>).

use tracing::Span;

use crate::ctx::Origin;

/// The span of handling one message: `handle orders.placed`.
pub(crate) fn handle_span(message_name: &str, handler: &str, origin: &Origin) -> Span {
    tracing::info_span!(
        "handle",
        otel.name = format_args!("handle {message_name}"),
        otel.kind = "consumer",
        messaging.system = "tidings",
        messaging.operation.name = "handle",
        messaging.operation.type = "process",
        messaging.destination.name = message_name,
        messaging.consumer.group.name = handler,
        messaging.message.id = %origin.id,
        messaging.message.conversation_id = %origin.correlation_id,
        traceparent = origin.trace.parent.as_ref().map(tracing::field::display),
    )
}
