//! The hand-written side: what a careful team would write without Tidings, and no more.
//!
//! One thread owns the writing connection. It takes whoever waits, up to [`GROUP_MAX`], into one transaction, commits,
//! and answers each. The log has the shape and the indexes of Tidings' log, but for the trace columns. There is no
//! validation, no retry, no budget, no record of outcomes and no fence.

pub(crate) mod jobs;
mod log;
mod reader;
mod sqlx_writer;
mod writer;

pub(crate) use log::{Message, append, connect, make_tables};
pub(crate) use reader::{drain, move_cursor, read};
pub(crate) use sqlx_writer::{SqlxCaller, SqlxWriter};
pub(crate) use writer::{Writer, WriterCaller, write_directly};

use tokio::sync::oneshot;

use crate::orders::Place;

/// At most this many callers share one commit, as in Tidings.
const GROUP_MAX: usize = 512;

/// What one caller wants written: an event or a job, and perhaps a row beside it.
pub(crate) struct Job {
    pub(crate) order: Option<Place>,
    pub(crate) message: Message,
    pub(crate) done: oneshot::Sender<std::time::Instant>,
}
