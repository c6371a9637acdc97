//! The part of a context that does not depend on the driver.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use tidings_core::contract::{Command, Event};
use tidings_core::envelope::{Envelope, MessageKind};
use tidings_core::error::{Error, Result};
use tidings_core::ids::MessageId;
use tidings_core::store::Tx;
use tidings_core::trace::TraceContext;

use super::TxSlot;
use crate::app::Shared;
use crate::module::ModuleFacts;

/// What is being handled: where outgoing messages come from.
#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) id: MessageId,
    pub(crate) correlation_id: MessageId,
    pub(crate) trace: TraceContext,
}

pub(crate) struct CtxCore {
    pub(crate) shared: Arc<Shared>,
    pub(crate) module: Arc<ModuleFacts>,
    pub(crate) origin: Origin,
    /// Published and sent so far; appended when the handler has ended well.
    pub(crate) outgoing: Vec<Envelope>,
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
        Box::new(Self { shared, module, origin, outgoing: Vec::new(), slot, tx: None, asked_at: None })
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
            causation_id: Some(self.origin.id),
            trace: self.origin.trace.clone(),
            reply_to,
            data,
        }
    }

    fn push(&mut self, envelope: Envelope) -> MessageId {
        let id = envelope.id;
        self.outgoing.push(envelope);
        id
    }
}
