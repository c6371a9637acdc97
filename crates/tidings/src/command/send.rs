//! `app.send(..)` with its options.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::contract::Command;
use tidings_core::ids::MessageId;
use tidings_core::trace::TraceContext;

use super::{Caller, SendError};
use crate::app::{App, Shared};
use crate::ctx::Origin;
use crate::decode;
use crate::jobs::Attempt;

/// A command about to be sent; await it. Made by [`App::send`] and [`JobCtx::send`](crate::JobCtx::send).
#[must_use = "a command is sent when this is awaited"]
pub struct SendCommand<'a, C> {
    shared: &'a Arc<Shared>,
    /// The job that calls.
    job: Option<&'a Arc<Attempt>>,
    command: C,
    caller: Caller,
    id: MessageId,
    output: PhantomData<fn() -> C>,
}

impl<'a, C: Command> SendCommand<'a, C> {
    pub(crate) fn new(app: &'a App, command: C) -> Self {
        Self::of(&app.shared, None, command, Caller::default())
    }

    pub(crate) fn from_job(job: &'a Arc<Attempt>, command: C) -> Self {
        let caller = Caller { id: job.facts.name.to_string(), ..Caller::default() };
        Self::of(&job.shared, Some(job), command, caller)
    }

    fn of(shared: &'a Arc<Shared>, job: Option<&'a Arc<Attempt>>, command: C, caller: Caller) -> Self {
        Self { shared, job, command, caller, id: MessageId::new(), output: PhantomData }
    }

    /// The id that its outcome will have, and the flow that it begins; not if it has an idempotency key that was used.
    #[cfg(feature = "testing")]
    pub(crate) fn id(&self) -> MessageId {
        self.id
    }

    /// Who asks. Idempotency keys of different callers do not meet.
    pub fn caller(mut self, caller: impl Into<String>) -> Self {
        self.caller.id = caller.into();
        self
    }

    /// Makes asking twice safe: for a while the same key gives the same outcome, and the work is done once.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Self {
        self.caller.idempotency_key = Some(key.into());
        self
    }

    /// How long to wait, instead of the configured time.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.caller.deadline = Some(deadline);
        self
    }

    /// The trace that this command belongs to.
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.caller.trace = trace;
        self
    }

    /// What a job may call is declared, like everything that leaves a module.
    fn cause(&self, job: &Attempt) -> Result<Origin, SendError> {
        let module = &job.facts.module;
        if !module.sends.contains(C::NAME) {
            return Err(SendError::Undeclared {
                module: module.name.to_string(),
                command: C::NAME.to_owned(),
            });
        }
        let origin = job.origin();
        let has_trace = self.caller.trace.parent.is_some();
        Ok(if has_trace { Origin { trace: self.caller.trace.clone(), ..origin } } else { origin })
    }

    async fn send(self) -> Result<C::Output, SendError> {
        let failed = |source| SendError::Failed { command: C::NAME.to_owned(), source };
        let payload = serde_json::to_string(&self.command).map_err(|error| failed(error.into()))?;
        let cause = self.job.map(|job| self.cause(job)).transpose()?;
        let output = super::run(self.shared, C::NAME, payload.into(), self.id, self.caller, cause).await?;
        decode::from_str(&output).map_err(|error| failed(error.into()))
    }
}

impl<'a, C: Command> IntoFuture for SendCommand<'a, C> {
    type Output = Result<C::Output, SendError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
