//! The part of a context that does not depend on the driver.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tidings_core::contract::{Command, Event};
use tidings_core::envelope::{Envelope, MessageKind};
use tidings_core::error::{Error, Result};
use tidings_core::ids::MessageId;
use tidings_core::store::{NewJob, Tx};

use super::{Origin, TxSlot};
use crate::app::Shared;
use crate::module::ModuleFacts;

pub(crate) struct CtxCore {
    pub(crate) shared: Arc<Shared>,
    pub(crate) module: Arc<ModuleFacts>,
    pub(crate) origin: Origin,
    /// Where the messages of a batch come from, if a handler of batches has several.
    pub(crate) batch: Vec<Origin>,
    /// Published and sent so far; appended when the handler has ended well.
    pub(crate) outgoing: Vec<Envelope>,
    /// Enqueued so far and not written yet.
    pub(crate) jobs: Vec<NewJob>,
    slot: TxSlot,
    tx: Option<Box<dyn Tx>>,
    asked_at: Option<Instant>,
}

impl CtxCore {
    pub(crate) fn new(
        shared: Arc<Shared>,
        module: Arc<ModuleFacts>,
        origin: Origin,
        slot: TxSlot,
    ) -> Box<Self> {
        Box::new(Self {
            shared,
            module,
            origin,
            batch: Vec::new(),
            outgoing: Vec::new(),
            jobs: Vec::new(),
            slot,
            tx: None,
            asked_at: None,
        })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// The transaction; waits for it at the first call.
    pub(crate) async fn tx(&mut self) -> &mut dyn Tx {
        let tx = match self.tx.take() {
            Some(tx) => tx,
            None => {
                self.asked_at = Some(Instant::now());
                self.slot.take().await
            }
        };
        self.tx.insert(tx).as_mut()
    }

    pub(crate) async fn scoped_tx(&mut self) -> (Arc<str>, &mut dyn Tx) {
        let module = self.module.name.clone();
        (module, self.tx().await)
    }

    pub(crate) fn has_tx(&self) -> bool {
        self.tx.is_some()
    }

    /// When the transaction was asked for; from then on it is the store that takes its time.
    pub(crate) fn asked_at(&self) -> Option<Instant> {
        self.asked_at
    }

    /// Gives the transaction up, if it was taken.
    pub(crate) fn into_tx(self) -> Option<Box<dyn Tx>> {
        self.tx
    }

    pub(crate) fn publish<E: Event>(&mut self, event: &E) -> Result<MessageId> {
        let envelope = self.shared.event_envelope(&self.module, event, &self.origin)?;
        Ok(self.push(envelope))
    }

    pub(crate) fn send<C: Command>(&mut self, command: &C, reply_handler: Option<&str>) -> Result<MessageId> {
        if !self.module.sends.contains(C::NAME) {
            return Err(Error::permanent(format!(
                "module `{}` may not send command `{}`: declare it with `.sends::<..>()`",
                self.module.name,
                C::NAME
            )));
        }
        let reply_to =
            reply_handler.map(|handler| self.module.reply_handler(handler, C::NAME)).transpose()?;
        let data = serde_json::to_string(command).map_err(Error::permanent)?;
        let limit = self.shared.config.commands.body_bytes_max;
        if data.len() > limit {
            return Err(Error::permanent(format!(
                "command `{}` has {} bytes, more than `commands.body_bytes_max` = {limit}: send a reference, not the thing itself",
                C::NAME,
                data.len()
            )));
        }
        let envelope = self.envelope(MessageKind::Command, C::NAME.into(), data, reply_to);
        Ok(self.push(envelope))
    }

    /// An envelope of a message without a contract, caused by what is being handled.
    pub(crate) fn envelope(
        &self,
        kind: MessageKind,
        name: Arc<str>,
        data: String,
        reply_to: Option<Arc<str>>,
    ) -> Envelope {
        Envelope {
            id: MessageId::new(),
            kind,
            name,
            version: 0,
            source: self.module.name.clone(),
            key: None,
            time: self.now(),
            correlation_id: self.origin.correlation_id,
            causation_id: self.origin.cause(),
            trace: self.origin.trace.clone(),
            reply_to,
            data,
        }
    }

    /// What follows is caused by this message of the batch.
    pub(crate) fn caused_by(&mut self, position: usize) -> Result<()> {
        let unknown = || Error::permanent(NoSuchCause { position, count: self.batch.len().max(1) });
        match self.batch.get(position) {
            Some(origin) => self.origin = origin.clone(),
            // A batch of one has one cause, which is named already.
            None if self.batch.is_empty() && position == 0 => {}
            None => return Err(unknown()),
        }
        Ok(())
    }

    fn push(&mut self, mut envelope: Envelope) -> MessageId {
        let id = envelope.id;
        if self.origin.is_nobody() {
            // Nothing caused it, so a flow begins here.
            envelope.correlation_id = id;
        }
        self.outgoing.push(envelope);
        id
    }
}

/// A handler of batches named a cause that its batch does not have.
#[derive(Debug, thiserror::Error)]
#[error("`caused_by({position})`: the batch has {count} messages, counted from 0")]
struct NoSuchCause {
    position: usize,
    count: usize,
}
