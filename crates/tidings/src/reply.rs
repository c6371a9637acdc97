//! Outcomes of durable commands, as their senders get them.

use serde::{Deserialize, Serialize};
use tidings_core::contract::Command;
use tidings_core::error::Rejection;
use tidings_core::ids::MessageId;

use crate::decode::{self, Undecoded};

/// What became of a durable command, given to the reply handler that was named when it was sent.
#[derive(Debug)]
pub struct CommandReply<C: Command> {
    /// The command's id, as `ctx.send` returned it.
    pub command_id: MessageId,
    /// The output, or why it was refused.
    pub outcome: Result<C::Output, Rejection>,
}

/// The stored form of a reply.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) struct ReplyBody {
    pub(crate) command_id: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rejection: Option<Rejection>,
}

impl<C: Command> CommandReply<C> {
    pub(crate) fn decode(json: &str) -> Result<Self, Undecoded> {
        let body: ReplyBody = decode::from_str(json)?;
        let outcome = match body.rejection {
            Some(rejection) => Err(rejection),
            None => {
                let output = body.output.unwrap_or(serde_json::Value::Null);
                Ok(serde_json::from_value(output).map_err(|error| Undecoded::from(&error))?)
            }
        };
        Ok(Self { command_id: body.command_id, outcome })
    }
}
