//! The tables and functions of jobs: one migration, in several files because it is long.

/// What makes them, in order.
pub(crate) const SQL: &str = concat!(
    include_str!("../../migrations/0002_jobs.sql"),
    include_str!("../../migrations/0002_jobs_keys.sql"),
    include_str!("../../migrations/0002_jobs_ends.sql"),
    include_str!("../../migrations/0002_jobs_shares.sql"),
    include_str!("../../migrations/0002_jobs_claims.sql"),
    include_str!("../../migrations/0002_jobs_workers.sql"),
    include_str!("../../migrations/0002_jobs_decisions.sql"),
    include_str!("../../migrations/0002_jobs_rows.sql"),
);
