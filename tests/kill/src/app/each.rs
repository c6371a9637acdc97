//! What is written twice: once for SQLite, once for PostgreSQL.

/// A module's own SQL, from a folder for each. The tables are the same in both; the types that SQL has for them are not.
macro_rules! migrations {
    ($on:expr, $sqlite:tt, $postgres:tt) => {
        match $on {
            $crate::plan::Database::Sqlite => tidings::migrations!($sqlite),
            $crate::plan::Database::Postgres => tidings::migrations!($postgres),
        }
    };
}

/// The same handlers for each driver, by the name of its database: sqlx has no type for both. `Db` is the driver's.
macro_rules! for_each_driver {
    ($($item:item)*) => {
        pub(super) mod sqlite {
            #![allow(clippy::wildcard_imports, reason = "what follows was written for the module outside")]
            use super::*;
            type Db = sqlx::Sqlite;
            $($item)*
        }

        pub(super) mod postgres {
            #![allow(clippy::wildcard_imports, reason = "what follows was written for the module outside")]
            use super::*;
            type Db = sqlx::Postgres;
            $($item)*
        }
    };
}
