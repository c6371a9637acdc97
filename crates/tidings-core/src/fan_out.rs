//! The grade of a flow's size.

use std::fmt;

use serde::Serialize;

/// How many messages one root caused, judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FanOut {
    /// Under 10.
    Fine,
    /// 10 to 29: watch the tail.
    Watch,
    /// 30 to 79: ask who publishes in a loop.
    Loop,
    /// 80 and more: an incident.
    Incident,
}

impl FanOut {
    /// Grades a number of messages.
    #[must_use]
    pub const fn of(messages: u64) -> Self {
        match messages {
            0..10 => Self::Fine,
            10..30 => Self::Watch,
            30..80 => Self::Loop,
            _ => Self::Incident,
        }
    }
}

impl fmt::Display for FanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fine => "fine",
            Self::Watch => "watch the tail",
            Self::Loop => "ask who publishes in a loop",
            Self::Incident => "an incident",
        })
    }
}
