//! Sending a command, and what became of it.

use std::future::IntoFuture;
use std::pin::Pin;

use tidings_core::contract::Command;
use tidings_core::error::{Rejection, chain};
use tidings_core::ids::MessageId;

use super::fail::{fail, here};
use crate::command::{SendCommand, SendError};

/// A command about to be sent; await it. Made by [`TestApp::send`](super::TestApp::send).
#[must_use = "a command is sent when this is awaited"]
pub struct Sending<'a, C>(SendCommand<'a, C>);

impl<'a, C: Command> Sending<'a, C> {
    pub(super) fn new(command: SendCommand<'a, C>) -> Self {
        Self(command)
    }

    /// Sends it with options: `.with(|command| command.idempotency_key("4711"))`.
    pub fn with(self, options: impl FnOnce(SendCommand<'a, C>) -> SendCommand<'a, C>) -> Self {
        Self(options(self.0))
    }
}

impl<'a, C: Command> IntoFuture for Sending<'a, C> {
    type Output = Sent<C::Output>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let flow = self.0.id();
        let sent = self.0.into_future();
        Box::pin(async move { Sent { flow, outcome: sent.await } })
    }
}

/// What became of a command.
#[derive(Debug)]
#[must_use = "say what should have become of it: `.completed()`, `.rejected()`"]
pub struct Sent<T> {
    flow: MessageId,
    outcome: Result<T, SendError>,
}

impl<T> Sent<T> {
    /// The flow that it began. A command whose idempotency key was used before began none: that is the first one's.
    #[must_use]
    pub fn flow(&self) -> MessageId {
        self.flow
    }

    /// Its output.
    ///
    /// # Panics
    /// If it did not complete.
    #[track_caller]
    pub fn completed(&self) -> &T {
        match &self.outcome {
            Ok(output) => output,
            Err(error) => fail(here(), &chain(error)),
        }
    }

    /// Why it was rejected.
    ///
    /// # Panics
    /// If it was not.
    #[track_caller]
    pub fn rejected(&self) -> &Rejection {
        match &self.outcome {
            Err(SendError::Rejected { rejection, .. }) => rejection,
            Err(error) => fail(here(), &format!("the command was not rejected: {}", chain(error))),
            Ok(_) => fail(here(), "the command was not rejected, it completed"),
        }
    }

    /// What the caller is told.
    ///
    /// # Errors
    /// Whatever the command ended with, but for its output.
    pub fn into_outcome(self) -> Result<T, SendError> {
        self.outcome
    }
}
