//! What people have at hand when they look for a flow.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::ids::MessageId;
use crate::trace::TraceParent;

/// What a flow is looked for by.
///
/// ```
/// use tidings_core::flow::FlowId;
///
/// let by_message: FlowId = "0198f3c2-7b1e-7c3a-9d10-5a1f0c2b3d4e".parse()?;
/// let by_trace: FlowId = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?;
/// assert!(matches!(by_message, FlowId::Message(_)));
/// assert_eq!(by_trace, FlowId::Trace(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736));
/// assert!("order 7".parse::<FlowId>().is_err());
/// # Ok::<(), tidings_core::flow::NoFlowId>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowId {
    /// By the id of an event, a command, a reply or a job of it, or by its own, the correlation id.
    Message(MessageId),
    /// By the W3C trace that it belongs to.
    Trace(u128),
    /// By 32 hexadecimal digits, which may be either: an id is looked for first.
    Either(u128),
}

/// A text that names no flow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no id: give the id of an event, a command, a job or a flow (a UUID), a trace id (32 hexadecimal digits), \
     or a `traceparent`"
)]
pub struct NoFlowId {
    text: String,
}

/// Longer ones are cut in the error.
const SHOWN_CHARS_MAX: usize = 80;

impl FromStr for FlowId {
    type Err = NoFlowId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        // The parser of numbers takes a sign for one of the digits.
        if text.len() == 32
            && text.bytes().all(|byte| byte.is_ascii_hexdigit())
            && let Ok(either) = u128::from_str_radix(text, 16)
        {
            return Ok(Self::Either(either));
        }
        let by_id = Uuid::parse_str(text).ok().map(|id| Self::Message(MessageId(id)));
        let by_trace = || TraceParent::parse(text).map(|parent| Self::Trace(parent.trace_id));
        by_id.or_else(by_trace).ok_or_else(|| NoFlowId { text: text.chars().take(SHOWN_CHARS_MAX).collect() })
    }
}

impl TryFrom<&str> for FlowId {
    type Error = NoFlowId;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<String> for FlowId {
    type Error = NoFlowId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl TryFrom<&String> for FlowId {
    type Error = NoFlowId;

    fn try_from(text: &String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<MessageId> for FlowId {
    fn from(id: MessageId) -> Self {
        Self::Message(id)
    }
}

impl fmt::Display for FlowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(id) => id.fmt(f),
            Self::Trace(trace) | Self::Either(trace) => write!(f, "{trace:032x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_paste() {
        let id = "0198f3c2-7b1e-7c3a-9d10-5a1f0c2b3d4e";
        let plain = id.replace('-', "");
        let message = FlowId::Message(MessageId(Uuid::parse_str(id).unwrap()));
        let either = FlowId::Either(Uuid::parse_str(id).unwrap().as_u128());
        let cases: &[(&str, Option<FlowId>)] = &[
            (id, Some(message)),
            (&format!("  {id}\n"), Some(message)),
            (&id.to_uppercase(), Some(message)),
            (&plain, Some(either)),
            (
                "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                Some(FlowId::Trace(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736)),
            ),
            ("", None),
            ("4bf92f3577b34da6a3ce929d0e0e473", None),
            ("+bf92f3577b34da6a3ce929d0e0e4736", None),
            ("orders.placed", None),
        ];
        for (text, expected) in cases {
            assert_eq!(text.parse::<FlowId>().ok(), *expected, "{text}");
        }
    }

    #[test]
    fn a_long_text_is_not_quoted_whole() {
        let error = "é".repeat(5_000).parse::<FlowId>().unwrap_err().to_string();
        assert!(error.len() < 500, "{error}");
    }
}
