//! The plans of the statements that each job costs: a wrong one is right on a small table, and slow on a large one.

use crate::support::open;

/// Statement, and what its plan must say. Nothing may look at all jobs.
const PLANS: &[(&str, &str, &[&str])] = &[
    (
        "job_claim",
        include_str!("../../queries/job_claim.sql"),
        &["USING INDEX tidings_jobs_turn (queue=? AND turn<?)"],
    ),
    (
        "job_complete_all",
        include_str!("../../queries/job_complete_all.sql"),
        &["INTEGER PRIMARY KEY (rowid=?)"],
    ),
    ("job_complete", include_str!("../../queries/job_complete.sql"), &["INTEGER PRIMARY KEY (rowid=?)"]),
    ("job_again", include_str!("../../queries/job_again.sql"), &["INTEGER PRIMARY KEY (rowid=?)"]),
    (
        "job_stage",
        include_str!("../../queries/job_stage.sql"),
        &[
            "USING COVERING INDEX tidings_jobs_waiting (queue=? AND waits_until<?)",
            "INTEGER PRIMARY KEY (rowid=?)",
        ],
    ),
    ("job_next_due", include_str!("../../queries/job_next_due.sql"), &["tidings_jobs_waiting (queue=?"]),
    (
        "job_key_held",
        include_str!("../../queries/job_key_held.sql"),
        &["tidings_jobs_key (queue=? AND key=?)"],
    ),
    ("job_promote", include_str!("../../queries/job_promote.sql"), &["tidings_jobs_key (queue=? AND key=?)"]),
    (
        "job_unique_get",
        include_str!("../../queries/job_unique_get.sql"),
        &["tidings_jobs_unique (name=? AND unique_key=?)"],
    ),
    (
        "job_unique_free",
        include_str!("../../queries/job_unique_free.sql"),
        &["tidings_jobs_unique (name=? AND unique_key=?)"],
    ),
    (
        "job_claim_suspect",
        include_str!("../../queries/job_claim_suspect.sql"),
        &["tidings_jobs_turn (queue=? AND turn=?)"],
    ),
    ("job_lost", include_str!("../../queries/job_lost.sql"), &["tidings_jobs_turn (queue=? AND turn=?)"]),
    (
        "job_cancelled_of_worker",
        include_str!("../../queries/job_cancelled_of_worker.sql"),
        &["tidings_jobs_turn (queue=? AND turn=?)"],
    ),
    (
        "retention_old_jobs",
        include_str!("../../queries/retention_old_jobs.sql"),
        &["tidings_jobs_ended (ended_at<?)"],
    ),
    (
        "inspect_flow_jobs",
        include_str!("../../queries/inspect_flow_jobs.sql"),
        &["tidings_jobs_flow (correlation_id=?)"],
    ),
];

#[tokio::test]
async fn what_each_job_costs_does_not_grow_with_their_number() {
    let temp = open().await;
    let connection = temp.outside();
    for (name, sql, expected) in PLANS {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let plan: Vec<String> =
            statement.raw_query().mapped(|row| row.get(3)).collect::<Result<_, _>>().unwrap();
        for part in *expected {
            assert!(plan.iter().any(|line| line.contains(part)), "{name}: no `{part}` in {plan:#?}");
        }
        let scans = |line: &&String| {
            line.starts_with("SCAN") && line.contains("tidings_jobs") && !line.contains("USING")
        };
        assert_eq!(plan.iter().find(scans), None, "{name}: {plan:#?}");
    }
}
