//! `sqlx::Postgres`.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::Postgres;
use tidings_core::store::Tx;
use tidings_postgres::{Doubt, OwnedPgTx, PgTx};

use super::watched::Doubts;
use super::{Borrowed, Driver, TypedDriver, of_the_store, pass_on, wrong_store};

impl Driver for Postgres {
    const NAME: &'static str = tidings_postgres::TYPED;
    const STORE: Option<&'static str> = Some("postgres");
}

#[allow(private_interfaces, reason = "see the trait")]
impl TypedDriver for Postgres {
    type Owned = OwnedPgTx;

    fn borrow(tx: &mut dyn Tx) -> BoxFuture<'_, Result<Borrowed<'_, Self>, sqlx::Error>> {
        async move {
            let tx = tx.as_any_mut().downcast_mut::<PgTx>().ok_or_else(wrong_store::<Self>)?;
            let (connection, doubt) = tx.typed().map_err(of_the_store)?;
            Ok(Borrowed::new(connection, Some(Box::new(doubt))))
        }
        .boxed()
    }

    pass_on!(Postgres);
}

impl Doubts for Doubt<'_> {
    fn failed(&mut self, error: &sqlx::Error) {
        self.failed(error);
    }

    fn unseen(&mut self) {
        self.unseen();
    }
}
