//! `sqlx::Sqlite`.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::Sqlite;
use tidings_core::store::Tx;
use tidings_sqlite::{OwnedSqliteTx, SqlxTx};

use super::{Borrowed, Driver, TypedDriver, of_the_store, pass_on, wrong_store};

impl Driver for Sqlite {
    const NAME: &'static str = "sqlx";
    const STORE: Option<&'static str> = Some("sqlite");
}

#[allow(private_interfaces, reason = "see the trait")]
impl TypedDriver for Sqlite {
    type Owned = OwnedSqliteTx;

    fn borrow(tx: &mut dyn Tx) -> BoxFuture<'_, Result<Borrowed<'_, Self>, sqlx::Error>> {
        async move {
            let tx = tx.as_any_mut().downcast_mut::<SqlxTx>().ok_or_else(wrong_store::<Self>)?;
            // Told as the driver's, because that is the error type of an executor.
            let connection = tx.connection().await.map_err(of_the_store)?;
            // SQLite goes on after a statement that failed, and this store knows when the transaction is gone.
            Ok(Borrowed::new(connection, None))
        }
        .boxed()
    }

    pass_on!(Sqlite);
}
