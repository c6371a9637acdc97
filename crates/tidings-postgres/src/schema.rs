//! The store's own tables: versioned, and only ever moved forward.

use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
use tidings_core::store::StoreError;

use crate::PostgresConfig;
use crate::connect::{Target, quoted};
use crate::error::meaning;
use crate::migrate::checksum;
use crate::rows::{column, time};

/// The name under which the store's own migrations are on record.
pub(crate) const OWN_MODULE: &str = "tidings";

struct Step {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

const STEPS: &[Step] = &[
    Step { version: 1, name: "log", sql: include_str!("../migrations/0001_log.sql") },
    Step { version: 2, name: "jobs", sql: crate::jobs::schema::SQL },
    Step { version: 3, name: "cluster", sql: include_str!("../migrations/0003_cluster.sql") },
];

/// The version that this program knows.
const KNOWN: i64 = STEPS[STEPS.len() - 1].version;

/// Serialises everyone who migrates: two processes often start at once.
pub(crate) const ONE_AT_A_TIME: &str = include_str!("../queries/migration_lock.sql");

/// What is applied in a database, and what is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaStatus {
    /// The database and its schema, without a password.
    pub what: String,
    /// The version of Tidings' own tables; 0 where there are none.
    pub version: i64,
    /// The version that this program knows.
    pub known: i64,
    /// Everything that was applied, Tidings' own migrations under the module `tidings`, each module's in their order.
    pub applied: Vec<AppliedMigration>,
    /// Tidings' own migrations that were not applied yet, by number and name. Those of the modules are known to the
    /// application only.
    pub missing: Vec<(i64, &'static str)>,
}

/// A migration on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppliedMigration {
    /// Whose.
    pub module: String,
    /// Its number.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// When, by the clock of the process that applied it.
    pub applied_at: Timestamp,
}

/// Says what is applied, and changes nothing.
///
/// # Errors
/// If the database cannot be used; see [`StoreError::Unusable`]. A schema newer than this program is no error here.
pub async fn status(config: &PostgresConfig) -> Result<SchemaStatus, StoreError> {
    let target = Target::of(config)?;
    let mut connection = target.connect(config.acquire_timeout).await?;
    let status = read_status(&mut connection, config, &target).await;
    // It has answered; how it takes the farewell changes nothing.
    drop(connection.close().await);
    status
}

/// Brings Tidings' own tables up to date, whatever [`PostgresConfig::auto_migrate`] says. Any number of processes may do so
/// at the same time. The role needs the privilege to create tables in the schema, and to create the schema if it is
/// missing.
///
/// # Errors
/// As [`status`], and [`StoreError::NewerSchema`].
pub async fn migrate(config: &PostgresConfig) -> Result<SchemaStatus, StoreError> {
    let target = Target::of(config)?;
    let mut connection = target.connect(config.acquire_timeout).await?;
    let migrated = async {
        bring_up_to_date(&mut connection, config, &target).await?;
        read_status(&mut connection, config, &target).await
    };
    let status = migrated.await;
    drop(connection.close().await);
    status
}

/// What an opening store needs: the tables of this version, made now if they may be.
pub(crate) async fn ready(
    connection: &mut PgConnection,
    config: &PostgresConfig,
    target: &Target,
) -> Result<(), StoreError> {
    // Looked at first, without a lock and without a privilege: nearly always nothing is missing.
    let found = version(connection, config, target).await?;
    if found == KNOWN {
        return Ok(());
    }
    if found > KNOWN {
        return Err(StoreError::NewerSchema { found, known: KNOWN });
    }
    if config.auto_migrate {
        return bring_up_to_date(connection, config, target).await;
    }
    let remedy = "run `tidings db migrate` with a role that may create tables there, and start again (this process has \
                  `auto_migrate` off)";
    Err(StoreError::NotMigrated {
        what: target.with_schema(),
        found,
        known: KNOWN,
        remedy: remedy.to_owned(),
    })
}

async fn bring_up_to_date(
    connection: &mut PgConnection,
    config: &PostgresConfig,
    target: &Target,
) -> Result<(), StoreError> {
    let failed = |error| meaning("bringing the tables of Tidings up to date", error);
    if let Some(schema) = config.schema.as_ref().filter(|_| !config.behind_pooler)
        && !schema_is_there(connection, schema).await?
    {
        // Two who find it missing may both try to make it: IF NOT EXISTS does not wait for the other.
        let mut tx = connection.begin().await.map_err(failed)?;
        tx.execute(ONE_AT_A_TIME).await.map_err(failed)?;
        let sql = format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema));
        tx.execute(AssertSqlSafe(sql)).await.map_err(failed)?;
        tx.commit().await.map_err(failed)?;
    }
    let mut tx = connection.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map_err(failed)?;
    tx.execute(ONE_AT_A_TIME).await.map_err(failed)?;
    let found = version(&mut tx, config, target).await?;
    if found > KNOWN {
        return Err(StoreError::NewerSchema { found, known: KNOWN });
    }
    for step in STEPS.iter().filter(|step| step.version > found) {
        let failed = |error| {
            meaning(format!("applying migration {} (`{}`) of Tidings", step.version, step.name), error)
        };
        tx.execute(sqlx::raw_sql(step.sql)).await.map_err(failed)?;
        sqlx::query(include_str!("../queries/migration_insert.sql"))
            .persistent(false)
            .bind(OWN_MODULE)
            .bind(step.version)
            .bind(step.name)
            .bind(checksum(step.sql))
            .bind(Timestamp::now().as_microsecond())
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
    }
    tx.commit().await.map_err(failed)
}

async fn schema_is_there(connection: &mut PgConnection, schema: &str) -> Result<bool, StoreError> {
    sqlx::query(include_str!("../queries/schema_exists.sql"))
        .persistent(false)
        .bind(schema)
        .fetch_optional(connection)
        .await
        .map(|found| found.is_some())
        .map_err(|error| meaning(format!("looking for schema `{schema}`"), error))
}

/// The newest step applied; 0 in a database without our tables.
async fn version(
    connection: &mut PgConnection,
    config: &PostgresConfig,
    target: &Target,
) -> Result<i64, StoreError> {
    let failed = |error| meaning("looking for the tables of Tidings", error);
    // Behind a pooler a statement that was prepared is there only in one transaction with it.
    let mut tx = connection.begin().await.map_err(failed)?;
    let found = sqlx::query(include_str!("../queries/migrations_exist.sql"))
        .persistent(false)
        .bind(config.schema.as_deref())
        .fetch_optional(&mut *tx)
        .await
        .map_err(failed)?;
    let Some(found) = found else { return Ok(0) };
    let (there, usable): (bool, bool) = (column(&found, "there")?, column(&found, "usable")?);
    match (there, usable) {
        (false, _) => return Ok(0),
        (true, true) => {}
        (true, false) => {
            let problem = "the role lacks the privilege to use it: its owner runs `GRANT USAGE ON SCHEMA .. TO ..`, and grants \
                           the rest that the documentation of tidings-postgres lists";
            return Err(target.unusable(problem.to_owned(), None));
        }
    }
    sqlx::query(include_str!("../queries/schema_version.sql"))
        .persistent(false)
        .bind(OWN_MODULE)
        .fetch_one(&mut *tx)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(failed)
}

async fn read_status(
    connection: &mut PgConnection,
    config: &PostgresConfig,
    target: &Target,
) -> Result<SchemaStatus, StoreError> {
    let version = version(connection, config, target).await?;
    let listing = async {
        let mut tx = connection.begin().await?;
        let query = sqlx::query(include_str!("../queries/migrations_list.sql")).persistent(false);
        query.fetch_all(&mut *tx).await
    };
    let applied = match version {
        0 => Vec::new(),
        _ => listing.await.map_err(|error| meaning("reading the applied migrations", error))?,
    };
    let missing = STEPS.iter().filter(|step| step.version > version);
    Ok(SchemaStatus {
        what: target.with_schema(),
        version,
        known: KNOWN,
        applied: applied.iter().map(applied_migration).collect::<Result<_, _>>()?,
        missing: missing.map(|step| (step.version, step.name)).collect(),
    })
}

fn applied_migration(row: &PgRow) -> Result<AppliedMigration, StoreError> {
    Ok(AppliedMigration {
        module: column(row, "module")?,
        version: column(row, "version")?,
        name: column(row, "name")?,
        applied_at: time(column(row, "applied_at")?),
    })
}
