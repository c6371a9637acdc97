//! How plain async functions become handlers.
//!
//! [`Ctx`] owns its transaction and so has no lifetime of its own; that is what lets `async fn(&mut Ctx, T)` be
//! registered without boxing or macros on the user's side.

use std::future::Future;
use std::sync::Arc;

use tidings_core::contract::{Command, Query, Reads};
use tidings_core::envelope::Recorded;
use tidings_core::error::{Error, Outcome, Result};
use tidings_core::reads::ReadField;

use crate::ctx::{BoxFuture, Ctx, CtxCore, Driver, QueryCtx};
use crate::decode::{self, Undecoded};
use crate::reply::CommandReply;
use crate::strict;

/// An async function of a context and an input. Implemented for every such function; not meant to be named.
pub trait AsyncHandler<'a, C: 'a, T, O>: Send + Sync + 'static {
    /// What the call returns.
    type Fut: Future<Output = O> + Send + 'a;
    /// Calls the function.
    fn call(&self, ctx: &'a mut C, input: T) -> Self::Fut;
}

impl<'a, F, Fut, C, T, O> AsyncHandler<'a, C, T, O> for F
where
    F: Fn(&'a mut C, T) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = O> + Send + 'a,
    C: 'a,
{
    type Fut = Fut;
    fn call(&self, ctx: &'a mut C, input: T) -> Fut {
        self(ctx, input)
    }
}

/// A handler with something of its own; see [`with`].
#[derive(Clone)]
pub struct With<S, F> {
    state: S,
    handler: F,
}

/// Gives a handler something that it needs beside its context and input: a client of another company, an address, a limit.
/// Makes a handler of `async fn(&mut Ctx, T, S)`, of any kind; it gets a clone of the state at each call.
///
/// ```
/// use std::sync::Arc;
///
/// use serde::{Deserialize, Serialize};
/// use tidings::{Job, JobCtx, Module, Queue, Result, with};
///
/// struct Bank {
///     address: String,
/// }
///
/// #[derive(Job, Serialize, Deserialize)]
/// #[job("payments.charge")]
/// struct Charge {
///     cents: u32,
/// }
///
/// async fn charge(ctx: &mut JobCtx, job: Charge, bank: Arc<Bank>) -> Result<()> {
///     println!("{} cents at {}, once for {}", job.cents, bank.address, ctx.dedupe_key());
///     Ok(())
/// }
///
/// let bank = Arc::new(Bank { address: "http://localhost:4711".to_owned() });
/// let payments = Module::new("payments").job(Queue::named("bank"), with(bank, charge));
/// ```
pub fn with<S, F>(state: S, handler: F) -> With<S, F> {
    With { state, handler }
}

impl<'a, F, Fut, C, T, S, O> AsyncHandler<'a, C, T, O> for With<S, F>
where
    F: Fn(&'a mut C, T, S) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = O> + Send + 'a,
    C: 'a,
    S: Clone + Send + Sync + 'static,
{
    type Fut = Fut;
    fn call(&self, ctx: &'a mut C, input: T) -> Fut {
        (self.handler)(ctx, input, self.state.clone())
    }
}

/// One call of an erased handler: the context goes in and comes back with the answer.
pub(crate) type Called<T> = BoxFuture<(Box<CtxCore>, Result<T>)>;

/// An erased handler of payloads given as JSON text: one payload, or several for a handler of batches.
pub(crate) type Erased<T> = Arc<dyn Fn(Box<CtxCore>, Vec<Payload>) -> Called<T> + Send + Sync>;

/// JSON text that outlives the call, shared with whoever calls again.
#[derive(Clone)]
pub(crate) enum Payload {
    /// Of a call.
    Text(Arc<str>),
    /// Of a message from the log.
    Message(Arc<Recorded>),
}

impl std::ops::Deref for Payload {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Message(message) => &message.envelope.data,
        }
    }
}

/// What a listener does with one event.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) event: &'static str,
    pub(crate) versions: &'static [u32],
    pub(crate) fields: &'static [&'static str],
    /// The fields with their types, unless the reader is written by hand.
    pub(crate) types: Option<&'static [ReadField]>,
    pub(crate) driver: &'static str,
    /// Takes many messages in one call.
    pub(crate) batched: bool,
    pub(crate) call: Erased<()>,
    /// Decodes a payload and drops it: how the application's start proves that a producer's version can be read.
    pub(crate) probe: fn(&str) -> std::result::Result<(), serde_json::Error>,
}

/// Marks a listener of one event, one at a time.
pub struct One<D, T>(std::marker::PhantomData<fn() -> (D, T)>);
/// Marks a listener of one event, in batches.
pub struct InBatches<D, T>(std::marker::PhantomData<fn() -> (D, T)>);
/// Marks a listener of several events.
pub struct Many<M>(std::marker::PhantomData<fn() -> M>);

/// What [`Module::on`](crate::Module::on) takes: an async function of `(&mut Ctx, T)` with `T: Reads`, a
/// [`batch`] of one of `(&mut Ctx, Vec<T>)`, or a tuple of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a listener",
    label = "not an async function of `(&mut Ctx, T) -> Result<()>`",
    note = "a listener looks like this: `async fn reserve_stock(ctx: &mut Ctx, order: OrderRef) -> tidings::Result<()>`",
    note = "`OrderRef` must derive `Reads`; for several events pass a tuple of such functions, for batches `tidings::batch(f)`"
)]
pub trait IntoListener<M> {
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "the trait is sealed by this type; users only pass functions")]
    fn routes(self) -> Vec<Route>;
}

impl<F, D, T> IntoListener<One<D, T>> for F
where
    F: for<'a> AsyncHandler<'a, Ctx<D>, T, Result<()>>,
    D: Driver,
    T: Reads,
{
    #[allow(private_interfaces, reason = "see the trait")]
    fn routes(self) -> Vec<Route> {
        let handler = Arc::new(self);
        let call: Erased<()> = Arc::new(move |core, payloads| {
            let handler = handler.clone();
            Box::pin(async move {
                let mut ctx = Ctx::<D>::wrap(core);
                let mut result = Ok(());
                for payload in payloads {
                    result = match decode_event::<T>(&payload) {
                        Ok(event) => handler.call(&mut ctx, event).await,
                        Err(error) => Err(error),
                    };
                    if result.is_err() {
                        break;
                    }
                }
                (ctx.unwrap(), result)
            })
        });
        vec![route::<D, T>(call, false)]
    }
}

/// A listener that takes up to a batch of events of one kind in one call; see [`batch`].
pub struct BatchListener<F>(F);

/// Makes a listener of `async fn(&mut Ctx, Vec<T>) -> Result<()>`: it gets what waits, up to the batch size, in one
/// call and one transaction. When it fails, the batch is split until the failing event is alone.
///
/// The events of a batch belong to different flows. A handler that publishes says which event it is for:
///
/// ```
/// # use tidings::{Ctx, Event, Reads, Result};
/// async fn forward<T: Reads, E: Event + From<T>>(ctx: &mut Ctx, events: Vec<T>) -> Result<()> {
///     for (position, event) in events.into_iter().enumerate() {
///         ctx.caused_by(position)?;
///         ctx.publish(E::from(event)).await?;
///     }
///     Ok(())
/// }
/// ```
pub fn batch<F>(handler: F) -> BatchListener<F> {
    BatchListener(handler)
}

impl<F, D, T> IntoListener<InBatches<D, T>> for BatchListener<F>
where
    F: for<'a> AsyncHandler<'a, Ctx<D>, Vec<T>, Result<()>>,
    D: Driver,
    T: Reads,
{
    #[allow(private_interfaces, reason = "see the trait")]
    fn routes(self) -> Vec<Route> {
        let handler = Arc::new(self.0);
        let call: Erased<()> = Arc::new(move |core, payloads| {
            let handler = handler.clone();
            Box::pin(async move {
                let mut ctx = Ctx::<D>::wrap(core);
                let events =
                    payloads.iter().map(|payload| decode_event::<T>(payload)).collect::<Result<Vec<T>>>();
                let result = match events {
                    Ok(events) => handler.call(&mut ctx, events).await,
                    Err(error) => Err(error),
                };
                (ctx.unwrap(), result)
            })
        });
        vec![route::<D, T>(call, true)]
    }
}

macro_rules! several {
    ($($f:ident $m:ident),+) => {
        impl<$($f, $m),+> IntoListener<Many<($($m,)+)>> for ($($f,)+)
        where $($f: IntoListener<$m>),+
        {
            #[allow(private_interfaces, reason = "see the trait")]
            #[allow(non_snake_case, reason = "the tuple's fields are named by their types")]
            fn routes(self) -> Vec<Route> {
                let ($($f,)+) = self;
                let mut routes = Vec::new();
                $(routes.extend($f.routes());)+
                routes
            }
        }
    };
}
several!(A MA);
several!(A MA, B MB);
several!(A MA, B MB, C MC);
several!(A MA, B MB, C MC, D MD);
several!(A MA, B MB, C MC, D MD, E ME);
several!(A MA, B MB, C MC, D MD, E ME, F MF);
several!(A MA, B MB, C MC, D MD, E ME, F MF, G MG);
several!(A MA, B MB, C MC, D MD, E ME, F MF, G MG, H MH);

fn route<D: Driver, T: Reads>(call: Erased<()>, batched: bool) -> Route {
    Route {
        event: T::EVENT,
        versions: T::VERSIONS,
        fields: T::FIELDS,
        types: T::TYPES,
        driver: D::NAME,
        batched,
        call,
        probe: |json| T::decode(json).map(drop),
    }
}

fn decode_event<T: Reads>(json: &str) -> Result<T> {
    T::decode(json)
        .map_err(|error| Error::permanent(Undecodable { event: T::EVENT, source: Undecoded::from(&error) }))
}

/// An event's payload does not hold what its reader declares.
#[derive(Debug, thiserror::Error)]
#[error("event `{event}` does not decode into what its listener reads")]
pub(crate) struct Undecodable {
    event: &'static str,
    source: Undecoded,
}

/// An erased handler of a command or a query: JSON text in, JSON text out.
#[derive(Clone)]
pub(crate) struct CallRoute {
    pub(crate) name: &'static str,
    pub(crate) driver: &'static str,
    pub(crate) call: Erased<String>,
    /// Names what a payload has that the type does not know, and says whether it decodes at all.
    pub(crate) check: fn(&[u8]) -> std::result::Result<(), String>,
}

/// What [`Module::command`](crate::Module::command) takes: an async function of `(&mut Ctx, C) -> Outcome<C::Output>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a command handler",
    label = "not an async function of `(&mut Ctx, C) -> Outcome<C::Output>`",
    note = "a command handler looks like this: `async fn place_order(ctx: &mut Ctx, cmd: PlaceOrder) -> tidings::Outcome<OrderId>`",
    note = "`PlaceOrder` must derive `Command`, with `output = OrderId`"
)]
pub trait IntoCommand<M> {
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "the trait is sealed by this type; users only pass functions")]
    fn route(self) -> CallRoute;
}

impl<F, D, C> IntoCommand<One<D, C>> for F
where
    F: for<'a> AsyncHandler<'a, Ctx<D>, C, Outcome<C::Output>>,
    D: Driver,
    C: Command,
{
    #[allow(private_interfaces, reason = "see the trait")]
    fn route(self) -> CallRoute {
        let handler = Arc::new(self);
        let call: Erased<String> = Arc::new(move |core, payloads| {
            let handler = handler.clone();
            Box::pin(async move {
                let mut ctx = Ctx::<D>::wrap(core);
                let result = async {
                    let payload = payloads.first().map_or("null", |payload| &**payload);
                    let command = decode::from_str::<C>(payload).map_err(Error::permanent)?;
                    let output = handler.call(&mut ctx, command).await?;
                    serde_json::to_string(&output).map_err(Error::permanent)
                }
                .await;
                (ctx.unwrap(), result)
            })
        });
        CallRoute { name: C::NAME, driver: D::NAME, call, check: strict::check::<C> }
    }
}

/// What [`Module::query`](crate::Module::query) takes: an async function of `(&mut QueryCtx, Q) -> Result<Q::Output>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a query handler",
    label = "not an async function of `(&mut QueryCtx, Q) -> Result<Q::Output>`",
    note = "a query handler looks like this: `async fn stock_level(ctx: &mut QueryCtx, q: StockLevel) -> tidings::Result<Level>`",
    note = "`StockLevel` must derive `Query`, with `output = Level`; a query cannot write, so it takes a `QueryCtx`"
)]
pub trait IntoQuery<M> {
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "the trait is sealed by this type; users only pass functions")]
    fn route(self) -> CallRoute;
}

impl<F, D, Q> IntoQuery<One<D, Q>> for F
where
    F: for<'a> AsyncHandler<'a, QueryCtx<D>, Q, Result<Q::Output>>,
    D: Driver,
    Q: Query,
{
    #[allow(private_interfaces, reason = "see the trait")]
    fn route(self) -> CallRoute {
        let handler = Arc::new(self);
        let call: Erased<String> = Arc::new(move |core, payloads| {
            let handler = handler.clone();
            Box::pin(async move {
                let mut ctx = QueryCtx::<D>::wrap(core);
                let result = async {
                    let payload = payloads.first().map_or("null", |payload| &**payload);
                    let query = decode::from_str::<Q>(payload).map_err(Error::permanent)?;
                    let output = handler.call(&mut ctx, query).await?;
                    serde_json::to_string(&output).map_err(Error::permanent)
                }
                .await;
                (ctx.unwrap(), result)
            })
        });
        CallRoute { name: Q::NAME, driver: D::NAME, call, check: strict::check::<Q> }
    }
}

/// What [`Module::on_reply`](crate::Module::on_reply) takes: an async function of `(&mut Ctx, CommandReply<C>) -> Result<()>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reply handler",
    label = "not an async function of `(&mut Ctx, CommandReply<C>) -> Result<()>`"
)]
pub trait IntoReply<M> {
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "the trait is sealed by this type; users only pass functions")]
    fn route(self) -> ReplyRoute;
}

/// An erased handler of a durable command's outcome.
#[derive(Clone)]
pub(crate) struct ReplyRoute {
    pub(crate) command: &'static str,
    pub(crate) driver: &'static str,
    pub(crate) call: Erased<()>,
}

impl<F, D, C> IntoReply<One<D, C>> for F
where
    F: for<'a> AsyncHandler<'a, Ctx<D>, CommandReply<C>, Result<()>>,
    D: Driver,
    C: Command,
{
    #[allow(private_interfaces, reason = "see the trait")]
    fn route(self) -> ReplyRoute {
        let handler = Arc::new(self);
        let call: Erased<()> = Arc::new(move |core, payloads| {
            let handler = handler.clone();
            Box::pin(async move {
                let mut ctx = Ctx::<D>::wrap(core);
                let mut result = Ok(());
                for payload in payloads {
                    result = match CommandReply::<C>::decode(&payload) {
                        Ok(reply) => handler.call(&mut ctx, reply).await,
                        Err(error) => Err(Error::permanent(error)),
                    };
                    if result.is_err() {
                        break;
                    }
                }
                (ctx.unwrap(), result)
            })
        });
        ReplyRoute { command: C::NAME, driver: D::NAME, call }
    }
}
