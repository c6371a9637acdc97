INSERT INTO tidings_attempts (job, attempt, worker, started_at, ended_at, ending, error)
SELECT place, attempt, worker, started_at, ?2, ?3, ?4 FROM tidings_claims WHERE place = ?1
