//! How a plain async function becomes the handler of a job.

use std::sync::Arc;

use tidings_core::contract::Job;
use tidings_core::error::{Error, Result};

use super::{Attempt, JobCtx};
use crate::ctx::{BoxFuture, Driver};
use crate::decode;
use crate::handler::{AsyncHandler, One};

/// An erased handler of a job.
#[derive(Clone)]
pub(crate) struct JobRoute {
    pub(crate) name: &'static str,
    pub(crate) driver: &'static str,
    pub(crate) call: Arc<dyn Fn(Arc<Attempt>) -> BoxFuture<Result<()>> + Send + Sync>,
}

/// What [`Module::job`](crate::Module::job) takes: an async function of `(&mut JobCtx, J) -> Result<()>`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the handler of a job",
    label = "not an async function of `(&mut JobCtx, J) -> Result<()>`",
    note = "a job's handler looks like this: `async fn reorder(ctx: &mut JobCtx, job: Reorder) -> tidings::Result<()>`",
    note = "`Reorder` must derive `Job`; no transaction is open in it until `ctx.finish().await?`"
)]
pub trait IntoJob<M> {
    #[doc(hidden)]
    #[allow(private_interfaces, reason = "the trait is sealed by this type; users only pass functions")]
    fn route(self) -> JobRoute;
}

impl<F, D, J> IntoJob<One<D, J>> for F
where
    F: for<'a> AsyncHandler<'a, JobCtx<D>, J, Result<()>>,
    D: Driver,
    J: Job,
{
    #[allow(private_interfaces, reason = "see the trait")]
    fn route(self) -> JobRoute {
        let handler = Arc::new(self);
        let call = move |attempt: Arc<Attempt>| -> BoxFuture<Result<()>> {
            let handler = handler.clone();
            Box::pin(async move {
                let job = decode::from_str::<J>(&attempt.job.data).map_err(Error::permanent)?;
                handler.call(&mut JobCtx::<D>::of(attempt), job).await
            })
        };
        JobRoute { name: J::NAME, driver: D::NAME, call: Arc::new(call) }
    }
}
