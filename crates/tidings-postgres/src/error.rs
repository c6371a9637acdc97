//! From the driver's errors to the port's.

use tidings_core::store::StoreError;

/// Says what an error of the driver means.
pub(crate) fn meaning(context: impl Into<String>, error: sqlx::Error) -> StoreError {
    let context = context.into();
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
    match (&error, code.as_str()) {
        (sqlx::Error::PoolClosed, _) => StoreError::Closed,
        (sqlx::Error::PoolTimedOut | sqlx::Error::Io(_), _)
        // Serialisation, deadlock, lock not available, too many connections, the server going down or coming up.
        | (_, "40001" | "40P01" | "55P03" | "53300" | "57P01" | "57P02" | "57P03") => {
            StoreError::Busy { context, source: Some(Box::new(error)) }
        }
        // A statement after one that failed: PostgreSQL refuses everything until the transaction goes back.
        (_, "25P02") => StoreError::TransactionLost { context, source: Some(Box::new(error)) },
        (_, "53100") => StoreError::Full { context, source: Some(Box::new(error)) },
        (_, "25006") => StoreError::ReadOnly { what: "the transaction".to_owned(), source: Some(Box::new(error)) },
        _ => StoreError::Sql { context, source: Box::new(error) },
    }
}

/// What the spike leaves out.
pub(crate) fn not_in_the_spike(what: &str) -> StoreError {
    StoreError::Sql {
        context: format!("the PostgreSQL store is a spike of the log part; it does not do {what} yet"),
        source: "use the SQLite store".into(),
    }
}

/// A row that this store cannot have written.
pub(crate) fn foreign_row(what: &str, found: &str) -> StoreError {
    StoreError::Corrupt { what: format!("the log ({what} `{found}`)"), source: None }
}
