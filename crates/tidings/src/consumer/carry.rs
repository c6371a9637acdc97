//! Carrying out a durable command.

use std::sync::Arc;

use tidings_core::envelope::{MessageKind, Recorded};
use tidings_core::error::{Error, Rejection, Result};
use tidings_core::store::{Savepoint, Store};
use tracing::Instrument;

use super::deliver::{Core, Ending, lost_context};
use crate::ctx::{CtxCore, Origin};
use crate::handler::{CallRoute, Payload};
use crate::reply::ReplyBody;
use crate::telemetry;

/// Carries out a durable command. A rejection undoes what the handler wrote and is an outcome, not a failure.
pub(super) async fn carry_out(
    core: &mut Core,
    command: &CallRoute,
    message: &Arc<Recorded>,
    ending: Ending,
) -> Result<()> {
    // The context leaves its place only for the handler: it holds the transaction, which an early return must not lose.
    let own = core.as_mut().ok_or_else(lost_context)?;
    own.origin = Origin::of(message);
    let beginning = Beginning::of(own).await?;
    let span = telemetry::handle_span(&message.envelope.name, command.name, &own.origin);
    let own = core.take().ok_or_else(lost_context)?;
    let (own, result) = (command.call)(own, vec![Payload::Message(message.clone())]).instrument(span).await;
    let own = core.insert(own);
    let carried = match result {
        Ok(output) => {
            beginning.keep(own).await?;
            Ok(output)
        }
        Err(error) => match error.rejection().cloned() {
            Some(rejection) => {
                beginning.undo(own).await?;
                Err(rejection)
            }
            None => return Err(error),
        },
    };
    let mut record = crate::command::outcome_record(own, command.name, &carried)?;
    match &message.envelope.reply_to {
        Some(reply_to) => {
            let body = reply_body(message, &carried)?;
            let reply = own.envelope(MessageKind::Reply, reply_to.clone(), body, None);
            own.outgoing.push(reply);
        }
        None => record.unhandled = carried.is_err(),
    }
    // One that is undone has its outcome on record already, which cannot be recorded twice.
    if ending == Ending::Commit {
        own.tx().await.record_outcome(&record).await?;
    }
    Ok(())
}

/// Whether a command that has failed has an outcome all the same. It was carried out before, under another name of its
/// handler, and its outcome cannot be recorded twice.
pub(super) async fn is_on_record(store: &dyn Store, message: &Recorded) -> Result<bool> {
    Ok(store.outcome_of(message.envelope.id).await?.is_some())
}

/// Where a command began, to go back to if it is refused.
struct Beginning {
    sent_before: usize,
    /// Taken only if earlier commands have the transaction already, or are to have it: a handler that waits before its first statement
    /// would otherwise hold the writer all the while.
    savepoint: Option<Savepoint>,
}

impl Beginning {
    async fn of(core: &mut CtxCore) -> Result<Self> {
        let sent_before = core.outgoing.len();
        core.write_jobs().await?;
        let savepoint = if core.has_tx() { Some(core.tx().await.savepoint().await?) } else { None };
        Ok(Self { sent_before, savepoint })
    }

    async fn keep(self, core: &mut CtxCore) -> Result<()> {
        if let Some(savepoint) = self.savepoint {
            core.tx().await.release(savepoint).await?;
        }
        Ok(())
    }

    async fn undo(self, core: &mut CtxCore) -> Result<()> {
        core.outgoing.truncate(self.sent_before);
        core.jobs.clear();
        match self.savepoint {
            Some(savepoint) => core.tx().await.rollback_to(savepoint).await?,
            // The transaction began with this command, so all that it holds is this command's.
            None if core.has_tx() => core.tx().await.undo().await?,
            None => {}
        }
        Ok(())
    }
}

fn reply_body(message: &Recorded, carried: &std::result::Result<String, Rejection>) -> Result<String> {
    let (output, rejection) = match carried {
        Ok(output) => (Some(serde_json::from_str(output).map_err(Error::permanent)?), None),
        Err(rejection) => (None, Some(rejection.clone())),
    };
    let body = ReplyBody { command_id: message.envelope.id, output, rejection };
    serde_json::to_string(&body).map_err(Error::permanent)
}
