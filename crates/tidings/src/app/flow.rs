//! What one request caused.

use tidings_core::error::{Error, Result};
use tidings_core::flow::{Flow, FlowId, find};

use super::App;

impl App {
    /// The flow that something belongs to: the tree of everything that one root caused, with times, attempts and outcomes.
    /// Takes a [`MessageId`](crate::MessageId), or text: the id of an event, a command, a job or a flow, a trace id, or a
    /// `traceparent`. `None` if nothing of it is on record.
    ///
    /// A flow prints as a tree. It holds no payloads, and keys are masked.
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> tidings::Result<()> {
    /// # let folder = tempfile::tempdir()?;
    /// # let mut config = tidings::Config::default();
    /// # config.store.path = folder.path().join("shop.db");
    /// # let app = tidings::App::builder().config(config).build().await?;
    /// if let Some(flow) = app.flow("0198f3c2-7b1e-7c3a-9d10-5a1f0c2b3d4e").await? {
    ///     println!("{flow}");
    ///     assert!(flow.open.is_nothing(), "everything that it caused is done");
    /// }
    /// assert!(app.flow("order 7").await.is_err(), "that is no id");
    /// # app.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the text is no id; the store's.
    pub async fn flow<I>(&self, id: I) -> Result<Option<Flow>>
    where
        I: TryInto<FlowId>,
        I::Error: std::error::Error + Send + Sync + 'static,
    {
        let id = id.try_into().map_err(Error::permanent)?;
        Ok(find(self.shared.store.as_ref(), id).await?)
    }
}
