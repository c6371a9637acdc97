//! Handlers that need more than context and input, such as a client.

use tidings::{AsyncHandler, Job, JobCtx, Result};

/// A handler of jobs together with what it is given at each call.
#[derive(Clone)]
pub(crate) struct With<S, H> {
    state: S,
    handler: H,
}

/// Makes `async fn(&mut JobCtx, (J, S)) -> Result<()>` and an `S` the handler of the job `J`.
pub(crate) fn with<S, H>(state: &S, handler: H) -> With<S, H>
where
    S: Clone,
{
    With { state: state.clone(), handler }
}

impl<'a, J, S, H> AsyncHandler<'a, JobCtx, J, Result<()>> for With<S, H>
where
    J: Job,
    S: Clone + Send + Sync + 'static,
    H: AsyncHandler<'a, JobCtx, (J, S), Result<()>>,
{
    type Fut = H::Fut;

    fn call(&self, ctx: &'a mut JobCtx, job: J) -> Self::Fut {
        self.handler.call(ctx, (job, self.state.clone()))
    }
}
