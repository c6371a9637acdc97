//! Appending to the log.

use serde_json::{Value as Json, json};
use tidings_core::envelope::Envelope;
use tidings_core::ids::MessageId;

use crate::exec::Param;

pub(crate) const APPEND: &str = include_str!("../../queries/append.sql");
pub(crate) const APPEND_MANY: &str = include_str!("../../queries/append_many.sql");

/// How many parameters [`APPEND`] has.
pub(crate) const APPEND_PARAMS: usize = 14;

/// The parameters of [`APPEND`]. `traceparent` is the message's, formatted by the caller.
pub(crate) fn append_params<'a>(
    message: &'a Envelope,
    traceparent: Option<&'a str>,
) -> [Param<'a>; APPEND_PARAMS] {
    [
        id(&message.id),
        Param::Text(message.kind.as_str()),
        Param::Text(&message.name),
        Param::Int(message.version.into()),
        Param::Text(&message.source),
        Param::text(message.key.as_ref().map(|key| key.as_str())),
        Param::Int(message.time.as_microsecond()),
        id(&message.correlation_id),
        message.causation_id.as_ref().map_or(Param::Null, id),
        Param::text(traceparent),
        Param::text(message.trace.tracestate.as_deref()),
        Param::text(message.trace.baggage.as_deref()),
        Param::text(message.reply_to.as_deref()),
        Param::Text(&message.data),
    ]
}

/// The one parameter of [`APPEND_MANY`].
pub(crate) fn many_as_json(messages: &[Envelope]) -> String {
    let row = |message: &Envelope| {
        json!([
            hex(message.id),
            message.kind.as_str(),
            &*message.name,
            message.version,
            &*message.source,
            message.key.as_ref().map(|key| key.as_str()),
            message.time.as_microsecond(),
            hex(message.correlation_id),
            message.causation_id.map(hex),
            message.trace.traceparent(),
            message.trace.tracestate,
            message.trace.baggage,
            message.reply_to.as_deref(),
            message.data,
        ])
    };
    Json::Array(messages.iter().map(row).collect()).to_string()
}

pub(crate) fn id(id: &MessageId) -> Param<'_> {
    Param::Blob(id.0.as_bytes())
}

fn hex(id: MessageId) -> String {
    id.0.simple().to_string()
}
