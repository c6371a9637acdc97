//! What is being handled: where outgoing messages come from.

use tidings_core::envelope::Recorded;
use tidings_core::ids::MessageId;
use tidings_core::trace::TraceContext;

#[derive(Clone)]
pub(crate) struct Origin {
    pub(crate) id: MessageId,
    pub(crate) correlation_id: MessageId,
    pub(crate) trace: TraceContext,
}

impl Origin {
    /// Outside of messages, or of no single one.
    pub(crate) fn nobody(trace: TraceContext) -> Self {
        let nobody = MessageId(uuid::Uuid::nil());
        Self { id: nobody, correlation_id: nobody, trace }
    }

    pub(crate) fn of(message: &Recorded) -> Self {
        let envelope = &message.envelope;
        Self { id: envelope.id, correlation_id: envelope.correlation_id, trace: envelope.trace.child() }
    }

    pub(crate) fn is_nobody(&self) -> bool {
        self.id.0.is_nil()
    }

    /// The message that caused what is sent now.
    pub(crate) fn cause(&self) -> Option<MessageId> {
        (!self.is_nobody()).then_some(self.id)
    }
}
